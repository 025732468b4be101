"""Days of the simulated building as a file of sensor events, the way a gateway would send them, with the truth.

Pure and seeded. No process and no broker runs: this is for evaluation, where days must pass in seconds. Radio is as
in the research (fusion, 2c): 2 % of the messages are lost, 4 % come late by a minute on average.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from simulators.building import Scene, scene_of
from simulators.conditions import NORMAL, Conditions
from simulators.faults import NO_FAULTS, Faults
from simulators.population import Population, TruthChange
from simulators.sensors import SensorInput, sense_of
from workplace.events import SensorEvent, SensorKind
from workplace.floor_plan import FloorPlan, Place, Sensor

#: A Tuesday, when offices are fullest.
FIRST_DAY = date(2026, 11, 24)
LATE_MEAN_S = 60.0
OUTAGE_MIN, OUTAGE_NOTICED = (20.0, 45.0), timedelta(seconds=90)
TRAVEL_S = (0.02, 0.6)  # guess
#: A wired PIR lets go this long after it was hit (HC-SR501 data sheet: 2.5 s + hold).
WIRED_HIT_S = 8.0
BEAT_SHARE = (0.83, 1.0)  # of the longest normal silence: Aqara sends every 50-60 min


@dataclass(frozen=True, slots=True)
class DayFeed:
    """One day: what was received, in order of receiving, and every change of truth."""

    events: tuple[SensorEvent, ...]
    truth: tuple[TruthChange, ...]


def feed(
    plan: FloorPlan, seed: int, days: int, faults: Faults = NO_FAULTS, conditions: Conditions = NORMAL
) -> Iterator[DayFeed]:
    """Yield workdays from the first Tuesday on; the first begins with every device and every level stated."""
    population, day, is_first = Population(plan, seed, conditions=conditions), FIRST_DAY, True
    for _ in range(days):
        while day.weekday() > 4:
            day += timedelta(days=1)
        scene = scene_of(population, day, faults, conditions)
        air = _Air(
            plan,
            scene,
            random.Random(f"{seed}:{day}:feed"),
            conditions,
            seed,
            dead_devices(plan, seed, faults),
        )
        yield air.day(is_first=is_first)
        day, is_first = day + timedelta(days=1), False


def dead_devices(plan: FloorPlan, seed: int, faults: Faults) -> frozenset[str]:
    """Return the battery devices that say nothing at all. A dead input of a wired node leaves its node alive."""
    return frozenset(
        sensor.device
        for place in plan.place.values()
        if faults.pir_of(place.id, seed) == "dead"
        for sensor in place.sensors
        if sensor.beat_s is not None
    )


class _Air:
    """The way of one day's words to us: lost, late, held up, or stamped by a clock that is wrong."""

    def __init__(
        self,
        plan: FloorPlan,
        scene: Scene,
        rng: random.Random,
        conditions: Conditions,
        seed: int,
        dead: Set[str],
    ) -> None:
        self._plan, self._scene, self._rng, self._conditions = plan, scene, rng, conditions
        self._seed, self._dead = seed, dead
        self._outages = {zone: list(_outages(rng, scene, conditions.outages)) for zone in plan.zone}

    def day(self, *, is_first: bool) -> DayFeed:
        plan, start, by_place = self._plan, self._scene.day.start, _inputs_by_place(self._scene)
        received: list[tuple[datetime, SensorEvent]] = []
        for device in sorted(set(plan.devices) - self._dead) if is_first else ():
            sensor = next(s for p in plan.place.values() for s in p.sensors if s.device == device)
            received.append((start, _event(plan, sensor, "availability", value=True, at=start, come=start)))
        for place in plan.place.values():
            for sensor in place.sensors:
                mine = [one for one in by_place.get(place.id, ()) if one.sensor == sense_of(sensor)]
                received += self._said(sensor, mine, place.zone, is_first=is_first)
            received += self._losses(place)
        received.sort(key=lambda entry: entry[0])
        opening = () if not is_first else tuple(
            TruthChange(start, place, self._scene.day.opening_truth(place)) for place in plan.place
        )  # fmt: skip
        return DayFeed(tuple(event for _, event in received), (*opening, *self._scene.day.truth))

    def _said(
        self, sensor: Sensor, mine: list[SensorInput], zone: str, *, is_first: bool
    ) -> Iterator[tuple[datetime, SensorEvent]]:
        rng, start = self._rng, self._scene.day.start
        words = [(entry.at, entry.value) for entry in mine]
        if sensor.kind == "motion":
            words = sorted([*_told_hits(words, sensor), *_ends(mine, sensor)])
        elif is_first and not (words and words[0][0] == start):
            words.insert(0, (start, False))
        error_s = self._conditions.clock_error_s
        off = timedelta(
            seconds=round(random.Random(f"{self._seed}:{sensor.device}:clock").uniform(-error_s, error_s), 3)
        )
        for at, value in words:
            if sensor.kind == "motion" and rng.random() < self._conditions.lost_share:
                continue
            come = self._through(zone, at + timedelta(seconds=_delay_s(rng, self._conditions.late_share)))
            yield come, _event(self._plan, sensor, sensor.kind, value=value, at=at + off, come=come)
        if self._conditions.has_beats and sensor.device not in self._dead:
            for at in _beats(rng, self._scene, sensor):
                if self._through(zone, at) == at:
                    yield at, _event(self._plan, sensor, "battery", value=90, at=at, come=at)

    def _through(self, zone: str, at: datetime) -> datetime:
        """Return when a word arrives that is sent at `at`: after an outage all that waited comes at once."""
        return next((end for start, end in self._outages[zone] if start <= at < end), at)

    def _losses(self, place: Place) -> Iterator[tuple[datetime, SensorEvent]]:
        """Yield what the gateway says of devices that it does not hear."""
        for start, end in self._outages[place.zone]:
            for sensor in place.sensors:
                for at, value in ((start + OUTAGE_NOTICED, False), (end, True)):
                    yield at, _event(self._plan, sensor, "availability", value=value, at=at, come=at)


