"""Shelly sensors over MQTT: the Gen1 battery motion sensor, and a Gen4 presence sensor with zones. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulators.sensors import SensorInput
from simulators.speaker import Agenda, Input, Publication, as_json

BLIND = timedelta(seconds=60)  # blind time as shipped; the end of a hit comes with it
STATUS_EVERY = timedelta(hours=1)  # a status at least this often
ZONES_EVERY = timedelta(minutes=5)  # full status of a mains sensor with status over MQTT (guess)


@dataclass(slots=True)
class ShellyMotion:
    """Gen1: `shellies/<name>/status`, one message with everything (captured: stapelberg/regelwerk, motion.go)."""

    name: str
    input: Input
    seed: int
    started_at: datetime
    commands: tuple[str, ...] = ()
    _rng: random.Random = field(init=False)
    _battery_pct: int = field(init=False)
    _moved_at: datetime | None = None
    _is_on: bool = False
    _agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{self.seed}:{self.name}")
        self._battery_pct = self._rng.randint(50, 100)
        self._agenda = Agenda()
        self._agenda.put("status", self.started_at + STATUS_EVERY * self._rng.random())

    @property
    def hears(self) -> tuple[Input, ...]:
        return (self.input,)

    @property
    def wake_at(self) -> datetime:
        return self._agenda.wake_at

    @property
    def will(self) -> tuple[str, bytes]:
        return f"shellies/{self.name}/online", b"false"

    def opening(self) -> list[Publication]:
        return [Publication(f"shellies/{self.name}/online", b"true", retain=True, qos=0)]

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """A sensor has nothing to obey."""
        del topic, payload
        return []

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """Somebody moved; nothing while it is deaf."""
        if not entry.value or self._is_on:
            return []
        self._is_on, self._moved_at = True, now
        self._agenda.put("clear", now + BLIND)
        return [self._status(now)]

    def due(self, now: datetime) -> list[Publication]:
        """Return the ends of hits, and the hourly status."""
        found: list[Publication] = []
        for at, key in self._agenda.due(now):
            if key == "clear":
                self._is_on = False
            found.append(self._status(at))
        return found

    def _status(self, at: datetime) -> Publication:
        self._agenda.put("status", at + STATUS_EVERY)
        said = {
            "motion": self._is_on,
            "timestamp": 0 if self._moved_at is None else int(self._moved_at.timestamp()),
            "active": True,
            "vibration": False,
            "lux": self._rng.randint(180, 420) if 6 <= at.hour < 18 else self._rng.randint(0, 12),
            "bat": self._battery_pct,
        }
        return Publication(f"shellies/{self.name}/status", as_json(said), qos=0)


@dataclass(slots=True)
class ShellyPresence:
    """Gen4: notifications per zone, partial, each change as status and as event (Shelly API docs, PresenceZone).

    Attributes:
        prefix: its MQTT topic prefix.
        zones: input of the building -> `presencezone:<id>`.
    """

    prefix: str
    zones: Mapping[Input, str]
    seed: int
    started_at: datetime
    commands: tuple[str, ...] = ()
    wake_at: datetime = field(init=False)
    _states: dict[str, bool] = field(init=False)

    def __post_init__(self) -> None:
        self._states = dict.fromkeys(self.zones.values(), False)
        self.wake_at = self.started_at + ZONES_EVERY * random.Random(f"{self.seed}:{self.prefix}").random()

    @property
    def hears(self) -> tuple[Input, ...]:
        return tuple(self.zones)

    @property
    def will(self) -> tuple[str, bytes]:
        return f"{self.prefix}/online", b"false"

    def opening(self) -> list[Publication]:
        """Return that it is there, and the full status of each zone (`Enable RPC status over MQTT`)."""
        online = Publication(f"{self.prefix}/online", b"true", retain=True)
        return [online, *map(self._full, self._states)]

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """A sensor has nothing to obey."""
        del topic, payload
        return []

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """Somebody came into a zone, or left it."""
        zone = self.zones[entry.place, entry.sensor]
        if self._states[zone] == entry.value:
            return []
        self._states[zone] = entry.value
        number, ts = _number(zone), int(now.timestamp() * 100) / 100
        event = {"component": zone, "id": number, "event": "presence", "value": entry.value, "ts": ts}
        return [
            self._notify("NotifyStatus", ts, {zone: {"id": number, "value": entry.value}}),
            self._notify("NotifyEvent", ts, {"events": [event]}),
            # What changes as well comes by itself: a status is partial.
            self._notify("NotifyStatus", ts, {zone: {"id": number, "num_objects": int(entry.value)}}),
        ]

    def due(self, now: datetime) -> list[Publication]:
        """Return the full status of all zones, now and then."""
        if now < self.wake_at:
            return []
        self.wake_at = now + ZONES_EVERY
        return [self._full(zone) for zone in self._states]

    def _full(self, zone: str) -> Publication:
        value = self._states[zone]
        said = {"id": _number(zone), "value": value, "num_objects": int(value)}
        return Publication(f"{self.prefix}/status/{zone}", as_json(said))

    def _notify(self, method: str, ts: float, params: dict[str, Any]) -> Publication:
        source = self.prefix.rpartition("/")[2]
        said = {
            "src": source,
            "dst": f"{self.prefix}/events",
            "method": method,
            "params": {"ts": ts, **params},
        }
        return Publication(f"{self.prefix}/events/rpc", as_json(said))


def _number(zone: str) -> int:
    return int(zone.rpartition(":")[2])
