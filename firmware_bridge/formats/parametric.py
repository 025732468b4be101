"""Parametric PCR2 radar people counter, big-endian: application payloads on port 14, settings on port 190.

Facts from TheThingsNetwork/lorawan-devices, `vendor/parametric/pcr2.js`. Its temperature is floored there; the
tenths are in the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from firmware_bridge.formats.payload_parts import (
    Part,
    PayloadDecoder,
    Readings,
    number,
    read_fixed,
    read_tagged,
    row,
    skip,
)
from workplace.readings import Decoded, Reading

_APPLICATION_PORT, _SETTINGS_PORT = 14, 190

_u16 = partial(number, size_bytes=2, order="big")
_LTR = _u16("flow_ltr", mode="period", direction="ltr")
_RTL = _u16("flow_rtl", mode="period", direction="rtl")
_TEMPERATURE = _u16("temperature", per=10, unit="C", signed=True)
_SUMS = row(
    _u16("flow_ltr", mode="total", direction="ltr"),
    _u16("flow_rtl", mode="total", direction="rtl"),
)


def _sums_and_difference(data: bytes) -> Readings:
    ltr, rtl = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
    return (*_SUMS.read(data), Reading("difference", abs(ltr - rtl)))


_EXTENDED = row(skip(3), _LTR, _RTL, Part(4, _sums_and_difference))
#: Battery and solar values exist only with the solar charger; 0 is its absence.
_LAYOUTS: Final[Mapping[bytes, Part]] = {
    bytes.fromhex("be0103"): row(_EXTENDED, skip(1), _u16("solar_power", unit="mW"), _TEMPERATURE),
    bytes.fromhex("be0104"): row(
        _EXTENDED,
        _u16("battery_voltage", per=1000, unit="V"),
        _u16("solar_power", unit="mW"),
        _TEMPERATURE,
    ),
}
#: The short form of older firmware: a type byte before each value.
_SHORT: Final[dict[bytes, Part]] = {b"\x01": _TEMPERATURE, b"\x0a": _LTR, b"\x16": _RTL}


def _decode(data: bytes, port: int | None) -> Decoded:
    if port == _SETTINGS_PORT:
        return Decoded()
    if port != _APPLICATION_PORT:
        return Decoded(fault="unknown_port")
    layout = _LAYOUTS.get(data[:3])
    if layout is not None:
        return read_fixed(layout, data)
    if data[:1] == b"\x0a":
        return read_tagged(_SHORT, 1, data)
    return Decoded(fault="unsupported_version")


DECODER: Final[PayloadDecoder] = _decode
