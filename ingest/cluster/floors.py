"""The part of a site that lies in one partition: its floors with their gateways. Pure."""

from __future__ import annotations

from dataclasses import replace

from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.topics import partition


def partitions_of(plan: FloorPlan) -> tuple[int, ...]:
    """Return the partitions that have a floor; two floors may share one."""
    return tuple(sorted({partition(floor.id) for floor in plan.floors}))


def part_of(plan: FloorPlan, number: int) -> FloorPlan:
    """Return the plan with the floors of one partition alone.

    Raises:
        SettingInvalid: a place there hangs on a gateway of a floor of another partition.
    """
    floors = tuple(floor for floor in plan.floors if partition(floor.id) == number)
    names = {floor.id for floor in floors}
    gateways = tuple(gateway for gateway in plan.gateways if gateway.floor in names)
    part = replace(plan, floors=floors, gateways=gateways)
    for device, gateway in part.devices.items():
        if gateway not in part.gateway:
            raise SettingInvalid(
                f"device {device} hangs on gateway {gateway}, which stands on another floor than its place. Ingest on"
                " several machines decides each floor by itself: give the floor a gateway of its own"
            )
    return part
