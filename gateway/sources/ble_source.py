"""The Bluetooth sensors around one adapter: one long scan, kept alive, and its adverts brought to disk.

The rules for when and how to start again are `gateway.scan_watch`; here they are carried out.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Protocol

import structlog

from gateway import scan_trouble
from gateway.intake import DeviceMessage, Intake
from gateway.replay_marks import ReplayMarks
from gateway.scan_clock import ScanClock
from gateway.scan_watch import (
    Do,
    Event,
    Look,
    ScanLimits,
    ScanState,
    Started,
    StartFailed,
    Step,
    is_deaf,
    step,
)
from gateway.settings import BleRadio
from gateway.sources.ble_scanner import SensorScan
from gateway.sources.source import Source
from workplace.events import SourceHealth
from workplace.ports import Advert, AdvertDecoder, Clock

if sys.platform == "linux":
    from gateway.sources.bluez_power import BluezAdapter

log = structlog.get_logger(__name__)

#: Adverts between radio and disk. Lower drops when the disk is slow, higher only delays; the oldest go first.
MOST_WAITING = 4_000
#: Adverts in one write to disk.
MOST_AT_ONCE = 500

#: Only these say for sure that no scan can be running.
_GONE = {scan_trouble.NO_BUS, scan_trouble.NO_BLUETOOTHD, scan_trouble.NO_ADAPTER, scan_trouble.ADAPTER_OFF}


class Sight(Protocol):
    """What a look at the adapter found."""

    @property
    def trouble(self) -> str | None: ...

    @property
    def owner(self) -> str: ...


class Adapter(Protocol):
    """The hardware behind the scan, where the system lets us see it."""

    async def look(self) -> Sight: ...

    async def power_cycle(self) -> str | None: ...


class BleSource(Source):
    """Keeps one long scan going; its rules for when and how to restart are `gateway.scan_watch`.

    Args:
        backend: another way to the radio than that of the operating system, a scanner class as bleak wants it.
        adapter: None looks over D-Bus on Linux and not at all elsewhere.
        marks: where the counters of encrypted sensors outlive a restart; None forgets them.
    """

    def __init__(
        self,
        settings: BleRadio,
        *,
        decoder: AdvertDecoder,
        intake: Intake,
        clock: Clock,
        limits: ScanLimits | None = None,
        backend: type[Any] | None = None,
        adapter: Adapter | None = None,
        marks: ReplayMarks | None = None,
    ) -> None:
        self.name = f"ble:{settings.adapter or 'default'}"
        self.counters = Counter()
        self._settings = settings
        self._decoder = decoder
        self._marks = marks
        self._intake = intake
        self._clock = clock
        self._limits = limits or ScanLimits(quiet_s=settings.quiet_s, look_s=min(5.0, settings.quiet_s / 4))
        self._adapter = adapter
        if backend is None and adapter is None and sys.platform == "linux":
            self._adapter = BluezAdapter(settings.adapter)
        self._scan = SensorScan(
            settings, decoder=decoder, on_advert=self._take, counters=self.counters, backend=backend
        )
        self._waiting: deque[tuple[Advert, datetime]] = deque(maxlen=MOST_WAITING)
        self._filled = asyncio.Event()
        self._state = ScanState()
        self._scan_clock = ScanClock()
        self._owner = ""
        self._trouble: str | None = "not started yet"
        self._told: str | None = None

    async def run(self) -> None:
        """Scan until cancelled, whatever happens to the adapter, bluetoothd and D-Bus."""
        self._state = ScanState()
        if self._marks is not None:
            self._decoder.resume(await self._marks.load())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(), name=f"{self.name} delivery")
            try:
                await self._keep_scanning()
            finally:
                await self._stop()
                await self._keep_marks(now=True)

    def health(self) -> SourceHealth:
        now_s, state = time.monotonic(), self._state
        heard_s = self._scan.sensor_s
        share = f"{self._scan_clock.share_pct(now_s):.1f} % of the time, {self._scan_clock.restarts} restarts"
        status: Literal["ok", "degraded", "down"] = "ok"
        detail = f"this scan for {now_s - state.since_s:.0f} s, scanning {share}"
        if not state.is_scanning or state.silent_rounds:
            is_down = state.is_lost and (is_deaf(state) or not state.is_scanning)
            status = "down" if is_down else "degraded"
            detail = f"{self._trouble or scan_trouble.ADVICE[scan_trouble.SILENT]}; scanning {share}"
        return SourceHealth(
            name=self.name,
            status=status,
            detail=detail,
            last_data_age_s=None if heard_s is None else round(now_s - heard_s, 1),
        )

    def all_counters(self) -> dict[str, int]:
        scanned_s = int(self._scan_clock.scanned_s(time.monotonic()))
        return dict(self.counters) | {"ble_scan_s": scanned_s, "ble_scan_restarts": self._scan_clock.restarts}

    # --- what is heard ---

    def _take(self, advert: Advert) -> None:
        if len(self._waiting) == MOST_WAITING:
            self.counters["ble_adverts_dropped"] += 1  # the oldest, as the queue is that long at most
        self._waiting.append((advert, self._clock.now()))
        self._filled.set()

    async def _deliver(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                count = min(MOST_AT_ONCE, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                await self._intake.take_messages(self.name, self._decoded(batch))
                await self._keep_marks()

    async def _keep_marks(self, *, now: bool = False) -> None:
        if self._marks is not None and (now or self._marks.is_due):
            await self._marks.keep(self._decoder.counters(), now=now)

    def _decoded(self, batch: list[tuple[Advert, datetime]]) -> Iterator[DeviceMessage]:
        for advert, received_at in batch:
            self.counters["ble_adverts"] += 1
            try:
                decoded = self._decoder.decode(advert, now_s=time.monotonic())
            except Exception:  # supervisor of a decoder: whatever a device sends, the others must be heard
                self.counters["decoder_failed"] += 1
                log.exception("decoder_failed", source=self.name)
                continue
            yield DeviceMessage(
                decoded,
                payload=b"".join((*advert.service_data.values(), *advert.manufacturer_data.values())),
                retained=False,
                received_at=received_at,
                family="ble",
                rssi_dbm=advert.rssi_dbm,
            )

    # --- the scan ---

    async def _keep_scanning(self) -> None:
        event: Event = Look()
        while True:
            now_s = time.monotonic()
            next_step = step(self._state, event, now_s, self._limits, random.uniform(0.7, 1.3))
            self._state = next_step.state
            event = await self._act(next_step)

    async def _act(self, next_step: Step) -> Event:
        """Do what the step says; return what came of it, or the look at its end."""
        for do in next_step.do:
            match do:
                case Do.STOP:
                    await self._stop()
                case Do.POWER_CYCLE:
                    await self._power_cycle()
                case Do.CALL_LOST:
                    log.warning("radio_down", source=self.name, why=self._trouble, deaf=is_deaf(self._state))
                    self.counters["ble_radio_down"] += 1
                    await self._intake.lose_source(self.name, "radio_down")
                case Do.START:
                    return await self._start()
        await asyncio.sleep(max(0.0, next_step.wake_at_s - time.monotonic()))
        return await self._look()

    async def _start(self) -> Started | StartFailed:
        if self._adapter is not None:
            self._owner = (await self._adapter.look()).owner
        cause = await self._scan.start(self._limits.start_s)
        if cause is not None:
            self._note_trouble(cause)
            return StartFailed()
        self._scan_clock.started(time.monotonic())
        self._trouble = None
        if self._told is not None:
            log.info("scan_started", source=self.name)
            self._told = None
        return Started()

    async def _stop(self) -> None:
        self._scan_clock.stopped(time.monotonic())
        await self._scan.stop(self._limits.stop_s)

    async def _power_cycle(self) -> None:
        if self._adapter is None:
            return
        self.counters["ble_power_cycles"] += 1
        cause = await self._adapter.power_cycle()
        log.warning("adapter_power_cycled", source=self.name, failed=cause)

    async def _look(self) -> Look:
        heard_s = self._scan.air_s
        is_armed = bool(self._scan.listed) or heard_s is not None
        if self._adapter is None:
            return Look(heard_s, is_armed)
        sight = await self._adapter.look()
        is_there: bool | None = None
        if sight.trouble is None:
            # another bluetoothd than before knows nothing of our scan
            is_there = not self._state.is_scanning or self._owner in ("", sight.owner)
        elif sight.trouble in _GONE:
            is_there = False
            self._note_trouble(sight.trouble)
        return Look(heard_s, is_armed, is_there)

    def _note_trouble(self, cause: str) -> None:
        """Say once per outage and cause what is wrong."""
        self._trouble = scan_trouble.ADVICE[cause]
        if self._told != cause:
            self._told = cause
            self.counters[f"ble_trouble.{cause}"] += 1
            log.warning("scan_not_running", source=self.name, cause=cause, advice=self._trouble)
