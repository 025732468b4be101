"""Wall screens with a link of their own, and what a wall does when something behind it goes away."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboard.themes import read_theme
from dashboard.wall.screen_links import Screen, ScreenLinks, add_screen, read_seen, withdraw_screen
from tests.accessibility import broken_rules

Shoot = Callable[..., None]
expect.set_options(timeout=60_000)
LANDSCAPE, PORTRAIT, PHONE = (1920, 1080), (1080, 1920), (390, 844)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(served: Any, data: Path) -> Iterator[Any]:
    """One town hall for all tests here, where walls need a link."""
    with served(screens=ScreenLinks(data), screens_need_links=True) as made:
        yield made


@pytest.fixture
def fresh(site: Any) -> Any:
    """The same town hall as a test expects to find it."""
    site.fill()
    site.muted.clear()
    site.speak()
    site.tell()
    return site


@pytest.fixture
def link(fresh: Any, data: Path, request: pytest.FixtureRequest) -> str:
    """A link to floor 3 for this test alone."""
    name = re.sub(r"\W", "-", request.node.name)[-40:]
    return f"{fresh.url}/s/{add_screen(data, name, 'f3', (2.0, 9.5), fresh.clock.now())}"


def screen_of(data: Path, link: str) -> Screen:
    screen = ScreenLinks(data).find(link.rsplit("/", 1)[1])
    assert screen is not None
    return screen


def state_is(page: Page, state: str) -> None:
    expect(page.locator("body")).to_have_class(re.compile(rf"\bis-{state}\b"))


def says_withdrawn(page: Page) -> None:
    expect(page.get_by_role("heading", name="De link van dit scherm is ingetrokken")).to_be_visible()
    expect(page.get_by_role("heading", name="The link of this screen was withdrawn")).to_be_visible()
    assert page.locator(".p").count() == 0


def nothing_sticks_out(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


# --- a link of its own


def test_a_screen_with_a_link_is_live_and_seen(link: str, fresh: Any, pages: Any, data: Path) -> None:
    page = pages.open(link)
    state_is(page, "live")
    fresh.set_zone("3-stilte", "in_use", but=4)
    fresh.tell()
    expect(page.locator(".card").filter(has_text="Stilte").locator(".n")).to_have_text("4")
    here = page.locator(".here-dot")
    assert (here.get_attribute("cx"), here.get_attribute("cy")) == ("40", "190")
    assert pages.complaints == []
    name = screen_of(data, link).id
    for _ in range(600):  # written within a second or so
        if name in read_seen(data):
            break
        page.wait_for_timeout(100)
    assert read_seen(data)[name] == fresh.clock.now()


def test_a_withdrawn_screen_says_so_by_itself(
    link: str, fresh: Any, pages: Any, data: Path, shoot: Shoot
) -> None:
    page = pages.open(link)
    state_is(page, "live")
    withdraw_screen(data, screen_of(data, link).name, fresh.clock.now())
    says_withdrawn(page)
    for width, height in (LANDSCAPE, PORTRAIT, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        nothing_sticks_out(page)
        shoot(page, f"screen_withdrawn_{width}")


def test_a_screen_whose_link_went_while_it_was_cut_off_says_so(
    link: str, fresh: Any, pages: Any, data: Path
) -> None:
    with Cable(urlsplit(link).port or 0).laid() as cable:
        page = pages.open(f"http://127.0.0.1:{cable.port}{urlsplit(link).path}")
        state_is(page, "live")
        cable.pull()
        withdraw_screen(data, screen_of(data, link).name, fresh.clock.now())
        cable.put_back()
        says_withdrawn(page)
        page.close()


@pytest.mark.parametrize("path", ["/s/" + "A" * 32, "/wall/f3"])
def test_pages_of_a_refusal_break_no_accessibility_rule(
    fresh: Any, pages: Any, shoot: Shoot, path: str
) -> None:
    page = pages.open(fresh.url + path, bypass_csp=True)
    expect(page.locator("h1")).to_be_visible()
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)
    shoot(page, f"screen_refused_{path[1]}")


# --- what goes away


def test_one_silent_zone_turns_grey_and_says_since_when(
    link: str, fresh: Any, pages: Any, shoot: Shoot
) -> None:
    page, tall = pages.open(link), pages.open(f"{link}?lang=en", size=PORTRAIT)
    state_is(page, "live")
    card = page.locator(".card").filter(has=page.get_by_role("heading", name="Stilte"))
    expect(card).not_to_have_class(re.compile("old"))
    heard = fresh.clock.now()
    fresh.muted.add("3-stilte")
    fresh.clock.at += timedelta(seconds=40)
    fresh.pass_silently(40)
    fresh.tell(places=False)
    expect(card).to_have_class(re.compile("old"))
    expect(card.locator(".a")).to_have_text(f"laatst gehoord om {heard.astimezone(fresh.plan.tz):%H:%M}")
    expect(card.locator(".n")).to_have_text(re.compile(r"\d+"))
    state_is(page, "live")
    other = tall.locator(".card").filter(has=tall.get_by_role("heading", name="Silence"))
    expect(other.locator(".a")).to_have_text(re.compile("last heard at"))
    shoot(page, "wall_zone_stale_l")
    shoot(tall, "wall_zone_stale_p")
    fresh.pass_silently(120)
    fresh.tell(places=False)
    expect(card.locator(".n")).to_have_text("–")
    expect(card.locator(".a")).to_be_visible()
    silent = page.locator(".places path").nth(64)
    expect(silent).to_have_class("p p-x")
    state_is(page, "live")
    nothing_sticks_out(page)
    shoot(page, "wall_zone_off_l")
    assert pages.complaints == []


class Cable:
    """A TCP relay to the server that can be pulled out and put back, at the same address."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._streams: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._is_in = True
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.port = 0

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._relay, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._over.wait()
            self._abort_all()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_in:
            writer.transport.abort()
            return
        there, to = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, to}
        await asyncio.gather(self._copy(reader, to), self._copy(there, writer))
        self._writers -= {writer, to}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(65536):
                if b"text/event-stream" in block:
                    self._streams.add(writer)
                if writer in self._deaf:
                    continue
                writer.write(block)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _abort_all(self) -> None:
        self._is_in = False
        for writer in self._writers:
            writer.transport.abort()

    def pull(self) -> None:
        self._loop.call_soon_threadsafe(self._abort_all)

    def freeze(self) -> None:
        """Let open streams stay open and carry nothing more; other connections work."""
        self._loop.call_soon_threadsafe(lambda: self._deaf.update(self._streams))

    def put_back(self) -> None:
        self._loop.call_soon_threadsafe(lambda: setattr(self, "_is_in", True))

    @contextmanager
    def laid(self) -> Iterator[Cable]:
        self._thread.start()
        assert self._ready.wait(60)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(60)


