"""Can two days at desks be told to be the same person's, from what is stored? Tried with the truth at hand.

The attacker has all events of the days, knows from other days what sameness looks like, and weighs desk, zone, floor,
arrival, leaving, breaks, movement and how the laptop behaves. Pure and seeded.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Final

from plekvrij.privacy.traces import Find
from simulators.feed import feed
from simulators.population import Population, Stay
from simulators.seating import DESK_KINDS
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.hold_outcomes import wilson

#: Who sat at a desk for less than this does not give it its day, s.
_LEAST_S: Final = 2 * 3600.0
_BREAK_S: Final = 600.0
#: A counter that stands open to everybody is nobody's desk, but its fixed places are somebody's.
_DESKS: Final = (*DESK_KINDS, "counter")
#: A value must be seen on so many days of desks before it can be said to follow somebody: two meet by chance.
_FOLLOWED: Final = 3
#: Upper ends of the bins of a difference of each habit; what is above the last is the last bin.
_BINS: Final[dict[str, tuple[float, ...]]] = {
    "arrival_h": (0.1, 0.25, 0.5, 1.0, 2.0),
    "leaving_h": (0.1, 0.25, 0.5, 1.0, 2.0),
    "breaks": (0.5, 1.5, 2.5, 4.5),
    "longest_break_h": (0.1, 0.25, 0.5, 1.0),
    "moves_per_h": (1.0, 3.0, 6.0, 12.0),
    "docked_h": (0.1, 0.5, 1.0, 2.0, 4.0),
    "dockings": (0.5, 1.5, 2.5, 4.5),
}


@dataclass(frozen=True, slots=True)
class DeskDay:
    """One day of one desk as the store has it, and whose day it was: the truth, for the judge alone."""

    day: date
    place: str
    zone: str
    floor: str
    habits: Mapping[str, float]
    person: int


@dataclass(frozen=True, slots=True)
class Share:
    """Right guesses of all, with the 95 % interval of Wilson."""

    right: int
    tried: int

    @property
    def pct(self) -> float:
        return 100 * self.right / self.tried if self.tried else 0.0

    @property
    def interval_pct(self) -> tuple[float, float]:
        low, high = wilson(self.right, self.tried) or (0.0, 1.0)
        return 100 * low, 100 * high


@dataclass(frozen=True, slots=True)
class Linkage:
    """How well days were linked.

    Attributes:
        days: lived.
        chance_pct: of a guess among all desks that were used on the next day.
        floor_chance_pct: of a guess among those of the same floor; colleagues know where a team sits.
        same_desk: the guess "the same desk again".
        habits: the guess of everything together.
        fixed_days: days of fixed places, left out: there a place is a person.
        nights: laptops that stayed in a dock over night; their two days are one without any guess.
    """

    days: int
    chance_pct: float
    floor_chance_pct: float
    same_desk: Share
    habits: Share
    fixed_days: int
    nights: int


@dataclass(frozen=True, slots=True)
class LivedDay:
    """One simulated day: what is stored of it, who sat where, and the laptops that had spent the night in a dock."""

    day: date
    events: tuple[SensorEvent, ...]
    stays: tuple[Stay, ...]
    nights: int


def live_days(plan: FloorPlan, seed: int, days: int) -> Iterator[LivedDay]:
    """Yield workdays of the simulated building."""
    population = Population(plan, seed)
    for one in feed(plan, seed, days):
        day = one.events[len(one.events) // 2].measured_at.astimezone(plan.tz).date()
        lived = population.day(day)
        yield LivedDay(day, one.events, lived.stays, len(lived.opening))


def desk_days(plan: FloorPlan, lived: LivedDay) -> list[DeskDay]:
    """Return the days of the desks; the person is who used a desk for longest."""
    sat: dict[str, Counter[int]] = defaultdict(Counter)
    for stay in lived.stays:
        sat[stay.place][stay.person] += int((stay.end - stay.start).total_seconds())
    home = {
        (sensor.device, sensor.channel, sensor.kind): place.id
        for place in plan.place.values()
        for sensor in place.sensors
    }
    heard: dict[str, list[tuple[datetime, str, bool]]] = defaultdict(list)
    for event in lived.events:
        place = home.get((event.device, event.channel, event.kind))
        if place is not None and isinstance(event.value, bool):
            heard[place].append((event.measured_at, event.kind, event.value))
    found: list[DeskDay] = []
    for place, owners in sorted(sat.items()):
        (person, seconds), where = owners.most_common(1)[0], plan.place[place]
        if seconds >= _LEAST_S and plan.zone[where.zone].kind in _DESKS and (said := sorted(heard[place])):
            found.append(DeskDay(lived.day, place, where.zone, where.floor, _habits(said, plan), person))
    return found


def _habits(said: Sequence[tuple[datetime, str, bool]], plan: FloorPlan) -> dict[str, float]:
    """Return the habits that a day of signals shows; night and evening are left out, cleaners come then."""
    hours = [(_hour(at, plan), kind, value) for at, kind, value in said]
    signs = [hour for hour, kind, value in hours if 6.5 <= hour < 18.0 and (value or kind != "motion")]
    if not signs:
        signs = [12.0]
    gaps = [b - a for a, b in pairwise(signs)]
    docked_h, up_at, dockings = 0.0, None, 0
    for hour, kind, value in hours:
        if kind != "link":
            continue
        if value and up_at is None:
            up_at, dockings = hour, dockings + 1
        elif not value and up_at is not None:
            docked_h, up_at = docked_h + hour - up_at, None
    if up_at is not None:
        docked_h += 24.0 - up_at
    present_h = max(signs[-1] - signs[0], 0.25)
    return {
        "arrival_h": signs[0],
        "leaving_h": signs[-1],
        "breaks": float(sum(gap * 3600 > _BREAK_S for gap in gaps)),
        "longest_break_h": max(gaps, default=0.0),
        "moves_per_h": sum(kind == "motion" and value for _, kind, value in hours) / present_h,
        "docked_h": docked_h,
        "dockings": float(dockings),
    }


def _hour(at: datetime, plan: FloorPlan) -> float:
    local = at.astimezone(plan.tz)
    return local.hour + local.minute / 60 + local.second / 3600


def link(plan: FloorPlan, days: Sequence[LivedDay], seed: int) -> Linkage:
    """Try to find the owner of each desk's day among the next day's desks; needs three days or more.

    Each pair of days is tried with what the other pairs taught.
    """
    by_day = [desk_days(plan, lived) for lived in days]
    free = [[one for one in day if not plan.place[one.place].fixed] for day in by_day]
    pairs = list(pairwise(free))
    rng = random.Random(seed)
    same_desk, habits, tried, chance, floor_chance = 0, 0, 0, 0.0, 0.0
    for number, (before, after) in enumerate(pairs):
        weights = _learn([pair for other, pair in enumerate(pairs) if other != number])
        there = {one.person for one in after}
        for one in before:
            if one.person not in there:
                continue
            tried += 1
            chance += 1 / len(after)
            near = [other for other in after if other.floor == one.floor]
            if any(other.person == one.person for other in near):
                floor_chance += 1 / len(near)
            same_desk += any(o.place == one.place and o.person == one.person for o in after)
            best = max(after, key=lambda other, one=one: (_score(weights, one, other), rng.random()))  # type: ignore[misc]
            habits += best.person == one.person
    return Linkage(
        days=len(days),
        chance_pct=100 * chance / tried if tried else 0.0,
        floor_chance_pct=100 * floor_chance / tried if tried else 0.0,
        same_desk=Share(same_desk, tried),
        habits=Share(habits, tried),
        fixed_days=sum(len(day) for day in by_day) - sum(len(day) for day in free),
        nights=sum(lived.nights for lived in days[1:]),
    )


Weights = Mapping[tuple[str, int], float]


def _learn(pairs: Iterable[tuple[Sequence[DeskDay], Sequence[DeskDay]]]) -> Weights:
    """Return, for each feature and bin, the logarithm of how much more often same persons are in it than others."""
    same: Counter[tuple[str, int]] = Counter()
    other: Counter[tuple[str, int]] = Counter()
    totals = [0, 0]
    for before, after in pairs:
        for one in before:
            for two in after:
                is_same = one.person == two.person
                totals[is_same] += 1
                (same if is_same else other).update(_features(one, two))
    return {
        key: math.log((same[key] + 0.5) / (totals[True] + 1))
        - math.log((other[key] + 0.5) / (totals[False] + 1))
        for key in same.keys() | other.keys()
    }


def _score(weights: Weights, one: DeskDay, two: DeskDay) -> float:
    return sum(weights.get(key, 0.0) for key in _features(one, two))


def _features(one: DeskDay, two: DeskDay) -> Iterator[tuple[str, int]]:
    yield (
        "where",
        0 if one.place == two.place else 1 if one.zone == two.zone else 2 if one.floor == two.floor else 3,
    )
    for name, ends in _BINS.items():
        yield name, bisect_right(ends, abs(one.habits[name] - two.habits[name]))


def followers(rows: Iterable[tuple[date, str, Mapping[str, object]]], days: Sequence[LivedDay]) -> list[Find]:
    """Return fields that follow a person: a value that was seen at several desks, always where one person had sat.

    Args:
        rows: day, place and fields of each row; times and numbers say nothing of the kind and are passed over.
    """
    there: dict[tuple[date, str], set[int]] = defaultdict(set)
    for lived in days:
        for stay in lived.stays:
            there[lived.day, stay.place].add(stay.person)
    spots: dict[tuple[str, str], set[tuple[date, str]]] = defaultdict(set)
    for day, place, fields in rows:
        for name, value in fields.items():
            if isinstance(value, str):
                spots[name, value].add((day, place))
    found = []
    for (name, value), seen in sorted(spots.items()):
        if len(seen) >= _FOLLOWED and len({place for _, place in seen}) > 1:
            persons = set.intersection(*(there[spot] for spot in seen))
            if persons:
                found.append(
                    Find("follower", value, f"event.{name}", f"{len(seen)} days of desks, one person")
                )
    return found


def rows_of(plan: FloorPlan, days: Iterable[LivedDay]) -> Iterator[tuple[date, str, Mapping[str, object]]]:
    """Yield every event of the days as it is stored."""
    home = {sensor.device: place.id for place in plan.place.values() for sensor in place.sensors}
    names = [name for name in SensorEvent.__struct_fields__ if not name.endswith("_at")]
    channels = {(s.device, s.channel): place.id for place in plan.place.values() for s in place.sensors}
    for lived in days:
        for event in lived.events:
            place = channels.get((event.device, event.channel)) or home.get(event.device)
            if place is not None:
                yield lived.day, place, {name: getattr(event, name) for name in names}
