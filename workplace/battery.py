"""How long a battery will last, from what it said of itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

#: Levels kept per device, one a day: a coin cell loses a few per cent a month, more samples say nothing new.
MOST_SAMPLES = 60
SAMPLE_EVERY = timedelta(hours=20)
#: Fewer samples or a shorter time say nothing: devices report in steps of 1 to 10 %.
LEAST_SAMPLES = 5
LEAST_SPAN = timedelta(days=7)
#: A rise by this much, %, is a new battery; warmth alone makes a few.
NEW_BATTERY_PCT = 15.0
#: Flatter than this, % a day, is two years and more from full: nobody plans by that.
LEAST_FALL_PCT_DAY = 0.1
#: Most devices fall silent before zero, since the cell's voltage drops steeply there.
EMPTY_PCT = 5.0

Level = tuple[datetime, float]


def with_level(levels: Sequence[Level], at: datetime, battery_pct: float) -> tuple[Level, ...]:
    """Return the levels of a device with a new one: at most one a day, oldest dropped, begun anew at a new battery."""
    if levels and battery_pct - min(pct for _, pct in levels[-3:]) >= NEW_BATTERY_PCT:
        return ((at, battery_pct),)
    if levels and at - levels[-1][0] < SAMPLE_EVERY:
        return tuple(levels)
    return (*levels, (at, battery_pct))[-MOST_SAMPLES:]


def days_left(levels: Sequence[Level], now: datetime) -> float | None:
    """Return in how many days the battery is empty; None when that cannot be said yet, or is years away.

    The slope is the median of all pairs (Theil and Sen), so that a few wild reports do not move it.

    Args:
        levels: (aware UTC, %) of one battery, oldest first.
    """
    if len(levels) < LEAST_SAMPLES or levels[-1][0] - levels[0][0] < LEAST_SPAN:
        return None
    start = levels[0][0]
    points = [((at - start) / timedelta(days=1), pct) for at, pct in levels]
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
        if later[0] > earlier[0]
    ]
    fall = median(slopes) if slopes else 0.0
    if fall > -LEAST_FALL_PCT_DAY:
        return None
    level_at_start = median(pct - fall * day for day, pct in points)
    empty_day = (EMPTY_PCT - level_at_start) / fall
    return round(max(0.0, empty_day - (now - start) / timedelta(days=1)), 1)
