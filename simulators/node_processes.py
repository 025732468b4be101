"""Starts the desk nodes of a floor plan as child processes, feeds them and reads their lights."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from simulators.native_node import ROOT, node_command
from simulators.sensors import SensorInput, sense_of
from simulators.speaker import FAR, Input
from workplace.floor_plan import FloorPlan

#: What a light code means (DSP/1, SET_LIGHT).
LIGHTS = ("off", "free", "in_use", "note", "reclaimable", "unknown")
STOP_WITHIN_S = 2.0  # lower kills nodes that are only slow; higher makes stopping slow
RESTART_AFTER_S = 1.0
MAX_BACKLOG_BYTES = 1 << 20  # of one node's standard input; more means it hangs


class NodeProcess:
    """One node as a child process that is started again when it dies, as a board behind a watchdog.

    Attributes:
        places: by channel.
        hears: the inputs that lead to it.
        wake_at: never; its process keeps its own time.
        ready: the port is there.
        restarts: how often it had to be started again.
        lost_lines: happenings not told because the process was gone or hung.
    """

    def __init__(
        self,
        uid: str,
        places: list[str],
        hears: tuple[Input, ...],
        tty: Path,
        speed: float,
        on_light: Callable[[str, str], None],
    ) -> None:
        self.uid, self.places, self.tty = uid, places, tty
        self.hears = hears
        self.wake_at = FAR
        self.ready = asyncio.Event()
        self.restarts = self.lost_lines = 0
        self._speed, self._on_light = speed, on_light
        self._channel = {place: str(channel) for channel, place in enumerate(places)}
        self._docked: set[str] = set()
        self._lines: list[str] = []
        self._process: Process | None = None

    def show(self, entry: SensorInput, now: datetime) -> None:
        """Note an input for the next `flush`."""
        del now
        if entry.sensor == "link":
            self.link(entry.place, is_up=entry.value)
        elif entry.value:
            self.motion(entry.place)

    def due(self, now: datetime) -> None:
        del now
        self.flush()

    def motion(self, place: str) -> None:
        """Note a PIR hit for the next `flush`."""
        self._lines.append(f"pir {self._channel[place]}\n")

    def link(self, place: str, *, is_up: bool) -> None:
        """Note a level of the dock contact for the next `flush`."""
        if is_up != (place in self._docked):
            self._docked.symmetric_difference_update({place})
            self._lines.append(f"dock {self._channel[place]} {int(is_up)}\n")

    def flush(self) -> None:
        """Hand over everything noted in one write."""
        if not self._lines:
            return
        pipe = None if self._process is None else self._process.stdin
        if pipe is None or pipe.is_closing() or pipe.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self.lost_lines += len(self._lines)
        else:
            pipe.write("".join(self._lines).encode())
        self._lines.clear()

    async def run(self) -> None:
        """Keep the process running until cancelled; then end it and wait for its end."""
        while True:
            self._process = process = await self._start()
            try:
                self._lines.extend(f"dock {self._channel[place]} 1\n" for place in sorted(self._docked))
                self.flush()
                await self._listen(process)
            finally:
                self._process = None
                await _end(process)
            self.restarts += 1
            await asyncio.sleep(RESTART_AFTER_S)

    async def _start(self) -> Process:
        # tty_dir lies in the run folder; the first node waits here for a compiler, once per version
        command = await asyncio.to_thread(node_command, self.tty.parent.parent)
        return await asyncio.create_subprocess_exec(
            *command,
            *("--uid", self.uid, "--channels", str(len(self.places))),
            *("--tty", str(self.tty), "--speed", str(self._speed)),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    async def _listen(self, process: Process) -> None:
        if process.stdout is None:
            return
        async for line in process.stdout:
            news = json.loads(line)
            if "ready" in news:
                self.ready.set()
            else:
                self._on_light(self.places[news["channel"]], LIGHTS[news["code"]])


async def _end(process: Process) -> None:
    """End of input ends a node; one that does not listen is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def nodes_of(
    plan: FloorPlan, tty_dir: Path, speed: float, on_light: Callable[[str, str], None]
) -> list[NodeProcess]:
    """Return the DSP/1 nodes of the plan, not yet running; `tty_dir`/<device id> will be their ports."""
    channels: dict[str, dict[int, str]] = {}
    hears: dict[str, list[Input]] = {}
    for place in plan.place.values():
        for sensor in place.sensors:
            hears.setdefault(sensor.device, []).append((place.id, sense_of(sensor)))
        wired = [(sensor.device, sensor.channel) for sensor in place.sensors]
        if place.light is not None:
            wired.append((place.light.device, place.light.channel))
        for device, channel in wired:
            if device.startswith("dsp1-") and channel is not None:
                channels.setdefault(device, {})[int(channel)] = place.id
    return [
        NodeProcess(
            device.removeprefix("dsp1-"),
            [found[channel] for channel in sorted(found)],
            tuple(hears.get(device, ())),
            tty_dir / device,
            speed,
            on_light,
        )
        for device, found in sorted(channels.items())
    ]
