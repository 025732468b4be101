"""One site's facts and decisions, written down: store and core change here only, one transaction each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from ingest.batch_reader import RawMessage
from ingest.inbox import SinkProgress
from ingest.loss_book import LossBook
from ingest.night_book import Bite, NightBook
from ingest.place_runtime import Changes, GatewayWatch, PlaceRuntime, is_sign_of_life
from ingest.quarantine import Rejected
from ingest.report import WorkerReport
from ingest.rollup_writer import RollupWriter
from ingest.rollups import BIN_MS, GRACE_MS, HOUR_MS
from ingest.stores.line_protocol import Line, LineEncoder
from ingest.stores.night_rows import NightOrder
from ingest.stores.schema import DESK_LEVEL_DAYS, HoldEnded, to_ms
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.transaction import Transaction
from ingest.subscriber import Fact, Subscriber, is_too_late
from ingest.transitions import Change, TransitionLog
from workplace.errors import StoreUnavailable
from workplace.events import GatewayHealth, GatewayStatus, Reply, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.loss_events import Canary, GapRecord
from workplace.ports import Clock

log = structlog.get_logger()

#: A wish about a place that waited longer than this is refused, s of real time: it was meant for another
#: moment.
LONGEST_WAIT_OF_REQUEST_S = 60.0
#: Lines that wait for the time-series server at most: two days of 2,000 places at 10 lines/s, about 300 MB.
MAX_OUTBOX_ROWS = 2_000_000
#: At least so many go at once when there are too many: each time looks past all rows that stay.
_SHRINK_ROWS = 5000
#: Rows deleted per table and look.
_PRUNE_ROWS = 5000
#: A gateway tells its health this often, s of real time (decision 6).
_HEALTH_S = 15.0
_GRACE = timedelta(milliseconds=GRACE_MS)


@dataclass(slots=True)
class Page:
    """What one transaction adds up to, before it is written."""

    changes: Changes
    events: list[SensorEvent] = field(default_factory=list)
    taken_at: list[datetime] = field(default_factory=list)
    said: list[tuple[datetime, GatewayStatus | Request]] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    ended: list[HoldEnded] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    told_hour: int | None = None
    dropped: int = 0


class SiteBook:
    """Owned by the worker thread. What raised `StoreUnavailable` wrote nothing and may be called again."""

    def __init__(
        self,
        *,
        store: SqliteStore,
        plan: FloorPlan,
        subscriber: Subscriber,
        runtime: PlaceRuntime,
        watch: GatewayWatch,
        clock: Clock,
        encoder: LineEncoder | None,
        nights: NightBook | None = None,
        desk_level_days: int = DESK_LEVEL_DAYS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runtime = runtime
        self.watch = watch
        self._store = store
        self._plan = plan
        self._subscriber = subscriber
        self._clock = clock
        self._encoder = encoder
        self._nights = nights
        self._desk_level_days = desk_level_days
        self._monotonic = monotonic
        self._rollups = RollupWriter(store, plan, encoder, desk_level_days)
        self._log = TransitionLog(())
        self.losses = LossBook(plan.site, clock)
        self._is_current = False
        self._told_hour: int | None = None
        self._report = WorkerReport()

    # Life

    def open(self) -> None:
        """Open the store and begin where it ends."""
        alarm = self._store.open(self._clock.now())
        if alarm is not None:
            log.error("store_was_damaged", what=alarm)
        counters = self._store.counters()
        self._report = WorkerReport(
            state="catching_up",
            events_total=counters.get("events", 0),
            duplicates_total=counters.get("duplicates", 0),
            late_total=counters.get("late", 0),
            quarantined=self._store.quarantined(),
            outbox_rows=self._store.outbox_rows(),
            outbox_dropped_total=counters.get("outbox_dropped", 0),
            store_bytes=self._store.size_bytes(),
            alarm=alarm or self._report.alarm,
        )
        self._is_current = False
        with self._page() as (transaction, _):  # the first states become the first rows
            transaction.forget_strangers(self._plan.devices)
        if self._nights is not None:
            self._nights.look()

    def close(self) -> None:
        self._store.close()

    def report(self, state: str) -> WorkerReport:
        """Return the numbers as of now."""
        engine = self.runtime.engine
        zones = [engine.zone_state(zone) for zone in self._plan.zone] if engine.now else []
        causes = max((zone.pause_causes for zone in zones), key=len, default=())
        return replace(
            self._report,
            state=state,
            engine_now=engine.now,
            gateways_offline=len(self.watch.offline),
            paused=any(zone.paused for zone in zones),
            pause_causes=causes,
            decision_digest=engine.digest,
            **self.losses.numbers(),
            last_night="" if self._nights is None else self._nights.last_done,
            beat_at=self._monotonic(),
        )

    # Steps

    def read(self, messages: Iterable[RawMessage]) -> list[Fact | Rejected]:
        """Return what the messages say, or why each says nothing."""
        now = self._clock.now()
        return [
            self._subscriber.read(topic, payload, retained=retained, now=now)
            for topic, payload, _, retained, _ in messages
        ]

    def take_in(self, facts: Sequence[Fact | Rejected], *, is_live: bool) -> Changes:
        """Store facts, let the core have those that are new, and store what it makes of them."""
        with self._page() as (transaction, page):
            ids = [fact.id for fact in facts if isinstance(fact, SensorEvent)]
            known = transaction.known("event", ids)
            asked = transaction.known("request", [fact.id for fact in facts if isinstance(fact, Request)])
            for fact in facts:
                match fact:
                    case Rejected():
                        page.rejected.append(fact)
                        self.losses.rejected(fact)
                    case SensorEvent():
                        self._take_event(fact, known, page)
                    case GapRecord():
                        self.losses.gap(fact)
                    case Canary():
                        self._take_canary(fact, page)
                    case Request():
                        self._take_request(transaction, fact, asked, page)
                    case GatewayStatus():
                        self._gateway_said(transaction, fact, page)
                    case GatewayHealth():
                        share_pct = 100 * _HEALTH_S * self._clock.speed * 1000 / BIN_MS
                        transaction.note_health(fact, self._bin_ms(), share_pct)
                        self.losses.heard(fact, self._bin_ms())
                if is_live and is_sign_of_life(fact) and isinstance(fact, SensorEvent | GatewayHealth):
                    self._gateway_lives(transaction, fact, page)
        return page.changes

    def advance(self) -> Changes:
        """Let the core follow the clock."""
        with self._page() as (_, page):
            self.runtime.advance(page.changes)
        return page.changes

    def tick(self, *, watch: bool) -> Changes:
        """Let the core follow the clock; with `watch`, look for gateways that have gone silent."""
        with self._page() as (transaction, page):
            self.runtime.advance(page.changes)
            for gateway in self.watch.newly_silent(self._monotonic()) if watch else ():
                log.warning("gateway_silent", gateway=gateway)
                offline = self.runtime.gateway_is(gateway, "offline", page.changes)
                self._note_gateway(transaction, offline, page)
        self._report = replace(self._report, store_bytes=self._store.size_bytes())
        if self._nights is not None and not self._nights.has_looked:
            self._nights.look()
        return page.changes

    def sink_progress(self, progress: SinkProgress) -> None:
        """Forget what the time-series server has."""
        with self._page() as (transaction, _):
            gone = transaction.sink_has(progress.upto_seq, progress.dead)
            transaction.count("sink_dropped", progress.dropped + len(progress.dead))
        self._report = replace(self._report, outbox_rows=max(self._report.outbox_rows - gone, 0))

    def prune(self) -> None:
        """Delete a bite of what has lived long enough."""
        with self._page() as (transaction, _):
            how = {"at_most": _PRUNE_ROWS, "desk_level_days": self._desk_level_days}
            transaction.prune(self.runtime.now, **how)
            transaction.count("sink_dropped", unsent := transaction.forget_lines(self.runtime.now, **how))
            if self._nights is not None:
                self._nights.forget(transaction)
        self._report = replace(self._report, outbox_rows=max(self._report.outbox_rows - unsent, 0))

    # Nights

    @property
    def is_night_due(self) -> bool:
        return self._nights is not None and self._nights.is_due(self.runtime.now)

    def open_night(self) -> NightOrder | None:
        """Begin the night that is due; None when there was nothing to look at."""
        if self._nights is None:
            return None
        with self._store.transaction() as transaction:
            return self._nights.open(transaction, self.runtime.now)

    def night_bites(self, order: NightOrder, file: Path) -> Iterator[Bite]:
        """Yield what a lived night writes, each for `write_night`."""
        return iter(()) if self._nights is None else self._nights.bites(order, file)

    def write_night(self, bite: Bite) -> Changes:
        """Write a part of a night. With the last it is done and the core knows what it taught: both, or neither."""
        if self._nights is None:
            return Changes()
        if bite.result is None:
            with self._store.transaction() as transaction:
                self._nights.write(transaction, bite)
            return Changes()
        with self._page() as (transaction, page):
            message = self._nights.close(transaction, bite.result, self.runtime.now)
            self.runtime.learn(message, page.changes)
        log.info("night_done", day=str(message.day), decides_from=str(message.from_at))
        self._look_for_nights()
        return page.changes

    def give_up_night(self, order: NightOrder) -> Changes:
        """Leave a night that failed too often, so that the next ones are lived."""
        if self._nights is not None:
            with self._store.transaction() as transaction:
                self._nights.give_up(transaction, order, self.runtime.now)
            self._look_for_nights()
        return Changes()

    def _look_for_nights(self) -> None:
        with suppress(StoreUnavailable):  # what was written is written; the next look will tell
            if self._nights is not None:
                self._nights.look()

    # Facts

    def _take_event(self, event: SensorEvent, known: set[str], page: Page) -> None:
        is_known = event.id in known
        self.losses.event(event, is_known=is_known)
        if is_known:
            page.duplicates += 1
            return
        known.add(event.id)
        page.events.append(event)
        page.late += self._is_late(event)
        self.runtime.apply(event, page.changes)
        page.taken_at.append(self.runtime.now)

    def _take_canary(self, canary: Canary, page: Page) -> None:
        took_s = self.losses.canary(canary)
        line = None if self._encoder is None else self._encoder.canary(canary, took_s)
        if line is not None:
            page.lines.append(line)

    def _take_request(self, transaction: Transaction, request: Request, asked: set[str], page: Page) -> None:
        page.changes.reply_to[request.id] = request.reply_to
        if request.id in asked:
            answer = transaction.answer_to(request.id)
            if answer is not None:
                page.changes.replies.append(
                    Reply(request_id=request.id, accepted=answer[0], reason=answer[1], at=self._clock.now())
                )
            return
        asked.add(request.id)
        longest = timedelta(seconds=LONGEST_WAIT_OF_REQUEST_S * self._clock.speed)
        if is_too_late(request, self._clock.now(), longest):
            reply = Reply(request_id=request.id, accepted=False, reason="too_late", at=self._clock.now())
            page.changes.replies.append(reply)
        else:
            self.runtime.apply(request, page.changes)
            page.said.append((self.runtime.now, request))
        answers = [reply for reply in page.changes.replies if reply.request_id == request.id]
        transaction.add_request(request, answers[-1] if answers else None)

    def _gateway_said(self, transaction: Transaction, status: GatewayStatus, page: Page) -> None:
        if self.watch.said(status, self._monotonic()):
            self.runtime.apply(status, page.changes)
            self._note_gateway(transaction, status, page)

    def _gateway_lives(self, transaction: Transaction, fact: SensorEvent | GatewayHealth, page: Page) -> None:
        if self.watch.heard(fact, self._monotonic(), self.runtime.lag_s([fact])):
            log.info("gateway_is_back", gateway=fact.gateway)
            online = self.runtime.gateway_is(fact.gateway, "online", page.changes)
            self._note_gateway(transaction, online, page)

    def _note_gateway(self, transaction: Transaction, status: GatewayStatus, page: Page) -> None:
        page.said.append((self.runtime.now, status))
        transaction.add_gateway_status(status, status.at or self.runtime.now)
        if status.status == "online":
            page.changes.commands.extend(self.runtime.engine.lights(self._devices_of(status.gateway)))

    def _devices_of(self, gateway: str) -> set[str]:
        return {device for device, its_gateway in self._plan.devices.items() if its_gateway == gateway}

    # Writing

    @contextmanager
    def _page(self) -> Iterator[tuple[Transaction, Page]]:
        """One transaction in which the core may move; afterwards both are a step further, or neither."""
        page = Page(Changes())
        started = time.perf_counter()
        try:
            self._make_current(page.changes)
            with self._store.transaction() as transaction:
                yield transaction, page
                self._write(transaction, page)
        except BaseException:
            self._is_current = False
            raise
        self._note(page, (time.perf_counter() - started) * 1000)

    def _make_current(self, changes: Changes) -> None:
        """Rebuild the core from what was committed last, if the last step failed."""
        if self._is_current:
            return
        stored_now = self._store.meta("engine_now")
        self.runtime.boot(
            self._store.engine_records(),
            None if stored_now is None else datetime.fromisoformat(stored_now),
            changes,
        )
        self.losses.load(self._store)
        last = (self._store.last_transition(place, 1 << 62) for place in self._plan.place)
        self._log = TransitionLog(row for row in last if row is not None)
        self._is_current = True

    def _write(self, transaction: Transaction, page: Page) -> None:
        changes = page.changes
        rows = self._log.follow(changes.place_states)
        transaction.add_events(page.events, page.taken_at)
        self.losses.write(transaction)
        transaction.add_said(page.said)
        self._write_transitions(transaction, page, rows)
        transaction.add_decisions(changes.decisions)
        transaction.put_engine_records(self.runtime.engine.take_changes())
        transaction.set_meta("engine_now", self.runtime.now.isoformat())
        transaction.quarantine(page.rejected, self._clock.now())
        transaction.add_strangers(item.stranger for item in page.rejected if item.stranger is not None)
        late = [change.row.at for change in rows if self._rollups.is_late(change.row.at)]
        # Holds that ended too long ago; the others are told when they cannot go on any more.
        page.lines += self._rollups.hold_lines(hold for hold in page.ended if self._rollups.is_told(hold))
        if late or self._rollups.is_due(self.runtime.now):
            page.lines += self._rollups.run(transaction, self.runtime.now, min(late, default=None))
        self._write_lines(transaction, page, rows)
        transaction.count("events", len(page.events))
        transaction.count("duplicates", page.duplicates)
        transaction.count("late", page.late)
        for gateway, (number, late_number) in self._by_gateway(page.events).items():
            transaction.note_events(gateway, self._bin_ms(), number, late_number)

    def _by_gateway(self, events: Iterable[SensorEvent]) -> dict[str, tuple[int, int]]:
        """Return gateway -> how many events came, and how many of them late."""
        found: dict[str, tuple[int, int]] = {}
        for event in events:
            number, late = found.get(event.gateway, (0, 0))
            found[event.gateway] = number + 1, late + self._is_late(event)
        return found

    def _is_late(self, event: SensorEvent) -> bool:
        return event.measured_at < self.runtime.now - _GRACE

    def _bin_ms(self) -> int:
        return to_ms(self.runtime.now) // BIN_MS * BIN_MS

    @staticmethod
    def _write_transitions(transaction: Transaction, page: Page, changes: Sequence[Change]) -> None:
        transaction.add_transitions(change.row for change in changes)
        for change in changes:
            row = change.row
            if change.ended_hold is not None and change.before is not None:
                ended = transaction.end_hold(change.ended_hold, row.at, change.before.phase)
                if ended is not None:
                    page.ended.append(ended)
            if change.hold_since is not None and row.hold_id is not None:
                transaction.begin_hold(row.hold_id, row.place, row.zone, change.hold_since)

    def _write_lines(self, transaction: Transaction, page: Page, rows: Sequence[Change]) -> None:
        encoder = self._encoder
        if encoder is None:
            return
        made: list[Line | None] = [encoder.desk_state(change.row, change.before) for change in rows]
        hour = to_ms(self.runtime.now) // HOUR_MS
        if hour != self._told_hour:
            page.told_hour = hour
            made += [encoder.state_again(row, self.runtime.now) for row in self._log.latest]
        made += [encoder.decision(decision) for decision in page.changes.decisions]
        for event in page.events:
            for place, _ in self._plan.wired.get((event.device, event.channel, event.kind), ()):
                made.append(encoder.sensor_event(event, place.zone, place.id))
        page.lines += [line for line in made if line is not None]
        transaction.add_lines(page.lines)
        too_many = self._report.outbox_rows + len(page.lines) - MAX_OUTBOX_ROWS
        if too_many > 0:
            page.dropped = transaction.shrink_outbox(max(too_many, _SHRINK_ROWS))
            transaction.count("outbox_dropped", page.dropped)

    def _note(self, page: Page, took_ms: float) -> None:
        """Bring the numbers up to date; the transaction is durable now."""
        before = self._report
        quarantined = self._store.quarantined() if page.rejected else before.quarantined
        newest = max((event.received_at for event in page.events), default=None)
        if page.told_hour is not None:
            self._told_hour = page.told_hour
        self._report = replace(
            before,
            events_total=before.events_total + len(page.events),
            duplicates_total=before.duplicates_total + page.duplicates,
            late_total=before.late_total + page.late,
            quarantined=quarantined,
            last_event_at=before.last_event_at if newest is None else newest,
            last_event_stored_at=before.last_event_stored_at if newest is None else self._monotonic(),
            commits_total=before.commits_total + 1,
            commit_ms=round(took_ms, 2),
            outbox_rows=before.outbox_rows + len(page.lines) - page.dropped,
            outbox_dropped_total=before.outbox_dropped_total + page.dropped,
        )
