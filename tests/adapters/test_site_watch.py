"""Who runs on a plan and a policy goes on with the new ones when somebody changes the files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from plekvrij import wiring
from plekvrij.devices_command import claim, entry_of, replace_file
from plekvrij.site_watch import changed, run_with_newest
from plekvrij.wiring import Site
from workplace.errors import SettingInvalid

LOOK_S = 0.02
POLICY = "site: raadhuis\noccupancy: {model: hand_tuned}\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    plan, policy = tmp_path / "plan.yaml", tmp_path / "policy.yaml"
    plan.write_bytes(wiring.DEMO_PLAN.read_bytes())
    policy.write_text(POLICY, "utf-8")
    return wiring.read_site(plan, policy)


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


def test_a_claimed_device_is_in_the_plan_of_a_running_site(site: Site) -> None:
    runs: list[Site] = []
    ended: list[Site] = []

    async def serve(newest: Site) -> None:
        runs.append(newest)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(newest)

    async def story() -> None:
        running = asyncio.create_task(run_with_newest(site, serve))
        await until(lambda: runs, "the first run")
        claim(site.plan_file, entry_of("ble-00005e005355", "2-O01", "ble_seat", None, None))
        await until(lambda: len(runs) == 2, "a run on the new plan")
        assert "ble-00005e005355" not in runs[0].plan.devices
        assert runs[1].plan.devices["ble-00005e005355"] == "gw-2"
        assert ended == [site], "one at a time"
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended == runs

    asyncio.run(story())


def test_a_file_with_a_mistake_is_refused_and_the_next_sound_one_taken(site: Site) -> None:
    assert site.policy_file is not None
    policy_file = site.policy_file

    async def story() -> None:
        with structlog.testing.capture_logs() as logs:
            waiting = asyncio.create_task(changed(site, LOOK_S))
            replace_file(policy_file, "site: raadhuis\nrules: {away_limit_s: 5}\n")
            await until(lambda: logs, "the refusal is told")
            policy_file.unlink()
            await until(lambda: len(logs) == 2, "the missing file is told")
            assert not waiting.done()
            policy_file.write_text(POLICY + "# a remark changes nothing\n", "utf-8")
            plan_text = site.plan_file.read_text("utf-8").replace("nl: Raadhuis", "nl: Stadskantoor")
            replace_file(site.plan_file, plan_text)
            newest = await asyncio.wait_for(waiting, 30)
        assert newest.plan.name.nl == "Stadskantoor"
        assert [entry["event"] for entry in logs] == ["site_files_refused"] * 2

    asyncio.run(story())


def test_what_ends_by_itself_or_fails_is_not_started_again(site: Site) -> None:
    async def fails(_newest: Site) -> None:
        raise SettingInvalid("no")

    async def ends(_newest: Site) -> None:
        return

    with pytest.raises(SettingInvalid):
        asyncio.run(run_with_newest(site, fails))
    asyncio.run(run_with_newest(site, ends))
