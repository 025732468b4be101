"""Messages and topics: what goes out comes back, what is impossible is refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workplace import codec, topics
from workplace.errors import MessageRejected
from workplace.events import SensorEvent, ZoneState
from workplace.topics import Topics

NINE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
names = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
times = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def event(**changes: object) -> SensorEvent:
    fields: dict[str, object] = {
        "id": "0123456789abcdef", "site": "s", "gateway": "g", "device": "d", "kind": "link", "value": True,
        "measured_at": NINE, "clock": "device", "uncertainty_ms": 5, "received_at": NINE,
    }  # fmt: skip
    return SensorEvent(**(fields | changes))  # type: ignore[arg-type]


@given(site=names, device=names, at=times, value=st.booleans(), seq=st.none() | st.integers(0, 2**32))
def test_a_sensor_event_survives_the_wire(
    site: str, device: str, at: datetime, value: bool, seq: int | None
) -> None:
    before = event(site=site, device=device, measured_at=at, received_at=at, value=value, seq=seq)
    assert codec.decode(codec.encode(before), SensorEvent) == before


@given(st.binary(max_size=300))
def test_garbage_is_rejected_and_never_crashes(payload: bytes) -> None:
    with pytest.raises(MessageRejected):
        codec.decode(payload, SensorEvent)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"x" * 70_000, "oversize", id="a payload larger than any of ours"),
        pytest.param(b"{", "not_json", id="half a document"),
        pytest.param(codec.encode(event()).replace(b'"v":1', b'"v":2'), "schema_version", id="a newer schema"),
        pytest.param(codec.encode(event()).replace(b'"kind":"link"', b'"kind":"lnk"'), "schema", id="an unknown kind"),
        pytest.param(codec.encode(event(kind="battery", value=300)), "impossible_value", id="a battery of 300 %"),
        pytest.param(codec.encode(event(value="yes")), "impossible_value", id="a link that is neither up nor down"),
        pytest.param(
            codec.encode(event(measured_at=NINE + timedelta(hours=1))), "impossible_value", id="a reading of tomorrow"
        ),
    ],
)  # fmt: skip
def test_a_bad_message_is_rejected_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(MessageRejected) as refused:
        codec.decode(payload, SensorEvent)
    assert refused.value.reason == reason


def test_another_kind_of_message_is_not_taken_for_the_wanted_one() -> None:
    with pytest.raises(MessageRejected, match="expected ZoneState"):
        codec.decode(codec.encode(event()), ZoneState)


def test_unknown_fields_of_newer_senders_are_tolerated() -> None:
    payload = codec.encode(event()).replace(b'"v":1', b'"v":1,"colour":"blue"')
    assert codec.decode(payload, SensorEvent) == event()


@given(site=names, floor=names, gateway=names, device=names)
def test_every_topic_is_recognised_again(site: str, floor: str, gateway: str, device: str) -> None:
    ours = Topics(site)
    assert ours.kind_of(ours.event(floor, gateway, device)) == "event"
    assert ours.kind_of(ours.place_state(device)) == "place_state"
    assert ours.kind_of(ours.zone_state(device)) == "zone_state"
    assert ours.kind_of(ours.gateway_status(gateway)) == "gateway_status"
    assert ours.kind_of(ours.gateway_health(gateway)) == "gateway_health"
    assert ours.kind_of(ours.command(gateway, device)) == "command"
    assert ours.kind_of(ours.request(device)) == "request"


@given(st.text(max_size=80))
def test_foreign_topics_are_none_of_ours(topic: str) -> None:
    assert Topics("s").kind_of(topic) is None


@given(st.text())
def test_a_level_is_always_safe_on_every_broker(text: str) -> None:
    assert topics._LEVEL.fullmatch(topics.level(text))


def test_a_floor_keeps_its_partition_for_ever() -> None:
    # frozen: events of a floor must never move to another worker by a change of ours
    assert [topics.partition(f"f{n}") for n in range(5)] == [2, 4, 14, 8, 11]
    assert all(0 <= topics.partition(f"floor-{n}") < 16 for n in range(200))
