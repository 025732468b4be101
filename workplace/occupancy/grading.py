"""What the days of a place teach: how well its motion sensors see their seat, and how busy it is. Pure, no labels.

Each grade and kind of aisle foresees other events; the ones that make the days likeliest win. Days add up and fade, so
that a sensor that was moved gets its new grade within weeks: hits prove that it sees, silence may be an empty desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import log
from typing import Final

import msgspec

from workplace.floor_plan import Place
from workplace.occupancy import core as steps
from workplace.occupancy.core import Core
from workplace.occupancy.day import Day
from workplace.occupancy.generator import Habits, Motion, factors
from workplace.occupancy.ground import HIT, Ground
from workplace.occupancy.rates import ARRIVALS, BAND_HOURS, BUSY, GRADES, TRAFFIC
from workplace.occupancy.sensor_now import Event
from workplace.occupancy.smoothing import Known
from workplace.occupancy.vectors import Columns, Vector, times
from workplace.occupancy.verdicts import FREE, OCCUPIED
from workplace.sensor_grades import GradeName

#: What yesterday is worth today. Lower: one odd day decides; higher: a moved sensor keeps its old grade.
FADES: Final = 0.9
#: Arrivals are believed to be as usual until about so many were counted.
USUAL_ARRIVALS: Final = 2.0
#: Which grades and aisles are tried of a place of which nothing is known.
_PRIOR: Final = tuple(log(grade.prior) for grade in GRADES)


class Lessons(msgspec.Struct, frozen=True, array_like=True):
    """What the days of one place add up to.

    Attributes:
        grades, aisles: logarithm of how likely each row of `GRADES` and `TRAFFIC` makes them.
        arrivals, usual: by band, how often somebody came, and how often one would at a place as busy as most.
    """

    grades: tuple[float, ...] = (0.0,) * len(GRADES)
    aisles: tuple[float, ...] = (0.0,) * len(TRAFFIC)
    arrivals: tuple[float, ...] = (0.0,) * len(BAND_HOURS)
    usual: tuple[float, ...] = (0.0,) * len(BAND_HOURS)

    @property
    def fits(self) -> bool:
        """Whether it was learned with the tables that this program has."""
        lengths = (len(self.grades), len(self.aisles), len(self.arrivals), len(self.usual))
        return lengths == (len(GRADES), len(TRAFFIC), len(BAND_HOURS), len(BAND_HOURS))


def motion_of(lessons: Lessons) -> Motion:
    """Return the grade and the aisle that fit the days best."""
    grade = _best([score + prior for score, prior in zip(lessons.grades, _PRIOR, strict=True)])
    return Motion(
        grade if any(lessons.grades) else Motion().grade,
        _best(lessons.aisles) if any(lessons.aisles) else Motion().traffic,
    )


def grade_name(lessons: Lessons) -> GradeName | None:
    """Return the grade of the motion sensors of a place, A to E; None while no day told it."""
    return GRADES[motion_of(lessons).grade].name if any(lessons.grades) else None


def busy_of(zone: Sequence[Lessons]) -> tuple[int, ...]:
    """Return how busy a zone is in each band, from the lessons of its places."""
    found: list[int] = []
    for band in range(len(BAND_HOURS)):
        came, usual = sum(one.arrivals[band] for one in zone), sum(one.usual[band] for one in zone)
        factor = (came + USUAL_ARRIVALS) / (usual + USUAL_ARRIVALS)
        found.append(_best([-abs(log(factor / one)) for one in BUSY]))
    return tuple(found)


def all_habits(lessons: Mapping[str, Lessons], zones: Iterable[Iterable[str]]) -> dict[str, Habits]:
    """Return place -> habits, as `HiddenMarkov` takes them.

    Args:
        lessons: by place; what is missing taught nothing.
        zones: the places of each zone.
    """
    found: dict[str, Habits] = {}
    for zone in zones:
        known = {place: lessons[place] for place in zone if place in lessons}
        busy = busy_of(list(known.values()))
        found |= {place: Habits(motion_of(one), busy) for place, one in known.items()}
    return found


def with_day(lessons: Lessons, place: Place, ground: Ground, day: Day, known: Sequence[Known]) -> Lessons:
    """Return the lessons after another day.

    Args:
        ground: of the place with the habits that these lessons gave.
        known: the timeline of the day.
    """
    arrivals, usual = _arrivals(ground, known)
    grades, aisles = lessons.grades, lessons.aisles
    if any(event.code == HIT for event in day.events):
        fit = partial(_fit, place, ground, day)
        traffic = motion_of(lessons).traffic
        grades = _added(grades, [fit(Motion(grade, traffic)) for grade in range(len(GRADES))])
        grade = motion_of(msgspec.structs.replace(lessons, grades=grades)).grade
        aisles = _added(aisles, [fit(Motion(grade, traffic)) for traffic in range(len(TRAFFIC))])
    return Lessons(
        grades,
        aisles,
        tuple(FADES * before + today for before, today in zip(lessons.arrivals, arrivals, strict=True)),
        tuple(FADES * before + today for before, today in zip(lessons.usual, usual, strict=True)),
    )


def likelihood(ground: Ground, core: Core, events: Sequence[Event]) -> float:
    """Return the logarithm of how likely `events` are, up to a constant that all grades share."""
    total = 0.0
    for event in events:
        a = core.belief
        for from_s, to_s, powers in steps.stretches(ground, core, event.at):
            for columns in factors(powers, to_s - from_s):
                a, gained = _weighed(a, columns)
                total += gained
        matrix = steps.matrix_of(ground, core, event)
        core = steps.happen_to(ground, steps.believing(core, event.at, a), event)
        if matrix is not None:
            total += _weighed(a, matrix)[1]
    return total


def _fit(place: Place, ground: Ground, day: Day, motion: Motion) -> float:
    return likelihood(ground.with_habits(place, Habits(motion, ground.busy)), day.first, day.events)


def _added(before: Sequence[float], today: Sequence[float]) -> tuple[float, ...]:
    """Return the faded sum; only differences count, so the best of today adds nothing."""
    most = max(today)
    return tuple(FADES * one + other - most for one, other in zip(before, today, strict=True))


def _arrivals(ground: Ground, known: Sequence[Known]) -> tuple[list[float], list[float]]:
    """Return by band how often somebody came to the free place, and how often that would be usual."""
    came, usual = [0.0] * len(BAND_HOURS), [0.0] * len(BAND_HOURS)
    for one, following in pairwise(known):
        if one.verdict == FREE:
            band = ground.bands(one.at)[0]
            came[band] += following.verdict == OCCUPIED
            usual[band] += ARRIVALS[band] * (following.at - one.at) / 3_600_000
    return came, usual


def _weighed(a: Vector, columns: Columns) -> tuple[Vector, float]:
    after = times(a, columns)
    weight = sum(after)
    return tuple(value / weight for value in after), log(weight)


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda number: scores[number])
