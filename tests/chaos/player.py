"""The fault player: a seeded order of faults, spaced by recovery, while people come and go."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from simulators.native_node import ROOT
from tests.chaos import faults
from tests.chaos.docks import DockNode
from tests.chaos.faults import HOUR_S, RESTARTED, Fault, Scene
from tests.chaos.site_view import ask
from tests.chaos.town_hall import TownHall
from tests.chaos.truth import Account, ScreenWatch, settle_account

RECOVERS_WITHIN_S = 180.0  # of a machine that others share
LOOK_S, ASK_S = 0.15, 1.0
PLUG_PAUSE_S = 0.8

#: Every order of all three, and of every two.
RESTARTS: dict[str, Fault] = {
    "restart " + ", ".join(order): faults.restart_in_order(*order)
    for count in (3, 2)
    for order in permutations(RESTARTED, count)
}
FAULTS: dict[str, Fault] = {
    "broker's disk full": faults.disk_full("broker"),
    "broker's disk full, broker killed": faults.disk_full("broker", "broker"),
    "disk of site.db full": faults.disk_full("data"),
    "disk of site.db full, ingest killed": faults.disk_full("data", "ingest"),
    "disk of outboxes full": faults.disk_full("gateways"),
    "site.db read-only": faults.store_read_only,
    "site.db damaged": faults.store_damaged,
    "InfluxDB slow": faults.wire_is("slow", "influxd"),
    "InfluxDB silent": faults.wire_is("silent", "influxd"),
    "InfluxDB answers 500": faults.wire_is("failing", "influxd"),
    "InfluxDB refuses connections": faults.wire_is("cut", "influxd"),
    "gateway cut off": faults.wire_is("cut", "gateway"),
    "gateway's wire silent": faults.wire_is("silent", "gateway"),
    "gateway's wire slow": faults.wire_is("slow", "gateway"),
    "ingest cut off": faults.wire_is("cut", "ingest"),
    "ingest's wire silent": faults.wire_is("silent", "ingest"),
    "ingest's wire slow": faults.wire_is("slow", "ingest"),
    "clock an hour ahead": faults.clock_steps(HOUR_S),
    "clock an hour behind": faults.clock_steps(-HOUR_S),
}
KILL = "kill -9"
KILLS: dict[str, Fault] = {
    f"{KILL} {kind}": faults.kill_one(kind)
    for kind in ("node", "gateway", "broker", "ingest", "influxd", "dashboard")
}
EVERYTHING: dict[str, Fault] = {KILL: faults.kill_some, **KILLS, **FAULTS, **RESTARTS}
#: What fits into a minute: one of each sort, and each component killed.
SHORT = (
    "kill -9 broker", "kill -9 node", "kill -9 gateway", "restart broker, ingest, gateway", "site.db damaged",
    "gateway cut off", "ingest's wire silent", "kill -9 influxd", "kill -9 broker", "kill -9 ingest",
    "clock an hour ahead",
)  # fmt: skip


def long_order(chance: random.Random) -> Iterator[str]:
    """Yield names for ever: kills, with every fault and every restart between them before any comes again."""
    while True:
        deck = [*FAULTS, *RESTARTS]
        chance.shuffle(deck)
        for name in deck:
            yield KILL
            yield KILL
            yield name


@dataclass(slots=True)
class Pending:
    """Something that has yet to recover."""

    label: str
    since_s: float
    is_well: Callable[[], bool]
    is_chain: bool


@dataclass
class Played:
    """What was played and what came of it. `recoveries_s`: by component killed and by fault."""

    faults: dict[str, int] = field(default_factory=dict)
    recoveries_s: dict[str, list[float]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    ledger: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Nothing lost, nothing doubled, and nothing that did not come back."""
        return self.account.is_whole and not self.troubles


