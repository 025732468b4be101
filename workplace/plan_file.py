"""The floor plan file: what an installer writes, as types. Shape only; sense is checked in `plan_sense`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from workplace.message import Name

#: What a zone is for. Dutch on screen: ontmoeten, samenwerken, stilte, werken, tussendoor, balie, restaurant.
ZoneKind = Literal["meet", "collaborate", "silence", "desk", "touchdown", "counter", "restaurant"]
IslandKit = Literal["dock", "pir", "zigbee_pir"]
Metres = Annotated[float, msgspec.Meta(ge=0, le=500)]
Point = Annotated[list[Metres], msgspec.Meta(min_length=2, max_length=2)]
#: Lower refuses shapes of real rooms, higher makes the list of corners unreadable.
MAX_CORNERS = 32

#: Formats of devices that speak MQTT themselves: names of `device_ids.PREFIXES`.
MqttFormat = Literal[
    "zigbee2mqtt", "chirpstack", "things_stack", "esphome", "tasmota", "shelly", "ha_discovery", "pressac"
]
#: Levels without wildcards, as the devices or their bridge publish under them.
BaseTopic = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_@-]+(/[A-Za-z0-9_@-]+)*$")]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name in both languages."""

    nl: str
    en: str


class IslandFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of equal places in a grid, row by row, numbered from `first`."""

    first: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]*?[0-9]+$")]
    at: Point
    columns: Annotated[int, msgspec.Meta(ge=1, le=40)]
    rows: Annotated[int, msgspec.Meta(ge=1, le=40)]
    pitch: Annotated[
        list[Annotated[float, msgspec.Meta(gt=0, le=20)]], msgspec.Meta(min_length=2, max_length=2)
    ] = msgspec.field(default_factory=lambda: [1.6, 1.6])
    sensors: list[IslandKit] = msgspec.field(default_factory=list)
    node: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")] | None = None
    fixed: bool = False


class PlaceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place by itself, `at` its middle; its devices stand under `devices`."""

    id: Name
    at: Point
    fixed: bool = False


class ZoneFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a floor: a box (`rect`: left, top, width, height) or a shape with any corners, one of the two."""

    id: Name
    kind: ZoneKind
    name: Text
    rect: Annotated[list[Metres], msgspec.Meta(min_length=4, max_length=4)] | None = None
    corners: Annotated[list[Point], msgspec.Meta(min_length=3, max_length=MAX_CORNERS)] | None = None
    islands: list[IslandFile] = msgspec.field(default_factory=list)
    places: list[PlaceFile] = msgspec.field(default_factory=list)


class FloorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Name
    number: Annotated[int, msgspec.Meta(ge=-9, le=99)]
    name: Text
    size: Annotated[
        list[Annotated[float, msgspec.Meta(gt=0, le=500)]], msgspec.Meta(min_length=2, max_length=2)
    ]
    core: Annotated[list[Metres], msgspec.Meta(min_length=4, max_length=4)] | None = None
    you_are_here: Point | None = None
    zones: Annotated[list[ZoneFile], msgspec.Meta(min_length=1)]


class GatewayFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Name
    floor: Name
    mqtt: dict[MqttFormat, BaseTopic] = {}


class DeviceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input of one device at one place; `plekvrij ports import` and claiming a device write such lines.

    `sensor` is a kit of `workplace.sensor_kits`, `device` the id that the gateway gives it, `gateway` the one that
    hears it (default: the first of the floor).
    """

    place: Name
    sensor: Annotated[str, msgspec.Meta(min_length=1)]
    device: Name
    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    gateway: Name | None = None


class LightFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The light of one place on a device that is no node of its island.

    `device` is the id that the gateway gives it, `channel` which of its lights (default: its only one), `gateway` the
    one that reaches it (default: the first of the floor).
    """

    place: Name
    device: Name
    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    gateway: Name | None = None


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The floor plan file."""

    site: Name
    name: Text
    timezone: str = "Europe/Amsterdam"
    gateways: Annotated[list[GatewayFile], msgspec.Meta(min_length=1)]
    floors: Annotated[list[FloorFile], msgspec.Meta(min_length=1)]
    devices: list[DeviceFile] = msgspec.field(default_factory=list)
    lights: list[LightFile] = msgspec.field(default_factory=list)


def place_ids(island: IslandFile) -> list[str]:
    """Return the ids of an island's places: `3-S01`, `3-S02`, ..., digits as wide as in `first`."""
    digits = len(island.first) - len(island.first.rstrip("0123456789"))
    stem, start = island.first[:-digits], int(island.first[-digits:])
    return [f"{stem}{number:0{digits}d}" for number in range(start, start + island.columns * island.rows)]


def places_of(zone: ZoneFile) -> list[str]:
    """Return the ids of all places of a zone, islands first."""
    return [
        *(place for island in zone.islands for place in place_ids(island)),
        *(place.id for place in zone.places),
    ]
