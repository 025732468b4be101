"""Sites, floors, zones, places, and which device hangs where. Refuses impossible plans, all mistakes at once.

The file lists *islands* (a table, a row, a bench) instead of single places: that is how a floor is furnished,
wired and drawn. `FloorPlan` is the expanded, checked result that every stage reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from workplace.device_ids import device_id
from workplace.documents import Mistake, check_shape, parse
from workplace.errors import DocumentInvalid
from workplace.events import SensorKind
from workplace.plan_file import (
    DeviceFile,
    FloorFile,
    IslandFile,
    LightFile,
    PlanFile,
    Text,
    ZoneFile,
    ZoneKind,
    place_ids,
)
from workplace.plan_sense import check_sense
from workplace.plan_shape import Corner, box_of, corners_of
from workplace.sensor_kits import KITS

#: Room that a place by itself takes, m; as `pitch` of an island.
_DESK_M = 1.6


@dataclass(frozen=True, slots=True)
class Sensor:
    """One input of a place: which device and channel speak, as what, and how they behave.

    Attributes:
        kind: what the events are called: `link`, `motion`, `occupancy`, `presence`, `count`.
        kit: which row of `workplace.sensor_kits` it is.
        blind_s: deaf this long after a report, s.
        end_timer_s: the end of a hit comes this long after the last one, by a timer and not by looking, s; 0 for none.
        beat_s: longest normal silence, s; None when the gateway itself reports a loss.
    """

    gateway: str
    device: str
    channel: str | None
    kind: SensorKind
    kit: str = ""
    blind_s: float = 0.0
    beat_s: float | None = None
    end_timer_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Light:
    """The light of a place: where a command for it goes."""

    gateway: str
    device: str
    channel: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """One place to work. `label` is what people read; x and y are its middle, metres from the top left."""

    id: str
    label: str
    zone: str
    floor: str
    x_m: float
    y_m: float
    island: int
    fixed: bool
    sensors: tuple[Sensor, ...]
    light: Light | None

    def sensors_of(self, *kinds: str) -> tuple[Sensor, ...]:
        return tuple(sensor for sensor in self.sensors if sensor.kind in kinds)


@dataclass(frozen=True, slots=True)
class Island:
    """A drawn piece of furniture: the box around its places, metres."""

    x_m: float
    y_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of a floor for one activity. `group` joins zones that stand in for each other (rule R13).

    `rect_m` is left, top, width and height of the box around it, `corners_m` its outline.
    """

    id: str
    floor: str
    kind: ZoneKind
    name: Text
    rect_m: tuple[float, float, float, float]
    places: tuple[Place, ...]
    islands: tuple[Island, ...]
    corners_m: tuple[Corner, ...]

    @property
    def is_box(self) -> bool:
        left, top, width, height = self.rect_m
        right, bottom = left + width, top + height
        return self.corners_m == ((left, top), (right, top), (right, bottom), (left, bottom))

    @property
    def group(self) -> str:
        return f"{self.floor}-{self.kind}"


