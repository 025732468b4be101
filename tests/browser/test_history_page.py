"""The history page in a real browser, on a real store: a quarter of a year with gaps."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ingest.stores.schema import DeskHour, TransitionRow
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.usage import SqliteUsage
from tests.accessibility import broken_rules
from workplace import floor_plan
from workplace.floor_plan import Zone
from workplace.ports import ZoneBin

Shoot = Callable[..., None]
expect.set_options(timeout=60_000)
SIZES = {"landscape": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}
TODAY = date(2026, 11, 24)
#: What the clock of the site says.
MORNING = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
#: The whole floor was dark on one day; on another the gateway of the silence zone was.
DARK, HALF_DARK = date(2026, 11, 11), date(2026, 11, 17)
BUSIEST = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)


def bins_of(zone: Zone, capacity: int, day: date, chance: random.Random) -> Iterator[ZoneBin]:
    """Yield a working day of a zone that fills up to noon, five minutes after five minutes."""
    full = {0: 0.65, 1: 0.92, 2: 0.6, 3: 0.85, 4: 0.35}.get(day.weekday(), 0.02)
    at = datetime.combine(day, time(6, 0), UTC)
    while at < datetime.combine(day, time(18, 0), UTC) and at < MORNING - timedelta(minutes=10):
        hour = at.hour + at.minute / 60
        shape = max(0.0, 1 - abs(hour - 11) / 7)
        used = min(float(capacity - 1), capacity * max(0.0, full * shape + chance.uniform(-0.06, 0.06)))
        if at == BUSIEST:
            used = capacity - 1.0
        held = min(capacity - used, 0.12 * used)
        lost = day == HALF_DARK and zone.id == "3-stilte"
        seen = 0.4 if lost else 0.97
        free = capacity - used - held
        yield ZoneBin(
            zone.id, at, used * seen, int(used * seen) + 1, held * seen, free * seen,
            0 if lost else max(0, int(free) - 1), capacity, 100 * seen,
        )  # fmt: skip
        at += timedelta(minutes=5)


def fill(store: SqliteStore, zones: tuple[Zone, ...]) -> None:
    chance = random.Random(5)
    days = [TODAY - timedelta(days=back) for back in range(91)]
    with store.transaction() as writing:
        for zone in zones:
            capacity = sum(not place.fixed for place in zone.places)
            for day in days:
                if day != DARK:
                    writing.put_zone_bins(list(bins_of(zone, capacity, day, chance)))
            for number, place in enumerate(zone.places):
                for day in days[:14]:
                    if day not in (DARK, TODAY) and place.id != "3-T03":
                        writing.put_desk_hours(hours_of(place.id, zone.id, day, number))
                        hold(writing, place.id, zone.id, day, chance)


def hours_of(place: str, zone: str, day: date, number: int) -> list[DeskHour]:
    return [
        DeskHour(
            place, zone, datetime.combine(day, time(hour), UTC),
            3600 * max(0.0, min(1.0, (1 - abs(hour - 11) / 6) * (0.5 + number % 5 / 8))), 200.0, 1, 97.0,
        )
        for hour in range(6, 18)
    ]  # fmt: skip


def hold(writing: Any, place: str, zone: str, day: date, chance: random.Random) -> None:
    """Write a hold of a morning, and for some places what came after it."""
    began = datetime.combine(day, time(7, 30), UTC) + timedelta(minutes=chance.randrange(120))
    ended = began + timedelta(minutes=chance.randrange(15, 420))
    id_ = f"{place}-{day}"
    writing.begin_hold(id_, place, zone, began)
    writing.end_hold(id_, ended, "unknown" if chance.random() < 0.03 else "just_left")
    if chance.random() < 0.3:
        turns = [(began, "in_use", "occupied", id_), (ended, "reclaimable", "held", id_)]
        if chance.random() < 0.7:
            back = id_ if chance.random() < 0.2 else f"{id_}-b"
            turns.append((ended + timedelta(minutes=chance.randrange(3, 80)), "in_use", "occupied", back))
        writing.add_transitions(
            TransitionRow(place, zone, at, phase, seen, of, "active", (), at)  # type: ignore[arg-type]
            for at, phase, seen, of in turns
        )


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, served: Callable[..., Any]) -> Iterator[Any]:
    """A town hall that has run for a quarter of a year."""
    path = tmp_path_factory.mktemp("past") / "site.db"
    store = SqliteStore(sqlite3.connect, path)
    store.open(MORNING)
    fill(store, PLAN.floor["f3"].zones)
    store.close()
    with served(usage=SqliteUsage(sqlite3.connect, path)) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    """No page may write an error or break its own content policy."""
    yield
    assert pages.complaints == []


def open_history(
    site: Any, pages: Any, *, lang: str = "nl", days: int = 28, floor: str = "f3", **more: Any
) -> Page:
    page: Page = pages.open(f"{site.url}/staff/history?floor={floor}&lang={lang}&days={days}", **more)
    expect(page.locator("#history-hours table").first).to_be_visible()
    expect(page.locator("#history-held .barlayer")).to_be_attached()
    return page


def nothing_sticks_out(page: Page) -> None:
    """The page does not scroll sideways, and no chart or table leaves its card."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    escaped = page.evaluate(
        """() => [...document.querySelectorAll('.st-card, .st-kpi')].flatMap(box => {
            const right = box.getBoundingClientRect().right;
            return [...box.querySelectorAll(':scope > *, .st-chart svg')]
                .filter(e => e.getBoundingClientRect().right > right + 1).map(e => e.outerHTML.slice(0, 80));
        })"""
    )
    assert escaped == []


