"""Tries to enter: after some that failed, each next one has to wait. In memory alone, so no address is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

#: Failures that are free, per caller and per account, and the longest pause after them, s. An account waits for less:
#: who knows its name must not be able to lock it out.
_FREE_CALLER, _LONGEST_CALLER_S = 5, 900.0
_FREE_ACCOUNT, _LONGEST_ACCOUNT_S = 10, 30.0
#: Failures are forgotten after this, s.
_FORGET_S = 3600.0
#: Callers and accounts remembered; the longest unheard go first.
_MOST = 10_000


class Tries:
    """Counts failures by caller and by account; each failure past the free ones doubles the pause."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.total = 0
        self._now = now
        self._failed: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def wait_s(self, account: str, caller: str) -> float:
        """Return how long the next try must wait; a try that comes too soon is counted, but makes nothing worse."""
        wait_s = max(
            self._pause_s(("caller", caller), _FREE_CALLER, _LONGEST_CALLER_S),
            self._pause_s(("account", account), _FREE_ACCOUNT, _LONGEST_ACCOUNT_S),
        )
        self.total += wait_s > 0
        return wait_s

    def failed(self, account: str, caller: str) -> None:
        self.total += 1
        for key in (("caller", caller), ("account", account[:60])):
            count, _ = self._known(key)
            self._failed[key] = count + 1, self._now()
            self._failed.move_to_end(key)
        while len(self._failed) > _MOST:
            self._failed.popitem(last=False)

    def succeeded(self, account: str, caller: str) -> None:
        for key in (("caller", caller), ("account", account[:60])):
            self._failed.pop(key, None)

    def _known(self, key: tuple[str, str]) -> tuple[int, float]:
        count, at = self._failed.get(key, (0, 0.0))
        return (0, 0.0) if self._now() - at > _FORGET_S else (count, at)

    def _pause_s(self, key: tuple[str, str], free: int, longest_s: float) -> float:
        count, at = self._known(key)
        if count < free:
            return 0.0
        pause_s = min(longest_s, 2.0 ** min(count - free, 20))
        return max(0.0, at + pause_s - self._now())
