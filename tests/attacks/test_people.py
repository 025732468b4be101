"""Who pretends to be somebody: guesses, stolen links and sessions, forms of other sites. Refused and counted."""

from __future__ import annotations

import base64
import math
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import argon2
import httpx
import pytest
from playwright.sync_api import Browser, expect

from dashboard.accounts import book as book_module
from dashboard.accounts.book import AccountBook, Refused
from dashboard.guard import Guard
from dashboard.settings import DashboardSettings
from dashboard.wall.screen_links import add_screen, withdraw_screen
from tests.attacks.conftest import PASSWORD, Target, addresses
from tests.browser.conftest import MORNING

OTHER_SITES = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)


@pytest.fixture
def client(target: Target) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=target.url, timeout=60.0) as opened:
        yield opened


# Guesses


def test_ten_thousand_guesses_cost_a_handful_of_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0
    usual = argon2.PasswordHasher

    class Counting(usual):  # type: ignore[misc,valid-type]
        def verify(self, *arguments: str) -> bool:
            nonlocal checks
            checks += 1
            return bool(super().verify(*arguments))

    monkeypatch.setattr(book_module.argon2, "PasswordHasher", Counting)
    book = AccountBook(sqlite3.connect, tmp_path / "accounts.db")
    book.set_up(book.add("beheer", "admin"), PASSWORD)
    began = time.monotonic()
    for number in range(10_000):
        with pytest.raises(Refused, match=r"wrong|wait"):
            book.enter("beheer" if number % 2 else f"naam-{number}", f"gok {number}", "", "203.0.113.7")
    taken_s = time.monotonic() - began
    assert checks <= 7 + math.log2(1 + taken_s), "five are free, and each pause is twice as long"
    assert book.refused_tries == 10_000
    book.close()


def test_guesses_over_the_wire_are_told_to_wait_and_others_log_in(
    target: Target, client: httpx.Client
) -> None:
    def look() -> float:
        began = time.perf_counter()
        assert client.get("/api/v1/health").status_code == 200
        return time.perf_counter() - began

    usual_s = median(look() for _ in range(15))
    before = target.refused("login_wait") + target.refused("login_wrong")
    transport = httpx.HTTPTransport(local_address="127.0.0.66")
    statuses, under_fire_s = [], []
    with httpx.Client(base_url=target.url, timeout=60.0, transport=transport) as thief:
        for number in range(150):
            answer = thief.post("/login", data={"name": "admin", "password": f"een gok van {number}"})
            statuses.append(answer.status_code)
            under_fire_s += [look()] if number % 10 == 0 else []
    assert statuses[:5] == [403] * 5
    assert statuses.count(429) > 120
    assert target.refused("login_wait") + target.refused("login_wrong") == before + 150
    assert median(under_fire_s) < max(5 * usual_s, 0.25)
    answer = client.post("/login", data={"name": "facility", "password": PASSWORD})
    assert answer.status_code == 303, "another address, another account"


def test_guesses_of_the_password_of_staff_have_to_wait_too() -> None:
    async def nobody(*_: object) -> None:
        raise AssertionError("let in")

    guard = Guard(
        nobody,
        DashboardSettings(staff_password=PASSWORD),
        staff_csp=str,
        not_found=lambda: None,
        needs_link=lambda: None,
    )  # type: ignore[arg-type,return-value]
    statuses = [_status(guard, f"gok {number}") for number in range(10_000)]
    assert statuses[:5] == [401] * 5
    assert statuses.count(429) > 9_900
    assert _status(guard, PASSWORD) == 429, "what comes while it waits is not looked at"
    with pytest.raises(AssertionError, match="let in"):
        _status(guard, PASSWORD, caller="192.0.2.1")


def _status(guard: Guard, password: str, caller: str = "203.0.113.7") -> int:
    token = base64.b64encode(f"x:{password}".encode())
    headers = [(b"host", b"localhost"), (b"authorization", b"Basic " + token)]
    scope = {
        "type": "http", "method": "GET", "path": "/staff/", "query_string": b"", "headers": headers,
        "client": (caller, 1),
    }  # fmt: skip
    told: list[dict[str, int]] = []

    async def send(message: dict[str, int]) -> None:
        told.append(message)

    step = guard(scope, None, send)  # type: ignore[arg-type]
    try:
        step.send(None)
    except StopIteration:
        return told[0]["status"]
    raise AssertionError("it waits for something")


# What was stolen


def test_a_stolen_session_ends_with_the_log_out_of_its_owner(target: Target, client: httpx.Client) -> None:
    stolen, other = target.session("staff"), target.session("staff")
    assert client.get("/map/f3", headers={"cookie": stolen}).status_code == 200
    client.post("/logout", data={"everywhere": "yes"}, headers={"cookie": other})
    before = target.refused("session")
    assert client.get("/map/f3", headers={"cookie": stolen}).status_code == 401
    assert target.refused("session") == before + 1


@pytest.mark.parametrize("forged", ["x", "A" * 43, "", "'; DROP TABLE session; --", "%00", "a" * 9000])
def test_a_session_that_was_never_given_is_none(client: httpx.Client, forged: str) -> None:
    assert client.get("/map/f3", headers={"cookie": f"plekvrij_session={forged}"}).status_code == 401


