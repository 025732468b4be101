"""Figures of memory: the processes of a running demo, after its pages have been looked at."""

from __future__ import annotations

import asyncio
import statistics
import time
import urllib.request
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import processes
from bench.figure import Figure, within
from bench.sites import example_site
from plekvrij import clocks
from plekvrij.embedded_broker import free_port
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings

#: So long the demo runs at 60 times the speed of the wall before it is measured: a quarter of an hour of work.
_RUN_S = 15.0
_SPEED = 60.0
_PAGES = ("/wall/f3", "/desk/3-S01", "/staff/", "/api/v1/floors")


def memory_of_a_desk_node() -> Figure:
    """A simulated node stands in for a microcontroller: 27 of them must fit on a laptop beside all else."""
    return within("memory_of_a_desk_node", _memory_mb()["node"], "MB", 20)


def memory_of_a_gateway() -> Figure:
    """A gateway must fit on the smallest board that is sold, 512 MB, and leave most of it to the system."""
    return within("memory_of_a_gateway", _memory_mb()["gateway"], "MB", 80)


def memory_of_ingest() -> Figure:
    return within("memory_of_ingest", _memory_mb()["ingest"], "MB", 150)


def memory_of_the_dashboard() -> Figure:
    return within("memory_of_the_dashboard", _memory_mb()["dashboard"], "MB", 200)


@cache
def _memory_mb() -> dict[str, float]:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_run(Path(folder)))


async def _run(folder: Path) -> dict[str, float]:
    clock = clocks.scaled_clock(datetime(2026, 11, 24, 9, tzinfo=UTC), _SPEED)
    settings = SiteProcessSettings(site=example_site(), folder=folder, clock=clock, port=free_port())
    async with SiteProcesses(settings, lambda _: None) as site:
        began = time.monotonic()
        for page in _PAGES:
            await asyncio.to_thread(_look, f"http://127.0.0.1:{settings.port}{page}")
        await asyncio.sleep(max(0.0, _RUN_S - (time.monotonic() - began)))
        nodes = [
            pid for pid, line in processes.children(site.children["building"].pid) if "desk_node" in line
        ]
        gateways = [site.children[gateway.id].pid for gateway in settings.site.plan.gateways]
        return {
            "node": statistics.median(map(processes.rss_mb, nodes)),
            "gateway": max(map(processes.rss_mb, gateways)),
            "ingest": processes.rss_mb(site.children["ingest"].pid),
            "dashboard": processes.rss_mb(site.children["dashboard"].pid),
        }


def _look(url: str) -> None:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
        answer.read()
