"""From what a source heard to what is durable: time stamp, id, filter, outbox. One path for all sources.

Each source awaits its own call, so its events keep their order, and a duplicate is only told to be safe after
the original is on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from gateway.backoff import Backoff
from gateway.command_book import CommandBook
from gateway.device_table import DeviceTable
from gateway.duplicate_filter import DuplicateFilter
from gateway.ids import stable_id
from gateway.loss_watch import COUNTED_FAMILIES, FrameCounters, gap_record
from gateway.normalise import Origin, Refused, event_of_message, event_of_wire
from gateway.outbox import Outbox
from gateway.outbox_schema import Waiting
from gateway.uptime_clock import UptimeClock
from workplace.device_ids import device_id
from workplace.errors import StoreUnavailable
from workplace.events import SensorEvent, SensorKind
from workplace.loss_events import GapRecord
from workplace.ports import Clock, SessionStep
from workplace.readings import Decoded, Reading

log = structlog.get_logger(__name__)

#: A message may be under way to us for this long, s of real time, before its device counts as silent.
HICCUP_S = 10.0
#: A write that takes longer than this, s, hangs: the slowest SD cards answer within a second. The disk is asked this
#: often, s.
HANGS_S, WATCH_S = 30.0, 5.0
#: Codes of `SessionStep.changes` -> why the device is not available.
_LOSSES = {
    "device_silent": "silent",
    "unsupported_firmware": "unsupported_firmware",
    "link_lost": "link_lost",
}


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    """One message of a device: what a decoder made of it, and when it came in (site time).

    Attributes:
        family: a key of `workplace.device_ids.PREFIXES`; with the name in `decoded` it makes the device id.
        payload: the message as it came, for the id of what has neither number nor time.
        vouches: what one input says proves that the whole device is there, so that the silence of its other inputs
            means something. Not so for a switch: a port that it does not have would be an empty desk for ever.
    """

    decoded: Decoded
    payload: bytes
    retained: bool
    received_at: datetime
    family: str
    rssi_dbm: int | None = None
    vouches: bool = True


@dataclass(slots=True)
class Intake:
    """Shared by all sources of one gateway.

    Attributes:
        counters: events stored, readings refused or held back by reason, facts about devices.
        commands: what devices are asked to do; told here when they confirm.
        is_storing: False while the outbox refuses; nothing is acknowledged to any device then.
    """

    origin: Origin
    clock: Clock
    outbox: Outbox
    devices: DeviceTable = field(default_factory=DeviceTable)
    counters: Counter[str] = field(default_factory=Counter)
    is_storing: bool = True
    commands: CommandBook = field(default_factory=CommandBook)
    _filter: DuplicateFilter = field(default_factory=DuplicateFilter)
    _uptimes: UptimeClock = field(default_factory=UptimeClock)
    _frames: FrameCounters = field(default_factory=FrameCounters)
    _bridges_down: set[str] = field(default_factory=set)
    _numbers: int = 0
    _writes: dict[int, float] = field(default_factory=dict)
    _attempts: int = 0

    async def take_wire(self, source: str, steps: Sequence[tuple[SessionStep, float]]) -> list[int]:
        """Return the tokens of all readings in `steps`, once everything in them is durable.

        Args:
            steps: what a session made of its input, oldest first, each with the boot-clock ms of that input.
        """
        events: list[Waiting] = []
        tokens: list[int] = []
        for step, boot_ms in steps:
            for sample in step.samples:
                self._uptimes.add(sample)
            for code, device in step.changes:
                events += self._change(source, code, device)
            events += self._wire_events(source, step, boot_ms)
            tokens += [wire.token for wire in step.readings if wire.token is not None]
        await self._store(events)
        return tokens

    async def take_messages(self, source: str, messages: Iterable[DeviceMessage]) -> None:
        """Make durable, in one write, what messages of MQTT devices said, oldest first."""
        events: list[Waiting] = []
        for message in messages:
            decoded = message.decoded
            events += self._missed_frames(message)
            if decoded.fault is not None or decoded.dropped is not None:
                self.counters[f"rejected.{decoded.fault or decoded.dropped}"] += 1
            for reading in decoded.readings:
                if reading.kind == "availability" and reading.scope == "port":
                    events += self._told_port(reading, message)
                elif reading.kind == "availability":
                    events += self._told_availability(source, reading, message)
                else:
                    events += self._message_events(source, reading, message)
        await self._store(events)

    async def lose_source(self, source: str, reason: str) -> None:
        """Say of every device behind `source` that it cannot be heard: unknown, never vacant."""
        lost = [
            event
            for device in self.devices.available_behind(source)
            for event in self._lose(source, device, reason)
        ]
        await self._store(lost)

    async def regain_source(self, source: str, reason: str) -> None:
        """Take back what `lose_source` said for the same reason."""
        found: list[SensorEvent] = []
        for device in self.devices.behind(source, lost_for=reason):
            found += self._find(source, device, heard=False)
        await self._store(found)

    async def lose_silent(self, deaf_sources: Collection[str], *, slept: bool) -> None:
        """Say of every device that missed its beats that it is silent.

        Args:
            deaf_sources: sources that cannot hear now.
            slept: this gateway itself could not listen for a while.
        """
        beat_s = self.clock.boot_ms() / 1000
        if slept or not self.is_storing:  # what came in the meantime still waits behind the disk
            self.devices.excuse_all(beat_s)
            return
        slack_s = HICCUP_S * self.clock.speed
        silent = self.devices.silent(beat_s, slack_s=slack_s, deaf_sources=deaf_sources)
        await self._store([e for device, source in silent for e in self._lose(source, device, "silent")])

    async def lose_device(self, source: str, device: str, reason: str) -> None:
        """Say of one device, heard before or not, that nothing of it can be known."""
        await self._store(self._lose(source, device, reason))

    def recall_device(self, source: str, device: str) -> None:
        """After `lose_device`: let the next level of each input through, which takes back the loss for that input."""
        if self.devices.found(device, source, time.monotonic()):
            self._filter.expect_again(device)

    async def report_fault(self, device: str, reason: str, value: int | str) -> None:
        """Tell of a fault of a device for a person to look at: one alarm."""
        log.error("device_fault", device=device, reason=reason, value=value)
        self.counters[f"fault.{reason}"] += 1
        await self._store([self._own_event(device, "fault", value, reason)])

    async def repeat_levels(self) -> None:
        """Send the last known levels again, with their old ids, and let the next report of each through."""
        levels = self._filter.known_levels()
        self._filter.expect_again()
        await self._store(levels)
        self.counters["levels_repeated"] += len(levels)

    async def clock_stepped(self, by: timedelta) -> None:
        """After the wall clock was set: send the known levels again with the times that they have now.

        The site sets aside what comes from its future, so it may have missed what was said by a wrong clock.
        """
        self._filter.clock_stepped(by, self.clock.now())
        await self.repeat_levels()

    # --- wired devices ---

    def _wire_events(self, source: str, step: SessionStep, boot_ms: float) -> Iterable[SensorEvent]:
        now, now_ms = self.clock.now(), self.clock.boot_ms()
        for wire in step.readings:
            yield from self._find(source, wire.device)
            self.devices.seen(wire.device, wire.device.partition("-")[0], now)
            stamp = self._uptimes.stamp(wire.device, wire.boot_id, wire.uptime_ms, boot_ms)
            event = event_of_wire(
                wire,
                stamp,
                origin=self.origin,
                measured_at=now - timedelta(milliseconds=now_ms - stamp.boot_ms),
                received_at=now - timedelta(milliseconds=max(0.0, now_ms - boot_ms)),
            )
            has_number = wire.seq is not None
            yield from self._if_news(event, is_state_report=not has_number, is_edge=has_number)

    def _change(self, source: str, code: str, device: str) -> Iterable[Waiting]:
        what, _, detail = code.partition(":")
        self.counters[f"change.{what}"] += 1
        if what == "device_up" or what in _LOSSES:
            self.devices.tells_itself(device, source)
        if what == "device_up":
            self._filter.expect_again(device)
            return self._find(source, device)
        if what in _LOSSES:
            return self._lose(source, device, _LOSSES[what])
        if what == "command_failed" and not self.commands.failed(detail):
            return []  # told before; it is tried again until it expires
        if what == "gap":
            count = int(detail) if detail.isdecimal() else 0
            self.counters["events_lost"] += count
            now = self.clock.now()
            since = self.devices.last_seen(device) or now
            record = gap_record(self.origin, "device_queue", count, since, now, device)
            return [self._own_event(device, "fault", count, "gap"), record]
        return [self._own_event(device, "fault", code, what)]

    # --- MQTT devices ---

    def _missed_frames(self, message: DeviceMessage) -> Iterable[GapRecord]:
        name, counter = message.decoded.device, message.decoded.seq
        if message.family not in COUNTED_FAMILIES or message.retained or name is None or counter is None:
            return
        device = device_id(message.family, name)
        missed = self._frames.missed(device, counter, message.received_at)
        if missed is not None:
            self.counters["frames_missed"] += missed[0]
            yield gap_record(self.origin, "radio", missed[0], missed[1], message.received_at, device)

    def _message_events(self, source: str, reading: Reading, message: DeviceMessage) -> Iterable[SensorEvent]:
        name = reading.device or message.decoded.device
        if name is None:
            self.counters["refused.no_device"] += 1
            return
        device = device_id(message.family, name)
        if not message.vouches:
            self.devices.found(device, source, time.monotonic())
        elif not message.retained and not reading.historical:
            yield from self._find(source, device)
        event = event_of_message(
            reading,
            message.decoded,
            origin=self.origin,
            device=device,
            payload=message.payload,
            retained=message.retained,
            received_at=message.received_at,
            rssi_dbm=message.rssi_dbm,
        )
        self._register(message, reading, device, event)
        yield from self._if_news(event)

    def _register(
        self, message: DeviceMessage, reading: Reading, device: str, event: SensorEvent | Refused
    ) -> None:
        """Keep for the registry who was heard, and what it says of itself."""
        if message.retained or reading.historical:
            return
        self.devices.seen(device, message.family, message.received_at)
        if isinstance(event, SensorEvent) and event.kind == "battery":
            self.devices.set_battery(device, float(event.value), message.received_at)
        elif reading.kind == "firmware" and isinstance(reading.value, str):
            self.devices.described(device, firmware=reading.value[:64])
        elif reading.kind == "model" and isinstance(reading.value, str):
            self.devices.described(device, model=reading.value[:64])

    def _told_availability(
        self, source: str, reading: Reading, message: DeviceMessage
    ) -> Iterable[SensorEvent]:
        is_there = reading.value is True
        if reading.scope == "bridge":
            if is_there:
                self._bridges_down.discard(source)
                names = self.devices.behind(source, lost_for="bridge_down")
                return [event for name in names for event in self._find(source, name, heard=False)]
            self._bridges_down.add(source)
            names = self.devices.available_behind(source)
            return [event for name in names for event in self._lose(source, name, "bridge_down")]
        name = reading.device or message.decoded.device
        if name is None or not isinstance(reading.value, bool):
            self.counters["refused.no_device"] += 1
            return []
        device = device_id(message.family, name)
        self.devices.tells_itself(device, source)
        if is_there and source in self._bridges_down:
            # A retained word from when the bridge still lived; after our own restart it comes in any order.
            return self._lose(source, device, "bridge_down")
        return self._find(source, device, heard=False) if is_there else self._lose(source, device, "silent")

    def _told_port(self, reading: Reading, message: DeviceMessage) -> Iterable[SensorEvent]:
        """One input of a device can be used or not, while the device itself is there."""
        device = device_id(message.family, reading.device or message.decoded.device or "")
        reason = reading.extra.get("reason")
        event = self._made(
            device,
            "availability",
            value=reading.value is True,
            reason=None if reason is None else str(reason),
            channel=None if reading.channel is None else str(reading.channel),
        )
        return self._if_news(event)

    # --- availability ---

    def _find(self, source: str, device: str, *, heard: bool = True) -> list[SensorEvent]:
        now_s, beat_s = time.monotonic(), self.clock.boot_ms() / 1000
        if not self.devices.found(device, source, now_s if heard else None, beat_s):
            return []
        return [self._own_event(device, "availability", value=True, reason=None)]

    def _lose(self, source: str, device: str, reason: str) -> list[SensorEvent]:
        if not self.devices.lost(device, source, reason):
            return []
        log.warning("device_lost", device=device, source=source, reason=reason)
        return [self._own_event(device, "availability", value=False, reason=reason)]

    def _own_event(
        self, device: str, kind: SensorKind, value: bool | int | str, reason: str | None
    ) -> SensorEvent:
        event = self._made(device, kind, value, reason)
        self._filter.remember(event)
        return event

    def _made(
        self,
        device: str,
        kind: SensorKind,
        value: bool | int | str,
        reason: str | None,
        channel: str | None = None,
    ) -> SensorEvent:
        now = self.clock.now()
        self._numbers += 1
        return SensorEvent(
            id=stable_id("own", self.origin.gateway, device, kind, now.isoformat(), self._numbers),
            site=self.origin.site,
            gateway=self.origin.gateway,
            device=device,
            kind=kind,
            value=value,
            channel=channel,
            measured_at=now,
            clock="gateway",
            uncertainty_ms=0,
            received_at=now,
            reason=reason,
        )

    # --- to disk ---

    def _if_news(
        self, event: SensorEvent | Refused, *, is_state_report: bool = False, is_edge: bool = False
    ) -> list[SensorEvent]:
        if isinstance(event, Refused):
            self.counters[f"refused.{event.reason}"] += 1
            return []
        reason = self._filter.why_not(event, is_state_report=is_state_report, is_edge=is_edge)
        if reason is not None:
            self.counters[f"held_back.{reason}"] += 1
            return []
        return [event]

    async def watch_disk(self, tick: Callable[[], None]) -> None:
        """Tick as long as the disk answers, be it with a refusal, and no write hangs in it."""
        while True:
            with suppress(StoreUnavailable):
                await self.outbox.stats()
            began_s = min(self._writes.values(), default=None)
            if began_s is None or time.monotonic() - began_s < HANGS_S:
                tick()
            await asyncio.sleep(WATCH_S)

    async def _store(self, events: Sequence[Waiting]) -> None:
        """Try until it is on disk: the devices keep what is not acknowledged."""
        backoff = Backoff(most_s=5.0)
        while events:
            try:
                await self._put(events)
            except StoreUnavailable as error:
                if self.is_storing:
                    log.error("outbox_refused", why=str(error))
                self.is_storing = False
                self.counters["store_failed"] += 1
                await asyncio.sleep(backoff.next_s())
            else:
                self.is_storing = True
                self.counters["events_stored"] += len(events)
                return

    async def _put(self, events: Sequence[Waiting]) -> None:
        self._attempts += 1
        attempt = self._attempts
        self._writes[attempt] = time.monotonic()
        try:
            await self.outbox.put(events)
        finally:
            del self._writes[attempt]
