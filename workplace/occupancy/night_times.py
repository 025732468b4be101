"""When a site lives its nights: the day of a moment, when its night begins, when what that taught decides. Pure.

All of it is local time of the site, so a day has 23 or 25 hours when the clocks change.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: The night of a day begins at this hour of the next one. Earlier than 50 min after midnight: what may still come late
#: (the horizon of the settled record) is missed. Later: less time until people come.
NIGHT_AT: Final = time(3, 30)
#: What the night taught decides from this hour on, before the first people come. Earlier: a slow machine is not ready,
#: and then the moment depends on its speed. Later: screens change while people look at them.
IN_FORCE_AT: Final = time(6, 0)
_A_DAY: Final = timedelta(days=1)


def day_at(at: datetime, tz: ZoneInfo) -> date:
    """Return the local day of a moment."""
    return at.astimezone(tz).date()


def bounds(day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Return begin and end of a local day, UTC; the end does not belong to it."""
    return _at(day, time(), tz), _at(day + _A_DAY, time(), tz)


def night_at(day: date, tz: ZoneInfo) -> datetime:
    """Return when the night after a local day begins, UTC."""
    return _at(day + _A_DAY, NIGHT_AT, tz)


def in_force_at(day: date, tz: ZoneInfo) -> datetime:
    """Return from when on the night after a local day decides, UTC, when it was lived by then."""
    return _at(day + _A_DAY, IN_FORCE_AT, tz)


def next_day(day: date) -> date:
    return day + _A_DAY


def _at(day: date, hour: time, tz: ZoneInfo) -> datetime:
    return datetime.combine(day, hour, tz).astimezone(UTC)
