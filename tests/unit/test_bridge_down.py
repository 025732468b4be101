"""A device behind a dead bridge is lost, whatever retained messages from better days say of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from firmware_bridge.formats.zigbee2mqtt import Zigbee2MqttDecoder
from gateway.intake import DeviceMessage, Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from workplace.events import SensorEvent

BASE = "zigbee2mqtt-1"
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
ONLINE, OFFLINE = b'{"state":"online"}', b'{"state":"offline"}'
BRIDGE, SEAT = "bridge/state", "pir-1-O1/availability"


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return NINE

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class MemoryOutbox:
    def __init__(self) -> None:
        self.events: list[SensorEvent] = []

    async def put(self, events: Sequence[SensorEvent]) -> None:
        self.events += events


def told(*messages: tuple[str, bytes, bool]) -> list[tuple[bool, str | None]]:
    """Return what a gateway tells of the seat's availability after (topic, payload, retained), oldest first."""
    outbox = MemoryOutbox()
    intake = Intake(Origin("klein", "gw-1"), StandingClock(), cast("Outbox", outbox))
    decoder = Zigbee2MqttDecoder(BASE)

    async def story() -> None:
        for topic, payload, retained in messages:
            decoded = decoder.decode(f"{BASE}/{topic}", payload, retained=retained, now=NINE)
            await intake.take_messages(
                f"mqtt:{BASE}", [DeviceMessage(decoded, payload, retained, NINE, "zigbee2mqtt")]
            )

    asyncio.run(story())
    found: list[Any] = [
        (event.value, event.reason)
        for event in outbox.events
        if event.kind == "availability" and event.device == "z2m-pir-1-O1"
    ]
    return found


LIVE_HIT = ("pir-1-O1", b'{"occupancy":true}', False)


@pytest.mark.parametrize(
    ("messages", "last"),
    [
        pytest.param(
            [(SEAT, ONLINE, True), (BRIDGE, OFFLINE, True)],
            (False, "bridge_down"),
            id="a bridge that goes takes its devices along",
        ),
        pytest.param(
            [(BRIDGE, OFFLINE, True), (SEAT, ONLINE, True)],
            (False, "bridge_down"),
            id="the order of retained messages does not matter",
        ),
        pytest.param(
            [(BRIDGE, OFFLINE, True), (SEAT, ONLINE, True), (BRIDGE, ONLINE, False)],
            (True, None),
            id="a bridge that comes back brings its devices back",
        ),
        pytest.param(
            [(BRIDGE, OFFLINE, True), (SEAT, OFFLINE, True), (BRIDGE, ONLINE, False)],
            (False, "silent"),
            id="a device that was lost by itself stays lost when its bridge comes back",
        ),
        pytest.param(
            [(BRIDGE, OFFLINE, True), (SEAT, ONLINE, True), LIVE_HIT],
            (True, None),
            id="a device that is heard is there, whatever is said of its bridge",
        ),
    ],
)
def test_what_is_told_of_a_seat(
    messages: list[tuple[str, bytes, bool]], last: tuple[bool, str | None]
) -> None:
    assert told(*messages)[-1] == last
