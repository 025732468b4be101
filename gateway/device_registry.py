"""The devices a gateway ever heard, in a small SQLite file beside the outbox, so that a restart forgets none.

Written once a minute in one go; a power cut costs the last minute of `last_seen` and nothing else. A damaged file is
moved aside: what it knew is learned again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from gateway.device_table import DeviceTable, KnownDevice
from workplace.errors import StoreUnavailable
from workplace.message import Name
from workplace.ports import Clock, ConnectSqlite

log = structlog.get_logger(__name__)

#: Between two writes, s. Lower wears the flash card, higher forgets more in a power cut.
WRITE_S = 60.0

_SCHEMA = """CREATE TABLE IF NOT EXISTS device (
    device TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    source TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    expected_beat_s REAL,
    firmware TEXT,
    model TEXT,
    battery_pct REAL,
    battery_at TEXT,
    learned BLOB NOT NULL
) WITHOUT ROWID"""
_COLUMNS = "device, family, source, first_seen, last_seen, firmware, model, battery_pct, battery_at, learned"


class _Learned(msgspec.Struct, frozen=True):
    """What the beat and the battery's outlook are computed from: numbers, not worth columns of their own."""

    silences_s: tuple[float, ...] = ()
    levels: tuple[tuple[datetime, float], ...] = ()


class _Row(msgspec.Struct, frozen=True, array_like=True):
    device: Name
    family: str
    source: str
    first_seen: datetime
    last_seen: datetime
    firmware: str | None
    model: str | None
    battery_pct: float | None
    battery_at: datetime | None


class DeviceRegistry:
    """`load` once, then `run` for ever. The file is only open while it is read or written."""

    def __init__(self, file: Path, table: DeviceTable, *, connect: ConnectSqlite, clock: Clock) -> None:
        self.file = file
        self._table = table
        self._connect = connect
        self._clock = clock
        self.counters = {"registry_failed": 0, "registry_moved_aside": 0}

    async def load(self) -> None:
        """Give the table what the file knows; a file that cannot be read costs the memory, never the start."""
        try:
            known = await asyncio.to_thread(self._read)
        except StoreUnavailable as error:
            self.counters["registry_moved_aside"] += 1
            log.error("registry_damaged", file=str(self.file), why=str(error))
            with suppress(OSError):
                self.file.rename(self.file.with_name(f"{self.file.name}.damaged"))
            return
        self._table.restore(known, self._clock.boot_ms() / 1000)

    async def run(self) -> None:
        """Write what changed, once a minute and at the end."""
        try:
            while True:
                await asyncio.sleep(WRITE_S)
                await self.save()
        finally:
            await asyncio.shield(self.save())

    async def save(self) -> None:
        """Write what changed since the last time; what fails is tried again with the next."""
        changed, forgotten = self._table.take_changes()
        if not changed and not forgotten:
            return
        beats = [self._table.beat_s(known.device) for known in changed]
        try:
            await asyncio.to_thread(self._write, list(zip(changed, beats, strict=True)), forgotten)
        except StoreUnavailable as error:
            self.counters["registry_failed"] += 1
            log.warning("registry_not_written", why=str(error))
            self._table.give_back(changed, forgotten)

    # --- on a thread ---

    def _read(self) -> list[KnownDevice]:
        if not self.file.exists():
            return []
        rows = self._with_database(lambda db: db.execute(f"SELECT {_COLUMNS} FROM device").fetchall())
        try:
            return [_known(row) for row in rows]
        except msgspec.MsgspecError as error:
            raise StoreUnavailable(f"the device registry holds nonsense: {error}") from error

    def _write(self, changed: Iterable[tuple[KnownDevice, float | None]], forgotten: Sequence[str]) -> None:
        def write(db: Any) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("DELETE FROM device WHERE device = ?", [(name,) for name in forgotten])
            db.executemany(
                f"INSERT OR REPLACE INTO device ({_COLUMNS}, expected_beat_s) VALUES ({'?,' * 10}?)",
                [(*_row(known), beat_s) for known, beat_s in changed],
            )
            db.execute("COMMIT")

        self._with_database(write)

    def _with_database(self, work: Any) -> Any:
        db: Any = None
        try:
            db = self._connect(str(self.file), isolation_level=None, timeout=5.0)
            db.execute(_SCHEMA)
            return work(db)
        except Exception as error:
            # The driver is handed in; PEP 249 fixes the names of its exceptions.
            if type(error).__name__ in ("OperationalError", "DatabaseError", "IntegrityError"):
                raise StoreUnavailable(f"the device registry cannot be used: {error}") from error
            raise
        finally:
            if db is not None:
                db.close()


def _row(known: KnownDevice) -> tuple[object, ...]:
    return (
        known.device,
        known.family,
        known.source,
        known.first_seen.isoformat(),
        known.last_seen.isoformat(),
        known.firmware,
        known.model,
        known.battery_pct,
        None if known.battery_at is None else known.battery_at.isoformat(),
        msgspec.json.encode(_Learned(known.silences_s, known.levels)),
    )


def _known(row: Sequence[Any]) -> KnownDevice:
    *columns, learned = row
    told = msgspec.convert(columns, _Row, strict=False)
    memory = msgspec.json.decode(learned, type=_Learned)
    return KnownDevice(
        device=told.device,
        family=told.family,
        source=told.source,
        first_seen=told.first_seen.astimezone(UTC),
        last_seen=told.last_seen.astimezone(UTC),
        silences_s=memory.silences_s,
        firmware=told.firmware,
        model=told.model,
        battery_pct=told.battery_pct,
        battery_at=told.battery_at,
        levels=memory.levels,
    )
