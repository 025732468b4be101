"""The Bluetooth source through bleak's own BlueZ code, against a bluetoothd of ours whose faults can be ordered."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
import structlog

from firmware_bridge.adverts import SensorAdverts
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.replay_marks import ReplayMarks
from gateway.scan_watch import ScanLimits
from gateway.settings import BleDevice, BleRadio
from gateway.sources.ble_source import BleSource
from simulators import private_bus
from simulators.bthome_adverts import (
    MOTION,
    OCCUPANCY,
    VERSION_2,
    BlePir,
    BleSeat,
    BthomeNode,
    advert_of,
    encode_objects,
)
from simulators.fake_bluez import FakeBluez
from workplace.codec import decode
from workplace.events import SensorEvent

pytestmark = pytest.mark.skipif(not private_bus.is_available(), reason="needs dbus-daemon (Debian: dbus)")

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# 00:00:5E:00:53:xx is the range for documentation (RFC 7042)
PIR, SEAT, PHONE = "00:00:5E:00:53:01", "00:00:5E:00:53:02", "5A:11:22:33:44:55"
KEY = bytes(range(16))
#: Short enough to see every step of the ladder, long enough for a busy machine.
LIMITS = ScanLimits(
    quiet_s=1.0, look_s=0.25, grace_s=2.0, start_s=2.0, stop_s=2.0, first_retry_s=0.5, last_retry_s=4.0
)


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


@dataclass(slots=True)
class Scene:
    """One gateway source, one fake bluetoothd, and what came through."""

    bluez: FakeBluez
    source: BleSource
    outbox: Outbox
    intake: Intake
    pir: BthomeNode = field(default_factory=lambda: BthomeNode(PIR))
    _seen: int = 0

    async def scanning(self) -> None:
        await until(lambda: self.bluez.is_scanning and self.source.health().status == "ok", "a scan")

    async def events(self) -> list[SensorEvent]:
        return [decode(row.body, SensorEvent) for row in await self.outbox.take(100_000)]

    async def said(self, kind: str) -> list[tuple[str, object, str | None]]:
        return [(e.device, e.value, e.reason) for e in await self.events() if e.kind == kind]

    async def said_times(self, kind: str, count: int) -> list[tuple[str, object, str | None]]:
        """Return what was said of this kind, once there is that much of it on disk."""
        async with asyncio.timeout(60):
            while len(found := await self.said(kind)) < count:
                await asyncio.sleep(0.02)
        return found

    async def heard_again(self, within_s: float = 60) -> float:
        """Let the PIR beat five times a second until it is heard; return how long that took."""
        started_s, before = time.monotonic(), self.source.counters["ble_adverts"]
        while self.source.counters["ble_adverts"] == before:
            assert time.monotonic() - started_s < within_s, self.source.health()
            self.bluez.advert(PIR, self.pir.say({MOTION: False}))
            await asyncio.sleep(0.05)
        return time.monotonic() - started_s


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


Story = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a story against a fresh source and bluetoothd."""

    def run(
        story: Story,
        *,
        settings: BleRadio | None = None,
        limits: ScanLimits = LIMITS,
        keys: dict[str, bytes] | None = None,
        prepare: Callable[[FakeBluez], Awaitable[None]] | None = None,
        rssi_step_db: int = 0,
    ) -> None:
        async def body() -> None:
            # dbus_fast drops the future of a write to a bus that is gone; its last words come at any later moment
            asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
            clock = RealClock()
            outbox = Outbox(
                tmp_path / "o.sqlite", connect=sqlite3.connect, now=clock.now, gateway=("raadhuis", "gw-1")
            )
            async with asyncio.timeout(150), outbox, FakeBluez(rssi_step_db=rssi_step_db) as bluez:
                monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
                if prepare is not None:
                    await prepare(bluez)
                intake = Intake(Origin("raadhuis", "gw-1"), clock, outbox)
                radio = settings or BleRadio(find_new=True, devices={PIR: BleDevice()})
                source = BleSource(
                    radio,
                    decoder=SensorAdverts(keys or {}),
                    intake=intake,
                    clock=clock,
                    limits=limits,
                    marks=ReplayMarks(tmp_path / "marks.json"),
                )
                serving = asyncio.ensure_future(source.run())
                try:
                    await story(Scene(bluez, source, outbox, intake))
                    assert not serving.done(), serving
                finally:
                    serving.cancel()
                    await asyncio.wait({serving})

        asyncio.run(body())

    return run


