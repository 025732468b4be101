"""The Bluetooth of a demo: plan, keys and adverts fit together, and without a D-Bus daemon the rest goes on."""

from __future__ import annotations

import json
import stat
import tomllib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.adverts import SensorAdverts
from gateway.settings import from_mapping
from plekvrij import demo_radios, wiring
from simulators.ble_air import BleAir, ble_sensors, read_airs
from simulators.ble_players import BEAT, BlePlayer
from simulators.bthome_adverts import BlePir, BleSeat, BthomeNode
from simulators.sensors import SensorInput
from workplace import floor_plan
from workplace.floor_plan import FloorPlan
from workplace.ports import Advert

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
SEAT, PIR = "00:00:5E:00:53:17", "00:00:5E:00:53:27"


@pytest.fixture
def plan() -> FloorPlan:
    return floor_plan.load(wiring.DEMO_PLAN.read_text("utf-8"), "the example")


@pytest.fixture
def airs(plan: FloorPlan) -> list[BleAir]:
    with ExitStack() as folders:
        return demo_radios.airs_of(plan, folders)


def test_without_a_dbus_daemon_the_plan_loses_its_bluetooth_sensors_and_nothing_else(
    plan: FloorPlan, tmp_path: Path
) -> None:
    left, file = demo_radios.without_radios(wiring.DEMO_PLAN, tmp_path)
    gone = plan.devices.keys() - left.devices.keys()
    assert gone
    assert all(device.startswith("ble-") for device in gone)
    assert left.place.keys() == plan.place.keys()
    assert floor_plan.load(file.read_text("utf-8"), str(file)).devices == left.devices


def test_the_gateway_expects_each_sensor_by_its_own_key_which_no_other_user_can_read(
    plan: FloorPlan, airs: list[BleAir], tmp_path: Path
) -> None:
    demo_radios.write_airs(tmp_path, airs)
    assert read_airs(tmp_path / demo_radios.AIRS_FILE) == tuple(airs)
    (air,) = airs
    head = 'site = "s"\ngateway = "gw-0"\nfloor = "f0"\noutbox = "o"\n'
    told = tomllib.loads(head + "\n".join(demo_radios.radio_table(tmp_path, airs, air.gateway)))
    radio = from_mapping(told).ble
    assert radio is not None
    assert radio.devices.keys() == ble_sensors(plan, air.gateway).keys()
    assert radio.bindkeys is not None
    keys = Path(radio.bindkeys)
    assert json.loads(keys.read_bytes()) == air.keys
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert demo_radios.radio_table(tmp_path, airs, "gw-none") == []
    assert demo_radios.environment(airs, "gw-none") == {}


class _Air:
    """In place of the adapter: what is said is decoded as a gateway does."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self.decoder = SensorAdverts(keys)
        self.heard: list[tuple[str, str, Any]] = []

    def advert(self, address: str, data: bytes) -> bool:
        service_data = {"0000fcd2-0000-1000-8000-00805f9b34fb": data[7:]} if data[5:7] == b"\xd2\xfc" else {}
        advert = Advert(address, service_data, {}, rssi_dbm=-60)
        decoded = self.decoder.decode(advert, now_s=0.0)
        for reading in decoded.readings:
            if reading.kind in ("motion", "occupancy"):
                self.heard.append((address, reading.kind, reading.value))
        return True


def test_what_happens_at_a_place_is_on_the_air_at_its_time_and_decoded_as_such() -> None:
    keys = {SEAT: bytes(range(16)), PIR: bytes(range(16, 32))}
    air = _Air(keys)
    nodes = {
        ("0-T17", "seat"): BleSeat(BthomeNode(SEAT, keys[SEAT]), EIGHT, beat=BEAT),
        ("0-T17", "motion"): BlePir(BthomeNode(PIR, keys[PIR]), EIGHT, beat=BEAT),
    }
    player = BlePlayer(air, nodes, EIGHT)  # type: ignore[arg-type] - an air without a bus
    player.show(SensorInput(EIGHT, "0-T17", "seat"), EIGHT)
    player.show(SensorInput(EIGHT, "0-T17", "motion"), EIGHT)
    assert air.heard == [(SEAT, "occupancy", True), (PIR, "motion", True)]
    air.heard.clear()
    until = EIGHT + timedelta(minutes=21)
    now = EIGHT
    while now < until:
        now = min(max(player.wake_at, now), until)
        player.due(now)
    last = {(address, kind): value for address, kind, value in air.heard}
    assert last == {(SEAT, "occupancy"): True, (PIR, "motion"): False}
    said = [address for address, _, _ in air.heard]
    assert said.count(SEAT) >= 2, "it beats every ten minutes"
