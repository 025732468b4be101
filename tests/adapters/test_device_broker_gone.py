"""Without their broker the devices of every family are unknown, never free, and known again when it is back."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_bridge.mqtt_decoders import MQTT_DECODERS
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.settings import from_mapping
from gateway.sources import mqtt_devices
from gateway.sources.mqtt_devices import MqttDeviceSource
from gateway.topic_filter import matches
from plekvrij.site_processes import gateway_config
from simulators.families import speakers
from simulators.players import Cast
from simulators.sensors import SensorInput, sense_of
from simulators.speaker import Publication
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.policy import load
from workplace.ports import Received

EIGHT = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)


class HandClock:
    """Site time that the test moves."""

    speed = 1.0

    def __init__(self) -> None:
        self.at = EIGHT

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return (self.at - EIGHT) / timedelta(milliseconds=1)

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class HandLink:
    """A connection to the device broker that the test cuts and mends."""

    def __init__(self) -> None:
        self.is_connected = True
        self._handlers: list[tuple[str, Callable[[Received], None]]] = []
        self._listeners: list[Callable[[bool], None]] = []

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    async def subscribe(self, topic_filter: str, handler: Callable[[Received], None], **_: Any) -> None:
        self._handlers.append((topic_filter, handler))

    @property
    def filters(self) -> int:
        return len(self._handlers)

    def deliver(self, said: Publication) -> None:
        for topic_filter, handler in self._handlers:
            if matches(topic_filter, said.topic):
                handler(Received(said.topic, said.payload, retained=False))

    def turn(self, *, on: bool) -> None:
        self.is_connected = on
        for listener in self._listeners:
            listener(on)


class EngineOutbox:
    """Hands every event to the engine of the site, as ingest would."""

    def __init__(self, engine: SiteEngine, clock: HandClock) -> None:
        self._engine, self._clock = engine, clock
        self.events: list[SensorEvent] = []

    async def put(self, events: Sequence[SensorEvent]) -> None:
        self.events += events
        for event in events:
            self._engine.apply(event, self._clock.now())


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} did not come true")


class Site:
    """All devices of a plan, the sources of its gateways, and the engine."""

    def __init__(self, plan: FloorPlan) -> None:
        self.plan, self.clock, self.link = plan, HandClock(), HandLink()
        # one sign is somebody: the filter would wait for a second one
        by_hand = load(f"site: {plan.site}\noccupancy: {{model: hand_tuned}}\n", "by hand")
        self.engine = SiteEngine(plan, by_hand)
        self.engine.start(EIGHT)
        self.outbox = EngineOutbox(self.engine, self.clock)
        unused: Any = None
        cast = Cast(plan, 1, EIGHT, unused, lambda _place, _code: None)
        self._speakers = [speaker for _, speaker in speakers(cast)]

    def sources(self) -> list[MqttDeviceSource]:
        """Return the sources of all gateways, configured as in the demo; and say that all are online."""
        found: list[MqttDeviceSource] = []
        settings: Any = SimpleNamespace(
            site=SimpleNamespace(plan=self.plan), folder=Path("site"), clock=SimpleNamespace(speed=1)
        )
        outbox: Any = self.outbox
        for gateway in self.plan.gateways:
            intake = Intake(Origin(self.plan.site, gateway.id), self.clock, outbox)
            found += [
                MqttDeviceSource(
                    bridge.base,
                    family=bridge.format,
                    link=self.link,
                    decoder=MQTT_DECODERS[bridge.format](bridge.base, bridge.models),
                    intake=intake,
                    clock=self.clock,
                )
                for bridge in from_mapping(tomllib.loads(gateway_config(settings, gateway))).mqtt
            ]
            online = GatewayStatus(site=self.plan.site, gateway=gateway.id, status="online", at=EIGHT)
            self.engine.apply(online, self.clock.now())
        return found

    def phases(self) -> set[str]:
        return {self.engine.place_state(place).phase for place in self.plan.place}

    def open(self) -> None:
        """Let every device say who it is; two minutes later every LoRaWAN sensor has joined."""
        self.clock.at = EIGHT + timedelta(minutes=2)
        for speaker in self._speakers:
            self._say(speaker.opening())
            self._say(speaker.due(self.clock.at))

    def seat_everybody(self) -> None:
        for place in self.plan.place.values():
            for sensor in place.sensors:
                entry = SensorInput(self.clock.at, place.id, sense_of(sensor))
                for speaker in self._speakers:
                    if (entry.place, entry.sensor) in speaker.hears:
                        self._say(speaker.take(entry, entry.at))

    def _say(self, said: list[Publication]) -> None:
        for entry in said:
            self.link.deliver(entry)

    def told(self, *, there: bool) -> set[str]:
        """Return the devices of which gateways said last that they are there, or not."""
        last = {event.device: event.value for event in self.outbox.events if event.kind == "availability"}
        return {device for device, value in last.items() if value is there}


def test_a_device_broker_that_is_gone_makes_its_places_unknown(
    mixed_plan: FloorPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_devices, "GRACE_S", 0.05)
    site = Site(mixed_plan)

    async def lose_and_regain() -> None:
        await until(lambda: site.link.filters == 7, "every topic is subscribed")
        site.open()
        site.seat_everybody()
        await until(lambda: site.phases() == {"in_use"}, "every place is in use")
        site.link.turn(on=False)
        await until(lambda: site.phases() == {"unknown"}, "every place is unknown")
        assert site.told(there=False) == set(mixed_plan.devices)
        for hours in range(1, 10):
            site.clock.at = EIGHT + timedelta(hours=hours)
            site.engine.advance(site.clock.at)
            assert site.phases() == {"unknown"}
        site.link.turn(on=True)
        await until(lambda: site.told(there=True) >= set(mixed_plan.devices), "every device is back")
        # A chair speaks when it changes: until it does, nobody knows whether somebody sat down meanwhile.
        site.engine.advance(site.clock.at + timedelta(minutes=30))
        for place in ("M02", "M03", "M04", "M10"):
            assert site.engine.place_state(place).phase == "unknown"

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(source.run(), name=source.name) for source in site.sources()]
            await lose_and_regain()
            for task in running:
                task.cancel()

    asyncio.run(story())