def test_a_screen_without_a_connection_says_so_and_comes_back_whole(
    served: Any, pages: Any, shoot: Shoot
) -> None:
    with (
        served(stale_after_s=1.5, off_after_s=3.0) as short,
        Cable(urlsplit(short.url).port or 0).laid() as cable,
    ):
        page = pages.open(f"http://127.0.0.1:{cable.port}/wall/f3")
        state_is(page, "live")
        cable.pull()
        state_is(page, "stale")
        expect(page.locator("#band-title")).to_have_text("Stand van 10:30")
        state_is(page, "off")
        expect(page.locator("#band-title")).to_have_text("Geen actuele gegevens")
        expect(page.locator(".n").first).to_have_text("–")
        shoot(page, "wall_cable_pulled")
        short.set_zone("3-stilte", "in_use", but=6)  # nobody hears it
        short.tell()
        cable.put_back()
        state_is(page, "live")
        expect(page.locator(".card").filter(has_text="Stilte").locator(".n")).to_have_text("6")
        shapes = page.evaluate(
            "[...document.querySelectorAll('.places path')].slice(40).map(p => p.dataset.s || 'f')"
        )
        assert shapes.count("u") == 19


def test_a_connection_that_hangs_is_replaced(link: str, fresh: Any, pages: Any) -> None:
    with Cable(urlsplit(link).port or 0).laid() as cable:
        page = pages.open("about:blank")
        page.clock.install()
        page.goto(f"http://127.0.0.1:{cable.port}{urlsplit(link).path}")
        state_is(page, "live")
        expect(page.locator(".places path").first).to_have_attribute("data-s", re.compile("."))
        cable.freeze()
        fresh.set_zone("3-stilte", "in_use", but=6)
        fresh.tell()
        page.clock.fast_forward(16_000)  # fifteen seconds without a sign of life
        expect(page.locator(".card").filter(has_text="Stilte").locator(".n")).to_have_text("6")
        state_is(page, "live")
        page.close()


