"""The policy as staff read it, in a real browser; its switch is asked twice and noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.actions import MemoryActions
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from tests.accessibility import broken_rules

#: A loaded machine may be slow; a page that is right gets there.
expect.set_options(timeout=60_000)
SIZES = {"desk": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}


@pytest.fixture(scope="module")
def actions() -> MemoryActions:
    return MemoryActions()


@pytest.fixture(scope="module")
def policy_site(
    served: Callable[..., Any], actions: MemoryActions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("policy")
    store = PlanFolder(
        folder / "plan.yaml", folder, check=lambda _: [], replace=lambda file, text: file.write_text(text)
    )
    with served(desk=PlanDesk(store, BackgroundFolder(folder), actions)) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    yield
    assert pages.complaints == []


def test_staff_read_the_text_that_runs_in_both_languages(
    policy_site: Any, pages: Any, shoot: Callable[..., None]
) -> None:
    page = pages.open(f"{policy_site.url}/staff/policy?lang=nl")
    main = page.locator("main")
    for text in ("vrijgestelde plekken: was 2, wordt 1", "De instemming geldt voor precies deze tekst."):
        expect(main).to_contain_text(text)
    dutch, english = page.locator('section[lang="nl"] li'), page.locator('section[lang="en"] li')
    assert dutch.count() == english.count() > 5
    rows = page.get_by_role("row")
    assert rows.count() == len(policy_site.plan.zone) + 1
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
        assert broken_rules(page) == []
        shoot(page, f"policy_{name}", full=name == "phone")


def test_staff_stop_the_rules_in_two_steps_by_keys_alone(
    policy_site: Any, actions: MemoryActions, pages: Any
) -> None:
    policy_site.requests.clear()
    page = pages.open(f"{policy_site.url}/staff/policy?lang=nl", size=SIZES["phone"], script=False)
    page.get_by_role("link", name="Zet de regels stil").press("Enter")
    expect(page.get_by_role("button", name="Ja, zet de regels stil")).to_be_visible()
    assert policy_site.requests == []
    page.get_by_role("button", name="Ja, zet de regels stil").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Gelukt. De regels staan stil. Dat staat op elk scherm.")
    assert [(one.action, one.role, one.place) for one in policy_site.requests] == [("pause", "staff", None)]
    assert [one.action for one in actions.newest(9)] == ["rules_stopped"]
    policy_site.answer = lambda _: (False, "no_answer")
    page.goto(f"{policy_site.url}/staff/policy?ask=switch")
    page.get_by_role("button", name="Ja, zet de regels stil").click()
    expect(page.get_by_role("status")).to_contain_text("Er is niets zeker")
    assert len(actions.newest(9)) == 1, "what was refused was not done"
