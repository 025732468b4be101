"""Sums that SQLite makes, against the same sums made by hand from the rows of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.stores.history import SqliteHistory
from ingest.stores.schema import DeskHour, TransitionRow
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.usage import SqliteUsage
from workplace.errors import StoreUnavailable
from workplace.events import HoldPhase
from workplace.ports import ZoneBin
from workplace.usage_port import HoldLength, Moment, PlaceHour, Reclaimable, UsageReader
from workplace.working_time import WorkingTime, spans

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
#: The Sunday on which summer time ends, and the Monday after it.
MONDAY = date(2026, 10, 26)
TWO_DAYS = spans(WorkingTime(1, 10, lambda _: True), AMSTERDAM, MONDAY, 2, datetime(2030, 1, 1, tzinfo=UTC))
MIDNIGHT = datetime(2026, 10, 24, 22, tzinfo=UTC)
STEP = timedelta(minutes=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(sqlite3.connect, path)
    made.open(MIDNIGHT)
    yield made
    made.close()


@pytest.fixture
def usage(path: Path) -> UsageReader:
    return SqliteUsage(sqlite3.connect, path)


def a_bin(zone: str, at: datetime, used: float, coverage_pct: float = 100.0) -> ZoneBin:
    seen = coverage_pct / 100
    return ZoneBin(zone, at, used, round(used) + 1, 1.0, 10 * seen - used - 1, 3, 10, coverage_pct)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 599)), st.integers(0, 100)))
def test_hours_sum_up_to_the_rows_also_where_the_clock_turns_back(
    store: SqliteStore, usage: UsageReader, path: Path, coverage: dict[tuple[str, int], int]
) -> None:
    rows = [a_bin(zone, MIDNIGHT + n * STEP, min(4.0, pct / 25), pct) for (zone, n), pct in coverage.items()]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM zone_5m")
    with store.transaction() as writing:
        writing.put_zone_bins(rows)
    found = usage.zone_use(["a", "b"], TWO_DAYS)
    inside = [
        row
        for row in SqliteHistory(sqlite3.connect, path).zone_bins(
            ["a", "b"], MIDNIGHT, MIDNIGHT + timedelta(days=3)
        )
        if row.coverage_pct > 0 and any(span.start <= row.start < span.end for span in TWO_DAYS)
    ]
    assert sum(use.bins for use in found) == len(inside)
    assert sum(use.in_use for use in found) == pytest.approx(sum(row.in_use_avg for row in inside))
    assert sum(use.measured for use in found) == pytest.approx(sum(row.coverage_pct for row in inside) / 100)
    for use in found:
        span = TWO_DAYS[use.span]
        mine = [row for row in inside if row.zone == use.zone and span.start <= row.start < span.end]
        assert (use.bins, use.highest, use.lowest_free) == (
            len(mine),
            max(row.in_use_max for row in mine),
            min(row.free_min for row in mine),
        )
        assert use.least_coverage == pytest.approx(min(row.coverage_pct for row in mine) / 100)


def test_bins_without_any_trusted_input_are_not_there(store: SqliteStore, usage: UsageReader) -> None:
    nine = datetime(2026, 10, 26, 8, tzinfo=UTC)
    with store.transaction() as writing:
        writing.put_zone_bins([ZoneBin("a", nine, 0.0, 0, 0.0, 0.0, 0, 10, 0.0), a_bin("b", nine, 2.0)])
    assert [use.zone for use in usage.zone_use(["a", "b"], TWO_DAYS)] == ["b"]
    assert usage.busiest(["a"], TWO_DAYS) is None


def test_the_busiest_moment_is_of_all_zones_at_once(store: SqliteStore, usage: UsageReader) -> None:
    nine = datetime(2026, 10, 26, 8, tzinfo=UTC)
    together = nine + 4 * STEP
    with store.transaction() as writing:
        writing.put_zone_bins([a_bin("a", nine, 8.0), a_bin("b", nine, 1.0)])
        writing.put_zone_bins([a_bin("a", together, 6.0), a_bin("b", together, 6.0)])
        writing.put_zone_bins(
            [a_bin("a", nine - timedelta(hours=9), 9.0), a_bin("b", nine - timedelta(hours=9), 9.0)]
        )
    assert usage.busiest(["a", "b"], TWO_DAYS) == Moment(together, 12.0, 20, 20.0)
    assert usage.busiest(["a"], TWO_DAYS) == Moment(nine, 8.0, 10, 10.0)


def test_hours_of_a_place_are_summed_over_days(store: SqliteStore, usage: UsageReader) -> None:
    # nine o'clock is seven hours UTC on the Saturday before the clocks change, eight after it
    week = spans(WorkingTime(9, 10, lambda _: True), AMSTERDAM, MONDAY, 3, datetime(2030, 1, 1, tzinfo=UTC))
    at = [span.start for span in week]
    assert [one.hour for one in at] == [7, 8, 8]
    with store.transaction() as writing:
        writing.put_desk_hours([DeskHour("p", "z", one, 1800.0, 900.0, 1, 50.0) for one in at[:2]])
        writing.put_desk_hours(
            [DeskHour("p", "z", at[2], 0.0, 0.0, 0, 0.0), DeskHour("q", "z", at[0], 1, 1, 1, 100)]
        )
    assert usage.place_hours(["p"], week) == [PlaceHour("p", 9, 2, 1.0, 1.0, 0.5)]


def test_lengths_of_ended_holds(store: SqliteStore, usage: UsageReader) -> None:
    with store.transaction() as writing:
        for number, (minutes, outcome) in enumerate(
            [(29.9, "free"), (29.1, "just_left"), (40, "unknown"), (None, "")]
        ):
            writing.begin_hold(f"h{number}", "p", "z", MIDNIGHT)
            if minutes is not None:
                writing.end_hold(f"h{number}", MIDNIGHT + timedelta(minutes=minutes), outcome)
        writing.begin_hold("other", "fixed", "z", MIDNIGHT)
        writing.end_hold("other", MIDNIGHT + STEP, "free")
    day = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert usage.hold_lengths(["p"], *day) == [
        HoldLength(29, is_seen=True, count=2),
        HoldLength(40, is_seen=False, count=1),
    ]
    assert usage.hold_lengths(["p"], MIDNIGHT + STEP, day[1]) == []


def turn(minutes: int, phase: HoldPhase, hold: str | None, place: str = "p") -> TransitionRow:
    at = MIDNIGHT + timedelta(minutes=minutes)
    return TransitionRow(place, "z", at, phase, "held", hold, "active", (), at)


def test_a_place_that_turned_reclaimable_and_what_came_first(store: SqliteStore, usage: UsageReader) -> None:
    rows = [
        turn(0, "in_use", "h1"), turn(10, "reclaimable", "h1"), turn(12, "reclaimable", "h1"), turn(20, "free", None),
        turn(30, "in_use", "h2"), turn(40, "reclaimable", "h2"), turn(45, "in_use", "h2"),
        turn(50, "reclaimable", "h3"), turn(55, "unknown", "h3"), turn(60, "in_use", "h3"),
        turn(70, "reclaimable", "h4"), turn(80, "free", None),
    ]  # fmt: skip
    with store.transaction() as writing:
        writing.add_transitions(rows)
    at = [MIDNIGHT + timedelta(minutes=minutes) for minutes in (10, 30, 40, 45, 50, 55, 70)]
    assert usage.reclaimable(["p", "q"], MIDNIGHT, MIDNIGHT + timedelta(days=1)) == [
        Reclaimable("p", at[0], at[1], "in_use", is_same_hold=False),
        Reclaimable("p", at[2], at[3], "in_use", is_same_hold=True),
        Reclaimable("p", at[4], at[5], "unknown", is_same_hold=True),
        Reclaimable("p", at[6], None, None, is_same_hold=False),
    ]


def test_a_store_that_does_not_exist_yet_has_no_history(tmp_path: Path) -> None:
    nothing = SqliteUsage(sqlite3.connect, tmp_path / "none.db")
    assert nothing.zone_use(["a"], TWO_DAYS) == []
    assert nothing.busiest(["a"], TWO_DAYS) is None


def test_a_damaged_store_says_that_it_cannot_be_read(tmp_path: Path) -> None:
    damaged = tmp_path / "site.db"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreUnavailable, match="cannot be read now"):
        SqliteUsage(sqlite3.connect, damaged).zone_use(["a"], TWO_DAYS)
