"""The page of the documentation that `python -m bench.accuracy --page` writes: words around the measured tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Goal:
    """What the filter must reach in a building, as a mean over its seeds."""

    right: float
    false_releases: float


#: Goals of the usual building and of the others (research goals; without docks nobody can be seen to hold a place).
USUAL, UNUSUAL, WITHOUT_DOCKS = Goal(0.915, 40), Goal(0.88, 60), Goal(0.87, 140)
#: What counts in the usual building alone.
PEOPLE_PER_25, CALIBRATION = 0.90, 0.02
_GOALS: Final[Mapping[str, Goal]] = {"normal": USUAL, "pir-only": WITHOUT_DOCKS}


def goal_of(scenario: str) -> Goal:
    return _GOALS.get(scenario, UNUSUAL)


@dataclass(frozen=True, slots=True)
class Measured:
    """The filter in one kind of building: means over `seeds`, places and hours in use added up."""

    scenario: str
    seeds: int
    days: int
    places: int
    occupied_h: float
    right: float
    false_releases: float
    people_per_25: float
    calibration: float

    @property
    def met(self) -> bool:
        goal = goal_of(self.scenario)
        is_met = self.right >= goal.right and self.false_releases <= goal.false_releases
        if self.scenario == "normal":
            is_met = is_met and self.people_per_25 <= PEOPLE_PER_25 and self.calibration <= CALIBRATION
        return is_met


def text(table: Sequence[str], measured: Sequence[Measured]) -> str:
    """Return the page: what was measured, against the goals, and all figures beside the baselines."""
    return _PAGE.format(goals="\n".join(map(_against, measured)), table="\n".join(table))


def _against(one: Measured) -> str:
    goal = goal_of(one.scenario)
    cells = (
        one.scenario,
        str(one.seeds),
        str(one.days),
        str(one.places),
        f"{one.occupied_h:.0f}",
        f"{one.right:.3f}",
        f"{goal.right:g}",
        f"{one.false_releases:.0f}",
        f"{goal.false_releases:.0f}",
        "met" if one.met else "**missed**",
    )
    return "| " + " | ".join(cells) + " |"


_PAGE: Final = """# How right the occupancy filter is

Written by `python -m bench.accuracy --page`. What the columns and the model are:
[the explanation](../explanation/occupancy-model.md).

Each seed is a simulated building of its own: the town hall of the examples with other people, other sensors and other
luck, workdays of 24 hours, the first of them untaught. Whole areas are looked at, others for each seed; `places` says
how many places that makes over the seeds. An area is a zone with its small neighbours on the floor, 20 to 42 places.
People are counted in areas of real size, every place of them, and the error is given per 25 places; a sample of every
sixth place read 1.21, for chance weighs more in ten places than in forty.

## Against the goals

Means over the seeds, the filter as it runs live. In the usual building people must also be counted to 0.90 per 25
places, and the calibration error be at most 0.02.

| building | seeds | days | places | hours in use | right | goal | false releases / 1,000 h | goal | |
|--|--|--|--|--|--|--|--|--|--|
{goals}

## All figures

Mean ± standard deviation over the seeds, and the baselines on the same days.

{table}

What is not as usual in each building stands in `simulators/conditions.py`. In `bad-radio` a quarter of the messages
is late by a minute on average and what waited in an outage comes at once: one reading in four arrives after a newer
one of the same sensor, half of those by two minutes and more, some by forty. The filter puts them in their place.
`faults` is looked at for longer: that a sensor is dead or blocked shows only when it misses who docks.
Time in which nothing could be heard is claimed by no model, and is right or wrong for none (`claimed`).

The simulator and the filter share ideas, so real buildings will be worse. The one real room that we have (UCI 864) is
a test: `tests/unit/test_real_room.py`.
"""
