"""Small BLE sensors that advertise in the clear: SwitchBot motion, Qingping, Ruuvi, Minew."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from workplace.readings import Decoded, Reading

_BAD = Decoded(fault="bad_frame")

# SwitchBot motion sensor, service data of 0xFD3D (OpenWonderLabs SwitchBotAPI-BLE, motion sensor page)
_SWITCHBOT_MOTION = 0x73
_SWITCHBOT_BYTES = 6
_LIGHT_WORDS: Final = {1: "dark", 2: "bright"}

# Qingping, service data of 0xFDCD: control byte, product, MAC, then type-length-value (theengs/decoder, test frames)
_QINGPING_HEAD_BYTES = 8
_BATTERY, _CLIMATE, _DOOR, _PRESSURE, _MOTION_LIGHT, _LIGHT, _PACKET, _MOTION, _DUST, _CO2 = (
    0x02, 0x01, 0x04, 0x07, 0x08, 0x09, 0x0F, 0x11, 0x12, 0x13,
)  # fmt: skip

# Ruuvi data format 5, manufacturer data of 0x0499 (ruuvi/ruuvi-sensor-protocols, dataformat_05.md)
_RUUVI = struct.Struct(">BhHHhhhHBH6s")
_RUUVI_FORMAT = 5

# Minew, service data of 0xFFE1 (Minew E8 manual, section 2.2)
_MINEW_FRAME, _MINEW_INFO = 0xA1, 0x08
_MINEW_HEAD_BYTES = 9


def decode_switchbot_motion(service_data: bytes) -> Decoded:
    """Return what a SwitchBot motion sensor says. Its PIR state goes back by itself, 30 s after the last motion."""
    if not service_data or service_data[0] & 0x7F != _SWITCHBOT_MOTION:
        return Decoded(dropped="other_device")
    if len(service_data) != _SWITCHBOT_BYTES:
        return _BAD
    battery = service_data[2] & 0x7F
    if battery > 100:
        return _BAD
    readings = [
        Reading("motion", value=bool(service_data[1] & 0x40)),
        Reading("battery", battery, "%"),
    ]
    light = _LIGHT_WORDS.get(service_data[5] & 0x03)
    if light is not None:
        readings.append(Reading("illumination", light))
    return Decoded(tuple(readings))


def decode_qingping(service_data: bytes) -> Decoded:
    """Return what a Qingping sensor says: every field whose type is known, up to the first that is cut off."""
    if len(service_data) < _QINGPING_HEAD_BYTES:
        return _BAD
    readings: list[Reading] = []
    seq, fault = None, None
    for field in _fields(service_data[_QINGPING_HEAD_BYTES:]):
        if field is None:
            fault = "truncated"
        elif field[0] == _PACKET and len(field[1]) == 1:
            seq = field[1][0]
        else:
            readings += _qingping(*field)
    mac = service_data[7:1:-1].hex(":").upper()
    return Decoded(tuple(readings), fault=fault, device=mac, seq=seq)


def _fields(body: bytes) -> Iterator[tuple[int, bytes] | None]:
    at = 0
    while at < len(body):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            yield None
            return
        yield body[at], body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + body[at + 1]


def _qingping(kind: int, raw: bytes) -> Iterator[Reading]:
    low = int.from_bytes(raw[:2], "little")
    if (kind, len(raw)) in ((_MOTION, 1), (_MOTION_LIGHT, 4)) and raw[0] in (0, 1):
        yield Reading("motion", value=raw[0] == 1)
    if (kind, len(raw)) == (_MOTION_LIGHT, 4):
        yield Reading("illuminance", int.from_bytes(raw[1:], "little"), "lx")
    elif (kind, len(raw)) == (_LIGHT, 4):
        yield Reading("illuminance", int.from_bytes(raw, "little"), "lx")
    elif (kind, len(raw)) == (_BATTERY, 1) and raw[0] <= 100:
        yield Reading("battery", raw[0], "%")
    elif (kind, len(raw)) == (_CLIMATE, 4):
        yield Reading("temperature", int.from_bytes(raw[:2], "little", signed=True) / 10, "C")
        yield Reading("humidity", int.from_bytes(raw[2:], "little") / 10, "%")
    elif (kind, len(raw)) == (_PRESSURE, 2):
        yield Reading("pressure", low / 10, "hPa")
    elif (kind, len(raw)) == (_DUST, 4):
        yield Reading("pm25", low, "ug/m3")
        yield Reading("pm10", int.from_bytes(raw[2:], "little"), "ug/m3")
    elif (kind, len(raw)) == (_CO2, 2):
        yield Reading("co2", low, "ppm")
    elif (kind, len(raw)) == (_DOOR, 1) and raw[0] in (0, 1):
        yield Reading("contact_open", value=raw[0] == 0)


def decode_ruuvi_df5(data: bytes) -> Decoded:
    """Return what a RuuviTag says. Its movement counter speaks of the tag, so of a chair, not of a person."""
    if len(data) != _RUUVI.size:
        return _BAD
    form, temperature, humidity, pressure, *axes, power, movements, sequence, mac = _RUUVI.unpack(data)
    if form != _RUUVI_FORMAT:
        return Decoded(fault="unsupported_version")
    millivolts, tx_power = power >> 5, power & 0x1F
    # The largest unsigned and the smallest signed number mean "not available".
    told: list[tuple[bool, Reading]] = [
        (temperature != -0x8000, Reading("temperature", round(temperature * 0.005, 3), "C")),
        (humidity != 0xFFFF, Reading("humidity", round(humidity * 0.0025, 4), "%")),
        (pressure != 0xFFFF, Reading("pressure", round((pressure + 50_000) / 100, 2), "hPa")),
        (millivolts != 0x7FF, Reading("battery_voltage", (millivolts + 1600) / 1000, "V")),
        (tx_power != 0x1F, Reading("tx_power", 2 * tx_power - 40, "dBm")),
        (movements != 0xFF, Reading("movement_counter", movements)),
        (sequence != 0xFFFF, Reading("sequence", sequence)),
    ]
    told += [
        (axis != -0x8000, Reading("acceleration", axis / 1000, "g", channel=name))
        for name, axis in zip("xyz", axes, strict=True)
    ]
    return Decoded(
        tuple(reading for is_told, reading in told if is_told),
        device=None if mac == b"\xff" * 6 else mac.hex(":").upper(),
        seq=None if sequence == 0xFFFF else sequence,
    )


def decode_minew_info(service_data: bytes) -> Decoded:
    """Return what the info frame of a Minew tag says. No layout of its PIR frame is published, so none is read."""
    if service_data[:1] != bytes([_MINEW_FRAME]):
        return Decoded(dropped="other_device")
    if len(service_data) < _MINEW_HEAD_BYTES:
        return _BAD
    if service_data[1] != _MINEW_INFO:
        return Decoded(fault="unsupported_version")
    mac = service_data[8:2:-1].hex(":").upper()
    readings = [Reading("device_mac", mac)]
    if service_data[2] <= 100:
        readings.insert(0, Reading("battery", service_data[2], "%"))
    name = service_data[9:]
    if name and all(0x20 <= code < 0x7F for code in name):
        readings.append(Reading("name", name.decode("ascii")))
    return Decoded(tuple(readings), device=mac)
