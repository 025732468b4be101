"""The walk behind the pages: its own link while somebody looks, its file, and what it refuses to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dashboard.walk.session import Walks
from dashboard.walk.store import MemoryWalks, WalkFolder
from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij.embedded_broker import EmbeddedBroker
from workplace.codec import encode
from workplace.errors import StoreUnavailable
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.ports import OpenLink, Received
from workplace.topics import Topics
from workplace.walk_record import Walk
from workplace.walk_test import Begin, Next, Skip

TOPICS = Topics("klein")


class WallClock:
    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


def plug_in(plan: FloorPlan, place: str, **more: Any) -> SensorEvent:
    sensor = plan.place[place].sensors_of("link")[0]
    now = datetime.now(UTC)
    event = SensorEvent(
        id=f"event-{place}-{now.timestamp()}", site="klein", gateway="gw-1", device=sensor.device, kind="link",
        value=True, channel=sensor.channel, measured_at=now, clock="gateway", uncertainty_ms=2, received_at=now,
    )  # fmt: skip
    return msgspec.structs.replace(event, **more)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def opener(broker: EmbeddedBroker, user: str) -> OpenLink:
    return partial(MqttLink, BrokerAddress(broker.url, user, broker.credentials[user].password))


def play(
    folder: Path, plan: FloorPlan, walks_of: Callable[[EmbeddedBroker], Walks],
    scene: Callable[[Walks, OpenLink], Awaitable[None]],
) -> None:  # fmt: skip
    async def whole() -> None:
        async with EmbeddedBroker(folder / "broker", plan) as broker:
            walks = walks_of(broker)
            running = asyncio.create_task(walks.run())
            await scene(walks, opener(broker, "gw-1"))
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(whole())


def test_events_are_read_while_somebody_walks_and_each_step_is_kept(
    tmp_path: Path, small_plan: FloorPlan
) -> None:
    folder = tmp_path / "walks"

    async def scene(walks: Walks, gateway: OpenLink) -> None:
        walk = walks.look("f1")
        assert walks.listening("f1") == "connecting"
        assert not folder.exists(), "looking alone opens nothing and keeps nothing"
        await walks.press("f1", Begin())
        await until(lambda: walks.listening("f1") == "on")
        event = plug_in(small_plan, "1-W1")
        async with gateway("hands") as link:
            await link.publish(TOPICS.event("f1", "gw-1", event.device), encode(event))
            await until(lambda: walk.walk.ticks)
        await until(lambda: (kept := WalkFolder(folder).load("f1")) and kept.ticks)
        for _ in small_plan.place:
            await walks.press("f1", Skip("in_use"))
        await until(lambda: walks.listening("f1") == "connecting")  # finished: nothing is read any more

    play(
        tmp_path, small_plan,
        lambda broker: Walks(small_plan, WallClock(), WalkFolder(folder), opener(broker, "dashboard")), scene,
    )  # fmt: skip
    again = Walks(small_plan, WallClock(), WalkFolder(folder)).of("f1").view()
    assert (again.phase, again.skipped) == ("finished", 12)


def test_a_broker_that_refuses_the_events_is_said(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(walks: Walks, _: OpenLink) -> None:
        await walks.press("f1", Begin())
        await until(lambda: walks.listening("f1") == "refused")

    play(
        tmp_path, small_plan,
        lambda broker: Walks(small_plan, WallClock(), MemoryWalks(), opener(broker, "gw-1")), scene,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "changed", "reason"),
    [
        pytest.param(None, {"gateway": "gw-9"}, "topic_mismatch", id="a gateway that the plan does not have"),
        pytest.param("gw-2", {}, "topic_mismatch", id="an event under another gateway's name"),
        pytest.param(None, {"value": 3}, "impossible_value", id="a plug that is three"),
    ],
)
def test_what_is_no_event_of_this_floor_is_counted_and_dropped(
    small_plan: FloorPlan, topic: str | None, changed: dict[str, Any], reason: str
) -> None:
    async def scene() -> None:
        walks = Walks(small_plan, WallClock(), MemoryWalks())
        await walks.press("f1", Begin())
        event = plug_in(small_plan, "1-W1", **changed)
        walks.receive(
            Received(TOPICS.event("f1", topic or "gw-1", event.device), encode(event), retained=False)
        )
        assert (dict(walks.rejected), walks.of("f1").walk.ticks) == ({reason: 1}, ())

    asyncio.run(scene())


class FullDisk(MemoryWalks):
    def save(self, walk: Walk) -> None:
        raise StoreUnavailable("no space left")


def test_a_full_disk_is_shown_and_the_walk_goes_on(small_plan: FloorPlan) -> None:
    async def scene() -> None:
        walks = Walks(small_plan, WallClock(), FullDisk())
        await walks.press("f1", Begin())
        await walks.press("f1", Next())
        assert (walks.of("f1").is_kept, walks.of("f1").walk.at) == (False, "1-W2")

    asyncio.run(scene())


def test_a_damaged_file_starts_a_new_walk(tmp_path: Path, small_plan: FloorPlan) -> None:
    (tmp_path / "f1.json").write_bytes(b'{"v": 1, "site"')
    walk = Walks(small_plan, WallClock(), WalkFolder(tmp_path)).of("f1")
    assert walk.view().phase == "start"
