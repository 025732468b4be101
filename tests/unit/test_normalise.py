"""From a reading to an event: same happening same id, honest time, nothing invented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.normalise import (
    ARRIVAL_UNCERTAINTY_MS,
    NETWORK_UNCERTAINTY_MS,
    RETAINED_UNCERTAINTY_MS,
    Origin,
    Refused,
    event_of_message,
    event_of_wire,
)
from gateway.uptime_clock import Stamp
from workplace.codec import decode, encode
from workplace.device_ids import device_id
from workplace.events import SensorEvent
from workplace.readings import Decoded, Reading, WireReading

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORIGIN = Origin("klein", "gw-1")
NODE = "dsp1-0001000000000001"


def wired(reading: Reading | None = None, **changes: Any) -> SensorEvent | Refused:
    fields: dict[str, Any] = {
        "device": NODE,
        "reading": reading or Reading("motion", value=True, channel="3"),
        "boot_id": 7,
        "uptime_ms": 5000,
        "seq": 12,
    }
    measured_at = changes.pop("measured_at", NINE)
    stamp = changes.pop("stamp", Stamp(0.0, 4.6, from_device=True))
    wire = WireReading(**(fields | changes))
    return event_of_wire(
        wire, stamp, origin=ORIGIN, measured_at=measured_at, received_at=NINE + timedelta(seconds=1)
    )


def told(
    reading: Reading,
    *,
    payload: bytes = b"{}",
    seq: int | None = None,
    retained: bool = False,
    at: datetime = NINE,
) -> SensorEvent | Refused:
    return event_of_message(
        reading,
        Decoded((reading,), seq=seq),
        origin=ORIGIN,
        device="z2m-pir-1",
        payload=payload,
        retained=retained,
        received_at=at,
    )


def sound(event: SensorEvent | Refused) -> SensorEvent:
    """Return the event, which must survive the wire."""
    assert isinstance(event, SensorEvent), event
    assert decode(encode(event), SensorEvent) == event
    return event


def test_a_wired_event_carries_the_nodes_time_and_number() -> None:
    event = sound(wired())
    assert (event.device, event.kind, event.channel, event.value, event.seq) == (
        NODE,
        "motion",
        "3",
        True,
        12,
    )
    assert (event.clock, event.uncertainty_ms, event.measured_at) == ("device", 5, NINE)


def test_without_a_round_trip_the_time_is_called_an_arrival() -> None:
    assert sound(wired(stamp=Stamp(0.0, 2000.0, from_device=False))).clock == "arrival"


def test_nothing_is_measured_after_it_was_received() -> None:
    assert sound(wired(measured_at=NINE + timedelta(hours=1))).measured_at == NINE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        pytest.param({"uptime_ms": 9999}, True, id="a resent event is the same whatever its time stamp"),
        pytest.param({"token": 5}, True, id="the token is no part of the happening"),
        pytest.param({"seq": 13}, False, id="the next event is another one"),
        pytest.param({"boot_id": 8}, False, id="the same number after a restart is another one"),
        pytest.param({"device": "dsp1-x"}, False, id="the same number of another node is another one"),
    ],
)
def test_identity_of_wired_events(change: dict[str, Any], is_same: bool) -> None:
    assert (sound(wired()).id == sound(wired(**change)).id) is is_same


def test_a_level_report_is_identified_by_the_moment_it_speaks_of() -> None:
    link = Reading("link", value=True, channel="0")
    first, again = wired(link, seq=None), wired(link, seq=None)
    later = wired(link, seq=None, uptime_ms=6000)
    assert sound(first).id == sound(again).id != sound(later).id


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        pytest.param(Reading("motion", None), "no_value", id="no value is no news"),
        pytest.param(Reading("motion", 1), "impossible_value", id="motion is true or false"),
        pytest.param(Reading("count", -1), "impossible_value", id="nobody counts less than nobody"),
        pytest.param(Reading("battery", 101), "impossible_value", id="no battery is fuller than full"),
        pytest.param(Reading("temperature", "warm"), "impossible_value", id="a temperature is a number"),
        pytest.param(Reading("temperature", value=True), "impossible_value", id="and not a claim"),
        pytest.param(
            Reading("target", {"x_mm": 1}), "kind_not_forwarded", id="where a person stands stays here"
        ),
        pytest.param(Reading("distance", 81), "kind_not_forwarded", id="how far a person is stays here"),
        pytest.param(
            Reading("motion", value=True, extra={"cached": True}),
            "cached_motion",
            id="a bridge that repeats its memory saw nobody move",
        ),
    ],
)
def test_what_is_not_forwarded(reading: Reading, reason: str) -> None:
    assert told(reading) == Refused(reason)
    assert wired(reading) == Refused(reason)


@pytest.mark.parametrize(
    ("reading", "kind", "channel"),
    [
        pytest.param(Reading("temperature", 21.5, "C"), "environment", "temperature", id="a plain quantity"),
        pytest.param(
            Reading("illuminance", 0, "lx", channel=2),
            "environment",
            "2/illuminance",
            id="zero is a reading too",
        ),
        pytest.param(Reading("motion", value=False), "motion", None, id="a negative that the device said"),
        pytest.param(
            Reading("occupancy", value=True, zone="region_3"), "occupancy", "region_3", id="a radar zone"
        ),
        pytest.param(Reading("count", 0), "count", None, id="an empty room"),
        pytest.param(
            Reading("occupancy", value=True, extra={"cached": True}),
            "occupancy",
            None,
            id="a remembered level",
        ),
    ],
)
def test_what_is_forwarded(reading: Reading, kind: str, channel: str | None) -> None:
    event = sound(told(reading))
    assert (event.kind, event.channel, event.value) == (kind, channel, reading.value)


MINUTE_AGO = NINE - timedelta(seconds=59)
HOUR_AGO = NINE - timedelta(hours=1)


@pytest.mark.parametrize(
    ("measured_at", "historical", "retained", "expected"),
    [
        pytest.param(None, False, False, (NINE, "arrival", ARRIVAL_UNCERTAINTY_MS), id="no time of its own"),
        pytest.param(
            MINUTE_AGO, False, False, (MINUTE_AGO, "network", NETWORK_UNCERTAINTY_MS), id="a credible time"
        ),
        pytest.param(
            HOUR_AGO,
            False,
            False,
            (NINE, "arrival", ARRIVAL_UNCERTAINTY_MS),
            id="a live message cannot be an hour old",
        ),
        pytest.param(
            HOUR_AGO, True, False, (HOUR_AGO, "network", NETWORK_UNCERTAINTY_MS), id="a stored record can"
        ),
        pytest.param(
            HOUR_AGO, False, True, (HOUR_AGO, "network", NETWORK_UNCERTAINTY_MS), id="a kept message can"
        ),
        pytest.param(
            NINE + timedelta(minutes=1),
            False,
            False,
            (NINE, "arrival", ARRIVAL_UNCERTAINTY_MS),
            id="a time ahead of ours is wrong",
        ),
        pytest.param(
            None,
            False,
            True,
            (NINE, "arrival", RETAINED_UNCERTAINTY_MS),
            id="nobody knows how old a kept one is",
        ),
    ],
)
def test_time_of_messages(
    measured_at: datetime | None, historical: bool, retained: bool, expected: tuple[datetime, str, int]
) -> None:
    reading = Reading("occupancy", value=True, measured_at=measured_at, historical=historical)
    event = sound(told(reading, retained=retained))
    assert (event.measured_at, event.clock, event.uncertainty_ms) == expected
    assert (event.retained, event.historical) == (retained, historical)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


PIR = Reading("motion", value=True)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param(
            told(PIR, payload=b"a", at=at(0.1)),
            told(PIR, payload=b"a", at=at(0.9)),
            True,
            id="floods in one second",
        ),
        pytest.param(
            told(PIR, payload=b"a", at=at(0.9)),
            told(PIR, payload=b"a", at=at(1.1)),
            False,
            id="the next second",
        ),
        pytest.param(
            told(PIR, payload=b"a", at=at(0.1)),
            told(PIR, payload=b"b", at=at(0.2)),
            False,
            id="another payload",
        ),
        pytest.param(
            told(PIR, seq=4, at=at(1)), told(PIR, seq=4, at=at(300)), True, id="one number is one message"
        ),
        pytest.param(told(PIR, seq=4), told(PIR, seq=5), False, id="the next number is another one"),
        pytest.param(
            told(PIR, seq=4, at=at(1)),
            told(PIR, seq=4, at=at(7200)),
            False,
            id="two hours later it has wrapped",
        ),
        pytest.param(
            told(Reading("motion", value=True, measured_at=NINE), payload=b"light"),
            told(Reading("motion", value=True, measured_at=NINE), payload=b"battery", at=at(50)),
            True,
            id="one moment is one happening whatever else the message says",
        ),
    ],
)
def test_identity_of_messages(
    one: SensorEvent | Refused, other: SensorEvent | Refused, is_same: bool
) -> None:
    assert (sound(one).id == sound(other).id) is is_same


@pytest.mark.parametrize(
    ("name", "device"),
    [
        pytest.param("pir-1-O11", "z2m-pir-1-O11", id="a friendly name"),
        pytest.param("z2m-pir-1-O11", "z2m-pir-1-O11", id="an id stays itself"),
        pytest.param("hal/PIR bij deur", "z2m-hal_PIR_bij_deur", id="blanks and slashes are made safe"),
    ],
)
def test_device_ids_of_zigbee_devices(name: str, device: str) -> None:
    assert device_id("zigbee2mqtt", name) == device


kinds = st.sampled_from(
    ["motion", "link", "count", "battery", "temperature", "moving", "radar_state", "fault"]
)
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@given(kinds, values, st.text(max_size=100), st.binary(max_size=40), st.booleans())
def test_whatever_a_decoder_returns_the_result_survives_the_wire_or_is_refused(
    kind: str, value: Any, channel: str, payload: bytes, retained: bool
) -> None:
    event = told(Reading(kind, value, channel=channel), payload=payload, retained=retained)
    if isinstance(event, SensorEvent):
        sound(event)
