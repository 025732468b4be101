"""Zigbee2MQTT: device messages, availability and the bridge itself.

The bridge merges everything it remembers of a device into each message. So `occupancy: true` in a message
does not mean that somebody moved: it may be repeated because the light changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from firmware_bridge.formats.json_values import (
    MAX_DEVICE_MESSAGE_BYTES,
    as_claim,
    as_moment,
    as_number,
    parse_json,
)
from firmware_bridge.formats.zigbee2mqtt_keys import (
    CLAIMS,
    LOWEST_MILLIVOLTS,
    NUMBERS,
    RADAR_STATES,
    UNTELLING,
    WORDS,
    has_radar_keys,
    is_radar,
)
from workplace.readings import Decoded, Reading

#: Past this many names somebody invents topics; the oldest memories go first.
MAX_DEVICES = 5000

_NO_DEVICE_TOPIC = frozenset({"set", "get"})
#: Aqara FP1: enter and leave come fast, occupied and unoccupied are confirmed (device page RTCZCGQ11LM).
_REGION = re.compile(r"^(region_\d+)_(enter|leave|occupied|unoccupied)$")


@dataclass(slots=True)
class _Device:
    """What the last message of a device said."""

    tellings: dict[str, Any] = field(default_factory=dict)
    last_seen: Any = None


class Zigbee2MqttDecoder:
    """`workplace.ports.MessageDecoder` for one bridge.

    Args:
        base: the bridge's base topic, without a slash at the end.

    A reading of motion carries `extra`: `cached` when the bridge only repeated what it remembered, `retained`
    when the broker did. Neither is a sign of life.
    """

    def __init__(self, base: str = "zigbee2mqtt") -> None:
        self._base = base
        self._devices: dict[str, _Device] = {}
        self._radars: dict[str, bool] = {}

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; topics of others and echoes of commands say nothing."""
        if not topic.startswith(self._base + "/"):
            return Decoded()
        name = topic[len(self._base) + 1 :]
        if name == "bridge/state":
            return self._availability(payload, self._base, scope="bridge")
        if name.startswith("bridge/"):
            return self._decode_bridge(name, payload)
        if name.endswith("/availability"):
            return self._decode_availability(name.removesuffix("/availability"), payload)
        if not payload or name.rpartition("/")[2] in _NO_DEVICE_TOPIC:
            return Decoded()
        if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
            return Decoded(fault="oversize", device=name)
        message, fault = parse_json(payload)
        if fault is not None or not isinstance(message, dict):
            return Decoded(fault=fault or "not_an_object", device=name)
        return self._decode_device(name, message, retained=retained, now=now)

    def _decode_device(self, name: str, message: dict[str, Any], *, retained: bool, now: datetime) -> Decoded:
        is_cached = self._is_repeat(name, message)
        measured_at = as_moment(message.get("last_seen"), now)
        readings = []
        for reading in _readings(message, is_radar=self._radars.get(name, has_radar_keys(message))):
            extra = dict(reading.extra)
            if reading.kind == "motion":
                extra |= {"cached": True} if is_cached and reading.value is True else {}
                extra |= {"retained": True} if retained else {}
            readings.append(replace(reading, measured_at=measured_at, extra=extra))
        return Decoded(tuple(readings), device=name)

    def _is_repeat(self, name: str, message: dict[str, Any]) -> bool:
        """True when a `true` in this message is what the bridge remembered and something else is the news.

        The same message once more is the sensor speaking again (some repeat every 2 s while people move),
        unless the bridge says that it did not hear the device since.
        """
        tellings = {key: value for key, value in message.items() if key not in UNTELLING}
        before = self._devices.pop(name, None)
        self._devices[name] = _Device(tellings, message.get("last_seen"))
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        if before is None:
            return False
        hits = [key for key in ("occupancy", "pir_detection") if as_claim(tellings.get(key)) is True]
        if any(as_claim(before.tellings.get(key)) is not True for key in hits):
            return False  # it was not true before: somebody moved
        unheard = before.last_seen is not None and before.last_seen == message.get("last_seen")
        return unheard or tellings != before.tellings

    def _decode_availability(self, name: str, payload: bytes) -> Decoded:
        if not payload:  # renamed or removed: the retained message was deleted
            self._forget(name)
            return Decoded(device=name)
        return self._availability(payload, name, scope="device")

    @staticmethod
    def _availability(payload: bytes, device: str, *, scope: str) -> Decoded:
        if not payload:
            return Decoded(device=device)
        text = payload.decode("utf-8", errors="replace").strip()
        if text.startswith("{"):
            document, fault = parse_json(payload)
            if fault is not None:
                return Decoded(fault=fault, device=device)
            text = str(document.get("state"))
        if text not in ("online", "offline"):
            return Decoded(fault="unknown_availability", device=device)
        reading = Reading("availability", value=text == "online", device=device, scope=scope)
        return Decoded((reading,), device=device)

    def _decode_bridge(self, name: str, payload: bytes) -> Decoded:
        if name not in ("bridge/devices", "bridge/event") or not payload:
            return Decoded(device=self._base)
        document, fault = parse_json(payload)
        if fault is not None:
            return Decoded(fault=fault, device=self._base)
        if name == "bridge/devices" and isinstance(document, list):
            self._learn(document)
        elif isinstance(document, dict) and document.get("type") == "device_leave":
            return self._leave(document.get("data"))
        return Decoded(device=self._base)

    def _learn(self, devices: list[Any]) -> None:
        self._radars = {
            device["friendly_name"]: is_radar(device.get("definition"))
            for device in devices
            if isinstance(device, dict) and isinstance(device.get("friendly_name"), str)
        }

    def _leave(self, data: Any) -> Decoded:
        name = data.get("friendly_name") if isinstance(data, dict) else None
        if not isinstance(name, str):
            return Decoded(device=self._base)
        self._forget(name)
        reading = Reading(
            "availability", value=False, device=name, scope="device", extra={"reason": "left_network"}
        )
        return Decoded((reading,), device=name)

    def _forget(self, name: str) -> None:
        self._devices.pop(name, None)


