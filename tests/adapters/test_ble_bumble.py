"""The Bluetooth source over HCI: bumble's controller and host take the place of BlueZ, with no D-Bus at all."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bumble import hci, ll
from bumble.controller import Controller
from bumble.device import Device
from bumble.host import Host
from bumble.link import LocalLink

from firmware_bridge.adverts import SensorAdverts
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.settings import BleRadio
from gateway.sources.ble_source import BleSource
from simulators.bluez_devices import ad_structures
from simulators.bthome_adverts import BlePir, BthomeNode
from workplace.codec import decode
from workplace.events import SensorEvent

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# 00:00:5E:00:53:xx is the range for documentation (RFC 7042)
PIR, KEY = "00:00:5E:00:53:01", bytes(range(16))
PHONE, PHONE_DATA = "00:00:5E:00:53:77", b"\x02\x01\x1a\x03\x19\x40\x02\x05\x09Jans"


class BumbleScanner(BaseBleakScanner):
    """A way to the radio that bleak can be given: bumble's host over HCI bytes."""

    link: ClassVar[LocalLink]

    def __init__(self, detection_callback: Any, service_uuids: Any, *_: Any, **__: Any) -> None:
        super().__init__(detection_callback, service_uuids)
        self._device: Device | None = None

    async def start(self) -> None:
        controller = Controller("gateway", link=self.link)
        # without the extended kind the host scans with the legacy commands that such sensors are heard by
        controller.le_features &= ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        host = Host()
        host.controller = controller
        self._device = Device(address=hci.Address("F0:F1:F2:F3:F4:F5"), host=host)
        self._device.on("advertisement", self._on_advertisement)
        await self._device.power_on()
        await self._device.start_scanning(legacy=True, filter_duplicates=False)

    async def stop(self) -> None:
        if self._device is not None:
            await self._device.stop_scanning()
            await self._device.power_off()

    def _on_advertisement(self, advertisement: Any) -> None:
        parts = advertisement.data.ad_structures
        data = AdvertisementData(
            local_name=next((body.decode() for kind, body in parts if kind == 0x09), None),
            manufacturer_data={},
            service_data={
                f"0000{int.from_bytes(body[:2], 'little'):04x}-0000-1000-8000-00805f9b34fb": bytes(body[2:])
                for kind, body in parts
                if kind == 0x16
            },
            service_uuids=[],
            tx_power=None,
            rssi=advertisement.rssi,
            platform_data=(advertisement,),
        )
        address = advertisement.address.to_string(with_type_qualifier=False)
        device = self.create_or_update_device(address, address, None, None, data)
        self.call_detection_callbacks(device, data)


class RealClock:
    """Site time that runs like the wall, from nine o'clock on."""

    speed = 1.0

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def now(self) -> datetime:
        return NINE + timedelta(seconds=time.monotonic() - self._start_s)

    def boot_ms(self) -> float:
        return time.monotonic() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_hit_goes_from_the_air_over_hci_to_disk(tmp_path: Path, key: bytes | None) -> None:
    async def body() -> None:
        clock = RealClock()
        BumbleScanner.link = LocalLink()
        air = Controller("sensors", link=BumbleScanner.link)
        outbox = Outbox(
            tmp_path / "o.sqlite", connect=sqlite3.connect, now=clock.now, gateway=("raadhuis", "gw-1")
        )
        async with asyncio.timeout(60), outbox:
            intake = Intake(Origin("raadhuis", "gw-1"), clock, outbox)
            source = BleSource(
                BleRadio(find_new=True),
                decoder=SensorAdverts({} if key is None else {PIR: key}),
                intake=intake,
                clock=clock,
                backend=BumbleScanner,
            )
            serving = asyncio.ensure_future(source.run())
            await until(lambda: source.health().status == "ok", "a scan")
            for aired in BlePir(BthomeNode(PIR, key), NINE).hit(NINE):
                air.send_advertising_pdu(ll.AdvInd(public(aired.address), aired.data))
                air.send_advertising_pdu(ll.AdvInd(public(PHONE), PHONE_DATA))
            await until(lambda: source.counters["ble_adverts"] >= 6, "the event and its repeats")
            await until(lambda: intake.counters["events_stored"] >= 3, "all is stored")
            serving.cancel()
            await asyncio.wait({serving})
            events = [decode(row.body, SensorEvent) for row in await outbox.take(100)]
        assert [(e.device, e.kind, e.value) for e in events] == [
            ("ble-00005e005301", "availability", True),
            ("ble-00005e005301", "battery", 90),
            ("ble-00005e005301", "motion", True),
        ]
        assert events[-1].rssi_dbm == -50, "bumble's controller hears everything at -50 dBm"

    asyncio.run(body())


def public(address: str) -> hci.Address:
    return hci.Address(address, hci.Address.PUBLIC_DEVICE_ADDRESS)


def test_the_phone_of_this_test_is_no_sensor() -> None:
    assert 0x16 not in dict(ad_structures(PHONE_DATA))
