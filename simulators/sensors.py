"""What the sensors make of the people of the building: hits, dock links and levels of one day. Pure and seeded.

A seated body alternates between an active and a still phase; each phase triggers a PIR at its own rate, and
the rates depend on how well the PIR is placed. After a report a PIR is deaf for a while.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from simulators.conditions import NORMAL, Conditions
from simulators.faults import NO_FAULTS, DockFault, Faults, PirFault
from simulators.level_sensors import RADAR, SEAT, Change, Span, held_by_body, held_by_motion
from simulators.population import Day, Happening
from workplace.floor_plan import FloorPlan, Place, Sensor

HOUR_S = 3600.0
#: Phases of a seated body, changes per hour: active to still and back (research: fusion, section 4).
ACTIVE_TO_STILL_PER_H, STILL_TO_ACTIVE_PER_H = 12.0, 7.0
#: False hits and passers-by in sight of one place, per hour of day: four kinds of aisle (fusion, section 4)
#: and how often each occurs (guess; UCI 864 has 0.17-0.28 per hour in an empty room).
TRAFFIC_PER_H, TRAFFIC_SHARES = (0.25, 0.8, 2.0, 4.5), (0.55, 0.3, 0.12, 0.03)
TRAFFIC_DAY, TRAFFIC_EVENING, TRAFFIC_NIGHT = 1.0, 0.7, 0.08  # factors, fusion section 4
PASS_BY_SEEN = 0.7  # guess
HEATING_PER_H, HEATING_S = 6.0, (6 * HOUR_S, 9 * HOUR_S)  # rate: fusion 5; hours: guess
LINK_DELAY_S = (0.5, 4.0)  # USB-C negotiation and NIC start, guess
FLAPS_PER_H, FLAP_S = 4.0, (2.0, 20.0)  # a bad cable, guess


@dataclass(frozen=True, slots=True)
class Placement:
    """How well a PIR sees its seat.

    `active_per_h`, `still_per_h`: triggers per hour while the body is active or still; `edge_seen`: the
    chance that it notices somebody sit down or leave.
    """

    name: str
    share: float
    active_per_h: float
    still_per_h: float
    edge_seen: float


#: Three of the five classes of the research (shares: fusion 2c; rates, edges: section 4). Of the seated time
#: 0.1/6/20 % lies more than 15 min after the last hit; the research had 0.5/4/28 % (2c).
PLACEMENTS = (
    Placement("good", 0.60, 95.0, 27.0, 0.97),
    Placement("fair", 0.28, 42.0, 5.5, 0.90),
    Placement("poor", 0.12, 18.0, 1.5, 0.75),
)


Sense = Literal["link", "motion", "seat", "desk", "radar"]
#: By which sense a kit notices people, when its kind does not say it: a level has many causes.
_SENSE_OF_LEVEL: Final[dict[str, Sense]] = {
    "lora_desk": "desk",
    "radar": "radar",
    "zigbee_radar": "radar",
    "shelly_presence": "radar",
}
_LEVEL_SENSES: Final[tuple[Sense, ...]] = ("seat", "desk", "radar")


@dataclass(frozen=True, slots=True, order=True)
class SensorInput:
    """What reaches the electronics of a place: a PIR hit (value True) or a new level of any other sense."""

    at: datetime
    place: str
    sensor: Sense
    value: bool = True


def sense_of(sensor: Sensor) -> Sense:
    """Return by which sense a sensor of the plan notices people."""
    if sensor.kind == "link" or sensor.kind == "motion":
        return sensor.kind
    return _SENSE_OF_LEVEL.get(sensor.kit, "seat")


def senses_of(place: Place) -> set[Sense]:
    """Return all senses that a place has."""
    return {sense_of(sensor) for sensor in place.sensors}


def placement_of(place: str, seed: int) -> Placement:
    """Return how the PIR of `place` is mounted; the same for every day."""
    rng = random.Random(f"{seed}:{place}:placement")
    return rng.choices(PLACEMENTS, [placement.share for placement in PLACEMENTS])[0]


def seated_hits(
    rng: random.Random,
    placement: Placement,
    movement: float,
    start_s: float,
    end_s: float,
    still_per_h: float = STILL_TO_ACTIVE_PER_H,
) -> Iterator[float]:
    """Yield when a body seated from `start_s` to `end_s` triggers the PIR, s, ignoring blind time."""
    if rng.random() < placement.edge_seen:
        yield start_s
    is_active, at_s = True, start_s
    while at_s < end_s:
        leave_per_h = ACTIVE_TO_STILL_PER_H if is_active else still_per_h
        rate_per_h = movement * (placement.active_per_h if is_active else placement.still_per_h)
        until_s = min(end_s, at_s + rng.expovariate(leave_per_h) * HOUR_S)
        yield from _poisson(rng, rate_per_h, at_s, until_s)
        is_active, at_s = not is_active, until_s
    if rng.random() < placement.edge_seen:
        yield end_s


def after_blind(times: Iterable[float], blind_s: float) -> Iterator[float]:
    """Yield those of the ordered times that a PIR reports when it is deaf for `blind_s` after each report."""
    armed_at = float("-inf")
    for at in times:
        if at >= armed_at:
            yield at
            armed_at = at + blind_s


def _poisson(rng: random.Random, rate_per_h: float, start_s: float, end_s: float) -> Iterator[float]:
    at_s = start_s + rng.expovariate(rate_per_h) * HOUR_S
    while at_s < end_s:
        yield at_s
        at_s += rng.expovariate(rate_per_h) * HOUR_S


def perceive(
    plan: FloorPlan, day: Day, seed: int, faults: Faults = NO_FAULTS, conditions: Conditions = NORMAL
) -> list[SensorInput]:
    """Return all sensor inputs of one day in order of time.

    The day begins with the level of each link that is up at midnight, so that a day stands by itself.
    """
    by_place: dict[str, list[Happening]] = {}
    for happening in day.happenings:
        by_place.setdefault(happening.place, []).append(happening)
    inputs: list[Iterable[SensorInput]] = []
    for place in plan.place.values():
        happenings = by_place.get(place.id, [])
        if place.sensors_of("motion"):
            inputs.append(_motion(_Spot(day, place.id, seed, conditions), place, happenings, faults))
        if place.sensors_of("link"):
            inputs.append(_link(day, place, happenings, seed, faults.dock_of(place.id, seed)))
        inputs += [
            _level(_Spot(day, place.id, seed, conditions), sense, happenings, faults.pir_of(place.id, seed))
            for sense in _LEVEL_SENSES
            if sense in senses_of(place)
        ]
    return list(heapq.merge(*inputs))


@dataclass(frozen=True, slots=True)
class _Spot:
    """One place on one day, and what is unusual about its building."""

    day: Day
    place: str
    seed: int
    conditions: Conditions

    @property
    def length_s(self) -> float:
        return (self.day.end - self.day.start).total_seconds()

    def rng(self, what: str) -> random.Random:
        return random.Random(f"{self.seed}:{self.day.date}:{self.place}:{what}")

    def placement(self, at_s: float) -> Placement:
        """Return how well the PIR sees at a moment of the day."""
        half_day = f"{self.day.date}:{at_s >= 12.5 * HOUR_S}" if self.conditions.quality_changes else ""
        is_poor = self.conditions.is_poor(self.place, self.seed, half_day)
        if is_poor is None:
            return placement_of(self.place, self.seed)
        return PLACEMENTS[-1] if is_poor else PLACEMENTS[0]


def _motion(spot: _Spot, place: Place, happenings: list[Happening], faults: Faults) -> list[SensorInput]:
    rng, fault = spot.rng("pir"), faults.pir_of(place.id, spot.seed)
    blind_s = place.sensors_of("motion")[0].blind_s
    times: list[float] = []
    if fault == "stuck":
        times = [i * (blind_s + 0.5) for i in range(int(spot.length_s / (blind_s + 0.5)))]
    elif fault is None:
        times = sorted([*_seen(rng, spot, happenings), *_ambient(rng, spot)])
    return [
        SensorInput(spot.day.start + timedelta(seconds=round(at_s, 3)), place.id, "motion")
        for at_s in after_blind(times, blind_s)
        if 0 <= at_s < spot.length_s
    ]


def _seen(rng: random.Random, spot: _Spot, happenings: list[Happening]) -> Iterator[float]:
    """Yield the hits that somebody at or near this place causes, s after the start of the day."""
    since_s, movement = 0.0, 1.0
    still_per_h = spot.conditions.still_per_h
    for happening in happenings:
        at_s = (happening.at - spot.day.start).total_seconds()
        if happening.kind == "sit":
            since_s, movement = at_s, happening.movement
        elif happening.kind == "leave":
            yield from seated_hits(rng, spot.placement(since_s), movement, since_s, at_s, still_per_h)
        elif happening.kind == "pass_by" and rng.random() < PASS_BY_SEEN:
            yield at_s


def _ambient(rng: random.Random, spot: _Spot) -> Iterator[float]:
    """Yield false hits (sun, heating, people in the aisle), thinned by the hour and on days off."""
    aisle = random.Random(f"{spot.seed}:{spot.place}:aisle")
    rate_per_h = aisle.choices(TRAFFIC_PER_H, TRAFFIC_SHARES)[0] * spot.conditions.aisle_factor
    is_workday = spot.day.date.weekday() < 5
    for at_s in _poisson(rng, rate_per_h, 0.0, spot.length_s):
        if rng.random() < (_traffic(at_s / HOUR_S) if is_workday else TRAFFIC_NIGHT):
            yield at_s
    if spot.conditions.heated_share and aisle.random() < spot.conditions.heated_share:
        yield from _poisson(rng, HEATING_PER_H, *HEATING_S)


def _traffic(hour: float) -> float:
    # Bands of the day from 6:30, 16:00 and 20:00 (research: fusion, section 4).
    factors = (TRAFFIC_NIGHT, TRAFFIC_DAY, TRAFFIC_EVENING, TRAFFIC_NIGHT)
    return factors[bisect_right((6.5, 16.0, 20.0), hour)]


def _level(
    spot: _Spot, sense: Sense, happenings: list[Happening], fault: PirFault | None
) -> list[SensorInput]:
    """Levels of a seat, desk or radar; the day begins with nobody there."""
    rng, day = spot.rng(sense), spot.day
    changes: Iterable[Change] = ()
    if fault == "stuck":
        changes = [(0.0, True)]
    elif fault is None and sense == "desk":
        changes = held_by_motion(sorted([*_seen(rng, spot, happenings), *_ambient(rng, spot)]))
    elif fault is None:
        habit = RADAR if sense == "radar" else SEAT
        passes = [(h.at - day.start).total_seconds() for h in happenings if h.kind == "pass_by"]
        changes = held_by_body(rng, habit, _stays(day, happenings), passes)
    return [
        SensorInput(day.start + timedelta(seconds=round(at_s, 3)), spot.place, sense, value)
        for at_s, value in changes
        if 0 <= at_s < spot.length_s
    ]


def _stays(day: Day, happenings: list[Happening]) -> Iterator[Span]:
    """Yield when somebody sat here, s after the start of the day."""
    since_s = 0.0
    for happening in happenings:
        at_s = (happening.at - day.start).total_seconds()
        if happening.kind == "sit":
            since_s = at_s
        elif happening.kind == "leave":
            yield since_s, at_s


def _link(
    day: Day, place: Place, happenings: list[Happening], seed: int, fault: DockFault | None
) -> list[SensorInput]:
    """Link levels; a change is seen a moment after the hand that caused it, never out of order."""
    if fault == "ghost":
        return [SensorInput(day.start, place.id, "link", value=True)]
    rng = random.Random(f"{seed}:{day.date}:{place.id}:link")
    found: list[SensorInput] = []
    is_up = day.opening.get(place.id, False)
    if is_up:
        found.append(SensorInput(day.start, place.id, "link", value=True))
    for happening in happenings:
        if happening.kind not in ("dock", "wake", "undock", "sleep"):
            continue
        goes_up = happening.kind in ("dock", "wake")
        if goes_up == is_up:
            continue
        at = happening.at + timedelta(seconds=round(rng.uniform(*LINK_DELAY_S) if goes_up else 0.2, 3))
        if found:
            at = max(at, found[-1].at + timedelta(milliseconds=500))
        if fault == "flapping" and not goes_up and found:
            found.extend(_flaps(rng, place.id, found[-1].at, at))
        found.append(SensorInput(at, place.id, "link", goes_up))
        is_up = goes_up
    return [entry for entry in found if day.start <= entry.at < day.end]


def _flaps(rng: random.Random, place: str, up_at: datetime, down_at: datetime) -> Iterator[SensorInput]:
    length_s = (down_at - up_at).total_seconds()
    for at_s in after_blind(_poisson(rng, FLAPS_PER_H, 0.0, length_s), FLAP_S[1] + 1.0):
        back_s = at_s + rng.uniform(*FLAP_S)
        if at_s > 0 and back_s < length_s:
            yield SensorInput(up_at + timedelta(seconds=round(at_s, 3)), place, "link", value=False)
            yield SensorInput(up_at + timedelta(seconds=round(back_s, 3)), place, "link", value=True)
