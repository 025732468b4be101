"""The table of the outbox: rows, bounds, and what is let go first when there is no room. One thread only."""

from __future__ import annotations

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
    Bounds,
    OutboxRow,
    rank_of,
    row_of,
    wall_columns,
)
from gateway.wall_time import WallState
from workplace.codec import encode
from workplace.errors import StoreUnavailable
from workplace.events import GapRecord, SensorEvent
from workplace.ports import ConnectSqlite

#: Over this share of the bounds the readings that nobody decides on go first.
HIGH_WATER = 0.8
#: One round of dropping frees this share, so that a full outbox does not drop row by row.
CHUNK = 0.01

#: Rows that are too old are looked for this often, s.
AGE_LOOK_S = 60.0


class OutboxDamaged(StoreUnavailable):
    """The file is no sound database; move it aside and start a new one."""


@dataclass(frozen=True, slots=True)
class _Totals:
    """Counted along, so that no insert has to scan; put back when a transaction fails."""

    count: int = 0
    payload_bytes: int = 0
    duplicates: int = 0
    dropped: int = 0
    gap: tuple[int, GapRecord] | None = None


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
            ):
                self._db.execute(f"PRAGMA {pragma}")
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise OutboxDamaged(str(verdict))
            self._db.execute(SCHEMA)
            self._add_columns()
            row = self._db.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox").fetchone()
            self._totals = _Totals(count=row[0], payload_bytes=row[1])
        except self._db.OperationalError as error:
            raise StoreUnavailable(f"the outbox cannot be opened: {error}") from error
        except self._db.DatabaseError as error:
            raise OutboxDamaged(str(error)) from error

    def _add_columns(self) -> None:
        there = {row[1] for row in self._db.execute("PRAGMA table_info(outbox)").fetchall()}
        for name, definition in ADDED.items():
            if name not in there:
                self._db.execute(f"ALTER TABLE outbox ADD COLUMN {name} {definition}")

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
            self._db.execute("COMMIT")
        except self._db.Error as error:
            self._totals = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreUnavailable(f"the outbox cannot be written: {error}") from error

    def insert(self, events: Iterable[SensorEvent | GapRecord], wall: WallState | None = None) -> None:
        """Add events; `wall` is the clock that their times came from, by default that of this moment."""
        columns = wall_columns(wall or self._wall())
        for event in events:
            body = encode(event)
            if isinstance(event, SensorEvent):
                channel = event.channel or ""
                stream, happened_at = f"{event.device}/{event.kind}/{channel}", event.received_at
            else:
                stream, happened_at = "gap", event.to_at
            device = event.device or self._gateway
            values = (event.id, device, stream, rank_of(event), happened_at.isoformat(), time.time(), body)
            if self._db.execute(INSERT, (*values, *columns)).rowcount == 1:
                self._grow(1, len(body))
            else:
                self._totals = replace(self._totals, duplicates=self._totals.duplicates + 1)

    def delete(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            gone = self._db.execute("DELETE FROM outbox WHERE number = ? RETURNING length(body)", (number,))
            for (size,) in gone.fetchall():
                self._grow(-1, -size)

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
            "RETURNING length(body), happened_at",
            (*values, most),
        ).fetchall()
        if not gone:
            return 0
        self._grow(-len(gone), -sum(size for size, _ in gone))
        self._totals = replace(self._totals, dropped=self._totals.dropped + len(gone))
        times = sorted(datetime.fromisoformat(at).astimezone(UTC) for _, at in gone)
        self._declare(len(gone), times[0], times[-1])
        return len(gone)

    def _declare(self, count: int, from_at: datetime, to_at: datetime) -> None:
        """Say what is missing: in the record of the same outage while nobody saw it, else in a new one."""
        open_gap = self._totals.gap
        if open_gap is not None and open_gap[0] > self._taken_up_to:
            number, old = open_gap
            gap = GapRecord(
                id=old.id,
                site=self._site,
                gateway=self._gateway,
                cause="outbox_full",
                count=old.count + count,
                from_at=min(old.from_at, from_at),
                to_at=max(old.to_at, to_at),
            )
            body = encode(gap)
            self._db.execute("UPDATE outbox SET body = ? WHERE number = ?", (body, number))
            self._grow(0, len(body) - len(encode(old)))
        else:
            now = self._now()
            gap = GapRecord(
                id=stable_id("outbox_full", self._gateway, now.isoformat(), self._totals.dropped),
                site=self._site,
                gateway=self._gateway,
                cause="outbox_full",
                count=count,
                from_at=from_at,
                to_at=to_at,
            )
            body = encode(gap)
            values = (gap.id, self._gateway, "gap", RANK_GAP, now.isoformat(), time.time(), body)
            number = self._db.execute(INSERT, (*values, *wall_columns(self._wall()))).lastrowid
            self._grow(1, len(body))
        self._totals = replace(self._totals, gap=(number, gap))


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
