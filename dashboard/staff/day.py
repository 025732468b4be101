"""The day of one floor: a chart, the same in one sentence, and the same as a table. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.i18n import Words
from workplace.floor_plan import Floor
from workplace.ports import ZoneBin

#: One hue, from dark to light, so that the chart survives grey; colour means status elsewhere, not zone.
_SHADES = ("#12458f", "#3f7fd0", "#8db7ec", "#c4daf5", "#5b6573", "#98a0ab")


def day_figure(floor: Floor, bins: Sequence[ZoneBin], tz: ZoneInfo, said: Words) -> dict[str, Any]:
    """Return places in use per zone, stacked, with the number of places as a line."""
    by_zone = _by_zone(bins)
    series: list[dict[str, Any]] = []
    for shade, zone in zip(_SHADES * 4, floor.zones, strict=False):
        rows = by_zone.get(zone.id, [])
        if not rows:
            continue
        series.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": said.of(zone.name),
                "x": [_local(row.start, tz) for row in rows],
                "y": [round(row.in_use_avg + row.held_avg, 2) for row in rows],
                "stackgroup": "zones",
                "line": {"width": 1, "shape": "hv", "color": shade},
                "fillcolor": shade,
                "hovertemplate": "%{x|%H:%M}  %{y:.0f}<extra>%{fullData.name}</extra>",
            }
        )
    totals = _totals(bins)
    if totals:
        starts = sorted(totals)
        series.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": said("places"),
                "x": [_local(start, tz) for start in starts],
                "y": [totals[start][1] for start in starts],
                "line": {"width": 2, "dash": "dot", "color": "#4a5868", "shape": "hv"},
                "hoverinfo": "skip",
            }
        )
    return {"data": series, "layout": _layout(said)}


def day_summary(bins: Sequence[ZoneBin], tz: ZoneInfo, said: Words) -> str:
    totals = _totals(bins)
    if not totals:
        return said("There is no history of today yet.")
    busiest = max(totals, key=lambda start: (totals[start][0], -start.timestamp()))
    used, capacity, coverage = totals[busiest]
    return said("Busiest at {t}: {n} of {c} places held ({p} %). Measured {m} % of the time.").format(
        t=f"{busiest.astimezone(tz):%H:%M}",
        n=round(used),
        c=capacity,
        p=round(100 * used / capacity) if capacity else 0,
        m=round(coverage),
    )


def day_rows(floor: Floor, bins: Sequence[ZoneBin], said: Words) -> list[list[str]]:
    """Return per zone: mean in use, highest in use, mean held but empty, lowest free, coverage."""
    by_zone = _by_zone(bins)
    rows: list[list[str]] = []
    for zone in floor.zones:
        found = by_zone.get(zone.id, [])
        if not found:
            continue
        rows.append(
            [
                said.of(zone.name),
                f"{sum(b.in_use_avg for b in found) / len(found):.0f}",
                str(max(b.in_use_max for b in found)),
                f"{sum(b.held_avg for b in found) / len(found):.0f}",
                str(min(b.free_min for b in found)),
                f"{sum(b.coverage_pct for b in found) / len(found):.0f} %",
            ]
        )
    return rows


def day_head(said: Words) -> list[str]:
    return [
        said("Zone"),
        said("In use, mean"),
        said("In use, highest"),
        said("Held but empty, mean"),
        said("Free, lowest"),
        said("Coverage"),
    ]


def _by_zone(bins: Sequence[ZoneBin]) -> dict[str, list[ZoneBin]]:
    found: dict[str, list[ZoneBin]] = defaultdict(list)
    for row in sorted(bins, key=lambda row: row.start):
        found[row.zone].append(row)
    return found


def _totals(bins: Sequence[ZoneBin]) -> dict[datetime, tuple[float, int, float]]:
    """Return per start: places held, places, mean coverage in percent."""
    found: dict[datetime, list[ZoneBin]] = defaultdict(list)
    for row in bins:
        found[row.start].append(row)
    return {
        start: (
            sum(row.in_use_avg + row.held_avg for row in rows),
            sum(row.capacity for row in rows),
            sum(row.coverage_pct for row in rows) / len(rows),
        )
        for start, rows in found.items()
    }


def _local(at: datetime, tz: ZoneInfo) -> str:
    return f"{at.astimezone(tz):%Y-%m-%d %H:%M}"


def _layout(said: Words) -> dict[str, Any]:
    return {
        "separators": ",." if said.language == "nl" else ".,",
        "font": {"family": "Inter Variable, Segoe UI, Arial, sans-serif", "size": 13, "color": "#0c1a2b"},
        "margin": {"l": 44, "r": 12, "t": 8, "b": 32},
        "height": 300,
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "legend": {"orientation": "h", "y": 1.14, "x": 0},
        "xaxis": {"tickformat": "%H:%M", "gridcolor": "#edf0f5", "fixedrange": True},
        "yaxis": {
            "rangemode": "tozero",
            "gridcolor": "#e3e8ee",
            "fixedrange": True,
            "title": {"text": said("places held")},
        },
        "hovermode": "x unified",
    }
