"""The floor plan in a real browser: by mouse, by keys alone, without a script; two at once; wrong lists and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.actions import ActionFolder
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from plekvrij.devices_command import replace_file
from tests.accessibility import broken_rules
from workplace import floor_plan, policy
from workplace.documents import Mistake
from workplace.floor_plan import FloorPlan

Shoot = Callable[..., None]
#: A loaded machine may be slow; a page that is right gets there.
SOON_MS = 60_000
expect.set_options(timeout=SOON_MS)
SIZES = {"desk": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}
ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8")
RULES = (ROOT / "examples" / "town_hall.policy.yaml").read_text("utf-8")
LIST = """plek;zone;x;y;apparaat;kanaal
3-X01;3-stilte;25,5;2,5;switch-sw-9;Gi1/0/1
3-X02;3-stilte;27;2,5;switch-sw-9;Gi1/0/2
"""
WRONG_LIST = """plek;zone;x;y;apparaat
3-X01;3-stille;25;2;
3-X02;3-stilte;1;2;
3-T01;;;;lora-1
"""


class Desk:
    """The plan file of the site under test, as the linter of a real site sees it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "town_hall.plan.yaml"
        self.file.write_text(EXAMPLE, "utf-8")
        self.actions = ActionFolder(folder / "actions")
        store = PlanFolder(self.file, folder / "plans", check=self.mistakes, replace=replace_file)
        self.plan_desk = PlanDesk(store, BackgroundFolder(folder / "backgrounds"), self.actions)

    @staticmethod
    def mistakes(text: str) -> list[Mistake]:
        plan, found = floor_plan.check(text, "plan.yaml")
        return found if plan is None else [*found, *policy.check(RULES, "policy.yaml", plan)[1]]

    @property
    def text(self) -> str:
        return self.file.read_text("utf-8")

    @property
    def plan(self) -> FloorPlan:
        return floor_plan.load(self.text, "plan.yaml")

    @property
    def done(self) -> list[str]:
        return [one.action for one in reversed(self.actions.newest(99))]


@pytest.fixture(scope="module")
def desk_of_site(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def plan_site(served: Callable[..., Any], desk_of_site: Desk) -> Iterator[Any]:
    with served(desk=desk_of_site.plan_desk) as site:
        yield site


@pytest.fixture
def desk(desk_of_site: Desk) -> Desk:
    """The example's plan again, and nothing done yet."""
    desk_of_site.file.write_text(EXAMPLE, "utf-8")
    for folder in ("actions", "plans", "backgrounds"):
        for file in (desk_of_site.file.parent / folder).glob("*"):
            file.unlink()
    return desk_of_site


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    """No page may write an error or break its own content policy; a refusal is a page with another status."""
    yield
    assert [text for text in pages.complaints if "responded with a status of 4" not in text] == []


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), page.url


def save(page: Page) -> None:
    page.locator("#save").click()
    expect(page.locator("#note")).to_contain_text("Opgeslagen.")


@pytest.mark.parametrize("size", list(SIZES), ids=list(SIZES))
def test_every_page_fits_and_is_accessible(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot, size: str
) -> None:
    page = pages.open(
        f"{plan_site.url}/staff/plan?lang={'en' if size == 'portrait' else 'nl'}", size=SIZES[size]
    )
    for path in ("", "/f3", "/import"):
        page.goto(f"{plan_site.url}/staff/plan{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        fits(page)
        assert broken_rules(page) == [], path
        shoot(page, f"plan{path.replace('/', '_')}_{size}", full=size == "phone")


def test_a_place_is_made_and_moved_by_keys_alone(plan_site: Any, desk: Desk, pages: Any) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl")
    button = page.get_by_role("button", name="Plek met getallen")
    for _ in range(60):
        if button.evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("3-X01")
    page.keyboard.press("Tab")
    page.keyboard.press("S")  # the next zone whose name begins with it
    page.keyboard.press("Tab")
    page.keyboard.type("25.5")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    expect(page.get_by_label("Zone van 3-X01").locator("option:checked")).to_have_text("Stilte")
    seat = page.locator('.pe-seat[aria-label^="3-X01,"]')
    seat.focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator("#said")).to_have_text("3-X01: x 25.4, y 4, Stilte")
    page.keyboard.press("PageDown")
    expect(page.locator("#said")).to_contain_text("Gekozen: 3-S01")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.name") == "t0-x"
    page.keyboard.press("Enter")  # sends the form, as in any form
    expect(page.locator("#note")).to_contain_text("Opgeslagen.")
    place = desk.plan.place["3-X01"]
    assert (place.x_m, place.y_m, place.zone) == (25.4, 4.0, "3-stilte")
    assert desk.done == ["plan_saved"]
    remarks = [line for line in EXAMPLE.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in desk.text.splitlines() if line.lstrip().startswith("#")] == remarks


