"""Figures of ingest against bare paho: one broker, the same messages, one run.

Bare paho is meant in two ways. `receive` is the yardstick in the strict sense: a subscriber that receives,
acknowledges by itself, and does nothing at all. `store` is the usual service, see `bench.bare_subscriber`. Ingest and
both subscribers hang on the broker together and get every message; each is measured by the processor time of its own
process.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import processes
from bench.figure import Figure
from bench.ingest_rig import FILTER_OFF, Site, running
from bench.sites import Building
from workplace.topics import Topics

#: The site's clock runs as the wall does, and events are dated as fast as they come: a bare subscriber has no clock, so
#: what a site does because time passes is not compared here (`ingest_at_its_need` tells it).
_SPEED = 1.0
_FLOOD_PER_S = 5_000.0
#: The first round warms up.
_ROUNDS = 4
_COUNT = 5_000
_MODES = ("receive", "store")
#: Floors, not wishes. A service that decides costs more than one that only keeps: see docs/reference/bench.md.
_LEAST_RECEIVE, _LEAST_STORE = 0.1, 0.5
_LEAST_RECEIVE_FILTER, _LEAST_STORE_FILTER = 0.05, 0.25


@dataclass(frozen=True, slots=True)
class Yardstick:
    """CPU us per message of a bare subscriber; how often ingest goes into it, a median of rounds."""

    cpu_us: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU us per event of ingest, and its yardsticks."""

    ingest_us: float
    receive: Yardstick
    store: Yardstick


class _Bare:
    """A bare subscriber as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._lines = process.stdout
        self._process = process

    async def line(self) -> str:
        async with asyncio.timeout(60):
            return (await self._lines.readline()).decode().strip() if self._lines else ""


@asynccontextmanager
async def _bare(mode: str, site: Site, folder: Path) -> AsyncIterator[_Bare]:
    who = site.broker.credentials["dashboard"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare_subscriber", mode, "--port", str(site.broker.port), "--user", who.user,
        "--password", who.password, "--filter", Topics(site.plan.site).events(), "--file", str(folder / "bare.db"),
        "--each", str(_COUNT), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        bare = _Bare(process)
        if await bare.line() != "subscribed":
            raise AssertionError("the bare subscriber did not start")
        yield bare
    finally:
        process.terminate()
        await process.wait()


def ingest_against_bare_paho() -> Figure:
    """All of ingest with the filter off, against paho that only receives."""
    cost = _without_filter()
    return _figure("ingest_against_bare_paho", cost.ingest_us, "receives only", cost.receive, _LEAST_RECEIVE)


def ingest_against_one_by_one() -> Figure:
    """The same against json.loads, one durable row and one acknowledgement per message."""
    cost = _without_filter()
    return _figure("ingest_against_one_by_one", cost.ingest_us, "stores one by one", cost.store, _LEAST_STORE)


def filter_against_bare_paho() -> Figure:
    cost = _with_filter()
    return _figure(
        "filter_against_bare_paho", cost.ingest_us, "receives only", cost.receive, _LEAST_RECEIVE_FILTER
    )


def filter_against_one_by_one() -> Figure:
    cost = _with_filter()
    return _figure(
        "filter_against_one_by_one", cost.ingest_us, "stores one by one", cost.store, _LEAST_STORE_FILTER
    )


def _figure(name: str, ingest_us: float, what: str, yardstick: Yardstick, goal: float) -> Figure:
    against = f"bare paho that {what}, {yardstick.cpu_us:.0f} us"
    return Figure(name, ingest_us, "CPU us", against, yardstick.ratio, goal)


@cache
def _without_filter() -> Costs:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_measure(Path(folder), FILTER_OFF))


@cache
def _with_filter() -> Costs:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_measure(Path(folder), None))


async def _measure(folder: Path, policy: str | None) -> Costs:
    async with AsyncExitStack() as exits:
        site = await exits.enter_async_context(running(folder, _SPEED, policy=policy))
        bare = {mode: await exits.enter_async_context(_bare(mode, site, folder)) for mode in _MODES}
        pids = {"ingest": site.pid} | {mode: one.pid for mode, one in bare.items()}
        building = Building(site.plan)
        rounds: list[dict[str, float]] = []
        for _ in range(_ROUNDS):
            events = building.facts(_COUNT, site.clock.now(), _FLOOD_PER_S)
            before_s = {name: processes.cpu_s(pid) for name, pid in pids.items()}
            await site.send(events)
            for one in bare.values():
                await one.line()
            rounds.append(
                {name: (processes.cpu_s(pid) - before_s[name]) * 1e6 / _COUNT for name, pid in pids.items()}
            )
    return Costs(
        statistics.median(one["ingest"] for one in rounds[1:]),
        *(
            Yardstick(
                statistics.median(one[mode] for one in rounds[1:]),
                statistics.median(one[mode] / one["ingest"] for one in rounds[1:]),
            )
            for mode in _MODES
        ),
    )
