"""Which night is due, and how its result gets into the store: small bites while messages flow, then all at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from ingest.night_job import Piece, ResultPiece, SettledPiece, TimelinePiece, read_pieces
from ingest.stores.night_history import NightHistory
from ingest.stores.night_rows import NightOrder, NightResult, TimelineRow
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.transaction import Transaction
from workplace.events import NightLessons
from workplace.floor_plan import FloorPlan
from workplace.occupancy.night_times import bounds, day_at, next_day, night_at
from workplace.policy import Policy
from workplace.ports import ConnectSqlite

log = structlog.get_logger()

#: Rows and records in one transaction. Lower: more flushes in all; higher: messages wait longer for theirs.
_ROWS, _RECORDS = 600, 50
#: How the settled site ended is kept of so many nights: the last one can be checked from the one before.
_SETTLED_NIGHTS = 2
_FORGET_AT_MOST = 500


class NightBook:
    """The nights of one site. Owned by the worker thread; nothing but `piece` and `close` takes noticeable time."""

    def __init__(
        self, store: SqliteStore, connect: ConnectSqlite, path: Path, plan: FloorPlan, policy: Policy
    ) -> None:
        self._store, self._plan, self._policy = store, plan, policy
        self._history = NightHistory(connect, path)
        self._due_at: datetime | None = None
        self.last_done = ""
        """The newest day whose night is done, as year-month-day."""

    def look(self) -> None:
        """Find out when the next night is due: at the start, and after each night."""
        begun, done = self._history.open_night(), self._history.nights(1)
        last, heard = self._history.last_day(), self._history.first_heard()
        self.last_done = str(done[0].day) if done else ""
        if begun is not None:
            self._due_at = begun.opened_at
        elif last is not None:
            self._due_at = night_at(next_day(last), self._plan.tz)
        else:
            self._due_at = None if heard is None else night_at(day_at(heard, self._plan.tz), self._plan.tz)

    @property
    def has_looked(self) -> bool:
        """Whether it is known when the next night is due; while nothing was heard yet, it is not."""
        return self._due_at is not None

    def is_due(self, now: datetime) -> bool:
        return self._due_at is not None and now >= self._due_at

    def open(self, transaction: Transaction, now: datetime) -> NightOrder | None:
        """Return the night to live now, begun in the store; None when no day had a word since the last one.

        A night that was begun and not done is lived again with the same facts.
        """
        begun = self._history.open_night()
        if begun is not None:
            return begun
        tz = self._plan.tz
        last, heard = self._history.last_day(), self._history.first_heard()
        if heard is None:
            return None
        first = day_at(heard, tz)
        day = first if last is None else max(next_day(last), first)
        while night_at(day, tz) <= now:
            begin, end = bounds(day, tz)
            if self._history.has_heard(begin, end):
                return transaction.open_night(day, begin, end, now)
            day = next_day(day)
        self._due_at = night_at(day, tz)
        return None

    def bites(self, order: NightOrder, file: Path) -> Iterator[Bite]:
        """Yield what a lived night writes, in pieces that each are one transaction; the result is the last."""
        rows: dict[str, list[TimelineRow]] = {}
        for piece in read_pieces(file):
            if isinstance(piece, TimelinePiece):
                rows[piece.place] = piece.rows
                if sum(map(len, rows.values())) < _ROWS:
                    continue
            if rows:
                yield Bite(order, timelines=rows)
                rows = {}
            if not isinstance(piece, TimelinePiece):
                yield Bite(order, piece=piece)

    def write(self, transaction: Transaction, bite: Bite) -> None:
        """Write a bite that is not the result."""
        transaction.put_timelines(bite.order, bite.timelines)
        if isinstance(bite.piece, SettledPiece):
            transaction.put_settled(bite.order.day, bite.piece.records)

    def close(self, transaction: Transaction, result: NightResult, now: datetime) -> NightLessons:
        """Write what the night taught and that it is done; return what the engine must be told, dated.

        A night that was late, for instance one that was missed, decides from this moment on.
        """
        message = msgspec.structs.replace(result.message, from_at=max(result.message.from_at, now))
        dated = msgspec.structs.replace(result, message=message)
        transaction.close_night(dated, self._policy.hash, now)
        return message

    def give_up(self, transaction: Transaction, order: NightOrder, now: datetime) -> None:
        """Leave a night that cannot be lived: its day teaches nothing."""
        transaction.give_up_night(order.day, now)

    def forget(self, transaction: Transaction) -> None:
        """Delete a bite of what no night needs any longer."""
        transaction.forget_settled(keep=_SETTLED_NIGHTS, at_most=_FORGET_AT_MOST)


class Bite(msgspec.Struct, frozen=True):
    """A part of a night that is written in one transaction."""

    order: NightOrder
    timelines: dict[str, list[TimelineRow]] = {}
    piece: Piece | None = None

    @property
    def result(self) -> NightResult | None:
        return self.piece.result if isinstance(self.piece, ResultPiece) else None
