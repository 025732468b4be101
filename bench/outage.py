"""Figures of an outage: the time-series server is down while 2,000 places go on, and comes back to hours of backlog.

`python -m bench.outage --hours 2 --speed 30` prints all of it and ends with 1 when a goal is missed. Whenever the live
path is looked at, the site's clock runs as the wall does and events come at the 70 per second of a real site. Only what
nobody looks at is shortened: meanwhile ingest runs with a clock that is `speed` times as fast, and so do the events:
two hours leave as many points in the outbox as they would, in four minutes. For another clock ingest has to start
again, once before and once after. `--speed 1` is real time throughout. Left out where no `influxd` is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import processes
from bench.figure import Figure
from bench.ingest_latency import live_stretch, quantile
from bench.ingest_rig import Site, running
from bench.sites import NEED_EVENTS_PER_S, Building
from ingest.stores.influx_store import InfluxStore
from plekvrij.embedded_broker import free_port
from workplace.events import SensorEvent

INFLUXD = shutil.which("influxd")
_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "tsi1"
max-series-per-database = 0
max-values-per-tag = 0
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
"""
#: Every place has spoken before anything is measured.
_WARM_EVENTS = 6_000
#: So long events come unmeasured after a start, s.
_SETTLE_S = 4.0
#: Events that may be under way to ingest while the backlog is made; the broker holds 8,000 for it.
_UNDER_WAY = 4_000
#: While the live path is looked at, each so many events somebody comes to a free place.
_ARRIVES = 4
#: Goals: how late the live path may be against before, how long the backlog may take, and how much memory its second
#: half may cost.
_LATER, _WRITTEN_S, _MORE_MB = 1.2, 300.0, 25.0
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Outage:
    """What was seen.

    Attributes:
        p95_ms: from event to state, by phase: `before`, `down`, `catching up`, `after`.
        states: how many states each of those is made of.
        rss_mb: of ingest, by phase.
        waiting: lines in the outbox when the server came back.
        written_s: how long until the outbox was empty.
        points, expected: of events, at the server and told; equal when none was lost.
    """

    p95_ms: dict[str, float]
    states: dict[str, int]
    rss_mb: dict[str, float]
    events: int
    made_s: float
    waiting: int
    written_s: float
    points: int
    expected: int

    @property
    def later(self) -> float:
        """How often the p95 before goes into the worst since."""
        return max(self.p95_ms[phase] for phase in ("down", "catching up", "after")) / self.p95_ms["before"]

    @property
    def more_mb(self) -> float:
        """Of memory, for the second half of the backlog: what the first half takes is the site coming to life."""
        return max(self.rss_mb["all of it"] - self.rss_mb["half of the backlog"], 0.0)


def live_through_an_outage() -> Figure:
    """p95 from event to state without the server, against with it."""
    seen = _short()
    now_ms = seen.later * seen.p95_ms["before"]
    against = f"{_LATER:g} x before, {_told(seen.p95_ms)} ms"
    return Figure("live_through_an_outage", now_ms, "ms p95", against, _LATER / seen.later, 0.6)


def backlog_written() -> Figure:
    seen = _short()
    return _within("backlog_written", seen.written_s, "s", _WRITTEN_S, f"{seen.waiting:,} lines")


def memory_in_an_outage() -> Figure:
    seen = _short()
    return _within("memory_in_an_outage", seen.more_mb, "MB more", _MORE_MB, f"{_told(seen.rss_mb)} MB")


def _within(name: str, value: float, unit: str, budget: float, more: str) -> Figure:
    return Figure(name, value, unit, f"budget of {budget:g} {unit}; {more}", budget / max(value, 0.01), 1.0)


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{phase} {value:.1f}" for phase, value in values.items())


@cache
def _short() -> Outage:
    return outage(hours=0.08, speed=30.0, stretch_s=6.0)


def outage(*, hours: float, speed: float, stretch_s: float) -> Outage:
    """Live through an outage of so many hours; a look at the live path takes `stretch_s`."""
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_live(Path(folder), hours * 3600, speed, stretch_s))


async def _live(folder: Path, outage_s: float, speed: float, stretch_s: float) -> Outage:
    port = free_port()
    p95_ms: dict[str, float] = {}
    states: dict[str, int] = {}
    rss_mb: dict[str, float] = {}
    influx = f"http://127.0.0.1:{port}/occ"
    with _Influx(folder / "influx", port) as server:
        async with running(folder, 1.0, influx=influx, start=_morning()) as site:
            people = _People(site)

            async def settle() -> None:
                """Let a start be over: all states are told again, and every place is met for the first time."""
                await site.wait_quiet()
                await live_stretch(site, lambda at: people.noise(1, at)[0], _SETTLE_S, NEED_EVENTS_PER_S)

            async def look(phase: str) -> None:
                seen = await live_stretch(site, people.live, stretch_s, NEED_EVENTS_PER_S)
                p95_ms[phase], states[phase] = quantile(seen.delays_ms, 95), len(seen.delays_ms)
                rss_mb[phase] = processes.rss_mb(site.pid)

            await site.send(people.noise(_WARM_EVENTS, site.clock.now()))
            await _until_written(site, site.newest_line())
            await settle()
            await look("before")
            server.stop()
            told, began = people.told, time.perf_counter()
            await site.go_on_at(speed)
            await _make_backlog(site, people, outage_s / 2, speed)
            rss_mb["half of the backlog"] = processes.rss_mb(site.pid)
            await _make_backlog(site, people, outage_s / 2, speed)
            rss_mb["all of it"] = processes.rss_mb(site.pid)
            made_s, events = time.perf_counter() - began, people.told - told
            await site.go_on_at(1.0)
            await settle()
            await look("down")
            waiting, last = site.waiting_lines(), site.newest_line()
            server.start()
            began = time.perf_counter()
            writing = asyncio.create_task(_until_written(site, last), name="until the backlog is written")
            await look("catching up")
            written_s = await writing - began
            await look("after")
            await _until_written(site, site.newest_line())
            points = _points(influx)
    return Outage(p95_ms, states, rss_mb, events, made_s, waiting, written_s, points, people.expected)


