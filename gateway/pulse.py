"""Which of the loops that a gateway lives by have shown a sign of life lately. Pure but for the clock it is given."""

from __future__ import annotations

import time
from collections.abc import Callable

#: A loop that shows nothing for this long, s, hangs. The slowest honest one waits 10 s for a broker that does not
#: acknowledge, twice. Lower kills a gateway for a slow broker, higher leaves a floor dark for longer.
LATE_S = 45.0


class Pulse:
    """Loops are expected by name from `expect` to `forget`, and `tick` meanwhile."""

    def __init__(self, late_s: float = LATE_S, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._late_s = late_s
        self._monotonic = monotonic
        self._ticked_s: dict[str, float] = {}

    def expect(self, name: str) -> None:
        self._ticked_s[name] = self._monotonic()

    def forget(self, name: str) -> None:
        self._ticked_s.pop(name, None)

    def tick(self, name: str) -> None:
        if name in self._ticked_s:
            self._ticked_s[name] = self._monotonic()

    def late(self) -> list[str]:
        """Return the loops that hang, sorted."""
        now_s = self._monotonic()
        return sorted(name for name, ticked_s in self._ticked_s.items() if now_s - ticked_s > self._late_s)
