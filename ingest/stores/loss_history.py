"""What became of every line that gateways gave out in a period. Reads beside the writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.gap_ledger import Spool
from ingest.stores.loss_rows import read_spools
from ingest.stores.schema import EVENTS_DELETED_BEFORE, from_ms, to_ms
from workplace.codec import decode
from workplace.errors import StoreUnavailable
from workplace.line_ranges import LineRanges, Span, count_of
from workplace.loss_events import GapRecord
from workplace.ports import ConnectSqlite


@dataclass(slots=True)
class SpoolAccount:
    """The lines of one outbox file in a period, each in one of these.

    Attributes:
        first, last: the lines that were given out in the period.
        stored: events that lie in the store, counted there row by row.
        doubled: rows of events beyond one for each line; 0 unless a gateway was put back to an old copy of its card.
        noted: what the others were: `duplicate` (an event that was stored before, told again by its device),
            `quarantined`, `gap` (a record for the ledger), `canary`.
        in_ledger: lines that never come, by cause.
        waiting: in the gateway, as far as it has told.
        deleted: events that were taken in and have lived their time.
        missing: no trace of them.
    """

    gateway: str
    spool: str
    first: int
    last: int
    stored: int = 0
    doubled: int = 0
    noted: dict[str, int] = field(default_factory=dict)
    in_ledger: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    deleted: int = 0
    missing: list[Span] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.last - self.first + 1

    @property
    def missing_lines(self) -> int:
        return count_of(self.missing)


@dataclass(frozen=True, slots=True)
class Account:
    """One period: the outboxes, what is known to be missing in it, and the delays of canaries, s, in order."""

    outboxes: tuple[SpoolAccount, ...]
    gaps: tuple[GapRecord, ...]
    canary_delays_s: tuple[float, ...]
    begins_at: datetime | None
    """The first moment that this store can account for; None when no gateway has told of lines yet."""

    @property
    def is_equal(self) -> bool:
        """Everything that went in is stored, set aside, on record as lost, or still waits."""
        return not any(outbox.missing or outbox.doubled for outbox in self.outboxes)


class LossHistory:
    """Asks the database of a site, read-only, while ingest writes."""

    def __init__(self, connect: ConnectSqlite, path: Path) -> None:
        self._connect = connect
        self._path = path

    def account(self, from_at: datetime, to_at: datetime) -> Account:
        """Return what became of the lines given out from_at <= time < to_at, to the five minutes of gateways' reports.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        begin, end = to_ms(from_at), to_ms(to_at)
        with self._reading() as connection:
            spools = {spool.id: spool for spool in read_spools(connection)}
            bounds = {id_: _bounds(connection, spool, begin, end) for id_, spool in spools.items()}
            wanted = {id_: span for id_, span in bounds.items() if span is not None}
            stored, rows = _stored(connection, wanted)
            notes = _notes(connection, wanted)
            lost = _lost(connection)
            aged = connection.execute(
                "SELECT value FROM meta WHERE key = ?", (EVENTS_DELETED_BEFORE,)
            ).fetchone()
            outboxes = tuple(
                _account(
                    spools[id_],
                    span,
                    stored[id_],
                    rows[id_],
                    notes.get(id_, {}),
                    lost.get(id_, []),
                    is_aged=aged is not None and begin < aged[0],
                )
                for id_, span in wanted.items()
            )
            gaps = connection.execute(
                "SELECT body FROM gap WHERE to_at >= ? AND from_at < ? ORDER BY from_at", (begin, end)
            ).fetchall()
            delays = connection.execute(
                "SELECT delay_s FROM line_note WHERE what = 'canary' AND at >= ? AND at < ? ORDER BY delay_s",
                (begin, end),
            ).fetchall()
            (first_ms,) = connection.execute("SELECT min(start) FROM line_mark").fetchone()
        return Account(
            tuple(sorted(outboxes, key=lambda outbox: (outbox.gateway, spools[outbox.spool].first_at))),
            tuple(decode(bytes(body), GapRecord) for (body,) in gaps),
            tuple(delay for (delay,) in delays),
            None if first_ms is None else from_ms(first_ms),
        )

    def newest_mark(self) -> datetime | None:
        """Return the start of the newest five minutes of which a gateway has told."""
        with self._reading() as connection:
            (newest_ms,) = connection.execute("SELECT max(start) FROM line_mark").fetchone()
        return None if newest_ms is None else from_ms(newest_ms)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        connection = None
        try:
            connection = self._connect(self._path.resolve().as_uri() + "?mode=ro", uri=True, timeout=30.0)
            connection.execute("BEGIN")  # one moment for all that follows
            yield connection
        except Exception as error:
            if type(error).__name__ in ("OperationalError", "DatabaseError"):
                raise StoreUnavailable(f"{self._path} cannot be read: {error}") from error
            raise
        finally:
            if connection is not None:
                connection.close()


