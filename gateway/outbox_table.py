"""The table of the outbox: rows, bounds, and what is let go first when there is no room. One thread only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.ids import stable_id
from gateway.outbox_schema import (
    ADDED,
    INSERT,
    RANK_GAP,
    RANK_REPORT,
    RANK_STATE,
    SCHEMA,
    SELECT,
    SPOOL,
    Bounds,
    OutboxRow,
    Waiting,
    rank_of,
    row_of,
    wall_columns,
)
from gateway.wall_time import WallState
from workplace.codec import decode, encode
from workplace.errors import StoreUnavailable
from workplace.events import SensorEvent
from workplace.line_ranges import LineRanges, Span
from workplace.loss_events import Canary, GapRecord
from workplace.ports import ConnectSqlite

#: Over this share of the bounds the readings that nobody decides on go first.
HIGH_WATER = 0.8
#: One round of dropping frees this share, so that a full outbox does not drop row by row.
CHUNK = 0.01

#: Rows that are too old are looked for this often, s.
AGE_LOOK_S = 60.0

#: Ranges of lost lines in one record at most: 20 bytes each, and a message has 64 kB.
MOST_SPANS = 1000


class OutboxDamaged(StoreUnavailable):
    """The file is no sound database; move it aside and start a new one."""


@dataclass(frozen=True, slots=True)
class _Totals:
    """Counted along, so that no insert has to scan; put back when a transaction fails.

    `next` is the line of the next row: no number is left out, so that a hole always means a loss.
    """

    count: int = 0
    payload_bytes: int = 0
    duplicates: int = 0
    dropped: int = 0
    gap: tuple[int, GapRecord] | None = None
    next: int = 1
    is_sequence_ahead: bool = False


class OutboxTable:
    """An open outbox file. Every method raises `StoreUnavailable` when the disk does not do its part."""

    def __init__(
        self,
        db: Any,
        *,
        bounds: Bounds,
        now: Callable[[], datetime],
        gateway: tuple[str, str],
        wall: Callable[[], WallState] = WallState,
    ) -> None:
        self._db = db
        self._wall = wall
        self._looked_s = -AGE_LOOK_S
        self._bounds = bounds
        self._now = now
        self._site, self._gateway = gateway
        self._totals = _Totals()
        self._taken_up_to = 0
        self.spool = ""
        self._gaps: dict[
            int, int
        ] = {}  # line of a waiting record of lost lines -> the lowest line that it tells of

    def prepare(self) -> None:
        """Check the file and make it ready.

        Raises:
            OutboxDamaged: it is not a sound database.
            StoreUnavailable: the disk refuses.
        """
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            for pragma in (
                "synchronous=FULL",
                "wal_autocheckpoint=1000",
                f"journal_size_limit={4 * 1024 * 1024}",
                "busy_timeout=5000",
                "secure_delete=ON",  # what the site has must not stay in free pages
            ):
                self._db.execute(f"PRAGMA {pragma}")
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise OutboxDamaged(str(verdict))
            self._db.execute(SCHEMA)
            self._add_columns()
            self._open_spool()
            row = self._db.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(number), 0) FROM outbox"
            ).fetchone()
            used = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            self._totals = _Totals(
                count=row[0], payload_bytes=row[1], next=max(row[2], used[0] if used else 0) + 1
            )
            waiting = "SELECT number, body FROM outbox WHERE rank = ?"
            for number, body in self._db.execute(waiting, (RANK_GAP,)).fetchall():
                self._note_gap(number, decode(bytes(body), GapRecord))
        except self._db.OperationalError as error:
            raise StoreUnavailable(f"the outbox cannot be opened: {error}") from error
        except self._db.DatabaseError as error:
            raise OutboxDamaged(str(error)) from error

    def _add_columns(self) -> None:
        there = {row[1] for row in self._db.execute("PRAGMA table_info(outbox)").fetchall()}
        for name, definition in ADDED.items():
            if name not in there:
                self._db.execute(f"ALTER TABLE outbox ADD COLUMN {name} {definition}")

    def _open_spool(self) -> None:
        """Read the id of this file; give one to a new file, and to that of an older program, which left lines out."""
        self._db.execute(SPOOL)
        row = self._db.execute("SELECT id FROM spool").fetchone()
        if row is not None:
            self.spool = row[0]
            return
        spool = secrets.token_hex(4)
        self._db.execute("BEGIN IMMEDIATE")
        numbers = [n for (n,) in self._db.execute("SELECT number FROM outbox ORDER BY number").fetchall()]
        moves = [(line, number) for line, number in enumerate(numbers, 1) if line != number]
        self._db.executemany("UPDATE outbox SET number = ? WHERE number = ?", moves)
        self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'outbox'", (len(numbers),))
        self._db.execute("INSERT INTO spool (id) VALUES (?)", (spool,))
        self._db.execute("COMMIT")
        self.spool = spool

    def close(self) -> None:
        self._db.close()

    @property
    def count(self) -> int:
        return self._totals.count

    @property
    def payload_bytes(self) -> int:
        return self._totals.payload_bytes

    @property
    def duplicates(self) -> int:
        return self._totals.duplicates

    @property
    def dropped(self) -> int:
        return self._totals.dropped

    def commit(self, changes: Sequence[Callable[[OutboxTable], None]]) -> None:
        """Apply all changes in one durable transaction, or none of them."""
        before = self._totals
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for change in changes:
                change(self)
            self._drop_old()
            self._make_room()
            if self._totals.is_sequence_ahead:  # SQLite counts on for a row that was there already
                last = self._totals.next - 1
                self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'outbox'", (last,))
                self._totals = replace(self._totals, is_sequence_ahead=False)
            self._db.execute("COMMIT")
        except self._db.Error as error:
            self._totals = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreUnavailable(f"the outbox cannot be written: {error}") from error

    def insert(self, events: Iterable[Waiting], wall: WallState | None = None) -> None:
        """Add events; `wall` is the clock that their times came from, by default that of this moment."""
        columns = wall_columns(wall or self._wall())
        for event in events:
            device, stream, happened_at = self._gateway, "gap", ""
            if isinstance(event, SensorEvent):
                device, happened_at = event.device, event.received_at.isoformat()
                stream = f"{device}/{event.kind}/{event.channel or ''}"
            elif isinstance(event, Canary):
                stream, happened_at = "canary", event.at.isoformat()
            else:
                happened_at = event.to_at.isoformat()
            body = encode(event)
            values = (event.id, device, stream, rank_of(event), happened_at, time.time(), body, *columns)
            if not self._append(values, len(body)):
                self._totals = replace(
                    self._totals, duplicates=self._totals.duplicates + 1, is_sequence_ahead=True
                )

    def _append(self, values: tuple[object, ...], size: int) -> bool:
        """Write one row on the next line; False when its event waits already."""
        if self._db.execute(INSERT, (self._totals.next, *values)).rowcount != 1:
            return False
        self._grow(1, size)
        self._totals = replace(self._totals, next=self._totals.next + 1)
        return True

    def delete(self, spans: Iterable[Span]) -> int:
        """Forget the rows on these lines; return how many they were."""
        went = 0
        for first, last in spans:
            gone = self._db.execute(
                "DELETE FROM outbox WHERE number BETWEEN ? AND ? RETURNING number, length(body)",
                (first, last),
            ).fetchall()
            self._grow(-len(gone), -sum(size for _, size in gone))
            went += len(gone)
            if self._gaps:
                for number, _ in gone:
                    self._gaps.pop(number, None)
        return went

    def alive_at(self) -> datetime | None:
        """Return when the gateway is last known to have listened, site time; None where nothing tells."""
        found = self._ask("SELECT alive_at FROM spool", ())
        return datetime.fromisoformat(found[0][0]) if found and found[0][0] else None

    def note_alive(self, at: datetime) -> None:
        self._db.execute("UPDATE spool SET alive_at = ?", (at.isoformat(),))

    @property
    def last_line(self) -> int:
        """The last line that was given out."""
        return self._totals.next - 1

    def first_line(self) -> int:
        """Return the lowest line that is still to be told of: a row that waits, or one that is told to be lost."""
        found = self._ask("SELECT min(number) FROM outbox", ())[0][0]
        waiting = self._totals.next if found is None else int(found)
        return min(waiting, *self._gaps.values()) if self._gaps else waiting

    def _note_gap(self, number: int, gap: GapRecord) -> None:
        if gap.lost_of == self.spool and gap.lines:
            self._gaps[number] = gap.lines[0][0]

    def rows(self, limit: int, after: int) -> list[OutboxRow]:
        rows = [row_of(columns) for columns in self._ask(SELECT, (after, limit))]
        if rows:
            self._taken_up_to = max(self._taken_up_to, rows[-1].number)
        return rows

    def oldest_s(self) -> float:
        """Age of the oldest row in real seconds; 0 when there is none."""
        found = self._ask("SELECT queued_s FROM outbox ORDER BY number LIMIT 1", ())
        return max(0.0, time.time() - found[0][0]) if found else 0.0

    def _ask(self, sql: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        try:
            return list(self._db.execute(sql, values).fetchall())
        except self._db.Error as error:
            raise StoreUnavailable(f"the outbox cannot be read: {error}") from error

    def _grow(self, rows: int, size: int) -> None:
        totals = self._totals
        self._totals = replace(totals, count=totals.count + rows, payload_bytes=totals.payload_bytes + size)

    # --- no room ---

    def _excess(self, share: float) -> int:
        """Rows to let go to come down to `share` of the bounds; sizes count by the mean row."""
        rows = self._totals.count - share * self._bounds.rows
        mean = self._totals.payload_bytes / max(1, self._totals.count)
        by_size = (self._totals.payload_bytes - share * self._bounds.payload_bytes) / max(1.0, mean)
        return max(0, int(max(rows, by_size) + 0.999))

    def _drop_old(self) -> None:
        """Let go of what nobody can use any more.

        Ages count on the boot clock within a boot, else on wall clocks that were both trusted: a clock that jumps from
        1970 to today must not make everything old.
        """
        if time.monotonic() - self._looked_s < AGE_LOOK_S:
            return
        self._looked_s = time.monotonic()
        wall, age_s = self._wall(), self._bounds.age_s
        same_boot = f"(boot = ? AND boot_ms < {wall.boot_ms - age_s * 1000:.0f})"
        other_boot = f"(boot <> ? AND is_trusted AND queued_s < {time.time() - age_s:.3f})"
        which = f"rank < {RANK_GAP} AND ({f'{same_boot} OR {other_boot}' if wall.is_trusted else same_boot})"
        if not wall.boot:
            which = f"rank < {RANK_GAP} AND boot = ? AND queued_s < {time.time() - age_s:.3f}"
        boots = (wall.boot,) * which.count("?")
        while self._drop(which, 1000, boots):
            pass

    def _make_room(self) -> None:
        if self._excess(HIGH_WATER) == 0:
            return
        self._drop(f"rank = {RANK_REPORT}", self._excess(HIGH_WATER - CHUNK))
        if self._excess(1.0) > 0:
            newest = f"SELECT max(number) FROM outbox WHERE rank = {RANK_STATE} GROUP BY stream"
            self._drop(f"rank = {RANK_STATE} AND number NOT IN ({newest})", self._excess(1.0 - CHUNK))
        if self._excess(1.0) > 0:
            self._drop(f"rank < {RANK_GAP}", self._excess(1.0 - CHUNK))

    def _drop(self, which: str, most: int, values: tuple[str, ...] = ()) -> int:
        """Let go of the oldest rows of a kind, say so in a gap record, and return how many they were."""
        gone = self._db.execute(
            f"DELETE FROM outbox WHERE number IN "
            f"(SELECT number FROM outbox WHERE {which} ORDER BY number LIMIT ?) "
            "RETURNING length(body), happened_at, number",
            (*values, most),
        ).fetchall()
        if not gone:
            return 0
        self._grow(-len(gone), -sum(size for size, _, _ in gone))
        self._totals = replace(self._totals, dropped=self._totals.dropped + len(gone))
        times = sorted(datetime.fromisoformat(at).astimezone(UTC) for _, at, _ in gone)
        spans = list(LineRanges((number, number) for number in sorted(number for _, _, number in gone)))
        for begin in range(0, len(spans), MOST_SPANS):
            self._declare(spans[begin : begin + MOST_SPANS], times[0], times[-1])
        return len(gone)

    def _declare(self, spans: Sequence[Span], from_at: datetime, to_at: datetime) -> None:
        """Say what is missing: in the record of the same outage while nobody saw it, else in a new one."""
        open_gap = self._totals.gap
        lines = LineRanges(spans)
        if open_gap is not None and open_gap[0] > self._taken_up_to:
            number, old = open_gap
            for first, last in old.lines:
                lines.add(first, last)
            if len(lines) <= MOST_SPANS:
                gap = self._lost(old.id, lines, min(old.from_at, from_at), max(old.to_at, to_at))
                body = encode(gap)
                self._db.execute("UPDATE outbox SET body = ? WHERE number = ?", (body, number))
                self._grow(0, len(body) - len(encode(old)))
                self._keep_gap(number, gap)
                return
            lines = LineRanges(spans)
        now, number = self._now(), self._totals.next
        gap = self._lost(stable_id("outbox_full", self.spool, number), lines, from_at, to_at)
        body = encode(gap)
        values = (gap.id, self._gateway, "gap", RANK_GAP, now.isoformat(), time.time(), body)
        self._append((*values, *wall_columns(self._wall())), len(body))
        self._keep_gap(number, gap)

    def _keep_gap(self, number: int, gap: GapRecord) -> None:
        self._totals = replace(self._totals, gap=(number, gap))
        self._note_gap(number, gap)

    def _lost(self, id_: str, lines: LineRanges, from_at: datetime, to_at: datetime) -> GapRecord:
        return GapRecord(
            id=id_,
            site=self._site,
            gateway=self._gateway,
            cause="outbox_full",
            count=lines.count,
            from_at=from_at,
            to_at=to_at,
            lost_of=self.spool,
            lines=tuple(lines),
        )


def open_table(
    file: Path,
    *,
    connect: ConnectSqlite,
    bounds: Bounds,
    now: Callable[[], datetime],
    gateway: tuple[str, str],
    wall: Callable[[], WallState] = WallState,
) -> OutboxTable:
    """Return the ready table of `file`, made when it is not there.

    Raises:
        OutboxDamaged: the file is no sound database.
        StoreUnavailable: it cannot be opened.
    """
    # The driver is handed in, so its errors are only known through a connection.
    probe = connect(":memory:")
    driver_error = probe.Error
    probe.close()
    try:
        db = connect(str(file), isolation_level=None, timeout=5.0)
    except driver_error as error:
        raise StoreUnavailable(f"the outbox {file} cannot be opened: {error}") from error
    table = OutboxTable(db, bounds=bounds, now=now, gateway=gateway, wall=wall)
    try:
        table.prepare()
    except StoreUnavailable:
        table.close()
        raise
    return table
