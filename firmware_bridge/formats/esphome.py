"""ESPHome nodes over MQTT: `<prefix>/<component>/<object id>/state` and `<prefix>/status`.

States are retained by default, so the value that comes at connect may be days old; the broker's flag tells.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from firmware_bridge.formats.json_values import as_number
from workplace.readings import Decoded, Reading

#: What a binary sensor claims, by the words that people put in its name. First hit counts.
_CLAIM_WORDS: Final = (
    (("pir", "motion"), "motion"),
    (("dock", "laptop"), "link"),
    (("seat", "occup", "presen", "radar", "mmwave", "desk", "target"), "occupancy"),
    (("button",), "button"),
)
_CLAIMS: Final = {"ON": True, "OFF": False}
#: What a sensor measures, by the words in its name.
_NUMBER_WORDS: Final = (
    ("temperature", "temperature", "C"),
    ("humidity", "humidity", "%"),
    ("illuminance", "illuminance", "lx"),
    ("co2", "co2", "ppm"),
    ("battery", "battery", "%"),
)


class EsphomeDecoder:
    """`workplace.ports.MessageDecoder` for any number of nodes; it remembers nothing."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; `retained` and `now` change nothing, the payload has no time."""
        del retained, now
        text = payload.decode("utf-8", errors="replace").strip()
        prefix, _, last = topic.rpartition("/")
        if last == "status" and prefix and text in ("online", "offline"):
            reading = Reading("availability", value=text == "online", device=prefix, scope="device")
            return Decoded((reading,), device=prefix)
        parts = topic.rsplit("/", 3)
        if len(parts) != 4 or last != "state":
            return Decoded()
        device, component, name, _ = parts
        if component == "binary_sensor":
            return _claim(device, name, text)
        return _number(device, name, text) if component == "sensor" else Decoded(device=device)


def _claim(device: str, name: str, text: str) -> Decoded:
    kind = next((kind for words, kind in _CLAIM_WORDS if any(word in name.lower() for word in words)), None)
    if kind is None:
        return Decoded(device=device)  # a window or a leak: nothing about people
    if text not in _CLAIMS:
        return Decoded(fault="unknown_value", device=device)
    return Decoded((Reading(kind, _CLAIMS[text], zone=name),), device=device)


def _number(device: str, name: str, text: str) -> Decoded:
    number = as_number(text)
    for word, kind, unit in _NUMBER_WORDS:
        if word in name.lower() and number is not None:
            return Decoded((Reading(kind, number, unit, zone=name),), device=device)
    return Decoded(device=device)
