"""Every staff page by keys alone: each control is reached, its focus is seen, nothing holds it, and tasks can be done.

Making a place, claiming a device, walking a floor, logging in and the stop switch are done by keys in the tests of
their pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.actions import MemoryActions
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from plekvrij.devices_command import replace_file
from workplace import floor_plan

EXAMPLE = (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text("utf-8")
SOON_MS = 60_000
PAGES = (
    "/", "/staff/?floor=f3&lang=nl", "/staff/history?floor=f3&lang=nl", "/staff/policy?lang=nl",
    "/staff/devices?floor=f3&lang=nl", "/staff/plan?lang=nl", "/staff/plan/f3?lang=nl", "/staff/plan/import?lang=nl",
    "/council?lang=nl", "/walk/f3?lang=nl", "/desk/3-S01?lang=nl",
)  # fmt: skip
#: What a control is, however often the page draws it anew; of a group of radio buttons Tab reaches one.
KEY = """const key = (e) => e.type === "radio" ? "radio " + e.name : [
  e.tagName, e.id, e.getAttribute("name"), e.getAttribute("href"), e.getAttribute("aria-label"),
  ...Object.values(e.dataset), ["A", "BUTTON", "SUMMARY"].includes(e.tagName) ? e.textContent.trim().slice(0, 60) : "",
].join(" ");"""
#: What a press of Tab must reach: all that can be used and is shown.
WANTED = (
    "() => {"
    + KEY
    + """
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter((e) => e.tabIndex >= 0 && !e.disabled && e.type !== "hidden")
    .filter((e) => e.checkVisibility({visibilityProperty: true}))
    .filter((e) => !e.closest("details:not([open])") || e.tagName === "SUMMARY").map(key);
}"""
)
#: Where the focus is, and whether anything marks it.
FOCUS = (
    "() => {"
    + KEY
    + """
  const e = document.activeElement;
  if (e === document.body || e === null) return null;
  const style = getComputedStyle(e);
  const drawn = [...e.querySelectorAll("*")].some((part) => parseFloat(getComputedStyle(part).strokeWidth) >= 4);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {stop: key(e), seen: outlined || drawn};
}"""
)


@pytest.fixture(scope="module")
def keyed(served: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A town hall whose plan can be changed."""
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "town_hall.plan.yaml"
    file.write_text(EXAMPLE, "utf-8")
    store = PlanFolder(
        file, folder / "plans", check=lambda text: floor_plan.check(text, "plan")[1], replace=replace_file
    )
    desk = PlanDesk(store, BackgroundFolder(folder / "backgrounds"), MemoryActions())
    with served(desk=desk) as site:
        site.mode = "active"
        site.set_zone("3-stilte", "in_use")
        site.phases["3-S01"] = "reclaimable"
        site.tell()
        site.desk_file = file
        yield site


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.set_default_timeout(SOON_MS)
    yield page
    context.close()


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    if "/staff/?" in url:
        expect(page.locator("#holds tbody tr").first).to_be_visible(timeout=SOON_MS)
        expect(page.locator("#map .p").first).to_be_visible(timeout=SOON_MS)
    page.wait_for_load_state("load")
    expect(page.locator("main, h1").first).to_be_visible(timeout=SOON_MS)


