"""The one thread that owns the store and the core: reads the inbox, decides, commits, acknowledges, tells.

The core never runs ahead of the store: it moves inside the transaction, and when that fails it is rebuilt
from what was committed last. Only what was committed is acknowledged or told.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from ingest.batch_reader import RawMessage
from ingest.inbox import Batch, Inbox, NightLived, Note, Republish, SinkProgress, Subscribed
from ingest.night_shift import NightShift, OrderNight
from ingest.outbound import OutboundMaker
from ingest.place_runtime import FRESH_S, CatchUp, Changes
from ingest.publisher import Outbound
from ingest.quarantine import Rejected
from ingest.report import WorkerReport
from ingest.site_book import SiteBook
from ingest.subscriber import Fact
from workplace.errors import FencedOff, StoreUnavailable
from workplace.events import GatewayStatus

log = structlog.get_logger()
T = TypeVar("T")

#: Messages per transaction. Lower: more flushes under load. Higher: later acknowledgements.
MAX_BATCH = 1000
#: Repeat of zone states, rollups, health numbers: s of real time.
TICK_S = 5.0
#: Shortest pause between two wake-ups of the core, s of real time: at 600 times speed they come in swarms.
SHORTEST_WAKE_S = 0.02
#: Old rows are looked for this often, s of real time.
PRUNE_S = 60.0
#: Receipts go out this often at most, s of real time. Lower: more messages and commits of gateways. Higher: a gateway
#: that restarts sends more twice.
RECEIPT_S = 1.0
#: While catching up, look this often whether it is over, s.
_CATCH_UP_LOOK_S = 0.1
#: Pause after the store said no, s: first and longest, before jitter.
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 15.0


class IngestWorker:
    """`run` from start to stop in one thread; `report` may be read from any."""

    def __init__(
        self,
        inbox: Inbox,
        book: SiteBook,
        outbound: OutboundMaker,
        *,
        ack: Callable[[Sequence[int], int], bool],
        tell: Callable[[Outbound], None],
        on_live: Callable[[], None],
        on_greeting: Callable[[], None] = lambda: None,
        order_night: OrderNight = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._book = book
        self._outbound = outbound
        self._ack = ack
        self._tell = tell
        self._on_live = on_live
        self._on_greeting = on_greeting
        self._monotonic = monotonic
        self._catch_up = CatchUp()
        self._next_tick = 0.0
        self._next_prune = 0.0
        self._next_receipt = 0.0
        self._owes_receipts = False
        self._woke_at = 0.0
        self._nights = NightShift(book, order_night, self._until_stored)
        self.report = WorkerReport()

    def run(self) -> None:
        """Work until the inbox is closed; what was not committed by then stays at the broker."""
        try:
            self._until_stored(self._book.open)
            while not self._inbox.is_closed:
                self._step()
        finally:
            self._book.close()

    def _step(self) -> None:
        batches, notes = self._inbox.take(self._patience_s(), MAX_BATCH)
        for note in notes:
            self._handle(note)
        if batches:
            self._take_in(batches)
        now = self._monotonic()
        if self._inbox.is_empty and not self._catch_up.is_live and self._has_caught_up(now):
            self._go_live(now)
        if self._catch_up.is_live and self._inbox.is_empty:
            self._wake(now)
        if self._catch_up.is_live:
            self._announce(self._nights.step(now))
        if self._owes_receipts and now >= self._next_receipt:
            self._give_receipts(now)
        if now >= self._next_tick:
            self._next_tick = now + TICK_S
            self._tick(now)

    def _has_caught_up(self, now: float) -> bool:
        return self._catch_up.ended(now, is_whole=self._book.losses.is_whole)

    def _patience_s(self) -> float:
        """Return how long to wait for messages before something else is due, s of real time."""
        now = self._monotonic()
        due = max(self._next_tick - now, 0.0)
        if self._owes_receipts:
            due = min(due, max(self._next_receipt - now, 0.0))
        if not self._catch_up.is_live:
            return min(due, _CATCH_UP_LOOK_S)
        if self._nights.is_writing:
            return 0.0
        wake_in = self._book.runtime.wake_in_s()
        if wake_in is None:
            return due
        return min(due, max(wake_in, self._woke_at + SHORTEST_WAKE_S - now, 0.0))

    # What arrives

    def _take_in(self, batches: list[Batch]) -> None:
        facts = self._book.read([message for batch in batches for message in batch.messages])
        if self._book.runtime.lag_s(facts) >= FRESH_S:
            self._catch_up.busy(self._monotonic())
        is_live = self._catch_up.is_live
        try:
            changes = self._until_stored(lambda: self._book.take_in(facts, is_live=is_live))
        except FencedOff:
            raise
        except Exception:
            # One fact that the core cannot digest must not stop the others: find it and set it aside.
            log.exception("batch_failed", messages=len(facts))
            changes = self._one_by_one(batches, facts, is_live=is_live)
        if changes is None:
            return
        for batch in batches:
            self._ack([message[2] for message in batch.messages], batch.generation)
        self._announce(changes)
        self._owes_receipts = True
        if any(isinstance(fact, GatewayStatus) and fact.status == "online" for fact in facts):
            self._on_greeting()

    def _one_by_one(
        self, batches: list[Batch], facts: Sequence[Fact | Rejected], *, is_live: bool
    ) -> Changes | None:
        total = Changes()
        messages = [message for batch in batches for message in batch.messages]
        for message, fact in zip(messages, facts, strict=True):
            changes = self._digest(message, fact, is_live=is_live)
            if changes is None:
                return None
            total.merge(changes)
        return total

    def _digest(self, message: RawMessage, fact: Fact | Rejected, *, is_live: bool) -> Changes | None:
        try:
            return self._until_stored(lambda: self._book.take_in([fact], is_live=is_live))
        except Exception as error:
            log.exception("fact_set_aside", topic=message[0])
            refused = Rejected("engine_error", repr(error), message[0], message[1])
            return self._until_stored(lambda: self._book.take_in([refused], is_live=is_live))

    def _handle(self, note: Note) -> None:
        match note:
            case Subscribed(is_subscribed=True):
                self._catch_up.subscribed(self._monotonic())
            case Subscribed():
                pass  # the watch over the gateways notices in its own time
            case Republish():
                self._say_everything()
            case NightLived():
                self._nights.lived(note, self._monotonic())
            case SinkProgress():
                self._until_stored(lambda: self._book.sink_progress(note))

    # What falls due

    def _go_live(self, now: float) -> None:
        log.info("ingest_is_live", engine_now=str(self._book.runtime.now))
        self._book.watch.begin(now)
        self._until_stored(self._book.advance)
        self._say_everything()
        self._refresh_report()
        self._on_live()

    def _wake(self, now: float) -> None:
        wake_in = self._book.runtime.wake_in_s()
        if wake_in is not None and wake_in <= 0 and now >= self._woke_at + SHORTEST_WAKE_S:
            self._woke_at = now
            self._announce(self._until_stored(self._book.advance))

    def _tick(self, now: float) -> None:
        if self._catch_up.is_live:
            self._announce(self._until_stored(lambda: self._book.tick(watch=self._inbox.is_empty)))
            self._tell(self._outbound.repeat(self._book.runtime))
        self._give_receipts(now, everything=True)
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_S
            self._until_stored(self._book.prune)
        self._refresh_report()

    # What goes out

    def _announce(self, changes: Changes | None) -> None:
        """Tell what was committed. Before the backlog is drained, states and lights would only mislead."""
        if changes is not None:
            self._tell(self._outbound.of(changes, is_live=self._catch_up.is_live))

    def _give_receipts(self, now: float, *, everything: bool = False) -> None:
        """Tell gateways what they may let go of; everything again now and then, for whoever missed it."""
        self._owes_receipts, self._next_receipt = False, now + RECEIPT_S
        self._tell(self._outbound.receipts(self._book.losses.receipts(everything=everything)))

    def _say_everything(self) -> None:
        if self._catch_up.is_live:
            self._tell(self._outbound.everything(self._book.runtime))

    def _refresh_report(self) -> None:
        self.report = self._book.report("live" if self._catch_up.is_live else "catching_up")

    def _until_stored(self, work: Callable[[], T]) -> T | None:
        """Do `work` until the store takes it; None when we are asked to stop first, with nothing done."""
        failures = 0
        while True:
            try:
                result = work()
            except StoreUnavailable as error:
                failures += 1
                if failures == 1:
                    log.error("store_unavailable", why=str(error))
                self.report = replace(
                    self.report, state="store_unavailable", alarm=str(error), beat_at=self._monotonic()
                )
                if self._inbox.wait_closed(_retry_pause_s(failures)):
                    return None
            else:
                if failures:
                    log.info("store_came_back", after_failures=failures)
                    self.report = replace(self.report, alarm="")
                return result


def _retry_pause_s(failures: int) -> float:
    longest = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(failures, 10))
    return random.uniform(longest / 2, longest)
