"""Buildings that are not like the usual one: worse sensors, radio, people. To measure how far a model can be trusted.

What is not named is as usual. Names and sizes: research, fusion section 5 ("distribution shift").
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Final

from simulators.faults import NO_FAULTS, WORN, Faults
from workplace.floor_plan import Floor, FloorPlan, Place, Sensor, Zone


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a building differs; the defaults are the usual one.

    Attributes:
        poor_share: of the PIRs are badly placed; None for the usual mix. quality_changes: each half day anew.
        aisle_factor: on false hits and passers-by; heated_share: of the places, with 6 hits/h on mornings.
        still_per_h: how often a still body becomes active again.
        lost_share, late_share: of the messages. outages: per zone and day, 20-45 min.
        clock_error_s: sensor clocks are off by up to this much.
        has_beats: battery devices send heartbeats.
        sleepy_share: laptops that drop the link some time after their owner left, min; None for the usual share.
        kits: what hangs under a place is this instead.
    """

    poor_share: float | None = None
    quality_changes: bool = False
    aisle_factor: float = 1.0
    heated_share: float = 0.0
    still_per_h: float = 7.0
    lost_share: float = 0.02
    late_share: float = 0.04
    outages: int = 0
    clock_error_s: float = 0.0
    has_beats: bool = True
    sleepy_share: float | None = None
    sleepy_after_min: tuple[float, float] = (10.0, 30.0)
    faults: Faults = NO_FAULTS
    kits: Callable[[Place], tuple[Sensor, ...]] | None = None

    def is_poor(self, place: str, seed: int, half_day: str) -> bool | None:
        """Return whether the PIR of a place is badly placed, None for as usual."""
        if self.poor_share is None:
            return None
        return random.Random(f"{seed}:{place}:{half_day}:poor").random() < self.poor_share


def furnished(plan: FloorPlan, conditions: Conditions) -> FloorPlan:
    """Return the plan with the sensors that the conditions name; places that are left without any stay without."""
    kits = conditions.kits
    if kits is None:
        return plan

    def zone(of: Zone) -> Zone:
        return replace(of, places=tuple(replace(place, sensors=kits(place)) for place in of.places))

    def floor(of: Floor) -> Floor:
        return replace(of, zones=tuple(zone(one) for one in of.zones))

    return replace(plan, floors=tuple(floor(one) for one in plan.floors))


def _only(*kinds: str) -> Callable[[Place], tuple[Sensor, ...]]:
    """Keep places that have all of these kinds, with these kinds."""
    return lambda place: (
        place.sensors_of(*kinds) if {sensor.kind for sensor in place.sensors} >= set(kinds) else ()
    )


def _with_radar(place: Place) -> tuple[Sensor, ...]:
    kept = place.sensors_of("link", "motion")
    if len({sensor.kind for sensor in kept}) < 2:
        return ()
    radar = Sensor(kept[0].gateway, f"ld2410-{place.id.lower()}", None, "occupancy", "radar")
    return (*kept, radar)


NORMAL: Final = Conditions()
_FOUR_TIMES: Final = Faults(*(4 * share for share in astuple(WORN)))
SCENARIOS: Final[dict[str, Conditions]] = {
    "normal": NORMAL,
    "poor-sensors": Conditions(poor_share=0.4),
    "busy-aisles": Conditions(aisle_factor=3.0),
    "bad-radio": Conditions(lost_share=0.15, late_share=0.25, outages=4),
    "sleepy-laptops": Conditions(sleepy_share=0.85, sleepy_after_min=(5.0, 15.0)),
    "faults": Conditions(faults=_FOUR_TIMES),
    "still-people": Conditions(still_per_h=5.0),
    "pir-only": Conditions(kits=_only("motion")),
    "dock-pir-only": Conditions(kits=_only("link", "motion")),
    "radar-everywhere": Conditions(kits=_with_radar),
    "wrong-clocks": Conditions(clock_error_s=90.0),
    "changing-quality": Conditions(poor_share=0.3, quality_changes=True),
    "heating": Conditions(heated_share=0.2),
    "no-heartbeats": Conditions(has_beats=False),
}