def _bounds(connection: Any, spool: Spool, begin: int, end: int) -> Span | None:
    """Return first and last line that were given out in a period; None when none were."""
    mark = "SELECT max(last_line) FROM line_mark WHERE spool = ? AND start < ?"
    (before,) = connection.execute(mark, (spool.id, begin)).fetchone()
    (last,) = connection.execute(mark, (spool.id, end)).fetchone()
    first = max(before or 0, spool.base or 0) + 1
    return None if last is None or last < first else (first, last)


def _stored(connection: Any, wanted: dict[str, Span]) -> tuple[dict[str, LineRanges], dict[str, int]]:
    lines: dict[str, LineRanges] = defaultdict(LineRanges)
    rows: dict[str, int] = defaultdict(int)
    for spool, line in connection.execute("SELECT spool, line FROM event WHERE spool IS NOT NULL"):
        span = wanted.get(spool)
        if span is not None and span[0] <= line <= span[1]:
            lines[spool].add(line, line)
            rows[spool] += 1
    return lines, rows


def _notes(connection: Any, wanted: dict[str, Span]) -> dict[str, dict[str, LineRanges]]:
    found: dict[str, dict[str, LineRanges]] = {}
    for spool, span in wanted.items():
        notes = "SELECT line, what FROM line_note WHERE spool = ? AND line BETWEEN ? AND ? ORDER BY line"
        for line, what in connection.execute(notes, (spool, *span)):
            found.setdefault(spool, {}).setdefault(what, LineRanges()).add(line, line)
    return found


def _lost(connection: Any) -> dict[str, list[GapRecord]]:
    found: dict[str, list[GapRecord]] = {}
    for (body,) in connection.execute("SELECT body FROM gap"):
        gap = decode(bytes(body), GapRecord)
        if gap.lost_of is not None:
            found.setdefault(gap.lost_of, []).append(gap)
    return found


def _account(
    spool: Spool,
    span: Span,
    stored: LineRanges,
    rows: int,
    notes: dict[str, LineRanges],
    lost: list[GapRecord],
    *,
    is_aged: bool,
) -> SpoolAccount:
    """Give every line to the first that claims it: what is there is not lost, whatever a record says."""
    account = SpoolAccount(spool.gateway, spool.id, *span, stored=stored.count, doubled=rows - stored.count)
    claimed = LineRanges(stored)
    for what, lines in notes.items():
        account.noted[what] = sum(claimed.add(*one) for one in lines)
    for gap in lost:
        for first, last in gap.lines:
            number = claimed.add(max(first, span[0]), min(last, span[1]))
            account.in_ledger[gap.cause] = account.in_ledger.get(gap.cause, 0) + number
    account.in_ledger = {cause: number for cause, number in account.in_ledger.items() if number}
    for hole in list(claimed.missing(*span)):
        unsettled = list(spool.settled.missing(*hole))
        taken_in = count_of([hole]) - count_of(unsettled)
        if is_aged:
            account.deleted += taken_in
        elif taken_in:
            account.missing += list(LineRanges(unsettled).missing(*hole))
        for first, last in unsettled:
            waits = 0 if spool.is_closed else max(0, last - max(first, spool.waits_from) + 1)
            account.waiting += waits
            if last - waits >= first:
                account.missing.append((first, last - waits))
    account.missing.sort()
    return account
