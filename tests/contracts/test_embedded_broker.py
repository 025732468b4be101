"""The embedded broker: ready only when it works, everybody only on their own topics, nothing lost by kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij.embedded_broker import EmbeddedBroker
from plekvrij.preflight import check_broker
from workplace.errors import BrokerRefused
from workplace.floor_plan import FloorPlan
from workplace.ports import OpenLink, Received

BASE = "plekvrij/v1/klein"
Scene = Callable[[EmbeddedBroker, Callable[[str], Awaitable[MqttLink]]], Awaitable[None]]


def opener(broker: EmbeddedBroker, user: str) -> OpenLink:
    return partial(MqttLink, BrokerAddress(broker.url, user, broker.credentials[user].password))


def play(folder: Path, plan: FloorPlan, scene: Scene) -> None:
    async def whole() -> None:
        async with EmbeddedBroker(folder, plan) as broker, AsyncExitStack() as links:

            async def connect(user: str) -> MqttLink:
                link = await links.enter_async_context(opener(broker, user)(f"test-{user}"))
                await until(lambda: link.is_connected)
                return link  # type: ignore[return-value]

            await scene(broker, connect)

    asyncio.run(whole())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def test_it_passes_its_own_preflight(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(broker: EmbeddedBroker, _: object) -> None:
        await check_broker(opener(broker, "preflight"), broker.url, BASE)

    play(tmp_path, small_plan, scene)


def test_preflight_notices_that_a_user_lacks_the_rights(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(broker: EmbeddedBroker, _: object) -> None:
        with pytest.raises(BrokerRefused):
            await check_broker(opener(broker, "gw-1"), broker.url, BASE)

    play(tmp_path, small_plan, scene)


def test_a_gateway_can_publish_its_own_events_and_nobody_elses(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(_: EmbeddedBroker, connect: Callable[[str], Awaitable[MqttLink]]) -> None:
        ingest, gateway = await connect("ingest"), await connect("gw-1")
        heard: list[Received] = []
        await ingest.subscribe(f"{BASE}/#", heard.append)
        for topic in (f"{BASE}/4/event/gw-2/d", f"{BASE}/state/zone/z", f"{BASE}/command/gw-1/d"):
            await gateway.publish(topic, b"forged")
        await gateway.publish(f"{BASE}/4/event/gw-1/d", b"own")
        await until(lambda: heard)
        assert [message.payload for message in heard] == [b"own"]

    play(tmp_path, small_plan, scene)


def test_a_gateway_cannot_listen_to_the_commands_of_another(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(_: EmbeddedBroker, connect: Callable[[str], Awaitable[MqttLink]]) -> None:
        gateway = await connect("gw-1")
        with pytest.raises(BrokerRefused):
            await gateway.subscribe(f"{BASE}/command/gw-2/#", lambda _: None)

    play(tmp_path, small_plan, scene)


def test_retained_state_survives_kill_9(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(broker: EmbeddedBroker, connect: Callable[[str], Awaitable[MqttLink]]) -> None:
        ingest = await connect("ingest")
        await ingest.publish(f"{BASE}/state/zone/z", b"before", retain=True)
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: not ingest.is_connected)
        await broker.start()
        dashboard = await connect("dashboard")
        heard: list[Received] = []
        for _ in range(30):  # it accepts subscriptions before it has read all that it keeps
            await dashboard.subscribe(f"{BASE}/state/#", heard.append)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while not heard:
                        await asyncio.sleep(0.01)
                break
        assert heard, "the retained state is there again"
        assert heard[0].payload == b"before"
        assert heard[0].retained

    play(tmp_path, small_plan, scene)


def test_a_later_start_is_found_at_the_same_port(tmp_path: Path, small_plan: FloorPlan) -> None:
    ports: list[int] = []

    async def scene(broker: EmbeddedBroker, _: object) -> None:
        ports.append(broker.port)

    play(tmp_path, small_plan, scene)
    play(tmp_path, small_plan, scene)
    assert ports[0] == ports[1]


def test_passwords_stay_in_files_that_only_the_owner_reads(tmp_path: Path, small_plan: FloorPlan) -> None:
    async def scene(broker: EmbeddedBroker, _: object) -> None:
        for name in ("nats.conf", "credentials.json"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0
        assert broker.credentials["ingest"].password not in repr(broker.credentials)

    play(tmp_path, small_plan, scene)


def test_settings_of_a_gateway_come_from_the_installer_and_no_page(
    tmp_path: Path, small_plan: FloorPlan
) -> None:
    async def scene(_: EmbeddedBroker, connect: Callable[[str], Awaitable[MqttLink]]) -> None:
        installer, gateway = await connect("installer"), await connect("gw-1")
        heard: list[Received] = []
        await gateway.subscribe(f"{BASE}/gateway/gw-1/config", heard.append)
        for user in ("dashboard", "ingest", "devices"):
            await (await connect(user)).publish(f"{BASE}/gateway/gw-1/config", b"forged")
        await installer.publish(f"{BASE}/gateway/gw-1/config", b"sealed", retain=True)
        await until(lambda: heard)
        assert [message.payload for message in heard] == [b"sealed"]

    play(tmp_path, small_plan, scene)
