"""Desk nodes that write down what they made, and people who plug laptops into their docks: the truth of a run."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.ids import stable_id
from simulators.native_node import ROOT
from tests.chaos.members import Process

CHANNELS = 8
#: A node keeps 32 events. However long its gateway is away, no more than this many wait in it.
MOST_WAITING = 22
#: The same dock again only after the node's own debounce of 0.3 s, with a margin for a busy machine.
SETTLES_S = 1.0


@dataclass(frozen=True, slots=True)
class Edge:
    """A laptop was plugged in (1) or out (0). `made_at`: monotonic s, one clock for all processes."""

    device: str
    boot: int
    seq: int
    channel: int
    value: int
    made_at: float

    @property
    def id(self) -> str:
        """The id that its gateway must give it, so that a redelivery is recognised."""
        return stable_id(self.device, self.boot, "link", str(self.channel), "event", self.seq)


class NodeJournal:
    """What one node wrote down, read on as it grows."""

    def __init__(self, file: Path, device: str) -> None:
        self.edges: dict[tuple[int, int], Edge] = {}
        self.acked: dict[int, int] = {}
        self.dropped: set[tuple[int, int]] = set()
        self.last_boot: int | None = None
        self._file, self._device = file, device
        self._offset = 0

    def read_on(self) -> list[Edge]:
        """Return the edges made since the last call."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as lines:
            lines.seek(self._offset)
            data = lines.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = []
        for line in whole.decode().splitlines():
            word, boot, number, *rest = line.split()
            key = int(boot), int(number)
            if word == "made":
                edge = Edge(self._device, *key, int(rest[0]), int(rest[1]), float(rest[2]))
                self.edges[key] = edge
                self.last_boot = edge.boot
                found.append(edge)
            elif word == "acked":
                self.acked[key[0]] = max(self.acked.get(key[0], 0), key[1])
            else:
                self.dropped.add(key)
        return found

    def newest_first(self) -> Iterator[Edge]:
        return reversed(self.edges.copy().values())

    def is_acked(self, edge: Edge) -> bool:
        return edge.seq <= self.acked.get(edge.boot, 0)

    @property
    def waiting(self) -> int:
        """Edges of the present boot that its gateway has not acknowledged."""
        boot = self.last_boot
        return sum(1 for edge in self.edges.values() if edge.boot == boot and not self.is_acked(edge))


class DockNode(Process):
    """One node and the people at its docks. After a start it is told what is plugged in, as contacts would."""

    def __init__(
        self, device: str, gateway: str, places: dict[int, str], folder: Path, seed: int, *, has_pir: bool
    ) -> None:
        self.device, self.gateway, self.places, self.has_pir = device, gateway, places, has_pir
        self.docked = [False] * CHANNELS
        journal = folder / "journals" / f"{device}.txt"
        journal.parent.mkdir(exist_ok=True)
        tty = folder / "tty" / device
        tty.parent.mkdir(exist_ok=True)
        super().__init__(
            device,
            "node",
            [
                sys.executable, "-S", "-m", "simulators.desk_node", "--uid", device.removeprefix("dsp1-"),
                "--channels", str(CHANNELS), "--tty", str(tty), "--journal", str(journal),
            ],
            folder / "logs" / f"{device}.log",
            {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.journal = NodeJournal(journal, device)
        self.held_back = 0
        self._tty = tty
        self._chance = random.Random(f"{seed}:{device}")

    def says_ready(self, line: str) -> bool:
        return line.startswith('{"ready"')

    def kill(self, *, hold: bool = False) -> bool:
        """As when its cable is pulled: udev takes the name away; the number may soon be somebody else's port."""
        was_up = super().kill(hold=hold)
        if was_up:
            self._tty.unlink(missing_ok=True)
        return was_up

    async def begin(self) -> None:
        await super().begin()
        for channel, is_docked in enumerate(self.docked):
            if is_docked:
                self.tell(f"dock {channel} 1")

    def tell(self, line: str) -> None:
        """Say one line to the node, see `simulators.desk_node`."""
        process = self.process
        if process is not None and process.stdin is not None and process.returncode is None:
            with contextlib.suppress(OSError):
                process.stdin.write(f"{line}\n".encode())

    async def play(self, pause_s: float) -> None:
        """Plug in and out, one dock after the other, with somebody moving before each that is in use."""
        order = list(range(CHANNELS))
        while True:
            self._chance.shuffle(order)
            for channel in order:
                # A movement and its end wait in the same queue, which would push edges out.
                if self.journal.waiting < (MOST_WAITING // 2 if self.has_pir else MOST_WAITING):
                    self.toggle(channel)
                    if self.has_pir:
                        self.move()
                else:
                    self.held_back += 1
                await asyncio.sleep(self._chance.uniform(0.5, 1.5) * pause_s)
            await asyncio.sleep(SETTLES_S)

    def toggle(self, channel: int) -> None:
        self.docked[channel] = not self.docked[channel]
        self.tell(f"dock {channel} {int(self.docked[channel])}")

    def move(self) -> None:
        """Somebody moves at one of the docks that are in use."""
        in_use = [channel for channel, is_docked in enumerate(self.docked) if is_docked]
        if in_use:
            self.tell(f"pir {self._chance.choice(in_use)}")
