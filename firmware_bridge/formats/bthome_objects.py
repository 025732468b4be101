"""The objects of BTHome v2 as a table of facts: id -> name, width, scale, unit.

Source: the format page of bthome.io (version 2). Ids that are not here have an unknown length, so a decoder
must stop at them. 0x3B and 0x65 are said to be in use, but no layout for them was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Form(Enum):
    """How the bytes of an object become a value."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    BUTTON = "button"
    DIMMER = "dimmer"
    TEXT = "text"
    RAW = "raw"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class BthomeObject:
    """One kind of object.

    Attributes:
        name: the quantity; equal names in one message are numbered channels.
        size_bytes: 0 when a length byte comes first.
        scale: value of one count, in `unit`.
        kind: the reading's kind when it is not `name`.
    """

    name: str
    size_bytes: int = 1
    scale: float = 1
    unit: str | None = None
    signed: bool = False
    form: Form = Form.NUMBER
    kind: str | None = None


def _number(name: str, size_bytes: int, scale: float = 1, unit: str | None = None) -> BthomeObject:
    return BthomeObject(name, size_bytes, scale, unit)


def _signed(name: str, size_bytes: int, scale: float = 1, unit: str | None = None) -> BthomeObject:
    return BthomeObject(name, size_bytes, scale, unit, signed=True)


def _claim(name: str, kind: str | None = None) -> BthomeObject:
    return BthomeObject(name, form=Form.BOOLEAN, kind=kind)


OBJECTS: Final[dict[int, BthomeObject]] = {
    0x00: _number("packet_id", 1),
    0x01: _number("battery", 1, 1, "%"),
    0x02: _signed("temperature", 2, 0.01, "C"),
    0x03: _number("humidity", 2, 0.01, "%"),
    0x04: _number("pressure", 3, 0.01, "hPa"),
    0x05: _number("illuminance", 3, 0.01, "lx"),
    0x06: _number("mass", 2, 0.01, "kg"),
    0x07: _number("mass_lb", 2, 0.01, "lb"),
    0x08: _signed("dew_point", 2, 0.01, "C"),
    0x09: _number("counter", 1),
    0x0A: _number("energy", 3, 0.001, "kWh"),
    0x0B: _number("power", 3, 0.01, "W"),
    0x0C: _number("voltage", 2, 0.001, "V"),
    0x0D: _number("pm25", 2, 1, "ug/m3"),
    0x0E: _number("pm10", 2, 1, "ug/m3"),
    0x0F: _claim("generic"),
    0x10: _claim("powered"),
    0x11: _claim("opening", "contact_open"),
    0x12: _number("co2", 2, 1, "ppm"),
    0x13: _number("tvoc", 2, 1, "ug/m3"),
    0x14: _number("moisture", 2, 0.01, "%"),
    0x15: _claim("battery_low"),
    0x16: _claim("battery_charging"),
    0x17: _claim("carbon_monoxide"),
    0x18: _claim("cold"),
    0x19: _claim("connectivity"),
    0x1A: _claim("door", "contact_open"),
    0x1B: _claim("garage_door", "contact_open"),
    0x1C: _claim("gas_detected"),
    0x1D: _claim("heat"),
    0x1E: _claim("light"),
    0x1F: _claim("unlocked"),
    0x20: _claim("moisture_detected"),
    0x21: _claim("motion"),
    0x22: _claim("moving"),
    0x23: _claim("occupancy"),
    0x24: _claim("plug"),
    0x25: _claim("presence"),
    0x26: _claim("problem"),
    0x27: _claim("running"),
    0x28: _claim("safety"),
    0x29: _claim("smoke"),
    0x2A: _claim("sound"),
    0x2B: _claim("tamper"),
    0x2C: _claim("vibration"),
    0x2D: _claim("window", "contact_open"),
    0x2E: _number("humidity", 1, 1, "%"),
    0x2F: _number("moisture", 1, 1, "%"),
    0x3A: BthomeObject("button", form=Form.BUTTON),
    0x3C: BthomeObject("dimmer", 2, form=Form.DIMMER),
    0x3D: _number("counter", 2),
    0x3E: _number("counter", 4),
    0x3F: _signed("rotation", 2, 0.1, "deg"),
    0x40: _number("distance", 2, 1, "mm"),
    0x41: _number("distance", 2, 0.1, "m"),
    0x42: _number("duration", 3, 0.001, "s"),
    0x43: _number("current", 2, 0.001, "A"),
    0x44: _number("speed", 2, 0.01, "m/s"),
    0x45: _signed("temperature", 2, 0.1, "C"),
    0x46: _number("uv_index", 1, 0.1),
    0x47: _number("volume", 2, 0.1, "L"),
    0x48: _number("volume", 2, 1, "mL"),
    0x49: _number("volume_flow_rate", 2, 0.001, "m3/h"),
    0x4A: _number("voltage", 2, 0.1, "V"),
    0x4B: _number("gas", 3, 0.001, "m3"),
    0x4C: _number("gas", 4, 0.001, "m3"),
    0x4D: _number("energy", 4, 0.001, "kWh"),
    0x4E: _number("volume", 4, 0.001, "L"),
    0x4F: _number("water", 4, 0.001, "L"),
    0x50: _number("timestamp", 4, 1, "s"),
    0x51: _number("acceleration", 2, 0.001, "m/s2"),
    0x52: _number("gyroscope", 2, 0.001, "deg/s"),
    0x53: BthomeObject("text", 0, form=Form.TEXT),
    0x54: BthomeObject("raw", 0, form=Form.RAW),
    0x55: _number("volume_storage", 4, 0.001, "L"),
    0x56: _number("conductivity", 2, 1, "uS/cm"),
    0x57: _signed("temperature", 1, 1, "C"),
    0x58: _signed("temperature", 1, 0.35, "C"),
    0x59: _signed("counter", 1),
    0x5A: _signed("counter", 2),
    0x5B: _signed("counter", 4),
    0x5C: _signed("power", 4, 0.01, "W"),
    0x5D: _signed("current", 2, 0.001, "A"),
    0x5E: _number("direction", 2, 0.01, "deg"),
    0x5F: _number("precipitation", 2, 0.1, "mm"),
    0x60: _number("channel", 1),
    0x61: _number("rotational_speed", 2, 1, "rpm"),
    0x62: _signed("speed", 4, 0.000001, "m/s"),
    0x63: _signed("acceleration", 4, 0.000001, "m/s2"),
    0x64: _number("light_level", 1),
    0xF0: _number("device_type", 2),
    0xF1: BthomeObject("firmware", 4, form=Form.VERSION),
    0xF2: BthomeObject("firmware", 3, form=Form.VERSION),
}

#: Values of object 0x3A. 0 says that this button of several was not pressed.
BUTTON_EVENTS: Final = {
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
}

#: First byte of object 0x3C; the second is the number of steps. 0 says that it was not turned.
DIMMER_EVENTS: Final = {0x01: "rotate_left", 0x02: "rotate_right"}
