"""The installer's walk in a real browser: each step, by phone and on a desk, with and without a script."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import broken_rules
from workplace import codec
from workplace.events import SensorEvent
from workplace.ports import Received
from workplace.topics import Topics

Shoot = Callable[..., None]
#: A loaded machine may be slow; a page that is right gets there.
SOON_MS = 60_000
expect.set_options(timeout=SOON_MS)
PHONE, DESK = (390, 844), (1920, 1080)


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    """No page may write an error or break its own content policy."""
    yield
    assert pages.complaints == []


class Installer:
    """Walks floor 3 of the town hall; `plug` and `move` are what the hands do."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.number = 0

    def says(self, place: str, kind: str, **more: Any) -> None:
        sensor = next(s for s in self.site.plan.place[place].sensors if s.kind == kind)
        self.number += 1
        at = self.site.clock.at
        event = SensorEvent(
            id=f"event-{self.number:06}", site=self.site.plan.site, gateway=sensor.gateway,
            device=sensor.device, kind=sensor.kind, value=True, channel=sensor.channel,
            measured_at=at - timedelta(milliseconds=180), clock="gateway", uncertainty_ms=5, received_at=at,
        )  # fmt: skip
        event = msgspec.structs.replace(event, **more)
        floor = self.site.plan.gateway[sensor.gateway].floor
        topic = Topics(self.site.plan.site).event(floor, sensor.gateway, sensor.device)
        message = Received(topic, codec.encode(event), retained=False)
        self.site.loop.call_soon_threadsafe(lambda: self.site.walks.receive(message))

    def wait(self, seconds: float) -> None:
        self.site.clock.at += timedelta(seconds=seconds)

    def everything(self, place: str, **more: Any) -> None:
        for sensor in self.site.plan.place[place].sensors:
            self.wait(2.4)
            self.says(place, sensor.kind, **more)


@pytest.fixture
def installer(site: Any) -> Installer:
    return Installer(site)


def heading(page: Page, text: str) -> None:
    expect(page.locator("#walk h1")).to_contain_text(text)


def begin(page: Page) -> None:
    page.get_by_role("button", name="Begin met").click()
    heading(page, "3.S01")


def nothing_sticks_out(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


def small_targets(page: Page) -> list[str]:
    """Return what can be touched but is smaller than 44 px."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main button, main a, main summary, .tools a, .tools button')]
            .filter(e => e.offsetParent)
            .filter(e => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 44)
            .map(e => e.textContent.trim())"""
    )
    return found


@pytest.mark.parametrize(("size", "name"), [(PHONE, "phone"), (DESK, "desk")], ids=["phone", "desk"])
def test_a_place_is_named_waited_for_ticked_off_and_followed_by_the_next(
    site: Any, installer: Installer, pages: Any, shoot: Shoot, size: tuple[int, int], name: str
) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=size)
    heading(page, "Looptest")
    shoot(page, f"walk_1_start_{name}")
    begin(page)
    expect(page.locator(".checks strong").first).to_have_text("Steek de stekker in het dock")
    nothing_sticks_out(page)
    assert small_targets(page) == []
    shoot(page, f"walk_2_waiting_{name}", full=True)
    installer.wait(3.2)
    installer.says("3-S01", "link")
    expect(page.locator(".checks li.ok")).to_contain_text("na 3,2 s · vertraging 0,18 s")
    installer.wait(4)
    installer.says("3-S01", "motion", rssi_dbm=-61, battery_pct=88)
    expect(page.locator(".verdict")).to_have_text("Werkt")
    expect(page.locator("#said")).to_have_text("3.S01 werkt.")
    expect(page.locator(".checks li.ok").last).to_contain_text("−61 dBm · batterij 88 %")
    shoot(page, f"walk_3_ticked_{name}")
    page.get_by_role("button", name="Volgende: 3.S02").click()
    heading(page, "3.S02")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    installer.wait(2)
    installer.says("3-S03", "link")
    expect(page.locator(".wrong")).to_have_text(
        re.compile(r"Een andere plek antwoordde: 3\.S03\. Zijn de kabels verwisseld\?")
    )
    nothing_sticks_out(page)
    shoot(page, f"walk_4_wrong_{name}")
    page.locator("#skip summary").click()
    shoot(page, f"walk_5_skip_{name}", full=True)
    page.get_by_role("button", name="Een andere plek antwoordt").click()
    heading(page, "3.S03")
    expect(page.locator(".step")).to_contain_text("Plek 3 van 65")
    page.get_by_role("button", name="Terug").click()
    expect(page.locator(".verdict")).to_have_text("Overgeslagen: Een andere plek antwoordt")
    shoot(page, f"walk_6_skipped_{name}")


