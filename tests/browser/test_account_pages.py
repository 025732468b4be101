"""Log-in, set-up and account in a real browser: by keyboard alone, on each size, in both languages."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from dashboard.accounts.book import AccountBook
from dashboard.accounts.directory import Directory, DirectorySettings
from dashboard.accounts.roles import Role
from tests.accessibility import broken_rules
from tests.oidc_provider import CLIENT, PERSON, SECRET, Provider, running

expect.set_options(timeout=60_000)  # a loaded machine may be slow; a page that is right gets there
PASSWORD = "kruiwagen lantaarn zeven"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> AccountBook:
    return AccountBook(sqlite3.connect, tmp_path_factory.mktemp("accounts") / "accounts.db")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def guarded(served: Any, book: AccountBook, provider: Provider) -> Iterator[Any]:
    book.set_up(book.add("balie-1", "staff"), PASSWORD)

    def directory(pages: str) -> Directory:
        roles: dict[str, Role] = {"plek-facilitair": "facility"}
        return Directory(
            DirectorySettings(provider.issuer, CLIENT, SECRET, pages, "realm_access.roles", roles)
        )

    with served(accounts=book, directory=directory) as site:
        yield site


def check(page: Page, shoot: Callable[..., None], name: str) -> None:
    """Axe finds nothing, nothing is wider than the screen, and a picture is kept."""
    shoot(page, name, full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize(
    ("size", "lang"), [((1920, 1080), "nl"), ((1080, 1920), "nl"), ((390, 844), "nl"), ((390, 844), "en")]
)
def test_the_way_in_by_keyboard(
    guarded: Any, book: AccountBook, pages: Any, shoot: Callable[..., None], size: tuple[int, int], lang: str
) -> None:
    name = f"facilitair-{size[0]}-{lang}"
    look = f"account_{size[0]}_{lang}"
    page = pages.open(
        f"{guarded.url}/setup/{book.add(name, 'facility')}?lang={lang}", size=size, bypass_csp=True
    )
    check(page, shoot, f"{look}_setup")
    page.locator("#password").focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_value(name)
    page.locator("#password").focus()
    page.keyboard.type("iets heel anders")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    check(page, shoot, f"{look}_wrong")
    page.locator("#password").focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/**")
    page.goto(f"{guarded.url}/account")
    check(page, shoot, f"{look}_account")
    secret = page.locator("main code").inner_text()
    page.locator("#code").focus()
    page.keyboard.type(pyotp.TOTP(secret).at(int(time.time())))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_be_visible()
    check(page, shoot, f"{look}_second_step")
    page.get_by_role("button").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_be_visible()
    page.goto(f"{guarded.url}/staff/")
    expect(page).to_have_url(f"{guarded.url}/login?to=/staff/")
    assert [c for c in pages.complaints if "403" not in c] == []


@pytest.mark.parametrize("size", [(1920, 1080), (390, 844)])
def test_the_way_in_through_the_directory(
    guarded: Any, provider: Provider, pages: Any, shoot: Callable[..., None], size: tuple[int, int]
) -> None:
    page = pages.open(f"{guarded.url}/login?to=/staff/history&lang=nl", size=size, bypass_csp=True)
    check(page, shoot, f"account_{size[0]}_directory")
    page.get_by_role("link", name="Inloggen met je werkaccount").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/history")
    page.goto(f"{guarded.url}/account")
    expect(page.get_by_role("heading", level=1)).to_contain_text("oidc-")
    expect(page.locator("input[type=password]")).to_have_count(0)
    check(page, shoot, f"account_{size[0]}_of_directory")
    page.get_by_role("button").first.click()
    expect(page.locator("#name")).to_be_visible()
    provider.person["realm_access"] = {"roles": ["overig"]}
    page.get_by_role("link", name="Inloggen met je werkaccount").click()
    expect(page.get_by_role("alert")).to_contain_text("geen rol")
    check(page, shoot, f"account_{size[0]}_no_role")
    provider.person = dict(PERSON)


def test_a_used_link_says_what_to_do(
    guarded: Any, book: AccountBook, pages: Any, shoot: Callable[..., None]
) -> None:
    page = pages.open(f"{guarded.url}/setup/{'x' * 43}?lang=nl", size=(390, 844), bypass_csp=True)
    expect(page.get_by_role("alert")).to_contain_text("Vraag een nieuwe")
    check(page, shoot, "account_used_link")


def test_names_cannot_carry_markup(guarded: Any, pages: Any) -> None:
    page = pages.open(f"{guarded.url}/login?to=/staff/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E")
    page.locator("#name").fill('"><img src=x onerror=alert(1)>')
    page.locator("#password").fill("x" * 20)
    page.get_by_role("button").click()
    expect(page.locator("#name")).to_have_value('"><img src=x onerror=alert(1)>')
    assert page.locator("img").count() == 0


def test_what_staff_read_stands_on_the_page_of_the_council(
    guarded: Any, book: AccountBook, pages: Any, shoot: Callable[..., None]
) -> None:
    page = pages.open(f"{guarded.url}/login?to=/staff/history&lang=nl", bypass_csp=True)
    page.locator("#name").fill("balie-1")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.locator("#history-period")).not_to_have_text("Even geduld")
    page.goto(f"{guarded.url}/staff/")
    expect(page.locator("#map .places path").first).to_be_attached()
    page.goto(f"{guarded.url}/council?lang=nl")
    reads = page.locator(".reads")
    for kind in ("beheerpagina: plekken zoals ze nu zijn", "geschiedenis, met gemiddelden van losse plekken"):
        expect(reads.get_by_role("row", name=f"beheer {kind}").first).to_be_visible()
    page.locator(".reads summary").press("Enter")
    expect(reads.get_by_role("table")).to_have_count(2)
    assert "balie-1" not in page.locator("main").inner_text()
    for size in ((1920, 1080), (1080, 1920), (390, 844)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        check(page, shoot, f"council_reads_{size[0]}")
