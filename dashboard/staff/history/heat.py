"""Tables of shares as shades, with the number in every cell. Pure.

They are written as text: a floor of 400 places has 4,000 cells, and a Dash element for each would take a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dash import html
from markupsafe import Markup, escape

from dashboard.i18n import Words
from dashboard.staff.history import says
from dashboard.staff.history.report import Report
from dashboard.staff.history.sums import Cell, Total
from dashboard.staff.layout import aria

#: Cells that were measured less than this share of the time carry a mark.
_WELL_MEASURED = 0.5
_NEVER = Cell(None, 0.0)


def zone_hours(report: Report, said: Words) -> Any:
    """Return the share of places in use by zone and hour, and of the whole floor."""
    rows = [
        (
            said.of(zone.name),
            [report.by_hour.get((zone.id, hour), _NEVER) for hour in report.hours],
            _cell(report.by_zone.get(zone.id)),
        )
        for zone in report.zones
    ]
    return _heat(
        said("Zone"), rows, report.hours, said("Share of places in use by zone and hour, in percent"), said
    )


def weekday_hours(report: Report, said: Words) -> Any:
    """Return the share of the floor's places in use by day of the week and hour."""
    rows = [
        (
            says.weekday(day, said).capitalize(),
            [report.by_weekday.get((day, hour), _NEVER) for hour in report.hours],
            cell,
        )
        for day, cell in sorted(report.weekdays.items())
    ]
    title = said("Share of places in use by day of the week and hour, in percent")
    return _heat(said("Day"), rows, report.hours, title, said)


def place_hours(report: Report, said: Words) -> Any:
    """Return the share of the time that places are in use, by hour; nothing when nothing may be shown."""
    if not report.places:
        return None
    return [
        [
            html.H3(said.of(zone.name)),
            _heat(
                said("Place"),
                [
                    (
                        place.label,
                        [report.place_hours.get((place.id, hour), _NEVER) for hour in report.hours],
                        report.places.get(place.id, _NEVER),
                    )
                    for place in zone.places
                    if not place.fixed
                ],
                report.hours,
                said("Share of the time in use by place and hour, in percent: {z}").format(
                    z=said.of(zone.name)
                ),
                said,
            ),
        ]
        for zone in report.zones
    ]


def legend(said: Words) -> Any:
    """Return what the colours mean; every cell has its number too."""
    return html.Ul(
        [
            html.Li(
                [
                    html.Span(said("0 % in use")),
                    *(
                        html.Span(className=f"st-swatch st-h{step}", **aria(hidden="true"))
                        for step in range(11)
                    ),
                    html.Span("100 %"),
                ]
            ),
            html.Li(
                [html.Span(className="st-swatch st-h-none", **aria(hidden="true")), said("– not measured")]
            ),
            html.Li(said("* measured less than half of the time")),
        ],
        className="st-legend st-heat-legend",
    )


def scrolled(content: Any, name: str) -> Any:
    """Return a part that scrolls by itself, also by keyboard."""
    return html.Div(content, className="st-scroll st-scroll-x", tabIndex=0, role="region", **aria(label=name))


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> Markup:
    """Return a table whose first column heads its rows."""
    lines = (_row(first, (f"<td>{escape(text)}</td>" for text in rest)) for first, *rest in rows)
    return _table("", head, lines, caption)


def _cell(total: Total | None) -> Cell:
    return _NEVER if total is None else Cell(total.share, total.coverage)


def _heat(
    what: str, rows: Iterable[tuple[str, Sequence[Cell], Cell]], hours: Sequence[int], title: str, said: Words
) -> Any:
    """Return a table of shares; `rows` are a name, a cell per hour, and the cell of the whole day."""
    head = [what, *(says.hour(hour, said) for hour in hours), said("Whole day"), said("Measured")]
    never, measured = said("not measured"), said("measured {p}")

    def line(name: str, cells: Sequence[Cell], whole: Cell) -> str:
        shades = [_shade(cell, never, measured) for cell in (*cells, whole)]
        return _row(name, [*shades, f'<td class="st-measured">{says.percent(whole.coverage)}</td>'])

    made = _table("st-heat", head, (line(*row) for row in rows), title)
    return html.Div(made, className="st-scroll-x", tabIndex=0, role="region", **aria(label=title))


def _shade(cell: Cell, never: str, measured: str) -> str:
    if cell.share is None:
        text = escape(never)
        return (
            f'<td class="st-h-none" title="{text}"><span aria-hidden="true">–</span>'
            f'<span class="st-unseen">{text}</span></td>'
        )
    mark = "" if cell.coverage >= _WELL_MEASURED else "*"
    title = escape(measured.format(p=says.percent(cell.coverage)))
    shade = min(10, int(10 * cell.share))
    return f'<td class="st-h{shade}" title="{title}">{round(100 * cell.share)}{mark}</td>'


def _row(name: str, cells: Iterable[str]) -> str:
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>'


def _table(kind: str, head: Sequence[str], rows: Iterable[str], caption: str) -> Markup:
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    return Markup(  # noqa: S704 - every text above is escaped
        f'<table class="{kind}"><caption class="st-unseen">{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
