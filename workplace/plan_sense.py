"""What a floor plan of the right shape may still get wrong: unknown names, doubles, places outside their zone."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import available_timezones

from workplace.device_ids import LIT_FAMILIES, PREFIXES
from workplace.documents import Document
from workplace.plan_file import (
    DeviceFile,
    FloorFile,
    IslandFile,
    LightFile,
    PlanFile,
    ZoneFile,
    place_ids,
    places_of,
)
from workplace.plan_shape import Corner, area_m2, box_of, corners_of, crossing, holds
from workplace.sensor_kits import KITS

#: One DSP/1 node has at most 16 channels (research: edge, section 3).
MAX_CHANNELS = 16
#: Less is a slip of the pointer and no room.
_LEAST_ZONE_M2 = 0.01


def check_sense(document: Document, raw: PlanFile) -> None:
    if raw.timezone not in available_timezones():
        document.wrong(
            ("timezone",), f"unknown time zone '{raw.timezone}'", "write a name such as Europe/Amsterdam"
        )
    _check_unique(document, raw)
    floors = {floor.id for floor in raw.floors}
    for index, gateway in enumerate(raw.gateways):
        if gateway.floor not in floors:
            document.wrong(
                ("gateways", index, "floor"),
                f"gateway {gateway.id} stands on unknown floor '{gateway.floor}'",
                f"write one of: {', '.join(sorted(floors))}",
            )
    for f, floor in enumerate(raw.floors):
        for z, zone in enumerate(floor.zones):
            _check_zone(document, raw, ("floors", f, "zones", z), floor, zone)
    _check_devices(document, raw)
    _check_lights(document, raw)


def _check_unique(document: Document, raw: PlanFile) -> None:
    seen: dict[tuple[str, str], bool] = {}

    def once(what: str, name: str, path: tuple[str | int, ...]) -> None:
        if (what, name) in seen:
            document.wrong(path, f"{what} '{name}' exists twice", f"give this {what} another id")
        seen[what, name] = True

    for index, gateway in enumerate(raw.gateways):
        once("gateway", gateway.id, ("gateways", index, "id"))
    for f, floor in enumerate(raw.floors):
        once("floor", floor.id, ("floors", f, "id"))
        once("floor number", str(floor.number), ("floors", f, "number"))
        for z, zone in enumerate(floor.zones):
            once("zone", zone.id, ("floors", f, "zones", z, "id"))
            for i, island in enumerate(zone.islands):
                path = ("floors", f, "zones", z, "islands", i)
                if island.node is not None:
                    once("node", island.node, (*path, "node"))
                for place in place_ids(island):
                    once("place", place, (*path, "first"))
            for i, single in enumerate(zone.places):
                path = ("floors", f, "zones", z, "places", i)
                once("place", single.id, (*path, "id"))
                spot = f"{round(single.at[0], 1)}, {round(single.at[1], 1)}"
                once(f"a place of floor {floor.id} at", spot, (*path, "at"))


def _check_zone(
    document: Document, raw: PlanFile, path: tuple[str | int, ...], floor: FloorFile, zone: ZoneFile
) -> None:
    if (zone.rect is None) == (zone.corners is None):
        document.wrong(
            path,
            f"zone {zone.id} needs one outline",
            "write 'rect: [left, top, width, height]' or 'corners:'",
        )
        return
    outline = corners_of(zone)
    _check_outline(document, path, floor, zone, outline)
    for i, single in enumerate(zone.places):
        if not holds(outline, single.at[0], single.at[1]):
            document.wrong(
                (*path, "places", i, "at"), f"place {single.id} lies outside zone {zone.id}", _within(outline)
            )
    gateways = [gateway for gateway in raw.gateways if gateway.floor == floor.id]
    for i, island in enumerate(zone.islands):
        where = (*path, "islands", i)
        if not all(holds(outline, x, y) for x, y in _ends(island)):
            document.wrong(
                (*where, "at"), f"the places from {island.first} lie outside zone {zone.id}", _within(outline)
            )
        if island.sensors and not gateways:
            document.wrong(
                (*where, "sensors"),
                f"floor {floor.id} has sensors but no gateway",
                f"add a gateway with 'floor: {floor.id}'",
            )
        _check_wiring(document, where, island)
        if "zigbee_pir" in island.sensors and not any("zigbee2mqtt" in gateway.mqtt for gateway in gateways):
            document.wrong(
                (*where, "sensors"),
                f"no gateway of floor {floor.id} reads Zigbee2MQTT",
                "add 'mqtt: {zigbee2mqtt: zigbee2mqtt}' to the gateway",
            )


def _check_outline(
    document: Document,
    path: tuple[str | int, ...],
    floor: FloorFile,
    zone: ZoneFile,
    outline: tuple[Corner, ...],
) -> None:
    at = (*path, "rect" if zone.corners is None else "corners")
    left, top, width, height = box_of(outline)
    if left + width > floor.size[0] + 1e-6 or top + height > floor.size[1] + 1e-6:
        advice = (
            "make rect [left, top, width, height] fit, in metres"
            if zone.corners is None
            else "keep every corner [x, y] on the floor, in metres"
        )
        what = f"zone {zone.id} sticks out of its floor of {floor.size[0]:g} x {floor.size[1]:g} m"
        document.wrong(at, what, advice)
    if zone.corners is None:
        return
    sides = crossing(outline)
    if sides is not None:
        what = f"the outline of zone {zone.id} crosses itself (sides {sides[0] + 1} and {sides[1] + 1})"
        document.wrong(at, what, "name the corners in the order in which one walks along the wall")
    elif area_m2(outline) < _LEAST_ZONE_M2:
        document.wrong(at, f"zone {zone.id} has no inside", "move its corners apart, in metres")


def _check_wiring(document: Document, where: tuple[str | int, ...], island: IslandFile) -> None:
    if {"dock", "pir"} & set(island.sensors) and island.node is None:
        document.wrong(
            where,
            f"the places from {island.first} have a wired sensor but no node",
            "add 'node:' with the node's uid, 16 hex digits",
        )
    if island.node is not None and island.columns * island.rows > MAX_CHANNELS:
        document.wrong(
            (*where, "node"),
            f"one node has at most {MAX_CHANNELS} channels",
            "split the island in two, each with its own node",
        )
    if {"pir", "zigbee_pir"} <= set(island.sensors):
        document.wrong((*where, "sensors"), "a place has one PIR here, not two", "keep pir or zigbee_pir")


def _ends(island: IslandFile) -> list[Corner]:
    """Return the outermost places of an island."""
    left, top = island.at
    right = round(left + (island.columns - 1) * island.pitch[0], 6)
    bottom = round(top + (island.rows - 1) * island.pitch[1], 6)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _within(outline: tuple[Corner, ...]) -> str:
    left, top, width, height = box_of(outline)
    return f"keep x in {left:g}-{left + width:g} and y in {top:g}-{top + height:g} m"


def _check_devices(document: Document, raw: PlanFile) -> None:
    floor_of = _floors_of_places(raw)
    seen: set[tuple[str, str, str | None, str]] = set()
    for index, entry in enumerate(raw.devices):
        path = ("devices", index)
        _check_home(document, raw, path, entry, floor_of)
        _check_kit(document, path, entry)
        kind = KITS[entry.sensor].kind if entry.sensor in KITS else ""
        key = (entry.place, entry.device, entry.channel, kind)
        if key in seen:
            document.wrong(
                path, f"{entry.device} is listed twice for place {entry.place}", "drop one of the two"
            )
        seen.add(key)


def _check_lights(document: Document, raw: PlanFile) -> None:
    floor_of = _floors_of_places(raw)
    seen: set[str] = set()
    for index, entry in enumerate(raw.lights):
        path = ("lights", index)
        _check_home(document, raw, path, entry, floor_of)
        prefixes = [PREFIXES[family] + "-" for family in LIT_FAMILIES]
        if not entry.device.startswith(tuple(prefixes)):
            document.wrong(
                (*path, "device"),
                f"no gateway can set a light of '{entry.device}'",
                f"begin its id with {' or '.join(prefixes)}",
            )
        if entry.place in seen:
            document.wrong(path, f"place {entry.place} has two lights", "drop one of the two")
        seen.add(entry.place)


def _floors_of_places(raw: PlanFile) -> dict[str, str]:
    return {place: floor.id for floor in raw.floors for zone in floor.zones for place in places_of(zone)}


def _check_home(
    document: Document,
    raw: PlanFile,
    path: tuple[str | int, ...],
    entry: DeviceFile | LightFile,
    floor_of: Mapping[str, str],
) -> None:
    """Check that the place of a device or light exists, and that a gateway is there for it."""
    gateways = {gateway.id for gateway in raw.gateways}
    if entry.place not in floor_of:
        document.wrong(
            (*path, "place"),
            f"unknown place '{entry.place}'",
            "write a place that an island of this plan has",
        )
    elif entry.gateway is None and floor_of[entry.place] not in {gateway.floor for gateway in raw.gateways}:
        document.wrong(
            path, f"floor {floor_of[entry.place]} has no gateway", "add one, or write 'gateway:' here"
        )
    if entry.gateway is not None and entry.gateway not in gateways:
        document.wrong(
            (*path, "gateway"),
            f"unknown gateway '{entry.gateway}'",
            f"write one of: {', '.join(sorted(gateways))}",
        )


def _check_kit(document: Document, path: tuple[str | int, ...], entry: DeviceFile) -> None:
    kit = KITS.get(entry.sensor)
    if kit is None:
        document.wrong(
            (*path, "sensor"), f"unknown sensor '{entry.sensor}'", f"write one of: {', '.join(sorted(KITS))}"
        )
        return
    prefixes = sorted({PREFIXES[family] + "-" for family in kit.families})
    if not entry.device.startswith(tuple(prefixes)):
        document.wrong(
            (*path, "device"),
            f"'{entry.device}' is no device of kind {entry.sensor}",
            f"begin its id with {' or '.join(prefixes)}",
        )
