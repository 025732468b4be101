"""What leaves for a time-series server: escapes, types, and a millisecond for every fact."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stores.line_protocol import LineEncoder, LineWriter, SeriesClock
from ingest.stores.measurements import KEPT_DAYS, MEASUREMENTS, TAGS, kept_days
from ingest.stores.schema import (
    DESK_LEVEL_DAYS,
    LONGER_S,
    ZONE_LEVEL_DAYS,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
    TransitionRow,
    to_ms,
)
from workplace.events import Decision, SensorEvent
from workplace.loss_events import Canary
from workplace.ports import ZoneBin

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
NINE_MS = to_ms(NINE)


def event(value: bool | float | str, *, after_ms: int = 0, channel: str | None = "3") -> SensorEvent:
    return SensorEvent(
        id=f"event-{after_ms}",
        site="hq",
        gateway="gw-1",
        device="dsp1-1",
        kind="motion",
        value=value,
        channel=channel,
        measured_at=NINE + timedelta(milliseconds=after_ms),
        clock="device",
        uncertainty_ms=5,
        received_at=NINE,
        seq=7,
        battery_pct=80,
    )


def parse(line: bytes) -> tuple[str, dict[str, str], dict[str, str], int]:
    """Read one line by the published grammar: name, tags, raw fields, ms."""
    text = line.decode()
    cuts = [m.start() for m in re.finditer(r'(?<!\\) (?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)', text)]
    head, fields, ms = text[: cuts[0]], text[cuts[0] + 1 : cuts[-1]], text[cuts[-1] + 1 :]
    name, *tags = re.split(r"(?<!\\),", head)
    pairs = [re.split(r"(?<!\\)=", tag, maxsplit=1) for tag in tags]
    unescaped = {key: re.sub(r"\\([,= ])", r"\1", value) for key, value in pairs}
    parts = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]*)', fields)
    return name, unescaped, dict(parts), int(ms)


def test_a_yes_or_no_event_is_an_integer_with_its_sensor_as_tag() -> None:
    line = LineEncoder("hq").sensor_event(event(value=True), "z1", "d1")
    assert line is not None
    assert line == (
        "raw",
        b"sensor_event,site=hq,zone=z1,desk=d1,sensor=dsp1-1/3/motion"
        b' occ=1i,batt=80.0,seq=7i,unc_ms=5i,src="device" %d' % NINE_MS,
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(0, "value=0.0", id="zero is a reading"),
        pytest.param(2.5, "value=2.5", id="numbers are always floats"),
        pytest.param("single", 'text="single"', id="texts have their own field"),
        pytest.param(False, "occ=0i", id="no is a reading"),
    ],
)
def test_one_field_keeps_one_type(value: bool | float | str, written: str) -> None:
    line = LineEncoder("hq").sensor_event(event(value), "z", "d")
    assert line is not None
    assert written.encode() in line[1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_left_out_and_the_rest_is_kept(value: float) -> None:
    line = LineEncoder("hq").sensor_event(event(value), "z", "d")
    assert line is not None
    assert b"value=" not in line[1]
    assert b" batt=80.0,seq=7i" in line[1]


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1), st.text(min_size=0))
def test_every_text_comes_back(channel: str, cause: str) -> None:
    encoder = LineEncoder("hq")
    line = encoder.sensor_event(event(cause, channel=channel), "z", "d")
    assert line is not None
    _, tags, fields, ms = parse(line[1])
    assert tags["sensor"] == f"dsp1-1/{channel}/motion"
    assert re.sub(r'\\(["\\])', r"\1", fields["text"][1:-1]) == cause.replace("\n", " ").replace("\r", " ")
    assert ms == NINE_MS


def test_events_of_one_millisecond_stay_two_points_and_late_ones_keep_their_time() -> None:
    encoder = LineEncoder("hq")
    times = [0, 0, 5_000, 1, 0]
    lines = [encoder.sensor_event(event(value=True, after_ms=ms), "z", "d") for ms in times]
    assert [parse(line[1])[3] - NINE_MS for line in lines if line] == [0, 1, 5_000, 2, 3]


@given(st.lists(st.integers(0, 12), max_size=60))
def test_every_point_of_a_series_has_a_millisecond_of_its_own_as_near_as_may_be(wanted: list[int]) -> None:
    clock = SeriesClock()
    given = [clock.unique(b"series", ms) for ms in wanted]
    assert len(set(given)) == len(given)
    for position, (ms, got) in enumerate(zip(wanted, given, strict=True)):
        assert set(range(ms, got)) <= set(given[:position]), "what lies before it was taken"


def test_a_hundred_facts_of_one_instant_and_a_late_one_stay_apart() -> None:
    clock = SeriesClock()
    assert [clock.unique(b"series", 5) for _ in range(100)] == list(range(5, 105))
    assert [clock.unique(b"series", ms) for ms in (50, 3, 3, 104)] == [105, 3, 4, 106]


def test_transitions_of_one_place_strictly_increase() -> None:
    encoder = LineEncoder("hq")
    row = TransitionRow("d", "z", NINE, "in_use", "occupied", "h1", "active", ("link_up", "motion"), NINE)
    first, second = encoder.desk_state(row, None), encoder.desk_state(row, row)
    assert first is not None
    assert second is not None
    assert parse(first[1])[3] + 1 == parse(second[1])[3]
    assert b'state=1i,occ=1i,since_ms=%di,cause="link_up,motion",hold_id="h1"' % NINE_MS in first[1]
    assert b",prev=1i,dur_s=0i," in second[1]


def test_a_repetition_of_a_state_says_when_it_began_and_nothing_of_a_change() -> None:
    row = TransitionRow("d", "z", NINE, "in_use", "occupied", "h1", "active", ("link_up",), NINE)
    line = LineEncoder("hq").state_again(row, NINE + timedelta(hours=3))
    assert line is not None
    _, _, fields, ms = parse(line[1])
    assert fields == {
        "state": "1i",
        "occ": "1i",
        "since_ms": f"{NINE_MS}i",
        "hold_id": '"h1"',
    }
    assert ms == NINE_MS + 3 * 3_600_000


def test_a_value_of_another_type_never_becomes_a_line() -> None:
    """A server would refuse it, or worse, store it; so it is a mistake of ours that shows at once."""
    writer = LineWriter("desk_hour")
    with pytest.raises(TypeError, match="'n' is int, not float"):
        writer.line(b"desk_hour", 1, (1.0, 2.0, 3.0, 4.0))
    with pytest.raises(TypeError, match="'occ_s' is float, not str"):
        writer.line(b"desk_hour", 1, ("1", 2.0, 3, 4.0))
    assert writer.line(b"desk_hour", 1, (None, None, None, float("nan"))) is None


def test_a_line_break_in_a_text_does_not_end_the_line() -> None:
    line = LineEncoder("hq").sensor_event(event("single\ndouble"), "z", "d")
    assert line is not None
    assert b'text="single double"' in line[1]
    assert b"\n" not in line[1]


def test_every_line_uses_the_fields_and_types_of_the_schema() -> None:
    encoder = LineEncoder("hq")
    decision = Decision(
        id="decision-1",
        site="hq",
        zone="z",
        place="d",
        hold_id=None,
        at=NINE,
        rule="R6",
        action="released",
        mode="shadow",
        acted=False,
        policy_hash="0" * 64,
    )
    row = TransitionRow("d", "z", NINE, "free", "free", None, "off", (), NINE)
    lines = (
        encoder.sensor_event(event(value=True), "z", "d"),
        encoder.desk_state(row, row),
        encoder.zone_bin(ZoneBin("z", NINE, 1.5, 2, 0.5, 3.0, 1, 4, 99.5)),
        encoder.desk_hour(DeskHour("d", "z", NINE, 12.5, 0.0, 1, 100.0)),
        encoder.hold(HoldEnded("h1", "d", "z", NINE, NINE + timedelta(hours=1), "reclaimable", 99.0)),
        encoder.hold_day(HoldDay("z", NINE, "reclaimable", 900, 3, 1234.5, 100.0)),
        encoder.hold_day(HoldDay("z", NINE, "unknown", LONGER_S, 1, 99_999.0, 100.0)),
        encoder.gateway_bin(
            GatewayBin("gw-1", NINE, 5, 1.5, 300, 2, 0, clock_synced=True, coverage_pct=100.0)
        ),
        encoder.decision(decision),
        encoder.canary(Canary(id="canary-1", site="hq", gateway="gw-1", at=NINE), 0.25),
    )
    assert {parse(line[1])[0] for line in lines if line is not None} == set(MEASUREMENTS)
    patterns = {"int": r"-?\d+i", "float": r"-?[\d.e+-]+", "text": r'".*"'}
    for line in lines:
        assert line is not None
        name, tags, fields, _ = parse(line[1])
        measurement = MEASUREMENTS[name]
        assert line[0] == measurement.retention
        assert tuple(tags) == measurement.tags
        for key, value in fields.items():
            assert re.fullmatch(patterns[measurement.fields[key].kind], value), (key, value)


def test_the_same_facts_make_the_same_bytes() -> None:
    facts = [event(value=True, after_ms=ms) for ms in (0, 0, 3)]
    one, two = LineEncoder("hq"), LineEncoder("hq")
    assert [one.sensor_event(f, "z", "d") for f in facts] == [two.sensor_event(f, "z", "d") for f in facts]


def test_tags_and_fields_never_share_a_name_and_every_tag_has_a_meaning() -> None:
    for measurement in MEASUREMENTS.values():
        assert not set(measurement.tags) & set(measurement.fields)
        assert set(measurement.tags) <= set(TAGS)


def test_what_names_a_desk_lives_no_longer_than_desks_do() -> None:
    about_desks = {
        measurement.retention for measurement in MEASUREMENTS.values() if "desk" in measurement.tags
    }
    assert about_desks == {"raw"}
    assert KEPT_DAYS == {"raw": DESK_LEVEL_DAYS, "agg": ZONE_LEVEL_DAYS}
    assert kept_days(7) == {"raw": 7, "agg": ZONE_LEVEL_DAYS}


def test_every_rollup_tells_its_coverage() -> None:
    for name in ("zone_5m", "desk_hour", "hold", "hold_day", "gw_health"):
        assert MEASUREMENTS[name].fields["coverage_pct"].kind == "float"
