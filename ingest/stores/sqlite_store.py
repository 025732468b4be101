"""The durable store: one SQLite file, one writing connection, one transaction per batch.

`synchronous=FULL` in WAL mode: a commit that returned has been flushed, so a message may be acknowledged.
Readers (pages, reports, the forwarder) open their own read-only connections.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ingest.gap_ledger import Spool
from ingest.stores.loss_rows import read_spools
from ingest.stores.schema import (
    LATER_COLUMNS,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    TABLES,
    GatewayBin,
    HoldEnded,
    TransitionRow,
    from_ms,
)
from ingest.stores.transaction import FOLD_HOURS, Transaction
from workplace.errors import FencedOff, SettingInvalid, StoreUnavailable
from workplace.hold_outcomes import ACTIONS, Told
from workplace.ports import ConnectSqlite

#: How long a write waits for a lock, s. Lower: a backup makes us retry. Higher: a stuck lock shows later.
BUSY_TIMEOUT_S = 30.0
#: The write-ahead log is cut back to this after a checkpoint, bytes.
JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024

#: Commits of which the length is remembered: 5 s at 200 a second.
_COMMITS_TIMED = 1000

#: In the order that `transition_of` reads.
TRANSITION_COLUMNS = "place, zone, at, phase, occupancy, hold_id, mode, reasons, decided_at"


class SqliteStore:
    """Owned by one thread from `open` to `close`. `connect` is `sqlite3.connect` or a driver like it.

    `committed` is called after each commit, before anybody may rely on it: a copy elsewhere is made there.
    """

    def __init__(
        self,
        connect: ConnectSqlite,
        path: Path,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        committed: Callable[[], None] | None = None,
    ) -> None:
        self._connect = connect
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._committed = committed
        self._connection: Any = None
        self._commits_ms: deque[float] = deque(maxlen=_COMMITS_TIMED)

    def open(self, now: datetime) -> str | None:
        """Open or create the file; return what a person must know when a damaged one was moved aside.

        Raises:
            StoreUnavailable: it cannot be opened now.
            SettingInvalid: it was written by another version of this program.
        """
        alarm = None
        with _translated():
            try:
                self._open()
            except Exception as error:
                self._drop_connection()
                if not _is_damage(error):
                    raise
                aside = self._move_aside(now)
                alarm = f"the database was damaged ({error}); it now lies at {aside} and a new one was begun"
                self._open()
        return alarm

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connect(str(self._path), timeout=self._busy_timeout_s, isolation_level=None)
        self._connection = connection
        for pragma in (
            f"busy_timeout = {int(self._busy_timeout_s * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
            "foreign_keys = OFF",
            "secure_delete = ON",  # what was deleted must not stand in the free pages of the file, nor in its copies
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if not self._was_closed_well():
            # Reads the whole file, so only after a crash.
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise _Damaged(found)
        version = self.meta("schema_version") if self._has_tables() else None
        if version not in (None, *READABLE_VERSIONS):
            raise SettingInvalid(f"{self._path} has schema {version}, this program writes {SCHEMA_VERSION}")
        connection.executescript(TABLES)
        self._bring_up_to_date()
        with self.transaction() as transaction:
            transaction.set_meta("schema_version", SCHEMA_VERSION)
            transaction.set_meta("closed_well", 0)

    def _bring_up_to_date(self) -> None:
        """Give a file of an earlier release what it lacks; nothing of it changes."""
        for table, column, kind in LATER_COLUMNS:
            if not self._rows(f"SELECT 1 FROM pragma_table_info('{table}') WHERE name = ?", column):
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        if not self._rows("SELECT 1 FROM zone_hour LIMIT 1"):
            self._connection.execute(FOLD_HOURS, (0, 1 << 62))

    def _has_tables(self) -> bool:
        names = self._connection.execute("SELECT name FROM sqlite_master WHERE name = 'meta'").fetchall()
        return bool(names)

    def _was_closed_well(self) -> bool:
        return not self._has_tables() or self.meta("closed_well") == 1

    def _move_aside(self, now: datetime) -> Path:
        aside = self._path.with_name(f"{self._path.name}.damaged-{now:%Y%m%dT%H%M%S}")
        for suffix in ("", "-wal", "-shm"):
            source = self._path.with_name(self._path.name + suffix)
            if source.exists():
                source.replace(aside.with_name(aside.name + suffix))
        return aside

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close; may be called twice."""
        if self._connection is not None:
            with suppress(StoreUnavailable, FencedOff), self.transaction() as transaction:
                transaction.set_meta("closed_well", 1)
            self._drop_connection()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing; durable when the block is left without an error.

        Raises:
            StoreUnavailable: nothing of it was written; acknowledge nothing and try again.
        """
        connection = self._connection
        with _translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                began_s = time.perf_counter()
                connection.execute("COMMIT")
                self._commits_ms.append((time.perf_counter() - began_s) * 1000)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if self._committed is not None:
                self._committed()

    def commit_ms(self) -> tuple[float, float]:
        """Return how long the last commits took until they were on the disk, ms: p50 and p99; from any thread."""
        took = sorted(self._commits_ms.copy())
        return (took[len(took) // 2], took[len(took) * 99 // 100]) if took else (0.0, 0.0)

    # Reads for the owner of the store; everybody else reads through `SqliteHistory`.

    def meta(self, key: str) -> Any:
        row = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return row[0][0] if row else None

    def counters(self) -> dict[str, int]:
        """Return what `Transaction.count` has added up, by name."""
        rows = self._rows("SELECT key, value FROM meta WHERE key GLOB 'count:*'")
        return {key.removeprefix("count:"): value for key, value in rows}

    def engine_records(self) -> dict[str, bytes]:
        return dict(self._rows("SELECT key, body FROM engine_state"))

    def quarantined(self) -> dict[str, int]:
        return dict(self._rows("SELECT reason, total FROM quarantine_count"))

    def last_transition(self, place: str, at_ms: int) -> TransitionRow | None:
        """Return the last change of a place at or before `at_ms`."""
        rows = self._rows(
            f"SELECT {TRANSITION_COLUMNS} FROM place_transition WHERE place = ? AND at <= ?"
            " ORDER BY at DESC LIMIT 1",
            place,
            at_ms,
        )
        return transition_of(rows[0]) if rows else None

    def transitions(self, from_ms_: int, to_ms_: int) -> list[TransitionRow]:
        """Return all changes with from_ms_ <= at < to_ms_, in order."""
        rows = self._rows(
            f"SELECT {TRANSITION_COLUMNS} FROM place_transition WHERE at >= ? AND at < ? ORDER BY at, place",
            from_ms_,
            to_ms_,
        )
        return [transition_of(row) for row in rows]

    def told(self, begin_ms: int, end_ms: int) -> list[Told]:
        """Return what ended and began holds, begin <= at < end, in the order of writing."""
        with _translated():
            return list(read_told(self._connection, begin_ms, end_ms))

    def holds_ended(self, from_ms_: int, to_ms_: int) -> list[HoldEnded]:
        """Return the holds with from_ms_ <= end < to_ms_."""
        rows = self._rows(
            "SELECT hold_id, place, zone, started_at, ended_at, outcome, coalesce(coverage_pct, 100) FROM hold"
            " WHERE ended_at >= ? AND ended_at < ?",
            from_ms_,
            to_ms_,
        )
        return [
            HoldEnded(hold_id, place, zone, from_ms(start), from_ms(end), outcome, coverage)
            for hold_id, place, zone, start, end, outcome, coverage in rows
        ]

    def gateway_bins(self, from_ms_: int, to_ms_: int) -> list[GatewayBin]:
        """Return the five minutes of all gateways with from_ms_ <= start < to_ms_."""
        rows = self._rows(
            "SELECT gateway, start, outbox_rows, outbox_oldest_s, events, late, dropped, clock_synced,"
            " coverage_pct FROM gw_health WHERE start >= ? AND start < ? ORDER BY gateway, start",
            from_ms_,
            to_ms_,
        )
        return [
            GatewayBin(
                gateway, from_ms(start), waiting, oldest_s, events, late, dropped, bool(synced), coverage
            )
            for gateway, start, waiting, oldest_s, events, late, dropped, synced, coverage in rows
        ]

    def spools(self) -> list[Spool]:
        """Return the books of the outboxes of all gateways."""
        with _translated():
            return read_spools(self._connection)

    def outbox_rows(self) -> int:
        return int(self._rows("SELECT count(*) FROM sink_outbox")[0][0])

    def size_bytes(self) -> int:
        """Return how much disk the file and its log take."""
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _rows(self, statement: str, *parameters: object) -> list[Any]:
        with _translated():
            rows: list[Any] = self._connection.execute(statement, parameters).fetchall()
            return rows


def read_told(connection: Any, begin_ms: int, end_ms: int) -> Iterator[Told]:
    """Yield what ends and begins holds, begin <= at < end, in the order of writing."""
    rows = connection.execute(
        f"SELECT body FROM decision WHERE at >= ? AND at < ? AND action IN ({','.join('?' * len(ACTIONS))})"
        " ORDER BY number",
        (begin_ms, end_ms, *ACTIONS),
    )
    decoder = msgspec.json.Decoder(Told)
    return (decoder.decode(bytes(body)) for (body,) in rows)


def transition_of(row: tuple[Any, ...]) -> TransitionRow:
    """Return the transition in one row of `TRANSITION_COLUMNS`."""
    place, zone, at, phase, occupancy, hold_id, mode, reasons, decided_at = row
    return TransitionRow(
        place=place,
        zone=zone,
        at=from_ms(at),
        phase=phase,
        occupancy=occupancy,
        hold_id=hold_id,
        mode=mode,
        reasons=tuple(reasons.split(",")) if reasons else (),
        decided_at=from_ms(decided_at),
    )


class _Damaged(Exception):
    """`quick_check` found something."""


def _is_damage(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, _Damaged) or "malformed" in text or "not a database" in text


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what a disk or a lock did into `StoreUnavailable`; mistakes in SQL stay what they are."""
    try:
        yield
    except Exception as error:
        # The driver is handed in, so its exceptions are known by name only (PEP 249 fixes the names).
        if type(error).__name__ in ("OperationalError", "DatabaseError", "_Damaged"):
            raise StoreUnavailable(f"the database cannot be used now: {error}") from error
        raise
