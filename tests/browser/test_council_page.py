"""The works council reads, and stops the rules; somebody at a desk says that the screen is wrong. No script needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Shoot = Callable[..., None]
expect.set_options(timeout=60_000)  # a loaded machine may be slow; a page that is right gets there
SIZES = {"landscape": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    yield
    assert pages.complaints == []


def fits(page: Page) -> None:
    """Nothing scrolls sideways but the table of zones, and no text sticks out of its box."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    escaped = page.evaluate(
        """() => [...document.querySelectorAll('.box')].flatMap(box => {
            const b = box.getBoundingClientRect();
            return [...box.querySelectorAll('h2, p, li, dt, dd, code, a')].filter(e => {
                const r = e.getBoundingClientRect();
                return r.width && (r.right > b.right + 1 || r.left < b.left - 1 || r.bottom > b.bottom + 1);
            }).map(e => e.textContent.trim());
        })"""
    )
    assert escaped == []


def test_the_works_council_reads_everything_on_one_page(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/council?lang=nl")
    main = page.locator("main")
    for text in (
        "Ja: een plek kan worden vrijgegeven.",
        "Geen laptop",
        "14 dagen",
        "13 maanden",
        "Radarsensor",
    ):
        expect(main).to_contain_text(text)
    expect(main).to_contain_text("De instemming geldt voor precies deze tekst.")
    expect(main).to_contain_text("tijd weg rond de lunch: was 75, wordt 90 minuten")
    expect(main).to_contain_text("vrijgestelde plekken: was 2, wordt 1")
    expect(main).to_contain_text(re.compile(r"Van kracht: een plek is \d+ keer vrijgegeven"))
    expect(main).to_contain_text("Proef, alleen op papier")
    expect(page.get_by_role("row", name=re.compile("^3 Stilte van kracht"))).to_be_visible()
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height <= 2 * 1080, f"{height} px is more than two screens"
    for name, (width, high) in SIZES.items():
        page.set_viewport_size({"width": width, "height": high})
        shoot(page, f"council_{name}", full=True)
        fits(page)


def test_the_council_stops_the_rules_in_two_steps_without_a_script(
    site: Any, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{site.url}/council?lang=nl", size=SIZES["phone"], script=False)
    page.get_by_role("link", name="Zet de regels stil").click()
    expect(page.get_by_role("heading", name="De regels stilzetten?")).to_be_visible()
    shoot(page, "council_switch_phone")
    assert site.requests == []
    page.get_by_role("button", name="Ja, zet de regels stil").click()
    expect(page.get_by_role("status")).to_have_text("Gelukt. De regels staan stil. Dat staat op elk scherm.")
    assert [(one.action, one.role, one.place) for one in site.requests] == [("pause", "works_council", None)]


def test_a_pause_shows_with_its_reason_and_can_be_ended(site: Any, pages: Any, shoot: Shoot) -> None:
    site.pause("stop_switch", "coverage")
    page = pages.open(f"{site.url}/council?lang=nl", size=SIZES["phone"], script=False)
    box = page.locator(".stand")
    expect(box).to_contain_text("Nee, ze staan stil")
    expect(box).to_contain_text("stopknop")
    expect(box).to_contain_text("te weinig metingen")
    shoot(page, "council_paused_phone")
    box.get_by_role("link", name="Laat de regels verder gaan").click()
    page.get_by_role("button", name="Ja, laat de regels verder gaan").click()
    expect(page.get_by_role("status")).to_have_text("Gelukt. De regels gelden weer.")
    assert [one.action for one in site.requests] == ["resume"]


def test_a_refusal_is_told_and_words_of_strangers_are_not(site: Any, pages: Any) -> None:
    site.answer = lambda _: (False, "no_answer")
    page = pages.open(f"{site.url}/council/switch?lang=nl", size=SIZES["phone"], script=False)
    page.get_by_role("button", name="Ja, zet de regels stil").click()
    expect(page.get_by_role("status")).to_contain_text("Er is niets zeker")
    page.goto(f"{site.url}/council?done=you+are+fired")
    expect(page.get_by_role("status")).to_have_count(0)


def test_one_tap_says_that_the_page_is_wrong(site: Any, pages: Any, shoot: Shoot) -> None:
    place = site.plan.zone["3-stilte"].places[0].id
    site.phases[place] = "free"
    site.tell()
    page = pages.open(f"{site.url}/desk/{place}?lang=nl", size=SIZES["phone"], script=False)
    expect(page.get_by_role("heading", name="Klopt dit niet?")).to_be_visible()
    for name, (width, high) in reversed(SIZES.items()):
        page.set_viewport_size({"width": width, "height": high})
        shoot(page, f"desk_wrong_{name}", full=True)
    page.get_by_role("button", name="Ik zit hier").click()
    expect(page.get_by_role("status").first).to_contain_text("wij weten niet wie je bent")
    assert [(tap.place, tap.state) for tap in site.taps.kept] == [(place, "occupied")]
    assert site.requests == []
    expect(page.locator(".state")).to_contain_text("Deze plek is vrij")
    page.set_viewport_size({"width": 390, "height": 844})
    shoot(page, "desk_thanks_phone")
