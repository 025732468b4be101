"""The hours in which a building is judged: working days, in whole hours, in the site's own time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from workplace.policy import Policy

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When a building is at work.

    Attributes:
        first_hour, end_hour: local hours of the day, 0-24, the second one exclusive.
        is_workday: whether a day counts; holidays do not.
    """

    first_hour: int
    end_hour: int
    is_workday: Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Span:
    """One hour of one working day, `start` to `end` (aware UTC).

    It lasts an hour, but for the two that a change of the clocks makes shorter or longer, and the one that is now.
    """

    day: date
    hour: int
    start: datetime
    end: datetime


def of_policy(policy: Policy) -> WorkingTime:
    """Return the hours in force of a policy (R22), widened to whole hours, without its holidays."""
    hours = policy.settings.hours
    begin, end = time.fromisoformat(hours.from_), time.fromisoformat(hours.to)
    days = {_WEEKDAYS.index(day) for day in hours.days}
    return WorkingTime(
        begin.hour,
        end.hour + (end.minute > 0),
        lambda day: day.weekday() in days and not policy.is_holiday(day),
    )


def workdays(working: WorkingTime, last: date, days: int) -> list[date]:
    """Return the working days among the `days` days that end with `last`, oldest first."""
    all_days = (last - timedelta(days=back) for back in range(days - 1, -1, -1))
    return [day for day in all_days if working.is_workday(day)]


def spans(working: WorkingTime, tz: ZoneInfo, last: date, days: int, until: datetime) -> list[Span]:
    """Return the hours of the working days, oldest first, cut off at `until`; hours that a day skips are left out."""
    made = [
        Span(day, hour, _at(day, hour, tz), min(_at(day, hour + 1, tz), max(until, _at(day, hour, tz))))
        for day in workdays(working, last, days)
        for hour in range(working.first_hour, working.end_hour)
    ]
    return [span for span in made if span.start < span.end]


def _at(day: date, hour: int, tz: ZoneInfo) -> datetime:
    """Return when a local hour begins, in UTC; hour 24 is midnight."""
    day, hour = (day + timedelta(days=1), 0) if hour == 24 else (day, hour)
    return datetime.combine(day, time(hour), tz).astimezone(UTC)
