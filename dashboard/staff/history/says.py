"""Numbers, days and times as people say them, and one plain sentence per figure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal

from dashboard.i18n import Words
from dashboard.staff.history.report import PLACE_DAYS, Report
from dashboard.staff.history.sums import Total
from workplace.floor_plan import Zone
from workplace.usage_port import Moment
from workplace.working_time import Span


class Measured(Protocol):
    """Figures of some zones over some working days: of a floor up to today, or of all floors in a month."""

    @property
    def zones(self) -> Sequence[Zone]: ...
    @property
    def days(self) -> Sequence[date]: ...
    @property
    def all(self) -> Total: ...
    @property
    def by_zone(self) -> Mapping[str, Total]: ...
    @property
    def by_day(self) -> Mapping[date, Total]: ...
    @property
    def busiest(self) -> Moment | None: ...


def number(value: float, said: Words) -> str:
    """Return a number with at most one decimal, from a hundred on without."""
    return str(format_decimal(value, "#,##0.#" if value < 100 else "#,##0", locale=said.language))


def percent(share: float | None) -> str:
    """Return a share 0-1 in percent; a dash where nothing was measured."""
    return "–" if share is None else f"{round(100 * share)}\N{NO-BREAK SPACE}%"


def long_day(day: date, said: Words) -> str:
    """Return a day with its weekday, for sentences."""
    return str(format_date(day, "EEEE d MMMM", locale=said.language))


def short_day(day: date, said: Words) -> str:
    """Return a day with its weekday, for tables and axes."""
    return str(format_date(day, "EEE d MMM", locale=said.language))


def whole_day(day: date, said: Words) -> str:
    """Return a day with its year, for sentences."""
    return str(format_date(day, "d MMMM y", locale=said.language))


def week(monday: date, said: Words) -> str:
    """Return the first day of a week with its year, for tables and axes."""
    return str(format_date(monday, "d MMM y", locale=said.language))


def weekday(number_: int, said: Words) -> str:
    """Return the name of a day of the week, 0 is Monday."""
    return str(format_date(date(2024, 1, 1 + number_), "EEEE", locale=said.language))  # a Monday


def clock(at: datetime, tz: ZoneInfo, said: Words) -> str:
    local = at.astimezone(tz)
    return said("{h}:{m}").format(h=local.hour, m=f"{local.minute:02}")


def hour(number_: int, said: Words) -> str:
    return said("{h}:00").format(h=number_)


def duration(minutes: int, said: Words) -> str:
    """Return a length in minutes below two hours, in hours above."""
    if minutes < 120:
        return said("{m} minutes").format(m=minutes)
    return said("{h} hours").format(h=number(minutes / 60, said))


def period(report: Report, said: Words) -> str:
    """Return which time the page is about."""
    return said("{a} to {b}. Working days: {n}, from {f} to {t}.").format(
        a=whole_day(report.first, said),
        b=whole_day(report.last, said),
        n=len(report.days),
        f=hour(report.working.first_hour, said),
        t=hour(report.working.end_hour, said),
    )


def busiest(report: Measured, tz: ZoneInfo, said: Words) -> str:
    """Return when most places were in use, and the mean."""
    moment = report.busiest
    if moment is None or report.all.share is None:
        return nothing(said)
    return said(
        "Busiest moment: {d}, {t}, {n} of {c} places in use. On average {p} of the places is in use."
    ).format(
        d=long_day(moment.start.astimezone(tz).date(), said),
        t=clock(moment.start, tz, said),
        n=round(moment.in_use),
        c=moment.capacity,
        p=percent(report.all.share),
    )


def busiest_weekday(report: Report, said: Words) -> str:
    """Return on which weekday most places are in use."""
    shares = {day: cell.share for day, cell in report.weekdays.items() if cell.share is not None}
    if len(shares) < 2:
        return said("Days of the week can be compared when several are measured.")
    most, least = max(shares, key=lambda day: shares[day]), min(shares, key=lambda day: shares[day])
    return said("Busiest on {a} ({p}), quietest on {b} ({q}).").format(
        a=weekday(most, said), p=percent(shares[most]), b=weekday(least, said), q=percent(shares[least])
    )


def tightest(report: Measured, said: Words, name: Callable[[Zone], str] | None = None) -> str:
    """Return in which hour a zone had the fewest free places, and which days were not measured.

    `name` says a zone where its own name is not enough.
    """
    found = tightest_zone(report)
    if found is None:
        return nothing(said)
    zone, total, span = found
    text = said("Tightest moment: {z}, last on {d} between {f} and {t}, {n} of {c} places free.").format(
        z=said.of(zone.name) if name is None else name(zone),
        d=long_day(span.day, said),
        f=hour(span.hour, said),
        t=hour(span.hour + 1, said),
        n=total.lowest_free,
        c=total.capacity,
    )
    missing = len(report.days) - measured_days(report)
    if not missing:
        return text
    return f"{text} " + said("Not measured: {n} of {c} working days.").format(n=missing, c=len(report.days))


def tightest_zone(report: Measured) -> tuple[Zone, Total, Span] | None:
    """Return the zone that had the fewest free places, the larger one of equals, and the hour of it."""
    found = [
        (total.lowest_free, -total.capacity, number_)
        for number_, zone in enumerate(report.zones)
        if (total := report.by_zone.get(zone.id)) is not None and total.lowest_free is not None
    ]
    if not found:
        return None
    zone = report.zones[min(found)[2]]
    total = report.by_zone[zone.id]
    return None if total.tightest is None else (zone, total, total.tightest)


def measured_days(report: Measured) -> int:
    """Return on how many working days anything was measured."""
    return sum(1 for total in report.by_day.values() if total.bins)


def held_per_day(total: Total, days: int) -> float | None:
    """Return place-hours held but empty per measured working day; None where not measured.

    Less than one whole day is not blown up to one: an hour of a morning says nothing of the afternoon.
    """
    return total.held_h / max(1.0, total.coverage * days) if total.coverage and days else None


def held(report: Measured, said: Words, name: Callable[[Zone], str] | None = None) -> str:
    """Return how long places are held with nobody there, and where most."""
    per_day = held_per_day(report.all, len(report.days))
    if per_day is None:
        return nothing(said)
    text = said(
        "Per working day places are held for {h} hours in all while nobody is there: {p} of the held time."
    ).format(h=number(per_day, said), p=percent(report.all.held_share or 0.0))
    most = max(report.zones, key=lambda zone: held_per_day(report.by_zone[zone.id], len(report.days)) or 0.0)
    if len(report.zones) < 2 or not report.by_zone[most.id].held:
        return text
    return f"{text} " + said("Most of it in {z}.").format(
        z=said.of(most.name) if name is None else name(most)
    )


def holds(report: Report, said: Words) -> str:
    """Return how long holds last."""
    found = report.holds
    if found.median_min is None or found.long_min is None:
        return said("No hold has ended in the last {n} days.").format(n=PLACE_DAYS)
    text = said("Half of the {n} holds lasted at most {a}; 1 in 10 lasted longer than {b}.").format(
        n=number(found.count, said), a=duration(found.median_min, said), b=duration(found.long_min, said)
    )
    if not found.unseen:
        return text
    return f"{text} " + said("Of {n} more the end was not measured.").format(n=number(found.unseen, said))


def again(report: Report, said: Words) -> str:
    """Return how soon places that may be used are used."""
    found = report.again
    if not found.count:
        return said("In the last {n} days no place was shown as: may be used.").format(n=PLACE_DAYS)
    text = said(
        "{n} times a place could be used by somebody else. {a} times that happened the same day"
    ).format(n=number(found.count, said), a=number(found.again, said))
    if found.median_min is None:
        return f"{text}."
    return text + said(", half of them within {m}.").format(m=duration(found.median_min, said))


def places(report: Report, said: Words) -> str:
    """Return which place is used most, of those that have been measured on enough days."""
    known = {place: cell.share for place, cell in report.places.items() if cell.share is not None}
    if not known:
        return said("Too few days of single places are kept to say anything about them.")
    labels = {place.id: place.label for zone in report.zones for place in zone.places}
    most, least = max(known, key=lambda place: known[place]), min(known, key=lambda place: known[place])
    return said("Used most: place {a}, {p} of the measured time. Used least: place {b}, {q}.").format(
        a=labels[most], p=percent(known[most]), b=labels[least], q=percent(known[least])
    )


def nothing(said: Words) -> str:
    return said("Nothing was measured in this period.")