def tab_to(page: Page, css: str, *, most: int = 250) -> None:
    """Press Tab until the focus is on the first element of `css`."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(css) => document.activeElement.matches(css)", css):
            return
    raise AssertionError(f"Tab never reaches {css}")


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_everything_shows_where_it_is_and_is_never_held(
    keyed: Any, page: Page, path: str
) -> None:
    open_page(page, f"{keyed.url}{path}")
    wanted = page.evaluate(WANTED)
    assert wanted, "nothing to reach"
    reached, unseen, first = set(), [], None
    for _ in range(2 * len(wanted) + 10):  # a date has a stop for each of its parts
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if at is None or (at["stop"] == first and reached >= set(wanted)):
            break  # the end: on to the browser's own controls, or round to the beginning
        first = first or at["stop"]
        reached.add(at["stop"])
        if not at["seen"]:
            unseen.append(at["stop"])
    else:
        raise AssertionError(f"Tab never leaves the page, it is at {at}")
    assert unseen == [], "no outline"
    assert [stop for stop in wanted if stop not in reached] == []


@pytest.mark.parametrize("action", ["remind", "extend", "release", "exempt"])
def test_a_held_place_is_dealt_with_by_keys(keyed: Any, page: Page, action: str) -> None:
    keyed.requests.clear()
    open_page(page, f"{keyed.url}/staff/?floor=f3&lang=nl")
    accept = lambda dialog: dialog.accept()  # noqa: E731 - the browser's own question, answered with Enter
    page.on("dialog", accept)
    tab_to(page, f'#holds button[data-action="{action}"]')
    place = page.evaluate("document.activeElement.dataset.for")
    page.keyboard.press("Enter")
    expect(page.locator("#flash")).to_contain_text("Gelukt.", timeout=SOON_MS)
    page.remove_listener("dialog", accept)
    assert [(request.place, request.action) for request in keyed.requests] == [(place, action)]


def test_a_question_of_the_history_page_is_chosen_by_keys(keyed: Any, page: Page) -> None:
    open_page(page, f"{keyed.url}/staff/history?floor=f3&lang=nl&days=28")
    tab_to(page, 'a[href*="days=7"]')
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("days=7"), timeout=SOON_MS)
    tab_to(page, 'a[href*="lang=en"]')
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "en", timeout=SOON_MS)


def test_a_list_is_imported_by_keys(keyed: Any, page: Page) -> None:
    open_page(page, f"{keyed.url}/staff/plan/import?lang=nl")
    tab_to(page, "textarea")
    page.keyboard.insert_text("plek;zone;x;y;apparaat;kanaal\n3-X01;3-stilte;25,5;2,5;switch-sw-9;Gi1/0/1\n")
    tab_to(page, "main button")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("3-X01", timeout=SOON_MS)
    assert "3-X01" not in keyed.desk_file.read_text("utf-8"), "it is shown first"
    tab_to(page, "main button")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("De lijst staat in de plattegrond.", timeout=SOON_MS)
    assert "3-X01" in keyed.desk_file.read_text("utf-8")


def test_the_table_of_each_floor_equals_its_map(keyed: Any, page: Page) -> None:
    """Whoever cannot see the map loses nothing."""
    for floor in keyed.plan.floors:
        open_page(page, f"{keyed.url}/staff/?floor={floor.id}&lang=nl")
        seats = sum(len(zone.places) for zone in floor.zones)
        expect(page.locator("#map .p")).to_have_count(seats, timeout=SOON_MS)
        expect(page.locator("#all-places tbody tr")).to_have_count(seats, timeout=SOON_MS)
        drawn = page.evaluate(
            """() => [...document.querySelectorAll("#map .p")].map((p) => p.getAttribute("aria-label"))"""
        )
        listed = page.evaluate(
            """() => [...document.querySelectorAll("#all-places tbody tr")].map((row) =>
                [...row.children].slice(0, 3).map((cell) => cell.textContent.trim()).join(", "))"""
        )
        assert sorted(drawn) == sorted(listed), floor.id


def test_a_zone_is_made_by_keys(keyed: Any, page: Page) -> None:
    """In numbers, where a mouse would draw it."""
    keyed.desk_file.write_text(EXAMPLE, "utf-8")
    open_page(page, f"{keyed.url}/staff/plan/f3?lang=nl")
    tab_to(page, 'button[data-add="zone"]')
    page.keyboard.press("Enter")
    tab_to_field = 'input[name$="-nl"]'
    assert page.evaluate("(css) => document.activeElement.matches(css)", tab_to_field)
    for said in ("Nis", "Nook", "", "3-nis", "", "17", "8.5", "23", "8.5", "23", "10", "17", "10"):
        page.keyboard.type(said)
        page.keyboard.press("Tab")
    tab_to(page, 'button[data-add="place"]', most=600)
    page.keyboard.press("Enter")
    for said in ("3-N01", "N", "19", "9.2"):
        page.keyboard.type(said)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # sends the form, as in any form
    expect(page.locator("#note")).to_contain_text("Opgeslagen.", timeout=SOON_MS)
    plan = floor_plan.load(keyed.desk_file.read_text("utf-8"), "plan.yaml")
    assert [place.id for place in plan.zone["3-nis"].places] == ["3-N01"]
