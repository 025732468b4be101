"""Figures of ingest as a whole: its real process between the real embedded broker and a real database."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import mqtt_wire, processes
from bench.figure import Figure, within
from bench.sites import NEED_EVENTS_PER_S, Building, big_plan_text, greetings
from ingest.stores.history import SqliteHistory
from plekvrij import clocks, sqlite_driver, wiring
from plekvrij.clocks import SiteClock
from plekvrij.credentials import Credential
from plekvrij.embedded_broker import EmbeddedBroker
from plekvrij.process_tree import Child
from workplace.codec import encode
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.message import Message
from workplace.topics import Topics

#: In a flood site time runs so fast that between two events passes about as much of it as at a real site.
_FLOOD_SPEED = 60.0
_ROUNDS = 3
_COUNT = 12_000
#: Events between two looks at whether the broker still takes them.
_CHUNK = 200
#: One small machine runs broker, ingest and pages of a site: this much of one core may go to ingest, percent.
_CORE_PCT = 30.0
#: How long events come at the rate of a real site, s.
_PACED_S = 8.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Medians of several rounds: events per real second from first publish to last commit, CPU of ingest."""

    events_per_s: float
    cpu_us: float


def events_through_ingest() -> Figure:
    """Published at QoS 1, decided, committed; acknowledged only then."""
    rate = _throughput().events_per_s
    against = f"2,000 places, {NEED_EVENTS_PER_S:g} events/s"
    return Figure("events_through_ingest", rate, "events/s", against, rate / NEED_EVENTS_PER_S, 10.0)


def ingest_cpu_per_event() -> Figure:
    """In the same flood: what grouping of commits leaves of the cost of an event."""
    cost_us = _throughput().cpu_us
    budget_us = 0.03 * 1e6 / NEED_EVENTS_PER_S
    against = f"3 % of a core for 2,000 places, {budget_us:.0f} us"
    return Figure("ingest_cpu_per_event", cost_us, "CPU us", against, budget_us / cost_us, 1.0)


def ingest_at_its_need() -> Figure:
    """Share of a core while 2,000 places speak as they do: nearly every event is a commit by itself."""
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        share_pct = asyncio.run(_paced(Path(folder)))
    return within("ingest_at_its_need", share_pct, "% of a core", _CORE_PCT)


@cache
def _throughput() -> Throughput:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_flood(Path(folder)))


async def _flood(folder: Path) -> Throughput:
    rounds: list[Throughput] = []
    async with _running(folder, _FLOOD_SPEED) as site:
        building = Building(site.plan)
        for _ in range(_ROUNDS):
            events = building.facts(_COUNT, site.clock.now(), NEED_EVENTS_PER_S)
            before_s, began = processes.cpu_s(site.pid), time.perf_counter()
            await site.send(events)
            took_s, cpu_s = time.perf_counter() - began, processes.cpu_s(site.pid) - before_s
            rounds.append(Throughput(_COUNT / took_s, cpu_s * 1e6 / _COUNT))
    return Throughput(
        statistics.median(one.events_per_s for one in rounds), statistics.median(one.cpu_us for one in rounds)
    )


async def _paced(folder: Path) -> float:
    """Return percent of a core."""
    async with _running(folder, 1.0) as site:
        building = Building(site.plan)
        await site.wait_quiet()
        before_s, began = processes.cpu_s(site.pid), time.perf_counter()
        sent = 0
        while (elapsed_s := time.perf_counter() - began) < _PACED_S:
            more = int(elapsed_s * NEED_EVENTS_PER_S) - sent
            site.publish(building.facts(more, site.clock.now(), NEED_EVENTS_PER_S))
            sent += more
            await asyncio.sleep(1 / NEED_EVENTS_PER_S)
        await site.wait_stored()
        took_s = time.perf_counter() - began
        return (processes.cpu_s(site.pid) - before_s) / took_s * 100


