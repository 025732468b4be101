"""What the present stop of a walk test looks like: the same facts for the page and for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workplace.floor_plan import Place, Sensor
from workplace.walk_record import OtherAnswer, PlaceResult, Tick, Walk, mark
from workplace.walk_test import ACTIONS, Route, here_of, place_after, tick_of, worth_saying

Phase = Literal["start", "waiting", "passed", "skipped", "finished"]


@dataclass(frozen=True, slots=True)
class Check:
    """One sensor of the place: what to do (`action`), what first, how long it is still deaf, and its tick."""

    sensor: Sensor
    action: str
    first: str | None
    deaf_s: float
    tick: Tick | None


@dataclass(frozen=True, slots=True)
class WalkView:
    """What to show now. `number` counts from 1 along the route; `next_place` is where `Next` leads."""

    phase: Phase
    place: Place | None
    checks: tuple[Check, ...]
    others: tuple[OtherAnswer, ...]
    late_s: float | None
    result: PlaceResult | None
    number: int
    total: int
    passed: int
    skipped: int
    next_place: Place | None
    can_go_back: bool


def view(walk: Walk, route: Route, now: datetime) -> WalkView:
    """Return what to show at `now`."""
    here = here_of(walk, route)
    outcomes = [walk.results[place.id].outcome for place in route if place.id in walk.results]
    result = None if here is None else walk.results.get(here.id)
    following = None if here is None else place_after(walk, route, here)
    ticks = walk.ticks if result is None else result.ticks
    return WalkView(
        phase=_phase(walk, here, result),
        place=here,
        checks=() if here is None else tuple(_check(walk, sensor, ticks, now) for sensor in here.sensors),
        others=worth_saying(walk, here, now) if here and result is None else result.others if result else (),
        late_s=walk.late_s,
        result=result,
        number=0 if here is None else route.index(here) + 1,
        total=len(route),
        passed=outcomes.count("passed"),
        skipped=outcomes.count("skipped"),
        next_place=following,
        can_go_back=route.index(here) > 0
        if here is not None
        else walk.started_at is not None and bool(route),
    )


def _phase(walk: Walk, here: Place | None, result: PlaceResult | None) -> Phase:
    if walk.started_at is None:
        return "start"
    if here is None:
        return "finished"
    return "waiting" if result is None else result.outcome


def _check(walk: Walk, sensor: Sensor, ticks: tuple[Tick, ...], now: datetime) -> Check:
    tick = tick_of(sensor, ticks)
    known = walk.sensors.get(mark(sensor.device, sensor.channel, sensor.kind))
    action, first = ACTIONS.get(sensor.kind, ("move", None))
    deaf_s = 0.0
    if tick is None and sensor.kind == "motion" and known is not None and known.on_at is not None:
        deaf_s = max(0.0, sensor.blind_s - (now - known.on_at).total_seconds())
    is_on = known is not None and known.is_on
    return Check(sensor, action, first if is_on and tick is None else None, deaf_s, tick)
