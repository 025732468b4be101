"""The walk test of a floor: which place is next, which signal it owes, and whether another place gave it.

    walk = open_walk(plan, "f3", kept, now)           # where it was left, or the start
    walk = step(walk, route, Heard(event), now)       # one happening at a time

A signal proves a place only when it is fresh: measured after the place was named, by its own sensor, and for a plug
or a seat a change and not the repeat of what was so before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan, Place, Sensor
from workplace.walk_record import OtherAnswer, PlaceResult, SkipReason, Tick, Walk, mark, remember

#: How far a gateway's clock may lag. Lower: a gateway a little behind never passes. Higher: a signal from before
#: the question passes as an answer.
CLOCK_SLACK = timedelta(seconds=5)
#: A neighbour's motion sensor sees the installer too. Only when the own sensor stays silent for this long is the
#: neighbour's word worth saying. Lower: false alarms while walking up. Higher: one stands there for nothing.
PATIENCE = timedelta(seconds=10)
#: Other places shown and kept per stop: more only repeats that something is wrong.
MOST_OTHERS = 6

#: kind -> what to do for it, and what to do first when the sensor is on already. Levels must rise; motion is a pulse.
ACTIONS: Final[dict[str, tuple[str, str | None]]] = {
    "link": ("plug_in", "unplug_first"),
    "occupancy": ("sit_down", "stand_up_first"),
    "presence": ("come_close", "step_away_first"),
    "motion": ("move", None),
    "count": ("move", None),
}
#: Kinds that nobody sets off in passing: heard from elsewhere they are a mix-up and not a neighbour.
_DELIBERATE: Final = frozenset({"link", "occupancy"})

Route = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """Start, or start all over."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A sensor spoke. `speed` is site seconds per real second."""

    event: SensorEvent
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Next:
    """Go on; a place without a result is asked again at the end."""


