"""A worker of a cluster: holds leases on partitions, and runs the ingest of each as long as it holds them.

A lease is a wish to be left alone; who may write is decided by the log of the partition (`partition_log`). So a worker
that hangs, sleeps or is cut off decides nothing that counts, whatever its clock says.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from ingest.cluster.bus import Bus, WrongLast
from ingest.cluster.floors import part_of, partitions_of
from ingest.cluster.partition_log import PartitionLog, all_subjects_of, stream_of
from ingest.cluster.reader import StreamReader
from ingest.cluster.replica import Replica
from ingest.cluster.shares import wish
from ingest.part_tools import PartTools
from workplace.errors import BrokerUnreachable, FencedOff, StoreUnavailable
from workplace.floor_plan import FloorPlan
from workplace.ports import ConnectSqlite
from workplace.topics import Topics

log = structlog.get_logger(__name__)

#: An entry that is not renewed vanishes after this, s. Lower: a busy moment moves floors. Higher: floors of a dead
#: worker wait longer.
LIFETIME_S = 4.0
#: Renewed, and looked for free partitions, this often, s.
BEAT_S = 1.0
#: A partition must have been free for so many looks: when the table's leader is killed all entries vanish, and their
#: owners get the first chance to write them again.
_LOOKS = 2
#: Pause before a partition that failed is run again, s.
_AGAIN_S = 1.0
#: A partition that is handed over gets this long for its last commits, s.
_LAST_WORDS_S = 10.0

#: Runs the ingest of one partition until cancelled: its plan, its folder, its tools.
RunPart = Callable[[FloorPlan, Path, PartTools], Awaitable[None]]


@dataclass(slots=True)
class _Held:
    """A partition that this worker holds."""

    revision: int
    task: asyncio.Task[None] = field(init=False)
    replica: Replica = field(init=False)
    ending: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Worker:
    """`run` until cancelled.

    Args:
        name: of this worker in the table, never that of another one.
        run_part: wires and runs one partition.
        ready: called once the table was read and what is ours by share is held.
    """

    bus: Bus
    plan: FloorPlan
    folder: Path
    connect: ConnectSqlite
    run_part: RunPart
    ready: Callable[[], None] = lambda: None
    name: str = field(default_factory=lambda: secrets.token_hex(6))
    _held: dict[int, _Held] = field(default_factory=dict, init=False)
    _free_looks: dict[int, int] = field(default_factory=dict, init=False)
    _presence: int | None = field(default=None, init=False)
    _table: Any = field(default=None, init=False)

    @property
    def partitions(self) -> tuple[int, ...]:
        return tuple(sorted(self._held))

    async def run(self) -> None:
        partitions = partitions_of(self.plan)
        for number in partitions:
            part_of(self.plan, number)  # a plan that cannot be divided is refused before anything is held
        self._table = await self._made()
        is_ready = False
        try:
            while True:
                with contextlib.suppress(BrokerUnreachable):
                    await self._beat(partitions)
                    if not is_ready:
                        is_ready = True
                        self.ready()
                await asyncio.sleep(BEAT_S)
        finally:
            await asyncio.shield(self._leave_all())

    async def _made(self) -> Any:
        while True:
            try:
                await self.bus.make_stream(stream_of(self.plan.site), all_subjects_of(self.plan.site))
                return await self.bus.make_table(f"PLEKVRIJ-LEASES-{self.plan.site}", LIFETIME_S)
            except BrokerUnreachable as error:
                log.warning("cluster_not_ready", why=str(error))
                await asyncio.sleep(_AGAIN_S)

    async def _beat(self, partitions: tuple[int, ...]) -> None:
        self._presence = await self._renewed(f"worker.{self.name}", self._presence)
        await asyncio.gather(*map(self._renew, self.partitions))
        entries = await self.bus.entries(self._table)
        workers = [key.removeprefix("worker.") for key in entries if key.startswith("worker.")]
        held = {
            int(key.removeprefix("partition.")): value
            for key, value in entries.items()
            if key.startswith("partition.")
        }
        for number in partitions:
            self._free_looks[number] = 0 if number in held else self._free_looks.get(number, 0) + 1
        staying = [number for number, one in self._held.items() if one.ending is None]
        wanted = wish(partitions, staying, held, workers, self.name)
        if wanted.leave is not None:
            self._begin_leaving(wanted.leave)
        for number in wanted.take:
            if self._free_looks[number] >= _LOOKS and number not in self._held:
                await self._take(number)

    async def _renewed(self, key: str, revision: int | None) -> int | None:
        """Return the new revision of our entry; None when another one's stands there."""
        with contextlib.suppress(WrongLast):
            return await self.bus.hold(self._table, key, self.name, revision)
        # Another's, or ours: it had vanished because nobody could renew it for a while, or an answer was lost.
        entry = await self.bus.entry(self._table, key)
        if entry is not None and entry[0] != self.name:
            return None
        with contextlib.suppress(WrongLast):
            return await self.bus.hold(self._table, key, self.name, None if entry is None else entry[1])
        return None

    async def _renew(self, number: int) -> None:
        held = self._held[number]
        if held.task.done() and held.ending is None:
            self._begin_leaving(number)
        with contextlib.suppress(BrokerUnreachable):  # whoever could have it cannot reach the table either
            revision = await self._renewed(f"partition.{number}", held.revision)
            if revision is not None:
                held.revision = revision
            elif held.ending is None:
                log.warning("partition_lost", partition=number, worker=self.name)
                held.replica.give_up()
                self._begin_leaving(number)

    async def _take(self, number: int) -> None:
        revision = await self._renewed(f"partition.{number}", None)
        if revision is None:
            return
        log.info("partition_taken", partition=number, worker=self.name)
        held = _Held(revision)
        held.task = asyncio.create_task(self._work(number, held), name=f"partition {number}")
        self._held[number] = held

    def _begin_leaving(self, number: int) -> None:
        held = self._held[number]
        if held.ending is None:
            held.ending = asyncio.create_task(self._leave(number, held), name=f"partition {number} ends")

    async def _leave(self, number: int, held: _Held) -> None:
        """Stop, and only then let somebody else have it."""
        held.task.cancel()
        done, _ = await asyncio.wait({held.task}, timeout=_LAST_WORDS_S)
        if not done:
            held.replica.give_up()
            await asyncio.wait({held.task})
        if not held.task.cancelled() and (why := held.task.exception()) is not None:
            log.error("partition_failed", partition=number, why=repr(why))
        self._free_looks[number] = 0
        await self.bus.drop(self._table, f"partition.{number}", held.revision)
        self._held.pop(number, None)
        log.info("partition_left", partition=number, worker=self.name)

    async def _leave_all(self) -> None:
        for number in self.partitions:
            self._begin_leaving(number)
        await asyncio.gather(*(held.ending for held in self._held.values() if held.ending is not None))
        if self._presence is not None:
            await self.bus.drop(self._table, f"worker.{self.name}", self._presence)

    async def _work(self, number: int, held: _Held) -> None:
        """Run one partition until it is another's; what goes wrong otherwise is tried again."""
        part = part_of(self.plan, number)
        folder = self.folder / f"partition-{number}"
        topics = Topics(self.plan.site)
        is_first = number == partitions_of(self.plan)[0]
        while True:
            began = time.monotonic()
            partition_log = PartitionLog(self.bus, self.plan.site, number, self.name)
            replica = held.replica = Replica(partition_log, self.connect, folder / "site.db")
            try:
                restored = await replica.take()
                log.info(
                    "partition_restored", partition=number, records=restored.records,
                    took_s=round(time.monotonic() - began, 2),
                )  # fmt: skip
                reader = partial(
                    StreamReader, self.bus, part, number, topics,
                    lambda place: is_first and place not in self.plan.place,
                )  # fmt: skip
                tools = PartTools(number, reader, replica.connect, replica.committed)
                await self.run_part(part, folder / "site.db", tools)
            except FencedOff as error:
                log.warning("partition_fenced_off", partition=number, why=str(error))
                return
            except (BrokerUnreachable, StoreUnavailable) as error:
                log.warning("partition_again", partition=number, why=str(error))
                await asyncio.sleep(_AGAIN_S)
            finally:
                replica.give_up()
