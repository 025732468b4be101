"""What the nights taught, and from when on it decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workplace.events import NightLessons
from workplace.floor_plan import FloorPlan
from workplace.holds import records
from workplace.holds.site import Site
from workplace.occupancy.generator import Habits, Motion
from workplace.occupancy.interface import OccupancyModel, wiring_of
from workplace.occupancy.rates import BAND_HOURS, BUSY, GRADES, TRAFFIC
from workplace.policy import Policy


class Lessons(msgspec.Struct, frozen=True):
    """`in_force` decides now; `coming` will from its own moment on."""

    in_force: NightLessons | None = None
    coming: NightLessons | None = None

    def with_night(self, night: NightLessons) -> Lessons:
        """Return the lessons with another night to come; one that is not newer than what is known changes nothing."""
        known = [one.day for one in (self.in_force, self.coming) if one is not None]
        return self if known and night.day <= max(known) else Lessons(self.in_force, night)

    def begun(self) -> Lessons:
        """Return the lessons once what was to come is in force."""
        return self if self.coming is None else Lessons(self.coming)


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
        if lessons is self.lessons:
            return
        self.lessons = lessons
        self._unwritten.add(records.LESSONS)
        if night.from_at <= self._time():
            self._begin_lessons()
        else:
            self._set_lessons_wake(night.from_at)

    def _begin_lessons(self) -> None:
        """Decide by what was to come from now on; every place that it concerns is looked at anew."""
        self.lessons = self.lessons.begun()
        self._set_lessons_wake(None)
        self._unwritten.add(records.LESSONS)
        for place in self._use_lessons():
            self._step(self._places[place])

    def _recall_lessons(self, stored: Mapping[str, bytes]) -> None:
        self.lessons = records.read_as(stored.get(records.LESSONS), Lessons) or Lessons()
        self._lessons_at = None if self.lessons.coming is None else self.lessons.coming.from_at
        self._use_lessons()

    def _use_lessons(self) -> list[str]:
        """Let the model know what is in force; return the places that it changes, in order of the plan."""
        before, self._habits = self._habits, habits_of(self.lessons.in_force, self.plan)
        places = changed(before, self._habits)
        if not places:
            return []
        model = self.model.taught(self._habits)
        is_other, self.model = model is not self.model, model
        return [place for place in self.plan.place if is_other and place in places]
