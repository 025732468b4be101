"""Asks the store for the figures of one month of a whole site. Blocks, so it runs in a thread.

A zone has figures when it has enough places and was measured on enough days; a smaller one is in no sum, so that no
subtraction gives it away (decision 24). Nothing here asks about a place.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dashboard.staff.history.report import ROWS_AFTER
from dashboard.staff.history.sums import Total, busy_spans, merged, shown_zones, total_by
from workplace.errors import SettingInvalid
from workplace.floor_plan import Floor, FloorPlan, Zone
from workplace.hold_outcomes import LEAST_DAYS, LEAST_PLACES
from workplace.usage_port import LengthCounts, Moment, UsageReader
from workplace.working_time import WorkingTime, spans

#: Months to choose from: as many whole ones as the store keeps of zones.
MONTHS_BACK = 13
_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """One month of the calendar."""

    year: int
    month: int

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return self.after.first - timedelta(days=1)

    @property
    def days(self) -> int:
        return self.last.day

    @property
    def before(self) -> Month:
        return month_of(self.first - timedelta(days=1))

    @property
    def after(self) -> Month:
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def month_of(day: date) -> Month:
    return Month(day.year, day.month)


def parse_month(text: str) -> Month:
    """Return the month that `2026-10` means.

    Raises:
        SettingInvalid: it is none.
    """
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 2000:
        raise SettingInvalid(f"month '{text}': write year and month as 2026-10")
    return Month(int(found[1]), int(found[2]))


def choices(today: date) -> list[Month]:
    """Return the months to choose from, newest first: the last whole one first, the one that is not over last."""
    found = [month_of(today).before]
    while len(found) < MONTHS_BACK:
        found.append(found[-1].before)
    return [*found, month_of(today)]


@dataclass(frozen=True)
class MonthFigures:
    """All figures of one month. It is a `Measured` for the sentences of the history page.

    Attributes:
        zones: those with figures, in the order of the plan; `floors` says of each on which floor it is.
        too_small, too_few_days: zones that are left out, and why.
        is_over: False for a month that still goes on.
        days: working days, oldest first; weeks: their Mondays.
        by_week: (zone, Monday). week_of_all: Monday.
        holds: how long holds lasted. offers: how soon after the last use screens offered a place.
    """

    month: Month
    floors: Mapping[str, Floor]
    zones: tuple[Zone, ...]
    too_small: tuple[Zone, ...]
    too_few_days: tuple[Zone, ...]
    working: WorkingTime
    is_over: bool
    days: tuple[date, ...]
    weeks: tuple[date, ...]
    all: Total
    by_zone: Mapping[str, Total]
    by_week: Mapping[tuple[str, date], Total]
    week_of_all: Mapping[date, Total]
    by_day: Mapping[date, Total]
    busiest: Moment | None
    holds: LengthCounts
    offers: LengthCounts


def read_month(
    usage: UsageReader, plan: FloorPlan, working: WorkingTime, month: Month, now: datetime
) -> MonthFigures:
    """Return the figures of a month, of one that goes on up to now.

    Raises:
        StoreUnavailable: the store cannot be read now.
    """
    tz: ZoneInfo = plan.tz
    large, small = _sorted_out(plan)
    asked = spans(working, tz, month.last, month.days, now - ROWS_AFTER)
    uses = usage.zone_use([zone.id for zone in large], asked)
    seen: dict[str, set[date]] = {}
    for use in uses:
        seen.setdefault(use.zone, set()).add(asked[use.span].day)
    zones = [zone for zone in large if len(seen.get(zone.id, ())) >= LEAST_DAYS]
    names = [zone.id for zone in zones]
    uses = [use for use in uses if use.zone in names]
    by_zone_day = total_by(lambda zone, span: (zone, span.day), names, asked, uses)
    by_week = merged(lambda key: (key[0], _monday(key[1])), by_zone_day)
    days = tuple(dict.fromkeys(span.day for span in asked))
    return MonthFigures(
        month=month,
        floors={zone.id: plan.floor[zone.floor] for zone in plan.zone.values()},
        zones=tuple(zones),
        too_small=tuple(small),
        too_few_days=tuple(zone for zone in large if zone not in zones),
        working=working,
        is_over=month.last < now.astimezone(tz).date(),
        days=days,
        weeks=tuple(dict.fromkeys(map(_monday, days))),
        all=merged(lambda _: "", by_zone_day).get("", Total()),
        by_zone={name: Total() for name in names} | merged(lambda key: key[0], by_zone_day),
        by_week=by_week,
        week_of_all=merged(lambda key: key[1], by_week),
        by_day=merged(lambda key: key[1], by_zone_day),
        busiest=usage.busiest(names, busy_spans(asked, uses)) if names else None,
        holds=usage.hold_classes(names, month.first, month.last),
        offers=usage.offer_classes(names, month.first, month.last),
    )


def _sorted_out(plan: FloorPlan) -> tuple[list[Zone], list[Zone]]:
    large: list[Zone] = []
    small: list[Zone] = []
    for floor in plan.floors:
        enough, few = shown_zones(floor, LEAST_PLACES)
        large += enough
        small += few
    return large, small


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long something took.

    Attributes:
        count: how many of which the end was noticed; `unseen`: of how many more it was not.
        half_min, most_min: half, and `most` of them, took at most so many minutes; None: more than `longest_min`.
        longest_min: the end of the longest class that has one.
    """

    count: int
    unseen: int
    half_min: int | None
    most_min: int | None
    longest_min: int


def lengths(counts: LengthCounts, most: float, zones: Sequence[str] | None = None) -> Lengths:
    """Return the figures of all, or of some zones.

    Args:
        most: share 0-1 of the second figure.
    """
    chosen = [one for one in counts.classes if zones is None or one.zone in zones]
    classes = class_counts(counts, zones)
    return Lengths(
        sum(classes.values()),
        sum(one.count for one in chosen if not one.is_seen),
        _within(classes, 0.5),
        _within(classes, most),
        max((end for end in classes if end is not None), default=0),
    )


def class_counts(counts: LengthCounts, zones: Sequence[str] | None = None) -> dict[int | None, int]:
    """Return how many of which the end was noticed, by class, shortest first, the open one last."""
    found: dict[int | None, int] = {}
    for one in counts.classes:
        if one.is_seen and (zones is None or one.zone in zones):
            found[one.at_most_min] = found.get(one.at_most_min, 0) + one.count
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, item[0] or 0)))


def grouped(counts: LengthCounts, ends_min: Sequence[int]) -> list[int]:
    """Return the counts in coarser classes that end at these minutes, and of what is longer."""
    found = [0] * (len(ends_min) + 1)
    for end, count in class_counts(counts).items():
        place = len(ends_min) if end is None else bisect_left(ends_min, end)
        found[place] += count
    return found


def _within(classes: Mapping[int | None, int], share: float) -> int | None:
    wanted, passed = share * sum(classes.values()), 0
    for end, count in classes.items():
        passed += count
        if passed >= wanted:
            return end
    return None