def _outages(rng: random.Random, scene: Scene, count: int) -> Iterator[tuple[datetime, datetime]]:
    for number in range(count):
        start = scene.day.start + timedelta(hours=7 + 12 / count * (number + rng.uniform(0, 0.7)))
        yield start, start + timedelta(minutes=rng.uniform(*OUTAGE_MIN))


def _inputs_by_place(scene: Scene) -> dict[str, list[SensorInput]]:
    found: dict[str, list[SensorInput]] = {}
    for entry in scene.inputs:
        found.setdefault(entry.place, []).append(entry)
    return found


def _told_hits(words: Sequence[tuple[datetime, bool]], sensor: Sensor) -> Iterator[tuple[datetime, bool]]:
    """Yield the hits that reach us. A bridge with a timer repeats its `true` with every report, so a gateway
    passes on only the first of a run (decision 7)."""
    holds = timedelta(seconds=sensor.end_timer_s)
    before: datetime | None = None
    for at, value in words:
        if before is None or at > before + holds:
            yield at, value
        before = at


def _ends(hits: Sequence[SensorInput], sensor: Sensor) -> Iterator[tuple[datetime, bool]]:
    """Yield the end of each run of hits, as the sensor or its bridge tells it."""
    holds = timedelta(seconds=sensor.end_timer_s or WIRED_HIT_S)
    for hit, following in pairwise([*hits, None]):
        if hit is not None and (following is None or following.at > hit.at + holds):
            yield hit.at + holds, False


def _beats(rng: random.Random, scene: Scene, sensor: Sensor) -> Iterator[datetime]:
    if sensor.beat_s is None:
        return
    at = scene.day.start + timedelta(seconds=rng.uniform(0, sensor.beat_s))
    while at < scene.day.end:
        yield at
        at += timedelta(seconds=sensor.beat_s * rng.uniform(*BEAT_SHARE))


def _delay_s(rng: random.Random, late_share: float) -> float:
    late_s = rng.expovariate(1 / LATE_MEAN_S) if rng.random() < late_share else 0.0
    return round(rng.uniform(*TRAVEL_S) + late_s, 3)


def _event(
    plan: FloorPlan, sensor: Sensor, kind: SensorKind, *, value: bool | int, at: datetime, come: datetime
) -> SensorEvent:
    return SensorEvent(
        id=f"{sensor.device}-{sensor.channel}-{kind}-{int(at.timestamp() * 1000):x}-{int(value)}"[-64:],
        site=plan.site,
        gateway=sensor.gateway,
        device=sensor.device,
        kind=kind,
        value=value,
        channel=None if kind in ("availability", "battery") else sensor.channel,
        measured_at=at,
        clock="device",
        uncertainty_ms=5,
        received_at=come,
    )