@dataclass(frozen=True, slots=True)
class Floor:
    id: str
    number: int
    name: Text
    size_m: tuple[float, float]
    core_m: tuple[float, float, float, float] | None
    you_are_here_m: tuple[float, float] | None
    zones: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway; `mqtt` is format -> base topic of the devices that it reads from the device broker."""

    id: str
    floor: str
    mqtt: dict[str, str]


@dataclass(frozen=True)
class FloorPlan:
    """A checked site."""

    site: str
    name: Text
    timezone: str
    gateways: tuple[Gateway, ...]
    floors: tuple[Floor, ...]

    @cached_property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def floor(self) -> dict[str, Floor]:
        return {floor.id: floor for floor in self.floors}

    @cached_property
    def zone(self) -> dict[str, Zone]:
        return {zone.id: zone for floor in self.floors for zone in floor.zones}

    @cached_property
    def place(self) -> dict[str, Place]:
        return {place.id: place for zone in self.zone.values() for place in zone.places}

    @cached_property
    def gateway(self) -> dict[str, Gateway]:
        return {gateway.id: gateway for gateway in self.gateways}

    @cached_property
    def groups(self) -> dict[str, tuple[Zone, ...]]:
        """Zone group -> its zones."""
        found: dict[str, list[Zone]] = {}
        for zone in self.zone.values():
            found.setdefault(zone.group, []).append(zone)
        return {group: tuple(zones) for group, zones in found.items()}

    @cached_property
    def wired(self) -> dict[tuple[str, str | None, str], tuple[tuple[Place, Sensor], ...]]:
        """(device, channel, kind) -> the places that listen to it."""
        found: dict[tuple[str, str | None, str], list[tuple[Place, Sensor]]] = {}
        for place in self.place.values():
            for sensor in place.sensors:
                found.setdefault((sensor.device, sensor.channel, sensor.kind), []).append((place, sensor))
        return {key: tuple(value) for key, value in found.items()}

    @cached_property
    def devices(self) -> dict[str, str]:
        """Device id -> the gateway it hangs on."""
        return {sensor.device: sensor.gateway for place in self.place.values() for sensor in place.sensors}

    def places_of_device(self, device: str) -> tuple[Place, ...]:
        return tuple(p for p in self.place.values() if any(s.device == device for s in p.sensors))

    def places_of_gateway(self, gateway: str) -> tuple[Place, ...]:
        return tuple(p for p in self.place.values() if any(s.gateway == gateway for s in p.sensors))


def load(text: str, file: str) -> FloorPlan:
    """Return the checked plan.

    Raises:
        DocumentInvalid: with every mistake, each with file, line and what to write instead.
    """
    plan, mistakes = check(text, file)
    if plan is None or mistakes:
        raise DocumentInvalid(tuple(mistakes))
    return plan


def check(text: str, file: str) -> tuple[FloorPlan | None, list[Mistake]]:
    """Return the plan (None when it has no usable shape) and all mistakes found, in file order."""
    document = parse(text, file)
    plan: FloorPlan | None = None
    if document.data is not None and check_shape(document, PlanFile):
        raw = msgspec.convert(document.data, PlanFile)
        check_sense(document, raw)
        if not document.mistakes:
            plan = _expand(raw)
    return plan, sorted(document.mistakes, key=lambda mistake: mistake.line)


def zigbee_pir_name(place: str) -> str:
    """Friendly name that the example site gives the PIR under a place."""
    return f"pir-{place}"


def _expand(raw: PlanFile) -> FloorPlan:
    gateways = tuple(
        Gateway(g.id, g.floor, {str(name): base for name, base in g.mqtt.items()}) for g in raw.gateways
    )
    extra: dict[str, list[DeviceFile]] = {}
    for entry in raw.devices:
        extra.setdefault(entry.place, []).append(entry)
    lights = {entry.place: entry for entry in raw.lights}
    floors = tuple(
        Floor(
            id=floor.id,
            number=floor.number,
            name=floor.name,
            size_m=(floor.size[0], floor.size[1]),
            core_m=None
            if floor.core is None
            else (floor.core[0], floor.core[1], floor.core[2], floor.core[3]),
            you_are_here_m=None
            if floor.you_are_here is None
            else (floor.you_are_here[0], floor.you_are_here[1]),
            zones=tuple(_expand_zone(floor, zone, gateways, extra, lights) for zone in floor.zones),
        )
        for floor in raw.floors
    )
    return FloorPlan(raw.site, raw.name, raw.timezone, gateways, floors)


def _expand_zone(
    floor: FloorFile,
    zone: ZoneFile,
    gateways: Iterable[Gateway],
    extra: Mapping[str, Sequence[DeviceFile]],
    lights: Mapping[str, LightFile],
) -> Zone:
    here = [gateway for gateway in gateways if gateway.floor == floor.id]
    places: list[Place] = []
    islands: list[Island] = []
    for number, island in enumerate(zone.islands):
        for index, place_id in enumerate(place_ids(island)):
            row, column = divmod(index, island.columns)
            places.append(
                Place(
                    id=place_id,
                    label=place_id.replace("-", "."),
                    zone=zone.id,
                    floor=floor.id,
                    x_m=round(island.at[0] + column * island.pitch[0], 3),
                    y_m=round(island.at[1] + row * island.pitch[1], 3),
                    island=number,
                    fixed=island.fixed,
                    sensors=(
                        *_sensors(island, index, place_id, here),
                        *(_listed(entry, here) for entry in extra.get(place_id, ())),
                    ),
                    light=_light(island, index, lights.get(place_id), here),
                )
            )
        half_x, half_y = island.pitch[0] / 2, island.pitch[1] / 2
        islands.append(
            Island(
                island.at[0] - half_x,
                island.at[1] - half_y,
                island.columns * island.pitch[0],
                island.rows * island.pitch[1],
            )
        )
    for single in zone.places:
        x, y = single.at
        listed = tuple(_listed(entry, here) for entry in extra.get(single.id, ()))
        light = None if single.id not in lights else _listed_light(lights[single.id], here)
        label = single.id.replace("-", ".")
        places.append(
            Place(single.id, label, zone.id, floor.id, x, y, len(islands), single.fixed, listed, light)
        )
        islands.append(Island(x - _DESK_M / 2, y - _DESK_M / 2, _DESK_M, _DESK_M))
    corners = corners_of(zone)
    rect = box_of(corners) if zone.rect is None else (zone.rect[0], zone.rect[1], zone.rect[2], zone.rect[3])
    return Zone(zone.id, floor.id, zone.kind, zone.name, rect, tuple(places), tuple(islands), corners)


def _light(island: IslandFile, index: int, listed: LightFile | None, here: list[Gateway]) -> Light | None:
    if listed is not None:
        return _listed_light(listed, here)
    return None if island.node is None else Light(here[0].id, device_id("dsp1", island.node), str(index))


def _listed_light(listed: LightFile, here: list[Gateway]) -> Light:
    return Light(listed.gateway or here[0].id, listed.device, listed.channel)


def _sensors(island: IslandFile, index: int, place_id: str, here: list[Gateway]) -> Iterable[Sensor]:
    for name in island.sensors:
        if name == "zigbee_pir":
            gateway = next(gateway for gateway in here if "zigbee2mqtt" in gateway.mqtt)
            yield _sensor(name, gateway.id, device_id("zigbee2mqtt", zigbee_pir_name(place_id)), None)
        else:
            yield _sensor(name, here[0].id, device_id("dsp1", island.node or ""), str(index))


def _listed(entry: DeviceFile, here: list[Gateway]) -> Sensor:
    return _sensor(entry.sensor, entry.gateway or here[0].id, entry.device, entry.channel)


def _sensor(name: str, gateway: str, device: str, channel: str | None) -> Sensor:
    kit = KITS[name]
    return Sensor(gateway, device, channel, kit.kind, name, kit.blind_s, kit.beat_s, kit.end_timer_s)
