"""What the building plays: devices that get inputs of places and are given turns in site time.

A new kind of device is a file with its players and a row in `simulators.building.OPENERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from simulators.carried import Carried
from simulators.sensors import SensorInput
from simulators.speaker import Input
from workplace.floor_plan import FloorPlan
from workplace.ports import OpenLink


class Player(Protocol):
    """One device or bridge of the building."""

    @property
    def hears(self) -> tuple[Input, ...]:
        """The inputs that lead to it: (place, sense). Several players may hear the same one."""

    @property
    def wake_at(self) -> datetime:
        """When it wants its next turn at the latest; `speaker.FAR` for never."""

    def show(self, entry: SensorInput, now: datetime) -> None:
        """One of its inputs changed."""

    def due(self, now: datetime) -> None:
        """Its turn: say what time has brought, hand over what waits."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What players are made of.

    Attributes:
        started_at: site time from which devices count their intervals.
        open_link: to the device broker.
        on_light: gets place and code when a light changes.
        carried: what people carry that switches and radios name; nothing in a plain building.
    """

    plan: FloorPlan
    seed: int
    started_at: datetime
    open_link: OpenLink
    on_light: Callable[[str, str], None]
    carried: tuple[Carried, ...] = ()
