"""Reading JSON that servers write from protocol buffers: what is zero or empty is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_bridge.formats.json_values import MAX_DEVICE_MESSAGE_BYTES, as_number, parse_json


def message_of(payload: bytes) -> tuple[dict[str, Any], str | None]:
    """Return (message, None), or ({}, fault)."""
    if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
        return {}, "oversize"
    message, fault = parse_json(payload)
    return (message, None) if isinstance(message, dict) else ({}, fault or "not_an_object")


def section(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an inner object; empty when it is absent or no object."""
    inner = message.get(name)
    return inner if isinstance(inner, dict) else {}


def text(message: Mapping[str, Any], name: str) -> str:
    """Return a text, empty when it is absent or no text."""
    value = message.get(name)
    return value if isinstance(value, str) else ""


def count(message: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number of 0 or more: 0 when it is absent, None when something else is there."""
    value = as_number(message.get(name, 0))
    return value if isinstance(value, int) and value >= 0 else None


def texts(message: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts among the values of an inner object."""
    return tuple(value for value in section(message, name).values() if isinstance(value, str))


def best_signal(receptions: Any) -> tuple[int | float | None, int | float | None]:
    """Return (rssi in dBm, snr in dB) of the gateway that heard it best; a missing snr is 0."""
    heard = [item for item in receptions if isinstance(item, dict)] if isinstance(receptions, list) else []
    known = [
        (rssi, as_number(item.get("snr", 0)))
        for item in heard
        if (rssi := as_number(item.get("rssi"))) is not None
    ]
    return max(known, key=lambda pair: pair[0]) if known else (None, None)
