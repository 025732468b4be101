"""Tasmota over MQTT. The order of a topic's levels is a setting of the device (FullTopic): `tele/desk/SENSOR` by
default, but `floor/desk/tele/SENSOR` and `tele/floor/desk/SENSOR` are as common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from firmware_bridge.formats.json_values import EARLIEST, MAX_FUTURE, as_claim, as_number, parse_json
from workplace.readings import Decoded, Reading

_LWT: Final = {"Online": True, "Offline": False}
_PREFIXES = frozenset({"tele", "stat"})
#: Switch inputs, and the names that the documentation's rules give to a PIR (PIR-Motion-Sensors page).
_SWITCH = re.compile(r"^(Switch|PIR|MOTION)\d*$", re.IGNORECASE)
#: Answers to a request for all sensors; what SENSOR holds stands one level deeper.
_STATUS_WORDS = frozenset({"STATUS8", "STATUS10"})
#: Keys of any sensor chip inside SENSOR: key -> (kind, unit).
_CHIP_KEYS: Final = {
    "Temperature": ("temperature", "C"),
    "Humidity": ("humidity", "%"),
    "Illuminance": ("illuminance", "lx"),
    "CarbonDioxide": ("co2", "ppm"),
}
#: Order of `LD2410.Distance` (HLK-LD2410 page of the Tasmota documentation).
_DISTANCES: Final = ("detection", "moving", "static")


class TasmotaDecoder:
    """`workplace.ports.MessageDecoder` for any number of devices.

    Args:
        zone: time zone of the devices' `Time`, which has no offset.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says. A radar that sees nobody sends nothing: absence is silence."""
        del retained  # the gateway marks the event; the meaning is the same
        device, word = _parts(topic)
        if device is None:
            return Decoded()
        text = payload.decode("utf-8", errors="replace").strip()
        if word == "LWT":
            return _availability(device, text)
        if _SWITCH.match(word):
            return Decoded(tuple(_switch(word, text, None)), device=device)
        if word not in ("SENSOR", "RESULT") and word not in _STATUS_WORDS:
            return Decoded(device=device)
        message, fault = parse_json(payload)
        if word in _STATUS_WORDS and isinstance(message, dict):
            message = message.get("StatusSNS", {})
        if fault is not None or not isinstance(message, dict):
            return Decoded(fault=fault or "not_an_object", device=device)
        return Decoded(tuple(_readings(message, self._moment(message.get("Time"), now))), device=device)

    def _moment(self, value: Any, now: datetime) -> datetime | None:
        """Return the device's time when it is plausible: without a time server it starts in 1970."""
        try:
            local = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return None
        moment = (local if local.tzinfo else local.replace(tzinfo=self._zone)).astimezone(UTC)
        return moment if EARLIEST <= moment <= now + MAX_FUTURE else None


def _parts(topic: str) -> tuple[str | None, str]:
    """Return the device and the last word; the device is the level that the user made unique (`%topic%`)."""
    levels = topic.split("/")
    word = levels.pop()
    if levels and levels[-1] in _PREFIXES:
        levels.pop()
    elif _PREFIXES.isdisjoint(levels[:-1]):
        return None, word
    return (levels[-1] or None if levels else None), word


def _availability(device: str, text: str) -> Decoded:
    if text not in _LWT:
        return Decoded(fault="unknown_availability" if text else None, device=device)
    return Decoded((Reading("availability", _LWT[text], device=device, scope="device"),), device=device)


def _readings(message: dict[str, Any], at: datetime | None) -> Iterator[Reading]:
    for name, value in message.items():
        if _SWITCH.match(name):
            yield from _switch(name, value.get("Action") if isinstance(value, dict) else value, at)
        elif name == "LD2410":
            yield from _radar(value, at)
        elif isinstance(value, dict):
            for key, (kind, unit) in _CHIP_KEYS.items():
                number = as_number(value.get(key))
                if number is not None:
                    yield Reading(kind, number, unit, channel=name, measured_at=at)


def _switch(name: str, value: Any, at: datetime | None) -> Iterator[Reading]:
    claim = as_claim(value)
    if claim is not None:
        yield Reading("motion", claim, channel=name, measured_at=at)


def _radar(value: Any, at: datetime | None) -> Iterator[Reading]:
    distances = value.get("Distance") if isinstance(value, dict) else None
    if not isinstance(distances, list):
        return
    # The report of every 300 s comes without a target too, with zeros: still no word that nobody is there.
    if any((as_number(raw) or 0) > 0 for raw in distances[: len(_DISTANCES)]):
        yield Reading("occupancy", value=True, measured_at=at)
    for channel, raw in zip(_DISTANCES, distances, strict=False):
        number = as_number(raw)
        if number is not None:
            yield Reading("distance", number, "cm", channel=channel, measured_at=at)
