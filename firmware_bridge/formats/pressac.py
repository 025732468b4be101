"""Pressac desk and room sensors, as the JSON of their gateway.

Source: captured messages of three firmware generations (acaprojects/ruby-engine-drivers, modules/pressac/sensors):
keys differ in case, values come as text, newer gateways put the message into an envelope.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from firmware_bridge.formats.json_values import MAX_DEVICE_MESSAGE_BYTES, as_claim, as_number, parse_json
from workplace.readings import Decoded, Reading

_ENVELOPE = "d2cmessage"
_MAX_ID = 64
#: Keys in lower case -> (kind, unit).
_NUMBERS: Final = {
    "temperature": ("temperature", "C"),
    "humidity": ("humidity", "%"),
    "concentration": ("co2", "ppm"),
    "supplyvoltage": ("battery_voltage", "V"),
}


class PressacDecoder:
    """`workplace.ports.MessageDecoder` for any number of gateways; it remembers nothing.

    Names and locations that people gave their sensors are not read. The gateway's local time has no zone, so the
    reading has no time of its own.
    """

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; the sensor is named inside, not by the topic."""
        del topic, retained, now
        if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
            return Decoded(fault="oversize")
        document, fault = parse_json(payload)
        if fault is not None or not isinstance(document, dict):
            return Decoded(fault=fault or "not_an_object")
        message = _lower(document)
        inner = message.get(_ENVELOPE)
        if isinstance(inner, dict):
            message = _lower(inner)
        device = message.get("deviceid")
        if not isinstance(device, str) or not 0 < len(device) <= _MAX_ID:
            return Decoded(fault="device_missing")
        return Decoded(tuple(_readings(message)), device=device)


def _lower(document: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in document.items()}


def _readings(message: dict[str, Any]) -> Iterator[Reading]:
    motion = as_claim(message.get("motiondetected"))
    if motion is not None:
        yield Reading("motion", motion)
    for key, (kind, unit) in _NUMBERS.items():
        value = message.get(key)
        number = as_number(value.get("value") if isinstance(value, dict) else value)
        if number is not None:
            yield Reading(kind, number, unit)