@asynccontextmanager
async def _running(folder: Path, speed: float) -> AsyncIterator[_Site]:
    """Run the broker and ingest of 2,000 places; all gateways and devices have said that they are there."""
    plan_file = folder / "plan.yaml"
    plan_file.write_text(big_plan_text(), "utf-8")
    plan = wiring.read_site(plan_file, None).plan
    clock = clocks.scaled_clock(datetime(2026, 11, 24, 9, tzinfo=UTC), speed)
    async with AsyncExitStack() as exits:
        broker = await exits.enter_async_context(EmbeddedBroker(folder / "broker", plan))
        ingest = await _start_ingest(exits, folder, plan_file, broker, clock)
        pumps = {
            gateway.id: await exits.enter_async_context(_pump(broker.port, broker.credentials[gateway.id]))
            for gateway in plan.gateways
        }
        history = SqliteHistory(sqlite_driver.connect, folder / "site.db")
        site = _Site(plan, clock, ingest.pid, pumps, history)
        online, there = greetings(plan, clock.now())
        site.greet(online)
        await site.send(there)
        yield site


async def _start_ingest(
    exits: AsyncExitStack, folder: Path, plan_file: Path, broker: EmbeddedBroker, clock: SiteClock
) -> Child:
    credential = folder / "ingest.json"
    known = broker.credentials["ingest"]
    credential.write_text(json.dumps({"user": known.user, "password": known.password}))
    arguments = [
        "ingest", "--plan", str(plan_file), "--broker", broker.url, "--credential", str(credential),
        "--clock", clock.to_text(), "--data", str(folder), "--with-parent",
    ]  # fmt: skip
    child = Child("ingest", arguments, folder / "ingest.log")
    exits.push_async_callback(child.stop)
    await child.start()
    return child


class _Site:
    """All gateways of a site as one sender, and the process that listens."""

    def __init__(
        self,
        plan: FloorPlan,
        clock: SiteClock,
        pid: int,
        pumps: dict[str, asyncio.StreamWriter],
        history: SqliteHistory,
    ) -> None:
        self.plan, self.clock, self.pid = plan, clock, pid
        self._topics = Topics(plan.site)
        self._floor = {gateway.id: gateway.floor for gateway in plan.gateways}
        self._pumps = pumps
        self._history = history
        self._mid = 0
        self._sent = 0

    def greet(self, online: list[GatewayStatus]) -> None:
        for status in online:
            self._queue(status.gateway, self._topics.gateway_status(status.gateway), status)

    def publish(self, events: list[SensorEvent]) -> None:
        for event in events:
            topic = self._topics.event(self._floor[event.gateway], event.gateway, event.device)
            self._queue(event.gateway, topic, event)
        self._sent += len(events)

    async def send(self, events: list[SensorEvent]) -> None:
        """Publish as fast as the broker takes it, and return when all is committed."""
        for start in range(0, len(events), _CHUNK):
            self.publish(events[start : start + _CHUNK])
            for pump in self._pumps.values():
                await pump.drain()
        await self.wait_stored()

    async def wait_stored(self) -> None:
        """Return when everything that was published is committed."""
        async with asyncio.timeout(60):
            while self._history.counts().get("count:events", 0) < self._sent:
                await asyncio.sleep(0.02)

    async def wait_quiet(self) -> None:
        """Return when ingest has told the world of all that it stored, and rests."""
        async with asyncio.timeout(20):
            before_s = -1.0
            while processes.cpu_s(self.pid) - before_s > 0.01:
                before_s = processes.cpu_s(self.pid)
                await asyncio.sleep(0.5)

    def _queue(self, gateway: str, topic: str, message: Message) -> None:
        self._mid = self._mid % 65_535 + 1
        self._pumps[gateway].write(mqtt_wire.publish(topic, encode(message), self._mid))


@asynccontextmanager
async def _pump(port: int, credential: Credential) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect as a gateway; what the broker answers is read and forgotten."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt_wire.connect(f"bench-{credential.user}", credential.user, credential.password))
    if await reader.readexactly(4) != mqtt_wire.CONNACK_OK:
        raise AssertionError(f"the broker refused {credential.user}")
    forgetting = asyncio.create_task(_forget(reader), name=f"answers to {credential.user}")
    try:
        yield writer
    finally:
        forgetting.cancel()
        writer.close()


async def _forget(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
