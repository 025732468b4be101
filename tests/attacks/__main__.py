"""`make attack`: a whole site under attack, and what others notice meanwhile, against the same seconds before it.

Each attack is played by a process of its own. Others are a caller of the interface from another address, and the event
of another gateway on its way to a place's state. Both are measured in turns, quiet and under fire, within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from dashboard.accounts.book import AccountBook
from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import clocks, wiring
from plekvrij.embedded_broker import free_port
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from tests.attacks.players import PLAYERS, Aim, play
from workplace.codec import encode
from workplace.events import DeviceHealth, GatewayHealth, GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan, Place, Sensor
from workplace.ports import Received
from workplace.topics import Topics

PASSWORD = "kruiwagen lantaarn zeven"
#: Others may take this much longer while an attack goes on.
MOST_RATIO = 1.5
#: What a gateway that may speak can say in sound or unsound messages goes through the queue in which others wait too
#: (docs/explanation/threat-model.md): measured, and no reason to fail.
KNOWN = frozenset({"rubbish", "events"})
PATIENCE_S = 60.0
TURNS = 4
THIEF, OTHER = "gw-1", "gw-3"


@dataclass
class Row:
    """Medians of one attack, s, and how much was counted as refused."""

    name: str
    quiet_s: dict[str, list[float]] = field(default_factory=lambda: {"page": [], "event": []})
    fire_s: dict[str, list[float]] = field(default_factory=lambda: {"page": [], "event": []})
    refused: float = 0.0

    def ratio(self, what: str) -> float:
        return statistics.median(self.fire_s[what]) / statistics.median(self.quiet_s[what])

    def line(self) -> str:
        parts = [
            f"{what} {statistics.median(self.quiet_s[what]) * 1e3:7.1f} -> "
            f"{statistics.median(self.fire_s[what]) * 1e3:7.1f} ms, {self.ratio(what):5.2f}x"
            for what in ("page", "event")
        ]
        return f"{self.name:<12} {'   '.join(parts)}   refused and counted: {self.refused:,.0f}"


class Others:
    """What measures: another caller, and another gateway."""

    def __init__(self, plan: FloorPlan, link: MqttLink, pages: int) -> None:
        self._link = link
        self._topics = Topics(plan.site)
        self._plan = plan
        self._pages = pages
        self._place, self._sensor = _dock(plan, OTHER)
        self._states: asyncio.Queue[Received] = asyncio.Queue()
        self._is_docked = False

    async def greet(self, listener: MqttLink) -> None:
        await listener.subscribe(self._topics.place_state(self._place.id), self._states.put_nowait)
        now = datetime.now(UTC)
        status = GatewayStatus(site=self._plan.site, gateway=OTHER, status="online", at=now)
        await self._link.publish(self._topics.gateway_status(OTHER), encode(status), retain=True)
        device = DeviceHealth(device=self._sensor.device, available=True)
        health = GatewayHealth(
            site=self._plan.site, gateway=OTHER, at=now, uptime_s=1, outbox_rows=0, outbox_oldest_s=0,
            clock_synced=True, devices=(device,),
        )  # fmt: skip
        await self._link.publish(self._topics.gateway_health(OTHER), encode(health))

    async def look(self) -> float:
        """Return what one look at a floor takes, s."""

        def ask() -> float:
            began = time.perf_counter()
            address = f"http://127.0.0.1:{self._pages}/api/v1/floors/f3"
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                answer.read()
            return time.perf_counter() - began

        return await asyncio.to_thread(ask)

    async def plug(self) -> float:
        """Return what a plug takes from the gateway to the state of its place, s."""
        while not self._states.empty():
            self._states.get_nowait()
        self._is_docked = not self._is_docked
        now, sensor = datetime.now(UTC), self._sensor
        event = SensorEvent(
            id=f"other-{now.timestamp():.6f}", site=self._plan.site, gateway=OTHER, device=sensor.device,
            kind="link", value=self._is_docked, channel=sensor.channel, measured_at=now, clock="device",
            uncertainty_ms=5, received_at=now,
        )  # fmt: skip
        began = time.perf_counter()
        await self._link.publish(self._topics.event("f3", OTHER, sensor.device), encode(event))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._states.get()
        return time.perf_counter() - began


def _dock(plan: FloorPlan, gateway: str) -> tuple[Place, Sensor]:
    return next(
        (place, sensor)
        for place in plan.places_of_gateway(gateway)
        for sensor in place.sensors
        if sensor.kind == "link"
    )


def _counted(first: int) -> float:
    """Return everything that pages and ingest counted as refused."""
    total = 0.0
    for port in (first, first + 1):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            if family.name in {"plekvrij_pages_refused", "plekvrij_ingest_quarantined"}:
                total += sum(sample.value for sample in family.samples)
    return total


async def _fight(name: str, aim: Aim, others: Others, metrics: int, seconds: float) -> Row:
    """Measure in turns: quiet, fire, and so on; others work on this machine too."""
    row, context = Row(name), multiprocessing.get_context("spawn")
    before = _counted(metrics)
    for _ in range(TURNS):
        await _measure(row.quiet_s, others, seconds / TURNS)
        stop = context.Event()
        player = context.Process(target=play, args=(name, aim, stop), daemon=True)
        player.start()
        await asyncio.sleep(1.5)  # until it is at work: it has to load first
        await _measure(row.fire_s, others, seconds / TURNS)
        stop.set()
        await asyncio.to_thread(player.join, 10)
        if player.is_alive():
            player.kill()
        await asyncio.sleep(2.0)  # what is still in queues
    await asyncio.sleep(6.0)  # ingest tells its counts every five seconds
    row.refused = _counted(metrics) - before
    return row


async def _measure(found: dict[str, list[float]], others: Others, seconds: float) -> None:
    end, waited_s = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and waited_s < PATIENCE_S:
        found["page"].append(await others.look())
        waited_s = await others.plug()
        found["event"].append(waited_s)
        await asyncio.sleep(0.02)


def _free_row(count: int) -> int:
    while True:
        first = free_port()
        taken = False
        for port in range(first, first + count):
            with socket.socket() as probe:
                taken |= port > 65_000 or probe.connect_ex(("127.0.0.1", port)) == 0
        if not taken:
            return first


async def _attack(names: list[str], folder: Path, seconds: float) -> list[Row]:
    site = wiring.read_site(wiring.DEMO_PLAN, None)
    book = AccountBook(sqlite3.connect, folder / "accounts.db")
    book.set_up(book.add("beheer", "admin"), PASSWORD)
    book.close()
    metrics, port = _free_row(3), free_port()
    settings = SiteProcessSettings(
        site=site, folder=folder, clock=clocks.wall_clock(), port=port, building=False, gateways=False,
        metrics=str(metrics),
    )  # fmt: skip
    async with (
        SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes,
        AsyncExitStack() as stack,
    ):
        assert processes.broker is not None
        broker = processes.broker

        async def enter(user: str) -> MqttLink:
            address = BrokerAddress(broker.url, user, broker.credentials[user].password)
            link = await stack.enter_async_context(MqttLink(address, f"attack-{user}"))
            await link.wait_connected()
            return link

        others = Others(site.plan, await enter(OTHER), port)
        await others.greet(await enter("dashboard"))
        _, own = _dock(site.plan, THIEF)
        aim = Aim(
            port, broker.port, site.plan.site, THIEF, broker.credentials[THIEF].password, "f1", own.device, own.channel,
            "beheer",
        )  # fmt: skip
        await _measure({"page": [], "event": []}, others, 2.0)
        rows = []
        for name in names:
            rows.append(await _fight(name, aim, others, metrics, seconds))
            print(rows[-1].line(), flush=True)
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--only", choices=sorted(PLAYERS), help="this attack alone")
    parser.add_argument(
        "--seconds", type=float, default=48.0, help="of measuring, quiet and under fire each (48)"
    )
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(PLAYERS)
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_attack(names, Path(folder) / "site", arguments.seconds))
    slow = [(row.name, what) for row in rows for what in ("page", "event") if row.ratio(what) > MOST_RATIO]
    told = ", ".join(f"{name} ({what}{', known' if name in KNOWN else ''})" for name, what in slow)
    print(f"others took over {MOST_RATIO}x as long under: {told or 'none'}")
    return int(any(name not in KNOWN for name, _ in slow))


if __name__ == "__main__":
    sys.exit(main())