def _morning() -> datetime:
    """Return nine o'clock of the last working day: points of the far past would be refused."""
    day = datetime.now(UTC) - timedelta(days=1)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    return day.replace(hour=9, minute=0, second=0, microsecond=0)


class _People:
    """Half of the floors make the noise of the site; to the others people come one by one while somebody looks."""

    def __init__(self, site: Site) -> None:
        self._plan = site.plan
        floors = [floor.id for floor in site.plan.floors]
        self._building = Building(site.plan, empty_floors=floors[len(floors) // 2 :])
        self.told = 0
        self.expected = 0
        """Points that the events told so far must become."""

    def noise(self, count: int, at: datetime) -> list[SensorEvent]:
        """Return so many events of the busy floors, at once."""
        return [self._counted(self._building.facts(1, at, 1)[0]) for _ in range(count)]

    def live(self, at: datetime) -> SensorEvent:
        """Return an event; each so many somebody comes to a free place."""
        arrival = self._building.first_motion(at) if self.told % _ARRIVES == 0 else None
        return self._counted(arrival) if arrival is not None else self.noise(1, at)[0]

    def _counted(self, event: SensorEvent) -> SensorEvent:
        self.told += 1
        self.expected += len(self._plan.wired[event.device, event.channel, event.kind])
        return event


async def _make_backlog(site: Site, people: _People, outage_s: float, speed: float) -> None:
    """Let the site say what it says in so long."""
    wanted = int(outage_s * NEED_EVENTS_PER_S)
    began, sent = time.perf_counter(), 0
    while sent < wanted:
        due = min(int((time.perf_counter() - began) * speed * NEED_EVENTS_PER_S), wanted)
        if due > sent:
            chunk = min(due - sent, 500)
            site.publish(people.noise(chunk, site.clock.now()))
            sent += chunk
        await site.wait_stored(but=_UNDER_WAY)
        await asyncio.sleep(0.01)
    await site.wait_stored()


async def _until_written(site: Site, line: int) -> float:
    """Return the moment, `perf_counter` s, at which the server has all lines up to this one."""
    async with asyncio.timeout(_PATIENCE_S):
        while 0 < site.oldest_line() <= line:
            await asyncio.sleep(0.1)
    return time.perf_counter()


def _points(url: str) -> int:
    """Return how many points of events the server has."""
    store = InfluxStore(url)
    store.prepare()
    rows = store.query('SELECT count("unc_ms") AS n FROM sensor_event')
    store.close()
    return sum(int(row["n"]) for row in rows)


class _Influx:
    """A real InfluxDB 1.x; stopped and started again on the same data."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True)
        self._port = port
        self._config = folder / "influxdb.conf"
        self._config.write_text(_CONFIG.format(folder=folder, port=port), "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Influx:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when it answers."""
        self._process = subprocess.Popen(
            [str(INFLUXD), "-config", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError("influxd does not answer")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ping", timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(60)


def main() -> int:
    """Print what an outage looks like; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the outage, hours (2)")
    parser.add_argument(
        "--speed", type=float, default=30.0, help="how many times as fast its events come (30)"
    )
    parser.add_argument("--look", type=float, default=20.0, help="length of a look at the live path, s (20)")
    arguments = parser.parse_args()
    seen = outage(hours=arguments.hours, speed=arguments.speed, stretch_s=arguments.look)
    goals = {
        f"p95 of event to state, ms: {_told(seen.p95_ms)}; {seen.later:.2f} x before": seen.later <= _LATER,
        f"memory of ingest, MB: {_told(seen.rss_mb)}; {seen.more_mb:.1f} more for the second half": seen.more_mb
        <= _MORE_MB,
        f"{seen.waiting:,} lines written {seen.written_s:.1f} s after the return": seen.written_s
        <= _WRITTEN_S,
        f"{seen.points:,} points of {seen.expected:,} events at the server": seen.points == seen.expected,
    }
    print(
        f"{seen.events:,} events in {seen.made_s:.0f} s without a server, load {os.getloadavg()[0]:.1f};",
        end=" ",
    )
    print(f"states looked at: {seen.states}")
    for sentence, is_met in goals.items():
        print("ok    " if is_met else "MISSED", sentence)
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
