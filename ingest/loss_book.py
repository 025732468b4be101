"""The ledger of lines beside the store: what came of each outbox, what each line was, and what never comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
import structlog

from ingest.gap_ledger import GapLedger, Spool
from ingest.quarantine import Rejected
from ingest.stores.loss_rows import LineMark, LineNote, LossRows
from workplace.events import GatewayHealth, SensorEvent
from workplace.loss_events import Canary, GapRecord, Line, Receipt
from workplace.loss_events import Spool as SpoolId
from workplace.ports import Clock

log = structlog.get_logger()

#: A record that is told twice counts once; remembering fewer would count again what comes late, more is only memory.
_REMEMBERED = 10_000


class _Waybill(msgspec.Struct):
    """What can be read of a message that is refused otherwise."""

    spool: SpoolId
    line: Line


_waybill_decoder = msgspec.json.Decoder(_Waybill)


class LossStore(Protocol):
    """Where the books are."""

    def spools(self) -> Iterable[Spool]: ...


class LossBook:
    """Moves inside a transaction; `load` after one that failed."""

    def __init__(self, site: str, clock: Clock) -> None:
        self._site = site
        self._clock = clock
        self._ledger = GapLedger(site)
        self._notes: list[LineNote] = []
        self._marks: list[LineMark] = []
        self._gaps: list[GapRecord] = []
        self._known: dict[str, None] = {}
        self._lost: Counter[str] = Counter()
        self._records: Counter[str] = Counter()

    def numbers(self) -> dict[str, Any]:
        """Return the fields of a report that are about losses; by cause since this process started."""
        return {
            "lines_missing": self._ledger.missing,
            "lost_events": dict(self._lost),
            "loss_records": dict(self._records),
        }

    @property
    def is_whole(self) -> bool:
        """Whether no line is missing before one that is here, in any outbox in use."""
        return self._ledger.is_whole

    def load(self, store: LossStore) -> None:
        """Begin with what was committed last."""
        self._ledger = GapLedger(self._site, store.spools())
        self._notes, self._marks, self._gaps = [], [], []

    def event(self, event: SensorEvent, *, is_known: bool) -> None:
        """Note an event that was taken in; one that is stored already was a duplicate of the device's."""
        if event.spool is not None and event.line is not None:
            what = "duplicate" if is_known else None
            self._arrived(event.gateway, event.spool, event.line, what)

    def gap(self, gap: GapRecord) -> None:
        """Note a record of something missing."""
        self._gaps.append(gap)
        self._count(gap)
        self._ledger.explained(gap, self._clock.now())
        if gap.spool is not None and gap.line is not None:
            self._arrived(gap.gateway, gap.spool, gap.line, "gap")

    def canary(self, canary: Canary) -> float:
        """Note a canary; return how long it took, s of real time."""
        took_s = (self._clock.now() - canary.at).total_seconds() / self._clock.speed
        if canary.spool is not None and canary.line is not None:
            self._arrived(canary.gateway, canary.spool, canary.line, "canary", took_s)
        return took_s

    def rejected(self, rejected: Rejected) -> None:
        """Note a message that was set aside, where it still says which line it was."""
        try:
            waybill = _waybill_decoder.decode(rejected.payload)
            gateway = rejected.topic.split("/")[-2]
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
            return
        self._arrived(gateway, waybill.spool, waybill.line, "quarantined")

    def heard(self, health: GatewayHealth, bin_ms: int) -> None:
        """Take what a gateway says of its outbox, in the five minutes that begin at `bin_ms`."""
        records = self._ledger.heard(health, self._clock.now())
        for record in records:
            log.error("lines_lost", gateway=record.gateway, cause=record.cause, count=record.count)
            self._count(record)
        self._gaps += records
        if health.spool is not None and health.last_line is not None:
            self._marks.append(LineMark(health.spool, bin_ms, health.last_line))

    def write(self, transaction: LossRows) -> None:
        """Write what changed since the last call."""
        transaction.put_gaps(self._gaps)
        transaction.put_line_notes(self._notes)
        transaction.put_line_marks(self._marks)
        transaction.put_spools(self._ledger.take_changes())
        self._notes, self._marks, self._gaps = [], [], []

    def receipts(self, *, everything: bool = False) -> list[Receipt]:
        """Return receipts for what was committed since the last call, or for all outboxes in use."""
        return self._ledger.receipts(everything=everything)

    def _count(self, gap: GapRecord) -> None:
        if gap.id in self._known:
            return
        self._known[gap.id] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._records[gap.cause] += 1
        self._lost[gap.cause] += gap.count

    def _arrived(
        self, gateway: str, spool: str, line: int, what: str | None, delay_s: float | None = None
    ) -> None:
        now = self._clock.now()
        if self._ledger.arrived(gateway, spool, line, now) and what is not None:
            self._notes.append(LineNote(spool, line, what, now, delay_s))
