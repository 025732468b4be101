"""From Bluetooth adverts to those of sensors: the only file that knows bleak.

Phones, laptops and watches advertise too. What is not a sensor is dropped in `_hear`, where it arrives: no address
of it is kept, counted, logged or passed on. That something was in the air at all is one time stamp, which says that
the radio lives and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner, get_platform_scanner_backend_type
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)

from gateway import scan_trouble
from gateway.settings import BleRadio
from workplace.ports import Advert, AdvertDecoder

log = structlog.get_logger(__name__)

#: Sensors whose last data is remembered, to tell an advert from a change of signal strength alone.
MOST_REMEMBERED = 4_096
#: What BlueZ says when it has no fresh signal strength: then this is no advert (bleak, BlueZ backend).
_NO_RSSI = -127

#: Passive scans need patterns. Flags alone miss sensors that send none, the UUID of BTHome those whose data is not
#: at the start; a scan that lets more through than asked is no harm, as all is looked at again here.
_PATTERNS = [
    OrPattern(0, AdvertisementDataType.FLAGS, b"\x06"),
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc"),
]
_REASONS = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: scan_trouble.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: scan_trouble.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.POWERED_OFF: scan_trouble.ADAPTER_OFF,
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: scan_trouble.NO_RIGHTS,
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: scan_trouble.NO_RIGHTS,
}


class SensorScan:
    """One scan after another on one adapter; what it hears of sensors goes to `on_advert`, on the event loop.

    Args:
        backend: another way to the radio than that of the operating system.

    Attributes:
        air_s: when anything at all was heard last, monotonic s.
        sensor_s: the same of a sensor.
    """

    def __init__(
        self,
        settings: BleRadio,
        *,
        decoder: AdvertDecoder,
        on_advert: Callable[[Advert], None],
        counters: Counter[str],
        backend: type[BaseBleakScanner] | None = None,
    ) -> None:
        self.air_s: float | None = None
        self.sensor_s: float | None = None
        self.listed = frozenset(address.upper() for address in settings.devices)
        self._settings = settings
        self._decoder = decoder
        self._on_advert = on_advert
        self._counters = counters
        self._backend = backend
        self._last_data: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()
        self._scanner: BleakScanner | None = None

    async def start(self, within_s: float) -> str | None:
        """Start a new scan; return why not, a key of `scan_trouble.ADVICE`, or None when it is on."""
        logging.getLogger("bleak").setLevel(logging.WARNING)  # its debug lines hold every address in the air
        try:
            # a scanner that went through a fault does not come back
            scanner = self._new_scanner()
            async with asyncio.timeout(within_s):
                await scanner.start()
        except Exception as error:  # noqa: BLE001 - supervisor of the scan: the caller waits and starts again
            cause = _cause(error)
            if cause == scan_trouble.OTHER:
                log.warning("scan_not_started", why=f"{type(error).__name__}: {error}")
            return cause
        self._scanner = scanner
        return None

    async def stop(self, within_s: float) -> None:
        """End the scan if one is on, in bounded time: a dead BlueZ does not answer."""
        if self._scanner is None:
            return
        scanner, self._scanner = self._scanner, None
        try:
            async with asyncio.timeout(within_s):
                await scanner.stop()
        except Exception as error:  # noqa: BLE001 - supervisor of the scan: a new one is made in any case
            self._counters["ble_stop_failed"] += 1
            log.debug("scan_not_stopped", why=type(error).__name__)

    def _hear(self, device: BLEDevice, data: AdvertisementData) -> None:
        """Take one advert from bleak, on the event loop: decide whether it is a sensor's, and leave."""
        if data.rssi == _NO_RSSI or not (
            data.service_data or data.manufacturer_data or data.local_name or data.service_uuids
        ):
            return  # a change of something else, or the empty adverts of a radio that hangs
        self.air_s = time.monotonic()
        address = device.address.upper()
        if address not in self.listed and not self._decoder.is_sensor(
            data.service_data, data.manufacturer_data
        ):
            return
        if address not in self.listed and not self._settings.find_new:
            self._counters["ble_not_listed"] += 1  # it may be a tag in somebody's bag
            return
        self.sensor_s = self.air_s
        if self._is_old(address, data):
            self._counters["ble_unchanged"] += 1
            return
        self._on_advert(
            Advert(address, data.service_data, data.manufacturer_data, data.local_name, data.rssi)
        )

    def _is_old(self, address: str, data: AdvertisementData) -> bool:
        """Whether bleak repeats the data it holds because something else changed, such as the signal strength.

        A new advert brings new objects even when its bytes are equal; the same objects were heard already.
        """
        held = (*data.service_data.values(), *data.manufacturer_data.values())
        last = self._last_data.pop(address, ())
        self._last_data[address] = held
        if len(self._last_data) > MOST_REMEMBERED:
            self._last_data.popitem(last=False)
        return bool(held) and len(held) == len(last) and all(a is b for a, b in zip(held, last, strict=True))

    def _new_scanner(self) -> BleakScanner:
        bluez: BlueZScannerArgs = {}
        if self._settings.adapter is not None:
            bluez["adapter"] = self._settings.adapter
        if self._settings.mode == "passive":
            bluez["or_patterns"] = list(_PATTERNS)
        else:
            bluez["filters"] = {"DuplicateData": True}  # else an unchanged heartbeat is no advert to BlueZ
        return BleakScanner(
            self._hear,
            scanning_mode=self._settings.mode,
            bluez=bluez,
            backend=self._backend or _forgetful_backend(),
        )


def _forgetful_backend() -> type[BaseBleakScanner] | None:
    """Return the scanner of this system without its list of everybody who was ever in the air."""
    if sys.platform != "linux":
        return None  # the others look their devices up in that list
    platform, _ = get_platform_scanner_backend_type()
    return type("ForgetfulScanner", (platform,), {"create_or_update_device": _make_device})


def _make_device(
    _scanner: BaseBleakScanner,
    _key: str,
    address: str,
    name: str | None,
    details: Any,
    _adv: AdvertisementData,
) -> BLEDevice:
    return BLEDevice(address, name, details)


def _cause(error: Exception) -> str:
    if isinstance(error, BleakBluetoothNotAvailableError):
        return _REASONS.get(error.reason, scan_trouble.OTHER)
    if isinstance(error, BleakDBusError):
        return scan_trouble.OF_DBUS_ERROR.get(error.dbus_error, scan_trouble.OTHER)
    if isinstance(error, TimeoutError):
        return scan_trouble.NO_ANSWER
    if isinstance(error, OSError | EOFError):
        return scan_trouble.NO_BUS
    if isinstance(error, BleakError) and "not found" in str(error):
        return scan_trouble.NO_ADAPTER
    if isinstance(error, BleakError) and "experimental" in str(error):
        return scan_trouble.NO_PASSIVE
    return scan_trouble.OTHER
