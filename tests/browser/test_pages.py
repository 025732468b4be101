"""Every page in a real browser: live, old, gone, at night, at lunch, with and without a script."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import broken_rules

Shoot = Callable[..., None]
#: A loaded machine may be slow; a page that is right gets there.
SOON_MS = 60_000
expect.set_options(timeout=SOON_MS)

LANDSCAPE, PORTRAIT, PHONE, FOUR_K = (1920, 1080), (1080, 1920), (390, 844), (3840, 2160)


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    """No page may write an error or break its own content policy."""
    yield
    assert pages.complaints == []


def card(page: Page, name: str) -> Any:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name))


def body_state(page: Page, state: str) -> None:
    expect(page.locator("body")).to_have_class(re.compile(rf"\bis-{state}\b"))


def nothing_sticks_out(page: Page) -> None:
    """No text is cut off and nothing scrolls sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('h1, h2, .n, .of, .chip, .counts span, .band strong')]
            .filter(e => e.offsetParent && getComputedStyle(e).overflow === 'hidden')
            .filter(e => e.scrollWidth > e.clientWidth + 2)
            .map(e => e.textContent)"""
    )
    assert cut == []
    escaped = page.evaluate(
        """() => [...document.querySelectorAll('.card, footer, header, .map')].flatMap(box => {
            const b = box.getBoundingClientRect();
            return [...box.querySelectorAll('h1, h2, p, strong, span, em, li')].filter(e => {
                const r = e.getBoundingClientRect();
                const aside = r.right > b.right + 2 || r.left < b.left - 2;
                const out = aside || r.bottom > b.bottom + 6 || r.top < b.top - 6;
                return r.width && out && getComputedStyle(e).visibility !== 'hidden';
            }).map(e => e.className + ': ' + e.textContent.trim());
        })"""
    )
    assert escaped == []


# --- the wall


@pytest.mark.parametrize(
    ("size", "name"),
    [(LANDSCAPE, "wall_l"), (PORTRAIT, "wall_p"), (FOUR_K, "wall_4k"), (PHONE, "wall_phone")],
    ids=["landscape", "portrait", "four times the pixels", "a phone"],
)
def test_the_wall_shows_each_zone_with_its_number(
    site: Any, pages: Any, shoot: Shoot, size: tuple[int, int], name: str
) -> None:
    site.set_zone("3-stilte", "in_use", but=2)
    site.tell()
    page = pages.open(f"{site.url}/wall/f3", size=size)
    body_state(page, "live")
    state = site.zone_state(site.plan.zone["3-samenwerken"])
    expect(card(page, "Samenwerken").locator(".n")).to_have_text(str(state.free))
    expect(card(page, "Stilte").locator(".n")).to_have_text("2")
    expect(card(page, "Stilte").locator(".chip")).to_have_text("bijna vol")
    expect(card(page, "Ontmoeten").locator(".r")).to_contain_text("mag gebruikt worden")
    expect(page.locator("#clock")).to_have_text("10:30")
    nothing_sticks_out(page)
    shoot(page, name)


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
def test_the_fullest_card_keeps_all_its_words(
    site: Any, pages: Any, shoot: Shoot, size: tuple[int, int]
) -> None:
    for zone in ("3-samenwerken", "3-ontmoeten", "3-stilte"):
        site.set_zone(zone, "in_use", but=2, other="reclaimable")
        site.phases[site.plan.zone[zone].places[-1].id] = "unknown"
    site.tell()
    page = pages.open(f"{site.url}/wall/f3", size=size)
    for zone in ("Samenwerken", "Ontmoeten", "Stilte"):
        expect(card(page, zone).locator(".x")).to_be_visible()
        expect(card(page, zone).locator(".chip")).to_have_text("vol")
    nothing_sticks_out(page)
    shoot(page, f"wall_crowded_{size[0]}")


@pytest.mark.parametrize("floor", ["f0", "f1", "f2", "f4"])
def test_every_floor_has_its_wall(site: Any, pages: Any, shoot: Shoot, floor: str) -> None:
    page = pages.open(f"{site.url}/wall/{floor}")
    body_state(page, "live")
    nothing_sticks_out(page)
    shoot(page, f"wall_{floor}")


def test_a_change_reaches_the_wall_without_a_reload(site: Any, pages: Any) -> None:
    site.set_zone("3-stilte", "free")
    site.tell()
    page = pages.open(f"{site.url}/wall/f3")
    silence = card(page, "Stilte")
    expect(silence.locator(".n")).to_have_text("25")
    site.set_zone("3-stilte", "in_use", but=3, other="reclaimable")
    site.tell()
    expect(silence.locator(".n")).to_have_text("0")
    expect(silence.locator(".chip")).to_have_text("vol")
    expect(silence.locator(".r")).to_have_text(re.compile(r"3\s*mag gebruikt worden"))
    shapes = page.evaluate(
        "[...document.querySelectorAll('.places path')].slice(40).map(p => p.getAttribute('class'))"
    )
    assert shapes == ["p p-r"] * 3 + ["p p-u"] * 22


def test_old_numbers_turn_grey_and_then_disappear(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/wall/f3")
    tall = pages.open(f"{site.url}/wall/f3", size=PORTRAIT)
    body_state(page, "live")
    site.silence(30)
    body_state(page, "stale")
    expect(page.locator("#band-title")).to_have_text("Stand van 10:30")
    expect(card(page, "Stilte").locator(".n")).to_have_text(re.compile(r"\d+"))
    nothing_sticks_out(page)
    shoot(page, "wall_stale_l")
    site.silence(120)
    body_state(page, "off")
    body_state(tall, "off")
    expect(card(page, "Stilte").locator(".n")).to_have_text("–")
    expect(page.locator("footer")).to_contain_text("Kijk zelf even rond")
    assert (
        page.evaluate(
            "new Set([...document.querySelectorAll('.places path')].map(p => p.className.baseVal)).size"
        )
        == 1
    )
    nothing_sticks_out(tall)
    shoot(page, "wall_off_l")
    shoot(tall, "wall_off_p")
    site.speak()
    body_state(page, "live")
    expect(card(page, "Stilte").locator(".n")).to_have_text(re.compile(r"\d+"))


def test_a_dead_zone_and_a_full_floor(site: Any, pages: Any, shoot: Shoot) -> None:
    site.set_zone("3-samenwerken", "in_use", but=3)
    site.set_zone("3-ontmoeten", "in_use", but=3, other="reclaimable")
    site.set_zone("3-stilte", "unknown")
    site.overflow["3-ontmoeten"] = "f4"
    site.tell()
    page = pages.open(f"{site.url}/wall/f3")
    body_state(page, "live")
    expect(card(page, "Stilte").locator(".n")).to_have_text("–")
    expect(card(page, "Stilte").locator(".chip")).to_have_text("geen gegevens")
    expect(card(page, "Ontmoeten").locator(".over")).to_contain_text(re.compile(r"4: \d+ vrij"))
    expect(page.locator("footer")).to_have_class("elsewhere")
    nothing_sticks_out(page)
    shoot(page, "wall_full_deadzone_l")


def test_night_goes_by_the_clock_of_the_site(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/wall/f3")
    expect(page.locator("html")).not_to_have_class("night")
    site.clock.at += timedelta(hours=11)
    site.tell()
    expect(page.locator("html")).to_have_class("night")
    expect(page.locator("#clock")).to_have_text("21:30")
    shoot(page, "wall_night_l")


def test_the_restaurant_at_lunch_is_no_work_place(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/wall/f0")
    restaurant = card(page, "Restaurant")
    expect(restaurant.locator(".n")).to_have_text(re.compile(r"\d+"))
    site.calendar["0-restaurant"] = "lunch"
    site.tell()
    expect(restaurant.locator(".n")).to_have_text("lunch")
    expect(restaurant.locator(".chip")).to_have_text("nu geen werkplek")
    nothing_sticks_out(page)
    shoot(page, "wall_lunch")


def test_simulated_time_pause_and_trial_are_written_on_the_wall(site: Any, pages: Any, shoot: Shoot) -> None:
    site.clock.speed, site.mode = 60.0, "shadow"
    site.tell()
    page = pages.open(f"{site.url}/wall/f3")
    tall = pages.open(f"{site.url}/wall/f3", size=PORTRAIT)
    expect(page.get_by_text("simulatie 60×")).to_be_visible()
    expect(page.locator("#policy")).to_have_text("proef, alleen tellen")
    nothing_sticks_out(page)
    nothing_sticks_out(tall)
    shoot(page, "wall_simulation_l")
    shoot(tall, "wall_simulation_p")
    site.paused = True
    site.tell()
    expect(page.locator("#policy")).to_have_text("tijden gepauzeerd")


def test_the_wall_without_a_script_is_whole(site: Any, pages: Any) -> None:
    page = pages.open(f"{site.url}/wall/f3", script=False)
    state = site.zone_state(site.plan.zone["3-stilte"])
    expect(card(page, "Stilte").locator(".n")).to_have_text(str(state.free))
    assert page.locator(".places path").count() == 65
    assert 'http-equiv="refresh"' in page.content()


def test_the_wall_in_english(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/wall/f3?lang=en")
    body_state(page, "live")
    expect(card(page, "Silence").locator(".of")).to_contain_text("of 25")
    nothing_sticks_out(page)
    shoot(page, "wall_en")


def test_ten_thousand_changes_leave_no_memory_behind(site: Any, pages: Any) -> None:
    """A sample of it: 300 whole-floor changes may not grow the heap by more than half a megabyte."""
    page = pages.open(f"{site.url}/wall/f3")
    body_state(page, "live")
    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    before = heap()
    for number in range(300):
        site.set_zone("3-stilte", "in_use" if number % 2 else "free", but=number % 7)
        site.tell()
    site.set_zone("3-stilte", "free")
    site.tell()
    expect(card(page, "Stilte").locator(".n")).to_have_text("25")
    assert heap() - before < 0.5


# --- the desk page


def test_a_desk_without_script_can_be_extended_in_dutch(site: Any, pages: Any, shoot: Shoot) -> None:
    site.phases["3-S01"] = "in_use"
    site.tell()
    page = pages.open(f"{site.url}/desk/3-S01?lang=nl", size=PHONE, script=False)
    expect(page.get_by_role("heading", name="Deze plek is in gebruik")).to_be_visible()
    expect(page.locator(".left")).to_contain_text("minuten over")
    shoot(page, "desk_nl")
    page.get_by_role("button", name="60 minuten langer blijven").click()
    expect(page.get_by_text("Gelukt. Je kunt langer blijven.")).to_be_visible()
    shoot(page, "desk_extended")
    assert [(r.place, r.action, r.minutes, r.role) for r in site.requests] == [
        ("3-S01", "extend", 60, "desk")
    ]


def test_a_note_stands_on_the_page_of_its_desk(site: Any, pages: Any, shoot: Shoot) -> None:
    site.phases["3-S01"], site.notices["3-S01"] = "in_use", "soft_note"
    site.tell()
    page = pages.open(f"{site.url}/desk/3-S01?lang=nl", size=PHONE, script=False)
    expect(page.locator(".told")).to_contain_text("Deze plek: nog ")
    shoot(page, "desk_note")
    site.mode = "shadow"
    site.tell()
    page.reload()
    expect(page.locator(".state h2")).to_have_text("Deze plek is in gebruik")
    expect(page.locator(".told")).to_have_count(0)
    expect(page.locator(".left")).to_have_count(0)


def test_a_refusal_is_told_in_english(site: Any, pages: Any) -> None:
    site.phases["3-S01"] = "in_use"
    site.answer = lambda _: (False, "already_extended")
    site.tell()
    page = pages.open(f"{site.url}/desk/3-S01?lang=en", size=PHONE, script=False)
    page.get_by_role("button", name="Stay 60 minutes longer").click()
    expect(page.get_by_text("This hold was extended as often as the policy allows.")).to_be_visible()


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        ("free", "Deze plek is vrij"),
        ("just_left", "Net verlaten"),
        ("reclaimable", "Deze plek mag gebruikt worden"),
        ("unknown", "Onbekend"),
        ("exempt", "Vaste plek"),
    ],
)
def test_every_state_of_a_desk(site: Any, pages: Any, shoot: Shoot, phase: str, says: str) -> None:
    site.phases["3-S01"] = phase
    site.tell()
    page = pages.open(f"{site.url}/desk/3-S01?lang=nl", size=PHONE)
    expect(page.locator(".state h2")).to_have_text(says)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"desk_{phase}")


# --- staff


def open_staff(site: Any, pages: Any, *, lang: str = "nl", **more: Any) -> Page:
    page: Page = pages.open(f"{site.url}/staff/?floor=f3&lang={lang}", **more)
    expect(page.locator("#map .places path")).to_have_count(65)
    expect(page.locator("#holds tbody tr").first).to_be_visible()
    expect(page.locator("#live-text")).to_have_text("Actueel" if lang == "nl" else "Live")
    return page


def test_staff_see_figures_map_holds_sensors_and_the_day(site: Any, pages: Any, shoot: Shoot) -> None:
    page = open_staff(site, pages, size=(1920, 1200))
    assert page.locator("html").get_attribute("lang") == "nl"
    expect(page.locator("#kpi")).to_contain_text("Mag gebruikt worden")
    first = page.locator("#holds tbody tr").first
    expect(first).to_contain_text(re.compile(r"\+\d+ min"))
    gateways = page.locator("#gateways")
    expect(gateways).to_contain_text("De verbinding is weg")
    expect(gateways).to_contain_text("z2m-pir-3-T04")
    channels = page.locator("#channels")
    expect(channels.locator("tbody tr")).to_have_count(2)
    expect(channels).to_contain_text("niet bereikbaar")
    expect(page.locator("#day-summary")).to_contain_text("Drukste moment")
    expect(page.locator("#day-chart .scatterlayer")).to_be_attached()
    shoot(page, "staff_nl", full=True)


def test_staff_on_a_phone_and_in_english(site: Any, pages: Any, shoot: Shoot) -> None:
    page = open_staff(site, pages, lang="en", size=PHONE)
    expect(page.locator("#kpi")).to_contain_text("May be used")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    shoot(page, "staff_phone", full=True)


def test_the_map_changes_at_once_and_the_figures_soon(site: Any, pages: Any) -> None:
    site.set_zone("3-stilte", "free")
    site.tell()
    page = open_staff(site, pages)
    place = page.locator('[data-place="3-T01"]')
    expect(place).to_have_attribute("aria-label", "3.T01, Stilte, vrij")
    site.phases["3-T01"] = "reclaimable"
    site.tell()
    expect(place).to_have_class("p p-r")
    expect(place).to_have_attribute("aria-label", "3.T01, Stilte, mag gebruikt worden")
    expect(page.locator("#holds")).to_contain_text("3.T01")


def test_a_place_is_chosen_by_keyboard_and_explains_itself(site: Any, pages: Any, shoot: Shoot) -> None:
    site.phases["3-S02"] = "reclaimable"
    site.tell()
    page = open_staff(site, pages)
    page.locator('[data-place="3-S01"]').focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.place") == "3-S02"
    page.keyboard.press("Enter")
    chosen = page.locator("#chosen")
    expect(chosen).to_contain_text("3.S02")
    chosen.get_by_text("Waarom").click()
    expect(chosen).to_contain_text("R7")
    assert page.locator("#map .p[tabindex='0']").count() == 1
    shoot(page, "staff_chosen")


def test_release_is_asked_twice_and_goes_to_the_engine(site: Any, pages: Any, shoot: Shoot) -> None:
    page = open_staff(site, pages)
    questions: list[str] = []

    def answer(dialog: Any) -> None:
        questions.append(dialog.message)
        if len(questions) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", answer)
    label = page.locator("#holds tbody th").first.inner_text()
    release = page.get_by_role("button", name=f"Vrijgeven, {label}")
    release.click()
    page.wait_for_timeout(500)
    assert site.requests == []
    release.click()
    expect(page.locator("#flash")).to_have_text(f"{label}: Gelukt.Ongedaan maken")
    assert [(r.place, r.action, r.role) for r in site.requests] == [
        (label.replace(".", "-"), "release", "staff")
    ]
    assert label in questions[0]
    shoot(page, "staff_released")


def test_extend_from_the_list_and_a_refusal(site: Any, pages: Any) -> None:
    site.answer = lambda _: (False, "mode")
    page = open_staff(site, pages)
    label = page.locator("#holds tbody th").first.inner_text()
    page.get_by_role("button", name=f"+60, {label}").click()
    expect(page.locator("#flash")).to_contain_text("De regels staan dit in de huidige stand niet toe.")
    assert [(r.action, r.minutes) for r in site.requests] == [("extend", 60)]


def test_the_list_waits_while_somebody_is_in_it(site: Any, pages: Any) -> None:
    site.set_zone("3-stilte", "free")
    site.tell()
    page = open_staff(site, pages)
    page.locator("#holds tbody tr").first.hover()
    site.phases["3-T01"] = "reclaimable"
    site.tell()
    expect(page.locator("#paused-note")).to_be_visible()
    expect(page.locator("#holds")).not_to_contain_text("3.T01")
    page.mouse.move(5, 5)
    expect(page.locator("#holds")).to_contain_text("3.T01")
    expect(page.locator("#paused-note")).to_be_hidden()


def test_the_table_of_all_places_holds_the_same_facts(site: Any, pages: Any, shoot: Shoot) -> None:
    page = open_staff(site, pages)
    page.get_by_text("Alle plekken als tabel").first.click()
    rows = page.locator("#all-places tbody tr")
    expect(rows).to_have_count(65)
    qualities = {
        row.split(" ")[0] for row in page.locator("#all-places tbody td:last-child").all_inner_texts()
    }
    assert qualities == {"goed", "matig", "zwak"}
    shoot(page, "staff_table")


def test_staff_see_that_data_is_old(site: Any, pages: Any, shoot: Shoot) -> None:
    page = open_staff(site, pages)
    site.silence(40)
    expect(page.locator("#live-text")).to_have_text("Verouderd")
    shoot(page, "staff_stale")
    site.silence(120)
    expect(page.locator("#live-text")).to_have_text("Geen actuele gegevens")
    expect(page.locator("#kpi .st-kpi-f strong")).to_have_text("–")


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, PHONE], ids=["landscape", "portrait", "phone"])
def test_staff_read_why_a_place_was_released(
    site: Any, pages: Any, shoot: Shoot, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    page = pages.open(f"{site.url}/staff/why/decision-1?lang=nl", size=size)
    expect(page.locator("main")).to_contain_text("R7")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"why_{request.node.callspec.id}", full=True)


# --- the rest


def test_start_page_links_everything(site: Any, pages: Any, shoot: Shoot) -> None:
    page = pages.open(f"{site.url}/?lang=nl", size=(900, 1100))
    expect(page.get_by_role("link", name=re.compile("Bedrijfsvoering"))).to_have_attribute("href", "/wall/f3")
    shoot(page, "start")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Wall screens")).to_be_visible()
    page.goto(f"{site.url}/wall")
    expect(page.get_by_role("link", name=re.compile("Operations"))).to_be_visible()


def test_dash_answers_no_address_that_is_not_its_own(site: Any) -> None:
    for path in ("/zzz", "/api/typo", "/api/v1/typo", "/wallpaper/x/y"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(site.url + path)  # noqa: S310 - our own server
        assert refused.value.code == 404
        refused.value.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/wall/f3",
        "/wall/f0",
        "/desk/3-S01",
        "/staff/?floor=f3",
        "/staff/why/decision-1",
        "/council",
        "/council/switch",
    ],
)
@pytest.mark.parametrize("lang", ["nl", "en"])
def test_no_accessibility_rule_is_broken(site: Any, pages: Any, path: str, lang: str) -> None:
    site.notices["3-S01"] = "soft_note"
    site.tell()
    page = pages.open(f"{site.url}{path}{'&' if '?' in path else '?'}lang={lang}", bypass_csp=True)
    if path.startswith("/staff/?"):
        expect(page.locator("#holds tbody tr").first).to_be_visible()
        expect(page.locator("#map .places path")).to_have_count(65)
    page.wait_for_load_state("load")
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)
