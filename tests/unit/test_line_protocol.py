"""What leaves for a time-series server: escapes, types, and a millisecond for every fact."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stores.line_protocol import LineEncoder
from ingest.stores.schema import MEASUREMENTS, SINK_RETENTION, DeskHour, TransitionRow, to_ms
from workplace.events import Decision, SensorEvent
from workplace.ports import ZoneBin
from workplace.retention import DESK_LEVEL_DAYS

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
    assert re.sub(r'\\(["\\])', r"\1", fields["text"][1:-1]) == cause
    assert ms == NINE_MS


def test_events_of_one_millisecond_stay_two_points_and_late_ones_keep_their_time() -> None:
    encoder = LineEncoder("hq")
    times = [0, 0, 5_000, 1, 0]
    lines = [encoder.sensor_event(event(value=True, after_ms=ms), "z", "d") for ms in times]
    assert [parse(line[1])[3] - NINE_MS for line in lines if line] == [0, 1, 5_000, 2, 3]


def test_transitions_of_one_place_strictly_increase() -> None:
    encoder = LineEncoder("hq")
    row = TransitionRow("d", "z", NINE, "in_use", "occupied", "h1", "active", ("link_up", "motion"), NINE)
    first, second = encoder.desk_state(row, None), encoder.desk_state(row, row)
    assert first is not None
    assert second is not None
    assert parse(first[1])[3] + 1 == parse(second[1])[3]
    assert b'state=1i,occ=1i,cause="link_up,motion",hold_id="h1"' in first[1]
    assert b"prev=1i,dur_s=0i" in second[1]


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
        encoder.decision(decision),
    )
    patterns = {"int": r"-?\d+i", "float": r"-?[\d.e+-]+", "text": r'".*"'}
    for line in lines:
        assert line is not None
        name, tags, fields, _ = parse(line[1])
        measurement = MEASUREMENTS[name]
        assert line[0] == measurement.retention
        assert tuple(tags) == measurement.tags
        for key, value in fields.items():
            assert re.fullmatch(patterns[measurement.fields[key]], value), (key, value)


def test_the_same_facts_make_the_same_bytes() -> None:
    facts = [event(value=True, after_ms=ms) for ms in (0, 0, 3)]
    one, two = LineEncoder("hq"), LineEncoder("hq")
    assert [one.sensor_event(f, "z", "d") for f in facts] == [two.sensor_event(f, "z", "d") for f in facts]


def test_tags_and_fields_never_share_a_name() -> None:
    for measurement in MEASUREMENTS.values():
        assert not set(measurement.tags) & set(measurement.fields)


def test_what_names_a_desk_lives_no_longer_than_desks_do() -> None:
    about_desks = {
        measurement.retention for measurement in MEASUREMENTS.values() if "desk" in measurement.tags
    }
    assert about_desks == {"raw"}
    assert SINK_RETENTION["raw"][0] == f"{DESK_LEVEL_DAYS}d"
