"""IMBuildings people counter and comfort sensor: the same layouts with and without a header, big-endian.

Facts from TheThingsNetwork/lorawan-devices, `vendor/imbuildings/imbuildings-decoder.js`. With a header the first
two bytes and the length tell the layout, without one the port does. That decoder expects 7 bytes on port 13 and
then reads 10 from the end; the layout needs 10.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from firmware_bridge.formats.payload_parts import (
    Part,
    PayloadDecoder,
    claim,
    hexes,
    number,
    read_fixed,
    row,
    skip,
)
from workplace.readings import Decoded

_HEADER = row(skip(2), hexes("device_eui", 8))
_u16 = partial(number, size_bytes=2, order="big")
_STATUS_AND_BATTERY = row(number("device_status"), _u16("battery_voltage", per=100, unit="V"))
_TOTALS = row(
    number("sensor_status"),
    _u16("flow_a", mode="total", direction="a"),
    _u16("flow_b", mode="total", direction="b"),
)

COMFORT = row(
    _STATUS_AND_BATTERY,
    _u16("temperature", per=100, unit="C", signed=True),
    _u16("humidity", per=100, unit="%", most=10_000),
    _u16("co2", unit="ppm"),
    claim("presence"),
)
COUNTER = row(
    _STATUS_AND_BATTERY,
    _u16("flow_a", mode="period", direction="a"),
    _u16("flow_b", mode="period", direction="b"),
    _TOTALS,
    number("sequence"),
)
HEARTBEAT = row(_STATUS_AND_BATTERY, number("sensor_status"))

#: (type, variant) -> what follows the header.
_BY_HEADER: Final[dict[bytes, Part]] = {
    bytes((1, 3)): COMFORT,
    bytes((2, 6)): COUNTER,
    bytes((2, 7)): _TOTALS,
    bytes((2, 8)): HEARTBEAT,
}
#: The factory setting of the port is type and variant.
_BY_PORT: Final[dict[int, Part]] = {13: COMFORT, 26: COUNTER, 27: _TOTALS, 28: HEARTBEAT}


def _decode(data: bytes, port: int | None) -> Decoded:
    body = _BY_HEADER.get(data[:2])
    if body is not None and len(data) == _HEADER.size_bytes + body.size_bytes:
        return read_fixed(row(_HEADER, body), data)
    layout = None if port is None else _BY_PORT.get(port)
    # A header without all of its frame: read as a frame without header, its battery would have 7 V and more.
    if body is not None and layout is not _TOTALS:
        return Decoded(fault="bad_frame")
    if layout is None:
        return Decoded(fault="unknown_port")
    return read_fixed(layout, data) if len(data) == layout.size_bytes else Decoded(fault="bad_frame")


#: One decoder for all: the frame says which device it is.
DECODER: Final[PayloadDecoder] = _decode
