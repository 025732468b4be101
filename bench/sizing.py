"""`python -m bench.sizing --places 100000`: what one machine needs for a site of any size; docs/reference/sizing.md.

The real broker and the real ingest process. First minutes of a simulated Tuesday at their own pace, then as fast as the
broker takes them, then a start on what was stored.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from bench import processes
from bench.ingest_rig import Site, running
from simulators.made_site import day_of, made_events, made_plan_text, shape_of
from workplace.events import SensorEvent
from workplace.floor_plan import load

_FLOOD = 20_000


async def measure(places: int, minutes: float, folder: Path) -> list[str]:
    """Return the lines of a table: what, and how much of it."""
    shape = shape_of(places)
    text = made_plan_text(shape)
    began_s = time.perf_counter()
    plan = load(text, "site.plan.yaml")
    read_s = time.perf_counter() - began_s
    start = day_of(10, 0, plan)
    events = list(made_events(shape, 1, start, start + timedelta(minutes=minutes)))
    lines = [f"| places, floors, gateways | {shape.places}, {shape.floors}, {shape.floors} |"]
    lines.append(f"| events at 10:00 on a Tuesday | {len(events) / minutes / 60:.0f}/s |")
    lines.append(f"| reading and checking the plan | {read_s:.1f} s |")
    began_s = time.perf_counter()
    async with running(folder, 1.0, start=start, plan_text=text, patience_s=600.0) as site:
        lines.append(
            f"| broker, ingest and all gateways and devices greeted | {time.perf_counter() - began_s:.0f} s |"
        )
        await _settle(site)
        lines += await _paced(site, events, folder)
        lines += await _flooded(site, events[:_FLOOD], folder)
        began_s = time.perf_counter()
        await site.go_on_at(1.0)
        lines.append(
            f"| ingest started again on its data until it decides | {time.perf_counter() - began_s:.0f} s |"
        )
    return lines


async def _settle(site: Site) -> None:
    """Return when the first minute is over: everything is told once, and the broker has written it."""
    before_s = processes.cpu_s(site.pid)
    while True:
        await asyncio.sleep(5)
        now_s = processes.cpu_s(site.pid)
        if now_s - before_s < 4.0:
            return
        before_s = now_s


async def _paced(site: Site, events: Sequence[SensorEvent], folder: Path) -> list[str]:
    """Say each event at its own time from now on."""
    shift = site.clock.now() - events[0].received_at
    pids = {"ingest": site.pid, "broker": site.broker.pid}
    before = {name: processes.cpu_s(pid) for name, pid in pids.items()}
    disk_before, began_s, sent, lag_s = _bytes(folder), time.perf_counter(), 0, 0.0
    while sent < len(events):
        now = site.clock.now()
        due = [event for event in events[sent : sent + 4000] if event.received_at + shift <= now]
        site.publish([_moved(event, shift) for event in due])
        sent += len(due)
        await asyncio.sleep(0.05)
    last_s = time.perf_counter()
    await site.wait_stored()
    lag_s = time.perf_counter() - last_s
    took_s = time.perf_counter() - began_s
    lines = [f"| stored after the last one was sent | {lag_s:.1f} s |"]
    for name, pid in pids.items():
        share_pct = (processes.cpu_s(pid) - before[name]) / took_s * 100
        lines.append(f"| {name}: CPU, memory | {share_pct:.0f} % of a core, {processes.rss_mb(pid):.0f} MB |")
    grown = (_bytes(folder) - disk_before) / len(events)
    lines.append(f"| disk of all processes, per event | {grown:.0f} B |")
    return lines


async def _flooded(site: Site, events: Sequence[SensorEvent], folder: Path) -> list[str]:
    now = site.clock.now()
    again = [
        msgspec.structs.replace(event, id=f"f-{number:030d}", measured_at=now, received_at=now)
        for number, event in enumerate(events)
    ]
    cpu_s, began_s = processes.cpu_s(site.pid), time.perf_counter()
    await site.send(again)
    took_s, cpu_s = time.perf_counter() - began_s, processes.cpu_s(site.pid) - cpu_s
    cpu_us = cpu_s / len(again) * 1e6
    file = folder / "site.db"
    return [
        f"| as fast as it goes, one ingest | {len(again) / took_s:.0f} events/s, {cpu_us:.0f} us of CPU each |",
        f"| site.db at the end | {file.stat().st_size / 1e6:.0f} MB |",
    ]


def _moved(event: SensorEvent, by: timedelta) -> SensorEvent:
    return msgspec.structs.replace(
        event, measured_at=event.measured_at + by, received_at=event.received_at + by
    )


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description=__doc__)
    parser.add_argument("--places", type=int, default=100_000, metavar="N", help="places (default 100000)")
    parser.add_argument("--minutes", type=float, default=3.0, metavar="N", help="simulated (default 3)")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="plekvrij-sizing-", ignore_cleanup_errors=True) as folder:
        lines = asyncio.run(measure(arguments.places, arguments.minutes, Path(folder)))
    print("\n".join(("| what | how much |", "|---|---|", *lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
