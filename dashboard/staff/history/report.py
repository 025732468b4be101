"""Asks the store for what one history page shows. Blocks, so it runs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dashboard.staff.history.sums import (
    Again,
    Cell,
    Holds,
    Total,
    again_figures,
    busy_spans,
    cells,
    counted,
    hold_figures,
    merged,
    place_cells,
    shown_zones,
    total_by,
)
from workplace.floor_plan import Floor, Zone
from workplace.usage_port import Moment, UsageReader
from workplace.working_time import Span, WorkingTime, spans

#: Periods to choose from, days that end today; the last is as long as the store keeps zones.
PERIODS = (7, 28, 91, 396)
#: Rows about single places are looked for this far back; the policy may delete them sooner.
PLACE_DAYS = 14
#: Up to this many days are shown one by one, more by the week.
_LONGEST_BY_DAY = 91
#: Rows come five minutes later, after a grace for late events (ingest): what is younger is not missing.
ROWS_AFTER = timedelta(minutes=20)


@dataclass(frozen=True)
class Report:
    """All figures of one floor and period.

    Attributes:
        left_out: zones too small to be shown.
        days: working days of the period, oldest first; `steps` are the days, or the Mondays of their weeks.
        by_hour: (zone, hour); by_weekday: (weekday from Monday 0, hour).
        by_step: (zone, step).
    """

    floor: Floor
    zones: tuple[Zone, ...]
    left_out: tuple[Zone, ...]
    working: WorkingTime
    first: date
    last: date
    days: tuple[date, ...]
    steps: tuple[date, ...]
    is_by_week: bool
    all: Total
    by_zone: Mapping[str, Total]
    by_hour: Mapping[tuple[str, int], Cell]
    by_weekday: Mapping[tuple[int, int], Cell]
    weekdays: Mapping[int, Cell]
    by_day: Mapping[date, Total]
    by_step: Mapping[tuple[str, date], Total]
    busiest: Moment | None
    place_hours: Mapping[tuple[str, int], Cell]
    places: Mapping[str, Cell]
    holds: Holds
    again: Again

    @property
    def hours(self) -> range:
        return range(self.working.first_hour, self.working.end_hour)


def read_report(
    usage: UsageReader, floor: Floor, working: WorkingTime, tz: ZoneInfo, now: datetime, days: int
) -> Report:
    """Return the figures of the `days` days that end today.

    Raises:
        StoreUnavailable: the store cannot be read now.
    """
    last, until = now.astimezone(tz).date(), now - ROWS_AFTER
    zones, left_out = shown_zones(floor)
    names, places = [zone.id for zone in zones], [place for zone in zones for place in counted(zone)]
    asked = spans(working, tz, last, days, until)
    lately = spans(working, tz, last, PLACE_DAYS, until)
    from_at = datetime.combine(last - timedelta(days=PLACE_DAYS - 1), time(), tz)
    with ThreadPoolExecutor(
        1, "history-places"
    ) as beside:  # SQLite answers two questions on two cores at once
        about_places = beside.submit(_read_places, usage, places, lately, from_at, now, tz)
        uses = usage.zone_use(names, asked)
        busiest = usage.busiest(names, busy_spans(asked, uses))
        by_hour, by_place, holds, again = about_places.result()

    def step(day: date) -> date:
        return day - timedelta(days=day.weekday()) if days > _LONGEST_BY_DAY else day

    by_zone_hour = total_by(lambda zone, span: (zone, span.day.weekday(), span.hour), names, asked, uses)
    by_zone_day = total_by(lambda zone, span: (zone, span.day), names, asked, uses)
    whole = merged(lambda _: "", by_zone_hour)
    worked = tuple(dict.fromkeys(span.day for span in asked))
    return Report(
        floor=floor,
        zones=tuple(zones),
        left_out=tuple(left_out),
        working=working,
        first=last - timedelta(days=days - 1),
        last=last,
        days=worked,
        steps=tuple(dict.fromkeys(step(day) for day in worked)),
        is_by_week=days > _LONGEST_BY_DAY,
        all=whole.get("", Total()),
        by_zone={name: Total() for name in names} | merged(lambda key: key[0], by_zone_hour),
        by_hour=cells(merged(lambda key: (key[0], key[2]), by_zone_hour)),
        by_weekday=cells(merged(lambda key: (key[1], key[2]), by_zone_hour)),
        weekdays=cells(merged(lambda key: key[1], by_zone_hour)),
        by_day=merged(lambda key: key[1], by_zone_day),
        by_step=merged(lambda key: (key[0], step(key[1])), by_zone_day),
        busiest=busiest,
        place_hours=by_hour,
        places=by_place,
        holds=holds,
        again=again,
    )


def _read_places(
    usage: UsageReader,
    places: Sequence[str],
    lately: Sequence[Span],
    from_at: datetime,
    now: datetime,
    tz: ZoneInfo,
) -> tuple[Mapping[tuple[str, int], Cell], Mapping[str, Cell], Holds, Again]:
    by_hour, by_place = place_cells(usage.place_hours(places, lately), lately)
    holds = hold_figures(usage.hold_lengths(places, from_at, now))
    return by_hour, by_place, holds, again_figures(usage.reclaimable(places, from_at, now), tz)
