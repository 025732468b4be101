"""What the nights taught, and from when on it decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from workplace.events import NightLessons
from workplace.floor_plan import FloorPlan
from workplace.holds import records
from workplace.holds.site import Site
from workplace.occupancy.generator import Habits, Motion
from workplace.occupancy.interface import OccupancyModel, wiring_of
from workplace.occupancy.rates import BAND_HOURS, BUSY, GRADES, TRAFFIC
from workplace.policy import Policy

#: Zones take over one after another, this far apart. Lower: thousands of places are looked at anew at one moment (3 ms
#: each), and what happens meanwhile waits. Higher: the morning is there before all have.
ZONE_EVERY: Final = timedelta(seconds=10)


class Lessons(msgspec.Struct, frozen=True):
    """`in_force` decides now; `coming` will from its moment on, and does in the first `turned` zones of the plan."""

    in_force: NightLessons | None = None
    coming: NightLessons | None = None
    turned: int = 0

    @property
    def next_at(self) -> datetime | None:
        """When the next zone turns, None when all know the same."""
        return None if self.coming is None else self.coming.from_at + self.turned * ZONE_EVERY

    def with_night(self, night: NightLessons) -> Lessons:
        """Return the lessons with another night to come; one that is not newer than what is known changes nothing."""
        known = [one.day for one in (self.in_force, self.coming) if one is not None]
        if known and night.day <= max(known):
            return self
        return Lessons(self.coming if self.turned else self.in_force, night)

    def with_zone(self, zones: int) -> Lessons:
        """Return the lessons once another zone has turned, of so many."""
        is_last = self.turned + 1 >= zones
        return Lessons(self.coming) if is_last else Lessons(self.in_force, self.coming, self.turned + 1)

    def habits(self, plan: FloorPlan) -> dict[str, Habits]:
        """Return place -> habits by which it decides now."""
        turned = {place.id for zone in list(plan.zone.values())[: self.turned] for place in zone.places}
        before, after = habits_of(self.in_force, plan), habits_of(self.coming, plan)
        return {place: one for place, one in before.items() if place not in turned} | {
            place: one for place, one in after.items() if place in turned
        }


def habits_of(night: NightLessons | None, plan: FloorPlan) -> dict[str, Habits]:
    """Return place -> habits; not of places that are gone or have other sensors now, nor what no table holds."""
    found: dict[str, Habits] = {}
    for name, one in () if night is None else night.places.items():
        place = plan.place.get(name)
        is_known = (
            one.grade in range(len(GRADES))
            and one.traffic in range(len(TRAFFIC))
            and len(one.busy) == len(BAND_HOURS)
            and all(busy in range(len(BUSY)) for busy in one.busy)
        )
        if place is not None and is_known and wiring_of(place) == one.wiring:
            found[name] = Habits(Motion(one.grade, one.traffic), one.busy)
    return found


def changed(before: Mapping[str, Habits], after: Mapping[str, Habits]) -> set[str]:
    """Return the places whose habits differ."""
    nothing = Habits()
    return {place for place in {*before, *after} if before.get(place, nothing) != after.get(place, nothing)}


class LearningSite(Site):
    """A site that takes over what its nights teach, at a moment that stands in its records."""

    def __init__(self, plan: FloorPlan, policy: Policy, model: OccupancyModel[Any] | None = None) -> None:
        super().__init__(plan, policy, model)
        self.lessons = Lessons()
        self._habits: dict[str, Habits] = {}

    def _learn(self, night: NightLessons) -> None:
        """Keep what a night taught until it is in force."""
        lessons = self.lessons.with_night(night)
        if lessons is not self.lessons:
            self._keep_lessons(lessons)
            while (at := self.lessons.next_at) is not None and at <= self._time():
                self._turn_zone()

    def _turn_zone(self) -> None:
        """Let the next zone decide by what was to come; every place that it concerns is looked at anew."""
        self._keep_lessons(self.lessons.with_zone(len(self.plan.zone)))

    def _keep_lessons(self, lessons: Lessons) -> None:
        self.lessons = lessons
        self._set_lessons_wake(lessons.next_at)
        self._unwritten.add(records.LESSONS)
        for place in self._use_lessons():
            self._step(self._places[place])

    def _recall_lessons(self, stored: Mapping[str, bytes]) -> None:
        self.lessons = records.read_as(stored.get(records.LESSONS), Lessons) or Lessons()
        self._lessons_at = self.lessons.next_at
        self._use_lessons()

    def _use_lessons(self) -> list[str]:
        """Let the model know what is in force; return the places that it changes, in order of the plan."""
        before, self._habits = self._habits, self.lessons.habits(self.plan)
        places = changed(before, self._habits)
        if not places:
            return []
        model = self.model.taught(self._habits)
        is_other, self.model = model is not self.model, model
        return [place for place in self.plan.place if is_other and place in places]