def test_an_advert_recorded_before_a_restart_of_the_gateway_is_refused_after_it(
    play: Callable[..., None],
) -> None:
    node = BthomeNode(PIR, key=KEY, counter=500)
    recorded: list[bytes] = []

    async def before(scene: Scene) -> None:
        await scene.scanning()

        def hit() -> bytes:
            recorded.append(node.say({MOTION: True}))
            return recorded[-1]

        await say_until_heard(scene, hit, PIR)
        await until(lambda: scene.intake.counters["events_stored"], "the hit is stored")

    async def after(scene: Scene) -> None:
        await scene.scanning()
        stored = len(await scene.said("motion"))
        before_replay = scene.source.counters["ble_adverts"]
        while scene.source.counters["ble_adverts"] == before_replay:
            scene.bluez.advert(PIR, recorded[-1])
            await asyncio.sleep(0.02)
        await say_until_heard(scene, lambda: node.say({MOTION: False}), PIR)
        said = await scene.said_times("motion", stored + 1)
        assert [value for _, value, _ in said[stored:]] == [False], "only the fresh one counts"

    play(before, keys={PIR: KEY})
    play(after, keys={PIR: KEY})


def test_a_tag_in_somebodys_bag_is_no_sensor_of_ours(play: Callable[..., None]) -> None:
    """It speaks the language of sensors; kept, its address would follow a person from place to place."""

    async def story(scene: Scene) -> None:
        await scene.scanning()
        ours, tag = BthomeNode(PIR), BthomeNode(SEAT)
        while scene.source.counters["ble_not_listed"] < 3:
            scene.bluez.advert(SEAT, tag.say({MOTION: True}))
            await asyncio.sleep(0.02)
        await say_until_heard(scene, lambda: ours.say({MOTION: True}), PIR)
        await until(lambda: scene.intake.counters["events_stored"], "the hit of ours is stored")
        assert {device for device, *_ in await scene.said("motion")} == {"ble-00005e005301"}

    play(story, settings=BleRadio(devices={PIR: BleDevice()}))


@pytest.mark.parametrize("mode", ["active", "passive"])
def test_what_sensors_say_is_on_disk(play: Callable[..., None], mode: str) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        pir = BlePir(BthomeNode(PIR, key=KEY), NINE)
        seat = BleSeat(BthomeNode(SEAT), NINE)
        await say_until_heard(scene, lambda: next(iter(pir.hit(NINE))).data, PIR)
        for aired in [*pir.due(NINE + timedelta(minutes=1)), *seat.change(NINE, is_taken=True)]:
            scene.bluez.advert(aired.address, aired.data, -71)
        await until(lambda: scene.intake.counters["events_stored"] >= 7, "all is stored")
        assert await scene.said("motion") == [
            ("ble-00005e005301", True, None),
            ("ble-00005e005301", False, None),
        ]
        assert await scene.said("occupancy") == [("ble-00005e005302", True, None)]
        assert await scene.said("battery") == [("ble-00005e005301", 90, None), ("ble-00005e005302", 90, None)]
        last = (await scene.events())[-1]
        assert (last.rssi_dbm, last.clock, last.uncertainty_ms) == (-71, "arrival", 2000)

    play(story, settings=BleRadio(find_new=True, mode=mode, adapter="hci0"), keys={PIR: KEY})  # type: ignore[arg-type]