def test_a_screen_starts_afresh_once_a_night(link: str, fresh: Any, pages: Any) -> None:
    fresh.clock.at += timedelta(hours=17)  # 03:30
    fresh.tell()
    page = pages.open("about:blank")
    page.clock.install()
    page.goto(link)
    expect(page.locator("html")).to_have_class("night")
    page.evaluate("window.isOld = true")
    with page.expect_navigation(timeout=60_000):
        page.clock.fast_forward(20 * 3_600_000 + 1)
        page.clock.run_for(600_000)
    fresh.clock.at -= timedelta(hours=17)
    state_is(page, "live")
    assert page.evaluate("window.isOld") is None


def test_a_screen_loads_again_when_the_pages_changed(link: str, fresh: Any, pages: Any) -> None:
    page = pages.open(link)
    state_is(page, "live")
    page.evaluate("window.isOld = true")
    known = fresh.feed._build
    fresh.feed._build = "another"
    with page.expect_navigation(timeout=60_000):
        fresh.loop.call_soon_threadsafe(fresh.feed.close)
    fresh.feed._build = known
    expect(page.locator("#clock")).to_have_text("10:30")
    page.wait_for_load_state("load")
    assert page.evaluate("window.isOld") is None


# --- for weeks on end


@pytest.mark.parametrize(("motion", "takes"), [("no-preference", "2s"), ("reduce", "0s")])
def test_the_picture_moves_a_little_so_that_nothing_burns_in(
    link: str, fresh: Any, pages: Any, motion: Any, takes: str
) -> None:
    page = pages.open("about:blank", reduced_motion=motion)
    page.clock.install()
    page.goto(link)
    state_is(page, "live")
    assert page.evaluate("getComputedStyle(document.body).transitionDuration") == takes
    shifts = []
    for _ in range(4):
        page.clock.run_for(180_000)
        shifts.append(page.evaluate("document.body.style.translate"))
    assert shifts == ["3px", "3px 3px", "0px 3px", "0px"]


# --- in the colours of a town


def test_a_theme_changes_the_day_and_leaves_the_night_and_the_states(
    served: Any, pages: Any, shoot: Shoot
) -> None:
    def colour(name: str) -> str:
        value: str = page.evaluate(
            f"getComputedStyle(document.documentElement).getPropertyValue('--wp-{name}')"
        )
        return value.strip()

    with served(theme=read_theme("neutral")) as town:
        page = pages.open(f"{town.url}/wall/f3", bypass_csp=True)
        state_is(page, "live")
        assert (colour("brand"), colour("page"), colour("free")) == ("#1d4a40", "#f0f2ee", "#0b5cc4")
        assert broken_rules(page) == []
        shoot(page, "wall_theme_l")
        town.clock.at += timedelta(hours=11)
        town.tell()
        expect(page.locator("html")).to_have_class("night")
        assert (colour("brand"), colour("page"), colour("free")) == ("#14243a", "#04080f", "#4b93dc")
        assert broken_rules(page) == []
        shoot(page, "wall_theme_night_l")
        for path, lang in (("/", "nl"), ("/desk/3-S01", "en")):
            page = pages.open(f"{town.url}{path}?lang={lang}", size=PHONE, bypass_csp=True)
            assert colour("brand") == "#1d4a40"
            assert broken_rules(page) == [], path
            shoot(page, f"theme_{path.strip('/').replace('/', '_') or 'start'}")
    assert pages.complaints == []


def test_old_numbers_can_still_be_read(fresh: Any, link: str, pages: Any) -> None:
    """The grey of old figures has the contrast of large text, by day and at night."""
    page = pages.open(link, bypass_csp=True)
    state_is(page, "live")
    fresh.silence(30)
    state_is(page, "stale")
    assert broken_rules(page) == []
    fresh.silence(120)
    state_is(page, "off")
    assert broken_rules(page) == []
    fresh.speak()
