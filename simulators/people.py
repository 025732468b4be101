"""Who works in the simulated building, and how each of them means to spend a day. Pure and seeded.

A day plan holds intentions only (work, short break, meeting, lunch, ...); which seat they end up on is
decided in `population`, where they meet everybody else. Times are seconds after local midnight.

Numbers name their source: `fusion 2a`, `2b`, `2c` are the published, measured and simulated numbers of the
occupancy research, section 2; `guess` is ours, without a source.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Activity = Literal["work", "short_break", "meeting", "lunch", "camp", "move", "visit"]

MINUTE, HOUR = 60.0, 3600.0
#: Share of the staff present, Monday first (fusion 2c, shaped after CBRE, Menzis and AWA); weekend: guess.
ATTENDANCE = (0.50, 0.66, 0.55, 0.66, 0.22, 0.01, 0.005)
#: Local hours, 10th, 50th and 90th percentile (fusion 2b, IDLab office L1).
ARRIVAL_H = (8.3, 9.2, 10.5)
DEPARTURE_H = (15.8, 17.5, 19.5)
SESSION_MEDIAN_S, SESSION_SIGMA = 40 * MINUTE, 0.9  # fusion 2c
SHORT_BREAK_SHARE, MEETING_SHARE = (
    0.56,
    0.34,
)  # fusion 2c; the rest moves to another place (activity-based work)
SHORT_BREAK_MEDIAN_S, SHORT_BREAK_SIGMA = 6 * MINUTE, 0.6  # median fusion 2c; spread: guess
MEETING_S = (30 * MINUTE, 60 * MINUTE, 90 * MINUTE)  # fusion 2c
LUNCH_SHARE, LUNCH_S = 0.80, (25 * MINUTE, 60 * MINUTE)  # fusion 2c
LUNCH_START_H, LUNCH_SPREAD_H = 12.15, 0.35  # presence is lowest in the hour from 12 (fusion 2b)
CAMP_SHARE, CAMP_S = 0.15, (2 * HOUR, 5 * HOUR)  # fusion 2c: of those who stay a full day
FULL_DAY_S = 6 * HOUR  # guess
OVERNIGHT_SHARE = 0.03  # fusion 2c
NEVER_DOCK_SHARE = 0.12  # fusion 2c
SLEEPY_LAPTOP_SHARE = 0.40  # fusion 2c: drops the link 10-30 min after its owner left
STAYS_DOCKED = {"short_break": 0.97, "lunch": 0.85, "meeting": 0.55, "camp": 1.0, "move": 0.0}  # fusion 2c
MOVEMENT_SIGMA = 0.4  # fusion 2c: how much one person moves, log-normal factor
#: Service counter: presence of its staff and opening hours (guess, a town hall that opens nine to five).
COUNTER_ATTENDANCE, COUNTER_SPARE_ATTENDANCE = 0.92, 0.5
COUNTER_OPEN_H, COUNTER_CLOSE_H = 8.6, 17.1


@dataclass(frozen=True, slots=True)
class Person:
    """One made-up employee or visitor.

    Attributes:
        floor: where the team sits; first choice for a seat.
        docks: ever puts a laptop in a dock.
        laptop_sleeps: the laptop drops its link some time after its owner left.
        movement: factor on how often this body moves, 1 is average.
        focus: how often a place in silence is preferred, 0-1.
        own_place: fixed place at the counter, None for everybody else.
        attendance: presence by weekday, Monday first, 0-1.
    """

    number: int
    floor: str
    docks: bool
    laptop_sleeps: bool
    movement: float
    focus: float
    attendance: tuple[float, ...] = ATTENDANCE
    own_place: str | None = None


@dataclass(frozen=True, slots=True)
class Stint:
    """One activity, s after local midnight. `laptop_stays`: in the dock that is left behind for it."""

    activity: Activity
    start_s: float
    end_s: float
    laptop_stays: bool = False


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The stints of one person on one day, back to back; empty when absent."""

    person: Person
    stints: tuple[Stint, ...] = ()
    laptop_stays_overnight: bool = False


