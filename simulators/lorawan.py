"""A ChirpStack v4 network with seat, desk and PIR sensors, as its MQTT integration shows it. Pure.

Each sensor joins when the building starts, tells its state, then reports changes at once and a heartbeat at its
interval. Messages are QoS 0 and not retained: what nobody hears is gone (chirpstack-docs, integrations/mqtt.md).
"""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators import lorawan_frames as frames
from simulators.sensors import SensorInput
from simulators.speaker import Agenda, Input, Publication, as_json

JOIN_WITHIN_S = 90.0  # all sensors of a building that gets power; a real network spreads them wider
STATUS_EVERY = timedelta(days=1)  # device status requests per day, set in the device profile


@dataclass(frozen=True, slots=True)
class AirFaults:
    """Shares of uplinks, 0-1.

    Attributes:
        lost: never arrive; the frame counter shows it.
        doubled: arrive twice, redelivered by the server or sent again by the sensor.
    """

    lost: float = 0.0
    doubled: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.lost <= 1 and 0 <= self.doubled <= 1):
            raise ValueError("shares of lost and doubled uplinks must be 0-1")


@dataclass(slots=True)
class _Node:
    eui: str
    kit: str
    model: frames.Model
    rng: random.Random
    battery_pct: int
    address: str = ""
    counter: int = 0
    is_on: bool = False
    events: int = 0
    changed_at: datetime | None = None
    deaf_until: datetime | None = None