@dataclass(frozen=True, slots=True)
class Back:
    """Go to the place before."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Ask this place anew."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave this place with a reason and go on."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class GoTo:
    """Go to any place of the route."""

    place: str


Happening = Begin | Heard | Next | Back | Repeat | Skip | GoTo


def route_of(plan: FloorPlan, floor: str) -> Route:
    """Return the places of a floor in the order of the plan: zone by zone, table by table."""
    return tuple(place for zone in plan.floor[floor].zones for place in zone.places)


def open_walk(plan: FloorPlan, floor: str, kept: Walk | None, now: datetime) -> Walk:
    """Return the walk where it was left; results of places whose sensors have changed since are gone.

    The present place is asked anew: what happened in the break proves nothing.
    """
    if kept is None or (kept.site, kept.floor) != (plan.site, floor):
        return Walk(site=plan.site, floor=floor)
    if kept.started_at is None:
        return kept
    places = {place.id: place for place in route_of(plan, floor)}
    alike = {name for name, marks in kept.wiring.items() if name in places and marks == _marks(places[name])}
    results = {name: result for name, result in kept.results.items() if name in alike}
    stays = kept.at in places and (kept.at in alike or kept.at not in kept.wiring)
    walk = msgspec.structs.replace(
        kept,
        results=results,
        wiring={name: marks for name, marks in kept.wiring.items() if name in alike},
        asked_at=None if kept.at is None else now,
        late_s=None,
    )
    walk = _with_what_cannot_be_tested(walk, places.values(), now)
    if stays:
        return walk
    following = place_after(walk, tuple(places.values()), None)
    return _leave(walk, None if following is None else following.id, now)


def step(walk: Walk, route: Route, happening: Happening, now: datetime) -> Walk:
    """Return the walk after one happening; one that makes no sense here changes nothing."""
    match happening:
        case Begin():
            return _begin(walk, route, now)
        case Heard(event, speed):
            return _hear(walk, route, event, now, speed)
        case GoTo(name):
            known = walk.started_at is not None and any(place.id == name for place in route)
            return _leave(walk, name, now) if known else walk
    here = here_of(walk, route)
    if here is None:
        return _leave(walk, route[-1].id, now) if _is_back_from_end(walk, route, happening) else walk
    match happening:
        case Next():
            following = place_after(walk, route, here)
            return _leave(walk, None if following is None else following.id, now)
        case Back():
            index = route.index(here)
            return _leave(walk, route[index - 1].id, now) if index else walk
        case Repeat():
            return _leave(_without(walk, here.id), here.id, now)
        case Skip(reason):
            return _skip(walk, route, here, reason, now)


def is_open(walk: Walk) -> bool:
    """Return whether signals are wanted: begun and not finished."""
    return walk.at is not None


def here_of(walk: Walk, route: Route) -> Place | None:
    return next((place for place in route if place.id == walk.at), None)


def _is_back_from_end(walk: Walk, route: Route, happening: Happening) -> bool:
    return isinstance(happening, Back) and walk.started_at is not None and bool(route)


def _marks(place: Place) -> tuple[str, ...]:
    return tuple(mark(sensor.device, sensor.channel, sensor.kind) for sensor in place.sensors)


def _begin(walk: Walk, route: Route, now: datetime) -> Walk:
    fresh = Walk(site=walk.site, floor=walk.floor, started_at=now, sensors=walk.sensors, devices=walk.devices)
    fresh = _with_what_cannot_be_tested(fresh, route, now)
    first = place_after(fresh, route, None)
    return _leave(fresh, None if first is None else first.id, now)


def _with_what_cannot_be_tested(walk: Walk, places: Iterable[Place], now: datetime) -> Walk:
    for place in places:
        if not place.sensors and place.id not in walk.results:
            nothing = PlaceResult(outcome="skipped", reason="no_sensor", done_at=now)
            walk = _with_result(walk, place, nothing)
    return walk


def place_after(walk: Walk, route: Route, here: Place | None) -> Place | None:
    """Return the next place without a result, going round once; None when every other place has one."""
    start = 0 if here is None else route.index(here) + 1
    around = (*route[start:], *route[: max(0, start - 1)])
    return next((place for place in around if place.id not in walk.results), None) or (
        here if here is not None and here.id not in walk.results else None
    )


def _leave(walk: Walk, to: str | None, now: datetime) -> Walk:
    return msgspec.structs.replace(
        walk, at=to, asked_at=None if to is None else now, ticks=(), others=(), late_s=None
    )


def _without(walk: Walk, name: str) -> Walk:
    return msgspec.structs.replace(
        walk,
        results={place: result for place, result in walk.results.items() if place != name},
        wiring={place: marks for place, marks in walk.wiring.items() if place != name},
    )


def _with_result(walk: Walk, place: Place, result: PlaceResult) -> Walk:
    return msgspec.structs.replace(
        walk, results=walk.results | {place.id: result}, wiring=walk.wiring | {place.id: _marks(place)}
    )


def _skip(walk: Walk, route: Route, here: Place, reason: SkipReason, now: datetime) -> Walk:
    result = PlaceResult(
        outcome="skipped", reason=reason, done_at=now, ticks=walk.ticks, others=worth_saying(walk, here, now)
    )
    before = walk.results.get(here.id)
    if before is not None:  # seen again: a pass stays a pass, and what was heard stays heard
        result = before if before.outcome == "passed" else msgspec.structs.replace(before, reason=reason)
    skipped = _with_result(walk, here, result)
    following = place_after(skipped, route, here)
    return _leave(skipped, None if following is None else following.id, now)


def _hear(walk: Walk, route: Route, event: SensorEvent, now: datetime, speed: float) -> Walk:
    if event.site != walk.site or event.retained or event.historical:
        return walk
    known = walk.sensors.get(mark(event.device, event.channel, event.kind))
    was_on = known is not None and known.is_on
    after = remember(walk, event)
    here = here_of(walk, route)
    if (
        here is None
        or walk.asked_at is None
        or here.id in walk.results
        or not _is_signal(event, was_on=was_on)
    ):
        return after
    sensor = next((sensor for sensor in here.sensors if _speaks(sensor, event)), None)
    if sensor is not None and event.measured_at < walk.asked_at - CLOCK_SLACK:
        late_s = (now - event.measured_at).total_seconds() / speed
        return msgspec.structs.replace(after, late_s=round(late_s, 1))
    if sensor is not None:
        return _tick(after, here, sensor, event, now, speed)
    return _note_other(after, route, here, event, now)


def _is_signal(event: SensorEvent, *, was_on: bool) -> bool:
    if event.kind not in ACTIONS:
        return False
    if event.kind == "count":
        return not isinstance(event.value, bool | str) and event.value >= 1
    must_rise = ACTIONS[event.kind][1] is not None
    return event.value is True and not (must_rise and was_on)


def _speaks(sensor: Sensor, event: SensorEvent) -> bool:
    return (sensor.device, sensor.channel, sensor.kind) == (event.device, event.channel, event.kind)


def tick_of(sensor: Sensor, ticks: tuple[Tick, ...]) -> Tick | None:
    wanted = (sensor.device, sensor.channel, sensor.kind)
    return next((tick for tick in ticks if (tick.device, tick.channel, tick.kind) == wanted), None)


def _tick(walk: Walk, here: Place, sensor: Sensor, event: SensorEvent, now: datetime, speed: float) -> Walk:
    if walk.asked_at is None or tick_of(sensor, walk.ticks) is not None:
        return walk
    latency_s = (now - event.measured_at).total_seconds() / speed
    device = walk.devices.get(event.device)
    tick = Tick(
        device=sensor.device,
        channel=sensor.channel,
        kind=sensor.kind,
        kit=sensor.kit,
        heard_at=now,
        wait_s=round(max(0.0, (now - walk.asked_at).total_seconds() / speed), 1),
        # a clock that only notes arrivals measures nothing, and a negative time is a wrong clock
        latency_s=round(latency_s, 2) if event.clock != "arrival" and latency_s >= 0 else None,
        rssi_dbm=None if device is None else device.rssi_dbm,
        battery_pct=None if device is None else device.battery_pct,
    )
    walk = msgspec.structs.replace(walk, ticks=(*walk.ticks, tick), late_s=None)
    if any(tick_of(each, walk.ticks) is None for each in here.sensors):
        return walk
    result = PlaceResult(
        outcome="passed", done_at=now, ticks=walk.ticks, others=worth_saying(walk, here, now)
    )
    return _with_result(walk, here, result)


def _note_other(walk: Walk, route: Route, here: Place, event: SensorEvent, now: datetime) -> Walk:
    """Keep that another place, or a device that the plan does not have, gave the signal we wait for."""
    if (
        event.kind not in awaited_kinds(walk, here)
        or walk.asked_at is None
        or event.measured_at < walk.asked_at - CLOCK_SLACK
    ):
        return walk
    place = next((p.id for p in route for sensor in p.sensors if _speaks(sensor, event)), None)
    answer = OtherAnswer(place=place, device=event.device, kind=event.kind, heard_at=now)
    rest = tuple(o for o in walk.others if (o.place, o.device, o.kind) != (place, event.device, event.kind))
    return msgspec.structs.replace(walk, others=(*rest, answer)[-MOST_OTHERS:])


def worth_saying(walk: Walk, here: Place, now: datetime) -> tuple[OtherAnswer, ...]:
    """Return who answered in this place's stead: newest first, motion next door only after a while of silence."""
    awaited = awaited_kinds(walk, here)
    waited_long = walk.asked_at is not None and now - walk.asked_at >= PATIENCE
    return tuple(
        other
        for other in reversed(walk.others)
        if other.kind in awaited and (other.kind in _DELIBERATE or waited_long)
    )


def awaited_kinds(walk: Walk, here: Place) -> frozenset[str]:
    """Return the kinds of signals that are still owed."""
    return frozenset(sensor.kind for sensor in here.sensors if tick_of(sensor, walk.ticks) is None)
