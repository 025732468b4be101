"""Which share of the time a radio scans. Pure: time comes as argument, in real monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ScanClock:
    """Adds up the time between `started` and `stopped`.

    Attributes:
        restarts: scans after the first one.
    """

    restarts: int = 0
    _first_s: float | None = None
    _since_s: float | None = None
    _scanned_s: float = 0.0

    def started(self, now_s: float) -> None:
        if self._first_s is None:
            self._first_s = now_s
        else:
            self.restarts += 1
        self._since_s = now_s

    def stopped(self, now_s: float) -> None:
        self._scanned_s = self.scanned_s(now_s)
        self._since_s = None

    def scanned_s(self, now_s: float) -> float:
        """Return for how long there was a scan."""
        return self._scanned_s + (0.0 if self._since_s is None else now_s - self._since_s)

    def share_pct(self, now_s: float) -> float:
        """Return the share since the first scan began, 0 before it."""
        if self._first_s is None or now_s <= self._first_s:
            return 0.0
        return 100.0 * self.scanned_s(now_s) / (now_s - self._first_s)
