"""Browan's Tabs and MerryIoT sensors: one fixed layout per device, on a port of its own.

Facts from TheThingsNetwork/lorawan-devices, `vendor/browan/<model>.js`, and Browan's own decoder of MerryIoT
sensors (type WSMS-156). Times and counts are little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from firmware_bridge.formats.payload_parts import (
    Part,
    PayloadDecoder,
    Readings,
    by_port,
    claim,
    flag_bits,
    number,
    row,
)
from workplace.readings import Decoded, Reading

#: Seven bits, 32 too high.
_tabs_temperature = partial(number, "temperature", mask=0x7F, add=-32, unit="C")
_TABS_BATTERY = number("battery_voltage", mask=0x0F, add=25, per=10, unit="V")
_TIME_AND_COUNT = row(number("time_since_event", 2), number("event_count", 3))


def _pressed(data: bytes) -> Readings:
    return (Reading("button", "press"),) if data[0] >> 1 & 1 else ()


#: Reports at once when somebody comes, every 10 minutes while in use, every hour while free (TBMS100 reference manual).
TBMS100 = row(claim("occupancy", bit=0), _TABS_BATTERY, _tabs_temperature(internal=True), _TIME_AND_COUNT)
#: Air only: bit 0 says that the report was triggered, bits 4 and 5 by what.
TBHV110 = row(
    flag_bits(
        claim("triggered", bit=0), claim("climate_changed", bit=4), claim("air_quality_changed", bit=5)
    ),
    _TABS_BATTERY,
    _tabs_temperature(internal=True),
    number("humidity", mask=0x7F, unit="%", most=100),
    number("eco2", 2, unit="ppm"),
    number("tvoc", 2, unit="ppb"),
    number("iaq", 2),
    _tabs_temperature(),
)
MS10 = row(
    flag_bits(claim("occupancy", bit=0), Part(1, _pressed), claim("tamper", bit=2)),
    number("battery_voltage", mask=0x0F, add=21, per=10, unit="V"),
    number("temperature", unit="C", signed=True),
    number("humidity", unit="%", most=100),
    _TIME_AND_COUNT,
)


def _decoder(port: int, layout: Part) -> PayloadDecoder:
    def decode(data: bytes, on: int | None) -> Decoded:
        # The vendor's decoder knows such frames, and takes them for nothing.
        if data and not any(data):
            return Decoded(fault="empty_frame")
        return by_port({port: layout}, data, on)

    return decode


MODELS: Final[Mapping[str, PayloadDecoder]] = {
    "tbms100": _decoder(102, TBMS100),
    "tbhv110": _decoder(103, TBHV110),
    "ms10": _decoder(122, MS10),
}
