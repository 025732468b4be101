"""Plays the simulated building in site time: people move, devices of all families report, the truth is kept.

The rest of the system sees what a real building would show: serial ports, and messages on a device broker.
The truth goes to a file that only tests and the report of a demo read.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from simulators.ble_air import BleAir
from simulators.ble_players import open_radios
from simulators.carried import Carried
from simulators.conditions import NORMAL, Conditions
from simulators.families import speakers, unplayed
from simulators.faults import NO_FAULTS, Faults
from simulators.mqtt_player import mqtt_player
from simulators.node_processes import NodeProcess, nodes_of
from simulators.players import Cast, Player
from simulators.population import Day, Population, Truth, TruthChange
from simulators.sensors import SensorInput, perceive
from simulators.speaker import FAR, Input
from simulators.switch_player import SwitchLine, open_switches
from workplace.floor_plan import FloorPlan
from workplace.ports import Clock, OpenLink

#: Real time between two looks at the clock: lower costs CPU, higher blurs what happens at 600x (20 ms are
#: 12 s there); the longest keeps a restarted node from waiting for its input.
SHORTEST_NAP_S, LONGEST_NAP_S = 0.02, 0.25
READY_WITHIN_S = 30.0


@dataclass(frozen=True)
class Scene:
    """Everything that happens on one day, in order, and how the day begins."""

    day: Day
    inputs: tuple[SensorInput, ...]

    def from_moment(self, start: datetime) -> Iterator[SensorInput | TruthChange]:
        """Yield what happens at or after `start`, in order of time."""
        both: Iterator[SensorInput | TruthChange] = heapq.merge(
            self.day.truth, self.inputs, key=lambda entry: entry.at
        )
        return (entry for entry in both if entry.at >= start)

    def truth_before(self, moment: datetime) -> dict[str, Truth]:
        """Return the state just before `moment` of every place that was not free all day."""
        states: dict[str, Truth] = dict.fromkeys(self.day.opening, "held")
        for change in self.day.truth:
            if change.at >= moment:
                break
            states[change.place] = change.state
        return states

    def levels_before(self, moment: datetime) -> list[Input]:
        """Return the levels that are up just before `moment`: dock links, seats, radars."""
        levels: dict[Input, bool] = {}
        for entry in self.inputs:
            if entry.at >= moment:
                break
            if entry.sensor != "motion":
                levels[entry.place, entry.sensor] = entry.value
        return [level for level, is_up in levels.items() if is_up]

    def links_up_before(self, moment: datetime) -> list[str]:
        """Return the places whose dock link is up just before `moment`."""
        return [place for place, sense in self.levels_before(moment) if sense == "link"]


def scene_of(population: Population, day: date, faults: Faults, conditions: Conditions = NORMAL) -> Scene:
    """Return one day with what its sensors notice. Takes about half a second for a building of 300 places."""
    played = population.day(day)
    return Scene(played, tuple(perceive(population.plan, played, population.seed, faults, conditions)))


class _Stage:
    """The devices and the truth file of one site."""

    def __init__(self, plan: FloorPlan, players: list[Player], truth: TextIO) -> None:
        self._plan, self._players, self._truth = plan, players, truth
        self._ears: dict[Input, list[Player]] = {}
        for player in players:
            for heard in player.hears:
                self._ears.setdefault(heard, []).append(player)

    @property
    def heard(self) -> tuple[Input, ...]:
        """All inputs that lead to a device."""
        return tuple(self._ears)

    def set(self, scene: Scene, start: datetime) -> None:
        """Put everybody and every laptop where they are at `start`."""
        states = scene.truth_before(start)
        for place in self._plan.place:
            self._note_truth(TruthChange(start, place, states.get(place, "free")))
        for place, sense in scene.levels_before(start):
            self.show(SensorInput(start, place, sense), start)
        self.turn(start)

    def show(self, entry: SensorInput | TruthChange, now: datetime) -> None:
        """Let one thing happen."""
        if isinstance(entry, TruthChange):
            self._note_truth(entry)
            return
        for player in self._ears.get((entry.place, entry.sensor), ()):
            player.show(entry, now)

    def turn(self, now: datetime) -> datetime:
        """Give everybody a turn, and return when somebody wants the next."""
        for player in self._players:
            player.due(now)
        return min((player.wake_at for player in self._players), default=FAR)

    def _note_truth(self, change: TruthChange) -> None:
        _write(self._truth, {"place": change.place, "at": _iso(change.at), "state": change.state})


async def open_mqtt_devices(cast: Cast, stack: AsyncExitStack) -> list[Player]:
    """Connect everything that speaks MQTT."""
    return [
        await stack.enter_async_context(mqtt_player(speaker, cast.open_link, client_id))
        for client_id, speaker in speakers(cast)
    ]


#: Opens the players of one kind of device; what they hold is closed with the stack.
OPENERS: Final[tuple[Callable[[Cast, AsyncExitStack], Awaitable[list[Player]]], ...]] = (open_mqtt_devices,)


async def run_building(
    plan: FloorPlan,
    *,
    seed: int,
    clock: Clock,
    open_device_link: OpenLink,
    run_dir: Path,
    start_at: datetime | None = None,
    switches: tuple[SwitchLine, ...] = (),
    airs: tuple[BleAir, ...] = (),
    carried: tuple[Carried, ...] = (),
    faults: Faults = NO_FAULTS,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run until cancelled; then end all child processes.

    Args:
        plan: which nodes, bridges and places there are.
        seed: the same seed, plan and site time give the same happenings.
        clock: site time; `clock.speed` must stay as it is.
        open_device_link: opens one link per bridge and per device of its own, each with its last will.
        run_dir: gets `tty/<device id>` (links to serial ports), `truth.ndjson` and `lights.ndjson`.
        start_at: the building is shown as it is at this site time; None for now. What lies between it and
            the clock is played at once.
        switches: access switches with docking stations on their ports.
        airs: Bluetooth adapters with their sensors.
        carried: what people carry that switches and radios name.
        faults: broken sensors.
        ready: called when all ports are there and everybody is in place.
    """
    tty_dir = run_dir / "tty"
    tty_dir.mkdir(parents=True, exist_ok=True)
    population = Population(plan, seed)
    async with AsyncExitStack() as stack:
        truth = stack.enter_context(_open_lines(run_dir / "truth.ndjson"))
        lights = stack.enter_context(_open_lines(run_dir / "lights.ndjson"))

        def on_light(place: str, code: str) -> None:
            _write(lights, {"place": place, "code": code, "at": _iso(clock.now())})

        nodes: list[NodeProcess] = nodes_of(plan, tty_dir, clock.speed, on_light)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = [group.create_task(node.run(), name=f"desk node {node.uid}") for node in nodes]
        stack.callback(lambda: [task.cancel() for task in running])
        async with asyncio.timeout(READY_WITHIN_S):
            for node in nodes:
                await node.ready.wait()
        start = start_at if start_at is not None else clock.now()
        cast = Cast(plan, seed, start, open_device_link, on_light, carried)
        players: list[Player] = [*nodes]
        for opener in OPENERS:
            players += await opener(cast, stack)
        players += await open_switches(cast, stack, switches, clock)
        players += await open_radios(cast, stack, airs)
        scene = await asyncio.to_thread(scene_of, population, start.astimezone(plan.tz).date(), faults)
        stage = _Stage(plan, players, truth)
        if silent := unplayed(plan, stage.heard):
            sys.stderr.write(f"no simulator for {', '.join(silent)}: nothing is heard of them\n")
        stage.set(scene, start)
        ready()
        while True:
            # The next day is made in a thread while this one is played.
            next_day = scene.day.date + timedelta(days=1)
            tomorrow = group.create_task(asyncio.to_thread(scene_of, population, next_day, faults))
            await _play(stage, scene, start, clock)
            scene = await tomorrow
            start = scene.day.start


async def _play(stage: _Stage, scene: Scene, start: datetime, clock: Clock) -> None:
    """Play one day from `start` to its end."""
    coming = scene.from_moment(start)
    entry = next(coming, None)
    while (now := clock.now()) < scene.day.end or entry is not None:
        while entry is not None and entry.at <= now:
            stage.show(entry, now)
            entry = next(coming, None)
        wake = scene.day.end if entry is None else entry.at
        wake = min(wake, stage.turn(now))
        nap_s = clock.real_seconds((wake - now).total_seconds())
        await asyncio.sleep(min(max(nap_s, SHORTEST_NAP_S), LONGEST_NAP_S))


def _open_lines(path: Path) -> TextIO:
    return path.open("w", buffering=1, encoding="utf-8")


def _write(file: TextIO, entry: dict[str, str]) -> None:
    file.write(json.dumps(entry) + "\n")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
