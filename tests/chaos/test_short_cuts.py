"""`make cuts` with one cut of each link: nothing that is taken is shown as free, and what is cut off turns grey."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.browsers import CHROMIUM
from tests.chaos.cut_links import SCREEN, Order
from tests.chaos.cut_player import CutFigures, lines_of, merged
from tests.chaos.cuts import play
from tests.chaos.town_hall import HallSettings
from tests.chaos.wall import BrowserScreen, ScriptScreen, WallScreen
from workplace.floor_plan import Floor

#: At the same time in halls of their own, of which every floor has one node; the parts of the first are cut together.
HALLS = ((3, ("sensor", "gateway", SCREEN)), (1, ("broker",)), (1, ("ingest",)))


@pytest.mark.timeout(600)
def test_no_cut_link_makes_a_screen_lie(tmp_path: Path) -> None:
    figures = asyncio.run(_play(tmp_path))
    print("\n".join(lines_of(figures)), file=sys.stderr)
    assert figures.is_whole, list(lines_of(figures))
    assert [tally.cuts for tally in figures.links.values()] == [1, 1, 1, 1, 1]
    assert figures.taken_behind > 0, "nobody sat down while something was cut"


async def _play(folder: Path) -> CutFigures:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})

        def screen_of(floor: Floor, port: int) -> WallScreen:
            """The screen that is cut off hangs in the browser."""
            return BrowserScreen(floor, page, port) if floor.number == 2 else ScriptScreen(floor, port)

        playing = [
            play(_settings(folder / str(number), floors, number), [Order(links)], screen_of)
            for number, (floors, links) in enumerate(HALLS)
        ]
        figures = merged(await asyncio.gather(*playing))
        await browser.close()
    return figures


def _settings(folder: Path, floors: int, seed: int) -> HallSettings:
    return HallSettings(
        folder=folder, broker="nats", gateways=floors, nodes=1, seed=seed, with_influx=False, with_disks=False
    )
