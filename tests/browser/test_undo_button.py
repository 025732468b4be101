"""From the button to the state: staff release a place by mistake, on pages before a real engine, and take it back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.actions import MemoryActions
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from tests.accessibility import broken_rules
from tests.browser.conftest import MORNING, RULES
from workplace import codec
from workplace.events import Request, SensorEvent
from workplace.holds.engine import SiteEngine

expect.set_options(timeout=60_000)
PLACE, LABEL = "3-S01", "3.S01"


class Behind:
    """A real engine that answers what the pages ask, over the bytes of the wire; the pages show its states."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.engine = SiteEngine(site.plan, RULES)
        self.engine.start(MORNING - timedelta(minutes=40))
        for minutes in range(-39, 1, 1):
            for kind in ("link", "motion"):
                self._sense(kind, minutes)
        site.answer = self.answer
        self.show()

    def _sense(self, kind: Any, minutes: int) -> None:
        at = MORNING + timedelta(minutes=minutes)
        for place in self.site.plan.zone["3-samenwerken"].places:
            sensor = place.sensors_of(kind)[0]
            value = place.id == PLACE
            event = SensorEvent(
                id=f"{place.id}-{kind}-{minutes}", site=self.site.plan.site, gateway="gw-3", device=sensor.device,
                channel=sensor.channel, kind=kind, value=value, measured_at=at, received_at=at, clock="device",
                uncertainty_ms=5,
            )  # fmt: skip
            if kind == "motion" or minutes == -39:
                self.engine.apply(event, at)

    @property
    def extra(self) -> timedelta:
        """How much longer the place may be used than the policy says."""
        return self.engine._places[PLACE].hold.stay_extra

    @property
    def phase(self) -> str:
        return self.engine.place_state(PLACE).phase

    def answer(self, request: Request) -> tuple[bool, str]:
        heard = codec.decode(codec.encode(request), Request)
        (reply,) = self.engine.apply(heard, self.site.clock.now()).replies
        self.site.loop.call_soon(self._feed)
        return reply.accepted, reply.reason

    def _feed(self) -> None:
        for state in self.engine.all_states()[0]:
            self.site.phases[state.place] = state.phase
            self.site._feed(f"plekvrij/v1/{self.site.plan.site}/state/place/{state.place}", state)

    def show(self) -> None:
        self.site.loop.call_soon_threadsafe(self._feed)
        self.site.tell(places=False)


@pytest.fixture(scope="module")
def actions() -> MemoryActions:
    return MemoryActions()


@pytest.fixture(scope="module")
def behind(
    served: Callable[..., Any], actions: MemoryActions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    folder: Path = tmp_path_factory.mktemp("undo")
    store = PlanFolder(
        folder / "plan.yaml", folder, check=lambda _: [], replace=lambda file, text: file.write_text(text)
    )
    with served(desk=PlanDesk(store, BackgroundFolder(folder), actions), undo_s=60.0) as site:
        yield Behind(site)


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    yield
    assert pages.complaints == []


def drawn(page: Page, letter: str) -> Any:
    return page.locator(f'#map .places path[data-place="{PLACE}"].p-{letter}')


def open_staff(behind: Behind, pages: Any) -> Page:
    page: Page = pages.open(f"{behind.site.url}/staff/?floor=f3&lang=nl", bypass_csp=True)
    page.on("dialog", lambda dialog: dialog.accept())
    expect(drawn(page, "u")).to_be_attached()
    expect(page.get_by_role("button", name=f"Vrijgeven, {LABEL}")).to_be_visible()
    return page


def test_a_release_by_mistake_is_taken_back(
    behind: Behind, actions: MemoryActions, pages: Any, shoot: Callable[..., None]
) -> None:
    assert behind.phase == "in_use"
    page = open_staff(behind, pages)
    page.get_by_role("button", name=f"Vrijgeven, {LABEL}").click()
    expect(page.locator("#flash")).to_contain_text(f"{LABEL}: Gelukt.")
    expect(drawn(page, "f")).to_be_attached()
    assert behind.phase == "free"
    undo = page.get_by_role("button", name=f"Ongedaan maken, {LABEL}")
    shoot(page, "staff_undo")
    assert broken_rules(page) == [], json.dumps(broken_rules(page), indent=1)
    undo.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#flash")).to_have_text(f"{LABEL}: Ongedaan gemaakt.")
    expect(drawn(page, "u")).to_be_attached()
    assert behind.phase == "in_use"
    release, back = behind.site.requests[-2:]
    assert (back.action, back.undoes, back.within_s, back.role) == ("undo", release.id, 60.0, "staff")
    assert [one.action for one in actions.newest(2)] == ["action_undone", "place_released"]
    page.goto(f"{behind.site.url}/staff/actions?lang=nl")
    expect(page.get_by_role("row", name="actie ongedaan gemaakt")).to_contain_text("3-samenwerken")
    assert LABEL not in page.locator("main").inner_text(), "13 months are too long for a single place"
    assert PLACE not in page.locator("main").inner_text()


def test_every_action_can_be_taken_back_once_and_not_when_it_is_too_late(behind: Behind, pages: Any) -> None:
    page = open_staff(behind, pages)
    undo = page.get_by_role("button", name=f"Ongedaan maken, {LABEL}")
    page.get_by_role("button", name=f"+60, {LABEL}").click()
    expect(undo).to_be_visible()
    assert behind.extra == timedelta(minutes=60)
    undo.click()
    expect(page.locator("#flash")).to_have_text(f"{LABEL}: Ongedaan gemaakt.")
    assert behind.extra == timedelta()
    page.get_by_role("button", name=f"Vrijstellen, {LABEL}").click()
    expect(drawn(page, "e")).to_be_attached()
    undo.click()
    expect(drawn(page, "u")).to_be_attached()
    page.get_by_role("button", name=f"+60, {LABEL}").click()
    expect(undo).to_be_visible()
    behind.site.clock.at += timedelta(seconds=61)
    undo.click()
    expect(page.locator("#flash")).to_contain_text("Dit kan niet meer ongedaan worden gemaakt")
    assert behind.extra == timedelta(minutes=60)


def test_the_button_goes_when_its_time_is_over(behind: Behind, pages: Any) -> None:
    page = pages.open("about:blank")
    page.clock.install()
    page.goto(f"{behind.site.url}/staff/?floor=f3&lang=nl")
    page.clock.run_for(3000)
    page.get_by_role("button", name=f"+60, {LABEL}").click()
    undo = page.locator("#flash button")
    expect(undo).to_be_visible()
    page.clock.run_for(58_000)
    expect(undo).to_be_visible()
    page.clock.run_for(4_000)
    expect(undo).to_be_hidden()
