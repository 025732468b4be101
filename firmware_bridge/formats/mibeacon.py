"""Xiaomi MiBeacon advertisements (service data of 0xFE95), through the library xiaomi-ble.

The library knows the objects of some hundred models and follows them as they change; it is an optional extra. It
keeps the last value of everything it heard of a device and repeats it, so each advert is read by a new object of it
and only what this one advert says comes out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from workplace.readings import Decoded, Reading

_UUID = "0000fe95-0000-1000-8000-00805f9b34fb"
_ENCRYPTED, _HAS_MAC, _HAS_OBJECT = 0x08, 0x10, 0x40
_HEAD_BYTES, _MAC_BYTES = 5, 6
#: Bytes of a bind key: MiBeacon 2 and 3, or 4 and 5.
_KEY_BYTES = (12, 16)
_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
#: A device repeats each advert for some seconds. Lower tells one hit twice, higher meets the wrap of the counter,
#: which takes 256 messages.
REPEAT_MEMORY_S = 10.0
#: Strangers' radios pass by all day.
MAX_DEVICES = 4096

#: Keys of the library -> our kinds. `motion` of its events is a hit without an end.
_CLAIMS: Final = {
    "motion": "motion",
    "occupancy": "occupancy",
    "opening": "contact_open",
    "door": "contact_open",
    "light": "light",
    "battery": "battery_low",
}
_NUMBERS: Final[dict[str, tuple[str, str | None]]] = {
    "battery": ("battery", "%"),
    "illuminance": ("illuminance", "lx"),
    "temperature": ("temperature", "C"),
    "humidity": ("humidity", "%"),
    "idle_time": ("idle_time", "s"),
    "duration_detected": ("duration_detected", "min"),
    "duration_cleared": ("duration_cleared", "min"),
    "pressure_present_duration": ("pressure_present_duration", "s"),
    "pressure_not_present_duration": ("pressure_not_present_duration", "s"),
}
_CLOSE_RANGE = "_close_range"


@dataclass(slots=True)
class _Device:
    """What must be remembered of one address."""

    last_frame: bytes = b""
    heard_s: float = float("-inf")
    is_verified: bool = False


@cache
def _library() -> tuple[Any, Any] | None:
    """Return (parser class, advert class), None when the extra is not installed."""
    try:
        from home_assistant_bluetooth import BluetoothServiceInfo  # noqa: PLC0415 - optional, and slow to import
        from xiaomi_ble import XiaomiBluetoothDeviceData  # noqa: PLC0415
    except ImportError:
        return None
    return XiaomiBluetoothDeviceData, BluetoothServiceInfo


class MibeaconDecoder:
    """Decodes adverts of any number of devices; remembers repeats, and who has spoken with a key."""

    def __init__(self) -> None:
        self._devices: OrderedDict[str, _Device] = OrderedDict()

    def decode(self, service_data: bytes, *, address: str, bindkey: bytes | None, now_s: float) -> Decoded:
        """Return what one advert says.

        Args:
            service_data: the service data without its UUID.
            address: the sender's MAC as `AA:BB:CC:DD:EE:FF`.
            bindkey: the device's key of 12 or 16 bytes; a device that has one is believed only when it encrypts.
            now_s: monotonic seconds.
        """
        library = _library()
        if library is None:
            return Decoded(fault="extra_missing")
        if len(service_data) < _HEAD_BYTES:
            return Decoded(fault="bad_frame")
        if not _ADDRESS.fullmatch(address):
            return Decoded(fault="address_missing")
        if service_data[0] & _HAS_MAC and service_data[5:11] != bytes.fromhex(address.replace(":", ""))[::-1]:
            return Decoded(fault="address_differs")
        device = self._remember(address)
        refused = _refusal(service_data, device, bindkey)
        if refused is not None:
            return refused
        if service_data == device.last_frame and now_s - device.heard_s <= REPEAT_MEMORY_S:
            return Decoded(dropped="duplicate", seq=service_data[4])
        decoded = _read(library, service_data, address, bindkey)
        if decoded.fault is None:
            device.last_frame, device.heard_s = service_data, now_s
            device.is_verified = device.is_verified or bool(service_data[0] & _ENCRYPTED)
        return decoded

    def _remember(self, address: str) -> _Device:
        device = self._devices.pop(address, None) or _Device()
        self._devices[address] = device
        if len(self._devices) > MAX_DEVICES:
            self._devices.popitem(last=False)
        return device


def _refusal(service_data: bytes, device: _Device, bindkey: bytes | None) -> Decoded | None:
    if not service_data[0] & _HAS_OBJECT:
        return Decoded(seq=service_data[4])  # it only shows itself
    if not service_data[0] & _ENCRYPTED:
        if bindkey is not None or device.is_verified:
            return Decoded(dropped="unencrypted_after_encrypted")
        return None
    if bindkey is None:
        return Decoded(fault="key_missing")
    return None if len(bindkey) in _KEY_BYTES else Decoded(fault="key_invalid")


def _read(library: tuple[Any, Any], service_data: bytes, address: str, bindkey: bytes | None) -> Decoded:
    parser_class, advert_class = library
    parser = parser_class(bindkey=bindkey)
    advert = advert_class(
        name="", address=address, rssi=0, manufacturer_data={}, service_data={_UUID: service_data},
        service_uuids=[_UUID], source="",
    )  # fmt: skip
    try:
        update = parser.update(advert)
    except Exception:  # noqa: BLE001 - a library reads a stranger's bytes: its surprises are a bad frame
        return Decoded(fault="bad_frame")
    if service_data[0] & _ENCRYPTED and not parser.bindkey_verified:
        return Decoded(fault="decryption_failed" if _is_known(parser) else "unsupported_device")
    if not _is_known(parser):
        return Decoded(fault="unsupported_device")
    return Decoded(tuple(_readings(update)), sleepy=bool(parser.sleepy_device), seq=service_data[4])


def _is_known(parser: Any) -> bool:
    return getattr(parser, "device_type", None) is not None


def _readings(update: Any) -> list[Reading]:
    readings: list[Reading] = []
    for key, value in update.binary_entity_values.items():
        name = str(key.key).removesuffix(_CLOSE_RANGE)
        kind = _CLAIMS.get(name)
        if kind is not None and isinstance(value.native_value, bool):
            channel = None if name == str(key.key) else _CLOSE_RANGE.strip("_")
            readings.append(Reading(kind, value.native_value, channel=channel))
    for key, value in update.entity_values.items():
        known, number = _NUMBERS.get(str(key.key)), value.native_value
        if known is not None and isinstance(number, int | float) and not isinstance(number, bool):
            readings.append(Reading(known[0], number, known[1]))
    for key, event in update.events.items():
        if str(key.key) == "motion":
            readings.append(Reading("motion", value=True, extra={"transient": True}))
        elif str(key.key).startswith("button"):
            readings.append(Reading("button", str(event.event_type)))
    return readings