def staff(seed: int, headcount: int, floors: Sequence[tuple[str, float]]) -> Iterator[Person]:
    """Yield the staff, divided over `floors` (id, weight)."""
    names, weights = [name for name, _ in floors], [weight for _, weight in floors]
    for number in range(headcount):
        rng = random.Random(f"{seed}:{number}:person")
        yield _person(rng, number, rng.choices(names, weights)[0])


def counter_staff(seed: int, first_number: int, places: Sequence[tuple[str, str, bool]]) -> Iterator[Person]:
    """Yield one person for each counter place (place, floor, is it fixed)."""
    for offset, (place, floor, is_fixed) in enumerate(places):
        number = first_number + offset
        share = COUNTER_ATTENDANCE if is_fixed else COUNTER_SPARE_ATTENDANCE
        drawn = _person(random.Random(f"{seed}:{number}:person"), number, floor)
        yield Person(
            number=number,
            floor=floor,
            docks=True,
            laptop_sleeps=drawn.laptop_sleeps,
            movement=drawn.movement,
            focus=0.0,
            attendance=(share,) * 5 + (0.0, 0.0),
            own_place=place,
        )


def visitor(rng: random.Random, number: int, floor: str) -> Person:
    """Return a guest: sits down, docks nothing."""
    drawn = _person(rng, number, floor)
    return Person(number, floor, docks=False, laptop_sleeps=False, movement=drawn.movement, focus=0.0)


def _person(rng: random.Random, number: int, floor: str) -> Person:
    return Person(
        number=number,
        floor=floor,
        docks=rng.random() >= NEVER_DOCK_SHARE,
        laptop_sleeps=rng.random() < SLEEPY_LAPTOP_SHARE,
        movement=rng.lognormvariate(0.0, MOVEMENT_SIGMA),
        focus=rng.betavariate(2.0, 2.6),  # guess: a little less than half of the desk work wants silence
    )


def attends(seed: int, person: Person, day: date) -> bool:
    """Say whether `person` comes in; known for any day without simulating it."""
    return random.Random(f"{seed}:{person.number}:{day}:in").random() < person.attendance[day.weekday()]


def day_plan(seed: int, person: Person, day: date) -> DayPlan:
    """Return what `person` means to do on `day`."""
    if not attends(seed, person, day):
        return DayPlan(person)
    rng = random.Random(f"{seed}:{person.number}:{day}:plan")
    if person.own_place is None:
        arrive_s, leave_s = _span(rng)
    else:
        arrive_s = COUNTER_OPEN_H * HOUR + rng.uniform(-10, 10) * MINUTE
        leave_s = COUNTER_CLOSE_H * HOUR + rng.uniform(-5, 10) * MINUTE
    stints = tuple(_Planner(rng, person, leave_s).stints(arrive_s))
    overnight = person.own_place is None and person.docks and _overnight(seed, rng, person, day)
    return DayPlan(person, stints, laptop_stays_overnight=overnight and stints[-1].activity == "work")


def _overnight(seed: int, rng: random.Random, person: Person, day: date) -> bool:
    """Nobody leaves a laptop for a weekend or before a day at home, so that each week stands by itself."""
    drawn, tomorrow = rng.random(), day + timedelta(days=1)
    if day.weekday() >= 4 or not attends(seed, person, tomorrow):
        return False
    return drawn < OVERNIGHT_SHARE / person.attendance[tomorrow.weekday()]


def _span(rng: random.Random) -> tuple[float, float]:
    """Return arrival and departure, s; a stay is at least two hours."""
    arrive_s = min(max(_two_sided(rng, ARRIVAL_H), 6.75), 13.0) * HOUR
    leave_s = min(max(_two_sided(rng, DEPARTURE_H), 11.0), 21.5) * HOUR
    return arrive_s, max(leave_s, arrive_s + 2 * HOUR)