def test_a_link_of_a_screen_shows_its_wall_and_nothing_to_change(
    target: Target, client: httpx.Client
) -> None:
    assert client.get(f"/s/{target.screen}").status_code == 200
    for address in ("/staff/", "/map/f3", "/wall/f2", "/api/v1/floors", "/account"):
        assert client.get(address, headers={"referer": f"{target.url}/s/{target.screen}"}).status_code in {
            401,
            403,
            303,
        }
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, f"/s/{target.screen}").status_code in {404, 405}


def test_a_stolen_link_is_worth_nothing_once_it_was_withdrawn(target: Target, client: httpx.Client) -> None:
    stolen = add_screen(target.data, "gestolen", "f2", None, MORNING)
    assert client.get(f"/s/{stolen}").status_code == 200
    withdraw_screen(target.data, "gestolen", MORNING)
    before = dict(target.made.screens.counts().refused)
    assert client.get(f"/s/{stolen}").status_code == 410
    assert target.made.screens.counts().refused["withdrawn"] == before["withdrawn"] + 1


# Forms of other sites


def test_no_form_or_call_of_another_site_is_heard(target: Target, client: httpx.Client) -> None:
    """Every address that changes something, also those of Dash and the interface, with the cookie of an account."""
    session = target.session("admin")
    posts = sorted({path for method, path in addresses(target.made.app) if method == "POST"})
    assert "/staff/_dash-update-component" in posts
    assert "/login" in posts
    before, asked = target.refused("origin"), 0
    for path in posts:
        address = re.sub(r"\{[^}]*\}", "f3", path)
        for headers in OTHER_SITES:
            for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
                sent = {**headers, "cookie": session, "content-type": kind}
                answer = client.post(address, headers=sent, content=b"{}")
                assert answer.status_code == 403, (address, headers)
                asked += 1
    assert asked > 300
    assert target.refused("origin") == before + asked
    assert client.get("/account", headers={"cookie": session}).status_code == 200, "not even logged out"


def test_nothing_that_is_only_asked_for_changes_anything(target: Target, client: httpx.Client) -> None:
    """GET needs no origin: an image on another site may call it, so it must not act."""
    session = target.session("admin")

    def changed() -> tuple[object, ...]:
        plan = (target.data / "site.plan.yaml").read_bytes()
        done = sorted(file.name for file in (target.data / "actions").iterdir())
        return len(target.made.requests), plan, done, [account.has_code for account in target.book.accounts()]

    before = changed()
    for path in sorted(path for method, path in addresses(target.made.app) if method == "POST"):
        address = re.sub(r"\{[^}]*\}", "f3", path)
        assert client.get(address, headers={"cookie": session}).status_code < 500, path
    assert changed() == before
    assert client.get("/account", headers={"cookie": session}).status_code == 200


def test_a_real_browser_on_another_site_cannot_act(target: Target, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{target.url}/login")
    page.locator("#name").fill("facility")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button").first.click()
    page.wait_for_url("**/staff/**")
    before, mine = target.refused("origin"), len(target.made.requests)
    evil = "http://evil.example"
    body = _TRAP.format(url=target.url)
    page.route(f"{evil}/**", lambda route: route.fulfill(content_type="text/html", body=body))
    for form in ("plain", "switch"):
        page.goto(f"{evil}/trap")
        page.locator(f"#{form}").evaluate("form => form.submit()")
        expect(page.locator("body")).to_contain_text("another site")
    assert target.refused("origin") == before + 2
    assert len(target.made.requests) == mine
    context.close()


_TRAP = """<!doctype html><form method=post id=switch action="{url}/council/switch"><input name=state value=off></form>
<form method=post id=plain enctype="text/plain" action="{url}/api/v1/places/3-T01/requests">
<input name='{{"action":"release","a":"' value='"}}'></form>"""


def test_no_page_lets_itself_be_framed(target: Target, client: httpx.Client) -> None:
    session = target.session("admin")
    for path in ("/", "/desk/3-T01", "/staff/", "/staff/plan", "/login", "/council", f"/s/{target.screen}"):
        answer = client.get(path, headers={"cookie": session})
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-frame-options"] == "DENY", path


def test_other_hosts_and_other_names_are_counted(target: Target, client: httpx.Client) -> None:
    before = target.refused("host")
    for name in ("evil.example", "127.0.0.1.evil.example", "[::ffff:203.0.113.7]", ""):
        assert client.get("/", headers={"host": name}).status_code == 400
    assert target.refused("host") == before + 4


def test_no_role_reaches_what_is_not_its_own(target: Target, client: httpx.Client) -> None:
    """Every address without a session, and the works council at everything that tells of a place."""
    for method, path in addresses(target.made.app):
        address = re.sub(r"\{[^}]*\}", "f3", path)
        if address.startswith(("/staff", "/map/", "/walk", "/account")):
            assert client.request(method, address).status_code == 401, address
    before = target.refused("role")
    council = target.session("works_council")
    for address in (
        "/staff/",
        "/map/f3",
        "/walk",
        "/staff/plan",
        "/staff/devices",
        "/api/v1/places/3-T01/decisions",
    ):
        assert client.get(address, headers={"cookie": council}).status_code == 403, address
    assert target.refused("role") == before + 6
