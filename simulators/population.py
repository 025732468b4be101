"""Days of the simulated building: who sits where, which laptop is docked, and the truth about every place.

Pure, seeded, one day at a time. A day depends only on the seed, its date and the laptops left in docks the
night before; nobody leaves one over a weekend, so at most four earlier days are looked at, whatever the date.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

from simulators.conditions import NORMAL, Conditions
from simulators.people import HOUR, MINUTE, DayPlan, Person, Stint, counter_staff, day_plan, staff, visitor
from simulators.seating import DESK_KINDS, Laptop, Seating
from workplace.floor_plan import FloorPlan, Place

HappeningKind = Literal["sit", "leave", "dock", "undock", "sleep", "wake", "pass_by"]
Truth = Literal["occupied", "held", "free"]

#: Staff per desk. Chosen so that a busy Tuesday peaks at 55-65 % of the desks (research: fusion, 2a and 2c).
STAFF_PER_DESK = 1.03
#: Teams differ: weight of the busiest and the quietest floor, so that one floor runs short first (guess).
BUSIEST_FLOOR, QUIETEST_FLOOR = 1.4, 0.75
VISITORS_PER_PLACE = 0.03  # per workday, guess
CLEANING_START_H = 18.0
CLEANING_STEP_S = (15.0, 35.0)  # at each place, guess
PASS_BY_SHARE = 0.25  # of the people who walk to or from a seat are seen by another PIR of the zone, guess


@dataclass(frozen=True, slots=True)
class Happening:
    """Something physical at one place.

    Attributes:
        kind: a person sits down or leaves, a laptop is docked or taken along, its link sleeps or wakes, or a
            body passes by.
        movement: for `sit`, how much this person moves, 1 is average.
    """

    at: datetime
    place: str
    kind: HappeningKind
    movement: float = 1.0


@dataclass(frozen=True, slots=True)
class TruthChange:
    """From `at` on the place is `state`: occupied (somebody sits), held (only a laptop is docked) or free."""

    at: datetime
    place: str
    state: Truth


@dataclass(frozen=True, slots=True)
class Stay:
    """Person number `person` sat at a place. Only who judges a simulation may look at it."""

    person: int
    place: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Day:
    """One local day, from midnight to midnight; times are aware UTC.

    Attributes:
        opening: place -> is the link up; the laptops that spent the night in a dock.
        closing: the same at the end, with their owners.
        happenings: in order of time.
        turned_away: how often somebody found no seat for what they wanted.
        stays: who sat where, in order of leaving.
    """

    date: date
    start: datetime
    end: datetime
    opening: dict[str, bool]
    closing: dict[str, Laptop]
    happenings: tuple[Happening, ...]
    turned_away: int
    stays: tuple[Stay, ...] = ()

    @cached_property
    def truth(self) -> tuple[TruthChange, ...]:
        """Every change of state after `start`; before the first one a place is what `opening_truth` says."""
        return tuple(_truth(self.opening, self.happenings))

    def opening_truth(self, place: str) -> Truth:
        return "held" if place in self.opening else "free"


def _truth(opening: Iterable[str], happenings: Iterable[Happening]) -> Iterator[TruthChange]:
    seated: set[str] = set()
    docked = set(opening)
    for happening in happenings:
        place = happening.place
        before = _state(place, seated, docked)
        match happening.kind:
            case "sit":
                seated.add(place)
            case "leave":
                seated.discard(place)
            case "dock":
                docked.add(place)
            case "undock":
                docked.discard(place)
        after = _state(place, seated, docked)
        if after != before:
            yield TruthChange(happening.at, place, after)


def _state(place: str, seated: set[str], docked: set[str]) -> Truth:
    return "occupied" if place in seated else "held" if place in docked else "free"


class Population:
    """The people of one site. `day(date)` is deterministic per (plan, seed, date), in any order of asking."""

    def __init__(
        self,
        plan: FloorPlan,
        seed: int,
        *,
        staff_per_desk: float = STAFF_PER_DESK,
        conditions: Conditions = NORMAL,
    ) -> None:
        self.plan, self.seed, self.conditions = plan, seed, conditions
        desks = [p for p in plan.place.values() if plan.zone[p.zone].kind in DESK_KINDS]
        self.headcount = round(len(desks) * staff_per_desk)
        counter = [p for p in plan.place.values() if plan.zone[p.zone].kind == "counter"]
        self._people = [
            *staff(seed, self.headcount, _floor_weights(desks)),
            *counter_staff(seed, self.headcount, [(p.id, p.floor, p.fixed) for p in counter]),
        ]
        if conditions.sleepy_share is not None:
            self._people = [self._with_sleep(person, conditions.sleepy_share) for person in self._people]
        self.day = lru_cache(maxsize=8)(self._day)

    def _with_sleep(self, person: Person, share: float) -> Person:
        drawn = random.Random(f"{self.seed}:{person.number}:sleep").random()
        return replace(person, laptop_sleeps=drawn < share)

    def plans(self, day: date) -> list[DayPlan]:
        """Return what everybody of the staff means to do on `day`; the absent have no stints."""
        return [day_plan(self.seed, person, day) for person in self._people]

    def _day(self, day: date) -> Day:
        """Return one day, from local midnight to midnight."""
        overnight = {} if day.weekday() in (0, 5, 6) else self.day(day - timedelta(days=1)).closing
        rng = random.Random(f"{self.seed}:{day}:building")
        seating = Seating(self.plan, rng, overnight)
        play = _Play(self.plan, rng, seating, self.conditions.sleepy_after_min)
        play.everybody([*self.plans(day), *self._visits(rng, day)])
        if day.weekday() < 5:
            play.cleaners()
        # Counted from noon: right for all hours that matter on the two days a year when the clocks change.
        noon = datetime.combine(day, time(12), self.plan.tz).astimezone(UTC)
        start, end = self._midnight(day), self._midnight(day + timedelta(days=1))
        happenings = [
            Happening(noon + timedelta(seconds=round(at_s - 12 * HOUR, 3)), place, kind, movement)
            for at_s, place, kind, movement in sorted(play.happenings, key=lambda entry: entry[0])
        ]
        return Day(
            date=day,
            start=start,
            end=end,
            opening={place: not laptop.sleeps for place, laptop in overnight.items()},
            closing=dict(seating.laptops),
            happenings=tuple(h for h in happenings if start <= h.at < end),
            turned_away=seating.turned_away,
            stays=tuple(
                Stay(
                    person,
                    place,
                    noon + timedelta(seconds=a - 12 * HOUR),
                    noon + timedelta(seconds=b - 12 * HOUR),
                )
                for person, place, a, b in play.stays
            ),
        )

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.plan.tz).astimezone(UTC)

    def _visits(self, rng: random.Random, day: date) -> Iterator[DayPlan]:
        """Guests of a workday: one stay of 20-90 min each."""
        if day.weekday() >= 5:
            return
        floors = [floor.id for floor in self.plan.floors]
        count = round(len(self.plan.place) * VISITORS_PER_PLACE * rng.uniform(0.5, 1.5))
        for number in range(count):
            start_s = rng.uniform(9.0, 16.0) * HOUR
            guest = visitor(rng, len(self._people) + number, rng.choice(floors))
            yield DayPlan(guest, (Stint("visit", start_s, start_s + rng.uniform(20, 90) * MINUTE),))


def _floor_weights(desks: list[Place]) -> list[tuple[str, float]]:
    count: dict[str, int] = {}
    for place in desks:
        count[place.floor] = count.get(place.floor, 0) + 1
    step = (BUSIEST_FLOOR - QUIETEST_FLOOR) / max(1, len(count) - 1)
    # Floors with few desks of their own (a hall with touch-down seats) come last: hardly a team sits there.
    ranked = sorted(count.items(), key=lambda entry: -entry[1])
    return [
        (floor, desks_there * (BUSIEST_FLOOR - step * rank))
        for rank, (floor, desks_there) in enumerate(ranked)
    ]


class _Play:
    """Lets everybody live their plan, in order of time, and notes what happens. Times in s of the day."""

    def __init__(
        self, plan: FloorPlan, rng: random.Random, seating: Seating, sleepy_after_min: tuple[float, float]
    ) -> None:
        self._plan, self._rng, self._seating = plan, rng, seating
        self._sleepy_after_min = sleepy_after_min
        self.happenings: list[tuple[float, str, HappeningKind, float]] = []
        self.stays: list[tuple[int, str, float, float]] = []
        self._since: dict[int, float] = {}

    def everybody(self, plans: Iterable[DayPlan]) -> None:
        steps: list[tuple[float, int, DayPlan, Stint | None, Stint | None]] = []
        for plan in plans:
            chain = [None, *plan.stints, None]
            for before, after in pairwise(chain):
                at_s = before.end_s if before is not None else after.start_s if after is not None else 0.0
                steps.append((at_s, plan.person.number, plan, before, after))
        steps.sort(key=lambda step: step[:2])
        for at_s, _, plan, before, after in steps:
            if before is not None:
                self._stop(plan, before, after, at_s)
            if after is not None:
                self._start(plan, after)

    def _stop(self, plan: DayPlan, before: Stint, after: Stint | None, at_s: float) -> None:
        """Leave the seat, with or without the laptop."""
        person = plan.person
        place = self._seating.stand_up(person)
        if place is None:
            if after is None:
                self._fetch_laptop(person, at_s)
            return
        stays = plan.laptop_stays_overnight if after is None else after.laptop_stays
        if before.activity == "work" and self._seating.has_docked(person, place):
            if stays:
                back_s = after.end_s if after is not None else None
                self._leave_behind(person, place, at_s, back_s)
            else:
                packed_s = self._rng.uniform(5, min(40.0, (before.end_s - before.start_s) / 4 + 5.0))
                self._note(at_s - min(packed_s, (before.end_s - before.start_s) / 4), place, "undock")
                self._seating.take_laptop(person)
        elif after is not None and after.activity in ("short_break", "lunch") and before.activity == "work":
            self._seating.leave_bag(person, place)
        self._note(at_s, place, "leave")
        self.stays.append((person.number, place, self._since.pop(person.number, at_s), at_s))
        self._walk_past(place, at_s)
        if after is None and not stays:
            self._fetch_laptop(person, at_s)

    def _fetch_laptop(self, person: Person, at_s: float) -> None:
        """On the way home from somewhere else: the laptop or bag left at a desk goes along."""
        place = self._seating.take_laptop(person)
        if place is not None:
            self._note(at_s, place, "undock")

    def _leave_behind(self, person: Person, place: str, at_s: float, back_s: float | None) -> None:
        """The laptop stays; some drop the link 10-30 min later (research: fusion, 2c)."""
        if not person.laptop_sleeps:
            return
        sleep_s = at_s + self._rng.uniform(*self._sleepy_after_min) * MINUTE
        if back_s is None or sleep_s < back_s:
            self._note(min(sleep_s, 24 * HOUR - 1), place, "sleep")
            self._seating.fall_asleep(person)

    def _start(self, plan: DayPlan, stint: Stint) -> None:
        person, length_s = plan.person, stint.end_s - stint.start_s
        place = self._seating.seat_for(person, stint)
        if place is None:
            return
        sit_s = stint.start_s + self._rng.uniform(0.05, 0.25) * min(length_s, 4 * MINUTE)
        self._note(sit_s, place, "sit", person.movement)
        self._since[person.number] = sit_s
        self._walk_past(place, sit_s)
        if stint.activity != "work":
            return
        plug_s = sit_s + self._rng.uniform(0.05, 0.4) * min(length_s, 3 * MINUTE)
        if self._seating.has_docked(person, place):
            if self._seating.wake_up(person):
                self._note(plug_s, place, "wake")
        elif person.docks and self._seating.dock(person, place):
            self._note(plug_s, place, "dock")

    def _walk_past(self, place: str, at_s: float) -> None:
        zone = self._plan.zone[self._plan.place[place].zone]
        if self._rng.random() < PASS_BY_SHARE:
            for other in self._rng.sample(zone.places, min(len(zone.places), self._rng.choice((1, 2)))):
                if other.id != place:
                    self._note(at_s + self._rng.uniform(-8, 8), other.id, "pass_by")

    def cleaners(self) -> None:
        """One cleaner per floor, from 18:00, place after place."""
        for floor in self._plan.floors:
            at_s = CLEANING_START_H * HOUR + self._rng.uniform(0, 10) * MINUTE
            for zone in floor.zones:
                for place in zone.places:
                    for _ in range(self._rng.choice((1, 1, 2))):
                        self._note(at_s + self._rng.uniform(0, 10), place.id, "pass_by")
                    at_s += self._rng.uniform(*CLEANING_STEP_S)

    def _note(self, at_s: float, place: str, kind: HappeningKind, movement: float = 1.0) -> None:
        self.happenings.append((at_s, place, kind, movement))
