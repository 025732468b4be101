"""From the devices of a floor plan to simulated MQTT clients: one maker per family; a new family is a new row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from simulators.esphome import EsphomeNode
from simulators.lorawan import LorawanNetwork
from simulators.lorawan_frames import MODELS
from simulators.players import Cast
from simulators.sensors import sense_of
from simulators.shelly import ShellyMotion, ShellyPresence
from simulators.speaker import Input, Speaker
from simulators.tasmota import TasmotaBoard
from simulators.zigbee import ZigbeeBridge
from workplace.device_ids import PREFIXES, device_id
from workplace.floor_plan import FloorPlan, Sensor

GEN1_BASE = "shellies"  # Shelly Gen1 publishes nowhere else


@dataclass(frozen=True, slots=True)
class Wire:
    """One input of the building and the sensor of the plan that notices it."""

    input: Input
    sensor: Sensor


@dataclass(frozen=True, slots=True)
class Family:
    """The devices of one family behind one gateway.

    Attributes:
        base: base topic of the family at this gateway.
    """

    name: str
    gateway: str
    base: str
    wires: tuple[Wire, ...]

    def by_device(self) -> dict[str, list[Wire]]:
        found: dict[str, list[Wire]] = {}
        for wire in self.wires:
            found.setdefault(wire.sensor.device, []).append(wire)
        return found

    def name_of(self, device: str) -> str | None:
        """Return the device's name below the base topic, None when its id does not come from there."""
        stem = device_id(self.name, f"{self.base}/x").removesuffix("x")
        return device.removeprefix(stem) if device.startswith(stem) else None


Maker = Callable[[Family, Cast], Iterator[tuple[str, Speaker]]]


def speakers(cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """Yield client id and speaker of every MQTT client that the plan needs."""
    for family in families_of(cast.plan):
        maker = MAKERS.get(family.name)
        if maker is not None:
            yield from maker(family, cast)


def families_of(plan: FloorPlan) -> Iterator[Family]:
    """Yield the MQTT families of each gateway, also those without a device."""
    for gateway in plan.gateways:
        for name, base in gateway.mqtt.items():
            prefix = PREFIXES[name] + "-"
            wires = tuple(
                Wire((place.id, sense_of(sensor)), sensor)
                for place in plan.place.values()
                for sensor in place.sensors
                if sensor.gateway == gateway.id and sensor.device.startswith(prefix)
            )
            yield Family(name, gateway.id, base, wires)


def unplayed(plan: FloorPlan, heard: Iterable[Input]) -> list[str]:
    """Return the devices of the plan of which no input leads anywhere."""
    known = set(heard)
    played: dict[str, bool] = {}
    for place in plan.place.values():
        for sensor in place.sensors:
            is_heard = (place.id, sense_of(sensor)) in known
            played[sensor.device] = played.get(sensor.device, False) or is_heard
    return sorted(device for device, is_heard in played.items() if not is_heard)


def _zigbee(family: Family, cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """One bridge, also without a device. Names are the ids without their prefix."""
    wired = {wire.input: wire.sensor.device.removeprefix("z2m-") for wire in family.wires}
    is_radar = {wire.input: wire.sensor.kind != "motion" for wire in family.wires}
    pirs = dict.fromkeys(name for key, name in wired.items() if not is_radar[key])
    radars = dict.fromkeys(name for key, name in wired.items() if is_radar[key])
    bridge = ZigbeeBridge(family.base, pirs, cast.seed, cast.started_at, radars=radars, wired=wired)
    yield f"z2m-sim-{family.gateway}", bridge


def _chirpstack(family: Family, cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """One network server with all its sensors; ids are their dev EUI."""
    sensors = {
        wire.input: (wire.sensor.device.removeprefix("lora-"), wire.sensor.kit)
        for wire in family.wires
        if wire.sensor.kit in MODELS
    }
    if sensors:
        network = LorawanNetwork(family.base, sensors, cast.seed, cast.started_at)
        yield f"chirpstack-sim-{family.gateway}", network


def _esphome(family: Family, cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """One client per node; the channel is the object id. Each place with an input has a light `light_<place>`."""
    for device, wires in family.by_device().items():
        name = family.name_of(device)
        if name is None:
            continue
        lights = {f"light_{place}": place for place in dict.fromkeys(wire.input[0] for wire in wires)}

        def on_light(light: str, code: str, places: Mapping[str, str] = lights) -> None:
            cast.on_light(places[light], code)

        node = EsphomeNode(
            f"{family.base}/{name}",
            _channels(wires),
            cast.seed,
            cast.started_at,
            lights=tuple(lights),
            on_light=on_light,
        )
        yield _client(device), node


def _tasmota(family: Family, cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """One client per board, named by the last level of its topic; the channel is the input of the board."""
    for device, wires in family.by_device().items():
        topic = f"{family.base}/{device.removeprefix('tasmota-')}"
        yield _client(device), TasmotaBoard(topic, _channels(wires), cast.seed, cast.started_at)


def _shelly(family: Family, cast: Cast) -> Iterator[tuple[str, Speaker]]:
    """One client per device; the base topic tells the generation, the channel of Gen2+ is the component."""
    for device, wires in family.by_device().items():
        if family.base == GEN1_BASE:
            name = device.removeprefix("shelly-")
            yield _client(device), ShellyMotion(name, wires[0].input, cast.seed, cast.started_at)
        elif (below := family.name_of(device)) is not None:
            prefix = f"{family.base}/{below}"
            yield _client(device), ShellyPresence(prefix, _channels(wires), cast.seed, cast.started_at)


def _client(device: str) -> str:
    """Client ids have at most 64 characters (`gateway.mqtt_link`)."""
    return f"sim-{device}"[:64]


def _channels(wires: Iterable[Wire]) -> dict[Input, str]:
    return {wire.input: wire.sensor.channel for wire in wires if wire.sensor.channel is not None}


#: Family, as in the plan's `mqtt:` -> makes its clients.
MAKERS: Final[dict[str, Maker]] = {
    "zigbee2mqtt": _zigbee,
    "chirpstack": _chirpstack,
    "esphome": _esphome,
    "tasmota": _tasmota,
    "shelly": _shelly,
}