async def say_until_heard(scene: Scene, advert: Callable[[], bytes], address: str) -> None:
    """Put one advert on the air until a scan takes it: a passive one begins a moment after it says so."""
    data = advert()
    deadline = time.monotonic() + 20
    while not scene.bluez.advert(address, data, -71):
        assert time.monotonic() < deadline, "nobody scans"
        await asyncio.sleep(0.02)


# --- faults ---


@dataclass(frozen=True, slots=True)
class Fault:
    """How it begins, what health says meanwhile (None: nothing yet), and how it ends."""

    begin: Callable[[FakeBluez], Awaitable[None] | None]
    advice: str | None = None
    end: Callable[[FakeBluez], Awaitable[None] | None] = lambda _bluez: None


async def refuse_after_restart(bluez: FakeBluez) -> None:
    bluez.refuse_starts(3)
    await bluez.stop_bluetoothd()
    await bluez.start_bluetoothd()


async def ignore_after_restart(bluez: FakeBluez) -> None:
    bluez.ignore_starts(1)
    await bluez.stop_bluetoothd()
    await bluez.start_bluetoothd()


FAULTS = {
    "the scan stalls silently": Fault(lambda bluez: bluez.stall("until_new_scan")),
    "the scan stalls until the adapter is reset": Fault(lambda bluez: bluez.stall("until_power_cycle")),
    "the adapter is unplugged and plugged in again": Fault(
        FakeBluez.unplug, "no such Bluetooth adapter", FakeBluez.replug
    ),
    "bluetoothd restarts": Fault(
        FakeBluez.stop_bluetoothd, "bluetoothd is not running", FakeBluez.start_bluetoothd
    ),
    "three starts are refused with InProgress": Fault(refuse_after_restart, "InProgress"),
    "a start is never answered": Fault(ignore_after_restart, "does not answer"),
    "the D-Bus daemon restarts": Fault(FakeBluez.restart_bus),
    "the adapter is switched off and on": Fault(
        lambda bluez: bluez.switch(is_on=False), "adapter is off", lambda bluez: bluez.switch(is_on=True)
    ),
}


async def order(action: Callable[[FakeBluez], Awaitable[None] | None], bluez: FakeBluez) -> None:
    result = action(bluez)
    if result is not None:
        await result


