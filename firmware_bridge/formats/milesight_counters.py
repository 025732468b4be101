"""Milesight counters of people: VS350, VS351, VS360 in passages, VS132, VS133, VS135 above lines, VS121 cameras.

Facts from Milesight-IoT/SensorDecoders, `<series>/<model>/README.md` and `<model>-decoder.js`.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.formats.milesight_channels import (
    BATTERY,
    DECIMAL_HARDWARE,
    MOST_PERCENT,
    TEMPERATURE,
    TEMPERATURE_ALARM,
    TIME,
    alarm,
    channels,
    flows,
    region_count,
)
from firmware_bridge.formats.payload_parts import Choice, Part, Readings, number, numbered, record, row, skip
from workplace.readings import Reading

_PASSAGE: Final = channels(
    {
        0x04CC: flows("total"),
        0x05CC: flows("period"),
        0x0AEF: TIME,
        0x84CC: row(flows("total"), alarm("total_count")),
        0x85CC: row(flows("period"), alarm("period_count")),
        0x20CE: Choice(
            4,
            {
                0: record(skip(1), flows("period")),
                1: record(skip(1), flows("period"), flows("total")),
            },
        ),
    }
)
VS350 = {
    **_PASSAGE,
    **channels(
        {
            0x0175: BATTERY,
            0x0367: TEMPERATURE,
            0x8367: TEMPERATURE_ALARM,
            0x81EE: skip(1),
            0xFFAC: skip(5),
            0xFFAD: skip(1),
            0xFFCC: skip(1),
        }
    ),
}


def _event(data: bytes) -> Readings:
    # VS360 README: (0: counting anomaly, 1: node device without response, 2: devices misaligned), (0 release, 1 alarm)
    name = {0: "counting_anomaly", 1: "node_device_without_response", 2: "devices_misaligned"}.get(data[0])
    kind = {0: "alarm_released", 1: "alarm"}.get(data[1])
    return () if name is None or kind is None else (Reading(kind, name),)


VS360 = {
    **_PASSAGE,
    **channels(
        {
            0x0175: number("battery", unit="%", most=MOST_PERCENT, channel="main"),
            0x0275: number("battery", unit="%", most=MOST_PERCENT, channel="node"),
            0x03F4: Part(2, _event),
        }
    ),
}


def _total(direction: str, zone: str | None, child: str | None = None) -> Part:
    return number(f"flow_{direction}", 4, zone=zone, channel=child, mode="total", direction=direction)


VS132 = {
    **DECIMAL_HARDWARE,
    **channels({0x03D2: _total("in", None), 0x04D2: _total("out", None), 0x05CC: flows("period")}),
}


def _lines(first: int, child: str | None = None) -> dict[int, Part]:
    """Return id and type -> part of four lines: total in, total out, in and out of the period."""
    parts: dict[int, Part] = {}
    for n in range(4):
        zone, at = f"line_{n + 1}", first + 3 * n
        parts[at << 8 | 0xD2] = _total("in", zone, child)
        parts[at + 1 << 8 | 0xD2] = _total("out", zone, child)
        parts[at + 2 << 8 | 0xCC] = flows("period", zone, child=child)
    return parts


def _dwell(kinds: tuple[str, ...], child: str | None = None) -> Part:
    def read(data: bytes) -> Readings:
        return tuple(
            Reading(
                kind, int.from_bytes(data[1 + 2 * n : 3 + 2 * n], "little"), "s", child, f"region_{data[0]}"
            )
            for n, kind in enumerate(kinds)
        )

    return Part(1 + 2 * len(kinds), read)


_NODE = "node"
_REGION_COUNTS = numbered(region_count, range(1, 5))
_NODE_REGION_COUNTS = numbered(lambda n: number("count", zone=f"region_{n}", channel=_NODE), range(1, 5))
_LINES = {**_lines(0x03), **_lines(0x11, _NODE)}
#: History names its layout by the id of the live channel, except the longest stays.
_VS133_HISTORY: Final[dict[int, Part]] = {
    **{key >> 8: part for key, part in _LINES.items()},
    0x0F: _REGION_COUNTS,
    0x10: _dwell(("dwell_avg",)),
    0x1D: _NODE_REGION_COUNTS,
    0x1E: _dwell(("dwell_avg",), _NODE),
    0x20: _dwell(("dwell_max",)),
    0x3C: _dwell(("dwell_max",), _NODE),
}
VS133 = {
    **DECIMAL_HARDWARE,
    **channels(
        {
            **_LINES,
            0x0FE3: _REGION_COUNTS,
            0x10E4: _dwell(("dwell_avg", "dwell_max")),
            0x1DE3: _NODE_REGION_COUNTS,
            0x1EE4: _dwell(("dwell_avg", "dwell_max"), _NODE),
            0x50FC: row(skip(2), alarm("occlusion")),
            0x20CE: Choice(4, {kind: record(skip(1), part) for kind, part in _VS133_HISTORY.items()}),
        }
    ),
}


def _camera_people(data: bytes) -> Readings:
    mask = int.from_bytes(data[2:], "big")  # the only value that is not little-endian
    return (
        Reading("count", data[0]),
        *(Reading("occupancy", bool(mask >> n & 1), zone=f"region_{n + 1}") for n in range(min(data[1], 16))),
    )


def _moves(start: str, ends: str) -> Part:
    """Return how many walked from one side of the picture to others."""
    return row(*(number(f"flow_{start}_to_{end}", 2, mode="period") for end in ends))


_CAMERA_PEOPLE = Part(4, _camera_people)
_CAMERA_DWELL = _dwell(("dwell_avg", "dwell_max"))
_VS121_HISTORY: Final[dict[int, Part]] = {
    0x01: _CAMERA_PEOPLE,
    0x02: flows("period", signed=True),
    0x03: number("count_max"),
    **{0x04 + n: numbered(region_count, range(1 + 4 * n, 5 + 4 * n)) for n in range(4)},
    **{0x08 + 2 * n: _moves(side, "ab") for n, side in enumerate("abcd")},
    **{0x09 + 2 * n: _moves(side, "cd") for n, side in enumerate("abcd")},
    0x10: flows("total"),
    0x11: _CAMERA_DWELL,
    0x12: flows("period", "line"),
}
VS121 = {
    **DECIMAL_HARDWARE,
    **channels(
        {
            0x04C9: _CAMERA_PEOPLE,
            0x05CC: flows("period", signed=True),
            0x06CD: number("count_max"),
            0x07D5: numbered(region_count, range(1, 9)),
            0x08D5: numbered(region_count, range(9, 17)),
            **{(0x09 + n) << 8 | 0xDA: _moves(side, "abcd") for n, side in enumerate("abcd")},
            0x0DCC: flows("total"),
            0x0EE4: _CAMERA_DWELL,
            0x0F85: TIME,
            0x10F7: flows("period", "line"),
            0x20CE: Choice(4, {kind: record(skip(1), part) for kind, part in _VS121_HISTORY.items()}),
        }
    ),
}
