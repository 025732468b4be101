"""A hundred places from a spreadsheet to the wall, in a browser, on a site of real processes; no file by hand."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from tests.browsers import CHROMIUM
from workplace import floor_plan

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: A loaded machine may be slow; what is right gets there.
SOON_MS = 60_000
PLAN = """# Written by people; this remark must survive.
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways:
  - {id: gw-1, floor: f1}
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [40, 24]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [1, 1, 30, 22]
        islands:
          - {first: 1-W01, at: [4, 20], columns: 4, rows: 1}
      - id: 1-stilte
        kind: silence
        name: {nl: Stilte, en: Silence}
        rect: [32, 1, 7, 22]
        islands:
          - {first: 1-S01, at: [34, 3], columns: 2, rows: 2}
"""
BEFORE, NEW = 8, 100


def spreadsheet() -> str:
    """A hundred new places in rows of ten, each at a port of a switch."""
    lines = ["plek;zone;x;y;switch;poort"]
    for number in range(NEW):
        row, column = divmod(number, 10)
        x, y = f"{3 + column * 2.5:g}".replace(".", ","), f"{2.5 + row * 1.7:g}".replace(".", ",")
        lines.append(f"1-N{number + 1:03};1-werken;{x};{y};sw-{number // 48 + 1};Gi1/0/{number % 48 + 1}")
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.timeout(240)
def test_a_hundred_places_reach_the_wall_from_the_browser(tmp_path: Path, free_port: int) -> None:
    plan_file = tmp_path / "plan.yaml"
    plan_file.write_text(PLAN, "utf-8")
    asyncio.run(_run(plan_file, tmp_path / "site", free_port))
    text = plan_file.read_text("utf-8")
    plan = floor_plan.load(text, "plan.yaml")
    assert text.startswith("# Written by people; this remark must survive.")
    assert len(plan.place) == BEFORE + NEW
    assert {len(plan.place[f"1-N{n:03}"].sensors) for n in range(1, NEW + 1)} == {1}
    assert plan.place["1-N100"].sensors[0].device == "switch-sw-3"
    assert (plan.place["1-N001"].x_m, plan.place["1-N001"].y_m) == (3.1, 3.5)
    actions = [
        json.loads(line) for file in (tmp_path / "site" / "actions").iterdir() for line in file.open("rb")
    ]
    assert [(one["role"], one["action"]) for one in actions] == [
        ("staff", "places_imported"),
        ("staff", "plan_saved"),
    ]


async def _run(plan_file: Path, folder: Path, port: int) -> None:
    settings = SiteProcessSettings(
        site=wiring.read_site(plan_file, None), folder=folder, clock=clocks.wall_clock(), port=port,
        building=False, gateways=False,
    )  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    async with (
        SiteProcesses(settings, lambda text: print(text, file=sys.stderr)),
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        wall = await _page(browser, f"{base}/wall/f1")
        await expect(wall.locator(".places path")).to_have_count(BEFORE)
        desk = await _page(browser, f"{base}/staff/plan/import?lang=nl")
        await _import(desk, wall)
        await _move(desk, base, wall)
        await browser.close()


async def _page(browser: Any, url: str) -> Page:
    page: Page = await browser.new_page(viewport={"width": 1920, "height": 1080})
    page.set_default_timeout(SOON_MS)
    expect.set_options(timeout=SOON_MS)
    await page.goto(url)
    return page


async def _import(desk: Page, wall: Page) -> None:
    sheet = {"name": "plekken.csv", "mimeType": "text/csv", "buffer": spreadsheet().encode()}
    await desk.get_by_label("Een bestand (.csv)").set_input_files(files=[sheet])  # type: ignore[list-item]
    await desk.get_by_role("button", name="Toon wat er verandert").click()
    await expect(desk.locator("#preview .pe-sums")).to_contain_text("100 nieuwe plekken")
    await expect(wall.locator(".places path")).to_have_count(BEFORE)
    pressed_at = time.monotonic()
    await desk.get_by_role("button", name="Ja, zet dit in de plattegrond").click()
    await expect(wall.locator(".places path")).to_have_count(BEFORE + NEW)
    print(f"on the wall after {time.monotonic() - pressed_at:.1f} s", file=sys.stderr)


async def _move(desk: Page, base: str, wall: Page) -> None:
    """Move the first new place with the keys alone, and see its mark move on the wall."""
    await desk.goto(f"{base}/staff/plan/f1?lang=nl")
    await expect(desk.get_by_role("status").first).to_be_attached()
    seat = desk.get_by_role("button", name="1-N001, x 3, y 2.5")
    await seat.focus()
    await desk.keyboard.press("Shift+ArrowDown")
    await desk.keyboard.press("ArrowRight")
    await expect(desk.get_by_label("x van 1-N001 in meters")).to_have_value("3.1")
    await expect(desk.get_by_label("y van 1-N001 in meters")).to_have_value("3.5")
    await desk.locator("#save").press("Enter")
    await expect(desk.locator("#note")).to_have_text(
        "Opgeslagen. Het is onderweg naar de schermen. De schermen tonen het."
    )
    # 20 drawing units per metre
    await expect(wall.locator('.places path[transform="translate(62 70)"]')).to_have_count(1)
