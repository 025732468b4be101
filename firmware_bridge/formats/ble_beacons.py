"""iBeacon and Eddystone out of a raw advertisement.

A beacon that a person carries is that person. These decoders serve fixed beacons, as anchors and for their
batteries: kind `beacon` is no kind that a gateway forwards, and nothing here remembers where one was heard.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from workplace.readings import Decoded, Reading

#: An extended advertisement carries at most this many bytes (Bluetooth Core 5.0, Vol 4 Part E 7.7.65.13).
MAX_ADVERT_BYTES = 1650
_MANUFACTURER, _SERVICE_DATA_16 = 0xFF, 0x16
#: Apple's company id, then type 02 and length 0x15 (Apple proximity beacon specification).
_IBEACON = bytes.fromhex("4c000215")
_IBEACON_BYTES = 25
#: 16-bit UUID 0xFEAA in wire order.
_EDDYSTONE = bytes.fromhex("aafe")
_UID, _URL, _TLM, _EID = 0x00, 0x10, 0x20, 0x30
_SCHEMES: Final = ("http://www.", "https://www.", "http://", "https://")
_ENDINGS: Final = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
#: google/eddystone, eddystone-tlm: 0x8000 says that there is no thermometer, 0 mV that there is no battery.
_NO_TEMPERATURE = -0x8000
_BAD = Decoded(fault="bad_frame")
_OTHER = Decoded(dropped="not_a_beacon")


def structures(advert: bytes) -> Iterator[tuple[int, bytes] | None]:
    """Yield (type, data) of each part of a raw advertisement; None, last, when it is cut off."""
    at = 0
    while at < len(advert) and advert[at]:  # a length of zero: the rest is padding
        end = at + 1 + advert[at]
        if end > len(advert):
            yield None
            return
        yield advert[at + 1], advert[at + 2 : end]
        at = end


def decode_ibeacon(advert: bytes) -> Decoded:
    """Return what one raw advertisement says as an iBeacon."""
    for part in structures(advert[:MAX_ADVERT_BYTES]):
        if part is None:
            return _BAD
        kind, data = part
        if kind != _MANUFACTURER or not data.startswith(_IBEACON):
            continue
        if len(data) != _IBEACON_BYTES:
            return _BAD
        major, minor, tx_power = struct.unpack_from(">HHb", data, 20)
        uuid = str(UUID(bytes=data[4:20]))
        value = {"type": "ibeacon", "uuid": uuid, "major": major, "minor": minor, "tx_power": tx_power}
        return Decoded((Reading("beacon", value),))
    return _OTHER


def decode_eddystone(advert: bytes) -> Decoded:
    """Return what one raw advertisement says as one of the four Eddystone frames."""
    for part in structures(advert[:MAX_ADVERT_BYTES]):
        if part is None:
            return _BAD
        kind, data = part
        if kind == _SERVICE_DATA_16 and data.startswith(_EDDYSTONE) and len(data) > 3:
            readings = _eddystone(data[2], data[3:])
            return _BAD if readings is None else Decoded(tuple(readings))
    return _OTHER


def _eddystone(frame: int, body: bytes) -> list[Reading] | None:
    tx_power = int.from_bytes(body[:1], "big", signed=True)
    if frame == _UID and len(body) in (17, 19):  # two reserved bytes are left out by many beacons
        value: dict[str, int | float | str] = {
            "type": "eddystone-uid",
            "namespace": body[1:11].hex(),
            "instance": body[11:17].hex(),
        }
        return [Reading("beacon", value | {"tx_power": tx_power})]
    if frame == _URL and len(body) >= 2 and body[1] < len(_SCHEMES):
        url = _SCHEMES[body[1]] + "".join(_url_part(code) for code in body[2:])
        return [Reading("beacon", {"type": "eddystone-url", "url": url, "tx_power": tx_power})]
    if frame == _EID and len(body) == 9:
        return [Reading("beacon", {"type": "eddystone-eid", "eid": body[1:].hex(), "tx_power": tx_power})]
    return _telemetry(body) if frame == _TLM and body[0] in (0, 1) else None


def _url_part(code: int) -> str:
    if code < 2 * len(_ENDINGS):  # 0-6 with a slash, 7-13 without
        return _ENDINGS[code % len(_ENDINGS)] + ("/" if code < len(_ENDINGS) else "")
    return chr(code) if 0x20 < code < 0x7F else ""


def _telemetry(body: bytes) -> list[Reading] | None:
    if body[0] == 1:  # sealed for its owner
        return [Reading("beacon", {"type": "eddystone-tlm-encrypted"})]
    if len(body) != 13:
        return None
    millivolts, temperature, count, uptime = struct.unpack_from(">HhII", body, 1)
    value = {"type": "eddystone-tlm", "advertising_count": count, "seconds_since_boot": uptime // 10}
    readings = [Reading("beacon", value)]
    if millivolts:
        readings.append(Reading("battery_voltage", millivolts / 1000, "V"))
    if temperature != _NO_TEMPERATURE:
        readings.append(Reading("temperature", temperature / 256, "C"))
    return readings