@pytest.mark.parametrize(
    ("size", "name"),
    [
        pytest.param(PHONE, "phone", id="phone"),
        pytest.param(
            DESK,
            "desk",
            id="desk",
            marks=pytest.mark.skipif(
                not {"PLEKVRIJ_LONG", "PLEKVRIJ_SCREENSHOTS"} & os.environ.keys(),
                reason="the same walk of 65 places again; set PLEKVRIJ_LONG=1",
            ),
        ),
    ],
)
def test_the_end_is_a_sheet_to_sign(
    site: Any, installer: Installer, pages: Any, shoot: Shoot, size: tuple[int, int], name: str
) -> None:
    page = pages.open(f"{site.url}/walk/f0", locale="nl-NL", size=size)
    page.get_by_role("button", name="Begin met").click()
    places = [place for zone in site.plan.floor["f0"].zones for place in zone.places]
    for number, place in enumerate(places):
        heading(page, place.label)
        if number in {2, 3}:
            installer.says(places[5 - number].id, "link")
            expect(page.locator(".wrong")).to_be_visible()
            page.locator("#skip summary").click()
            page.get_by_role("button", name="Een andere plek antwoordt").click()
            continue
        installer.wait(61)
        weak = {"rssi_dbm": -92, "battery_pct": 14} if number == 12 else {"rssi_dbm": -58 - number % 19}
        installer.everything(place.id, **weak)
        expect(page.locator(".verdict")).to_have_text("Werkt")
        page.locator("#do-next").click()
    heading(page, "Alle plekken klaar")
    expect(page.locator(".sum").first).to_contain_text(str(len(places) - 2))
    shoot(page, f"walk_7_finished_{name}", full=True)
    page.get_by_role("link", name="Open de opleverstaat").click()
    expect(page.get_by_role("heading", name="Opleverstaat sensoren")).to_be_visible()
    expect(page.locator(".notes")).to_contain_text("antwoordden voor elkaar: 0.B03 ↔ 0.B04")
    expect(page.locator("tbody")).to_have_count(len(places))
    nothing_sticks_out(page)
    assert small_targets(page) == []
    shoot(page, f"walk_8_sheet_{name}", full=True)
    page.emulate_media(media="print")
    expect(page.locator(".tools")).to_be_hidden()


def test_the_walk_goes_on_where_it_was_left(site: Any, installer: Installer, pages: Any) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=PHONE)
    begin(page)
    installer.everything("3-S01")
    page.get_by_role("button", name="Volgende: 3.S02").click()
    heading(page, "3.S02")
    other = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=DESK)
    heading(other, "3.S02")
    expect(other.locator(".map .p-f")).to_have_count(1)
    expect(pages.open(f"{site.url}/walk", locale="nl-NL").locator(".rows a").nth(1)).to_contain_text("1 / 65")


def test_a_page_that_shows_an_older_place_decides_nothing(
    site: Any, installer: Installer, pages: Any
) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=PHONE, script=False)
    begin(page)
    # it asks again by itself every few seconds: "no content" leaves it as it is, as on a phone that slept
    page.route(
        "**/walk/f3",
        lambda route: route.fulfill(status=204) if route.request.method == "GET" else route.continue_(),
    )
    other = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=PHONE, script=False)
    other.get_by_role("button", name="Later").click()
    heading(other, "3.S02")
    page.get_by_role("button", name="Later").click()
    heading(page, "3.S02")


def test_it_works_without_a_script(site: Any, installer: Installer, pages: Any) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=PHONE, script=False)
    begin(page)
    installer.everything("3-S01")
    expect(page.locator(".verdict")).to_have_text("Werkt")  # the page asks again by itself
    page.get_by_role("button", name="Volgende").click()
    heading(page, "3.S02")


def test_it_works_by_keyboard_alone(site: Any, installer: Installer, pages: Any) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=DESK)
    heading(page, "Looptest")

    def tab_to(wanted: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()").startswith(wanted):
                return
        raise AssertionError(wanted)

    tab_to("Begin met")
    page.keyboard.press("Enter")
    heading(page, "3.S01")
    installer.everything("3-S01")
    expect(page.locator(".verdict")).to_be_visible()
    tab_to("Volgende")
    page.keyboard.press("Enter")
    heading(page, "3.S02")
    tab_to("Sla deze plek over")
    page.keyboard.press("Enter")
    tab_to("Geen stroom")
    page.keyboard.press("Enter")
    heading(page, "3.S03")


def test_a_lost_connection_is_said_and_mended(site: Any, pages: Any) -> None:
    page = pages.open(f"{site.url}/walk/f3", locale="nl-NL", size=PHONE)
    begin(page)
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#cut")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#cut")).to_be_hidden()
    pages.complaints[:] = [text for text in pages.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


@pytest.mark.parametrize("lang", ["nl", "en"])
@pytest.mark.parametrize("state", ["floors", "start", "waiting", "wrong", "passed", "skipped", "sheet"])
def test_no_accessibility_rule_is_broken(
    site: Any, installer: Installer, pages: Any, state: str, lang: str
) -> None:
    path = "/walk" if state == "floors" else "/walk/f3"
    page = pages.open(f"{site.url}{path}?lang={lang}", size=PHONE, bypass_csp=True)
    if state not in {"floors", "start"}:
        page.locator("#do-begin").click()
        heading(page, "3.S01")
        page.locator("#all summary").click()
    if state == "wrong":
        installer.says("3-S02", "link")
        expect(page.locator(".wrong")).to_be_visible()
    if state == "passed":
        installer.everything("3-S01")
        expect(page.locator(".verdict")).to_be_visible()
    if state == "skipped":
        page.locator("#skip summary").click()
        page.locator("#do-skip-no_power").click()
        heading(page, "3.S02")
        page.locator("#do-back").click()
        expect(page.locator(".verdict")).to_be_visible()
    if state == "sheet":
        page.goto(f"{site.url}/walk/f3/sheet")
    page.wait_for_load_state("load")
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)
