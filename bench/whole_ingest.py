"""Figures of ingest as a whole: its real process between the real embedded broker and a real database."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import processes
from bench.figure import Figure, within
from bench.ingest_rig import running
from bench.sites import NEED_EVENTS_PER_S, Building

#: In a flood site time runs so fast that between two events passes about as much of it as at a real site.
_FLOOD_SPEED = 60.0
_ROUNDS = 3
_COUNT = 12_000
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
    async with running(folder, _FLOOD_SPEED) as site:
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
    async with running(folder, 1.0) as site:
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