@dataclass(slots=True)
class LorawanNetwork:
    """All sensors of one application.

    Attributes:
        base: `application/<uuid>`.
        sensors: input of the building -> (dev EUI as 16 hex digits, kit of the plan).
    """

    base: str
    sensors: Mapping[Input, tuple[str, str]]
    seed: int
    started_at: datetime
    faults: AirFaults = field(default_factory=AirFaults)
    will: tuple[str, bytes] | None = None
    commands: tuple[str, ...] = ()
    _nodes: dict[str, _Node] = field(init=False)
    _agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self._nodes, self._agenda = {}, Agenda()
        for eui, kit in self.sensors.values():
            rng = random.Random(f"{self.seed}:{self.base}:{eui}")
            self._nodes[eui] = _Node(eui, kit, frames.MODELS[kit], rng, rng.randint(55, 100))
            self._agenda.put(
                f"join {eui}", self.started_at + timedelta(seconds=rng.uniform(1, JOIN_WITHIN_S))
            )

    @property
    def hears(self) -> tuple[Input, ...]:
        return tuple(self.sensors)

    @property
    def wake_at(self) -> datetime:
        return self._agenda.wake_at

    def opening(self) -> list[Publication]:
        """A network server says nothing when it connects."""
        return []

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """No downlinks."""
        del topic, payload
        return []

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """A level changed, or a PIR was hit."""
        node = self._nodes[self.sensors[entry.place, entry.sensor][0]]
        if node.model.idle_after is not None:
            return self._hit(node, now, node.model.idle_after) if entry.value else []
        if entry.value == node.is_on:
            return []
        node.is_on, node.changed_at = entry.value, now
        node.events += 1
        return self._report(node, now)

    def due(self, now: datetime) -> list[Publication]:
        """Return joins, heartbeats, ends of hits and battery events that time has brought."""
        found: list[Publication] = []
        for at, key in self._agenda.due(now):
            what, _, eui = key.partition(" ")
            node = self._nodes[eui]
            match what:
                case "join":
                    found += self._join(node, at)
                case "idle":
                    node.is_on = False
                    found += self._report(node, at)
                case "beat":
                    found += self._report(node, at, is_beat=True)
                case "status":
                    found.append(self._status(node, at))
        return found

    def _hit(self, node: _Node, now: datetime, idle_after: timedelta) -> list[Publication]:
        if node.deaf_until is not None and now < node.deaf_until:
            return []
        self._agenda.put(f"idle {node.eui}", now + max(idle_after, node.model.blind))
        node.deaf_until = now + node.model.blind
        if node.is_on:
            return []  # still triggered: it waits longer before it calls itself idle
        node.is_on, node.changed_at = True, now
        return self._report(node, now)

    def _join(self, node: _Node, at: datetime) -> Iterator[Publication]:
        node.address = f"{node.rng.getrandbits(24) | 0x01000000:08x}"
        node.counter = 0
        self._agenda.put(f"status {node.eui}", at + STATUS_EVERY * node.rng.uniform(0.01, 1))
        yield self._event("join", node, at, {"devAddr": node.address})
        if node.model.port == frames.MILESIGHT_PORT:
            yield from self._uplink(node, at, frames.milesight_join(bytes.fromhex(node.eui)))
        yield from self._report(node, at, is_beat=True)
        # Heartbeats of a building that has run for a while are not in step.
        self._agenda.put(f"beat {node.eui}", at + node.model.beat_off * node.rng.uniform(0.1, 1))

    def _report(self, node: _Node, at: datetime, *, is_beat: bool = False) -> list[Publication]:
        if not node.address:
            return []  # not joined yet: it will tell its state then
        beat = node.model.beat_on if node.is_on else node.model.beat_off
        self._agenda.put(f"beat {node.eui}", at + beat + timedelta(seconds=node.rng.uniform(-5, 5)))
        return self._uplink(node, at, _payload(node, at, is_beat=is_beat))

    def _uplink(self, node: _Node, at: datetime, payload: bytes) -> list[Publication]:
        counter, node.counter = node.counter, node.counter + 1
        if node.rng.random() < self.faults.lost:
            return []
        found = [self._up(node, at, counter, payload)]
        if node.rng.random() < self.faults.doubled:
            is_redelivery = node.rng.random() < 0.5
            found.append(found[0] if is_redelivery else self._up(node, at, counter, payload))
        return found

    def _up(self, node: _Node, at: datetime, counter: int, payload: bytes) -> Publication:
        rssi, snr = -node.rng.randint(60, 115), round(node.rng.uniform(-8, 11), 1)
        body: dict[str, Any] = {
            "devAddr": node.address,
            "adr": True,
            "dr": 5,
            "fPort": node.model.port,
            "data": base64.b64encode(payload).decode(),
            "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": rssi, "snr": snr, "crcStatus": "CRC_OK"}],
        }
        if counter:  # zero values are left out (protobuf JSON)
            body["fCnt"] = counter
        return self._event("up", node, at, body)

    def _status(self, node: _Node, at: datetime) -> Publication:
        node.battery_pct = max(node.battery_pct - node.rng.choice((0, 0, 1)), 1)
        self._agenda.put(f"status {node.eui}", at + STATUS_EVERY)
        return self._event(
            "status", node, at, {"margin": node.rng.randint(4, 20), "batteryLevel": node.battery_pct}
        )

    def _event(self, what: str, node: _Node, at: datetime, body: dict[str, Any]) -> Publication:
        """Return one event in the envelope of ChirpStack (chirpstack-docs, integrations/events.md)."""
        application = self.base.rpartition("/")[2]
        envelope = {
            "deduplicationId": str(uuid.UUID(int=node.rng.getrandbits(128), version=4)),
            "time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000+00:00",
            "deviceInfo": {
                "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
                "tenantName": "Gebouw",
                "applicationId": application,
                "applicationName": "Werkplekken",
                "deviceProfileName": node.model.profile,
                "deviceName": f"{node.model.profile} {node.eui[-4:]}",
                "devEui": node.eui,
                "deviceClassEnabled": "CLASS_A",
                "tags": {},
            },
            **body,
        }
        topic = f"{self.base}/device/{node.eui}/event/{what}"
        return Publication(topic, as_json(envelope), qos=0)


def _payload(node: _Node, at: datetime, *, is_beat: bool) -> bytes:
    battery_pct = node.battery_pct if is_beat else None
    if node.kit == "lora_desk":
        since = timedelta() if node.changed_at is None else at - node.changed_at
        return frames.tbms100(
            occupied=node.is_on,
            battery_v=3.0 + 0.6 * node.battery_pct / 100,
            board_c=node.rng.randint(19, 24),
            since_event_min=int(since.total_seconds() // 60),
            events=node.events,
        )
    if node.kit == "lora_pir":
        is_bright = 6 <= at.hour < 18
        return frames.milesight_pir(triggered=node.is_on, is_bright=is_bright, battery_pct=battery_pct)
    return frames.milesight_seat(occupied=node.is_on, battery_pct=battery_pct)
