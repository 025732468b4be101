"""Questions in InfluxQL: how long a range one may span, and both shapes of an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stores import influx_setup
from ingest.stores.history_store import SeriesFold
from ingest.stores.influx_reading import inner_step, quoted, rows_of, stretches, where
from ingest.stores.measurements import MEASUREMENTS
from ingest.stores.schema import from_ms
from workplace.ports import ZoneBin

FIVE = timedelta(minutes=5)
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
moments = st.integers(0, 1_900_000_000).map(lambda s: from_ms(s * 1000))
measurements = st.sampled_from(sorted(MEASUREMENTS))
steps = st.sampled_from([timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=7)])


@given(name=measurements, begin=moments, length=st.integers(0, 400 * 86_400), step=st.none() | steps)
def test_a_long_range_is_asked_for_in_pieces_that_3x_can_read(
    name: str, begin: datetime, length: int, step: timedelta | None
) -> None:
    end = begin + timedelta(seconds=length)
    step = None if step is None else inner_step("v3", name, step)
    pieces = list(stretches("v3", name, begin, end, step))
    if length == 0:
        assert pieces == []
        return
    assert pieces[0][0] == begin
    assert pieces[-1][1] == end
    for (_, before_ends), (after_begins, _) in pairwise(pieces):
        assert before_ends == after_begins
        if step is not None:
            assert (after_begins - from_ms(0)) % step == timedelta(0), "no bin is cut in two"
    files_per_s = 1 / max(600, MEASUREMENTS[name].spacing_s)
    assert all((after - before).total_seconds() * files_per_s <= 432 for before, after in pieces)
    assert list(stretches("v1", name, begin, end, step)) == [(begin, end)]


def test_a_step_that_no_piece_can_hold_is_asked_for_by_the_day() -> None:
    week = timedelta(days=7)
    assert inner_step("v3", "zone_5m", week) == timedelta(days=1)
    assert inner_step("v3", "hold_day", week) == week
    assert inner_step("v1", "zone_5m", week) == week


@given(steps, st.lists(st.integers(0, 60 * 288), min_size=1, max_size=40, unique=True))
def test_folding_days_gives_what_folding_five_minutes_gives(step: timedelta, numbers: list[int]) -> None:
    begin, end = from_ms(0), from_ms(0) + timedelta(days=61)
    whole, in_two = SeriesFold(begin, end, step), SeriesFold(begin, end, step)
    inner = min(step, timedelta(days=1))
    by_inner = SeriesFold(begin, end, inner)
    counts: dict[datetime, int] = {}
    for number in numbers:
        at = begin + number * FIVE
        made = ZoneBin("z", at, number % 5, number % 7, 0.5, 1.0, number % 3, 9, 80.0)
        whole.add(made, 1)
        by_inner.add(made, 1)
        start = at - (at - begin) % inner
        counts[start] = counts.get(start, 0) + 1
    for part in by_inner.result():
        summed = part.coverage_pct * (inner // FIVE)  # a reader gives the sum
        values = {name: getattr(part, name) for name in part.__slots__}
        in_two.add(ZoneBin(**(values | {"coverage_pct": summed})), counts[part.start])
    for mine, other in zip(whole.result(), in_two.result(), strict=True):
        for name in mine.__slots__:
            value = getattr(mine, name)
            assert getattr(other, name) == (pytest.approx(value) if isinstance(value, float) else value)


def test_tags_come_as_tags_or_as_columns() -> None:
    expected = [
        {"time": 5, "zone": "a", "n": 1},
        {"time": 6, "zone": "a", "n": 2},
        {"time": 5, "zone": "b", "n": 3},
    ]
    beside = {
        "series": [
            {"name": "m", "tags": {"zone": "a"}, "columns": ["time", "n"], "values": [[5, 1], [6, 2]]},
            {"name": "m", "tags": {"zone": "b"}, "columns": ["time", "n"], "values": [[5, 3]]},
        ]
    }
    within = {
        "series": [
            {"name": "m", "columns": ["time", "zone", "n"], "values": [[5, "a", 1], [6, "a", 2], [5, "b", 3]]}
        ]
    }
    assert rows_of(beside) == expected
    assert rows_of(within) == expected
    assert rows_of({}) == rows_of({"series": [{"name": "m", "columns": ["time"]}]}) == []


def test_a_name_cannot_end_the_text_it_stands_in() -> None:
    assert quoted("d'1\\") == r"'d\'1\\'"
    condition = where("hq", ["a' OR '1'='1", "b"], NINE, NINE + timedelta(milliseconds=1))
    assert condition == (
        r""""site" = 'hq' AND ("zone" = 'a\' OR \'1\'=\'1' OR "zone" = 'b')"""
        " AND time >= 1795424400000ms AND time < 1795424400001ms"
    )


@pytest.mark.parametrize(
    ("version", "metrics", "flavour"),
    [
        ("1.6.7~rc0", "", "v1"),
        ("1.8.10", "", "v1"),
        ("1.8.0", "go_gc 1\n", "v1"),
        ("1.8.0", 'vm_app_version{version=""} 1\n', "vm"),
        ("unknown", 'vm_app_version{version=""} 1\n', "vm"),
        ("v2.7.11", "", "v2"),
        ("unknown", "", "v2"),
        ("3.10.0", "", "v3"),
    ],
)
def test_the_server_says_what_it_is(version: str, metrics: str, flavour: str) -> None:
    assert influx_setup.flavour_of(version, metrics) == flavour


def test_durations_of_1x() -> None:
    assert influx_setup.seconds_of("336h0m0s") == 14 * 86_400
    assert influx_setup.seconds_of("0s") == 0
    assert influx_setup.lives_too_long(0, 14), "for ever"
    assert influx_setup.lives_too_long(15 * 86_400, 14)
    assert not influx_setup.lives_too_long(7 * 86_400, 14)


def test_the_commands_for_a_person_are_whole() -> None:
    kept: dict[influx_setup.Retention, int] = {"raw": 14, "agg": 396}
    assert "-retentionPeriod=14d -dedup.minScrapeInterval=1ms" in influx_setup.commands(
        "vm", "occ", kept, "hq"
    )
    assert "--org hq --name occ/agg --retention 396d" in influx_setup.commands("v2", "occ", kept, "hq")
    assert 'CREATE RETENTION POLICY "agg" ON "occ" DURATION 396d' in influx_setup.commands(
        "v1", "occ", kept, "hq"
    )


@pytest.mark.parametrize(
    ("flags", "days"),
    [
        ('-httpListenAddr=":1"\n-retentionPeriod="14d"\n', 14),
        ('-retentionPeriod="24"', 24 * 31),
        ("-retentionPeriod=2w", 14),
        ('-retentionPeriod="1.5y"', 547.5),
        ("-other=1", None),
    ],
)
def test_how_long_a_victoria_keeps(flags: str, days: float | None) -> None:
    assert influx_setup.kept_by_vm(flags) == (None if days is None else days * 86_400)
