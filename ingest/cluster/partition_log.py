"""The log of one partition in the cluster: what its database is made of, whoever's machine that was on.

Each record names the one before it, so of two owners only one can write: that is the fence. A lease merely keeps them
from trying.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.cluster.bus import Bus, WrongLast
from ingest.cluster.wal import MAX_RECORD_BYTES, Kind, Record, unpack
from workplace.errors import BrokerUnreachable, FencedOff

log = structlog.get_logger(__name__)

#: Pause after a write got no answer, s.
_AGAIN_S = 0.2


def stream_of(site: str) -> str:
    return f"PLEKVRIJ-LOG-{site}"


def all_subjects_of(site: str) -> str:
    return f"plekvrij-log.{site}.>"


def subject_of(site: str, partition: int) -> str:
    return f"plekvrij-log.{site}.{partition}"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a database was made of again.

    Attributes:
        records: how many were read.
        generation: of the newest of them.
        bytes: of those that the base does not hold.
    """

    records: int
    generation: int
    bytes: int


class PartitionLog:
    """Owned by one worker at a time, on its event loop."""

    def __init__(self, bus: Bus, site: str, partition: int, owner: str) -> None:
        self._bus = bus
        self._stream = stream_of(site)
        self._subject = subject_of(site, partition)
        self._owner = f"{owner}-{secrets.token_hex(4)}"  # a worker may own it twice, one after the other
        self._numbers = itertools.count(1)
        self._last = 0
        self._first_of: dict[int, int] = {}
        self._is_given_up = False
        self._writing = asyncio.Lock()
        self.generation = 0

    @property
    def _log(self) -> str:
        return f"{self._subject}.log"

    def _base(self, generation: int) -> str:
        return f"{self._subject}.base.{generation}.{self._owner}"

    def give_up(self) -> None:
        """Write no more: whoever waits for an answer hears that the partition is another's."""
        self._is_given_up = True

    # Taking over

    async def take(self, database: Path, reopen: Callable[[Path], None]) -> Restored:
        """Make the database of what the log says and become its owner; what lay at `database` is gone.

        Args:
            reopen: opens the database, brings its write-ahead log into it, and closes it.

        Raises:
            BrokerUnreachable: try again.
        """
        while True:
            last = await self._bus.last(self._stream, self._log)
            self._last = 0 if last is None else last.number
            restored = await self._restore(database, reopen)
            self.generation = restored.generation + 1
            try:
                await self.write(Record(Kind.TAKEN, self.generation, 0, self._owner.encode()))
            except FencedOff:  # the one before us wrote on meanwhile; his last word counts
                continue
            return restored

    async def _restore(self, database: Path, reopen: Callable[[Path], None]) -> Restored:
        _forget(database)
        base: tuple[Record, str] | None = None
        count = newest = 0
        sizes: Counter[int] = Counter()
        if self._last:
            async for number, data in self._bus.read(self._stream, self._log, self._last):
                record = unpack(data)
                count, newest = count + 1, max(newest, record.generation)
                sizes[record.generation] += len(data)
                self._first_of.setdefault(record.generation, number)
                if record.kind is Kind.BASE:
                    base = record, record.body.decode()
                elif record.kind is Kind.WRITTEN:
                    _lay_down(_wal_of(database, record.generation), record.offset, record.body)
        if base is not None:
            await self._fetch(database, *base)
        first = 0 if base is None else base[0].generation
        await asyncio.to_thread(_replay, database, first, newest, reopen)
        return Restored(count, newest, sum(size for number, size in sizes.items() if number >= first))

    async def _fetch(self, database: Path, base: Record, subject: str) -> None:
        last = await self._bus.last(self._stream, subject)
        came: set[int] = set()
        if last is not None:
            async for _, data in self._bus.read(self._stream, subject, last.number):
                piece = unpack(data)
                _lay_down(database, piece.offset * MAX_RECORD_BYTES, piece.body)
                came.add(piece.offset)
        if len(came) != base.offset:
            raise BrokerUnreachable(self._stream, f"{len(came)} of {base.offset} pieces of {subject} came")

    # Owning

    async def write(self, record: Record) -> None:
        """Return when the record lies on two machines, however long that takes.

        Raises:
            FencedOff: another owner has written, or we were told to give up.
        """
        async with self._writing:
            await self._write(record)

    async def _write(self, record: Record) -> None:
        message_id = f"{self._owner}-{next(self._numbers)}"
        payload = record.pack()
        while not self._is_given_up:
            try:
                self._last = await self._bus.append(
                    self._log, payload, after=self._last, message_id=message_id
                )
            except WrongLast:
                if not await self._was_ours(message_id):
                    raise FencedOff(f"partition log {self._log} has another owner") from None
            except BrokerUnreachable as error:
                log.debug("record_not_answered", subject=self._log, why=str(error))
                await asyncio.sleep(_AGAIN_S)
                continue
            self._first_of.setdefault(record.generation, self._last)
            return
        raise FencedOff(f"partition log {self._log} was given up")

    async def _was_ours(self, message_id: str) -> bool:
        """Return whether a write whose answer was lost is the last one; notes its number then."""
        while not self._is_given_up:
            try:
                last = await self._bus.last(self._stream, self._log)
            except BrokerUnreachable:
                await asyncio.sleep(_AGAIN_S)
                continue
            if last is None or last.message_id != message_id:
                return False
            self._last = last.number
            return True
        return False

    async def write_base(self, database: Path, generation: int) -> None:
        """Lay the database down as it was when `generation` began, or later: the log of it mends what is newer.

        Raises:
            FencedOff: as `write`.
        """
        subject = self._base(generation)
        pieces = 0
        with database.open("rb") as file:
            while data := await asyncio.to_thread(file.read, MAX_RECORD_BYTES):
                await self._write_piece(subject, Record(Kind.BASE, generation, pieces, data))
                pieces += 1
        await self.write(Record(Kind.BASE, generation, pieces, subject.encode()))

    async def _write_piece(self, subject: str, piece: Record) -> None:
        payload = await asyncio.to_thread(piece.pack)
        while not self._is_given_up:
            try:
                name = f"{subject}-{piece.offset}"
                await self._bus.append(subject, payload, after=None, message_id=name)
            except BrokerUnreachable:
                await asyncio.sleep(_AGAIN_S)
            else:
                return
        raise FencedOff(f"partition log {self._log} was given up")

    async def forget_before(self, generation: int) -> None:
        """Delete what a base has made needless; it may fail, and is tried with the next base."""
        first = self._first_of.get(generation)
        if first is not None:
            await self._bus.purge(self._stream, self._log, before=first)
        for older in [number for number in self._first_of if number < generation]:
            del self._first_of[older]
            await self._bus.purge(self._stream, f"{self._subject}.base.{older}.>")


def _wal_of(database: Path, generation: int) -> Path:
    return database.with_name(f"{database.name}.generation-{generation}")


def _forget(database: Path) -> None:
    for file in database.parent.glob(f"{database.name}*"):
        if file.suffix != ".lease":
            file.unlink()


def _lay_down(file: Path, offset: int, body: bytes) -> None:
    with file.open("r+b" if file.exists() else "wb") as out:
        out.seek(offset)
        out.write(body)


def _replay(database: Path, first: int, newest: int, reopen: Callable[[Path], None]) -> None:
    """Bring one write-ahead log after the other into the database.

    The first of all begins with an empty database: SQLite throws a log away that lies beside none.
    """
    reopen(database)
    for generation in range(newest + 1):
        log_file = _wal_of(database, generation)
        if not log_file.exists():
            continue
        if generation < first:
            log_file.unlink()
            continue
        log_file.replace(database.with_name(f"{database.name}-wal"))
        reopen(database)
