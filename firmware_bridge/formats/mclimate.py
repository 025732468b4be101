"""MClimate PIR Mini and HT-PIR Lite: a keepalive of fixed layout, alone or after events and answers.

Facts from TheThingsNetwork/lorawan-devices, `vendor/mclimate/pir-mini.js` and `ht-pir-lite.js`. What comes before
a keepalive is read command by command, as a byte of an answer may look like the start of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_bridge.formats.payload_parts import Part, PayloadDecoder, Readings, claim, number, row
from workplace.readings import Decoded, Reading

#: Light above this means: 0xFFFB to 0xFFFE fault, 0xFFFF switched off.
_MOST_LIGHT = 0xFFFA

#: Command -> length of the answer to it.
_ANSWERS: Final[dict[int, int]] = {
    **dict.fromkeys((0x04, 0x1D, 0x39, 0x42), 2),
    **dict.fromkeys((0x12, 0x19, 0x1B, 0x1F, 0x22, 0x2F, 0x37, 0x3D, 0x3F, 0x44, 0x49, 0x4B, 0x4D), 1),
    **dict.fromkeys((0xA4, 0xA6), 1),
}
_EVENTS: Final[dict[int, Reading]] = {
    0x3A: Reading("occupancy", value=True, extra={"event": "occupied"}),
    0x3B: Reading("occupancy", value=False, extra={"event": "unoccupied"}),
    0x40: Reading("motion", value=True, extra={"event": "pir_trigger"}),
}


def _temperature(data: bytes) -> Readings:
    raw = int.from_bytes(data, "big") & 0x3FF
    return (Reading("temperature", (raw - 400) / 10, "C"),)


def _humidity(data: bytes) -> Readings:
    return (Reading("humidity", round(data[0] * 100 / 256, 2), "%"),)


def _supply(data: bytes) -> Readings:
    return (Reading("battery_voltage", round((data[0] * 2200 / 255 + 1600) / 1000, 2), "V"),)


def _flagged_temperature(data: bytes) -> Readings:
    return (Reading("occupancy", bool(data[0] & 0x04)), *_temperature(data))


@dataclass(frozen=True, slots=True)
class _Device:
    """A kind of device: what its keepalive starts with and holds, and which events it sends."""

    start: int
    keepalive: Part
    events: Mapping[int, Reading]


PIR_MINI = _Device(
    0x01,
    row(
        Part(2, _temperature),
        Part(1, _humidity),
        number("illuminance", 2, unit="lx", order="big", most=_MOST_LIGHT),
        Part(1, _supply),
        claim("occupancy", bit=0),
        number("motion_count", 2, order="big"),
    ),
    _EVENTS,
)
HT_PIR_LITE = _Device(
    0x81,
    row(Part(2, _flagged_temperature), Part(1, _humidity), Part(1, _supply), number("motion_count")),
    {},
)


def _decoder(device: _Device) -> PayloadDecoder:
    def decode(data: bytes, port: int | None) -> Decoded:
        del port
        readings: list[Reading] = []
        at = 0
        while at < len(data):
            code, at = data[at], at + 1
            if code == device.start:
                if len(data) - at < device.keepalive.size_bytes:
                    return Decoded(tuple(readings), fault="bad_frame")
                # An event in front of it tells the same, and why.
                told = {reading.kind for reading in readings}
                readings += (item for item in device.keepalive.read(data[at:]) if item.kind not in told)
                return Decoded(tuple(readings))
            if code in device.events:
                readings.append(device.events[code])
            elif code in _ANSWERS:
                at += _ANSWERS[code]
            else:
                return Decoded(tuple(readings), fault="unknown_channel")
        return Decoded(tuple(readings), fault="bad_frame" if at > len(data) else None)

    return decode


MODELS: Final[Mapping[str, PayloadDecoder]] = {
    "pir-mini": _decoder(PIR_MINI),
    "ht-pir-lite": _decoder(HT_PIR_LITE),
}
