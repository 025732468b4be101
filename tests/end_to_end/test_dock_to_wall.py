"""From a plug at a desk to the mark on the wall screen, through every real process, in real time."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Page, async_playwright

from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from tests.browsers import CHROMIUM
from workplace.floor_plan import FloorPlan, Place

EVENTS = 50
P95_LIMIT_S = 1.0
FLOOR = "f3"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

#: Notes, for each mark of the floor, when its class changed; Date.now() is the machine's clock, as time.time() is.
WATCH = """() => {
  window.changes = [];
  const marks = [...document.querySelectorAll('.places path.p')];
  new MutationObserver(records => {
    for (const record of records) {
      const index = marks.indexOf(record.target);
      if (index >= 0) window.changes.push([index, record.target.getAttribute('class'), Date.now()]);
    }
  }).observe(document.querySelector('.places'), {subtree: true, attributes: true, attributeFilter: ['class']});
  return marks.length;
}"""


@pytest.fixture
def one_floor(tmp_path: Path, example_plan: FloorPlan) -> Path:
    """The example's third floor by itself."""
    plan = yaml.safe_load((wiring.DEMO_PLAN).read_text("utf-8"))
    plan["floors"] = [floor for floor in plan["floors"] if floor["id"] == FLOOR]
    plan["gateways"] = [gateway for gateway in plan["gateways"] if gateway["floor"] == FLOOR]
    here = {place for place, found in example_plan.place.items() if found.floor == FLOOR}
    for what in ("devices", "lights"):
        plan[what] = [entry for entry in plan[what] if entry["place"] in here]
    file = tmp_path / "floor.plan.yaml"
    file.write_text(yaml.safe_dump(plan), "utf-8")
    return file


@pytest.mark.timeout(400)
def test_a_plug_changes_the_mark_on_the_wall_within_a_second(
    tmp_path: Path, one_floor: Path, free_port: int, desk_node: Callable[..., Any]
) -> None:
    site = wiring.read_site(one_floor, None)
    delays_s = asyncio.run(_measure(site, tmp_path / "site", free_port, desk_node))
    p95_s = statistics.quantiles(delays_s, n=20)[-1]
    print(
        f"dock to wall: p50 {statistics.median(delays_s):.3f} s, p95 {p95_s:.3f} s, n = {len(delays_s)}",
        file=sys.stderr,
    )
    assert len(delays_s) == EVENTS
    assert p95_s < P95_LIMIT_S, sorted(delays_s)[-5:]


async def _measure(site: wiring.Site, folder: Path, port: int, desk_node: Callable[..., Any]) -> list[float]:
    nodes = {
        device: desk_node(folder, device, channels) for device, channels in _channels_of(site.plan).items()
    }
    for node in nodes.values():
        await node.start()
    clock = clocks.scaled_clock(datetime.now(UTC), 1.0)
    settings = SiteProcessSettings(site=site, folder=folder, clock=clock, port=port, building=False)
    try:
        async with (
            SiteProcesses(settings, lambda text: print(text, file=sys.stderr)),
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            page = await browser.new_page(viewport={"width": 1920, "height": 1080})
            await page.goto(f"http://127.0.0.1:{port}/wall/{FLOOR}")
            return [
                await _plug(page, nodes, place, index) async for place, index in _desks(site.plan, page, port)
            ]
    finally:
        for node in nodes.values():
            await node.stop()


def _channels_of(plan: FloorPlan) -> dict[str, int]:
    found: dict[str, int] = {}
    for place in plan.place.values():
        if place.light is not None:
            found[place.light.device] = found.get(place.light.device, 0) + 1
    return found


async def _desks(plan: FloorPlan, page: Page, port: int) -> Any:
    marks = [place for zone in plan.floors[0].zones for place in zone.places]
    assert await page.evaluate(WATCH) == len(marks)
    async with asyncio.timeout(60):
        # live when the gateway has reported its nodes: nothing is plugged in before that
        while (await (await page.request.get(f"http://127.0.0.1:{port}/api/v1/health")).json())[
            "status"
        ] != "ok":
            await asyncio.sleep(0.1)
    wired = [(place, index) for index, place in enumerate(marks) if place.light is not None]
    for place, index in wired[:EVENTS]:
        yield place, index


async def _plug(page: Page, nodes: dict[str, Any], place: Place, index: int) -> float:
    assert place.light is not None
    plugged_at = time.time()
    await nodes[place.light.device].toggle(int(place.light.channel or 0))
    async with asyncio.timeout(60):
        while True:
            changes = await page.evaluate("() => window.changes")
            shown = [at for mark, style, at in changes if mark == index and "p-u" in style.split()]
            if shown:
                return max(0.0, shown[0] / 1000 - plugged_at)
            await asyncio.sleep(0.02)
