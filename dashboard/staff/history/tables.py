"""The tiles and tables of the history page. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from dashboard.i18n import N_, Words
from dashboard.staff.history import says
from dashboard.staff.history.heat import plain_table, scrolled
from dashboard.staff.history.report import PLACE_DAYS, Report
from dashboard.staff.history.sums import HOLD_CLASSES_MIN, LEAST_DAYS, SMALLEST_ZONE, Total
from dashboard.staff.parts import table

HOLD_CLASSES: tuple[str, ...] = (
    N_("under 30 min"),
    N_("30 to 60 min"),
    N_("1 to 2 h"),
    N_("2 to 4 h"),
    N_("4 to 6 h"),
    N_("6 to 8 h"),
    N_("over 8 h"),
)
assert len(HOLD_CLASSES) == len(HOLD_CLASSES_MIN) + 1  # noqa: S101 - two tables that belong together


def tiles(report: Report, tz: ZoneInfo, said: Words) -> Any:
    """Return the five figures that a month's report begins with."""
    moment, tightest = report.busiest, says.tightest_zone(report)
    per_day = says.held_per_day(report.all, len(report.days))
    unknown = said("not measured")
    found = [
        (said("In use on average"), says.percent(report.all.share), said("of the measured places")),
        (
            said("Busiest"),
            "–" if moment is None else str(round(moment.in_use)),
            unknown
            if moment is None
            else said("of {c} places, {d}, {t}").format(
                c=moment.capacity,
                d=says.short_day(moment.start.astimezone(tz).date(), said),
                t=says.clock(moment.start, tz, said),
            ),
        ),
        (
            said("Tightest"),
            "–" if tightest is None else str(tightest[1].lowest_free),
            unknown
            if tightest is None
            else said("free in {z}, {d}, from {t}").format(
                z=said.of(tightest[0].name),
                d=says.short_day(tightest[2].day, said),
                t=says.hour(tightest[2].hour, said),
            ),
        ),
        (
            said("Held but empty"),
            "–" if per_day is None else says.number(per_day, said),
            unknown if per_day is None else said("hours per working day, all places together"),
        ),
        (
            said("Measured"),
            says.percent(report.all.coverage),
            said("of the working time, {n} of {c} days").format(
                n=says.measured_days(report), c=len(report.days)
            ),
        ),
    ]
    return html.Div(
        [
            html.Div([html.P(label), html.P([html.Strong(value), html.Span(rest)])], className="st-kpi")
            for label, value, rest in found
        ],
        className="st-kpis",
    )


def steps(report: Report, said: Words) -> Any:
    """Return per zone and day (or week): mean and highest in use, lowest free, and how much was measured."""
    rows = [
        [
            _step_name(report, step, said),
            said.of(zone.name),
            *_step_cells(report.by_step[zone.id, step], said),
        ]
        for step in reversed(report.steps)
        for zone in report.zones
    ]
    head = [
        said("Week from") if report.is_by_week else said("Day"),
        said("Zone"),
        said("In use, mean"),
        said("In use, highest"),
        said("Free, lowest"),
        said("Measured"),
    ]
    title = said("Zones by day")
    return scrolled(plain_table(head, rows, title), title)


def _step_name(report: Report, step: date, said: Words) -> str:
    return says.week(step, said) if report.is_by_week else says.short_day(step, said)


def _step_cells(total: Total, said: Words) -> list[str]:
    if not total.bins:
        return [said("not measured"), "–", "–", "0 %"]
    return [
        says.number(total.mean or 0.0, said),
        str(total.highest),
        "–" if total.lowest_free is None else str(total.lowest_free),
        says.percent(total.coverage),
    ]


def held(report: Report, said: Words) -> Any:
    """Return per zone how long places are held with nobody there."""
    days = len(report.days)

    def line(name: str, total: Total) -> list[str]:
        per_day = says.held_per_day(total, days)
        if per_day is None:
            return [name, said("not measured"), "–", "–", "0 %"]
        return [
            name,
            says.number(per_day, said),
            says.number(total.held_h, said),
            says.percent(total.held_share),
            says.percent(total.coverage),
        ]

    rows = [line(said.of(zone.name), report.by_zone.get(zone.id, Total())) for zone in report.zones]
    head = [
        said("Zone"),
        said("Hours per working day"),
        said("Hours in all"),
        said("Of the held time"),
        said("Measured"),
    ]
    title = said("Held but empty, by zone")
    whole = line(said("Whole floor"), report.all)
    return scrolled(table(head, [*rows, whole] if len(rows) > 1 else rows, title), title)


def holds(report: Report, said: Words) -> Any:
    """Return how many holds lasted how long."""
    found = report.holds
    if not found.count:
        return None
    rows = [
        [said(label), says.number(count, said), says.percent(count / found.count)]
        for label, count in zip(HOLD_CLASSES, found.classes, strict=True)
    ]
    title = said("Length of holds")
    return scrolled(table([said("Lasted"), said("Holds"), said("Share")], rows, title), title)


def again(report: Report, said: Words) -> Any:
    """Return what became of places that could be used by somebody else."""
    found = report.again
    if not found.count:
        return None
    counts = (
        (said("used again that day"), found.again),
        (said("the same hold went on"), found.went_on),
        (said("stayed empty that day"), found.stayed_empty),
        (said("not measured further"), found.unseen),
    )
    rows = [[label, says.number(count, said), says.percent(count / found.count)] for label, count in counts]
    title = said("What became of places that may be used")
    return scrolled(table([said("What happened"), said("Times"), said("Share")], rows, title), title)


def notes(report: Report, said: Words) -> Any:
    """Return the definitions, and what is not shown."""
    lines = [
        said("In use: somebody was there. Held but empty: the place was still held and nobody was there."),
        said("Shares are of the places that were measured. What was not measured never counts as free."),
        said("Fewest free counts moments at which nearly all sensors worked."),
        said(
            "Fixed places do not count. Hours of single places are means of {d} days or more, of the last {n} days."
        ).format(d=LEAST_DAYS, n=PLACE_DAYS),
    ]
    if report.left_out:
        names = ", ".join(said.of(zone.name) for zone in report.left_out)
        lines.append(said("Left out, fewer than {n} places: {z}.").format(n=SMALLEST_ZONE, z=names))
    return html.Ul([html.Li(line) for line in lines])
