"""A laptop in a dock and nobody there: what an agreed policy makes of it, and what a site on trial keeps to itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Page, expect

from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from workplace.floor_plan import FloorPlan
from workplace.webhook_seal import check_signature

NODE = "dsp1-0001000000000001"
SPEED = 600.0
#: DSP/1, SET_LIGHT, field `code`.
LIGHT_FREE, LIGHT_IN_USE, LIGHT_RECLAIMABLE = 1, 2, 4
#: The place that is left, and one where somebody stays.
LEFT, KEPT = "1-W1", "1-W2"
LEFT_CHANNEL, KEPT_CHANNEL = 0, 1
#: Somebody at a desk moves every 2 min of site time; the place counts as left after 10.
MOVES_EVERY_S = 0.2
#: Default policy: 50 min with room, 30 when scarce, 90 over lunch.
SHORTEST_AWAY_S = 30 * 60


KEY = b"k" * 64


class Sign(ThreadingHTTPServer):
    """Somebody's program that a webhook tells."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(inner) -> None:  # noqa: N805
                body = inner.rfile.read(int(inner.headers["content-length"]))
                stamp, signature = inner.headers["plekvrij-timestamp"], inner.headers["plekvrij-signature"]
                check_signature(body, stamp, signature, [KEY], datetime.now(UTC))
                self.told.append(json.loads(body))
                inner.send_response(204)
                inner.end_headers()

            def log_message(inner, *_: Any) -> None:  # noqa: N805
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    def told_of(self, place: str) -> list[tuple[str, str]]:
        """Return kind and cause of what was told of a place, in order, each once; whether it got a note before
        depends on how soon its user left (R4).
        """
        said = [(one["kind"], one["cause"]) for one in self.told if one["place"] == place]
        return list(dict.fromkeys(one for one in said if one[0] != "note"))


@pytest.fixture
def sign() -> Iterator[Sign]:
    server = Sign()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(20)


@pytest.fixture
def channels_file(tmp_path: Path, sign: Sign) -> Path:
    (tmp_path / "sign.key").write_bytes(KEY)
    (tmp_path / "sign.key").chmod(0o600)
    url = f"http://127.0.0.1:{sign.server_port}/in"
    webhook = {"kind": "webhook", "url": url, "key_files": ["sign.key"], "allow_private": True}
    file = tmp_path / "channels.yaml"
    file.write_text(yaml.safe_dump({"channels": {"sign": webhook}}))
    return file


class Story:
    """One site of which the test plays two desks."""

    def __init__(self, node: Any, api: Any, until: Callable[..., Awaitable[Any]], folder: Path) -> None:
        self.folder = folder
        self.node, self.api, self._until = node, api, until
        self.phases: list[str] = []
        self.reclaimable_seen = 0
        #: How often everybody has moved.
        self.rounds = 0
        self._somebody_at = {LEFT_CHANNEL, KEPT_CHANNEL}

    async def sit(self) -> None:
        """Move at every desk where somebody is, until cancelled."""
        while True:
            for channel in sorted(self._somebody_at):
                await self.node.move(channel)
            self.rounds += 1
            await asyncio.sleep(MOVES_EVERY_S)

    async def watch(self) -> None:
        """Note each phase that the left place shows, until cancelled."""
        while True:
            floor = await self.api.get("floors/f1")
            phase = next(place["state"] for place in floor["places"] if place["id"] == LEFT)
            if self.phases[-1:] != [phase]:
                self.phases.append(phase)
            self.reclaimable_seen = max(self.reclaimable_seen, *(z["reclaimable"] for z in floor["zones"]))
            await asyncio.sleep(0.05)

    async def dock_and_leave(self) -> None:
        """Both dock and work on; when both places are in use, one person walks off and leaves the laptop."""
        await self.node.toggle(LEFT_CHANNEL)
        await self.node.toggle(KEPT_CHANNEL)
        docked = self.rounds
        await self.wait(self._both_in_use, 20, "both places are in use")
        # Docking alone makes a place in use; the round that was under way may have been before it.
        await self.wait(_truth(lambda: self.rounds >= docked + 3), 20, "both have moved since")
        self._somebody_at.discard(LEFT_CHANNEL)

    async def reclaimable_decision(self) -> dict[str, Any] | None:
        decisions = await self.api.get(f"places/{LEFT}/decisions")
        return next((made for made in decisions if made["action"] == "reclaimable"), None)

    async def notifier_has_read_all(self) -> bool:
        """Return whether the process that tells people has looked at every decision so far."""
        queries = {
            "site.db": "SELECT max(number) FROM decision",
            "channels.db": "SELECT value FROM meta WHERE key = 'number'",
        }
        found = []
        for file, query in queries.items():
            with contextlib.closing(
                sqlite3.connect(f"file:{self.folder / file}?mode=ro", uri=True)
            ) as database:
                found.append(database.execute(query).fetchone())
        return found[0] == found[1]

    async def wait(self, condition: Callable[[], Awaitable[Any]], within_s: float, what: str) -> Any:
        return await self._until(condition, within_s=within_s, what=what)

    async def has_phase(self, phase: str) -> bool:
        return bool((await self.api.phases())[LEFT] == phase)

    async def has_light(self, code: int) -> bool:
        return bool(self.node.lights_of(LEFT_CHANNEL)[-1:] == [code])

    async def _both_in_use(self) -> bool:
        phases = await self.api.phases()
        return bool(phases[LEFT] == phases[KEPT] == "in_use")


