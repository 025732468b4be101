"""Shelly over MQTT: Gen1 motion sensor, Gen2+ notifications and status, and the BLU gateway script.

Gen2+ messages are partial: a key that is absent, in a notification or a status, is no news.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from firmware_bridge.formats.bthome_objects import BUTTON_EVENTS
from firmware_bridge.formats.json_values import EARLIEST, MAX_FUTURE, as_claim, as_number, parse_json
from workplace.readings import Decoded, Reading

#: Gen2+ component status: (component word, path of keys, kind, unit).
_STATUS_NUMBERS: Final = (
    ("devicepower", ("battery", "percent"), "battery", "%"),
    ("temperature", ("tC",), "temperature", "C"),
    ("humidity", ("rh",), "humidity", "%"),
    ("illuminance", ("lux",), "illuminance", "lx"),
)
#: Gen2+ events of an `input` component.
_PUSHES: Final = {
    "single_push": "press",
    "double_push": "double_press",
    "triple_push": "triple_press",
    "long_push": "long_press",
}
#: Components that push: wired inputs, and BLU buttons behind a gateway.
_BUTTONS: Final = ("input:", "bthomedevice:", "bthomesensor:")
#: Keys that the BLU script writes out of a BTHome advert: key -> (kind, unit).
_BLU_NUMBERS: Final = {
    "battery": ("battery", "%"),
    "illuminance": ("illuminance", "lx"),
    "temperature": ("temperature", "C"),
    "humidity": ("humidity", "%"),
    "pid": ("packet_id", None),
}
_BLU_CLAIMS: Final = {"motion": "motion", "occupancy": "occupancy", "window": "contact_open"}


class ShellyGen1Decoder:
    """`workplace.ports.MessageDecoder` for `shellies/<id>/...` of the battery motion sensor."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says."""
        del retained
        levels = topic.split("/")
        if len(levels) != 3 or levels[0] != "shellies":
            return Decoded()
        _, device, word = levels
        if word == "online":
            return _online(device, payload)
        if word != "status":
            return Decoded(device=device)
        message, fault = _object(payload)
        return Decoded(tuple(_gen1(message, now)), fault=fault, device=device)


class ShellyGen2Decoder:
    """`workplace.ports.MessageDecoder` for `<id>/events/rpc`, `<id>/status/<component>` and `<id>/online`."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says."""
        del retained
        head, _, last = topic.rpartition("/")
        if last == "online" and head:
            return _online(head, payload)
        device, _, word = head.rpartition("/")
        if not device or ((word, last) != ("events", "rpc") and word != "status"):
            return Decoded()
        message, fault = _object(payload)
        if word == "status":
            return Decoded(tuple(_component(last, message, None)), fault=fault, device=device)
        params = message.get("params")
        readings = tuple(_notification(params, now)) if isinstance(params, dict) else ()
        return Decoded(readings, fault=fault, device=device)


class ShellyBluScriptDecoder:
    """`workplace.ports.MessageDecoder` for adverts that a Shelly's script passes on as JSON."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says."""
        del topic, retained, now
        message, fault = _object(payload)
        address, packet_id = message.get("address"), as_number(message.get("pid"))
        return Decoded(
            tuple(_blu(message)),
            fault=fault,
            device=address if isinstance(address, str) else None,
            seq=packet_id if isinstance(packet_id, int) else None,
        )


def _object(payload: bytes) -> tuple[dict[str, Any], str | None]:
    message, fault = parse_json(payload)
    if isinstance(message, dict):
        return message, None
    return {}, fault or "not_an_object"


def _online(device: str, payload: bytes) -> Decoded:
    claim = as_claim(payload.decode("utf-8", errors="replace"))
    if claim is None:
        return Decoded(fault="unknown_availability" if payload else None, device=device)
    return Decoded((Reading("availability", claim, device=device, scope="device"),), device=device)


def _moment(value: Any, now: datetime) -> datetime | None:
    """Return a plausible time from epoch seconds: before its first time server a device starts in 1970."""
    number = as_number(value)
    try:
        moment = None if number is None else datetime.fromtimestamp(number, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment is not None and EARLIEST <= moment <= now + MAX_FUTURE else None


def _gen1(message: dict[str, Any], now: datetime) -> Iterator[Reading]:
    motion = as_claim(message.get("motion"))
    # `active: false`: detection is switched off, and what `motion` says then is no claim about people.
    if motion is not None and as_claim(message.get("active")) is not False:
        # The time is that of the last movement: it dates a hit, but not its end.
        yield Reading(
            "motion", motion, measured_at=_moment(message.get("timestamp"), now) if motion else None
        )
    for key, kind, unit in (("lux", "illuminance", "lx"), ("bat", "battery", "%")):
        number = as_number(message.get(key))
        if number is not None:
            yield Reading(kind, number, unit)
    vibration = as_claim(message.get("vibration"))
    if vibration is not None:
        yield Reading("vibration", vibration)


def _notification(params: dict[str, Any], now: datetime) -> Iterator[Reading]:
    at = _moment(params.get("ts"), now)
    events = params.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield from _event(event, _moment(event.get("ts"), now) or at)
    for component, status in params.items():
        if isinstance(status, dict):
            yield from _component(component, status, at)


def _event(event: dict[str, Any], at: datetime | None) -> Iterator[Reading]:
    component, word = str(event.get("component")), event.get("event")
    if component.startswith("presencezone:"):
        # One event tells one thing; the status of a zone has the same keys with the same meaning.
        keys = {"presence": ("value",), "counter": ("num_objects", "value")}.get(str(word), ())
        found = next((event[key] for key in keys if key in event), None)
        name = "value" if word == "presence" else "num_objects"
        yield from _component(component, {name: found}, at)
    elif component.startswith(_BUTTONS) and str(word) in _PUSHES:
        yield Reading("button", _PUSHES[str(word)], channel=component, measured_at=at)


def _component(component: str, status: dict[str, Any], at: datetime | None) -> Iterator[Reading]:
    if component.startswith("presencezone:"):
        occupied, count = as_claim(status.get("value")), as_number(status.get("num_objects"))
        if occupied is not None:
            yield Reading("occupancy", occupied, zone=component, measured_at=at)
        if count is not None:
            yield Reading("count", count, zone=component, measured_at=at)
    elif component == "presence":  # the whole room; zones overlap, so their counts must not be added up
        count = as_number(status.get("num_objects"))
        if count is not None:
            yield Reading("count", count, zone=component, measured_at=at)
    for word, path, kind, unit in _STATUS_NUMBERS:
        if component.partition(":")[0] == word:
            value: Any = status
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            number = as_number(value)
            if number is not None:
                yield Reading(kind, number, unit, measured_at=at)


def _blu(message: dict[str, Any]) -> Iterator[Reading]:
    for key, kind in _BLU_CLAIMS.items():
        claim = as_claim(message.get(key))
        if claim is not None:
            yield Reading(kind, claim)
    for key, (kind, unit) in _BLU_NUMBERS.items():
        number = as_number(message.get(key))
        if number is not None:
            yield Reading(kind, number, unit)
    button = as_number(message.get("button"))
    if isinstance(button, int) and button in BUTTON_EVENTS:
        yield Reading("button", BUTTON_EVENTS[button])
