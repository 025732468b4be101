"""The log of a partition in a real cluster: who writes, who is fenced off, and what a successor gets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from ingest.cluster.bus import Bus, WrongLast, connected
from ingest.cluster.partition_log import PartitionLog, all_subjects_of, stream_of
from ingest.cluster.replica import Replica
from ingest.cluster.wal import Kind, Record, unpack
from ingest.stores.sqlite_store import SqliteStore
from plekvrij import sqlite_driver
from plekvrij.clocks import wall_clock
from plekvrij.credentials import read_credential
from tests.nats_cluster import Cluster
from workplace.errors import BrokerUnreachable, FencedOff
from workplace.floor_plan import FloorPlan

SITE = "klein"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, small_plan: FloorPlan) -> Iterator[Cluster]:
    with Cluster(small_plan, tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def play(cluster: Cluster, story: Callable[[Bus], Awaitable[None]]) -> None:
    known = read_credential(cluster.credential("ingest"))

    async def body() -> None:
        async with asyncio.timeout(120), connected(cluster.client_url, known.user, known.password) as bus:
            while True:
                try:
                    await bus.make_stream(stream_of(SITE), all_subjects_of(SITE))
                    break
                except BrokerUnreachable:
                    await asyncio.sleep(0.2)
            await story(bus)

    asyncio.run(body())


def _connect(*words: object, **more: object) -> object:
    """Each call of a test is on a thread of its own; SQLite's own check would refuse that."""
    return sqlite_driver.connect(*words, **more, check_same_thread=False)  # type: ignore[arg-type]


class Owner:
    """One worker's copy of the database of a partition."""

    def __init__(self, bus: Bus, partition: int, folder: Path, base_after_bytes: int = 1 << 30) -> None:
        self.file = folder / "site.db"
        self.log = PartitionLog(bus, SITE, partition, folder.name)
        self.replica = Replica(self.log, _connect, self.file, base_after_bytes)
        self.store = SqliteStore(self.replica.connect, self.file, committed=self.replica.committed)

    async def begin(self) -> None:
        await self.replica.take()
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        self.store.open(wall_clock().now())

    async def count(self, name: str, by: int = 1) -> None:
        def write() -> None:
            with self.store.transaction() as transaction:
                transaction.count(name, by)

        await asyncio.to_thread(write)

    def counted(self) -> dict[str, int]:
        return self.store.counters()


def test_a_successor_has_every_commit_and_the_one_before_can_commit_no_more(
    cluster: Cluster, tmp_path: Path
) -> None:
    async def story(bus: Bus) -> None:
        first = Owner(bus, 1, tmp_path / "first")
        await first.begin()
        for _ in range(5):
            await first.count("events")
        second = Owner(bus, 1, tmp_path / "second")
        await second.begin()
        assert second.counted()["events"] == 5
        with pytest.raises(FencedOff):
            await first.count("events")
        await second.count("events")
        third = Owner(bus, 1, tmp_path / "third")
        await third.begin()
        assert third.counted()["events"] == 6

    play(cluster, story)


def test_a_write_whose_answer_was_lost_is_written_once(cluster: Cluster, tmp_path: Path) -> None:
    async def story(bus: Bus) -> None:
        owner = Owner(bus, 2, tmp_path / "first")
        await owner.begin()
        plain, lost = bus.append, []

        async def loses_answers(*words: object, **more: object) -> int:
            number = await plain(*words, **more)  # type: ignore[arg-type]
            if not lost:
                lost.append(number)
                raise BrokerUnreachable("the cluster", "the answer was lost")
            return number

        bus.append = loses_answers  # type: ignore[method-assign,assignment]
        await owner.count("events")
        await owner.count("events")
        bus.append = plain  # type: ignore[method-assign]
        assert lost
        successor = Owner(bus, 2, tmp_path / "second")
        await successor.begin()
        assert successor.counted()["events"] == 2

    play(cluster, story)


def test_a_long_log_is_cut_and_the_database_is_whole_again(cluster: Cluster, tmp_path: Path) -> None:
    async def story(bus: Bus) -> None:
        owner = Owner(bus, 3, tmp_path / "first", base_after_bytes=20_000)
        await owner.begin()
        begun = owner.log.generation
        reader = sqlite_driver.connect(str(owner.file))  # pages read while it is cut
        assert reader.execute("SELECT count(*) FROM event").fetchone() == (0,)
        for number in range(60):
            await owner.count(f"kind-{number}")
        while not await laid_down(bus, begun):
            await owner.count("more")
        again = Owner(bus, 3, tmp_path / "second")
        await again.begin()
        assert again.counted() == owner.counted()
        assert again.store._rows("PRAGMA integrity_check") == [("ok",)]
        reader.close()

    async def laid_down(bus: Bus, generation: int) -> bool:
        """Return whether the records of the first log are gone, and so a base took their place."""
        last = await bus.last(stream_of(SITE), f"plekvrij-log.{SITE}.3.log")
        assert last is not None
        async for _, data in bus.read(stream_of(SITE), f"plekvrij-log.{SITE}.3.log", last.number):
            return unpack(data).generation > generation
        return False

    play(cluster, story)


def test_a_lease_is_one_workers_until_he_drops_it(cluster: Cluster) -> None:
    async def story(bus: Bus) -> None:
        table = await bus.make_table("LEASES-TEST", 60.0)
        first = await bus.hold(table, "partition.3", "a", None)
        with pytest.raises(WrongLast):
            await bus.hold(table, "partition.3", "b", None)
        renewed = await bus.hold(table, "partition.3", "a", first)
        with pytest.raises(WrongLast):
            await bus.hold(table, "partition.3", "a", first)
        assert await bus.entry(table, "partition.3") == ("a", renewed)
        assert await bus.entries(table) == {"partition.3": "a"}
        await bus.drop(table, "partition.3", renewed)
        assert await bus.entry(table, "partition.3") is None
        assert await bus.entries(table) == {}
        assert await bus.hold(table, "partition.3", "b", None) > renewed

    play(cluster, story)


def test_who_is_told_to_give_up_waits_for_no_answer(cluster: Cluster, tmp_path: Path) -> None:
    async def story(bus: Bus) -> None:
        owner = Owner(bus, 4, tmp_path / "first")
        await owner.begin()
        asking = asyncio.Event()

        async def never(*words: object, **more: object) -> int:
            asking.set()
            raise BrokerUnreachable("the cluster", "away")

        plain, bus.append = bus.append, never  # type: ignore[method-assign,assignment]
        waiting = asyncio.ensure_future(owner.log.write(Record(Kind.WRITTEN, 9, 0, b"x")))
        await asking.wait()
        owner.replica.give_up()
        with pytest.raises(FencedOff):
            await waiting
        bus.append = plain  # type: ignore[method-assign]

    play(cluster, story)