def _two_sided(rng: random.Random, percentiles: tuple[float, float, float]) -> float:
    """Draw from a normal with its own spread on each side of the median; hits all three percentiles."""
    low, median, high = percentiles
    z, z90 = rng.gauss(0.0, 1.0), 1.2816
    return median + z * ((median - low) if z < 0 else (high - median)) / z90


class _Planner:
    """Builds one person's day, stint by stint."""

    def __init__(self, rng: random.Random, person: Person, leave_s: float) -> None:
        self._rng, self._person, self._leave_s = rng, person, leave_s
        self._lunch_s: float | None = None
        self._camp_s: float | None = None

    def stints(self, arrive_s: float) -> Iterator[Stint]:
        rng, leave_s = self._rng, self._leave_s
        if rng.random() < LUNCH_SHARE:
            start_h = min(max(rng.gauss(LUNCH_START_H, LUNCH_SPREAD_H), 11.4), 13.4)
            self._lunch_s = start_h * HOUR if arrive_s < (start_h - 0.5) * HOUR < leave_s - HOUR else None
        if leave_s - arrive_s >= FULL_DAY_S and self._person.own_place is None and rng.random() < CAMP_SHARE:
            self._camp_s = rng.uniform(arrive_s + HOUR, leave_s - 4 * HOUR)
        now_s = arrive_s
        while now_s < leave_s:
            end_s = min(now_s + rng.lognormvariate(math.log(SESSION_MEDIAN_S), SESSION_SIGMA), leave_s)
            pause = self._pause_after(now_s, end_s)
            if pause.start_s > now_s:
                yield Stint("work", now_s, pause.start_s)
            if pause.end_s > pause.start_s:
                yield pause
            now_s = pause.end_s

    def _pause_after(self, now_s: float, end_s: float) -> Stint:
        """Return what follows the work that would end at `end_s`; a pause of length 0 is going home."""
        rng, leave_s = self._rng, self._leave_s
        if self._lunch_s is not None and end_s > self._lunch_s:
            start_s, self._lunch_s = max(now_s, self._lunch_s), None
            return self._pause("lunch", start_s, rng.uniform(*LUNCH_S))
        if self._camp_s is not None and end_s > self._camp_s:
            self._camp_s, self._lunch_s = None, None
            room_s = leave_s - 15 * MINUTE - end_s
            return self._pause("camp", end_s, min(rng.uniform(*CAMP_S), max(room_s, CAMP_S[0])))
        if end_s >= leave_s:
            return Stint("short_break", leave_s, leave_s)
        drawn = rng.random()
        if drawn < SHORT_BREAK_SHARE or self._person.own_place is not None:
            length_s = rng.lognormvariate(math.log(SHORT_BREAK_MEDIAN_S), SHORT_BREAK_SIGMA)
            return self._pause("short_break", end_s, min(length_s, 25 * MINUTE))
        if drawn < SHORT_BREAK_SHARE + MEETING_SHARE:
            return self._pause("meeting", _near_half_hour(rng, now_s, end_s), rng.choice(MEETING_S))
        return self._pause("move", end_s, rng.uniform(1, 4) * MINUTE)

    def _pause(self, activity: Activity, start_s: float, length_s: float) -> Stint:
        """Nobody comes back for ten minutes: then work goes on, or the meeting is the end of the day."""
        leave_s = self._leave_s
        if start_s + length_s <= leave_s - 10 * MINUTE:
            stays = self._person.docks and self._rng.random() < STAYS_DOCKED[activity]
            return Stint(activity, start_s, start_s + length_s, stays)
        if activity == "meeting" and start_s < leave_s:
            return Stint(activity, start_s, leave_s)
        return Stint(activity, leave_s, leave_s)


def _near_half_hour(rng: random.Random, now_s: float, end_s: float) -> float:
    """Meetings start near the hour or half hour: a session gives or takes up to 10 min for it (guess)."""
    half_hour_s = round(end_s / (30 * MINUTE)) * 30 * MINUTE + rng.gauss(0, 1.5) * MINUTE
    return half_hour_s if abs(half_hour_s - end_s) <= 10 * MINUTE and half_hour_s > now_s + MINUTE else end_s
