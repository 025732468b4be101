"""The settled record of a site, day by day: from where the last night left it to the end of the next day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.stores.night_history import NightHistory, NightKept
from ingest.stores.night_rows import NightOrder
from workplace.floor_plan import FloorPlan
from workplace.holds.digest import EMPTY
from workplace.holds.nights import SettledDay, SettledDays
from workplace.holds.settled import HORIZON, SettledSite
from workplace.occupancy.night_times import next_day
from workplace.policy import Policy

#: Facts between two looks whether anybody still waits for the night.
_LOOK_EVERY: Final = 500


@dataclass(frozen=True, slots=True)
class SettledNight:
    """The settled record of a day.

    Attributes:
        facts, too_late: how many facts were taken, and how many of them came too late to count.
        rows: up to which rows of the tables `event` and `said` they were taken.
        records: what the next day goes on with.
    """

    day: SettledDay
    facts: int
    too_late: int
    rows: tuple[int, int]
    records: Mapping[str, bytes]


def settle_night(
    history: NightHistory,
    plan: FloorPlan,
    policy: Policy,
    order: NightOrder,
    look: Callable[[], None] = lambda: None,
) -> SettledNight:
    """Settle the day of a night, going on where the newest night before it ended, where that is kept.

    Lessons come from the record of the nights, each from the moment on from which it decided live.
    """
    earlier = [night for night in history.nights() if night.day < order.day]
    site, rows = SettledSite(plan, policy), (0, 0)
    days = SettledDays(site, plan.tz)
    stored = history.settled_records(earlier[0].day) if earlier else {}
    if stored:
        site.restore(stored)
        rows = _still_there(earlier[0], order)
        days = SettledDays(site, plan.tz, next_day(earlier[0].day))
    for night in reversed(earlier):
        at = night.message.from_at
        if site.until is None or at > site.until:
            site.take(night.message, min(at, order.begin))
    facts, newest = 0, (order.upto_event, order.upto_said)
    for taken in history.facts(plan.site, rows, newest):
        if taken.at - HORIZON >= order.end:
            break  # what is left belongs to the next day
        if facts % _LOOK_EVERY == 0:
            look()
        facts += 1
        days.take(taken.fact, taken.at)
        rows = (taken.row, rows[1]) if taken.is_event else (rows[0], taken.row)
    days.settle_until(order.end)
    nothing = SettledDay(order.day, 0, EMPTY, site.digest)
    day = next((day for day in days.closed if day.day == order.day), nothing)
    return SettledNight(day, facts, site.too_late, rows, stored | site.take_changes())


def _still_there(last: NightKept, order: NightOrder) -> tuple[int, int]:
    """Return up to which rows the last night took; 0 where a table was empty in between and its rows count anew."""
    event = last.settled_event if last.settled_event <= order.upto_event else 0
    return event, last.settled_said if last.settled_said <= order.upto_said else 0
