"""The Bluetooth adapters of a demo: a D-Bus and keys that the simulated sensors and their gateway agree on."""

from __future__ import annotations

import json
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from plekvrij.credentials import write_private
from simulators import private_bus
from simulators.ble_air import BleAir, ble_sensors
from workplace import documents, floor_plan
from workplace.floor_plan import FloorPlan

AIRS_FILE = "ble.json"


def is_available() -> bool:
    """Whether this machine can play Bluetooth: it takes a D-Bus daemon, no radio."""
    return private_bus.is_available()


def without_radios(plan_file: Path, folder: Path) -> tuple[FloorPlan, Path]:
    """Return the plan without its Bluetooth sensors, and the file below `folder` that says so."""
    data = documents.parse(plan_file.read_text("utf-8"), str(plan_file)).data
    devices = [one for one in data.get("devices", []) if not one["device"].startswith("ble-")]
    text = json.dumps(data | {"devices": devices})  # JSON is YAML
    file = folder / "plan.yaml"
    file.write_text(text, "utf-8")
    return floor_plan.load(text, str(file)), file


def airs_of(plan: FloorPlan, exits: ExitStack) -> list[BleAir]:
    """Return an adapter for each gateway with Bluetooth sensors; its folder is gone with `exits`."""
    found = []
    for gateway in plan.gateways:
        if sensors := ble_sensors(plan, gateway.id):
            # not below the site's folder: the name of a socket has 107 letters at most
            bus = exits.enter_context(tempfile.TemporaryDirectory(prefix="bluez-"))
            keys = {address: secrets.token_hex(16) for address in sensors}
            found.append(BleAir(gateway=gateway.id, bus=bus, keys=keys))
    return found


def write_airs(folder: Path, airs: list[BleAir]) -> None:
    """Leave word for the building and for the gateways; keys are readable for this user alone."""
    if airs:
        write_private(folder / AIRS_FILE, msgspec.json.encode(airs))
    for air in airs:
        write_private(_keys(folder, air.gateway), json.dumps(air.keys).encode())


def radio_table(folder: Path, airs: list[BleAir], gateway: str) -> list[str]:
    """Return the table of the adapter in a gateway's TOML, empty where it has none."""
    mine = [air for air in airs if air.gateway == gateway]
    if not mine:
        return []
    listed = [f'"{address}" = {{}}' for air in mine for address in air.keys]
    return ["", "[ble]", f"bindkeys = {json.dumps(str(_keys(folder, gateway)))}", "[ble.devices]", *listed]


def environment(airs: list[BleAir], gateway: str) -> dict[str, str]:
    """Return what leads a gateway to its adapter in place of the machine's own."""
    mine = [air for air in airs if air.gateway == gateway]
    return {"DBUS_SYSTEM_BUS_ADDRESS": private_bus.address_in(Path(mine[0].bus))} if mine else {}


def _keys(folder: Path, gateway: str) -> Path:
    return folder / "credentials" / f"ble-{gateway}.json"