def test_zones_are_drawn_places_dropped_and_tables_dragged(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl")
    box = page.locator(".pe-floor").bounding_box()
    assert box is not None
    floor = desk.plan.floor["f3"]

    def at(x_m: float, y_m: float) -> tuple[float, float]:
        return box["x"] + box["width"] * x_m / floor.size_m[0], box["y"] + box["height"] * y_m / floor.size_m[
            1
        ]

    page.get_by_role("button", name="Zone tekenen").click()
    for corner in ((17, 8.5), (23, 8.5), (23, 9.5), (20, 10.8), (17, 9.5), (17, 8.5)):
        page.mouse.click(*at(*corner))
    expect(page.locator(".pe-area")).to_have_count(4)
    page.get_by_label("Nederlandse naam van Nieuwe zone 4").fill("Nis")
    page.get_by_label("Engelse naam van Nis").fill("Nook")
    page.get_by_label("Kenmerk van Nis").fill("3-nis")
    page.get_by_label("Soort van Nis").select_option("meet")
    page.get_by_role("button", name="Plekken neerzetten").click()
    page.mouse.click(*at(19, 9.2))
    page.mouse.click(*at(21, 9.2))
    page.mouse.click(*at(20, 23.5))
    expect(page.locator("#said")).to_have_text("Buiten elke zone")
    page.keyboard.press("Escape")
    page.mouse.move(*at(10.4, 4.4))
    page.mouse.down()
    page.mouse.move(*at(11, 5), steps=4)
    page.mouse.up()
    shoot(page, "plan_drawn_desk")
    assert broken_rules(page) == []
    save(page)
    plan = desk.plan
    nook = plan.zone["3-nis"]
    assert (nook.kind, nook.name.en, len(nook.corners_m), len(nook.places)) == ("meet", "Nook", 5, 2)
    assert [round(place.y_m, 1) for place in nook.places] == [9.2, 9.2]
    moved = plan.place["3-S09"]
    assert (round(moved.x_m, 1), round(moved.y_m, 1)) == (11.0, 5.0)
    assert len(plan.place) == len(floor_plan.load(EXAMPLE, "p").place) + 2
    page.goto(f"{plan_site.url}/staff/plan/f3")
    expect(page.locator(".pe-area")).to_have_count(4)


def test_without_a_script_numbers_do_it(plan_site: Any, desk: Desk, pages: Any) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl", script=False, size=SIZES["phone"])
    expect(page.locator("#drawing svg")).to_be_visible()
    page.get_by_label("x van 3-S01 in meters").fill("4.9")
    page.get_by_label("Laat de plekken van 3-S09 los van elkaar staan").check()
    page.get_by_label("Naam van plek Nieuwe plek").fill("3-X01")
    page.get_by_label("Zone van Nieuwe plek").select_option(label="Stilte")
    page.get_by_label("x van Nieuwe plek in meters").fill("25.5")
    page.get_by_label("y van Nieuwe plek in meters").fill("2.5")
    save(page)
    plan = desk.plan
    assert plan.place["3-S01"].x_m == 4.9
    assert plan.place["3-X01"].zone == "3-stilte"
    assert {s.device for s in plan.place["3-S10"].sensors} == {
        s.device for s in floor_plan.load(EXAMPLE, "p").place["3-S10"].sensors
    }
    expect(page.get_by_label("Naam van plek 3-S09")).to_be_visible()


def test_a_mistake_is_said_in_dutch_and_nothing_is_written(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl")
    page.get_by_label("x van 3-S01 in meters").fill("23.5")
    page.locator("#save").click()
    expect(page.locator("#mistakes")).to_contain_text(
        "de plekken vanaf 3-S01 liggen buiten zone 3-samenwerken; houd x binnen"
    )
    expect(page.get_by_label("x van 3-S01 in meters")).to_have_value("23.5")
    assert broken_rules(page) == []
    shoot(page, "plan_mistake_desk")
    page.get_by_label("Naam van plek Nieuwe plek").fill("een plek")
    page.locator("#save").click()
    expect(page.locator("#mistakes")).to_contain_text("een plek, naam: 'een plek' is geen naam")
    expect(page.locator('[name="p0-id"]')).to_have_attribute("aria-invalid", "true")
    assert desk.text == EXAMPLE
    assert desk.done == []


def test_a_place_that_the_policy_names_cannot_go_unseen(plan_site: Any, desk: Desk, pages: Any) -> None:
    named = policy.load(RULES, "p").settings.exempt[0]
    first = next(place for place in desk.plan.place.values() if place.id == named)
    page = pages.open(f"{plan_site.url}/staff/plan/{first.floor}?lang=nl")
    table = page.locator("#tables tr", has=page.locator(f'input[value="{named}"]')).first
    table.get_by_role("checkbox").last.check()
    page.locator("#save").click()
    expect(page.locator("#mistakes")).to_contain_text(f"onbekende plek '{named}'; het beleid noemt deze plek")
    assert desk.text == EXAMPLE


def test_the_second_of_two_is_told_and_overwrites_nothing(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot
) -> None:
    first = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl")
    second = pages.open(f"{plan_site.url}/staff/plan/f2?lang=nl")
    first.get_by_label("x van 3-S01 in meters").fill("4.9")
    save(first)
    after = desk.text
    second.get_by_label("x van 2-S01 in meters").fill("5.1")
    for _ in range(2):
        second.locator("#save").click()
        expect(second.locator("#conflict")).to_contain_text("Daarvan is niets overschreven")
        expect(second.get_by_label("x van 2-S01 in meters")).to_have_value("5.1")
    assert desk.text == after
    assert broken_rules(second) == []
    shoot(second, "plan_conflict_desk")
    second.get_by_role("link", name="Laad de plattegrond zoals die nu is").click()
    second.get_by_label("x van 2-S01 in meters").fill("5.1")
    save(second)
    assert (desk.plan.place["3-S01"].x_m, desk.plan.place["2-S01"].x_m) == (4.9, 5.1)


def test_one_button_puts_the_plan_of_before_back(plan_site: Any, desk: Desk, pages: Any) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl", size=SIZES["phone"])
    page.get_by_label("x van 3-S01 in meters").fill("4.9")
    save(page)
    page.get_by_role("button", name="Zet de plattegrond van vóór").click()
    expect(page.locator("#note")).to_contain_text("De vorige plattegrond is terug.")
    assert desk.text == EXAMPLE
    assert desk.done == ["plan_saved", "plan_restored"]
    page.get_by_role("link", name="Wijzigingen").click()
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.locator("tbody tr").last).to_contain_text("plattegrond opgeslagen")
    assert broken_rules(page) == []


def test_a_list_is_shown_first_and_written_when_confirmed(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/import?lang=nl", script=False)
    page.get_by_label("Of plak de regels hier").fill(WRONG_LIST)
    page.get_by_role("button", name="Toon wat er verandert").click()
    rows = page.locator("#mistakes tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("de plattegrond heeft geen zone '3-stille'")
    expect(rows.nth(1)).to_contain_text("plek 3-X02 zou buiten zone 3-stilte liggen")
    expect(rows.nth(2)).to_contain_text("wat voor sensor is 'lora-1'?")
    assert [row.inner_text() for row in rows.locator("th").all()] == ["2", "3", "4"]
    shoot(page, "plan_import_mistakes_desk")
    page.get_by_label("Of plak de regels hier").fill(LIST)
    page.get_by_role("button", name="Toon wat er verandert").click()
    expect(page.locator("#preview")).to_contain_text("2 nieuwe plekken")
    expect(page.locator("#preview tbody tr").last).to_contain_text("switch-sw-9/Gi1/0/2 (switch_port)")
    shoot(page, "plan_import_preview_desk")
    assert desk.text == EXAMPLE, "a look changes nothing"
    page.get_by_role("button", name="Ja, zet dit in de plattegrond").click()
    expect(page.locator("#note")).to_contain_text("De lijst staat in de plattegrond.")
    assert [s.channel for s in desk.plan.place["3-X02"].sensors] == ["Gi1/0/2"]
    page.goto(f"{plan_site.url}/staff/plan/import")
    page.get_by_label("Of plak de regels hier").fill(LIST)
    page.get_by_role("button", name="Toon wat er verandert").click()
    expect(page.locator("#preview")).to_contain_text("Dit staat allemaal al in de plattegrond.")
    assert desk.done == ["places_imported"]


def test_a_confirmation_that_came_too_late_writes_nothing(plan_site: Any, desk: Desk, pages: Any) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/import?lang=nl")
    page.get_by_label("Of plak de regels hier").fill(LIST)
    page.get_by_role("button", name="Toon wat er verandert").click()
    expect(page.locator("#preview")).to_be_visible()
    assert broken_rules(page) == []
    other = EXAMPLE.replace("nl: Raadhuis", "nl: Stadhuis")
    desk.file.write_text(other, "utf-8")
    page.get_by_role("button", name="Ja, zet dit in de plattegrond").click()
    expect(page.get_by_role("alert")).to_contain_text("Iemand anders heeft de plattegrond intussen gewijzigd")
    expect(page.get_by_label("Of plak de regels hier")).to_have_value(LIST.strip())
    assert desk.text == other


def test_a_drawing_lies_under_the_floor_and_does_nothing_else(
    plan_site: Any, desk: Desk, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{plan_site.url}/staff/plan/f3?lang=nl")
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 240" onload="alert(1)"><script>alert(1)</script>'
        b'<path d="M20 20H380V220H20Z" fill="none" stroke="#c2410c" stroke-width="6"/></svg>'
    )
    sheet = {"name": "plan.svg", "mimeType": "image/svg+xml", "buffer": drawing}
    page.get_by_label("Bestand", exact=True).set_input_files(files=[sheet])
    page.get_by_role("button", name="Gebruik als achtergrond").click()
    expect(page.locator("#note")).to_have_text("De achtergrond is ingesteld.")
    image = page.locator(".pe-image")
    expect(image).to_have_attribute("width", "800")
    got = page.request.get(plan_site.url + (image.get_attribute("href") or ""))
    assert "script" not in got.text()
    assert "onload" not in got.text()
    assert "sandbox" in got.headers["content-security-policy"]
    page.get_by_label("Breedte (m)").fill("38")
    page.get_by_label("Links (m)").fill("1")
    page.get_by_role("button", name="Leg het zo").click()
    expect(image).to_have_attribute("width", "760")
    assert broken_rules(page) == []
    shoot(page, "plan_background_desk")
    wrong = {"name": "plan.png", "mimeType": "image/png", "buffer": b"<html><script>alert(1)</script></html>"}
    page.get_by_label("Bestand", exact=True).set_input_files(files=[wrong])
    page.get_by_role("button", name="Gebruik als achtergrond").click()
    expect(page.locator("#note")).to_have_text("Dit bestand is geen SVG, PNG of JPEG.")
    page.get_by_role("button", name="Haal de achtergrond weg").click()
    expect(page.locator(".pe-image")).to_have_count(0)
    assert desk.done == ["background_set", "background_removed"]


def test_whoever_has_no_business_here_gets_nothing(
    served: Callable[..., Any], desk: Desk, pages: Any
) -> None:
    with served(desk=desk.plan_desk, staff_password="geheim") as site:
        page = pages.open(f"{site.url}/wall/f3")
        for path in (
            "plan",
            "plan/f3",
            "plan/import",
            "plan/state",
            "plan/f3/background",
            "devices",
            "actions",
        ):
            assert page.request.get(f"{site.url}/staff/{path}").status == 401, path
        right = {"Authorization": "Basic " + "OmdlaGVpbQ=="}
        assert page.request.get(f"{site.url}/staff/plan/f3", headers=right).status == 200
        for path in ("plan/f3", "plan/undo", "plan/import/confirm", "plan/f3/background", "devices/x/claim"):
            evil = right | {"Origin": "https://evil.example"}
            answer = page.request.post(f"{site.url}/staff/{path}", headers=evil, form={"base": "x"})
            assert answer.status == 403, path
        large = page.request.post(f"{site.url}/staff/plan/f3", headers=right, form={"a": "x" * 2_100_000})
        assert large.status == 413
        state = json.loads(page.request.get(f"{site.url}/staff/plan/state", headers=right).text())
        assert state["runs"] is True
    assert desk.text == EXAMPLE