@pytest.mark.parametrize("mode", ["active", "passive"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_scan_comes_back_after(play: Callable[..., None], name: str, mode: str) -> None:
    fault = FAULTS[name]

    async def story(scene: Scene) -> None:
        await scene.scanning()
        await scene.heard_again()
        await order(fault.begin, scene.bluez)
        if fault.advice is not None:
            advice = fault.advice
            await until(lambda: advice in scene.source.health().detail, f"health says: {advice}")
            assert scene.source.health().status in ("degraded", "down")
        await order(fault.end, scene.bluez)
        took_s = await scene.heard_again()
        print(f"recovery, {mode}, {name}: {took_s:.2f} s")
        assert took_s < 30
        await until(lambda: scene.source.health().status == "ok", "health is well again")
        assert scene.source.all_counters()["ble_scan_restarts"] >= 1

    radio = BleRadio(find_new=True, devices={PIR: BleDevice()}, mode=mode)  # type: ignore[arg-type]
    play(story, settings=radio)


@pytest.mark.parametrize("adapter", ["hci0", None])
@pytest.mark.parametrize(
    ("absent", "end", "advice"),
    [
        pytest.param(
            FakeBluez.stop_bluetoothd,
            FakeBluez.start_bluetoothd,
            "bluetoothd is not running",
            id="no bluetoothd",
        ),
        pytest.param(
            lambda bluez: bluez.switch(is_on=False),
            lambda bluez: bluez.switch(is_on=True),
            "adapter is off",
            id="the adapter is off",
        ),
        pytest.param(FakeBluez.unplug, FakeBluez.replug, "no such Bluetooth adapter", id="no adapter"),
    ],
)
def test_a_gateway_that_starts_without_a_radio_says_what_to_do_and_takes_it_when_it_comes(
    play: Callable[..., None],
    adapter: str | None,
    absent: Callable[[FakeBluez], Awaitable[None] | None],
    end: Callable[[FakeBluez], Awaitable[None] | None],
    advice: str,
) -> None:
    async def story(scene: Scene) -> None:
        await until(lambda: advice in scene.source.health().detail, f"health says: {advice}")
        await until(lambda: scene.source.health().status == "down", "down after the grace time")
        await order(end, scene.bluez)
        print(f"heard after {await scene.heard_again():.2f} s")
        assert await scene.said_times("availability", 1)

    play(story, settings=BleRadio(find_new=True, adapter=adapter), prepare=lambda bluez: order(absent, bluez))


def test_a_radio_that_stays_away_makes_its_sensors_unknown_and_each_comes_back_when_it_is_heard(
    play: Callable[..., None],
) -> None:
    async def story(scene: Scene) -> None:
        seat = BleSeat(BthomeNode(SEAT), NINE)
        await scene.scanning()
        await scene.heard_again()
        for aired in seat.change(NINE, is_taken=True):
            scene.bluez.advert(aired.address, aired.data)
        await scene.said_times("availability", 2)
        await scene.said_times("occupancy", 1)
        scene.bluez.unplug()
        await until(lambda: scene.source.health().status == "down", "the radio is down")
        gone = [("ble-00005e005301", False, "radio_down"), ("ble-00005e005302", False, "radio_down")]
        assert (await scene.said_times("availability", 4))[2:] == gone
        assert scene.source.counters["ble_radio_down"] == 1
        scene.bluez.replug()
        await scene.heard_again()
        back = (await scene.said_times("availability", 5))[4:]
        assert back == [("ble-00005e005301", True, None)], "the seat is not heard yet, so it stays unknown"
        assert (False, None) not in [(value, reason) for _, value, reason in await scene.said("occupancy")]

    play(story)


def test_no_scan_is_restarted_for_silence_where_no_sensor_is_expected(play: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        started_s = time.monotonic()
        await until(lambda: time.monotonic() - started_s > 3, "three quiet limits go by")
        assert scene.source.all_counters()["ble_scan_restarts"] == 0
        assert scene.source.health().status == "ok"

    play(story, settings=BleRadio(find_new=True))


def test_a_radio_without_faults_listens_all_the_time(play: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        scene.bluez.measure()
        started_s = time.monotonic()
        watched_s = 30 if os.environ.get("PLEKVRIJ_LONG") else 12  # more than two quiet limits
        while time.monotonic() - started_s < watched_s:
            scene.bluez.advert(PIR, scene.pir.say({MOTION: False}))
            await asyncio.sleep(0.2)
        share_pct = scene.bluez.scan_share_pct()
        print(f"scan on {share_pct:.2f} % of {watched_s} s; the source says: {scene.source.health().detail}")
        assert share_pct >= 95
        assert scene.bluez.starts == 1

    play(story, limits=ScanLimits(quiet_s=5.0, look_s=1.0))


# --- load ---


def test_five_hundred_sensors_at_a_thousand_adverts_a_second_are_all_heard(play: Callable[..., None]) -> None:
    seats = [BthomeNode(f"00:00:5E:00:{number >> 8:02X}:{number & 255:02X}") for number in range(500)]
    rounds, most_bursts = 4, 5  # a busy machine may need more than one burst to be fast enough

    async def burst(scene: Scene) -> float:
        started_s, sent = time.monotonic(), 0
        for number in range(rounds):
            for seat in seats:
                assert scene.bluez.advert(seat.address, seat.say({OCCUPANCY: number % 2 == 0}))
                sent += 1
                if sent % 50 == 0:
                    await asyncio.sleep(max(0.0, started_s + sent / 2000 - time.monotonic()))
        return sent / (time.monotonic() - started_s)

    async def story(scene: Scene) -> None:
        def is_stored(count: int) -> bool:
            return scene.intake.counters["events_stored"] >= count

        await scene.scanning()
        for number in range(1, most_bursts + 1):
            started_s, sent = time.monotonic(), number * rounds * len(seats)
            rate = await burst(scene)
            await until(
                partial(is_stored, sent + len(seats)), "each sensor came and all is stored", within_s=60
            )
            took_s = time.monotonic() - started_s
            assert scene.source.counters["ble_adverts"] == sent
            assert len(await scene.said("occupancy")) == sent
            if rate >= 1000:
                break
        print(
            f"{rounds * len(seats)} adverts at {rate:.0f}/s, all on disk after {took_s:.2f} s, burst {number}"
        )
        assert rate >= 1000
        assert "ble_adverts_dropped" not in scene.source.counters

    play(story, settings=BleRadio(find_new=True), limits=ScanLimits())


# --- what is refused ---


def test_fakes_are_refused_and_counted(play: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        real = BthomeNode(PIR, key=KEY, counter=500)
        wrong, plain = BthomeNode(PIR, key=bytes(16), counter=900), BthomeNode(PIR)
        first = real.say({MOTION: True})
        # a stranger's radio that names the address of the sensor with the key inside its advert
        mac = bytes.fromhex(PIR.replace(":", ""))[::-1]
        borrowed = advert_of(bytes([VERSION_2 | 0x02]) + mac + encode_objects({MOTION: True}))
        for address, data in [
            (PIR, first),
            (PIR, wrong.say({MOTION: False})),
            (PIR, plain.say({MOTION: False})),
            ("00:00:5E:00:53:99", borrowed),
            (PIR, real.say({MOTION: False})),
            (PIR, first),
        ]:
            scene.bluez.advert(address, data)
        await until(lambda: scene.source.counters["ble_adverts"] == 6, "all six are taken")
        await until(lambda: scene.intake.counters["rejected.older_packet"] == 1, "the replay is refused")
        refused = {name: n for name, n in scene.intake.counters.items() if name.startswith("rejected.")}
        assert refused == {
            "rejected.decryption_failed": 1,
            "rejected.unencrypted_after_encrypted": 2,
            "rejected.older_packet": 1,
        }
        assert await scene.said_times("motion", 2) == [
            ("ble-00005e005301", True, None),
            ("ble-00005e005301", False, None),
        ]
        assert {e.device for e in await scene.events()} == {"ble-00005e005301"}

    play(story, keys={PIR.lower(): KEY}, limits=ScanLimits())


def test_a_repeated_event_is_stored_once(play: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        aired = list(BlePir(BthomeNode(PIR), NINE).hit(NINE))
        for advert in aired:
            scene.bluez.advert(advert.address, advert.data)
        await until(
            lambda: scene.intake.counters["rejected.duplicate"] == len(aired) - 1, "the repeats are known"
        )
        assert len(await scene.said_times("motion", 1)) == 1

    play(story)


def test_a_change_of_signal_strength_alone_is_no_new_hit(play: Callable[..., None]) -> None:
    """Passive scans tell an unchanged advert only as a change of signal strength, with the old data beside it."""

    async def story(scene: Scene) -> None:
        await scene.scanning()
        data = BthomeNode(PIR).say({MOTION: True})
        await say_until_heard(scene, lambda: data, PIR)
        await until(lambda: scene.source.counters["ble_adverts"] == 1, "the hit")
        for rssi_dbm in (-50, -62, -74):
            scene.bluez.advert(PIR, data, rssi_dbm)
        await until(lambda: scene.source.counters["ble_unchanged"] == 3, "the later adverts are seen as old")
        assert scene.source.counters["ble_adverts"] == 1
        assert scene.source.health().status == "ok"

    play(story, settings=BleRadio(find_new=True, mode="passive"), rssi_step_db=8, limits=ScanLimits())


def test_an_unchanged_heartbeat_is_heard_by_an_active_scan(play: Callable[..., None]) -> None:
    """BlueZ from 5.88 on tells unchanged adverts only to who asks for duplicates."""

    async def story(scene: Scene) -> None:
        await scene.scanning()
        data = advert_of(bytes([VERSION_2]) + encode_objects({OCCUPANCY: True}))
        for _ in range(5):
            scene.bluez.advert(SEAT, data)
        await until(lambda: scene.source.counters["ble_adverts"] == 5, "all five")
        assert len(await scene.said_times("occupancy", 1)) == 1

    play(story, rssi_step_db=8, limits=ScanLimits())


def test_a_phone_leaves_no_trace(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    name = b"Telefoon van iemand"
    phone = b"\x02\x01\x1a" + bytes([len(name) + 1, 0x09]) + name
    watch = b"\x02\x01\x06\x07\xff\x4c\x00\x10\x02\x0b\x00"
    traces = [PHONE, PHONE.replace(":", ""), PHONE.replace(":", "_"), name.decode(), "004c"]
    caplog.set_level(logging.DEBUG)

    async def story(scene: Scene) -> None:
        await scene.scanning()
        for data in BlePir(scene.pir, NINE).hit(NINE):
            scene.bluez.advert(PIR, data.data)
        await until(lambda: scene.intake.counters["events_stored"] == 3, "the sensor is stored")
        await until(lambda: scene.intake.counters["rejected.duplicate"] == 5, "its repeats are known")
        counters = dict(scene.source.counters), dict(scene.intake.counters), len(await scene.events())
        for data in (phone, watch):
            scene.bluez.advert(PHONE, data)
        scene.bluez.advert(
            SEAT, BthomeNode(SEAT).say({OCCUPANCY: True})
        )  # comes after them, so they are done with
        await until(
            lambda: scene.intake.counters["events_stored"] >= counters[1]["events_stored"] + 2, "the seat"
        )
        health = msgspec.json.encode(
            [scene.source.health(), *scene.intake.devices.health(0, scene.intake.clock.now())]
        ).decode()
        now = dict(scene.source.counters), dict(scene.intake.counters), len(await scene.events())
        assert now[0] == counters[0] | {"ble_adverts": counters[0]["ble_adverts"] + 1}
        seat_alone = {"events_stored": 2, "refused.kind_not_forwarded": 1}  # the latter is its packet id
        assert Counter(now[1]) == Counter(counters[1]) + Counter(seat_alone)
        assert now[2] == counters[2] + 2
        kept = repr(scene.source._scan.__dict__) + repr(scene.source.__dict__) + health
        for trace in traces:
            assert trace.lower() not in kept.lower()
        assert scene.source._scan._scanner is not None
        assert scene.source._scan._scanner.discovered_devices == []

    with structlog.testing.capture_logs() as lines:
        play(story, limits=ScanLimits())
    written = "".join(file.read_bytes().decode("latin-1") for file in tmp_path.glob("o.sqlite*"))
    bleak_lines = [r.getMessage() for r in caplog.records if r.name.startswith(("bleak", "gateway"))]
    for trace in traces:
        assert trace.lower() not in (repr(lines) + repr(bleak_lines) + written).lower()


def test_no_garbage_in_the_air_harms_the_next_advert(play: Callable[..., None]) -> None:
    async def story(scene: Scene) -> None:
        await scene.scanning()
        chance = random.Random(7)
        for _ in range(300):
            scene.bluez.advert(SEAT, advert_of(chance.randbytes(chance.randint(0, 20))))
        await scene.heard_again()
        assert "decoder_failed" not in scene.source.counters

    play(story, limits=ScanLimits())
