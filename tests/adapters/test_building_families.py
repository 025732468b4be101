"""The simulated building over a real broker: every family is heard, and a node's light obeys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij.embedded_broker import EmbeddedBroker
from simulators.building import run_building
from workplace.device_ids import device_topics
from workplace.floor_plan import FloorPlan
from workplace.ports import OpenLink, Received

#: A Tuesday, local 11:00.
ELEVEN = datetime(2026, 9, 15, 9, 0, tzinfo=UTC)
SPEED = 600.0
PATIENCE_S = 60.0


class FastClock:
    """Site time at 600 times the wall."""

    speed = SPEED

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> datetime:
        return ELEVEN + timedelta(milliseconds=self.boot_ms())

    def boot_ms(self) -> float:
        return (time.monotonic() - self._began) * 1000 * self.speed

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


def opener(broker: EmbeddedBroker) -> OpenLink:
    user = broker.credentials["devices"]
    return partial(MqttLink, BrokerAddress(broker.url, user.user, user.password))


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{what} did not come true")


def test_all_families_of_a_plan_are_heard_over_a_real_broker(mixed_plan: FloorPlan, tmp_path: Path) -> None:
    heard: dict[str, bytes] = {}
    silent = {
        "a Zigbee bridge": "zigbee2mqtt-1/bridge/state",
        "a Zigbee PIR": "zigbee2mqtt-1/pir-M01",
        "a Zigbee radar": "zigbee2mqtt-1/radar-M02",
        "a LoRaWAN seat": "application/0d3e/device/24e124535c400003/event/up",
        "a LoRaWAN desk": "application/0d3e/device/e8e1e10001040004/event/up",
        "a LoRaWAN PIR": "application/0d3e/device/24e124538b230005/event/up",
        "an ESPHome node": "esphome/desk-a/status",
        "an ESPHome PIR": "esphome/desk-a/binary_sensor/pir_1/state",
        "an ESPHome dock": "esphome/desk-a/binary_sensor/dock_1/state",
        "a Tasmota board": "tele/floor1/board-a/LWT",
        "its telemetry": "tele/floor1/board-a/SENSOR",
        "another board": "tele/floor1/board-b/SENSOR",
        "a Shelly Motion": "shellies/shellymotionsensor-60A423BEB709/status",
        "a Shelly Presence": "shelly-1/presence-aabb10/status/presencezone:200",
    }

    async def whole() -> None:
        async with (
            EmbeddedBroker(tmp_path / "broker", mixed_plan) as broker,
            opener(broker)("listener") as ear,
        ):
            for gateway in mixed_plan.gateways:
                for family, base in gateway.mqtt.items():
                    for topic_filter in device_topics(family, base):
                        # QoS 1 would take more of a client's unacknowledged messages than NATS allows it
                        await ear.subscribe(topic_filter, partial(note, heard), qos=0)
            ready = asyncio.Event()
            building = asyncio.ensure_future(
                run_building(
                    mixed_plan,
                    seed=4,
                    clock=FastClock(),
                    open_device_link=opener(broker),
                    run_dir=tmp_path / "run",
                    start_at=ELEVEN,
                    ready=ready.set,
                )
            )
            try:
                await until(lambda: ready.is_set() or building.done(), "the building is ready")
                assert not building.done(), building.exception()
                await until(lambda: set(silent.values()) <= set(heard), f"all of {silent}")
                await light_obeys(ear, tmp_path / "run" / "lights.ndjson", heard)
            finally:
                building.cancel()
                with suppress(asyncio.CancelledError):
                    await building

    asyncio.run(whole())
    assert heard["esphome/desk-a/status"] == b"online"
    assert json.loads(heard["zigbee2mqtt-1/bridge/state"]) == {"state": "online"}


def note(heard: dict[str, bytes], message: Received) -> None:
    heard[message.topic] = message.payload


def read_lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


async def light_obeys(ear: Any, lights: Path, heard: dict[str, bytes]) -> None:
    command = {"state": "ON", "effect": "reclaimable"}
    await ear.publish("esphome/desk-a/light/light_M06/command", json.dumps(command).encode())
    await until(lambda: "esphome/desk-a/light/light_M06/state" in heard, "the light answers")
    [line] = [json.loads(line) for line in await asyncio.to_thread(read_lines, lights)]
    assert (line["place"], line["code"]) == ("M06", "reclaimable")