def _readings(message: dict[str, Any], *, is_radar: bool) -> Iterator[Reading]:
    yield from _sensed(message, is_radar=is_radar)
    yield from _region(message.get("action"))
    yield from _light(message)
    yield from _battery_voltage(message)
    for key, (kind, unit) in NUMBERS.items():
        number = as_number(message.get(key))
        if number is not None:
            yield Reading(kind, number, unit)
    for key, kind in CLAIMS.items():
        claim = as_claim(message.get(key))
        if claim is not None:
            yield Reading(kind, claim)
    for key, kind in WORDS.items():
        word = message.get(key)
        if isinstance(word, str) and word:
            yield Reading(kind, word)
    state = message.get("state")
    if isinstance(state, str) and state in RADAR_STATES:
        yield Reading("radar_state", state)
    is_closed = as_claim(message.get("contact"))
    if is_closed is not None:
        yield Reading("contact_open", not is_closed)


def _sensed(message: dict[str, Any], *, is_radar: bool) -> Iterator[Reading]:
    """`presence` is a state of a room; `occupancy` is the same from a radar, and motion from a PIR."""
    presence, occupancy = as_claim(message.get("presence")), as_claim(message.get("occupancy"))
    if presence is not None:
        yield Reading("occupancy", presence)
    if occupancy is None or (is_radar and presence is not None):
        return
    yield Reading("occupancy" if is_radar else "motion", occupancy)


def _region(action: Any) -> Iterator[Reading]:
    if not isinstance(action, str) or not action:
        return
    match = _REGION.match(action)
    if match is None:
        yield Reading("button", action)
    elif match[2] in ("occupied", "unoccupied"):
        yield Reading("occupancy", value=match[2] == "occupied", zone=match[1])
    else:
        yield Reading("region_event", match[2], zone=match[1])


def _light(message: dict[str, Any]) -> Iterator[Reading]:
    # Older bridges give a raw count under `illuminance` and lux under `illuminance_lux`; newer ones lux only.
    for key in ("illuminance_lux", "illuminance"):
        number = as_number(message.get(key))
        if number is not None:
            yield Reading("illuminance", number, "lx")
            return


def _battery_voltage(message: dict[str, Any]) -> Iterator[Reading]:
    voltage = as_number(message.get("voltage"))
    if voltage is None:
        return
    if voltage >= LOWEST_MILLIVOLTS:
        yield Reading("battery_voltage", round(voltage / 1000, 3), "V")
    else:
        yield Reading("voltage", voltage, "V")
