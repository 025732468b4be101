"""InfluxQL questions and their answers, for 1.x, 2.x and 3.x alike. Pure: texts in, texts and rows out.

Names of measurements and fields come from the table that the encoder uses too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.stores.influx_setup import Flavour
from ingest.stores.measurements import MEASUREMENTS
from ingest.stores.schema import from_ms, to_ms

#: InfluxDB 3 Core reads at most 432 files per question; a table has at least one for each ten minutes in which
#: it was written (influxdata/influxdb#26785).
_FILES, _FILE_S = 400, 600
_DAY_S = 86_400


def rows_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of one result, each with its tags and columns by name.

    1.x, 2.x and later 3.x put the tags of a series beside its columns; the first 3.x made columns of them.
    """
    return [
        {**(series.get("tags") or {}), **dict(zip(series["columns"], values, strict=True))}
        for series in result.get("series", ())
        for values in series.get("values", ())
    ]


def quoted(value: str) -> str:
    """Return a text as InfluxQL writes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def stretches(
    flavour: Flavour, measurement: str, from_at: datetime, to_at: datetime, step: timedelta | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return the ranges to ask for one after the other, oldest first; one for servers without a limit.

    Args:
        step: of the bins that are asked for: no bin is cut in two, as long as one fits into a question.
    """
    if flavour != "v3":
        if from_at < to_at:
            yield from_at, to_at
        return
    longest_s = _FILES * max(_FILE_S, MEASUREMENTS[measurement].spacing_s)
    if step is not None:
        whole_s = int(step.total_seconds())
        longest_s = max(longest_s // whole_s, 1) * whole_s
    longest_ms = longest_s * 1000
    begin = to_ms(from_at)
    while begin < to_ms(to_at):
        end = min((begin // longest_ms + 1) * longest_ms, to_ms(to_at))
        yield from_ms(begin), from_ms(end)
        begin = end


def inner_step(flavour: Flavour, measurement: str, step: timedelta) -> timedelta:
    """Return the step to ask the server for: `step`, or a day where one of `step` is too long for a question."""
    longest_s = _FILES * max(_FILE_S, MEASUREMENTS[measurement].spacing_s)
    is_short = flavour != "v3" or step.total_seconds() <= longest_s
    return step if is_short else timedelta(seconds=_DAY_S)


def where(site: str, zones: Sequence[str] | None, from_at: datetime, to_at: datetime) -> str:
    """Return the condition for a range, end exclusive, of some or all zones."""
    parts = [f'"site" = {quoted(site)}']
    if zones is not None:
        parts.append("(" + " OR ".join(f'"zone" = {quoted(zone)}' for zone in zones) + ")")
    parts += [f"time >= {to_ms(from_at)}ms", f"time < {to_ms(to_at)}ms"]
    return " AND ".join(parts)


def last_states(condition: str) -> str:
    """The newest state has the highest `since_ms`: a repetition may carry a later time than a change after it."""
    return (
        'SELECT max("since_ms") AS "since_ms", "state", "occ", "hold_id" FROM "desk_state"'
        f' WHERE {condition} GROUP BY "zone", "desk"'
    )


def zone_series(condition: str, step: timedelta) -> str:
    return (
        'SELECT mean("occ_avg") AS "occ_avg", max("occ_max") AS "occ_max", mean("held_avg") AS "held_avg",'
        ' mean("free_avg") AS "free_avg", min("free_min") AS "free_min", max("cap") AS "cap",'
        ' sum("coverage_pct") AS "coverage_pct", count("occ_avg") AS "bins"'
        f' FROM "zone_5m" WHERE {condition} GROUP BY time({int(step.total_seconds())}s), "zone" fill(none)'
    )


def desk_hours(condition: str) -> str:
    return (
        'SELECT "occ_s", "held_s", "n", "coverage_pct" FROM "desk_hour"'
        f' WHERE {condition} GROUP BY "zone", "desk"'
    )


def hold_buckets(condition: str) -> str:
    return (
        'SELECT sum("n") AS "n", sum("sum_s") AS "sum_s", sum("coverage_pct") AS "coverage_pct",'
        f' count("n") AS "rows" FROM "hold_day" WHERE {condition} GROUP BY "outcome", "le"'
    )
