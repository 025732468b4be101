"""When to ping, and what an answer tells about the device's clock."""

from __future__ import annotations

#: A burst at connect gives the clock fit its first good samples, then one ping per 10 s keeps up with drift.
BURST = 8
BURST_GAP_MS = 100.0
GAP_MS = 10_000.0
#: Unanswered pings to remember; later answers are of no use for a clock.
MAX_OPEN = 16


class Pings:
    """The pings of one device. Due times run on the link clock, stamps on the boot clock."""

    def __init__(self) -> None:
        self.due_ms = 0.0
        self._left_in_burst = 0
        self._last_token = 0
        self._sent_ms: dict[int, float] = {}

    def start(self, link_ms: float) -> None:
        """Begin a burst; answers to older pings no longer count."""
        self.due_ms = link_ms
        self._left_in_burst = BURST
        self._sent_ms.clear()

    def take(self, link_ms: float, boot_ms: float) -> int:
        """Return the token of a ping that is sent now."""
        self._last_token = (self._last_token + 1) & 0xFFFF_FFFF
        if len(self._sent_ms) >= MAX_OPEN:
            del self._sent_ms[next(iter(self._sent_ms))]
        self._sent_ms[self._last_token] = boot_ms
        self._left_in_burst = max(0, self._left_in_burst - 1)
        self.due_ms = link_ms + (BURST_GAP_MS if self._left_in_burst else GAP_MS)
        return self._last_token

    def answered(self, token: int) -> float | None:
        """Return when the ping was sent, on the boot clock; None when nobody asked, or asked long ago."""
        return self._sent_ms.pop(token, None)
