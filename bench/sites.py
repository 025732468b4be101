"""What the figures are measured with: the example town hall, a made site of 2,000 places, and their facts."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache

from plekvrij import wiring
from simulators.made_site import Shape, made_plan_text
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan

#: What 2,000 places with dock and PIR say on a busy day: one event per place in half a minute.
NEED_EVENTS_PER_S = 70.0


@cache
def example_site() -> wiring.Site:
    """Return the town hall of the demo with its policy."""
    return wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY)


def big_plan_text() -> str:
    """Return the plan of a site with 2,000 places: 8 floors, 40 zones, 200 desk nodes with dock and PIR each."""
    return made_plan_text(Shape(8))


def greetings(plan: FloorPlan, at: datetime) -> tuple[list[GatewayStatus], list[SensorEvent]]:
    """Return what a building says first: every gateway is online, every device is there."""
    online = [
        GatewayStatus(site=plan.site, gateway=gateway.id, status="online", at=at) for gateway in plan.gateways
    ]
    there = [
        _event(plan, f"greeting-{number:06d}", device, None, "availability", at, value=True)
        for number, device in enumerate(sorted(plan.devices))
    ]
    return online, there


class Building:
    """Tells motion and docking at random places: four motions to one plug or unplug, evenly in time.

    `empty_floors` are left out: their places are for `first_motion`.
    """

    def __init__(self, plan: FloorPlan, seed: int = 1, *, empty_floors: Collection[str] = ()) -> None:
        self._plan = plan
        self._chance = random.Random(seed)
        kinds = sorted(plan.wired, key=str)
        empty = {key for key in kinds if plan.wired[key][0][0].floor in empty_floors}
        self._motions = [key for key in kinds if key[2] == "motion" and key not in empty]
        self._links = [key for key in kinds if key[2] == "link" and key not in empty]
        self._untouched = sorted((key for key in empty if key[2] == "motion"), key=str)
        self._chance.shuffle(self._untouched)
        self._docked: dict[tuple[str, str | None, str], bool] = {}
        self._number = 0

    def facts(self, count: int, start: datetime, per_second: float) -> list[SensorEvent]:
        """Return `count` events from `start` on, in order of time."""
        return [self._fact(start + timedelta(seconds=n / per_second)) for n in range(count)]

    def first_motion(self, at: datetime) -> SensorEvent | None:
        """Return that somebody comes where nobody was yet, which changes a state at once; None when nothing is left."""
        if not self._untouched:
            return None
        self._number += 1
        device, channel, kind = self._untouched.pop()
        return _event(self._plan, f"{self._number:032x}", device, channel, kind, at, value=True)

    def _fact(self, at: datetime) -> SensorEvent:
        self._number += 1
        name = f"{self._number:032x}"
        if self._chance.random() < 0.8:
            device, channel, kind = self._chance.choice(self._motions)
            return _event(self._plan, name, device, channel, kind, at, value=True)
        key = self._chance.choice(self._links)
        self._docked[key] = not self._docked.get(key, False)
        return _event(self._plan, name, *key, at, value=self._docked[key])


def _event(
    plan: FloorPlan, name: str, device: str, channel: str | None, kind: str, at: datetime, *, value: bool
) -> SensorEvent:
    return SensorEvent(
        id=name,
        site=plan.site,
        gateway=plan.devices[device],
        device=device,
        kind=kind,  # type: ignore[arg-type]  # a kind of the plan
        value=value,
        channel=channel,
        measured_at=at,
        clock="device",
        uncertainty_ms=5,
        received_at=at,
    )
