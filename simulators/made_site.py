"""A site of any size, made by rule: floors alike, of places with a dock and a PIR at a desk node.

What its people do is simulated for some floors; the others are their copies under other names, a few minutes later,
so that a hundred thousand places take as long as the floors that are simulated.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import ascii_uppercase

import msgspec

from simulators.feed import FIRST_DAY, feed
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan, load

#: A floor has one wing, or more where a site has more places than fit into the floors that a plan can number.
PLACES_PER_WING = 250
_MOST_FLOORS, _MOST_WINGS = 100, 5
MOST_PLACES = PLACES_PER_WING * _MOST_FLOORS * _MOST_WINGS
_ZONES, _ISLANDS, _PLACES = 5, 5, 10
#: Floors that are simulated. Lower: their chances weigh more. Higher: it takes longer (a second of CPU per wing).
SIMULATED = 8
#: A copy happens up to this much later, s, or many floors would do the same in the same second.
_LATER_S = 300


@dataclass(frozen=True, slots=True)
class Shape:
    """How big a made site is."""

    floors: int
    wings: int = 1

    @property
    def places(self) -> int:
        return self.floors * self.wings * PLACES_PER_WING


def shape_of(places: int) -> Shape:
    """Return the shape of a site with at least so many places.

    Raises:
        ValueError: more than a plan can hold.
    """
    if not 0 < places <= MOST_PLACES:
        raise ValueError(f"a made site has 1 to {MOST_PLACES} places")
    wings = -(-places // (PLACES_PER_WING * _MOST_FLOORS))
    return Shape(-(-places // (PLACES_PER_WING * wings)), wings)


def made_plan_text(shape: Shape) -> str:
    """Return the plan of such a site."""
    return _plan_text(range(shape.floors), shape.wings)


def _plan_text(numbers: range, wings: int) -> str:
    zones = _ZONES * wings
    lines = ["site: groot", "name: {nl: Groot, en: Big}", "gateways:"]
    lines += [f"  - {{id: gw-{floor}, floor: f{floor}}}" for floor in numbers]
    lines.append("floors:")
    for floor in numbers:
        node = floor * zones * _ISLANDS
        lines += [
            f"  - id: f{floor}",
            f"    number: {floor}",
            f"    name: {{nl: Laag {floor}, en: Floor {floor}}}",
        ]
        lines += [f"    size: [{zones * 12}, 24]", "    zones:"]
        for zone in range(zones):
            left = zone * 12
            lines += [f"      - id: {floor}-z{zone}", "        kind: desk"]
            lines += [f"        name: {{nl: Zone {zone}, en: Zone {zone}}}"]
            lines += [f"        rect: [{left}, 0, 12, 24]", "        islands:"]
            for island in range(_ISLANDS):
                node += 1
                first = f"{floor}-{ascii_uppercase[zone]}{island * _PLACES + 1:02d}"
                lines.append(
                    f"          - {{first: {first}, at: [{left + 1}, {island * 4.5 + 1}], columns: 5, rows: 2, "
                    f'pitch: [2.0, 1.6], sensors: [dock, pir], node: "{node:016x}"}}'
                )
    return "\n".join(lines) + "\n"


def made_events(shape: Shape, seed: int, start: datetime, end: datetime) -> Iterator[SensorEvent]:
    """Yield what such a site says on the first Tuesday from `start` until before `end`, in order of receiving."""
    own = min(shape.floors, SIMULATED)
    streams: list[Iterator[SensorEvent]] = []
    for number in range(own):
        plan = _floor(number, shape.wings)
        day = next(feed(plan, seed + number, 1))
        earliest = start - timedelta(seconds=_LATER_S)
        said = [event for event in day.events if earliest <= event.received_at < end]
        streams += [
            _copied(
                said,
                (copy - number) * _ZONES * shape.wings * _ISLANDS,
                copy,
                start,
                end,
                random.Random(f"{seed}:{copy}:later"),
            )
            for copy in range(number, shape.floors, own)
        ]
    return heapq.merge(*streams, key=lambda event: event.received_at)


def day_of(hour: int, minute: int, plan: FloorPlan) -> datetime:
    """Return a moment of the simulated Tuesday, local time of the site."""
    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, hour, minute, tzinfo=plan.tz)


def _floor(number: int, wings: int) -> FloorPlan:
    return load(_plan_text(range(number, number + 1), wings), f"floor {number}")


def _copied(
    said: list[SensorEvent], nodes_on: int, copy: int, start: datetime, end: datetime, chance: random.Random
) -> Iterator[SensorEvent]:
    """Yield what floor `copy` says: its nodes are numbered `nodes_on` further on."""
    later = timedelta(seconds=chance.uniform(0, _LATER_S)) if copy >= SIMULATED else timedelta()
    for event in said:
        if not start <= event.received_at + later < end:
            continue
        prefix, _, node = event.device.rpartition("-")
        device = f"{prefix}-{int(node, 16) + nodes_on:016x}"
        yield msgspec.structs.replace(
            event,
            id=event.id.replace(event.device, device),
            gateway=f"gw-{copy}",
            device=device,
            measured_at=event.measured_at + later,
            received_at=event.received_at + later,
        )
