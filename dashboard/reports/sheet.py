"""Figures of a month -> the report as text, tables and charts, in one language. Page and PDF show just this. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from babel.dates import format_date

from dashboard.i18n import N_, Words
from dashboard.reports import charts
from dashboard.reports.charts import Bar, Chart, Spread
from dashboard.reports.month import Lengths, Month, MonthFigures, grouped, lengths
from dashboard.staff.history import says
from dashboard.staff.history.sums import Total
from workplace.floor_plan import FloorPlan, Zone
from workplace.hold_outcomes import LEAST_DAYS, LEAST_PLACES
from workplace.usage_port import LengthCounts

#: The second figure of how long something took, beside the half: of holds, and of offers.
_HOLDS_MOST, _OFFERS_MOST = 0.9, 0.95
#: Fewer than this in a zone and a month say nothing about how long things take there, and much about single people.
_LEAST_COUNT = 10
#: Classes to show, coarser than those that are kept: upper end in minutes, and word.
_HOLD_CLASSES: tuple[tuple[int | None, str], ...] = (
    (30, N_("under 30 min")),
    (60, N_("30 to 60 min")),
    (120, N_("1 to 2 h")),
    (240, N_("2 to 4 h")),
    (480, N_("4 to 8 h")),
    (None, N_("over 8 h")),
)
_OFFER_ENDS_MIN = (10, 20, 30, 45, 60, 90)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row says what the row is about."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One question: a sentence that answers it, a chart, and tables with the same numbers."""

    id: str
    title: str
    sentence: str
    chart: Chart | None
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole report. `measured` says how much of the month was measured, for above everything else."""

    language: str
    title: str
    site: str
    period: str
    measured: str
    is_empty: bool
    sections: tuple[Section, ...]
    notes_title: str
    notes: tuple[str, ...]
    made: str


def month_name(month: Month, said: Words) -> str:
    return str(format_date(month.first, "MMMM y", locale=said.language))


def make_sheet(figures: MonthFigures, plan: FloorPlan, now: datetime, said: Words) -> Sheet:
    """Return the report of a month, made at `now`."""
    at = now.astimezone(plan.tz)
    has_any = bool(figures.zones)
    return Sheet(
        language=said.language,
        title=said("Use of the workplaces in {month}").format(month=month_name(figures.month, said)),
        site=said.of(plan.name),
        period=_period(figures, said),
        measured=_measured(figures, said),
        is_empty=not has_any,
        sections=_sections(figures, plan, said) if has_any else (),
        notes_title=said("What the words mean"),
        notes=_notes(figures, said),
        made=said("Made on {d}, {t}.").format(
            d=says.whole_day(at.date(), said), t=says.clock(now, plan.tz, said)
        ),
    )


def _sections(figures: MonthFigures, plan: FloorPlan, said: Words) -> tuple[Section, ...]:
    def name(zone: Zone) -> str:
        return f"{figures.floors[zone.id].number} {said.of(zone.name)}"

    def long_name(zone: Zone) -> str:
        return said("{z} on floor {n}").format(z=said.of(zone.name), n=figures.floors[zone.id].number)

    return (
        _use(figures, said, name, long_name),
        _occupancy(figures, plan, said, name, long_name),
        _holds(figures, said, name),
        _held(figures, said, name, long_name),
        _offers(figures, said, name),
    )


def _period(figures: MonthFigures, said: Words) -> str:
    text = said("{a} to {b}. Working days: {n}, from {f} to {t}.").format(
        a=says.whole_day(figures.month.first, said),
        b=says.whole_day(figures.month.last, said),
        n=len(figures.days),
        f=says.hour(figures.working.first_hour, said),
        t=says.hour(figures.working.end_hour, said),
    )
    return (
        text
        if figures.is_over
        else f"{text} " + said("This month is not over: these are its figures so far.")
    )


def _measured(figures: MonthFigures, said: Words) -> str:
    if not figures.zones:
        return said("There are no figures: no zone was measured on {d} working days or more.").format(
            d=LEAST_DAYS
        )
    return said("Measured: {p} of the working time, on {n} of {c} days.").format(
        p=says.percent(figures.all.coverage), n=says.measured_days(figures), c=len(figures.days)
    )


def _use(
    figures: MonthFigures, said: Words, name: Callable[[Zone], str], long_name: Callable[[Zone], str]
) -> Section:
    heads = [_week(monday, said) for monday in figures.weeks]
    rows = [
        (name(zone), [figures.by_week[zone.id, week] for week in figures.weeks], figures.by_zone[zone.id])
        for zone in figures.zones
    ]
    rows.append((said("All zones"), [figures.week_of_all[week] for week in figures.weeks], figures.all))
    sentence = _use_sentence(figures, said, long_name)
    whole = said("Month")
    table = Table(
        said("Share of the places in use by zone and week; in brackets how much of the time was measured"),
        (said("Zone"), *heads, whole),
        tuple((label, *(_share(total) for total in (*totals, month))) for label, totals, month in rows),
    )
    chart = charts.grid(
        [*heads, whole],
        [(label, [total.share for total in (*totals, month)]) for label, totals, month in rows],
        [[says.percent(total.share) for total in (*totals, month)] for _, totals, month in rows],
        sentence,
    )
    return Section("use", said("Use by zone and week"), sentence, chart, (table,))


def _use_sentence(figures: MonthFigures, said: Words, long_name: Callable[[Zone], str]) -> str:
    shares = {zone: total for zone in figures.zones if (total := figures.by_zone[zone.id].share) is not None}
    if not shares:
        return says.nothing(said)
    most, least = max(shares, key=lambda zone: shares[zone]), min(shares, key=lambda zone: shares[zone])
    return said("On average {p} of the places was in use: most in {a} ({q}), least in {b} ({r}).").format(
        p=says.percent(figures.all.share),
        a=long_name(most),
        q=says.percent(shares[most]),
        b=long_name(least),
        r=says.percent(shares[least]),
    )


def _week(monday: date, said: Words) -> str:
    return said("week {n}").format(n=monday.isocalendar().week)


def _share(total: Total) -> str:
    return f"{says.percent(total.share)} ({says.percent(total.coverage)})" if total.bins else "–"


def _occupancy(
    figures: MonthFigures,
    plan: FloorPlan,
    said: Words,
    name: Callable[[Zone], str],
    long_name: Callable[[Zone], str],
) -> Section:
    rows: list[tuple[str, ...]] = []
    spreads: list[Spread] = []
    for zone in figures.zones:
        total = figures.by_zone[zone.id]
        tight = total.tightest
        when = "–" if tight is None else f"{says.short_day(tight.day, said)}, {says.hour(tight.hour, said)}"
        mean, highest = says.number(total.mean or 0.0, said), total.highest
        fewest = "–" if total.lowest_free is None else str(total.lowest_free)
        cells = (str(total.capacity), mean, "–" if highest is None else str(highest), fewest, when)
        rows.append((name(zone), *cells, says.percent(total.coverage)))
        text = said("{m} of {c}, fewest free {f}").format(m=mean, c=total.capacity, f=fewest)
        spreads.append(Spread(name(zone), total.capacity, total.mean, highest, total.lowest_free, text))
    sentence = f"{says.tightest(figures, said, long_name)} {says.busiest(figures, plan.tz, said)}"
    head = (
        said("Zone"),
        said("Places"),
        said("In use, mean"),
        said("In use, highest"),
        said("Free, lowest"),
        said("Tightest hour"),
        said("Measured"),
    )
    legend = (said("in use, mean"), said("in use, highest"), said("tightest moment"))
    return Section(
        "occupancy",
        said("How full zones were"),
        sentence,
        charts.spreads(spreads, legend, sentence),
        (Table(said("Places in use and free, by zone"), head, tuple(rows)),),
    )


def _holds(figures: MonthFigures, said: Words, name: Callable[[Zone], str]) -> Section:
    found = lengths(figures.holds, _HOLDS_MOST)
    if not found.count:
        sentence = said("No hold ended in this month.")
        return Section("holds", said("Length of holds"), sentence, None, ())
    sentence = said("Half of the {n} holds lasted at most {a}; 9 of 10 lasted at most {b}.").format(
        n=says.number(found.count, said),
        a=_most(found.half_min, found, said),
        b=_most(found.most_min, found, said),
    )
    if found.unseen:
        sentence += " " + said("Of {n} more the end was not measured.").format(
            n=says.number(found.unseen, said)
        )
    classes = _hold_classes(figures.holds, said)
    table = _class_table(classes, said, said("Length of holds"), said("Lasted"), said("Holds"))
    by_zone = said("Length of holds, by zone")
    head = (said("Zone"), said("Holds"), said("Half within"), said("9 of 10 within"), said("Measured"))
    return Section(
        "holds",
        said("Length of holds"),
        f"{sentence} {_counted_on(figures.holds, figures, said)}",
        _class_chart(classes, said, sentence),
        (table, _zone_lengths(figures, figures.holds, _HOLDS_MOST, head, said, name, by_zone)),
    )


def _held(
    figures: MonthFigures, said: Words, name: Callable[[Zone], str], long_name: Callable[[Zone], str]
) -> Section:
    days = len(figures.days)
    sentence = says.held(figures, said, long_name)
    rows: list[tuple[str, ...]] = []
    drawn: list[Bar] = []
    named = [(name(zone), figures.by_zone[zone.id]) for zone in figures.zones]
    for label, total in [*named, (said("All zones"), figures.all)]:
        per_day = says.held_per_day(total, days)
        hours = said("not measured") if per_day is None else says.number(per_day, said)
        share = says.percent(total.held_share)
        rows.append((label, hours, says.number(total.held_h, said), share, says.percent(total.coverage)))
        drawn.append(Bar(label, per_day, hours))
    head = (
        said("Zone"),
        said("Hours per working day"),
        said("Hours in all"),
        said("Of the held time"),
        said("Measured"),
    )
    return Section(
        "held",
        said("Held but empty"),
        sentence,
        charts.bars(drawn[:-1], sentence),
        (Table(said("Held but empty, by zone"), head, tuple(rows)),),
    )


def _offers(figures: MonthFigures, said: Words, name: Callable[[Zone], str]) -> Section:
    title = said("Time to free desk")
    found = lengths(figures.offers, _OFFERS_MOST)
    if not found.count:
        return Section(
            "offers", title, said("No place that was left was offered again in this month."), None, ()
        )
    sentence = said(
        "Half of the {n} places that were left stood on the screens again within {a}; 95 of 100 within {b}."
    ).format(
        n=says.number(found.count, said),
        a=_most(found.half_min, found, said),
        b=_most(found.most_min, found, said),
    )
    classes = _offer_classes(figures.offers, said)
    table = _class_table(classes, said, title, said("Offered again"), said("Times"))
    by_zone = said("Time to free desk, by zone")
    head = (said("Zone"), said("Times"), said("Half within"), said("95 of 100 within"), said("Measured"))
    return Section(
        "offers",
        title,
        f"{sentence} {_counted_on(figures.offers, figures, said)}",
        _class_chart(classes, said, sentence),
        (table, _zone_lengths(figures, figures.offers, _OFFERS_MOST, head, said, name, by_zone)),
    )


def _counted_on(counts: LengthCounts, figures: MonthFigures, said: Words) -> str:
    days = len(counts.days & set(figures.days))
    return said("Counted on {n} of {c} working days.").format(n=days, c=len(figures.days))


def _most(minutes: int | None, found: Lengths, said: Words) -> str:
    if minutes is None:
        return said("more than {a}").format(a=says.duration(found.longest_min, said))
    return says.duration(minutes, said)


def _class_table(
    classes: Sequence[tuple[str, int]], said: Words, caption: str, first: str, what: str
) -> Table:
    whole = sum(count for _, count in classes)
    rows = tuple((label, says.number(count, said), says.percent(count / whole)) for label, count in classes)
    return Table(caption, (first, what, said("Share")), rows)


def _class_chart(classes: Sequence[tuple[str, int]], said: Words, sentence: str) -> Chart:
    return charts.bars([Bar(label, float(n), says.number(n, said)) for label, n in classes], sentence)


def _hold_classes(counts: LengthCounts, said: Words) -> list[tuple[str, int]]:
    ends = [end for end, _ in _HOLD_CLASSES if end is not None]
    return [(said(name), n) for (_, name), n in zip(_HOLD_CLASSES, grouped(counts, ends), strict=True)]


def _offer_classes(counts: LengthCounts, said: Words) -> list[tuple[str, int]]:
    names = [
        said("{a} to {b} min").format(a=begin, b=end)
        for begin, end in zip((0, *_OFFER_ENDS_MIN), _OFFER_ENDS_MIN, strict=False)
    ]
    names.append(said("over {a} min").format(a=_OFFER_ENDS_MIN[-1]))
    return list(zip(names, grouped(counts, _OFFER_ENDS_MIN), strict=True))


def _zone_lengths(
    figures: MonthFigures,
    counts: LengthCounts,
    most: float,
    head: tuple[str, ...],
    said: Words,
    name: Callable[[Zone], str],
    caption: str,
) -> Table:
    rows = []
    for zone in figures.zones:
        found = lengths(counts, most, [zone.id])
        coverage = says.percent(figures.by_zone[zone.id].coverage)
        rows.append((name(zone), *_length_cells(found, said), coverage))
    return Table(caption, head, tuple(rows))


def _length_cells(found: Lengths, said: Words) -> tuple[str, str, str]:
    if found.count < _LEAST_COUNT:
        return (said("fewer than {n}").format(n=_LEAST_COUNT), "–", "–")
    return (
        says.number(found.count, said),
        _most(found.half_min, found, said),
        _most(found.most_min, found, said),
    )


def _notes(figures: MonthFigures, said: Words) -> tuple[str, ...]:
    lines = [
        said("In use: somebody was there. Held but empty: the place was still held and nobody was there."),
        said("Shares are of the places that were measured. What was not measured never counts as free."),
        said("Fewest free counts moments at which nearly all sensors worked."),
        said("Measured: the share of the working time with trusted sensors. It stands beside every figure."),
        said(
            "Time to free desk: from when somebody was last there until the screens offered the place again."
        ),
        said("Holds and offers count over the whole day, also outside working hours."),
        said(
            "The number before a zone is its floor. Fixed places do not count. No figure is about a single place."
        ),
    ]
    if figures.too_small:
        lines.append(
            said("Left out, fewer than {n} places: {z}.").format(
                n=LEAST_PLACES, z=_listed(figures, figures.too_small, said)
            )
        )
    if figures.too_few_days:
        lines.append(
            said("Left out, measured on fewer than {n} working days: {z}.").format(
                n=LEAST_DAYS, z=_listed(figures, figures.too_few_days, said)
            )
        )
    return tuple(lines)


def _listed(figures: MonthFigures, zones: Sequence[Zone], said: Words) -> str:
    return ", ".join(f"{figures.floors[zone.id].number} {said.of(zone.name)}" for zone in zones)
