"""How long to wait before trying again: doubling, capped, and never in step with the neighbours."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits of `first_s`, 2x, 4x ... `most_s` seconds of real time, each spread by 30 % both ways.

    Attributes:
        first_s: lower hammers a starting broker, higher delays the first good retry.
        most_s: lower costs traffic in a long outage, higher leaves screens old for longer after it.
    """

    first_s: float = 0.2
    most_s: float = 8.0
    _next_s: float = field(default=0.0, init=False)

    def next_s(self) -> float:
        """Return the wait before the next attempt, s."""
        wait = max(self._next_s, self.first_s)
        self._next_s = min(wait * 2, self.most_s)
        # A power cut restarts every gateway of a building in the same second.
        return min(wait * random.uniform(0.7, 1.3), self.most_s)

    def reset(self) -> None:
        """Begin again at `first_s`: the last attempt went well for long enough."""
        self._next_s = 0.0
