"""Entities for Home Assistant through a real broker, each side with the rights that it has in a site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from gateway.mqtt_link import BrokerAddress, MqttLink
from ingest.ha_discovery import publish_discovery
from plekvrij.embedded_broker import EmbeddedBroker
from workplace import floor_plan
from workplace.floor_plan import FloorPlan
from workplace.ports import OpenLink, Received
from workplace.topics import Topics

TOPICS = Topics("klein")
STATUS = TOPICS.ingest_status()
ROOM = "binary_sensor/plekvrij_klein/place_1-O1/config"


def opener(broker: EmbeddedBroker, user: str) -> OpenLink:
    return partial(MqttLink, BrokerAddress(broker.url, user, broker.credentials[user].password))


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


class HomeAssistant:
    """Keeps what is retained, as Home Assistant does: config topic -> config, and the status of ingest."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, object]] = {}
        self.status = ""

    def hear(self, received: Received) -> None:
        if received.topic == STATUS:
            self.status = received.payload.decode()
        elif received.payload:
            self.configs[received.topic.removeprefix("homeassistant/")] = json.loads(received.payload)
        else:
            self.configs.pop(received.topic.removeprefix("homeassistant/"), None)


@asynccontextmanager
async def ingest(broker: EmbeddedBroker, plan: FloorPlan) -> AsyncIterator[asyncio.Task[None]]:
    """Run the stage's part; ends as an ordinary stop does."""
    task = asyncio.create_task(
        publish_discovery(plan, TOPICS, "homeassistant", "1.2.3", opener(broker, "ingest"), "ingest-klein-ha")
    )
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def play(
    folder: Path, plan: FloorPlan, scene: Callable[[EmbeddedBroker, HomeAssistant], Awaitable[None]]
) -> None:
    async def whole() -> None:
        async with EmbeddedBroker(folder / "broker", plan, "homeassistant") as broker:
            seen = HomeAssistant()
            async with opener(broker, "homeassistant")("home-assistant") as link:
                await link.subscribe("homeassistant/#", seen.hear)
                await link.subscribe(STATUS, seen.hear)
                await scene(broker, seen)

    asyncio.run(whole())


def smaller(plan_file: Path) -> FloorPlan:
    """The small office without its meeting zone."""
    text = plan_file.read_text("utf-8")
    return floor_plan.load(text[: text.index("      - id: 1-ontmoeten")], "smaller")


def test_entities_come_with_the_site_and_go_with_their_zone(
    tmp_path: Path, small_plan: FloorPlan, small_plan_file: Path
) -> None:
    async def scene(broker: EmbeddedBroker, seen: HomeAssistant) -> None:
        async with ingest(broker, small_plan):
            await until(lambda: seen.status == "online", "ingest says that it is there")
            await until(lambda: len(seen.configs) == 1 + 2 * 12 + 3 * 2, "every entity is there")
            assert seen.configs[ROOM]["state_topic"] == TOPICS.place_state("1-O1")
        await until(lambda: seen.status == "offline", "an ordinary stop is told too")
        assert ROOM in seen.configs, "a stop is no farewell"
        async with ingest(broker, smaller(small_plan_file)):
            await until(lambda: len(seen.configs) == 1 + 2 * 8 + 3, "the zone is taken back")
            await until(lambda: seen.status == "online", "and ingest is there again")
        assert ROOM not in seen.configs

    play(tmp_path, small_plan, scene)


def test_what_other_programs_announced_stays(tmp_path: Path, small_plan: FloorPlan) -> None:
    """Rights and filter: ingest can neither read nor remove what is not its own."""

    async def scene(broker: EmbeddedBroker, seen: HomeAssistant) -> None:
        async with opener(broker, "ingest")("stranger") as link:
            await link.publish("homeassistant/light/kitchen/lamp/config", b'{"name": "lamp"}', retain=True)
            await link.publish(
                "homeassistant/sensor/plekvrij_klein/old/config", b'{"name": "old"}', retain=True
            )
        await until(lambda: "sensor/plekvrij_klein/old/config" in seen.configs, "the old entity is there")
        assert "light/kitchen/lamp/config" not in seen.configs
        async with ingest(broker, small_plan):
            await until(lambda: "sensor/plekvrij_klein/old/config" not in seen.configs, "it is taken back")

    play(tmp_path, small_plan, scene)


def test_entities_are_back_after_the_broker_was_away(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(broker: EmbeddedBroker, seen: HomeAssistant) -> None:
        async with ingest(broker, small_plan):
            await until(lambda: seen.status == "online", "ingest says that it is there")
            await broker.stop()
            seen.status = ""
            seen.configs.clear()
            await broker.start()
            await until(lambda: seen.status == "online" and len(seen.configs) == 31, "all is told again")

    play(tmp_path, small_plan, scene)
