"""What is lost is unknown, never free: a Zigbee bridge, a gateway, ingest itself; and what comes back is live again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from simulators.zigbee import Publication, ZigbeeBridge
from workplace.floor_plan import FloorPlan

NODE = "dsp1-0001000000000001"
SPEED = 60.0
DESKS = [f"1-W{number}" for number in range(1, 9)]
SEATS = [f"1-O{number}" for number in range(1, 5)]
DOCKED = "1-W1"
#: Real time in which a loss must show.
LIMIT_S = 60


class Watch:
    """Looks at the floor without pause and notes what every place has shown since the last `begin`."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.shown: dict[str, list[str]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for place, phase in (await self._api.phases()).items():
                seen = self.shown.setdefault(place, [])
                if seen[-1:] != [phase]:
                    seen.append(phase)
            await asyncio.sleep(0.05)

    def begin(self) -> None:
        self.shown = {}

    def was_free(self, place: str) -> bool:
        """Whether the place has shown free since `begin`; one that was not looked at yet has not."""
        return "free" in self.shown.get(place, [])


class Lost:
    """One site of which the test takes away a part at a time."""

    def __init__(self, processes: SiteProcesses, node: Any, api: Any, until: Callable[..., Any]) -> None:
        self.processes, self.node, self.api = processes, node, api
        self._until = until
        self.watch = Watch(api)

    async def wait(self, condition: Callable[[], Awaitable[Any]], within_s: float, what: str) -> float:
        """Return how long it took, s."""
        began = time.monotonic()
        await self._until(condition, within_s=within_s, what=what)
        return time.monotonic() - began

    async def are(self, places: list[str], *phases: str) -> bool:
        shown = await self.api.phases()
        return all(shown[place] in phases for place in places)


@pytest.mark.timeout(400)
def test_what_is_lost_is_unknown_and_never_free(
    tmp_path: Path,
    small_plan_file: Path,
    small_plan: FloorPlan,
    free_port: int,
    desk_node: Callable[..., Any],
    site_api: Any,
    until: Callable[..., Any],
    open_wall: Callable[..., Any],
) -> None:
    node = desk_node(tmp_path / "site", NODE, 8, speed=SPEED)
    clock = clocks.scaled_clock(datetime(2026, 11, 24, 9, tzinfo=small_plan.tz), SPEED)
    by_hand = tmp_path / "by_hand.policy.yaml"  # one sign is somebody: the filter would wait for a second one
    by_hand.write_text(f"site: {small_plan.site}\noccupancy: {{model: hand_tuned}}\n", "utf-8")
    settings = SiteProcessSettings(
        site=wiring.read_site(small_plan_file, by_hand),
        folder=tmp_path / "site",
        clock=clock,
        port=free_port,
        building=False,
    )

    async def story() -> None:
        await node.start()
        try:
            async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
                site = Lost(processes, node, site_api, until)
                watching = asyncio.create_task(site.watch.run(), name="watch")
                try:
                    async with _bridge(processes) as bridge_link, open_wall(free_port) as page:
                        await _lose_bridge(site, bridge_link, clock)
                        await _lose_gateway(site)
                        await _lose_ingest(site, page)
                        await _regain_gateway(site)
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        finally:
            await node.stop()

    asyncio.run(story())


def _bridge(processes: SiteProcesses) -> MqttLink:
    assert processes.broker is not None
    user = processes.broker.credentials["devices"]
    return MqttLink(BrokerAddress(processes.broker_url, user.user, user.password), "zigbee-bridge")


async def _say(link: MqttLink, publications: list[Publication]) -> None:
    for said in publications:
        await link.publish(said.topic, said.payload, retain=said.retain)


async def _lose_bridge(site: Lost, link: MqttLink, clock: clocks.SiteClock) -> None:
    """Seats behind a Zigbee bridge that the broker calls offline; the desks stay known."""
    bridge = ZigbeeBridge("zigbee2mqtt-1", [f"pir-{seat}" for seat in SEATS], 1, clock.now())
    await site.node.toggle(DESKS.index(DOCKED))
    await _say(link, bridge.opening())
    for seat in SEATS:
        await _say(link, bridge.hit(f"pir-{seat}", clock.now()))
    await site.wait(lambda: site.are(SEATS, "in_use"), 60, "every seat is in use")
    await site.wait(lambda: site.are([DOCKED], "in_use", "just_left"), 15, "the docked desk is in use")
    others = [desk for desk in DESKS if desk != DOCKED]
    await site.wait(lambda: site.are(others, "free"), 15, "the other desks are free")
    site.watch.begin()
    topic, payload = bridge.will
    await link.publish(topic, payload, retain=True)
    took_s = await site.wait(lambda: site.are(SEATS, "unknown"), LIMIT_S, "every seat is unknown")
    print(f"bridge lost: unknown after {took_s:.1f} s", file=sys.stderr)
    assert not any(site.watch.was_free(seat) for seat in SEATS)
    assert await site.are(others, "free")


async def _lose_gateway(site: Lost) -> None:
    """kill -9, and nobody starts it again."""
    site.watch.begin()
    gateway = site.processes.children["gw-1"]
    gateway.kill()
    await gateway.stop()
    took_s = await site.wait(lambda: site.are(DESKS + SEATS, "unknown"), LIMIT_S, "every place is unknown")
    print(f"gateway lost: unknown after {took_s:.1f} s", file=sys.stderr)
    assert not site.watch.was_free(DOCKED)
    assert not any(site.watch.was_free(seat) for seat in SEATS)
    health = await site.api.get("health")
    assert "gateway_offline:gw-1" in health["reasons"]


async def _lose_ingest(site: Lost, page: Page) -> None:
    """The wall says since when it knows nothing new, and is live again by itself."""
    site.watch.begin()
    await expect(page.locator("body.is-live")).to_be_visible()
    ingest = site.processes.children["ingest"]
    await ingest.stop()
    began = time.monotonic()
    await expect(page.locator("#band-title")).to_contain_text("Stand van", timeout=LIMIT_S * 1000)
    await expect(page.locator("body.is-stale .band")).to_be_visible()
    print(f"ingest lost: the wall says so after {time.monotonic() - began:.1f} s", file=sys.stderr)

    async def is_down() -> bool:
        return bool((await site.api.get("health"))["status"] == "down")

    await site.wait(is_down, LIMIT_S, "the interface says so too")
    await ingest.start()
    began = time.monotonic()
    await expect(page.locator("body.is-live")).to_be_visible(timeout=30_000)
    await expect(page.locator(".band")).to_be_hidden()
    print(f"ingest back: the wall is live after {time.monotonic() - began:.1f} s", file=sys.stderr)
    # All this time nobody spoke for the places: silence has freed none of them.
    assert await site.are(DESKS + SEATS, "unknown")
    assert all(phases == ["unknown"] for phases in site.watch.shown.values()), site.watch.shown


async def _regain_gateway(site: Lost) -> None:
    """Its desks are known again; the seats are not, for their bridge is still away."""
    await site.processes.children["gw-1"].start()
    await site.wait(lambda: site.are([DOCKED], "in_use", "just_left"), 20, "the docked desk is known again")
    await site.wait(lambda: site.are([d for d in DESKS if d != DOCKED], "free"), 20, "the desks are free")
    assert await site.are(SEATS, "unknown")
    assert not site.watch.was_free(DOCKED)
