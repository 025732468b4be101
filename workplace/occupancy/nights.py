"""The night after a day of a whole site: its timelines, and what the day taught of each place. Pure.

A running site, an evaluation and a test all live their nights here, so that they learn the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import msgspec

from workplace.events import NightLessons, PlaceHabits
from workplace.floor_plan import FloorPlan
from workplace.occupancy import grading
from workplace.occupancy.core import Core
from workplace.occupancy.day import Day, day_of
from workplace.occupancy.edges import Debounce
from workplace.occupancy.generator import Habits
from workplace.occupancy.grading import Lessons
from workplace.occupancy.ground import Ground
from workplace.occupancy.interface import Evidence, wiring_of
from workplace.occupancy.smoothing import Known, smoothed

#: Of a timeline is kept where the state changes, or a probability by this much. Lower: rows; higher: means are coarse.
#: In a simulated day 0.05 keeps 30 of 1,480 moments of a place.
TIMELINE_STEP: Final = 0.05


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


def by_zone(
    taught: Taught,
    plan: FloorPlan,
    told: Mapping[str, Iterable[Evidence]],
    day: tuple[datetime, datetime],
    debounce: Debounce,
) -> Iterator[Night]:
    """Yield the night zone by zone, so that little of it is in memory at once; together they are `night_after`.

    Places learn from their zone alone. Each night holds the lessons and ends of its own zone.
    """
    for zone in plan.zone.values():
        names = [place.id for place in zone.places]
        mine = {name: told[name] for name in names if name in told}
        if mine:
            yield night_after(
                Taught(
                    taught.until,
                    {name: taught.lessons[name] for name in names if name in taught.lessons},
                    {name: taught.ends[name] for name in names if name in taught.ends},
                ),
                plan,
                mine,
                day,
                debounce,
            )


def message_of(taught: Taught, plan: FloorPlan, day: date, from_at: datetime) -> NightLessons:
    """Return what the engine is told after the night of `day`."""
    found = {
        name: PlaceHabits(wiring_of(plan.place[name]), one.motion.grade, one.motion.traffic, one.busy)
        for name, one in taught.habits(plan).items()
    }
    return NightLessons(site=plan.site, day=day, from_at=from_at, places=found)


def thinned(known: Sequence[Known]) -> list[Known]:
    """Return the moments of a timeline that say something new."""
    found: list[Known] = []
    for one in known:
        last = found[-1] if found else None
        if last is None or one.verdict != last.verdict or _differ(one, last):
            found.append(one)
    return found


def _differ(one: Known, last: Known) -> bool:
    return (
        abs(one.p_occupied - last.p_occupied) >= TIMELINE_STEP
        or abs(one.p_held - last.p_held) >= TIMELINE_STEP
        or abs(one.p_free - last.p_free) >= TIMELINE_STEP
    )
