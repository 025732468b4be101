"""Reading JSON from devices: numbers that come as text, claims that come as words, null that says nothing."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

#: Longer than any device message; a list of all devices of a bridge is longer, and read without this limit.
MAX_DEVICE_MESSAGE_BYTES = 65_536

_TRUE_WORDS = frozenset({"true", "on", "1", "yes"})
_FALSE_WORDS = frozenset({"false", "off", "0", "no"})

#: No device of ours is older, and none knows the future: outside of this its clock is wrong.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
MAX_FUTURE = timedelta(minutes=5)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def parse_json(payload: bytes) -> tuple[Any, str | None]:
    """Return (document, None), or (None, fault)."""
    try:
        return json.loads(payload, parse_constant=_refuse_constant), None
    except (ValueError, RecursionError):
        return None, "not_json"


def as_number(value: Any) -> int | float | None:
    """Return a finite number, also from text (old installations), or None."""
    if isinstance(value, str):
        try:
            value = float(value) if any(mark in value for mark in ".eE") else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def as_claim(value: Any) -> bool | None:
    """Return true or false however a device writes it, or None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE_WORDS:
            return True
        if word in _FALSE_WORDS:
            return False
    return None


def as_moment(value: Any, now: datetime) -> datetime | None:
    """Return a plausible time from ISO 8601 with a zone, or from epoch milliseconds, else None."""
    number = as_number(value)
    try:
        if number is not None:
            moment = datetime.fromtimestamp(number / 1000, tz=UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    if moment.tzinfo is None or not EARLIEST <= moment <= now + MAX_FUTURE:
        return None
    return moment.astimezone(UTC)
