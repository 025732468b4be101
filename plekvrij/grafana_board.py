"""The Grafana board, made from the table of what is stored.

`python -m plekvrij.grafana_board deploy/grafana/dashboards/plekvrij.json` writes it; a test keeps it current.
A measurement,
field or tag that does not exist cannot be asked for here. Names for Prometheus are held against a running site by
the tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ingest.stores.measurements import MEASUREMENTS

Source = Literal["prometheus", "influxdb"]
PROMETHEUS: Final = "prometheus"
INFLUX: Final = "influxdb"
#: Grafana's grid is 24 wide.
_WIDTH, _HEIGHT = 12, 8
#: Of Grafana 10 and later; older ones read it all the same.
_SCHEMA_VERSION = 39


@dataclass(frozen=True, slots=True)
class Query:
    """One question; `legend` names each line by labels, as `{{zone}}` (Prometheus) or `$tag_zone` (InfluxQL)."""

    source: Source
    text: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of the board; `unit` is a name of Grafana's."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["timeseries", "bargauge"] = "timeseries"
    most: float | None = None


def prom(text: str, legend: str) -> Query:
    return Query(PROMETHEUS, text, legend)


def influx(
    measurement: str, function: str, field: str, by: str, legend: str = "", fill: str = "null"
) -> Query:
    """Return an InfluxQL question about one field, one line for each value of the tag `by`.

    Raises:
        KeyError: there is no such measurement, field or tag.
    """
    table = MEASUREMENTS[measurement]
    named = (table.fields[field], {tag: tag for tag in table.tags}[by])
    zones = ' AND "zone" =~ /^$zone$/' if "zone" in table.tags else ""
    text = (
        f'SELECT {function} FROM "{table.retention}"."{table.name}" WHERE "site" =~ /^$site$/{zones} AND $timeFilter '
        f'GROUP BY time($__interval), "{named[1]}" fill({fill})'
    )
    return Query(INFLUX, text.replace("FIELD", f'"{field}"'), legend or f"$tag_{by}")


def _mean(measurement: str, field: str, by: str) -> Query:
    return influx(measurement, "mean(FIELD)", field, by)


#: Rows of the board, each with its panels.
ROWS: tuple[tuple[str, Sequence[Panel]], ...] = (
    (
        "Zones",
        (
            Panel(
                "Free now",
                "Places that the walls show as free.",
                (prom('plekvrij_zone_places{shown_as="free"}', "{{zone}}"),),
                kind="bargauge",
            ),
            Panel(
                "Places by what is shown",
                "All zones together; unknown is never free.",
                (prom("sum by (shown_as) (plekvrij_zone_places)", "{{shown_as}}"),),
            ),
            Panel("In use", "Places in use, mean over the time.", (_mean("zone_5m", "occ_avg", "zone"),)),
            Panel(
                "In use, highest",
                "Most places in use at once.",
                (influx("zone_5m", "max(FIELD)", "occ_max", "zone"),),
            ),
            Panel(
                "Held but empty", "Places held with nobody there.", (_mean("zone_5m", "held_avg", "zone"),)
            ),
            Panel(
                "Free, lowest", "Fewest free places.", (influx("zone_5m", "min(FIELD)", "free_min", "zone"),)
            ),
            Panel(
                "Holds by how they ended",
                "Counted per day (UTC).",
                (influx("hold_day", "sum(FIELD)", "n", "outcome", fill="none"),),
            ),
        ),
    ),
    (
        "Coverage",
        (
            Panel(
                "Coverage now",
                "Share of places with trusted inputs; below 90 % the rules pause themselves.",
                (prom("plekvrij_zone_coverage_ratio", "{{zone}}"),),
                "percentunit",
                most=1,
            ),
            Panel(
                "Coverage",
                "Share of the time with trusted input.",
                (_mean("zone_5m", "coverage_pct", "zone"),),
                "percent",
                most=100,
            ),
        ),
    ),
    (
        "Gateways",
        (
            Panel(
                "What waits",
                "Events that the site has not on its disk yet.",
                (
                    prom("plekvrij_gateway_outbox_rows", "{{instance}}"),
                    influx("gw_health", "max(FIELD)", "outbox", "gateway"),
                ),
            ),
            Panel(
                "Age of the oldest that waits",
                "Above five minutes the way to the site is broken.",
                (
                    prom("plekvrij_gateway_outbox_oldest_seconds", "{{instance}}"),
                    influx("gw_health", "max(FIELD)", "oldest_s", "gateway"),
                ),
                "s",
            ),
            Panel(
                "Devices",
                "By state.",
                (prom("sum by (instance, state) (plekvrij_gateway_devices)", "{{instance}} {{state}}"),),
            ),
            Panel(
                "Sources",
                "1: in order.",
                (prom("min by (instance, source) (plekvrij_gateway_source_up)", "{{instance}} {{source}}"),),
            ),
            Panel(
                "Health messages that came",
                "Of those due.",
                (_mean("gw_health", "coverage_pct", "gateway"),),
                "percent",
                most=100,
            ),
            Panel(
                "Clock in order",
                "1: synchronised throughout.",
                (
                    influx("gw_health", "min(FIELD)", "synced", "gateway"),
                    prom("plekvrij_gateway_clock_synced", "{{instance}}"),
                ),
            ),
        ),
    ),
    (
        "Latency of ingest",
        (
            Panel(
                "Canaries",
                "From a gateway's clock to the disk of the site, once a minute: middle and slowest.",
                (
                    influx("canary", "percentile(FIELD, 50)", "delay_s", "gateway", "$tag_gateway, middle"),
                    influx("canary", "max(FIELD)", "delay_s", "gateway", "$tag_gateway, slowest"),
                ),
                "s",
            ),
            Panel(
                "Commits",
                "Of the last ones: middle, and slowest of a hundred.",
                (
                    prom("plekvrij_ingest_store_commit_p50_seconds", "middle"),
                    prom("plekvrij_ingest_store_commit_p99_seconds", "slowest of a hundred"),
                ),
                "s",
            ),
            Panel(
                "Since the last event",
                "Silence of all sensors together.",
                (prom("plekvrij_ingest_last_event_age_seconds", "{{instance}}"),),
                "s",
            ),
            Panel(
                "Events",
                "Stored, told again, and late, a second.",
                (
                    prom("rate(plekvrij_ingest_events_total[5m])", "stored"),
                    prom("rate(plekvrij_ingest_duplicates_total[5m])", "told again"),
                    prom("rate(plekvrij_ingest_late_total[5m])", "late"),
                ),
            ),
            Panel(
                "Events by gateway",
                "Stored in five minutes.",
                (influx("gw_health", "sum(FIELD)", "in_n", "gateway"),),
            ),
        ),
    ),
    (
        "Losses by cause",
        (
            Panel(
                "Lost, by cause",
                "In an hour: events known to be lost, and records; of some losses nobody knows how many they were.",
                (
                    prom("increase(plekvrij_ingest_lost_events_total[1h])", "{{cause}}, events"),
                    prom("increase(plekvrij_ingest_loss_records_total[1h])", "{{cause}}, records"),
                ),
            ),
            Panel(
                "Set aside, by reason",
                "Messages in quarantine, in an hour.",
                (prom("increase(plekvrij_ingest_quarantined_total[1h])", "{{reason}}"),),
            ),
            Panel(
                "Lines without an end",
                "Neither stored nor explained; for an hour above 0: lost without a word.",
                (prom("plekvrij_ingest_store_lines_missing", "{{instance}}"),),
            ),
            Panel(
                "Rejected, dropped, moved aside by gateways",
                "By counter, in an hour.",
                (
                    prom(
                        "sum by (instance, counter) (increase(plekvrij_gateway_counter_total{counter=~"
                        '".*(reject|drop|refus|fail|corrupt|moved_aside|lost).*"}[1h]))',
                        "{{instance}} {{counter}}",
                    ),
                ),
            ),
            Panel(
                "Dropped by gateways, and late",
                "Since their start, and in five minutes.",
                (
                    influx("gw_health", "max(FIELD)", "dropped", "gateway", "$tag_gateway dropped"),
                    influx("gw_health", "sum(FIELD)", "late", "gateway", "$tag_gateway late"),
                ),
            ),
            Panel(
                "On the way to the time-series server",
                "Lines that wait, and lines given up.",
                (
                    prom("plekvrij_ingest_sink_pending_rows", "wait"),
                    prom("plekvrij_ingest_sink_dropped_total", "given up"),
                ),
            ),
            Panel(
                "Messages outside the screens",
                "What waits, by channel.",
                (prom("plekvrij_channel_waiting", "{{channel}}"),),
            ),
        ),
    ),
)


def board() -> dict[str, Any]:
    """Return the board as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_row(len(panels) + 1, title, top))
        top += 1
        for number, panel in enumerate(row):
            left = number % 2 * _WIDTH
            panels.append(_panel(len(panels) + 1, panel, left, top + number // 2 * _HEIGHT))
        top += (len(row) + 1) // 2 * _HEIGHT
    return {
        "uid": "plekvrij",
        "title": "Plekvrij",
        "description": "Zones, coverage, gateways, latency and losses of one site. No place and no person is in it.",
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [*_sources(), _tag("site", "gw_health"), _tag("zone", "zone_5m")]},
        "panels": panels,
    }


def _row(number: int, title: str, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": 2 * _WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(number: int, panel: Panel, left: int, top: int) -> dict[str, Any]:
    sources = {query.source for query in panel.queries}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "gridPos": {"x": left, "y": top, "w": _WIDTH, "h": _HEIGHT},
        "datasource": _source(sources.pop())
        if len(sources) == 1
        else {"type": "datasource", "uid": "-- Mixed --"},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(letter, query) for letter, query in zip("ABCDEF", panel.queries, strict=False)],
    }


