"""The Bluetooth sensors of the building, and the air that they share with everything else that beeps."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.ble_air import BleAir, ble_sensors
from simulators.bthome_adverts import FLAGS, Aired, BlePir, BleSeat, BthomeNode
from simulators.carried import NAMED_EVERY, TalkingAir
from simulators.players import Cast, Player
from simulators.sensors import SensorInput
from simulators.speaker import Input

if TYPE_CHECKING:
    from simulators.fake_bluez import FakeBluez

#: As often a sensor of ours says that it lives: many say it every few seconds, a coin cell pays for ten minutes.
BEAT = timedelta(minutes=10)
#: There is always something else on the air; a scan that hears nothing at all is a broken one.
BEACON_EVERY = timedelta(seconds=20)
#: A beacon on a wall: its address is of the range for documentation (RFC 7042), its data an empty name.
BEACON, BEACON_DATA = "00:00:5E:00:53:FE", FLAGS + b"\x01\x09"


class BlePlayer:
    """All sensors around one adapter. What they say is on the air at its time and then gone."""

    def __init__(self, bluez: FakeBluez, nodes: dict[Input, BlePir | BleSeat], started_at: datetime) -> None:
        self._bluez = bluez
        self._nodes = nodes
        self._coming: list[tuple[datetime, int, Aired]] = []
        self._count = 0
        self._beacon_at = started_at
        self.hears: tuple[Input, ...] = tuple(nodes)

    @property
    def wake_at(self) -> datetime:
        coming = [self._coming[0][0]] if self._coming else []
        return min(self._beacon_at, *coming, *(node.wake_at for node in self._nodes.values()))

    def show(self, entry: SensorInput, now: datetime) -> None:
        node = self._nodes[entry.place, entry.sensor]
        if isinstance(node, BleSeat):
            self._plan(node.change(entry.at, is_taken=entry.value))
        else:
            self._plan(node.hit(entry.at))
        self._air(now)

    def due(self, now: datetime) -> None:
        for node in self._nodes.values():
            self._plan(node.due(now))
        if now >= self._beacon_at:
            self._beacon_at = now + BEACON_EVERY
            self._bluez.advert(BEACON, BEACON_DATA)
        self._air(now)

    def _plan(self, adverts: Iterable[Aired]) -> None:
        for aired in adverts:
            self._count += 1
            heapq.heappush(self._coming, (aired.at, self._count, aired))

    def _air(self, now: datetime) -> None:
        while self._coming and self._coming[0][0] <= now:
            aired = heapq.heappop(self._coming)[2]
            self._bluez.advert(aired.address, aired.data)


async def open_radios(cast: Cast, stack: AsyncExitStack, airs: tuple[BleAir, ...]) -> list[Player]:
    """Start the adapters and their sensors; they are gone when the stack is closed."""
    players: list[Player] = []
    if airs:
        from simulators.fake_bluez import FakeBluez  # noqa: PLC0415 - its D-Bus library exists on Linux only
    for air in airs:
        bluez = await stack.enter_async_context(FakeBluez(folder=Path(air.bus)))
        nodes: dict[Input, BlePir | BleSeat] = {}
        for number, (address, (heard, sensor)) in enumerate(ble_sensors(cast.plan, air.gateway).items()):
            node = BthomeNode(address, bytes.fromhex(air.keys[address]), packet_id=(cast.seed + number) % 256)
            # no two of them beat at once
            since = cast.started_at - BEAT * ((number % 20) / 20)
            kind = BlePir if sensor.kind == "motion" else BleSeat
            nodes[heard] = kind(node, since, beat=BEAT)
        players.append(BlePlayer(bluez, nodes, cast.started_at))
        if cast.carried:
            players.append(TalkingAir(bluez, cast.carried, cast.started_at, NAMED_EVERY))
    return players
