"""Which Bluetooth sensors one gateway of the building can hear, and by which keys."""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulators.sensors import sense_of
from simulators.speaker import Input
from workplace.floor_plan import FloorPlan, Sensor


class BleAir(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one gateway's adapter can hear, as the front door has agreed it with the gateway.

    Attributes:
        bus: folder of the D-Bus daemon at which the adapter's service answers; short, as sockets want it.
        keys: address of a sensor -> its key, 32 hex digits; made for this run.
    """

    gateway: str
    bus: str
    keys: dict[str, str]


def read_airs(file: Path) -> tuple[BleAir, ...]:
    """Return the radios of a demo; none where the file is missing."""
    return msgspec.json.decode(file.read_bytes(), type=tuple[BleAir, ...]) if file.exists() else ()


def address_of(device: str) -> str:
    """Return the address of a Bluetooth sensor from its id in a plan."""
    digits = device.removeprefix("ble-").upper()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def ble_sensors(plan: FloorPlan, gateway: str) -> dict[str, tuple[Input, Sensor]]:
    """Return the Bluetooth sensors that one gateway hears, by address."""
    return {
        address_of(sensor.device): ((place.id, sense_of(sensor)), sensor)
        for place in plan.place.values()
        for sensor in place.sensors
        if sensor.gateway == gateway and sensor.device.startswith("ble-")
    }
