"""Which sensors of the simulated building are broken, and how. Off by default."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

PirFault = Literal["stuck", "dead", "blocked"]
DockFault = Literal["ghost", "flapping"]


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of places (0-1) whose sensors are broken for the whole run.

    Attributes:
        stuck_pir: reports movement in every re-arm window.
        dead_pir: never reports, not even its heartbeat.
        ghost_dock: link up without a laptop, day and night.
        flapping_dock: the link of a docked laptop drops for seconds, a few times an hour.
        blocked_pir: something stands before it; it sees nobody, and a battery device keeps sending its heartbeat.
    """

    stuck_pir: float = 0.0
    dead_pir: float = 0.0
    ghost_dock: float = 0.0
    flapping_dock: float = 0.0
    blocked_pir: float = 0.0

    def __post_init__(self) -> None:
        pir = (self.stuck_pir, self.dead_pir, self.blocked_pir)
        for shares in (pir, (self.ghost_dock, self.flapping_dock)):
            if min(shares) < 0 or sum(shares) > 1:
                raise ValueError("shares of faults of one sensor must be 0-1 and add up to at most 1")

    def pir_of(self, place: str, seed: int) -> PirFault | None:
        """Return what is wrong with the PIR of `place`; the same for every day of a run."""
        drawn = random.Random(f"{seed}:{place}:pir fault").random()
        if drawn < self.stuck_pir:
            return "stuck"
        drawn -= self.stuck_pir
        if drawn < self.dead_pir:
            return "dead"
        return "blocked" if drawn < self.dead_pir + self.blocked_pir else None

    def dock_of(self, place: str, seed: int) -> DockFault | None:
        """Return what is wrong with the dock of `place`; the same for every day of a run."""
        drawn = random.Random(f"{seed}:{place}:dock fault").random()
        if drawn < self.ghost_dock:
            return "ghost"
        return "flapping" if drawn < self.ghost_dock + self.flapping_dock else None


NO_FAULTS = Faults()
#: A worn building: 1.5 % stuck, 1.5 % dead, 1 % blocked PIRs, 3 % ghost and 3 % flapping docks (research: fusion, 2c).
WORN = Faults(stuck_pir=0.015, dead_pir=0.015, ghost_dock=0.03, flapping_dock=0.03, blocked_pir=0.01)