@pytest.mark.parametrize("size", SIZES)
def test_four_weeks_in_dutch(past: Any, pages: Any, shoot: Shoot, size: str) -> None:
    page = open_history(past, pages, size=SIZES[size])
    assert page.locator("html").get_attribute("lang") == "nl"
    hours = page.locator("#history-hours")
    expect(hours).to_contain_text(
        "Drukste moment: dinsdag 10 november, 10.30 uur, 60 van de 65 plekken in gebruik."
    )
    assert hours.locator("table").first.locator("tbody tr").count() == 3
    expect(page.locator("#history-days-say")).to_contain_text("Niet gemeten: 1 van de 20 werkdagen.")
    expect(page.locator("#history-days .scatterlayer").first).to_be_attached()
    expect(page.locator("#history-holds .barlayer .point")).to_have_count(7)
    expect(page.locator("#history-again")).to_contain_text(
        re.compile(r"\d+ keer mocht een ander een plek gebruiken")
    )
    nothing_sticks_out(page)
    shoot(page, f"history_{size}", full=True)
    if size == "phone":  # a wide table scrolls by itself, also by keyboard, and the page does not
        box = hours.get_by_role("region").first
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())
        nothing_sticks_out(page)


def test_what_has_no_data_is_not_measured_and_never_zero(past: Any, pages: Any, shoot: Shoot) -> None:
    page = open_history(past, pages)
    page.locator("summary").first.click()
    rows = page.locator("#history-days-table tbody tr").filter(has_text="wo 11 nov")
    expect(rows).to_have_count(3)
    for number in range(3):
        expect(rows.nth(number).locator("td").nth(1)).to_have_text("niet gemeten")
        expect(rows.nth(number).locator("td").last).to_have_text("0 %")
    half = page.locator("#history-days-table tbody tr").filter(has_text="di 17 nov").filter(has_text="Stilte")
    expect(half.locator("td").nth(3)).to_have_text("–")  # silent sensors are no shortage
    assert page.locator("#history-days .shapelayer path").count() == 3
    expect(page.locator("#history-places-say")).to_contain_text("Meest gebruikt: plek 3.")
    page.locator("summary").last.click()
    silent = page.locator("#history-places tr").filter(has_text="3.T03")
    expect(silent.locator("td").first).to_contain_text("niet gemeten")
    heard = page.locator("#history-places tr").filter(has_text="3.T04").locator("td").nth(2)
    assert re.fullmatch(r"\d+", heard.inner_text())
    shoot(page, "history_places", full=True)


def test_periods_floors_and_the_live_page_are_links(past: Any, pages: Any) -> None:
    page = open_history(past, pages)
    period = page.get_by_role("navigation", name="Periode")
    expect(period.locator("[aria-current]")).to_have_text("28 dagen")
    period.get_by_role("link", name="91 dagen").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#history-period")).to_contain_text("Werkdagen: 65")
    page.get_by_role("link", name="Verdieping 2, Ruimte en Economie").click()
    expect(page.locator("#history-period")).to_contain_text("Werkdagen: 65")  # the period goes along
    expect(page.locator("#history-hours")).to_contain_text("In deze periode is niets gemeten.")
    page.get_by_role("link", name="Nu", exact=True).click()
    expect(page.locator("#map .places path").first).to_be_attached()
    page.get_by_role("link", name="Geschiedenis", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Geschiedenis van verdieping 2, Ruimte en Economie"
    )


@pytest.mark.parametrize(
    ("lang", "days", "head"),
    [("nl", 7, "Dag"), ("en", 396, "Week from")],
    ids=["a week in Dutch", "a year in English"],
)
def test_no_accessibility_rule_is_broken(
    past: Any, pages: Any, shoot: Shoot, lang: str, days: int, head: str
) -> None:
    page = open_history(past, pages, lang=lang, days=days, bypass_csp=True)
    shoot(page, f"history_{days}_{lang}", full=True)
    page.locator("summary").first.click()
    expect(page.locator("#history-days-table thead th").first).to_have_text(head)
    nothing_sticks_out(page)
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)


def test_the_page_needs_the_staff_password_where_one_is_set(served: Callable[..., Any]) -> None:
    with served(staff_password="a word of staff") as site, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{site.url}/staff/history")  # noqa: S310 - our own server
    assert refused.value.code == 401
    refused.value.close()
