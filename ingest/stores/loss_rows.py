"""What the ledger of lines writes. `Transaction` has these methods too; here so that each file stays one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.gap_ledger import Spool
from ingest.stores.schema import from_ms, to_ms
from workplace.codec import encode
from workplace.line_ranges import LineRanges
from workplace.loss_events import GapRecord


@dataclass(frozen=True, slots=True)
class LineNote:
    """What a line was that is no stored event: `duplicate`, `gap`, `canary` or `quarantined`.

    `delay_s`: of a canary, how long it took, s of real time.
    """

    spool: str
    line: int
    what: str
    at: datetime
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class LineMark:
    """The last line of an outbox that was given out by the end of the five minutes that begin at `start_ms`."""

    spool: str
    start_ms: int
    last_line: int


class LossRows:
    """Methods of a transaction."""

    _connection: Any

    def put_gaps(self, gaps: Iterable[GapRecord]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO gap VALUES (?,?,?,?)",
            [(gap.id, to_ms(gap.from_at), to_ms(gap.to_at), encode(gap)) for gap in gaps],
        )

    def put_line_notes(self, notes: Iterable[LineNote]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO line_note VALUES (?,?,?,?,?)",
            [(note.spool, note.line, note.what, to_ms(note.at), note.delay_s) for note in notes],
        )

    def put_line_marks(self, marks: Iterable[LineMark]) -> None:
        self._connection.executemany(
            "INSERT INTO line_mark VALUES (?,?,?) ON CONFLICT (spool, start)"
            " DO UPDATE SET last_line = max(last_line, excluded.last_line)",
            [(mark.spool, mark.start_ms, mark.last_line) for mark in marks],
        )

    def put_spools(self, spools: Iterable[Spool]) -> None:
        """Write the books of outboxes, of their ranges only those that changed; forget them if this fails."""
        for spool in spools:
            if spool.is_changed:
                self._put_books(spool)
            now = set(spool.settled)
            changed = now - spool.written
            kept = {first for first, _ in changed}
            self._connection.executemany(
                "DELETE FROM line_range WHERE spool = ? AND first = ?",
                [(spool.id, first) for first, _ in spool.written - now if first not in kept],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO line_range VALUES (?,?,?)", [(spool.id, *span) for span in changed]
            )
            spool.written = now

    def _put_books(self, spool: Spool) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO spool VALUES (?,?,?,?,?,?,?)",
            (
                spool.id,
                spool.gateway,
                to_ms(spool.first_at),
                spool.base,
                spool.waits_from,
                spool.told_line,
                int(spool.is_closed),
            ),
        )
        spool.is_changed = False


def read_spools(connection: Any) -> list[Spool]:
    """Return the books of all outboxes."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for spool, first, last in connection.execute("SELECT spool, first, last FROM line_range ORDER BY first"):
        ranges.setdefault(spool, []).append((first, last))
    rows = connection.execute(
        "SELECT id, gateway, first_at, base, waits_from, told_line, is_closed FROM spool"
    ).fetchall()
    return [
        Spool(
            id_,
            gateway,
            from_ms(first_ms),
            base,
            waits_from,
            told_line,
            bool(is_closed),
            LineRanges(ranges.get(id_, ())),
            set(ranges.get(id_, ())),
            is_changed=False,
        )
        for id_, gateway, first_ms, base, waits_from, told_line, is_closed in rows
    ]
