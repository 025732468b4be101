"""Milesight sensors of desks, seats and rooms: VS330, VS340, VS341, VS370, VS321, VS373, WS202, WS203.

Facts from Milesight-IoT/SensorDecoders, `<series>/<model>/README.md` and `<model>-decoder.js`.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.formats.milesight_channels import (
    BATTERY,
    HUMIDITY,
    MOST_U16,
    TEMPERATURE,
    TEMPERATURE_ALARM,
    TIME,
    alarm,
    channels,
)
from firmware_bridge.formats.payload_parts import (
    Choice,
    Part,
    Readings,
    claim,
    number,
    numbered,
    record,
    row,
    skip,
    word,
)
from workplace.readings import Reading

VS330 = channels(
    {
        0x0175: BATTERY,
        0x0282: number("distance", 2, unit="mm"),
        0x038E: claim("occupancy"),
        0x048E: claim("calibration"),
    }
)
VS340 = channels({0x0175: BATTERY, 0x0300: claim("occupancy")})
#: Light 0xFE: switched off in the settings.
VS370 = channels({0x0175: BATTERY, 0x0300: claim("occupancy"), 0x0400: claim("light")})
WS202 = channels({0x0175: BATTERY, 0x0300: claim("motion"), 0x0400: claim("light")})
WS203 = channels(
    {
        0x0175: BATTERY,
        0x0367: TEMPERATURE,
        0x0468: HUMIDITY,
        0x0500: claim("occupancy"),
        0x8367: TEMPERATURE_ALARM,
        0x20CE: record(skip(1), claim("occupancy"), TEMPERATURE, HUMIDITY),
    }
)


def _enabled_regions(data: bytes) -> Readings:
    enabled, occupied = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:], "little")
    return tuple(
        Reading("occupancy", bool(occupied >> n & 1), zone=f"region_{n + 1}")
        for n in range(10)
        if enabled >> n & 1
    )


def _temperature_or_fault(data: bytes) -> Readings:
    return () if data == b"\xff\xff" else TEMPERATURE.read(data)


_PEOPLE = number("count", 2, most=MOST_U16)
VS321 = channels(
    {
        0x0175: BATTERY,
        0x0367: Part(2, _temperature_or_fault),
        0x0468: HUMIDITY,
        0x05FD: _PEOPLE,
        0x06FE: Part(4, _enabled_regions),
        0x07FF: claim("light"),
        0x08F4: row(skip(1), word("detection_status", {0: "normal", 1: "unavailable"})),
        0x0AEF: TIME,
        0x8367: TEMPERATURE_ALARM,
        0x8468: row(HUMIDITY, alarm("humidity")),
        0x20CE: Choice(4, {0: record(skip(1), _PEOPLE), 1: record(skip(1), Part(4, _enabled_regions))}),
    }
)

#: VS373: 0 normal, 2 in bed, 3 out of bed, 4 fall all need somebody in the room.
_SOMEBODY = {0: True, 1: False, 2: True, 3: True, 4: True}
_DETECTION = {0: "normal", 1: "vacant", 2: "in_bed", 3: "out_of_bed", 4: "fall"}
_TARGET = word("target_status", {0: "normal", 1: "motionless", 2: "abnormal", 3: "lying_down"})
_VS373_ALARMS = {
    0: "fall",
    1: "motionless",
    2: "dwell",
    3: "out_of_bed",
    4: "occupied",
    5: "vacant",
    6: "bradypnea",
    7: "tachypnea",
    8: "lying_down",
}


def _room(data: bytes) -> Readings:
    somebody = _SOMEBODY.get(data[0])
    if somebody is None:
        return ()
    return (Reading("occupancy", somebody, extra={"detection": _DETECTION[data[0]]}),)


def _use_times(size_bytes: int) -> Part:
    return row(number("use_time_now", size_bytes), number("use_time_today", size_bytes))


def _out_of_bed(size_bytes: int) -> Callable[[int], Part]:
    return lambda n: number("out_of_bed_time", size_bytes, unit="s", zone=f"region_{n}")


def _counted_regions(data: bytes) -> Readings:
    mask = int.from_bytes(data[1:], "little")
    return tuple(
        Reading("occupancy", bool(mask >> n & 1), zone=f"region_{n + 1}") for n in range(min(data[0], 32))
    )


def _care_alarm(data: bytes) -> Readings:
    name = _VS373_ALARMS.get(data[2])
    if name is None:
        return ()
    number_of = int.from_bytes(data[:2], "little")
    # 1 triggered, 2 deactivated, 3 ignored; the README says 0, 1, 2, the decoder of 2025 says 1, 2, 3.
    return (Reading("alarm", name, extra={"alarm": number_of, "state": data[3], "region": data[4]}),)


VS373 = channels(
    {
        0x03F8: row(Part(1, _room), _TARGET, _use_times(2)),
        0x07B0: row(Part(1, _room), _TARGET, _use_times(3)),
        # Old firmware: 1 means vacant. The mask of the new one (0AB3) means what it says.
        0x04F9: numbered(
            lambda n: claim("occupancy", zone=f"region_{n}", words={0: True, 1: False}), range(1, 5)
        ),
        0x05FA: numbered(_out_of_bed(2), range(1, 5)),
        0x06FB: Part(5, _care_alarm),
        # Breath is nobody's business here.
        0x08B1: skip(3),
        0x09B2: skip(6),
        0x0AB3: Part(5, _counted_regions),
        0x0BB4: numbered(_out_of_bed(3), range(1, 4)),
        0x0CB4: numbered(_out_of_bed(3), range(4, 7)),
        0x20CE: record(Part(5, _care_alarm)),
    }
)
