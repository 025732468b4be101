"""A walk -> the facts of its hand-over sheet: one row per place, the counts, and what deserves a second look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from workplace.floor_plan import Place, Sensor
from workplace.walk_record import PlaceResult, Tick, Walk
from workplace.walk_test import Route, tick_of

#: Below this a radio works on a good day only: LoRa and Zigbee receivers end near -100 dBm, and doors close
#: (IEEE 802.15.4 asks -85 dBm of a receiver at least).
WEAK_RADIO_DBM = -85
#: A cell this empty will not last until the next yearly visit.
LOW_BATTERY_PCT = 20.0
#: Slower than this a person thinks that it does not work.
SLOW_S = 5.0


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One sensor of a place; `tick` is None when it gave no signal."""

    sensor: Sensor
    tick: Tick | None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One place. `result` is None when it was not tested (yet)."""

    place: Place
    result: PlaceResult | None
    lines: tuple[SheetLine, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole sheet.

    Attributes:
        reasons: reason -> number of skipped places.
        swapped: pairs of place ids that answered for each other.
        weak, low, slow: ids of places with a weak radio, an empty battery, a slow signal.
        latency_s: median of all measured latencies, None without any.
    """

    rows: tuple[SheetRow, ...]
    started_at: datetime | None
    ended_at: datetime | None
    passed: int
    skipped: int
    untested: int
    reasons: tuple[tuple[str, int], ...]
    swapped: tuple[tuple[str, str], ...]
    weak: tuple[str, ...]
    low: tuple[str, ...]
    slow: tuple[str, ...]
    latency_s: float | None


def sheet_of(walk: Walk, route: Route) -> Sheet:
    """Return the sheet of a walk, finished or not."""
    rows = tuple(_row(place, walk.results.get(place.id)) for place in route)
    results = [row.result for row in rows if row.result is not None]
    latencies = sorted(
        line.tick.latency_s
        for row in rows
        for line in row.lines
        if line.tick is not None and line.tick.latency_s is not None
    )
    return Sheet(
        rows=rows,
        started_at=walk.started_at,
        ended_at=max((result.done_at for result in results), default=None),
        passed=sum(result.outcome == "passed" for result in results),
        skipped=sum(result.outcome == "skipped" for result in results),
        untested=len(rows) - len(results),
        reasons=tuple(
            Counter(result.reason for result in results if result.reason is not None).most_common()
        ),
        swapped=_swapped(walk, route),
        weak=_places(rows, lambda tick: tick.rssi_dbm is not None and tick.rssi_dbm < WEAK_RADIO_DBM),
        low=_places(rows, lambda tick: tick.battery_pct is not None and tick.battery_pct < LOW_BATTERY_PCT),
        slow=_places(rows, lambda tick: tick.latency_s is not None and tick.latency_s > SLOW_S),
        latency_s=latencies[len(latencies) // 2] if latencies else None,
    )


def _row(place: Place, result: PlaceResult | None) -> SheetRow:
    ticks = () if result is None else result.ticks
    return SheetRow(
        place, result, tuple(SheetLine(sensor, tick_of(sensor, ticks)) for sensor in place.sensors)
    )


def _swapped(walk: Walk, route: Route) -> tuple[tuple[str, str], ...]:
    """Return pairs of which each answered when the other was asked."""
    answered = {
        place.id: {other.place for other in walk.results[place.id].others if other.place is not None}
        for place in route
        if place.id in walk.results
    }
    return tuple(
        (one, other)
        for one, others in answered.items()
        for other in sorted(others)
        if one < other and one in answered.get(other, ())
    )


def _places(rows: tuple[SheetRow, ...], applies: Callable[[Tick], bool]) -> tuple[str, ...]:
    return tuple(
        row.place.id
        for row in rows
        if any(line.tick is not None and applies(line.tick) for line in row.lines)
    )
