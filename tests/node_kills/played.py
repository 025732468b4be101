"""Three brokers, two workers, one gateway per floor, and `kill -9`; then the search for what is missing."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ingest.cluster.bus import Bus, connected
from ingest.cluster.floors import partitions_of
from ingest.cluster.partition_log import PartitionLog
from ingest.cluster.replica import Replica
from plekvrij import sqlite_driver
from plekvrij.credentials import read_credential
from plekvrij.process_tree import Child
from tests.nats_cluster import Cluster
from tests.node_kills.gateways import SpeakingGateway
from workplace.errors import BrokerUnreachable
from workplace.floor_plan import FloorPlan, load

PATIENCE_S = 90.0
TOWN_HALL = Path("examples/town_hall.plan.yaml")
_GATEWAY = "  - {{id: gw-{0}, floor: f{0}, mqtt: {{zigbee2mqtt: zigbee2mqtt-{0}}}}}"
_FLOOR = """  - id: f{0}
    number: {0}
    name: {{nl: Laag {0}, en: Floor {0}}}
    size: [20, 12]
    zones:
      - id: f{0}-desks
        kind: desk
        name: {{nl: Plekken, en: Desks}}
        rect: [1, 1, 8, 8]
        islands:
          - {{first: {0}-W1, at: [2, 2], columns: 2, rows: 2, sensors: [zigbee_pir]}}"""


def small_plan(floors: int) -> str:
    """Return a plan with so many floors, each with a gateway and four places."""
    numbers = range(1, floors + 1)
    head = "site: drieknopen\nname: {nl: Proef, en: Trial}\ngateways:"
    return "\n".join((head, *map(_GATEWAY.format, numbers), "floors:", *map(_FLOOR.format, numbers), ""))


@dataclass(slots=True)
class Figures:
    """What a run came to.

    Attributes:
        silence_s: of each kill, what was killed and how long the slowest floor then had no receipt for anything new.
        out_of_order: events that were stored after a later one of the same sensor.
        decided_backwards: changes of a place that were decided before the one before.
    """

    sent: int = 0
    stored: int = 0
    missing: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    decided_backwards: int = 0
    stored_twice: int = 0
    silence_s: list[tuple[str, float]] = field(default_factory=list)

    def lines(self) -> list[str]:
        return [
            f"events sent {self.sent}, stored {self.stored}, lost {self.missing}",
            f"stored twice {self.stored_twice}",
            f"came twice and were recognised {self.duplicates}",
            f"stored after a later one of their sensor {self.out_of_order}",
            f"changes of a place decided out of order {self.decided_backwards}",
            *(
                f"{what}: {seconds:.1f} s until every floor was served again"
                for what, seconds in self.silence_s
            ),
        ]


class Stage:
    """`async with Stage(folder, rate_hz) as stage:` returns when all floors have an owner."""

    def __init__(self, folder: Path, plan: str, rate_hz: float, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._plan_file = folder / "site.plan.yaml"
        self._plan_file.write_text(plan, "utf-8")
        self._rate_hz = rate_hz
        self._tell = tell
        self._exit = AsyncExitStack()
        self.plan: FloorPlan = load(plan, "site.plan.yaml")
        self.figures = Figures()
        self.workers: list[Child] = []
        self.gateways: list[SpeakingGateway] = []

    async def __aenter__(self) -> Stage:
        self.cluster = self._exit.enter_context(Cluster(self.plan, self._folder / "brokers"))
        self.workers = [self._worker(number) for number in (1, 2)]
        for worker in self.workers:
            self._exit.push_async_callback(worker.stop)
        await asyncio.gather(*(worker.start(ready_limit_s=PATIENCE_S) for worker in self.workers))
        for gateway in self.plan.gateways:
            speaking = SpeakingGateway(
                self.plan, gateway, self._folder, self.cluster.mqtt_url, self.cluster.credential(gateway.id),
                self._rate_hz,
            )  # fmt: skip
            self.gateways.append(await self._exit.enter_async_context(speaking))
        await self._served(time.monotonic())
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self._exit.aclose()

    def _worker(self, number: int) -> Child:
        arguments = [
            "ingest", "--plan", str(self._plan_file), "--data", str(self._folder / f"worker-{number}"),
            "--broker", self.cluster.mqtt_url, "--cluster", self.cluster.client_url,
            "--credential", str(self.cluster.credential("ingest")), "--with-parent",
        ]  # fmt: skip
        return Child(f"worker-{number}", arguments, self._folder / f"worker-{number}.log")

    async def _served(self, since_s: float) -> float:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            waits = [gateway.served_again_s(since_s) for gateway in self.gateways]
            found = [wait for wait in waits if wait is not None]
            if len(found) == len(waits):
                return max(found)
            assert time.monotonic() < deadline, f"floors without a receipt: {waits}"
            await asyncio.sleep(0.05)

    async def kill_node(self, number: int, *, revive: bool) -> None:
        await self._killed(f"node {number + 1} killed", lambda: self.cluster.kill(number))
        if not revive:
            return
        self.cluster.start(number)
        await asyncio.to_thread(self.cluster.wait_healthy)

    async def kill_worker(self, number: int, *, revive: bool) -> None:
        await self._killed(f"worker {number + 1} killed", self.workers[number].kill)
        if revive:
            await self.workers[number].start(ready_limit_s=PATIENCE_S)

    async def _killed(self, what: str, kill: Callable[[], None]) -> None:
        began_s = time.monotonic()
        kill()
        silence_s = await self._served(began_s)
        self.figures.silence_s.append((what, silence_s))
        self._tell(f"{what}: {silence_s:.1f} s until every floor was served again")

    async def finish(self) -> Figures:
        """Let everything arrive, stop the workers, and read the databases back from the cluster."""
        for gateway in self.gateways:
            gateway.be_silent()
        deadline = time.monotonic() + PATIENCE_S
        while any(gateway.waiting for gateway in self.gateways):
            waiting = {gateway.id: gateway.waiting for gateway in self.gateways}
            assert time.monotonic() < deadline, f"without a receipt: {waiting}"
            await asyncio.sleep(0.05)
        for worker in self.workers:
            worker.kill()
        await self._read_back()
        return self.figures

    async def _read_back(self) -> None:
        figures = self.figures
        known = read_credential(self.cluster.credential("ingest"))
        stored: list[tuple[str, str, int]] = []
        async with connected(self.cluster.client_url, known.user, known.password) as bus:
            for number in partitions_of(self.plan):
                file = self._folder / "read-back" / f"{number}" / "site.db"
                await self._restored(bus, number, file)
                stored += self._read(file)
        ids = {event for _, event, _ in stored}
        sent = [event for gateway in self.gateways for event in gateway.sent]
        figures.sent, figures.stored = len(sent), len(stored)
        figures.missing = len(set(sent) - ids)
        figures.out_of_order = _backwards([(sensor, line) for sensor, _, line in stored])
        figures.stored_twice = len(stored) - len(ids)

    async def _restored(self, bus: Bus, number: int, file: Path) -> None:
        """Take a partition as a worker does, who tries again while the servers choose leaders."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            log = PartitionLog(bus, self.plan.site, number, "reader")
            try:
                await Replica(log, sqlite_driver.connect, file).take()
            except BrokerUnreachable:
                assert time.monotonic() < deadline, f"partition {number} cannot be read back"
                await asyncio.sleep(0.2)
            else:
                return

    def _read(self, file: Path) -> list[tuple[str, str, int]]:
        connection = sqlite_driver.connect(str(file))
        try:
            rows = connection.execute("SELECT device, channel, id, line FROM event ORDER BY rowid").fetchall()
            changes = connection.execute("SELECT place, decided_at FROM place_transition ORDER BY place, at")
            self.figures.decided_backwards += _backwards(changes.fetchall())
            found = connection.execute("SELECT value FROM meta WHERE key = 'count:duplicates'").fetchone()
            self.figures.duplicates += 0 if found is None else found[0]
        finally:
            connection.close()
        return [(f"{device}/{channel}", event, line) for device, channel, event, line in rows]


def _backwards(rows: Sequence[tuple[str, int]]) -> int:
    newest: dict[str, int] = {}
    found = 0
    for name, number in rows:
        found += number < newest.get(name, number)
        newest[name] = max(number, newest.get(name, number))
    return found


async def play(
    folder: Path,
    plan: str,
    kills: Sequence[str],
    rate_hz: float,
    tell: Callable[[str], None],
    *,
    revive: bool = True,
) -> Figures:
    """Kill in this order (`node` or `worker`, which of them by turns), and return what came of it.

    Args:
        revive: start what was killed again before the next one.
    """
    dice = random.Random(1)
    async with Stage(folder, plan, rate_hz, tell) as stage:
        nodes, workers = itertools.cycle(range(3)), itertools.cycle(range(2))
        for what in kills:
            if what == "node":
                await stage.kill_node(next(nodes), revive=revive)
            else:
                await stage.kill_worker(next(workers), revive=revive)
            await asyncio.sleep(dice.uniform(0.5, 2.0))
        return await stage.finish()
