"""The whole way over a broker that somebody else runs: Mosquitto with a password, killed in the middle of work."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from plekvrij import clocks, wiring
from plekvrij.embedded_broker import free_port as any_port
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
NODE = "dsp1-0001000000000001"
CHANNELS = 8
LIGHT_IN_USE = 2  # DSP/1, SET_LIGHT, field `code`
#: Channels 0 and 7 are plugged in once; an odd number of rounds over these leaves laptops in the docks.
ONE_TO_SIX = [1, 2, 3, 4, 5, 6]
#: The same channel comes again only after the node's own dock debounce of 300 ms.
TOGGLE_PAUSE_S = 0.08


#: As shipped, Mosquitto writes its sessions every half hour and keeps 1,000 messages for who is away.
WRITTEN_AT_ONCE = "autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 100000\n"
AS_SHIPPED = ""
#: So long ingest is held back once the broker is there again, s; a gateway is connected after 8 s at most.
HELD_BACK_S = 10.0


class Mosquitto:
    """Debian's broker in a process of its own: one user with a password, nobody without, all of it kept on disk."""

    def __init__(self, folder: Path, persistence: str) -> None:
        folder.mkdir()
        self.port = any_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.credential = folder / "credential.json"
        self.credential.write_text(json.dumps({"user": "plekvrij", "password": "een goed wachtwoord"}))
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(
            [MOSQUITTO_PASSWD, "-b", passwords, "plekvrij", "een goed wachtwoord"],
            check=True,
            capture_output=True,
        )
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\n"
            f"persistence true\npersistence_location {folder}/\n{persistence}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 - the asyncio kind could not be killed after its loop
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(self._listens):
                await asyncio.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def stored_links(database: Path) -> list[tuple[str, int]]:
    """Return (event id, sequence number) of every stored link event that came as an event, not as a report."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(
            "SELECT id, seq FROM event WHERE kind = 'link' AND seq IS NOT NULL AND device = ?", (NODE,)
        ).fetchall()


@pytest.mark.timeout(400)
def test_a_killed_mosquitto_loses_nothing_and_screens_say_so_meanwhile(
    tmp_path: Path,
    small_plan_file: Path,
    active_policy_file: Path,
    free_port: int,
    desk_node: Callable[..., Any],
    site_api: Any,
    until: Callable[..., Any],
    open_wall: Callable[..., Any],
) -> None:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed")
    broker = Mosquitto(tmp_path / "mosquitto", WRITTEN_AT_ONCE)
    node = desk_node(tmp_path / "site", NODE, CHANNELS)
    settings = SiteProcessSettings(
        site=wiring.read_site(small_plan_file, active_policy_file),
        folder=tmp_path / "site",
        clock=clocks.scaled_clock(datetime.now(UTC), 1.0),
        port=free_port,
        broker=broker.url,
        credential=broker.credential,
        building=False,
    )

    async def story() -> None:
        await broker.start()
        await node.start()
        async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
            await _a_dock_is_seen_and_lit(node, site_api, until)
            async with open_wall(free_port) as page:
                await expect(page.locator("body.is-live")).to_be_visible()
                await _toggle(node, ONE_TO_SIX * 3)
                broker.kill()
                await _toggle(node, [*ONE_TO_SIX * 2, 7])
                await until(
                    lambda: _is_down(site_api), within_s=60, what="health says that the broker is gone"
                )
                await expect(page.locator("#band-title")).to_contain_text("Stand van", timeout=40_000)
                await expect(page.locator("body.is-stale .band")).to_be_visible()
                await broker.start()
                await _toggle(node, ONE_TO_SIX * 2)
                await expect(page.locator("body.is-live")).to_be_visible(timeout=60_000)
            await until(
                lambda: _stored(processes.database, node.toggles), within_s=60, what="all links are stored"
            )
            assert all(node.docked)
            await until(lambda: _all_in_use(site_api), within_s=60, what="every desk is in use")
            await until(lambda: _all_lit(node), within_s=60, what="every light says in use")
            assert all(child.restarts == 0 for child in processes.children.values())

    async def bounded() -> None:
        try:
            await story()
        finally:
            await node.stop()
            broker.kill()

    asyncio.run(bounded())
    rows = stored_links(tmp_path / "site" / "site.db")
    assert len(rows) == node.toggles
    assert len({event_id for event_id, _ in rows}) == len({seq for _, seq in rows}) == node.toggles


@pytest.mark.timeout(400)
def test_a_broker_that_forgot_its_sessions_gets_nothing_before_ingest_listens(
    tmp_path: Path,
    small_plan_file: Path,
    free_port: int,
    desk_node: Callable[..., Any],
    until: Callable[..., Any],
) -> None:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed")
    broker = Mosquitto(tmp_path / "mosquitto", AS_SHIPPED)
    node = desk_node(tmp_path / "site", NODE, CHANNELS)
    settings = SiteProcessSettings(
        site=wiring.read_site(small_plan_file, None),
        folder=tmp_path / "site",
        clock=clocks.scaled_clock(datetime.now(UTC), 1.0),
        port=free_port,
        broker=broker.url,
        credential=broker.credential,
        building=False,
    )

    async def all_stored(database: Path) -> None:
        await until(lambda: _stored(database, node.toggles), within_s=60, what="all links are stored")

    async def story() -> None:
        await broker.start()
        await node.start()
        async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
            await _toggle(node, ONE_TO_SIX)
            await all_stored(processes.database)
            ingest = processes.children["ingest"].pid
            broker.kill()
            os.kill(ingest, signal.SIGSTOP)
            try:
                await _toggle(node, ONE_TO_SIX)
                await broker.start()
                await asyncio.sleep(HELD_BACK_S)
                await _toggle(node, ONE_TO_SIX)
            finally:
                os.kill(ingest, signal.SIGCONT)
            await all_stored(processes.database)

    async def bounded() -> None:
        try:
            await story()
        finally:
            await node.stop()
            broker.kill()

    asyncio.run(bounded())
    rows = stored_links(tmp_path / "site" / "site.db")
    assert len({event_id for event_id, _ in rows}) == len({seq for _, seq in rows}) == node.toggles


async def _a_dock_is_seen_and_lit(node: Any, api: Any, until: Callable[..., Any]) -> None:
    await node.toggle(0)
    await until(lambda: _is(api, "1-W1", "in_use"), within_s=60, what="the place is in use")
    await until(lambda: _said(node, 0, LIGHT_IN_USE), within_s=60, what="the light of the place says in use")


async def _toggle(node: Any, channels: Sequence[int]) -> None:
    for channel in channels:
        await node.toggle(channel)
        await asyncio.sleep(TOGGLE_PAUSE_S)


async def _is(api: Any, place: str, phase: str) -> bool:
    return (await api.phases())[place] == phase


async def _said(node: Any, channel: int, code: int) -> bool:
    return node.lights_of(channel)[-1:] == [code]


async def _is_down(api: Any) -> bool:
    health = await api.get("health")
    return health["status"] == "down" and "broker_disconnected" in health["reasons"]


async def _stored(database: Path, wanted: int) -> bool:
    return len(stored_links(database)) >= wanted


async def _all_in_use(api: Any) -> bool:
    phases = await api.phases()
    return all(phases[f"1-W{number}"] == "in_use" for number in range(1, CHANNELS + 1))


async def _all_lit(node: Any) -> bool:
    return all(node.lights_of(channel)[-1:] == [LIGHT_IN_USE] for channel in range(CHANNELS))
