"""Elsys (ERS, ERS Eye, EMS, EMS Desk, ELT): a type byte and its value, big-endian, on any port.

Facts from TheThingsNetwork/lorawan-devices, `vendor/elsys/elsys.js`; what the occupancy values mean from
allthingstalk/device-types, `ELSYS/*/README.md`.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from firmware_bridge.formats.payload_parts import (
    Part,
    PayloadDecoder,
    Readings,
    number,
    read_tagged,
    row,
    skip,
)
from workplace.readings import Decoded, Reading, Value

_TYPE_BYTES = 1
#: 1 is the PIR alone: EMS Desk is still waiting for the heat of a body, ERS Eye has seen none.
_OCCUPANCY: Final[dict[int, Value]] = {0: False, 1: "pending", 2: True}

_u8 = number
_u16 = partial(number, size_bytes=2, order="big")
_s16 = partial(number, size_bytes=2, order="big", signed=True)
_u32 = partial(number, size_bytes=4, order="big")
_celsius = partial(_s16, "temperature", per=10, unit="C")


def _acceleration(data: bytes) -> Readings:
    x, y, z = (byte - 256 if byte > 127 else byte for byte in data)
    return (Reading("acceleration", (x, y, z)),)


def _occupancy(data: bytes) -> Readings:
    value = _OCCUPANCY.get(data[0])
    return () if value is None else (Reading("occupancy", value, extra={"raw": data[0]}),)


TYPES: Final[dict[bytes, Part]] = {
    bytes((kind,)): part
    for kind, part in {
        0x01: _celsius(),
        0x02: _u8("humidity", unit="%", most=100),
        0x03: Part(3, _acceleration),
        0x04: _u16("illuminance", unit="lx"),
        # Hits since the last report: a number, and no claim about now.
        0x05: _u8("motion_count"),
        0x06: _u16("co2", unit="ppm"),
        0x07: _u16("battery_voltage", per=1000, unit="V"),
        0x08: _u16("analog", unit="mV", channel=1),
        0x09: skip(6),  # where it is: it does not move
        0x0A: _u16("pulses", channel=1, mode="period"),
        0x0B: _u32("pulses", channel=1, mode="total"),
        0x0C: _celsius(channel="external_1"),
        0x0D: _u8("digital", channel=1),
        0x0E: _u16("distance", unit="mm"),
        0x0F: _u8("acceleration_count"),
        0x10: row(_celsius(channel="ir_internal"), _celsius(channel="ir_external")),
        0x11: Part(1, _occupancy),
        0x12: _u8("water_leak"),
        0x13: skip(65),  # a heat picture of the place: nobody's business
        0x14: _u32("pressure", per=1000, unit="hPa"),
        0x15: row(
            _u8("sound_level", unit="dB", channel="peak"), _u8("sound_level", unit="dB", channel="average")
        ),
        0x16: _u16("pulses", channel=2, mode="period"),
        0x17: _u32("pulses", channel=2, mode="total"),
        0x18: _u16("analog", unit="mV", channel=2),
        0x19: _celsius(channel="external_2"),
        0x1A: _u8("digital", channel=2),
        0x1B: _u32("analog", unit="uV", signed=True),
        0x1C: _u16("tvoc", unit="ppb"),
        0x3D: skip(4),
    }.items()
}


def _decode(data: bytes, port: int | None) -> Decoded:
    del port  # 1 or 5, by firmware
    return read_tagged(TYPES, _TYPE_BYTES, data)


#: One decoder for all: the types say which sensors a device has.
DECODER: Final[PayloadDecoder] = _decode
