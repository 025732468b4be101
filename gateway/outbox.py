"""What must not be lost waits here until the broker has it: one SQLite file, one thread that owns it.

WAL with `synchronous=FULL`: weaker settings lost every acknowledged event since the last checkpoint in each
of eight power cuts, this one none. Full commits cost flash writes, so under load they are grouped.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from gateway.outbox_schema import Bounds, OutboxRow, Waiting
from gateway.outbox_table import OutboxDamaged, OutboxTable, open_table
from gateway.wall_time import WallState
from workplace.errors import StoreUnavailable
from workplace.line_ranges import Span
from workplace.ports import ConnectSqlite

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Events in one commit at most, and the pause between commits under load, s. Lower wears the flash card
#: (73 bytes written per byte of payload when each event is committed by itself, 4 in groups of 100), higher
#: delays the acknowledgement to the device, which resends after 0.5 s.
GROUP_EVENTS = 100
GROUP_S = 0.05


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """How full the outbox is. `oldest_s`: age of the oldest row in real seconds, 0 when empty.

    `first_line`: the lowest line that the site may not know of; `last_line`: the last one given out.
    """

    rows: int
    payload_bytes: int
    oldest_s: float
    duplicates: int
    dropped: int
    spool: str
    first_line: int
    last_line: int


@dataclass(slots=True)
class _Write:
    """Something that changes the file; committed together with its neighbours."""

    apply: Callable[[OutboxTable], None]
    weight: int
    done: Future[None]


@dataclass(slots=True)
class _Read:
    """Something that looks at what is committed."""

    look: Callable[[OutboxTable], Any]
    done: Future[Any]


class Outbox:
    """Durable first-in-first-out store; an async context manager.

    Args:
        file: the database; its folder must exist.
        connect: opens it, like `sqlite3.connect`.
        now: site time, for the gap records of what had to be dropped.
        gateway: site and gateway id, for the same.
        wall: the machine's clocks; the default is a site whose clock is not the machine's.
    """

    def __init__(
        self,
        file: Path,
        *,
        connect: ConnectSqlite,
        now: Callable[[], datetime],
        gateway: tuple[str, str],
        bounds: Bounds | None = None,
        wall: Callable[[], WallState] = WallState,
    ) -> None:
        self.file = file
        self.moved_aside: Path | None = None
        self.spool = ""
        self._connect = connect
        self._now = now
        self._gateway = gateway
        self._bounds = bounds or Bounds()
        self._wall = wall

    async def __aenter__(self) -> Self:
        # Unbounded, because every entry has a caller who awaits it: there are never more than callers.
        self._jobs: queue.SimpleQueue[_Write | _Read | None] = queue.SimpleQueue()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(opened,), name="outbox")
        self._thread.start()
        await asyncio.wrap_future(opened)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.put(None)
        await asyncio.shield(asyncio.to_thread(self._thread.join))

    async def put(self, events: Sequence[Waiting], *, alive_at: datetime | None = None) -> None:
        """Return when the events are on disk. One that is there already is counted and left alone.

        Args:
            alive_at: also keep this as the time at which the gateway is known to have listened.

        Raises:
            StoreUnavailable: nothing of it is stored; acknowledge nothing and try again.
        """
        if not events and alive_at is None:
            return
        wall = self._wall()  # their times were made by the clock of this moment

        def write(table: OutboxTable) -> None:
            table.insert(events, wall)
            if alive_at is not None:
                table.note_alive(alive_at)

        await self._write(write, len(events))
        if events:
            self._changed.set()

    async def take(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """Return at most `limit` rows with a number above `after`, oldest first. They stay until `delete`."""
        return await self._read(lambda table: table.rows(limit, after))

    async def delete(self, spans: Iterable[Span]) -> int:
        """Forget the rows on these lines, first and last of each range; return how many they were."""
        wanted, went = list(spans), 0

        def write(table: OutboxTable) -> None:
            nonlocal went
            went = table.delete(wanted)

        if wanted:
            await self._write(write, len(wanted))
        return went

    async def alive_at(self) -> datetime | None:
        """Return when the gateway is last known to have listened, site time; None where nothing tells."""
        return await self._read(lambda table: table.alive_at())

    async def stats(self) -> OutboxStats:
        """Return how full it is."""
        return await self._read(
            lambda table: OutboxStats(
                rows=table.count,
                payload_bytes=table.payload_bytes,
                oldest_s=table.oldest_s(),
                duplicates=table.duplicates,
                dropped=table.dropped,
                spool=table.spool,
                first_line=table.first_line(),
                last_line=table.last_line,
            )
        )

    async def wait_for_rows(self) -> None:
        """Return at once when something was put since the last call, else wait for it."""
        await self._changed.wait()
        self._changed.clear()

    async def _write(self, apply: Callable[[OutboxTable], None], weight: int) -> None:
        done: Future[None] = Future()
        self._jobs.put(_Write(apply, weight, done))
        await asyncio.wrap_future(done)

    async def _read(self, look: Callable[[OutboxTable], T]) -> T:
        done: Future[T] = Future()
        self._jobs.put(_Read(look, done))
        return await asyncio.wrap_future(done)

    # --- on the outbox thread ---

    def _serve(self, opened: Future[None]) -> None:
        try:
            table = self._open()
        except StoreUnavailable as error:
            opened.set_exception(error)
            return
        self.spool = table.spool
        opened.set_result(None)
        next_commit_s = 0.0
        try:
            while (job := self._jobs.get()) is not None:
                if isinstance(job, _Read):
                    self._look(table, job)
                    continue
                group, ended = self._gather(table, job, next_commit_s)
                self._commit(table, group)
                next_commit_s = time.monotonic() + GROUP_S
                if ended:
                    break
        finally:
            table.close()

    def _gather(self, table: OutboxTable, first: _Write, until_s: float) -> tuple[list[_Write], bool]:
        """Collect writes for one commit: at once when idle, up to `until_s` when one was just made."""
        group, weight = [first], first.weight
        while weight < GROUP_EVENTS:
            try:
                wait_s = until_s - time.monotonic()
                job = self._jobs.get(timeout=wait_s) if wait_s > 0 else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return group, True
            if isinstance(job, _Read):
                self._look(table, job)
            else:
                group.append(job)
                weight += job.weight
        return group, False

    def _commit(self, table: OutboxTable, group: list[_Write]) -> None:
        try:
            table.commit([job.apply for job in group])
        except StoreUnavailable as error:
            if len(group) > 1:  # what frees room must not fail together with what needs it
                for job in group:
                    self._commit(table, [job])
            else:
                _settle(group[0].done, _raiser(error))
        else:
            for job in group:
                _settle(job.done, lambda: None)

    @staticmethod
    def _look(table: OutboxTable, job: _Read) -> None:
        _settle(job.done, lambda: job.look(table))

    def _open(self) -> OutboxTable:
        try:
            return self._open_once()
        except OutboxDamaged as error:
            stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
            self.moved_aside = self.file.with_name(f"{self.file.name}.damaged-{stamp}")
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.file}{suffix}").rename(f"{self.moved_aside}{suffix}")
            log.error("outbox_damaged", file=str(self.file), kept_as=str(self.moved_aside), why=str(error))
        return self._open_once()

    def _open_once(self) -> OutboxTable:
        return open_table(
            self.file,
            connect=self._connect,
            bounds=self._bounds,
            now=self._now,
            gateway=self._gateway,
            wall=self._wall,
        )


def _settle(done: Future[T], work: Callable[[], T]) -> None:
    """Answer whoever waits; whoever left in the meantime needs no answer."""
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except StoreUnavailable as error:
        done.set_exception(error)


def _raiser(error: StoreUnavailable) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
