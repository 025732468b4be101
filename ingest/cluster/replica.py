"""The database of a partition, every commit of which is in the partition's log before anybody hears of it.

Lives on the worker's thread, beside the store; the log lives on the event loop.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import structlog

from ingest.cluster.partition_log import PartitionLog, Restored
from ingest.cluster.wal import HEADER_BYTES, committed_end, salts_of, split
from workplace.errors import FencedOff, StoreUnavailable
from workplace.ports import ConnectSqlite

log = structlog.get_logger(__name__)

#: A base is laid down when the log since the last one has this many bytes, and as many as the base. Lower: more is
#: copied. Higher: a successor reads longer.
BASE_AFTER_BYTES = 64 * 1024 * 1024
#: And this long after it was taken over, and then every so often, s: the log holds what was deleted from the database
#: meanwhile. Lower: more is copied. Higher: deleted rows of places are somewhere for longer.
FIRST_BASE_S, BASE_EVERY_S = 600.0, 86_400.0
#: A reader kept the log from being cut: try again after so many commits.
_TRY_AGAIN_COMMITS = 500


class Replica:
    """`connect` and `committed` belong to the store; `take`, `finish` and `give_up` to the event loop."""

    def __init__(
        self,
        log_: PartitionLog,
        connect: ConnectSqlite,
        database: Path,
        base_after_bytes: int = BASE_AFTER_BYTES,
    ) -> None:
        self._log = log_
        self._connect = connect
        self._database = database
        self._wal = database.with_name(database.name + "-wal")
        self._base_after_bytes = base_after_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Any = None
        self._salts = b""
        self._sent_upto = 0
        self._since_base = 0
        self._generation = 0
        self._next_try = 0
        self._base_due_s = math.inf
        self._laying: Future[None] | None = None

    async def take(self) -> Restored:
        """Make the database of the log and own it."""
        self._loop = asyncio.get_running_loop()
        self._database.parent.mkdir(parents=True, exist_ok=True)
        restored = await self._log.take(self._database, self._bring_in)
        self._generation = self._log.generation
        self._since_base = restored.bytes
        self._base_due_s = time.monotonic() + FIRST_BASE_S
        return restored

    def _bring_in(self, database: Path) -> None:
        connection = self._connect(str(database), isolation_level=None)
        try:
            connection.execute(
                "PRAGMA journal_mode = WAL"
            ).fetchall()  # writes the first page where there is none
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()

    def give_up(self) -> None:
        """From any thread: whoever waits for the log stops waiting; nothing is committed any more."""
        self._log.give_up()

    # On the store's thread

    def connect(self, *arguments: Any, **more: Any) -> Any:
        """Open the database for its one writer. Only we cut its write-ahead log: each page in it must be sent first."""
        self._connection = self._connect(*arguments, **more)
        self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        return self._connection

    def committed(self) -> None:
        """Return when the last commit is in the log.

        Raises:
            FencedOff: it never will be: the partition is another's.
        """
        for record in self._new_records():
            self._wait(self._log.write(record))
        self._next_try -= 1
        is_long = self._since_base > max(self._base_after_bytes, self._base_bytes())
        if (
            (is_long or time.monotonic() >= self._base_due_s)
            and self._next_try <= 0
            and (self._laying is None or self._laying.done())
        ):
            self._begin_base()

    def _base_bytes(self) -> int:
        return self._database.stat().st_size // 8  # packed as the log is: 35 KiB in 3.9

    def _new_records(self) -> list[Any]:
        try:
            with self._wal.open("rb") as file:
                header = file.read(HEADER_BYTES)
                if salts_of(header) != self._salts:
                    if self._salts:
                        self._generation += 1  # all before is in the database itself
                    self._salts, self._sent_upto = salts_of(header), 0
                file.seek(self._sent_upto)
                data = file.read(os.fstat(file.fileno()).st_size - self._sent_upto)
        except FileNotFoundError:
            return []
        end = committed_end(header, data, self._sent_upto)
        records = split(self._generation, self._sent_upto, data[: end - self._sent_upto])
        self._sent_upto = end
        self._since_base += sum(len(record.body) for record in records) // 8
        return records

    def _begin_base(self) -> None:
        """Cut the write-ahead log, and copy the database as it is from here on.

        It may change meanwhile (when it is closed): every page that changes is in the log of this generation too.
        """
        self._next_try = _TRY_AGAIN_COMMITS
        busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            return
        self._generation += 1
        self._salts, self._sent_upto, self._since_base = b"", 0, 0
        self._base_due_s = time.monotonic() + BASE_EVERY_S
        assert self._loop is not None  # noqa: S101 - set by `take`, before anybody can commit
        self._laying = asyncio.run_coroutine_threadsafe(self._lay_base(self._generation), self._loop)

    async def _lay_base(self, generation: int) -> None:
        try:
            await self._log.write_base(self._database, generation)
            await self._log.forget_before(generation)
        except FencedOff:
            return  # the next commit says so
        log.info("partition_base_written", database=str(self._database), generation=generation)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            raise StoreUnavailable("the partition was not taken")
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
