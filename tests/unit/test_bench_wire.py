"""The bench reads MQTT by itself; what it measures is only as right as that."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bench import mqtt_wire
from bench.sites import Building, example_site
from workplace.events import SensorEvent

_WORD = st.text("abcdefgh/-_0123456789é", min_size=1, max_size=40)


def published(topic: str, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0, written here by hand (MQTT 3.1.1, section 3.3)."""
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + payload
    length, digits = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return b"\x30" + bytes(digits) + body


@given(st.lists(st.tuples(_WORD, st.binary(max_size=300)), max_size=6), st.integers(1, 50))
def test_messages_come_out_whole_however_the_bytes_are_cut(said: list[tuple[str, bytes]], cut: int) -> None:
    stream = b"".join(published(topic, payload) for topic, payload in said)
    buffer, heard = b"", []
    for at in range(0, len(stream), cut):
        buffer += stream[at : at + cut]
        while (frame := mqtt_wire.split(buffer)) is not None:
            kind, body, buffer = frame
            assert kind == mqtt_wire.PUBLISH
            heard.append(mqtt_wire.topic_and_payload(body))
    assert heard == said
    assert buffer == b""


def test_a_first_motion_comes_once_at_each_place_that_was_kept_free_for_it() -> None:
    plan = example_site().plan
    building = Building(plan, empty_floors=["f3"])
    nine = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def floors(events: list[SensorEvent]) -> set[str]:
        return {plan.wired[one.device, one.channel, one.kind][0][0].floor for one in events}

    assert "f3" not in floors(building.facts(2000, nine, 70))
    first = []
    while (event := building.first_motion(nine)) is not None:
        first.append(event)
    assert floors(first) == {"f3"}
    assert len({(one.device, one.channel) for one in first}) == len(first) > 10
