"""The whole example building is pulled at once: wires, bridges, boards, radio and switch. Nothing turns free."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plekvrij import clocks, demo_radios, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from workplace.device_ids import PREFIXES
from workplace.floor_plan import FloorPlan

SPEED = 60.0
#: Patience with a busy machine, s; LoRaWAN sensors may be silent for three hours, three minutes here.
LIMIT_S = 120.0
#: Families whose loss is told, not only noticed by its silence.
FAMILIES = ("dsp1", "zigbee2mqtt", "esphome", "tasmota", "shelly", "switch", "ble")


def places_of(plan: FloorPlan, family: str) -> set[str]:
    """Return the places with a device of a family and none of a family that is not lost at once."""
    prefix = PREFIXES[family] + "-"
    return {
        place.id
        for place in plan.place.values()
        if any(sensor.device.startswith(prefix) for sensor in place.sensors)
        and not any(sensor.device.startswith("lora-") for sensor in place.sensors)
    }


@pytest.mark.skipif(not demo_radios.is_available(), reason="needs dbus-daemon (Debian: dbus)")
@pytest.mark.timeout(400)
def test_a_building_that_goes_dark_is_unknown_and_never_free(
    tmp_path: Path, free_port: int, site_api: Any, until: Callable[..., Any]
) -> None:
    site = wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY)
    clock = clocks.scaled_clock(datetime(2026, 11, 24, 10, tzinfo=site.plan.tz), SPEED)
    settings = SiteProcessSettings(site=site, folder=tmp_path / "site", clock=clock, port=free_port)
    by_family = {family: places_of(site.plan, family) for family in FAMILIES}

    async def phases() -> dict[str, str]:
        found: dict[str, str] = {}
        for floor in site.plan.floor:
            found |= await site_api.phases(floor)
        return found

    async def are_known() -> bool:
        shown = await phases()
        return all(any(shown[place] != "unknown" for place in places) for places in by_family.values())

    async def still_known() -> dict[str, str]:
        shown = await phases()
        lost = set().union(*by_family.values())
        return {
            place: phase
            for place, phase in shown.items()
            if place in lost and phase not in ("unknown", "exempt")
        }

    async def are_unknown() -> bool:
        known = await still_known()
        print(f"still known: {known}", file=sys.stderr)
        return not known

    async def story() -> None:
        async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
            assert all(by_family.values()), "the example has every family"
            await until(are_known, within_s=LIMIT_S, what="places of every family are known")
            building = processes.children["building"]
            building.kill()
            await building.stop()
            await until(are_unknown, within_s=LIMIT_S, what="every place of a lost family is unknown")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):  # five minutes of the site's time
                    while True:
                        assert await are_unknown(), "silence has told something"
                        await asyncio.sleep(0.2)

    asyncio.run(story())
