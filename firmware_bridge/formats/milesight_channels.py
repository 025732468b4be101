"""What the channels of Milesight's sensors have in common.

Facts from Milesight-IoT/SensorDecoders, `<series>/<model>/README.md` and `<model>-decoder.js`. A channel is two
bytes, id and type; its data is little-endian unless a table says otherwise. Channels of old and of new firmware
differ, so both are in one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from firmware_bridge.formats.payload_parts import Choice, Part, Readings, hexes, number, row, skip
from workplace.readings import Reading

Channels = dict[bytes, Part | Choice]

#: AM series: the last three values of two bytes mean that a sensor is broken, polluted or out of range.
MOST_U16 = 0xFFFC
MOST_PERCENT = 100
#: Humidity counts halves of a percent; more than 100 % is a fault (VS321: 0xFF).
MOST_HUMIDITY = 200


def channels(table: Mapping[int, Part | Choice]) -> Channels:
    """Take ids and types written as one number of four hexadecimal digits."""
    return {key.to_bytes(2, "big"): part for key, part in table.items()}


def _decimal_version(kind: str, size_bytes: int) -> Part:
    return Part(size_bytes, lambda data: (Reading(kind, ".".join(map(str, data))),))


def _hardware_version(data: bytes) -> Readings:
    return (Reading("hardware_version", f"{data[0]:x}.{data[1] >> 4}"),)


def _firmware_version(data: bytes) -> Readings:
    return (Reading("firmware_version", f"{data[0]:x}.{data[1]:x}"),)


#: Every model: what it tells about itself when it joins. Reset and status say nothing but that they were sent.
ATTRIBUTES: Final = channels(
    {
        0xFF01: number("protocol_version"),
        0xFF08: hexes("serial", 6),
        0xFF09: Part(2, _hardware_version),
        0xFF0A: Part(2, _firmware_version),
        0xFF0B: skip(1),
        0xFF0F: skip(1),
        0xFF16: hexes("serial", 8),
        0xFF18: skip(2),
        0xFF1F: _decimal_version("firmware_version", 4),
        0xFFFE: skip(1),
        0xFFFF: skip(2),
    }
)
DECIMAL_HARDWARE: Final = channels({0xFF09: _decimal_version("hardware_version", 2)})

#: Answers to orders (ids FE and FF) whose length is the same in the decoders of all models that know them.
#: Any other ends the reading of a frame, as its length is unknown; what came before stays valid.
ANSWERS: Final[dict[int, int]] = {
    **dict.fromkeys((0x04, 0x10, 0x27, 0x28, 0x2D, 0x2F, 0x3B, 0x40, 0x68, 0x69, 0x6D, 0x84), 1),
    **dict.fromkeys((0x02, 0x03, 0x17), 2),
    **dict.fromkeys((0x6A, 0x8E), 3),
    **dict.fromkeys((0x11, 0xF0), 4),
    **dict.fromkeys((0x35, 0x96), 8),
    0x06: 9,
}


def flows(mode: str, zone: str | None = None, *, signed: bool = False, child: str | None = None) -> Part:
    """Return in and out, two bytes each."""
    flow = partial(number, size_bytes=2, signed=signed, zone=zone, channel=child)
    return row(
        flow("flow_in", mode=mode, direction="in"),
        flow("flow_out", mode=mode, direction="out"),
    )


def alarm(name: str, raised: tuple[int, ...] = (1, 3), released: tuple[int, ...] = (0, 4)) -> Part:
    """Return the byte after a value that crossed a limit: 1, 3 it did, 0, 4 it no longer does."""

    def read(data: bytes) -> Readings:
        if data[0] in raised:
            return (Reading("alarm", name, extra={"level": data[0]}),)
        return (Reading("alarm_released", name, extra={"level": data[0]}),) if data[0] in released else ()

    return Part(1, read)


BATTERY = number("battery", unit="%", most=MOST_PERCENT)
TEMPERATURE = number("temperature", 2, per=10, unit="C", signed=True)
HUMIDITY = number("humidity", per=2, unit="%", most=MOST_HUMIDITY)
TIME = number("timestamp", 4, unit="s")
TEMPERATURE_ALARM = row(TEMPERATURE, alarm("temperature"))


def region_count(n: int) -> Part:
    return number("count", zone=f"region_{n}")
