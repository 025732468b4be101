"""kill -9 of gateway and ingest in the middle of work: no acknowledged event is lost, none is stored twice."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plekvrij import clocks, wiring
from plekvrij.process_tree import Child
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings

NODE = "dsp1-0001000000000001"
CHANNELS = 8
KILLS_EACH = 5
TOGGLE_PAUSE_S = 0.25
#: A node keeps 32 events; on a machine that others share its gateway may be away for longer than they last.
MOST_WAITING = 24
PLUGS_BETWEEN_KILLS = 12


def stored_links(database: Path) -> list[tuple[str, int]]:
    """Return (event id, value) of every stored link event that came as an event, not as a level report."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(
            "SELECT id, seq FROM event WHERE kind = 'link' AND seq IS NOT NULL AND device = ?", (NODE,)
        ).fetchall()


@pytest.mark.timeout(400)
def test_ten_power_cuts_lose_and_double_nothing(
    tmp_path: Path, small_plan_file: Path, free_port: int, desk_node: Callable[..., Any]
) -> None:
    node = desk_node(tmp_path / "site", NODE, CHANNELS)
    asyncio.run(_cut_power(wiring.read_site(small_plan_file, None), tmp_path / "site", free_port, node))


async def _cut_power(site: wiring.Site, folder: Path, port: int, node: Any) -> None:
    clock = clocks.scaled_clock(datetime.now(UTC), 1.0)
    await node.start()
    settings = SiteProcessSettings(site=site, folder=folder, clock=clock, port=port, building=False)
    try:
        async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
            await _work(node, 10, processes.database)
            cut: set[int] = set()
            for victim in ["gw-1", "ingest"] * KILLS_EACH:
                await _cut(processes.children[victim], cut)
                await _work(node, PLUGS_BETWEEN_KILLS, processes.database)
            assert len(cut) == 2 * KILLS_EACH
            await _until_all_stored(processes.database, node.toggles)
    finally:
        await node.stop()
    rows = stored_links(folder / "site.db")
    assert len(rows) == node.toggles
    assert len({event_id for event_id, _ in rows}) == len({seq for _, seq in rows}) == node.toggles


async def _cut(child: Child, cut: set[int]) -> None:
    """Kill a process that was not killed before; it may still be starting, as in a real power cut."""
    async with asyncio.timeout(120):
        while not child.is_running or child.pid in cut:
            await asyncio.sleep(0.02)
    cut.add(child.pid)
    child.kill()


async def _work(node: Any, toggles: int, database: Path) -> None:
    for _ in range(toggles):
        while node.toggles - len(stored_links(database)) >= MOST_WAITING:
            await asyncio.sleep(0.05)
        # one channel after the other: the same one again only after the node's own dock debounce of 300 ms
        await node.toggle(node.toggles % CHANNELS)
        await asyncio.sleep(TOGGLE_PAUSE_S)


async def _until_all_stored(database: Path, wanted: int) -> None:
    async with asyncio.timeout(200):
        while len(stored_links(database)) < wanted:
            await asyncio.sleep(0.1)
