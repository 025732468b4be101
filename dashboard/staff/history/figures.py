"""The charts of the history page, for Plotly; the tables beside them hold the same numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.i18n import Words
from dashboard.staff.history import says
from dashboard.staff.history.report import Report
from dashboard.staff.history.sums import Total
from dashboard.staff.history.tables import HOLD_CLASSES
from workplace.floor_plan import Zone

#: Dark line, light band, warm marks of another shape: told apart without seeing colour.
_LINE, _EDGE, _BAND, _FREE, _UNSEEN = "#12458f", "#8db7ec", "rgba(63,127,208,0.28)", "#c2410c", "#98a0ab"
_INK, _GRID = "#0c1a2b", "#e3e8ee"
#: Height of the chart of one zone, and of the space around all of them, px.
_ZONE_PX, _AROUND_PX = 190, 70


def days_figure(report: Report, said: Words) -> dict[str, Any]:
    """Return one chart per zone above one another: mean in use with a band up to the highest, and the fewest free."""
    names = [
        says.week(step, said) if report.is_by_week else says.short_day(step, said) for step in report.steps
    ]
    series: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    layout = _layout(said, _AROUND_PX + _ZONE_PX * max(1, len(report.zones)))
    layout["annotations"] = []
    layout["margin"].update({"t": 56, "b": 40, "l": 40, "r": 40})
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"}
    for number, zone in enumerate(report.zones, start=1):
        axis = "" if number == 1 else str(number)
        top = 1 - (number - 1) / len(report.zones)
        bottom = 1 - number / len(report.zones) + 0.16 / len(report.zones)
        layout[f"yaxis{axis}"] = _axis(
            domain=[bottom, top - 0.12 / len(report.zones)], rangemode="tozero", nticks=5
        )
        layout[f"xaxis{axis}"] = _axis(
            type="category",
            categoryorder="array",
            categoryarray=names,
            anchor=f"y{axis}",
            range=[-0.6, len(names) - 0.4],
            showticklabels=number == len(report.zones),
            nticks=8,
            showgrid=False,
        )
        layout["annotations"].append(
            {
                "text": f"<b>{said.of(zone.name)}</b>",
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": top - 0.01 / len(report.zones),
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
            }
        )
        series += _zone_series(report, zone, names, axis, said, is_first=number == 1)
        shapes += [
            _unseen_shape(position, axis)
            for position, step in enumerate(report.steps)
            if not report.by_step[zone.id, step].bins
        ]
    if shapes:
        series.append(_unseen_in_legend(said))
    layout["shapes"] = shapes
    return {"data": series, "layout": layout}


def _zone_series(
    report: Report, zone: Zone, names: Sequence[str], axis: str, said: Words, *, is_first: bool
) -> Iterator[dict[str, Any]]:
    """Yield line, band and marks of one zone; a day that was not measured breaks the line and the band."""
    totals = [report.by_step[zone.id, step] for step in report.steps]
    is_shown = is_first
    size = 5 if len(names) <= 40 else 0
    for run in _runs(totals):
        common: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines+markers" if size or len(run) == 1 else "lines",
            "x": [names[at] for at in run],
            "xaxis": f"x{axis}",
            "yaxis": f"y{axis}",
            "showlegend": is_shown,
        }
        mean = {
            "name": said("in use, mean"),
            "legendgroup": "mean",
            "y": [round(totals[at].mean or 0.0, 1) for at in run],
            "line": {"color": _LINE, "width": 2.5},
            "marker": {"color": _LINE, "size": size or 5},
            "hovertemplate": "%{x}: %{y}<extra>%{fullData.name}</extra>",
        }
        highest = {
            "name": said("in use, highest"),
            "legendgroup": "highest",
            "y": [totals[at].highest for at in run],
            "line": {"color": _EDGE, "width": 1},
            "marker": {"color": _EDGE, "size": size or 5},
            "fill": "tonexty",
            "fillcolor": _BAND,
            "hovertemplate": "%{x}: %{y}<extra>%{fullData.name}</extra>",
        }
        yield common | mean
        yield common | highest
        is_shown = False
    tight = [(name, total.lowest_free) for name, total in zip(names, totals, strict=True)]
    yield {
        "type": "scatter",
        "mode": "lines+markers",
        "name": said("free, lowest"),
        "legendgroup": "free",
        "showlegend": is_first,
        "x": [name for name, _ in tight],
        "y": [lowest for _, lowest in tight],
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "line": {"color": _FREE, "width": 1.5, "dash": "dot"},
        "marker": {"color": _FREE, "size": 7 if size else 4, "symbol": "diamond"},
        "hovertemplate": "%{x}: %{y}<extra>%{fullData.name}</extra>",
    }


def _runs(totals: Sequence[Total]) -> list[list[int]]:
    """Return the stretches of neighbours that were measured."""
    runs: list[list[int]] = []
    for number, total in enumerate(totals):
        if not total.bins:
            continue
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _unseen_shape(position: int, axis: str) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": f"x{axis}",
        "yref": f"y{axis} domain",
        "x0": position - 0.5,
        "x1": position + 0.5,
        "y0": 0,
        "y1": 1,
        "fillcolor": _UNSEEN,
        "opacity": 0.35,
        "line": {"width": 0},
        "layer": "below",
    }


def _unseen_in_legend(said: Words) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": said("not measured"),
        "x": [None],
        "y": [None],
        "marker": {"color": _UNSEEN, "opacity": 0.5, "symbol": "square", "size": 12},
        "hoverinfo": "skip",
    }


def held_figure(report: Report, said: Words) -> dict[str, Any]:
    """Return hours held but empty per working day, a bar per zone; an unmeasured zone has no bar but the words."""
    hours = [
        says.held_per_day(report.by_zone[zone.id], len(report.days)) if report.days else None
        for zone in report.zones
    ]
    layout = _layout(said, 70 + 44 * len(report.zones))
    layout["xaxis"] = _axis(rangemode="tozero", title=_title(said("hours per working day")), nticks=5)
    layout["yaxis"] = _axis(automargin=True, showgrid=False, autorange="reversed", type="category")
    layout["margin"].update({"l": 12, "b": 44})
    bars = _bars(
        [said.of(zone.name) for zone in report.zones],
        [0 if value is None else round(value, 2) for value in hours],
        [said("not measured") if value is None else says.number(value, said) for value in hours],
    )
    return {"data": [bars], "layout": layout}


def holds_figure(report: Report, said: Words) -> dict[str, Any]:
    """Return how many holds lasted how long, a bar per class, the shortest on top."""
    counts = report.holds.classes if report.holds.count else ()
    layout = _layout(said, 60 + 34 * len(HOLD_CLASSES))
    layout["xaxis"] = _axis(rangemode="tozero", title=_title(said("number of holds")), nticks=5)
    layout["yaxis"] = _axis(automargin=True, showgrid=False, autorange="reversed", type="category")
    layout["margin"].update({"l": 12, "b": 44})
    bars = _bars(
        [said(label) for label in HOLD_CLASSES], list(counts), [says.number(n, said) for n in counts]
    )
    return {"data": [bars] if counts else [], "layout": layout}


def _bars(names: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> dict[str, Any]:
    """Return bars from left to right, each with its number."""
    return {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": values,
        "text": texts,
        "textposition": [
            "auto" if value else "outside" for value in values
        ],  # inside no bar there is no room
        "cliponaxis": False,
        "marker": {"color": _LINE},
        "hoverinfo": "skip",
    }


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 13}, "standoff": 8}


def empty_figure() -> dict[str, Any]:
    """Return a chart with nothing in it, for before there is an answer."""
    return {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}}


def _axis(**more: Any) -> dict[str, Any]:
    return {"fixedrange": True, "gridcolor": _GRID, "zerolinecolor": _GRID, **more}


def _layout(said: Words, height_px: int) -> dict[str, Any]:
    return {
        "separators": ",." if said.language == "nl" else ".,",
        "font": {"family": "Inter Variable, Segoe UI, Arial, sans-serif", "size": 13, "color": _INK},
        "margin": {"l": 44, "r": 12, "t": 16, "b": 32},
        "height": height_px,
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "hovermode": "closest",
    }
