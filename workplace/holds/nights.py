"""Recorded facts by local day: what was heard of each place, and the settled record cut at midnight. Pure.

A running site and a replay of its recording both live their nights with what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from workplace.events import Decision, NightLessons, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.digest import EMPTY, with_decisions
from workplace.holds.settled import HORIZON, Fact, SettledSite, happened_at
from workplace.holds.wiring import Wiring
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import Evidence
from workplace.occupancy.night_times import bounds, day_at, in_force_at, next_day, night_at
from workplace.occupancy.nights import Taught, message_of, night_after
from workplace.policy import Policy

#: Facts are settled in steps of this much time: each step sorts what waits. The result does not depend on it.
_SETTLE_EVERY: Final = timedelta(minutes=5)

Told = dict[str, list[Evidence]]


def told_on(
    plan: FloorPlan, wiring: Wiring, events: Iterable[SensorEvent], day: tuple[datetime, datetime]
) -> Told:
    """Return what was heard of each place with sensors, of what was measured in `day` (its begin and end).

    In the order of measuring, so that the order of arrival teaches nothing.
    """
    begin, end = day
    heard: dict[str, list[tuple[datetime, str, Evidence]]] = {
        place.id: [] for place in plan.place.values() if place.sensors
    }
    for event in events:
        if begin <= event.measured_at < end:
            for place, evidence in wiring.read(event):
                heard[place].append((event.measured_at, event.id, evidence))
    return {
        place: [evidence for _, _, evidence in sorted(mine, key=lambda one: one[:2])]
        for place, mine in heard.items()
    }


class SettledDay(msgspec.Struct, frozen=True):
    """The settled record of one local day.

    Attributes:
        decisions, digest: how many were made of what happened that day, and one number for them.
        total: one number for all decisions from the beginning of the record to the end of the day.
    """

    day: date
    decisions: int
    digest: str
    total: str


class SettledDays:
    """A settled site whose record is cut at local midnight; `closed` are the days that are over, oldest first."""

    def __init__(self, site: SettledSite, tz: ZoneInfo, day: date | None = None) -> None:
        """`day`: where the record goes on; None begins with the day of the first fact."""
        self.site = site
        self.closed: list[SettledDay] = []
        self._tz = tz
        self._day = day
        self._next: datetime | None = None
        self._decisions, self._digest = 0, EMPTY

    def take(self, fact: Fact, arrived_at: datetime) -> None:
        """Take a fact, and settle now and then what nothing can change any longer."""
        until = arrived_at - HORIZON
        at = happened_at(fact, arrived_at)
        if at > until and (self._day is None or self.site.until is None):
            day = day_at(at, self._tz)
            self._day = day if self._day is None else min(self._day, day)
        if self._next is not None and until >= self._next:
            self.settle_until(until)
        self.site.take(fact, arrived_at)
        if self._next is None:
            self._next = until + _SETTLE_EVERY

    def settle_until(self, until: datetime) -> None:
        """Decide about everything that happened up to `until`, day by day."""
        while self._day is not None and (end := bounds(self._day, self._tz)[1]) <= until:
            self._add(self.site.settle_until(end))
            self.closed.append(SettledDay(self._day, self._decisions, self._digest, self.site.digest))
            self._decisions, self._digest = 0, EMPTY
            self._day = next_day(self._day)
        self._add(self.site.settle_until(until))
        self._next = until + _SETTLE_EVERY

    def _add(self, decisions: list[Decision]) -> None:
        self._decisions += len(decisions)
        self._digest = with_decisions(self._digest, decisions)


class RecordedNights:
    """Lives the nights of a recording at their hours, in memory, as a running site does."""

    def __init__(self, plan: FloorPlan, policy: Policy) -> None:
        self._plan, self._wiring = plan, Wiring(plan)
        self._debounce = HiddenMarkov.of(policy, plan.tz).debounce
        self._events: list[SensorEvent] = []
        self._heard: set[date] = set()
        self._day: date | None = None
        self._taught = Taught()

    def take(self, event: SensorEvent) -> None:
        """Keep an event for the night after its day."""
        day = day_at(event.received_at, self._plan.tz)
        self._heard.add(day)
        self._day = day if self._day is None else self._day
        self._events.append(event)

    def due(self, now: datetime) -> Iterator[tuple[datetime, NightLessons]]:
        """Yield the nights that begin until `now`, each with its begin. A day without a word has no night."""
        tz = self._plan.tz
        while self._day is not None and (begins := night_at(self._day, tz)) <= now:
            day, self._day = self._day, next_day(self._day)
            if day in self._heard:
                yield begins, self._lived(day)

    def _lived(self, day: date) -> NightLessons:
        plan, span = self._plan, bounds(day, self._plan.tz)
        told = told_on(plan, self._wiring, self._events, span)
        self._events = [event for event in self._events if event.measured_at >= span[1]]
        self._taught = night_after(self._taught, plan, told, span, self._debounce).taught
        return message_of(self._taught, plan, day, in_force_at(day, plan.tz))