class Player:
    """Plays on one running hall."""

    def __init__(self, hall: TownHall, seed: int, tell: Callable[[str], None]) -> None:
        self.hall = hall
        self.screens = ScreenWatch(hall.view, hall.nodes)
        self.scene = Scene(hall, self.screens, random.Random(seed), set(), [], set(), *hall.settings.lasts_s)
        self.played = Played()
        self._tell = tell
        self._pending: list[Pending] = []
        self._is_excused = False
        self._excused_until_s = 0.0
        self._health: str = "down"

    async def play(self, order: Iterator[str], until_s: float) -> Played:
        """Play until the monotonic time `until_s`, let everything come to rest, and settle the account."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            looking = [
                tasks.create_task(self._look(), name="look"), tasks.create_task(self._watch_screens(), name="screens")
            ]  # fmt: skip
            people = [
                tasks.create_task(node.play(PLUG_PAUSE_S), name=node.device) for node in self.hall.nodes
            ]
            self._await_chain("start", began_s)
            await self._until_recovered()
            for name in order:
                if time.monotonic() >= until_s:
                    break
                await self._one(name)
            await self._until_recovered(also_beside=True)
            for one in people:
                one.cancel()
            await self._last_round()
            await self._come_to_rest()
            for one in looking:
                one.cancel()
        await self._ask_ledger()
        self.played.duration_s = time.monotonic() - began_s
        self.played.troubles += [*self.scene.troubles, *self.screens.wrong.values()]
        return self.played

    async def _one(self, name: str) -> None:
        fault = EVERYTHING[name]
        self._is_excused = any(word in name for word in ("ingest", "site.db", "broker"))
        before = {member.name: member.tally.kills for member in self.hall.members.values()}
        try:
            since_s = await fault(self.scene)
        except TimeoutError:
            since_s = time.monotonic()
            self.played.troubles.append(f"{name}: a component was not ready in time")
        self.played.faults[name] = self.played.faults.get(name, 0) + 1
        killed = [m for m in self.hall.members.values() if m.tally.kills > before[m.name]]
        self._tell(f"{name}: {', '.join(m.name for m in killed)}" if killed else name)
        is_kill = name.startswith(KILL)
        for member in killed if is_kill else ():
            self._await_member(member.kind, member.name, since_s)
        if not is_kill:
            self._await_chain(name, since_s)
            if name.startswith("InfluxDB"):
                self._await_member("influxd", "influxd", since_s, label=name)
        await self._until_recovered()
        self.screens.doubted.clear()
        if self._is_excused:
            self._is_excused, self._excused_until_s = False, time.monotonic()

    # recovery

    def _await_member(self, kind: str, name: str, since_s: float, label: str | None = None) -> None:
        hall = self.hall
        nodes = {
            "node": [node for node in hall.nodes if node.name == name],
            "gateway": [node for node in hall.nodes if node.gateway == name],
        }.get(kind, hall.nodes)
        label = label or f"{KILL} {kind}"
        if kind == "dashboard":
            self._pending.append(Pending(label, since_s, self._pages_are_well, is_chain=True))
        elif kind == "influxd":
            newest, store = self._newest_line(), hall.view.inode
            # in a store that was moved aside meanwhile the lines stay
            is_sent = lambda: hall.view.inode != store or self._oldest_line() > newest  # noqa: E731
            self._pending.append(Pending(label, since_s, is_sent, is_chain=False))
        else:
            self._pending.append(Pending(label, since_s, self._flows(nodes, since_s), is_chain=True))

    def _await_chain(self, label: str, since_s: float) -> None:
        flows = self._flows(self.hall.nodes, since_s)
        self._pending.append(
            Pending(label, since_s, lambda: flows() and self._pages_are_well(), is_chain=True)
        )

    def _flows(self, nodes: list[DockNode], since_s: float) -> Callable[[], bool]:
        """Return whether of each node an edge that was made since then is stored."""

        def flows() -> bool:
            stored = self.hall.view.stored
            return all(
                any(edge.made_at >= since_s and edge.id in stored for edge in node.journal.newest_first())
                for node in nodes
            )

        return flows

    def _pages_are_well(self) -> bool:
        return self._health != "down" and self.hall.members["dashboard"].is_ready.is_set()

    def _whole_since_s(self) -> float:
        if self._is_excused:
            return math.inf
        chain = [self.hall.members[name] for name in ("broker", "ingest", "dashboard")]
        since_s = max(member.ready_since_s for member in chain)
        return max(since_s, self._excused_until_s) if all(m.is_ready.is_set() for m in chain) else math.inf

    def _newest_line(self) -> int:
        return self.hall.view.lines[1]

    def _oldest_line(self) -> int:
        return self.hall.view.lines[0]

    async def _until_recovered(self, *, also_beside: bool = False) -> None:
        deadline_s = time.monotonic() + RECOVERS_WITHIN_S
        while waiting := [one for one in self._pending if one.is_chain or also_beside]:
            if time.monotonic() > deadline_s:
                for one in waiting:
                    self.played.troubles.append(f"{one.label} did not recover within {RECOVERS_WITHIN_S:g} s")
                    self._pending.remove(one)
                return
            await asyncio.sleep(0.05)

    # what is looked at

    async def _look(self) -> None:
        while True:
            await asyncio.to_thread(self._read)
            now_s = time.monotonic()
            for one in [one for one in self._pending if one.is_well()]:
                self.played.recoveries_s.setdefault(one.label, []).append(now_s - one.since_s)
                self._pending.remove(one)
            await asyncio.sleep(LOOK_S)

    def _read(self) -> None:
        self.hall.view.read_on()
        for node in self.hall.nodes:
            node.journal.read_on()

    async def _watch_screens(self) -> None:
        while True:
            health = await ask(self.hall.page_port, "health")
            self._health = "down" if health is None else health["status"]
            asked_at = time.monotonic()
            self.screens.whole_since_s = self._whole_since_s()
            floors = await ask(self.hall.page_port, "floors")
            self.screens.look(None if floors is None else _states(floors), asked_at)
            await asyncio.sleep(ASK_S)

    # the end

    async def _last_round(self) -> None:
        """Plug every second dock once more; the others must come right by themselves after the last fault."""
        for channel in range(0, len(self.hall.nodes[0].docked), 2):
            for node in self.hall.nodes:
                node.toggle(channel)
            await asyncio.sleep(PLUG_PAUSE_S)
        await asyncio.sleep(1.0)

    async def _come_to_rest(self) -> None:
        """Wait until every edge is accounted for and every screen shows the truth, or time is up."""
        hall = self.hall
        deadline_s = time.monotonic() + RECOVERS_WITHIN_S
        before: list[str] = []
        while True:
            self.played.account = await asyncio.to_thread(
                settle_account, hall.view.database, self.scene.aside_ids, hall.nodes
            )
            floors = await ask(hall.page_port, "floors")
            health = await ask(hall.page_port, "health")
            open_ends = list(_untrue(hall.nodes, _states(floors or [])))
            if any(node.journal.waiting for node in hall.nodes):
                open_ends.append("nodes wait for their gateways")
            if health is None or health["outbox"]["rows"]:
                open_ends.append("outboxes are not empty")
            if hall.influx_wire is not None and hall.view.lines[2]:
                open_ends.append(f"{hall.view.lines[2]} lines wait for InfluxDB")
            if self.played.account.is_whole and not open_ends:
                return
            if time.monotonic() > deadline_s:
                self.played.troubles += open_ends
                return
            if open_ends != before:
                self._tell(f"at rest but for: {'; '.join(open_ends) or 'edges'}")
                before = open_ends
            await asyncio.sleep(0.5)

    async def _ask_ledger(self) -> None:
        """What the product says itself: every line of every outbox must have come to an end."""
        hall = self.hall
        day = datetime.now(UTC).date()
        data = str(hall.view.database.parent)
        asked = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "plekvrij", "account", str(day - timedelta(days=1)), str(day + timedelta(days=1)),
            "--data", data, "--plan", str(hall.settings.folder / "hall.plan.yaml"),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asked.communicate()
        self.played.ledger = said.decode().splitlines()
        if asked.returncode != 0:
            self.played.troubles.append(f"plekvrij account ends with {asked.returncode}")


def _states(floors: list[dict[str, Any]]) -> dict[str, str]:
    """Return place -> state, without places in zones that the pages call out of date."""
    old = {zone["id"] for floor in floors for zone in floor["zones"] if zone["stale"]}
    return {
        place["id"]: place["state"]
        for floor in floors
        for place in floor["places"]
        if place["zone"] not in old
    }


def _untrue(nodes: list[DockNode], states: dict[str, str]) -> Iterator[str]:
    """Yield the places that are not shown as their docks are; beside a dock with a PIR only use is sure at once.

    A dock that is empty and did not move since its gateway or the store began anew may be unknown.
    """
    for node in nodes:
        for channel, place in node.places.items():
            shown = states.get(place, "nothing")
            if node.docked[channel] and shown != "in_use":
                yield f"{place} is in use and shown as {shown}"
            elif not node.docked[channel] and not node.has_pir and shown not in ("free", "unknown"):
                yield f"{place} is free and shown as {shown}"
