"""The Bluetooth source with a radio of paper: its queue, a decoder with a bug, settings, and errors nobody foresaw."""

from __future__ import annotations

import asyncio
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakDBusError, BleakError

from firmware_bridge.adverts import SensorAdverts, long_uuid
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.scan_trouble import ADVICE, OF_DBUS_ERROR
from gateway.scan_watch import ScanLimits
from gateway.settings import BleRadio, from_mapping
from gateway.sources import ble_source
from gateway.sources.ble_source import BleSource
from gateway.sources.table import Tools, build_sources
from workplace.errors import SettingInvalid
from workplace.ports import Advert
from workplace.readings import Decoded

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADDRESS = "00:00:5E:00:53:01"
LIMITS = ScanLimits(first_retry_s=0.01, last_retry_s=0.05, look_s=0.05, grace_s=0.2, start_s=0.2)


class StillClock:
    speed = 1.0

    def now(self) -> datetime:
        return NINE

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class PaperScanner(BaseBleakScanner):
    """Starts as it is told: each entry of `faults` is raised by one start."""

    faults: ClassVar[list[BaseException | None]] = []
    now: ClassVar[PaperScanner]

    def __init__(self, detection_callback: Any, service_uuids: Any, *_: Any, **__: Any) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        PaperScanner.now = self
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    async def stop(self) -> None:
        raise BleakError("nothing to stop")

    def hear(self, objects: bytes) -> None:
        data = {long_uuid(0xFCD2): b"\x40" + objects}
        advert = AdvertisementData(None, {}, data, [], None, -60, ())
        self.call_detection_callbacks(BLEDevice(ADDRESS, None, None), advert)


class Stumbling(SensorAdverts):
    """Has a bug in what it does with text."""

    def decode(self, advert: Advert, *, now_s: float) -> Decoded:
        if b"\x53" in advert.service_data[long_uuid(0xFCD2)]:
            raise IndexError("off the end")
        return super().decode(advert, now_s=now_s)


async def scanning(source: BleSource) -> asyncio.Future[None]:
    serving = asyncio.ensure_future(source.run())
    async with asyncio.timeout(60):
        while source.health().status != "ok":
            await asyncio.sleep(0.005)
    return serving


def outbox_of(tmp_path: Path) -> Outbox:
    return Outbox(
        tmp_path / "o.sqlite", connect=sqlite3.connect, now=lambda: NINE, gateway=("raadhuis", "gw-1")
    )


def source_of(outbox: Outbox, **rest: Any) -> BleSource:
    intake = Intake(Origin("raadhuis", "gw-1"), StillClock(), outbox)
    given = {"decoder": SensorAdverts({}), "limits": LIMITS, "backend": PaperScanner} | rest
    return BleSource(BleRadio(find_new=True), intake=intake, clock=StillClock(), **given)


def test_no_error_at_start_or_stop_ends_the_source(tmp_path: Path) -> None:
    async def body() -> None:
        PaperScanner.faults = [
            BleakDBusError("org.bluez.Error.InProgress", ["busy"]),
            BleakDBusError("org.example.Unheard", ["of"]),
            BleakError("adapter 'hci7' not found"),
            FileNotFoundError("bus"),
            EOFError(),
            AssertionError("a bug in a library"),
            None,
        ]
        async with outbox_of(tmp_path) as outbox:
            source = source_of(outbox)
            serving = await scanning(source)
            serving.cancel()
            await asyncio.wait({serving})
        assert serving.cancelled()
        troubles = {name.partition(".")[2] for name in source.counters if name.startswith("ble_trouble.")}
        assert troubles == {"busy", "other", "no_adapter", "no_bus"}
        assert source.counters["ble_stop_failed"] == 1

    asyncio.run(body())


def test_when_the_disk_is_slow_the_oldest_adverts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_source, "MOST_WAITING", 3)

    async def body() -> None:
        PaperScanner.faults = []
        async with outbox_of(tmp_path) as outbox:
            source = source_of(outbox)
            serving = await scanning(source)
            for number in range(5):  # no await: nothing is taken out meanwhile
                PaperScanner.now.hear(bytes([0x00, number, 0x01, 10 * number]))
            kept = [advert.service_data[long_uuid(0xFCD2)][2] for advert, _ in source._waiting]
            assert (kept, source.counters["ble_adverts_dropped"]) == ([2, 3, 4], 2)
            serving.cancel()
            await asyncio.wait({serving})

    asyncio.run(body())


def test_a_decoder_with_a_bug_costs_only_the_advert_that_meets_it(tmp_path: Path) -> None:
    async def body() -> None:
        PaperScanner.faults = []
        async with outbox_of(tmp_path) as outbox:
            source = source_of(outbox, decoder=Stumbling({}))
            serving = await scanning(source)
            PaperScanner.now.hear(bytes.fromhex("530141"))
            PaperScanner.now.hear(bytes.fromhex("0163"))
            async with asyncio.timeout(60):
                while (await outbox.stats()).rows < 2:
                    await asyncio.sleep(0.01)
            assert source.counters["decoder_failed"] == 1
            serving.cancel()
            await asyncio.wait({serving})

    asyncio.run(body())


def test_every_error_has_an_advice() -> None:
    assert set(OF_DBUS_ERROR.values()) <= set(ADVICE)
    assert all(text[0].islower() or text.startswith(("BlueZ", "D-Bus")) for text in ADVICE.values())


SETTINGS = 'site = "raadhuis"\ngateway = "gw-1"\nfloor = "f1"\noutbox = "o.sqlite"\n'


def test_a_radio_in_the_settings_is_a_source(tmp_path: Path) -> None:
    async def body() -> None:
        settings = from_mapping(
            tomllib.loads(
                SETTINGS + '[ble]\nadapter = "hci1"\nmode = "passive"\n[ble.devices."00:00:5e:00:53:01"]\n'
            )
        )
        async with outbox_of(tmp_path) as outbox, AsyncExitStack() as stack:
            intake = Intake(Origin("raadhuis", "gw-1"), StillClock(), outbox)
            tools = Tools(
                open_device_link=_unused,
                wire_session=_unused,
                mqtt_decoder=_unused,
                advert_decoder=lambda _radio: SensorAdverts({}),
            )
            (source,) = await build_sources(settings, tools, intake, StillClock(), stack)
            assert source.name == "ble:hci1"
            assert source.health().status == "degraded"

    asyncio.run(body())


def _unused(*_: Any, **__: Any) -> Any:
    raise AssertionError("not for Bluetooth")


@pytest.mark.parametrize(
    "table",
    [
        pytest.param({"devices": {"living room": {}}}, id="a name is no address"),
        pytest.param({"mode": "loud"}, id="an unknown mode"),
        pytest.param({"adapter": "/dev/ttyUSB0"}, id="no adapter"),
        pytest.param({"quiet_s": 0}, id="no time at all"),
        pytest.param({"bindkey": "00"}, id="a key in the settings themselves"),
        pytest.param({"devices": {ADDRESS: {"bindkey": "00"}}}, id="a key beside the device"),
    ],
)
def test_mistakes_in_the_radio_settings_are_refused(table: Mapping[str, Any]) -> None:
    with pytest.raises(SettingInvalid):
        from_mapping(tomllib.loads(SETTINGS) | {"ble": table})