@pytest.fixture
def play(
    tmp_path: Path,
    small_plan_file: Path,
    small_plan: FloorPlan,
    free_port: int,
    desk_node: Callable[..., Any],
    site_api: Any,
    until: Callable[..., Any],
    open_wall: Callable[..., Any],
    channels_file: Path,
) -> Callable[..., Story]:
    """Return a function that runs a story on a Tuesday from eight, ten minutes to the second."""

    def run(policy_file: Path | None, tell: Callable[[Story, Page], Awaitable[None]]) -> Story:
        node = desk_node(tmp_path / "site", NODE, 8, speed=SPEED)
        story = Story(node, site_api, until, tmp_path / "site")
        # By the time that all processes stand it is past nine, and the rules are in force.
        eight = datetime(2026, 11, 24, 8, tzinfo=small_plan.tz)
        settings = SiteProcessSettings(
            site=wiring.read_site(small_plan_file, policy_file),
            folder=tmp_path / "site",
            clock=clocks.scaled_clock(eight, SPEED),
            port=free_port,
            building=False,
            channels=channels_file,
        )

        async def live() -> None:
            await node.start()
            try:
                async with (
                    SiteProcesses(settings, lambda text: print(text, file=sys.stderr)),
                    open_wall(free_port) as page,
                ):
                    others = [
                        asyncio.create_task(work(), name=work.__name__) for work in (story.sit, story.watch)
                    ]
                    try:
                        await story.dock_and_leave()
                        await tell(story, page)
                    finally:
                        for other in others:
                            other.cancel()
                        await asyncio.gather(*others, return_exceptions=True)
            finally:
                await node.stop()

        asyncio.run(live())
        return story

    return run


@pytest.mark.timeout(400)
def test_a_left_place_may_be_used_by_others_after_its_away_limit(
    play: Callable[..., Story], active_policy_file: Path, sign: Sign
) -> None:
    async def tell(story: Story, page: Page) -> None:
        await story.wait(lambda: story.has_phase("reclaimable"), 30, "the place is reclaimable")
        await expect(page.locator(".places path.p-r")).to_have_count(1)
        words = page.locator(".card .counts .r", has_text="mag gebruikt worden").locator("visible=true")
        await expect(words).to_have_count(1)
        await expect(words.locator("b")).to_have_text("1")
        zones = (await story.api.get("floors"))[0]["zones"]
        assert {zone["id"]: zone["reclaimable"] for zone in zones} == {"1-werken": 1, "1-ontmoeten": 0}
        await story.wait(lambda: story.has_light(LIGHT_RECLAIMABLE), 5, "its light says so")
        _explains_itself(await story.reclaimable_decision(), mode="active", acted=True)
        told = [("reclaimable", "reclaimable")]
        await story.wait(_truth(lambda: sign.told_of(LEFT) == told), 20, "a program was told so too")
        await _others_may_ask(story, page)
        told.append(("taken_back", "free"))
        await story.wait(_truth(lambda: sign.told_of(LEFT) == told), 20, "and that it is free now")
        (channel,) = (await story.api.get("health"))["channels"]
        assert (channel["name"], channel["state"]) == ("sign", "ok")

    story = play(active_policy_file, tell)
    assert story.phases[-4:] == ["in_use", "just_left", "reclaimable", "free"], story.phases
    shown = [code for code in story.node.lights_of(LEFT_CHANNEL) if code in {LIGHT_IN_USE, LIGHT_RECLAIMABLE}]
    assert shown == [LIGHT_IN_USE, LIGHT_RECLAIMABLE]


@pytest.mark.timeout(400)
def test_a_site_on_trial_records_the_same_and_tells_nobody(play: Callable[..., Story], sign: Sign) -> None:
    async def tell(story: Story, page: Page) -> None:
        decision = await story.wait(story.reclaimable_decision, 30, "the decision is recorded")
        _explains_itself(decision, mode="shadow", acted=False)
        assert await story.has_phase("just_left")
        await expect(page.locator("#policy")).to_contain_text("proef")
        await expect(page.locator(".places path.p-r")).to_have_count(0)
        await expect(page.locator(".card .counts .r").locator("visible=true")).to_have_count(0)
        await story.wait(story.notifier_has_read_all, 20, "the notifier has looked at it")

    story = play(None, tell)
    assert sign.told == []
    assert story.phases[-2:] == ["in_use", "just_left"], story.phases
    assert story.reclaimable_seen == 0
    assert story.node.lights == []


def _truth(claim: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return claim()

    return look


def _explains_itself(decision: dict[str, Any] | None, *, mode: str, acted: bool) -> None:
    assert decision is not None
    assert decision["rule"] in {"R6", "R7", "R8"}
    assert (decision["mode"], decision["acted"]) == (mode, acted)
    assert decision["away_s"] >= SHORTEST_AWAY_S
    assert decision["stay_s"] >= decision["away_s"]
    signals = {signal["kind"]: signal for signal in decision["signals"]}
    assert signals["link"]["value"] is True
    assert signals["motion"]["age_s"] >= SHORTEST_AWAY_S - 60
    assert decision["counterfactual"].startswith("one sign of presence after")
    assert len(decision["policy_hash"]) == 64


async def _others_may_ask(story: Story, page: Page) -> None:
    """Staff frees the left place; whoever stays gets more time."""
    status, answer = await story.api.post(f"places/{LEFT}/requests", {"action": "release"})
    assert (status, answer["accepted"], answer["reason"]) == (200, True, "ok")
    await story.wait(lambda: story.has_phase("free"), 5, "the released place is free")
    await expect(page.locator(".places path.p-r")).to_have_count(0)
    status, answer = await story.api.post(f"places/{KEPT}/requests", {"action": "extend", "minutes": 60})
    assert (status, answer["accepted"]) == (200, True), answer

    async def is_extended() -> bool:
        return (await story.api.get(f"places/{KEPT}"))["extended_until"] is not None

    await story.wait(is_extended, 5, "the page's own state says so too")
