"""Proof that a wish came from a page we handed out within the last hour. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque

_LENGTH = 24


def hour_of(seconds: float) -> int:
    """Return the number of the hour of a time in seconds; tokens change with it."""
    return int(seconds // 3600)


def make_token(key: bytes, place: str, hour: int) -> str:
    return hmac.new(key, f"desk:{place}:{hour}".encode(), hashlib.sha256).hexdigest()[:_LENGTH]


def is_token(key: bytes, place: str, hour: int, token: str) -> bool:
    """Return whether `token` was made for this place in this hour or the one before."""
    return any(
        hmac.compare_digest(make_token(key, place, made).encode(), token.encode())
        for made in (hour, hour - 1)
    )


class WishLimit:
    """At most `per_hour` wishes per place in any 3600 s; times in seconds of a clock that never steps."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._made: dict[str, deque[float]] = {}

    def allow(self, place: str, now_s: float) -> bool:
        """Count one wish and return True, or return False when the place had its share."""
        made = self._made.setdefault(place, deque())
        while made and made[0] <= now_s - 3600:
            made.popleft()
        if len(made) >= self._per_hour:
            return False
        made.append(now_s)
        return True
