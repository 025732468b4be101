"""The night after a day of a whole site: its timelines, and what the day taught of each place. Pure.

A running site, an evaluation and a test all live their nights here, so that they learn the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from workplace.floor_plan import FloorPlan
from workplace.occupancy import grading
from workplace.occupancy.core import Core
from workplace.occupancy.day import Day, day_of
from workplace.occupancy.edges import Debounce
from workplace.occupancy.generator import Habits
from workplace.occupancy.grading import Lessons
from workplace.occupancy.ground import Ground
from workplace.occupancy.interface import Evidence
from workplace.occupancy.smoothing import Known, smoothed


class Taught(msgspec.Struct, frozen=True):
    """What the days until `until` taught, by place; `ends`: how the last of them ended."""

    until: datetime | None = None
    lessons: dict[str, Lessons] = {}
    ends: dict[str, Core] = {}

    def habits(self, plan: FloorPlan) -> dict[str, Habits]:
        """Return place -> habits, as `HiddenMarkov` takes them."""
        zones = ([place.id for place in zone.places] for zone in plan.zone.values())
        return grading.all_habits(self.lessons, zones)


@dataclass(frozen=True, slots=True)
class Night:
    """What the night after a day makes of it: timelines by place, and all that was taught until then."""

    taught: Taught
    known: dict[str, list[Known]]


def night_after(
    taught: Taught,
    plan: FloorPlan,
    told: Mapping[str, Iterable[Evidence]],
    day: tuple[datetime, datetime],
    debounce: Debounce,
) -> Night:
    """Return the night after a day.

    Args:
        told: place -> what was heard of it in that day, in any order; other places are left as they were.
        day: its begin and its end.
    """
    begin, end = day
    ends = taught.ends if taught.until == begin else {}
    habits, days = taught.habits(plan), dict[str, Day]()
    lessons = dict(taught.lessons)
    for name, evidence in told.items():
        place = plan.place[name]
        ground = Ground.of(place, habits.get(name, Habits()), plan.tz)
        days[name] = one = day_of(ground, evidence, begin, end, debounce, ends.get(name))
        known, _ = smoothed(ground, one)
        lessons[name] = grading.with_day(lessons.get(name, Lessons()), place, ground, one, known)
    now = Taught(end, lessons)
    habits = now.habits(plan)
    timelines: dict[str, list[Known]] = {}
    closing: dict[str, Core] = {}
    for name, one in days.items():
        ground = Ground.of(plan.place[name], habits[name], plan.tz)
        timelines[name], closing[name] = smoothed(ground, one)
    return Night(Taught(end, lessons, closing), timelines)
