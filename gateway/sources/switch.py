"""One access switch: what its traps and syslog lines say at once, and what a poll says to be sure.

The poll is the truth: UDP loses messages, switches forget to send, and after a restart numbers mean other ports. Polls,
retries and silence run in real time; debounce and settling in site time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

import structlog

from gateway.intake import DeviceMessage, Intake
from gateway.link_book import Change, LinkBook, LinkIs, LinkNews, MassEvent, PortCloses, PortOpens, Settled
from gateway.sources.source import Source
from gateway.switch_ports import PortTable, Resolved, SwitchSilent, Walk
from workplace.device_ids import device_id
from workplace.events import SourceHealth
from workplace.ports import Clock
from workplace.readings import Decoded, Reading

log = structlog.get_logger(__name__)

FAMILY: Final = "switch"
#: Polls without an answer before the ports are unknown. Lower: one busy minute of a switch blanks a zone; higher: a
#: switch without power shows docked laptops for longer.
MISSED_POLLS: Final = 3
#: After a poll without answer the next comes this soon, s, and no poll comes sooner after another.
RETRY_S, SHORTEST_PAUSE_S = 10.0, 2.0
#: Messages between the receivers and the disk. What finds no room is lost, and asks for a poll.
MOST_WAITING: Final = 4_096
#: Messages in one write to disk.
MOST_AT_ONCE: Final = 500
#: Messages of ports whose number nobody knows, kept until the next walk; the oldest go first.
MOST_HELD: Final = 512


class Walker(Protocol):
    """Reads the table of ports of one switch."""

    async def walk(self, now: datetime) -> Walk:
        """Raise `SwitchSilent` when it does not answer."""


@dataclass(frozen=True, slots=True)
class _Notice:
    reading: Reading
    at: datetime
    via: str


class SwitchSource(Source):
    """One switch.

    Args:
        name: as in the settings; the device is `switch-<name>`, and the ports are its channels.
        walker: None for a switch that may not be asked; then the names in its messages must do.
        only, uplinks: see `PortTable`.
    """

    def __init__(
        self,
        name: str,
        *,
        walker: Walker | None,
        interval_s: float,
        intake: Intake,
        clock: Clock,
        only: Iterable[str] = (),
        uplinks: Iterable[str] = (),
    ) -> None:
        self.name = f"switch:{name}"
        self.device = device_id(FAMILY, name)
        self.counters = Counter()
        self._switch = name
        self._walker = walker
        self._interval_s = interval_s
        self._intake = intake
        self._clock = clock
        has_poll = walker is not None
        self._table = PortTable(frozenset(only), frozenset(uplinks), has_walks=has_poll)
        self._book = LinkBook(has_poll=has_poll)
        self._inbox: asyncio.Queue[_Notice | Walk | SwitchSilent] = asyncio.Queue(MOST_WAITING)
        self._held: deque[_Notice] = deque()
        self._wants_poll = asyncio.Event()
        self._missed = 0
        self._is_down = False
        self._detail = "not polled yet" if has_poll else ""
        self._heard_s: float | None = None
        self._poll_for: datetime | None = None

    def hear(self, decoded: Decoded, at: datetime, via: str) -> None:
        """Take what a receiver decoded; `at` is when it came in, site time."""
        self._heard_s = time.monotonic()
        self.counters[via] += 1
        if decoded.dropped == "switch_restarted":
            self.counters["restarts"] += 1
            self._table.restarted()
            self._book.restarted()
            self._wants_poll.set()
        elif decoded.fault is not None or decoded.dropped is not None:
            self.counters[f"ignored.{decoded.fault or decoded.dropped}"] += 1
        for reading in decoded.readings:
            if reading.kind == "link" and isinstance(reading.value, bool):
                self._offer(_Notice(reading, at, via))

    async def run(self) -> None:
        """Serve the switch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._walker is not None:
                tasks.create_task(self._poll(self._walker), name=f"{self.name} polls")
            while True:
                await self._work()

    def refresh(self) -> None:
        """Ask what holds now."""
        self._wants_poll.set()

    def health(self) -> SourceHealth:
        age_s = None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1)
        status: Literal["ok", "degraded", "down"] = "ok"
        detail = self._detail
        if self._is_down:
            status = "down"
        elif self._book.is_suspended:
            status, detail = "degraded", "many links dropped at once; waiting for it to settle"
        elif detail:
            status = "degraded"
        return SourceHealth(name=self.name, status=status, detail=detail, last_data_age_s=age_s)

    def all_counters(self) -> dict[str, int]:
        """Return what was counted of this switch, each with its name."""
        every = self.counters + Counter(self._book.counters)
        return {f"{self.name}.{what}": count for what, count in every.items()}

    def _offer(self, notice: _Notice) -> None:
        try:
            self._inbox.put_nowait(notice)
        except asyncio.QueueFull:
            self.counters["messages_dropped"] += 1
            self._wants_poll.set()

    # --- polls ---

    async def _poll(self, walker: Walker) -> None:
        while True:
            self._wants_poll.clear()
            self.counters["polls"] += 1
            try:
                said: Walk | SwitchSilent = await walker.walk(self._clock.now())
            except SwitchSilent as error:
                said = error
            await self._inbox.put(said)
            is_answer = isinstance(said, Walk)
            pause_s = self._interval_s if is_answer else min(self._interval_s, RETRY_S)
            shortest_s = min(pause_s, SHORTEST_PAUSE_S)
            await asyncio.sleep(shortest_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s - shortest_s):
                    await self._wants_poll.wait()

    # --- the one task that decides and stores ---

    async def _work(self) -> None:
        """Take what came, or what fell due, and bring what follows to disk in one go."""
        items: list[_Notice | Walk | SwitchSilent] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds_to_wake()):
                items.append(await self._inbox.get())
        while len(items) < MOST_AT_ONCE and not self._inbox.empty():
            items.append(self._inbox.get_nowait())
        changes: list[Change] = []
        for item in items:
            match item:
                case _Notice():
                    changes += self._take_notice(item)
                case Walk():
                    changes += self._take_walk(item)
                case SwitchSilent():
                    await self._store(changes)
                    changes = []
                    await self._take_silence(item)
        changes += self._book.due(self._clock.now())
        await self._store(changes)
        self._ask_when_settled()

    def _seconds_to_wake(self) -> float | None:
        wakes = [at for at in (self._book.wake_at, self._settle_poll_at()) if at is not None]
        if not wakes:
            return None
        return max(self._clock.real_seconds((min(wakes) - self._clock.now()).total_seconds()), 0.001)

    def _settle_poll_at(self) -> datetime | None:
        """When a poll must be asked for that ends a mass event; None when none is needed or it was asked for."""
        at = self._book.settles_at
        return None if self._walker is None or at == self._poll_for else at

    def _ask_when_settled(self) -> None:
        at = self._settle_poll_at()
        if at is not None and self._clock.now() >= at:
            self._poll_for = at
            self._wants_poll.set()

    def _take_notice(self, notice: _Notice) -> list[Change]:
        found = self._resolve(notice)
        if self._table.wants_walk and self._walker is not None:
            self._wants_poll.set()
        if not found.is_ours:
            self.counters["other_port"] += 1
        elif found.name is not None:
            return self._book.tell(_news(notice, found.name))
        elif self._walker is None:
            self.counters["unknown_port"] += 1
        else:
            self._held.append(notice)
            if len(self._held) > MOST_HELD:
                self._held.popleft()
                self.counters["unknown_port"] += 1
        return []

    def _resolve(self, notice: _Notice) -> Resolved:
        extra, channel = notice.reading.extra, notice.reading.channel
        return self._table.resolve(
            _number(extra.get("if_index")),
            None if channel is None else str(channel),
            uptime=_number(extra.get("uptime")),
            at=notice.at,
        )

    def _take_walk(self, walk: Walk) -> list[Change]:
        self._missed, self._detail, self._heard_s = 0, "", time.monotonic()
        states = self._table.rebuild(walk)
        changes: list[Change] = []
        for notice in self._held:  # before the poll, which is newer where both speak
            name = self._resolve(notice).name
            if name is None:
                self.counters["unknown_port"] += 1
            else:
                changes += self._book.tell(_news(notice, name))
        self._held.clear()
        changes += self._book.polled(states, walk.started_at, self._clock.now())
        if not self._book.is_suspended:
            self._is_down = False
            self._intake.recall_device(self.name, self.device)
        return changes

    async def _take_silence(self, error: SwitchSilent) -> None:
        self._missed += 1
        self.counters["polls_without_answer"] += 1
        self._detail = error.why
        if self._missed >= MISSED_POLLS:
            if not self._is_down:
                log.warning("switch_down", switch=self._switch, why=error.why)
            self._is_down = True
            await self._intake.lose_device(self.name, self.device, "switch_down")

    # --- to the intake ---

    async def _store(self, changes: Sequence[Change]) -> None:
        readings: list[Reading] = []
        for change in changes:
            match change:
                case LinkIs(port, is_up, at):
                    readings.append(Reading("link", is_up, channel=port, measured_at=at))
                case PortCloses(port, _, reason):
                    readings.append(_port(port, usable=False, reason=reason))
                case PortOpens(port):
                    readings.append(_port(port, usable=True))
                case MassEvent(_, dropped, of):
                    await self._send(readings)
                    readings = []
                    log.error("mass_event", switch=self._switch, dropped=dropped, of=of)
                    await self._intake.report_fault(self.device, "mass_event", dropped)
                    await self._intake.lose_device(self.name, self.device, "mass_event")
                case Settled():
                    self._intake.recall_device(self.name, self.device)
                    log.info("switch_settled", switch=self._switch)
        await self._send(readings)

    async def _send(self, readings: Sequence[Reading]) -> None:
        if not readings:
            return
        if self._is_down:  # what it says in between is no whole truth; the next answer is
            self.counters["not_told_while_down"] += len(readings)
            return
        message = DeviceMessage(
            decoded=Decoded(tuple(readings), device=self._switch),
            payload=b"",
            retained=False,
            received_at=self._clock.now(),
            family=FAMILY,
            vouches=False,
        )
        await self._intake.take_messages(self.name, [message])


def _news(notice: _Notice, port: str) -> LinkNews:
    extra = notice.reading.extra
    closed = extra.get("admin_down")
    return LinkNews(
        port,
        notice.reading.value is True,
        notice.at,
        notice.via,
        _number(extra.get("uptime")),
        closed if isinstance(closed, bool) else None,
    )


def _port(port: str, *, usable: bool, reason: str | None = None) -> Reading:
    extra = {} if reason is None else {"reason": reason}
    return Reading("availability", usable, channel=port, scope="port", extra=dict(extra))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
