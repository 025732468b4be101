"""What facility and installers change in a plan, each as plan in, plan out. Pure; the linter judges the outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from workplace import floor_plan
from workplace.device_ids import PREFIXES, device_id
from workplace.plan_file import (
    DeviceFile,
    FloorFile,
    IslandFile,
    LightFile,
    PlaceFile,
    PlanFile,
    ZoneFile,
    place_ids,
    places_of,
)
from workplace.sensor_kits import KITS

_NODE = PREFIXES["dsp1"] + "-"
_HEX = frozenset("0123456789abcdef")
_NODE_DIGITS = 16


def floor_of(plan: PlanFile, floor: str) -> FloorFile:
    return next(one for one in plan.floors if one.id == floor)


def with_floor(plan: PlanFile, changed: FloorFile) -> PlanFile:
    """Return the plan with another floor for the one with its id; what hung on places that are gone goes with them."""
    before = zone_places(floor_of(plan, changed.id).zones)
    gone = before - zone_places(changed.zones)
    return replace(
        plan,
        floors=[changed if one.id == changed.id else one for one in plan.floors],
        devices=[entry for entry in plan.devices if entry.place not in gone],
        lights=[entry for entry in plan.lights if entry.place not in gone],
    )


def zone_places(zones: Iterable[ZoneFile]) -> set[str]:
    """Return the ids of all places of some zones."""
    return {place for zone in zones for place in places_of(zone)}


def loosened(plan: PlanFile, floor: str, first: str) -> PlanFile:
    """Return the plan with the places of an island each by itself, wired as before.

    Args:
        first: the first place of the island; an unknown one changes nothing.
    """
    plan = spelled_out(plan, first)
    found = floor_of(plan, floor)
    zones = [_without_island(zone, first) for zone in found.zones]
    return replace(
        plan, floors=[replace(one, zones=zones) if one.id == floor else one for one in plan.floors]
    )


def _without_island(zone: ZoneFile, first: str) -> ZoneFile:
    island = next((one for one in zone.islands if one.first == first), None)
    if island is None:
        return zone
    singles = []
    for index, place in enumerate(place_ids(island)):
        row, column = divmod(index, island.columns)
        x, y = island.at[0] + column * island.pitch[0], island.at[1] + row * island.pitch[1]
        singles.append(PlaceFile(id=place, at=[round(x, 3), round(y, 3)], fixed=island.fixed))
    islands = [one for one in zone.islands if one.first != first]
    return replace(zone, islands=islands, places=[*zone.places, *singles])


def spelled_out(plan: PlanFile, first: str) -> PlanFile:
    """Return the plan with the sensors of an island under `devices`, one line each, so that one can be changed.

    Args:
        first: the first place of the island; an unknown one changes nothing.
    """
    devices, lights, floors = list(plan.devices), list(plan.lights), []
    lit = {entry.place for entry in plan.lights}
    for floor in plan.floors:
        zones = []
        for zone in floor.zones:
            islands = []
            for island in zone.islands:
                if island.first == first and (island.sensors or island.node):
                    here = [gateway for gateway in plan.gateways if gateway.floor == floor.id]
                    radio = next((one.id for one in here if "zigbee2mqtt" in one.mqtt), None)
                    devices += _listed(island, None if here[:1] and here[0].id == radio else radio)
                    lights += [entry for entry in _lit(island) if entry.place not in lit]
                    islands.append(replace(island, sensors=[], node=None))
                else:
                    islands.append(island)
            zones.append(replace(zone, islands=islands))
        floors.append(replace(floor, zones=zones))
    return replace(plan, floors=floors, devices=devices, lights=lights)


def _listed(island: IslandFile, radio: str | None) -> list[DeviceFile]:
    found = []
    for index, place in enumerate(place_ids(island)):
        for kit in island.sensors:
            if kit == "zigbee_pir":
                name = device_id("zigbee2mqtt", floor_plan.zigbee_pir_name(place))
                found.append(DeviceFile(place=place, sensor=kit, device=name, gateway=radio))
            else:
                node = device_id("dsp1", island.node or "")
                found.append(DeviceFile(place=place, sensor=kit, device=node, channel=str(index)))
    return found


def _lit(island: IslandFile) -> list[LightFile]:
    if island.node is None:
        return []
    node = device_id("dsp1", island.node)
    return [
        LightFile(place=place, device=node, channel=str(index))
        for index, place in enumerate(place_ids(island))
    ]


def claimed(plan: PlanFile, entries: Sequence[DeviceFile]) -> PlanFile:
    """Return the plan with the inputs at their places; what stands there already is left alone."""
    known = set(plan.devices)
    fresh = [entry for entry in dict.fromkeys(entries) if entry not in known]
    return replace(plan, devices=[*plan.devices, *fresh])


def unclaimed(plan: PlanFile, device: str) -> PlanFile:
    """Return the plan without a device: its places stay, and wait for another."""
    plan = _explicit(plan, device)
    return replace(
        plan,
        devices=[entry for entry in plan.devices if entry.device != device],
        lights=[entry for entry in plan.lights if entry.device != device],
    )


def replaced(
    plan: PlanFile, old: str, new: str, *, kit: str | None = None, gateway: str | None = None
) -> PlanFile:
    """Return the plan with a new device in the place of an old one, input by input; places and their history stay.

    Args:
        kit: what the new device is, where it is of another kind than the old one.
        gateway: the gateway that hears the new one, None for the same as before.
    """
    digits = new.removeprefix(_NODE)
    if (
        old.startswith(_NODE)
        and new.startswith(_NODE)
        and len(digits) == _NODE_DIGITS
        and set(digits) <= _HEX
    ):
        plan = _with_node(plan, old.removeprefix(_NODE), digits)
    plan = _explicit(plan, old)
    devices = [
        replace(entry, device=new, sensor=kit or entry.sensor, gateway=gateway or entry.gateway)
        if entry.device == old
        else entry
        for entry in plan.devices
    ]
    lights = [
        replace(entry, device=new, gateway=gateway or entry.gateway) if entry.device == old else entry
        for entry in plan.lights
    ]
    return replace(plan, devices=devices, lights=lights)


def _with_node(plan: PlanFile, old: str, new: str) -> PlanFile:
    floors = [
        replace(
            floor,
            zones=[
                replace(
                    zone, islands=[replace(one, node=new) if one.node == old else one for one in zone.islands]
                )
                for zone in floor.zones
            ],
        )
        for floor in plan.floors
    ]
    return replace(plan, floors=floors)


def _explicit(plan: PlanFile, device: str) -> PlanFile:
    """Return the plan with every input of a device as a line of its own."""
    for floor in plan.floors:
        for zone in floor.zones:
            for island in zone.islands:
                names = {entry.device for entry in _listed(island, None)} | {
                    entry.device for entry in _lit(island)
                }
                if device in names:
                    plan = spelled_out(plan, island.first)
    return plan


def kits_of(device: str, kinds: Sequence[str] = ()) -> list[str]:
    """Return the kits that a device of this name can be, of those that say one of `kinds` (empty: anything)."""
    families = [family for family, prefix in PREFIXES.items() if device.startswith(prefix + "-")]
    return [
        name
        for name, kit in KITS.items()
        if set(kit.families) & set(families) and (not kinds or kit.kind in kinds)
    ]


def wired_of(plan: PlanFile) -> dict[tuple[str, str | None, str], str]:
    """Return device, channel and kit -> the first place that listens to it, of everything in the plan."""
    islands = [island for floor in plan.floors for zone in floor.zones for island in zone.islands]
    entries = [*plan.devices, *(entry for island in islands for entry in _listed(island, None))]
    found: dict[tuple[str, str | None, str], str] = {}
    for entry in entries:
        found.setdefault((entry.device, entry.channel, entry.sensor), entry.place)
    return found


def inputs_of(plan: floor_plan.FloorPlan) -> Mapping[str, list[tuple[floor_plan.Place, floor_plan.Sensor]]]:
    """Return device -> its inputs with their places, devices in the order of the plan."""
    found: dict[str, list[tuple[floor_plan.Place, floor_plan.Sensor]]] = {}
    for place in plan.place.values():
        for sensor in place.sensors:
            found.setdefault(sensor.device, []).append((place, sensor))
    return found
