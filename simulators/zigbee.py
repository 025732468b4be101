"""A Zigbee2MQTT-shaped bridge with battery PIRs and mains radars, as its broker sees it. Pure; `mqtt_player` talks.

Shape and behaviour of an Aqara RTCGQ11LM under Zigbee2MQTT (research: formats, section 3): it reports only
movement, is deaf for 60 s after a hit, the bridge itself says `occupancy: false` 90 s after the last hit, and
about once an hour a heartbeat without the key `occupancy` arrives. The radars are in `zigbee_radar`. All of it in
site time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulators.sensors import SensorInput
from simulators.speaker import FAR, Input, Publication, as_json, text_time
from simulators.zigbee_radar import Radar

BLIND = timedelta(seconds=60)  # zigbee2mqtt.io, RTCGQ11LM
CLEAR_AFTER = timedelta(seconds=90)  # zigbee2mqtt.io, RTCGQ11LM: occupancy_timeout
HEARTBEAT_S = (3000.0, 3600.0)  # zigbee2mqtt.io, RTCGQ11LM: battery and light every 50-60 min


@dataclass(slots=True)
class _Pir:
    name: str
    address: str
    rng: random.Random
    battery_pct: int
    link_quality: int
    heartbeat_at: datetime
    deaf_until: datetime | None = None
    clear_at: datetime | None = None


@dataclass(slots=True)
class ZigbeeBridge:
    """The bridge with base topic `base`, one PIR per friendly name in `names`, one radar per name in `radars`.

    Attributes:
        wired: input of the building -> friendly name of what notices it.
        wake_at: call `due` then at the latest.
    """

    base: str
    names: Iterable[str]
    seed: int
    started_at: datetime
    radars: Iterable[str] = ()
    wired: Mapping[Input, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    wake_at: datetime = field(init=False)
    _pirs: dict[str, _Pir] = field(init=False)
    _radars: dict[str, Radar] = field(init=False)
    _due: list[tuple[datetime, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._pirs = {name: self._pir(name) for name in self.names}
        self._radars = {
            name: Radar(name, random.Random(f"{self.seed}:{self.base}:{name}"), self.started_at)
            for name in self.radars
        }
        self._due = [(pir.heartbeat_at, pir.name) for pir in self._pirs.values()]
        self._due += [(radar.repeat_at, radar.name) for radar in self._radars.values()]
        heapq.heapify(self._due)
        self._plan_wake()

    def _pir(self, name: str) -> _Pir:
        rng = random.Random(f"{self.seed}:{self.base}:{name}")
        return _Pir(
            name=name,
            address=f"0x00158d00{rng.getrandbits(32):08x}",  # 00:15:8d is what Aqara's radios carry
            rng=rng,
            battery_pct=rng.randint(60, 100),
            link_quality=rng.randint(40, 200),
            # Spread over the hour, so that a restart does not line all heartbeats up.
            heartbeat_at=self.started_at + timedelta(seconds=rng.uniform(0, HEARTBEAT_S[1])),
        )

    @property
    def hears(self) -> tuple[Input, ...]:
        return tuple(self.wired)

    @property
    def will(self) -> tuple[str, bytes]:
        """What the broker says when the bridge is gone; retained."""
        return f"{self.base}/bridge/state", as_json({"state": "offline"})

    @property
    def has_open_occupancy(self) -> bool:
        """Some PIR still owes its `occupancy: false`."""
        return any(pir.clear_at is not None for pir in self._pirs.values())

    def opening(self) -> list[Publication]:
        """Return the retained messages that a bridge sends after each connect."""
        devices: list[dict[str, Any]] = [
            _coordinator(),
            *(_description(pir) for pir in self._pirs.values()),
            *(radar.description() for radar in self._radars.values()),
        ]
        return [
            Publication(f"{self.base}/bridge/state", as_json({"state": "online"}), retain=True),
            Publication(f"{self.base}/bridge/devices", as_json(devices), retain=True),
            *(
                Publication(f"{self.base}/{name}/availability", as_json({"state": "online"}), retain=True)
                for name in (*self._pirs, *self._radars)
            ),
        ]

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """One of the wired inputs changed."""
        name = self.wired[entry.place, entry.sensor]
        if name in self._pirs:
            return self.hit(name, now) if entry.value else []
        said = self._radars[name].see(entry.value, now)
        return [Publication(f"{self.base}/{name}", payload) for payload in said]

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """A bridge with sensors only has nothing to obey."""
        del topic, payload
        return []

    def hit(self, name: str, now: datetime) -> list[Publication]:
        """A body moved in sight of the PIR; nothing while it is deaf."""
        pir = self._pirs[name]
        if pir.deaf_until is not None and now < pir.deaf_until:
            return []
        pir.deaf_until, pir.clear_at = now + BLIND, now + CLEAR_AFTER
        heapq.heappush(self._due, (pir.clear_at, name))
        self._plan_wake()
        return [self._report(pir, now, {"occupancy": True})]

    def due(self, now: datetime) -> list[Publication]:
        """Return what time has brought: occupancy falling to false, and heartbeats."""
        found: list[Publication] = []
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            if name in self._radars:
                radar = self._radars[name]
                found.append(Publication(f"{self.base}/{name}", radar.repeat(now)))
                heapq.heappush(self._due, (radar.repeat_at, name))
                continue
            pir = self._pirs[name]
            if at == pir.clear_at:
                pir.clear_at = None
                found.append(self._report(pir, at, {"occupancy": False}))
            elif at == pir.heartbeat_at:
                pir.heartbeat_at = now + timedelta(seconds=pir.rng.uniform(*HEARTBEAT_S))
                heapq.heappush(self._due, (pir.heartbeat_at, name))
                found.append(self._report(pir, at, {}))
        self._plan_wake()
        return found

    def _plan_wake(self) -> None:
        self.wake_at = self._due[0][0] if self._due else FAR

    def _report(self, pir: _Pir, at: datetime, news: dict[str, Any]) -> Publication:
        quality = min(max(pir.link_quality + pir.rng.randint(-12, 12), 1), 255)
        payload = {
            **news,
            "illuminance": _daylight_lx(at, pir.rng),
            "battery": pir.battery_pct,
            "voltage": 2850 + 2 * pir.battery_pct,
            "linkquality": quality,
            "last_seen": text_time(at),
        }
        return Publication(f"{self.base}/{pir.name}", as_json(payload))


def _daylight_lx(at: datetime, rng: random.Random) -> int:
    """Office light by day, nearly none at night; no reader decides anything with it (guess)."""
    return rng.randint(180, 420) if 6 <= at.hour < 18 else rng.randint(0, 12)


def _coordinator() -> dict[str, Any]:
    return {
        "ieee_address": "0x00124b0000000001",
        "type": "Coordinator",
        "friendly_name": "Coordinator",
        "supported": True,
        "disabled": False,
        "interview_completed": True,
        "definition": None,
    }


def _description(pir: _Pir) -> dict[str, Any]:
    """Return the entry of `bridge/devices`; `exposes` tells a reader what each key means."""

    def number(name: str, unit: str, **more: Any) -> dict[str, Any]:
        return {"type": "numeric", "name": name, "property": name, "access": 1, "unit": unit, **more}

    return {
        "ieee_address": pir.address,
        "type": "EndDevice",
        "network_address": int(pir.address[-4:], 16),
        "friendly_name": pir.name,
        "supported": True,
        "disabled": False,
        "interview_completed": True,
        "power_source": "Battery",
        "manufacturer": "LUMI",
        "model_id": "lumi.sensor_motion.aq2",
        "definition": {
            "model": "RTCGQ11LM",
            "vendor": "Aqara",
            "description": "Motion sensor",
            "exposes": [
                {
                    "type": "binary",
                    "name": "occupancy",
                    "property": "occupancy",
                    "access": 1,
                    "value_on": True,
                    "value_off": False,
                },
                number("illuminance", "lx"),
                number("battery", "%", value_min=0, value_max=100),
                number("voltage", "mV"),
                number("linkquality", "lqi", value_min=0, value_max=255),
            ],
        },
    }
