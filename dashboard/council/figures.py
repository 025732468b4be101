"""Counts of the whole site and per zone: how holds ended, how often somebody was back, how much was measured.

What is kept about places is summed up where it is kept; nothing about a place or about one day comes this far.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workplace.errors import StoreUnavailable
from workplace.floor_plan import FloorPlan, Zone
from workplace.hold_outcomes import LEAST_DAYS, LEAST_PLACES, PROVABLE, ZoneOutcome, wilson
from workplace.ports import HistoryReader, ZoneCoverage

#: Four weeks: each day of the week four times.
PERIOD_DAYS = 28
#: The same figures are given for so long, real s: a page that is read again must not keep the store busy.
KEPT_S = 300.0
#: A hold that ended by itself: somebody left, and no rule did anything.
BY_ITSELF = "R2"


@dataclass(frozen=True, slots=True)
class Back:
    """Of `releases`, how often somebody was there within five minutes; `low` and `high` are its 95 % interval, %."""

    releases: int
    back: int
    share_pct: float
    low_pct: float
    high_pct: float


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often one rule ended a hold: in force, and only tried."""

    rule: str
    acted: int
    tried: int


@dataclass(frozen=True, slots=True)
class ZoneFigures:
    """One zone; None where the number would say too much, or where nothing was measured."""

    zone: Zone
    released: int | None
    back: int | None
    coverage_pct: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures.

    Attributes:
        measured_days: days of the last `PERIOD_DAYS` that have figures of zones.
        in_force, in_trial: None where no rule gave a place away.
    """

    measured_days: int
    by_itself: int
    rules: tuple[RuleCount, ...]
    in_force: Back | None
    in_trial: Back | None
    coverage_pct: float | None
    zones: tuple[ZoneFigures, ...]


class FigureReader:
    """Reads the figures now and then. `monotonic` is real seconds."""

    def __init__(
        self,
        plan: FloorPlan,
        history: HistoryReader | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._history, self._monotonic = plan, history, monotonic
        self._kept: tuple[float, Figures] | None = None
        self._one = asyncio.Lock()

    async def read(self, now: datetime) -> Figures | None:
        """Return the figures at `now`, None when the history cannot be read."""
        async with self._one:
            if self._kept is not None and self._monotonic() - self._kept[0] < KEPT_S:
                return self._kept[1]
            if self._history is None:
                return None
            try:
                found = await asyncio.to_thread(self._ask, self._history, now)
            except StoreUnavailable:
                return None
            self._kept = (self._monotonic(), found)
            return found

    def _ask(self, history: HistoryReader, now: datetime) -> Figures:
        since = now - timedelta(days=PERIOD_DAYS)
        return figures_of(self._plan, history.zone_outcomes(since, now), history.zone_coverage(since, now))


def figures_of(plan: FloorPlan, outcomes: Sequence[ZoneOutcome], coverage: Sequence[ZoneCoverage]) -> Figures:
    """Return the figures. A zone of few places counts nowhere: the others would tell it by subtraction."""
    shown = {zone.id for zone in plan.zone.values() if len(zone.places) >= LEAST_PLACES}
    counted = [one for one in outcomes if one.zone in shown]
    measured = {one.zone: one for one in coverage if one.zone in shown}
    days = max((one.days for one in measured.values()), default=0)
    places = sum(len(plan.zone[zone].places) for zone in measured)
    total = sum(one.coverage_pct * len(plan.zone[zone].places) for zone, one in measured.items())
    return Figures(
        measured_days=days,
        by_itself=sum(one.ended for one in counted if one.rule == BY_ITSELF),
        rules=_rules(counted),
        in_force=_back([one for one in counted if one.acted]),
        in_trial=_back([one for one in counted if not one.acted]),
        coverage_pct=total / places if places else None,
        zones=tuple(
            _zone(zone, counted, measured.get(zone.id), is_shown=zone.id in shown and days >= LEAST_DAYS)
            for zone in plan.zone.values()
        ),
    )


def _rules(counted: Sequence[ZoneOutcome]) -> tuple[RuleCount, ...]:
    names = sorted({one.rule for one in counted if one.rule != BY_ITSELF}, key=lambda rule: int(rule[1:]))
    return tuple(
        RuleCount(
            name,
            sum(one.ended for one in counted if one.rule == name and one.acted),
            sum(one.ended for one in counted if one.rule == name and not one.acted),
        )
        for name in names
    )


def _back(counted: Sequence[ZoneOutcome]) -> Back | None:
    provable = [one for one in counted if one.rule in PROVABLE]
    releases, back = sum(one.ended for one in provable), sum(one.back for one in provable)
    interval = wilson(back, releases)
    if interval is None:
        return None
    return Back(releases, back, 100 * back / releases, 100 * interval[0], 100 * interval[1])


def _zone(
    zone: Zone, counted: Sequence[ZoneOutcome], measured: ZoneCoverage | None, *, is_shown: bool
) -> ZoneFigures:
    if not is_shown:
        return ZoneFigures(zone, None, None, None)
    own = [one for one in counted if one.zone == zone.id and one.rule != BY_ITSELF]
    return ZoneFigures(
        zone,
        sum(one.ended for one in own),
        sum(one.back for one in own),
        None if measured is None else measured.coverage_pct,
    )
