"""Words on a screen that do not flicker: what was called few stays so until there is clearly more. Pure.

One arrival and one departure must not change what a screen says twice. So each word has two bounds: it comes at the
lower one at once, because a warning that is late is useless, and goes two places above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workplace.events import ZoneState
from workplace.floor_plan import Floor, FloorPlan, Zone

#: A zone is almost full at this share of free places, a floor points elsewhere at the next one.
ALMOST_FULL_SHARE = 0.10
POINT_ELSEWHERE_SHARE = 0.125
#: A floor is worth a walk from this many free places: fewer may be gone on arrival.
WORTH_A_WALK = 3
#: How many more places must be free before a word goes again. Lower, it flickers with every person who comes and goes.
#: Higher, a screen goes on to warn of a floor that has room.
MARGIN = 2
#: Zones whose free places do not count as work places of their floor: a counter is for duty.
NOT_FOR_ALL = frozenset({"counter"})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is called few now: zones that are almost full, floors that point elsewhere, floors not worth a walk."""

    few_zones: frozenset[str] = frozenset()
    few_floors: frozenset[str] = frozenset()
    no_walk: frozenset[str] = frozenset()


NOTHING = Standing()


def is_few(free: int, limit: float, *, was: bool) -> bool:
    """Return whether so many are few: up to `limit`, and once they were, up to where `MARGIN` more are free."""
    return free <= limit or (was and free < limit + MARGIN)


def open_places(state: ZoneState) -> int:
    """Return how many places of a zone are for everybody."""
    return state.capacity - state.exempt


def counts_as_work(zone: Zone, state: ZoneState) -> bool:
    return state.calendar == "work" and zone.kind not in NOT_FOR_ALL


def followed(plan: FloorPlan, zones: Mapping[str, ZoneState], changed: str, before: Standing) -> Standing:
    """Return the standing after the zone `changed` said something new; `zones` has all that is known.

    A zone of which nothing is measured, or that is no workplace now, keeps no word for later.
    """
    zone, state = plan.zone[changed], zones[changed]
    floor = plan.floor[zone.floor]
    free, capacity = _of_floor(floor, zones)
    is_zone_few = _can_tell(state) and (
        state.scarce
        or is_few(state.free, open_places(state) * ALMOST_FULL_SHARE, was=changed in before.few_zones)
    )
    is_floor_few = capacity > 0 and is_few(
        free, capacity * POINT_ELSEWHERE_SHARE, was=floor.id in before.few_floors
    )
    # the bound itself is still worth a walk
    is_no_walk = capacity > 0 and is_few(free, WORTH_A_WALK - 1, was=floor.id in before.no_walk)
    after = Standing(
        _with(before.few_zones, changed, is_in=is_zone_few),
        _with(before.few_floors, floor.id, is_in=is_floor_few),
        _with(before.no_walk, floor.id, is_in=is_no_walk),
    )
    return before if after == before else after


def _can_tell(state: ZoneState) -> bool:
    return state.calendar == "work" and state.unknown < open_places(state)


def _of_floor(floor: Floor, zones: Mapping[str, ZoneState]) -> tuple[int, int]:
    """Return free and open places of the floor, of zones that are workplaces now and measured."""
    found = [
        state
        for zone in floor.zones
        if (state := zones.get(zone.id)) is not None and counts_as_work(zone, state) and _can_tell(state)
    ]
    return sum(state.free for state in found), sum(map(open_places, found))


def _with(names: frozenset[str], name: str, *, is_in: bool) -> frozenset[str]:
    return names | {name} if is_in else names - {name}
