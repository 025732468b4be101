"""The access switches of the building: a docking station is plugged into a port, and the switch tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import msgspec

from simulators.carried import NAMED_EVERY, TalkingSwitch
from simulators.players import Cast, Player
from simulators.sensors import SensorInput
from simulators.speaker import FAR, Input
from simulators.switch import SimulatedSwitch, Vendor
from workplace.ports import Clock

#: Where a switch hangs on the rest of the network; nobody's desk.
UPLINK = "Te1/1/1"


class SwitchLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One switch of a demo, as the front door has agreed it with the gateway.

    Attributes:
        host, port: where it answers polls; its traps and lines come from `host`.
        community: its SNMP v2c community, made for this run.
        traps_port, syslog_port: where the gateway listens, on loopback.
        places: port -> place.
    """

    name: str
    host: str
    port: int
    community: str
    vendor: Vendor
    traps_port: int
    syslog_port: int
    places: dict[str, str]


def read_switches(file: Path) -> tuple[SwitchLine, ...]:
    """Return the switches of a demo; none where the file is missing."""
    return msgspec.json.decode(file.read_bytes(), type=tuple[SwitchLine, ...]) if file.exists() else ()


class SwitchPlayer:
    """One switch with its docking stations."""

    def __init__(self, switch: SimulatedSwitch, places: Mapping[str, str]) -> None:
        self._switch = switch
        self._port_of = {place: port for port, place in places.items()}
        self.hears: tuple[Input, ...] = tuple((place, "link") for place in self._port_of)
        self.wake_at = FAR

    def show(self, entry: SensorInput, now: datetime) -> None:
        del now
        self._switch.link(self._port_of[entry.place], is_up=entry.value)

    def due(self, now: datetime) -> None:
        """A switch speaks at once."""


async def open_switches(
    cast: Cast, stack: AsyncExitStack, lines: tuple[SwitchLine, ...], clock: Clock
) -> list[Player]:
    """Start the switches; they answer polls until the stack is closed."""
    players: list[Player] = []
    for line in lines:
        switch = SimulatedSwitch(
            line.name,
            (*line.places, UPLINK),
            clock,
            seed=cast.seed,
            vendor=line.vendor,
            community=line.community.encode(),
            host=line.host,
            port=line.port,
            traps_to=("127.0.0.1", line.traps_port),
            syslog_to=("127.0.0.1", line.syslog_port),
        )
        players.append(SwitchPlayer(await stack.enter_async_context(switch), line.places))
        if cast.carried:
            players.append(TalkingSwitch(switch, cast.carried, cast.started_at, NAMED_EVERY))
    return players