def _source(kind: str) -> dict[str, str]:
    return {"type": kind, "uid": f"${{{kind}}}"}


def _target(letter: str, query: Query) -> dict[str, Any]:
    told = {"refId": letter, "datasource": _source(query.source)}
    if query.source == PROMETHEUS:
        return told | {"expr": query.text, "legendFormat": query.legend}
    return told | {
        "query": query.text,
        "rawQuery": True,
        "resultFormat": "time_series",
        "alias": query.legend,
    }


def _sources() -> list[dict[str, Any]]:
    return [
        {"name": kind, "type": "datasource", "query": kind, "label": kind} for kind in (PROMETHEUS, INFLUX)
    ]


def _tag(tag: str, measurement: str) -> dict[str, Any]:
    table = MEASUREMENTS[measurement]
    key = table.tags[table.tags.index(tag)]
    return {
        "name": tag,
        "type": "query",
        "datasource": _source(INFLUX),
        "query": f'SHOW TAG VALUES FROM "{table.retention}"."{table.name}" WITH KEY = "{key}"',
        "refresh": 2,
        "includeAll": True,
        "multi": tag == "zone",
        "current": {"text": "All", "value": "$__all"},
    }


def text() -> str:
    """Return the board as a file."""
    return json.dumps(board(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the board into the file given as first argument."""
    Path(sys.argv[1]).write_text(text(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
