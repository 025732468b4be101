"""kill -9 of a gateway, again and again, behind cables with bit errors: every edge arrives, and once.

PLEKVRIJ_LONG=1 kills twenty times instead of three.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from simulators import native_node

KILLS = 20 if os.environ.get("PLEKVRIJ_LONG") else 3
#: Bit error rate of the cable of each node (docs/reference/dsp1.md, 5: up to 1e-3 everything arrives).
RATES = {"dsp1-0001000000000001": 0.0, "dsp1-0001000000000002": 1e-4, "dsp1-0001000000000003": 1e-3}
CHANNELS = 8
TOGGLE_PAUSE_S = 0.2  # the same channel again after 1.6 s; its debounce is 0.3 s
#: A node keeps 32 events. However slow this machine starts a gateway, no more than this many are on their way.
MOST_BEHIND = 26
WORK_BETWEEN_KILLS_S = (0.2, 2.0)
SEED = 11

PLAN = """
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways:
  - {id: gw-1, floor: f1}
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [30, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 30, 12]
        islands:
          - {first: 1-W1, at: [2, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0001000000000001"}
          - {first: 1-W9, at: [10, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0001000000000002"}
          - {first: 1-W17, at: [18, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0001000000000003"}
"""


@dataclass
class Cabled:
    """One node, the cable to its gateway, and what happened at its docks."""

    device: str
    node: Any
    cable: asyncio.subprocess.Process
    held_back: int = 0

    async def work(self, database: Path) -> None:
        """Plug laptops in and out, one channel after the other, until cancelled."""
        while True:
            if self.node.toggles - stored_without_gap(database, self.device) < MOST_BEHIND:
                await self.node.toggle(self.node.toggles % CHANNELS)
            else:
                self.held_back += 1
            await asyncio.sleep(TOGGLE_PAUSE_S)

    def expected(self) -> dict[str, list[int]]:
        """Return the values of each channel, in order: in, out, in ..."""
        toggles = self.node.toggles
        return {
            str(channel): [1 - turn % 2 for turn in range(len(range(channel, toggles, CHANNELS)))]
            for channel in range(min(CHANNELS, toggles))
        }


def stored(database: Path, device: str) -> list[tuple[int, str, int]]:
    """Return (event number, channel, value) of every dock edge at the site, by number."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT seq, channel, value FROM event WHERE kind = 'link' AND seq IS NOT NULL AND device = ? "
            "ORDER BY seq, received_at",
            (device,),
        ).fetchall()


def stored_without_gap(database: Path, device: str) -> int:
    """Return the highest number up to which every edge is stored."""
    upto = 0
    for seq, _, _ in stored(database, device):
        if seq > upto + 1:
            break
        upto = seq
    return upto


@pytest.mark.timeout(600)
def test_kills_behind_bad_cables_lose_and_double_no_edge(
    tmp_path: Path, free_port: int, desk_node: Callable[..., Any]
) -> None:
    try:
        command = [str(native_node.build(native_node.NODE, tmp_path / "firmware"))]
    except native_node.NodeNotBuilt:
        command = native_node.python_command()
    plan = tmp_path / "cabled.plan.yaml"
    plan.write_text(PLAN, "utf-8")
    nodes = [desk_node(tmp_path / "far", device, CHANNELS, command=command) for device in RATES]
    asyncio.run(_kill_often(wiring.read_site(plan, None), tmp_path, free_port, nodes))


async def _kill_often(site: wiring.Site, folder: Path, port: int, nodes: list[Any]) -> None:
    clock = clocks.scaled_clock(datetime.now(UTC), 1.0)
    settings = SiteProcessSettings(site=site, folder=folder / "site", clock=clock, port=port, building=False)
    (settings.folder / "tty").mkdir(parents=True)
    async with contextlib.AsyncExitStack() as stack:
        lines = []
        for node, device in zip(nodes, RATES, strict=True):
            await node.start()
            stack.push_async_callback(node.stop)
            lines.append(Cabled(device, node, await _lay_cable(folder, device)))
            stack.push_async_callback(_pull_cable, lines[-1])
        processes = await stack.enter_async_context(
            SiteProcesses(settings, lambda text: print(text, file=sys.stderr))
        )
        await _work_and_kill(processes, lines)
        await _until_all_stored(processes.database, lines)
    for line in lines:
        rows = stored(settings.folder / "site.db", line.device)
        assert [seq for seq, _, _ in rows] == list(range(1, line.node.toggles + 1)), "lost or doubled"
        found: dict[str, list[int]] = {}
        for _, channel, value in rows:
            found.setdefault(channel, []).append(value)
        assert found == line.expected()


async def _until_all_stored(database: Path, lines: list[Cabled]) -> None:
    """Give what is on its way time to arrive; what does not is found missing afterwards."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while any(len(stored(database, line.device)) < line.node.toggles for line in lines):
                await asyncio.sleep(0.1)


async def _work_and_kill(processes: SiteProcesses, lines: list[Cabled]) -> None:
    """Kill the gateway, let it come back, and again; the docks never rest."""
    chance = random.Random(SEED)
    gateway = processes.children["gw-1"]
    workers = [asyncio.create_task(line.work(processes.database), name=line.device) for line in lines]
    try:
        for kill in range(KILLS):
            await asyncio.sleep(chance.uniform(*WORK_BETWEEN_KILLS_S))
            gateway.kill()
            async with asyncio.timeout(60):
                while gateway.restarts <= kill:
                    assert not any(worker.done() for worker in workers)
                    await asyncio.sleep(0.02)
        await asyncio.sleep(1)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _lay_cable(folder: Path, device: str) -> asyncio.subprocess.Process:
    cable = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.serial_faults",
        "--device", str(folder / "far" / "tty" / device), "--tty", str(folder / "site" / "tty" / device),
        "--ber", str(RATES[device]), "--seed", str(SEED),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert cable.stdout is not None
    assert "ready" in json.loads(await cable.stdout.readline())
    return cable


async def _pull_cable(line: Cabled) -> None:
    said, _ = await line.cable.communicate(b"")  # the end of its input ends it
    counts = json.loads(said.splitlines()[-1])
    print(
        f"{line.device} at {RATES[line.device]:g}: {line.node.toggles} edges, {counts['carried_bytes']} bytes, "
        f"{counts['flipped_bits']} bits flipped, held back {line.held_back} times",
        file=sys.stderr,
    )
    assert (counts["flipped_bits"] > 0) == (RATES[line.device] > 0), "the cable was not what it should be"
