"""Who may log in, what each role reaches, and what happens to guesses, old links and stolen sessions."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from dashboard.accounts import book as book_module
from dashboard.accounts.book import IDLE_S, LONGEST_S, SETUP_S, AccountBook, Refused
from dashboard.accounts.roles import ROLES, who_may
from dashboard.accounts.tries import Tries
from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from plekvrij.cli import main
from workplace import floor_plan
from workplace.errors import SettingInvalid
from workplace.events import Reply, Request

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PASSWORD = "kruiwagen lantaarn zeven"


class Clock:
    """Site time stands still; the time of accounts is set by hand."""

    speed = 1.0

    def __init__(self) -> None:
        self.unix_s = 1_795_000_000.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


@pytest.fixture(scope="module")
def cheap() -> Any:
    """Hashes that cost a millisecond: what they cost is not the matter here."""
    usual = book_module.argon2.PasswordHasher
    book_module.argon2.PasswordHasher = lambda: usual(time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[misc,assignment]
    yield
    book_module.argon2.PasswordHasher = usual  # type: ignore[misc]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock, cheap: None) -> Any:
    found = AccountBook(sqlite3.connect, tmp_path / "accounts.db", lambda: clock.unix_s)
    yield found
    found.close()


def ready(book: AccountBook, name: str, role: str) -> str:
    book.set_up(book.add(name, role), PASSWORD)
    return name


# The book


def test_a_link_is_good_once_and_for_a_day(book: AccountBook, clock: Clock) -> None:
    token = book.add("balie-1", "staff")
    with pytest.raises(Refused, match="weak"):
        book.set_up(token, "kort")
    with pytest.raises(Refused, match="weak"):
        book.set_up(token, "a" * 20)
    assert book.set_up(token, PASSWORD) == "balie-1"
    with pytest.raises(Refused, match="no_link"):
        book.set_up(token, PASSWORD)
    late = book.add("balie-2", "staff")
    clock.unix_s += SETUP_S + 1
    with pytest.raises(Refused, match="no_link"):
        book.set_up(late, PASSWORD)


def test_sessions_end_when_idle_when_old_and_when_told(book: AccountBook, clock: Clock) -> None:
    ready(book, "balie-1", "staff")
    token = book.enter("balie-1", PASSWORD, "", "here")
    for _ in range(int(LONGEST_S / IDLE_S * 2) - 1):
        clock.unix_s += IDLE_S / 2
        assert book.whose(token) is not None
    clock.unix_s += IDLE_S / 2
    assert book.whose(token) is None, "at the latest after twelve hours"
    idle, other = (book.enter("balie-1", PASSWORD, "", "here") for _ in range(2))
    clock.unix_s += IDLE_S / 2
    assert book.whose(other) is not None
    clock.unix_s += IDLE_S / 2 + 1
    assert (book.whose(idle), book.whose(other) is None) == (None, False)
    book.reset("balie-1")
    assert book.whose(other) is None
    with pytest.raises(Refused, match="wrong"):
        book.enter("balie-1", PASSWORD, "", "here")


def test_the_second_step_takes_each_code_once(book: AccountBook, clock: Clock) -> None:
    ready(book, "beheer", "admin")
    secret = book.new_code_secret()
    with pytest.raises(Refused, match="wrong"):
        book.keep_code("beheer", secret, "000000")
    with pytest.raises(Refused, match="wrong"):
        book.keep_code("beheer", "A", "000000")
    book.keep_code("beheer", secret, pyotp.TOTP(secret).at(int(clock.unix_s)))
    with pytest.raises(Refused, match="code_needed"):
        book.enter("beheer", PASSWORD, "", "here")
    with pytest.raises(Refused, match="wrong"):  # the code that switched it on
        book.enter("beheer", PASSWORD, pyotp.TOTP(secret).at(int(clock.unix_s)), "here")
    clock.unix_s += 60
    code = pyotp.TOTP(secret).at(int(clock.unix_s))
    assert book.whose(book.enter("beheer", PASSWORD, code, "here")) is not None
    with pytest.raises(Refused, match="wrong"):
        book.enter("beheer", PASSWORD, code, "somewhere else")


def test_nothing_secret_lies_in_the_file(book: AccountBook, tmp_path: Path) -> None:
    token = book.add("balie-1", "staff")
    book.set_up(token, PASSWORD)
    session = book.enter("balie-1", PASSWORD, "", "203.0.113.7")
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (PASSWORD, token, session, "203.0.113.7"):
        assert secret.encode() not in written
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_ten_thousand_guesses_are_refused_and_counted(clock: Clock) -> None:
    tries, checked = Tries(lambda: clock.unix_s), 0
    for number in range(10_000):
        clock.unix_s += 0.05
        if tries.wait_s("beheer", "203.0.113.7") == 0:
            checked += 1
            tries.failed("beheer", "203.0.113.7")
        assert tries.total == number + 1
    assert checked <= 20, "500 s of guessing"
    assert tries.wait_s("beheer", "192.0.2.1") <= 30.0, "who knows a name cannot lock it out"
    assert tries.wait_s("balie-1", "192.0.2.1") == 0.0
    clock.unix_s += 3600.1
    assert tries.wait_s("beheer", "203.0.113.7") == 0.0


@pytest.mark.parametrize(
    ("name", "role"), [("", "staff"), ("a b", "staff"), ("x", "boss"), ("x" * 41, "staff")]
)
def test_what_is_no_account_is_said(book: AccountBook, name: str, role: str) -> None:
    with pytest.raises(SettingInvalid, match="write"):
        book.add(name, role)


# The pages


def visit(
    book: AccountBook, story: Callable[[httpx.AsyncClient], Awaitable[None]], *, host: str = "203.0.113.7"
) -> None:
    async def send(request: Request) -> Reply:
        return Reply(request_id=request.id, accepted=True, reason="ok", at=TEN)

    app = create_app(
        PLAN, live=LiveSite(PLAN, Clock()), history=None, send_request=send, clock=Clock(), version="1",
        settings=DashboardSettings(), accounts=book,
    )  # fmt: skip

    async def body() -> None:
        transport = httpx.ASGITransport(app=app, client=(host, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await story(client)

    asyncio.run(body())


async def log_in(client: httpx.AsyncClient, name: str, **more: str) -> httpx.Response:
    return await client.post("/login", data={"name": name, "password": PASSWORD, **more})


#: One address of each area, and whether it answers 200 to who may be there.
AREAS = ("/staff/", "/map/f3.svg", "/walk", "/council/switch", "/account", "/api/v1/places/3-T01/decisions")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reaches_its_areas_and_no_other(book: AccountBook, role: str) -> None:
    ready(book, "zij", role)

    async def story(client: httpx.AsyncClient) -> None:
        for area in AREAS:
            assert (await client.get(area)).status_code == 401, area
        assert (await log_in(client, "zij")).status_code == 303
        for area in AREAS:
            roles = who_may("GET", area)
            assert roles is not None
            status = (await client.get(area, follow_redirects=True)).status_code
            assert (status == 403) == (role not in roles), (area, status)
        changed = await client.post("/api/v1/places/3-T01/requests", json={"action": "remind"})
        assert (changed.status_code == 403) == (role in {"installer", "works_council"})

    visit(book, story)


def test_the_works_council_reads_no_single_place(book: AccountBook) -> None:
    ready(book, "or", "works_council")

    async def story(client: httpx.AsyncClient) -> None:
        assert (await log_in(client, "or")).headers["location"] == "/council"
        for address in ("/staff/", "/staff/history", "/staff/plan", "/staff/devices", "/map/f3.svg", "/walk",
                        "/api/v1/places/3-T01/decisions"):  # fmt: skip
            assert (await client.get(address)).status_code == 403, address

    visit(book, story)


def test_a_browser_is_sent_to_the_log_in_and_back(book: AccountBook) -> None:
    ready(book, "balie-1", "staff")

    async def story(client: httpx.AsyncClient) -> None:
        asked = await client.get("/staff/history?x=1", headers={"accept": "text/html"})
        assert (asked.status_code, asked.headers["location"]) == (303, "/login?to=/staff/history")
        page = await client.get(asked.headers["location"])
        assert 'value="/staff/history"' in page.text
        back = await log_in(client, "balie-1", to="/staff/history")
        assert back.headers["location"] == "/staff/history"
        cookie = back.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie

    visit(book, story)


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere(book: AccountBook, to: str) -> None:
    ready(book, "balie-1", "staff")

    async def story(client: httpx.AsyncClient) -> None:
        assert (await log_in(client, "balie-1", to=to)).headers["location"] == "/staff/"

    visit(book, story)


def test_forms_of_other_sites_are_refused(book: AccountBook) -> None:
    ready(book, "balie-1", "staff")

    async def story(client: httpx.AsyncClient) -> None:
        await log_in(client, "balie-1")
        for address in ("/logout", "/account/password", "/council/switch", "/staff/_dash-update-component"):
            for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
                assert (await client.post(address, headers=headers)).status_code == 403, address
        assert (await client.get("/account")).status_code == 200

    visit(book, story)


def test_what_was_done_and_read_is_on_record_and_the_log_in_itself_is_not(book: AccountBook) -> None:
    ready(book, "balie-1", "staff")

    async def story(client: httpx.AsyncClient) -> None:
        await log_in(client, "balie-1")
        for _ in range(3):
            await client.get("/map/f3.svg")
        await client.post("/api/v1/places/3-T01/requests", json={"action": "remind"})
        await client.get("/account")

    visit(book, story)
    rows = [(row.role, row.what, row.address, row.times) for row in book.log()]
    assert rows == [
        ("staff", "POST", "/api/v1/places/3-T01/requests", 1),
        ("staff", "GET", "/map/f3.svg", 3),
    ]


def test_an_account_from_link_to_log_out(book: AccountBook, clock: Clock) -> None:
    token = book.add("facilitair", "facility")

    async def story(client: httpx.AsyncClient) -> None:
        assert "facilitair" in (await client.get(f"/setup/{token}")).text
        unequal = await client.post(f"/setup/{token}", data={"password": PASSWORD, "again": PASSWORD + "!"})
        assert unequal.status_code == 403
        assert "niet gelijk" in unequal.text
        assert (
            await client.post(f"/setup/{token}", data={"password": PASSWORD, "again": PASSWORD})
        ).is_success
        assert (await client.get(f"/setup/{token}")).status_code == 410
        await log_in(client, "facilitair")
        page = (await client.get("/account")).text
        found = re.search(r'name="secret" value="([A-Z2-7]{32})"', page)
        assert found is not None
        code = pyotp.TOTP(found[1]).at(int(clock.unix_s))
        kept = await client.post(
            "/account/code", data={"secret": found[1], "code": code}, follow_redirects=True
        )
        assert "Vanaf nu vragen we een code" in kept.text
        changed = {"old": PASSWORD, "password": PASSWORD + " acht", "again": PASSWORD + " acht"}
        assert (await client.post("/account/password", data=changed)).is_success
        assert (await client.get("/account", headers={"accept": "text/html"})).status_code == 303
        clock.unix_s += 60
        fields = {"name": "facilitair", "password": PASSWORD + " acht"}
        needed = await client.post("/login", data=fields)
        assert "authenticator" in needed.text
        fields["code"] = pyotp.TOTP(found[1]).at(int(clock.unix_s))
        assert (await client.post("/login", data=fields)).status_code == 303
        assert (await client.get("/staff/")).status_code == 200
        await client.post("/logout", data={"everywhere": "yes"})
        assert (await client.get("/staff/")).status_code == 401

    visit(book, story)


def test_too_many_tries_are_told_how_long_to_wait(book: AccountBook) -> None:
    ready(book, "balie-1", "staff")

    async def story(client: httpx.AsyncClient) -> None:
        for _ in range(5):
            assert (
                await client.post("/login", data={"name": "balie-1", "password": "fout"})
            ).status_code == 403
        waits = await log_in(client, "balie-1")
        assert waits.status_code == 429
        assert int(waits.headers["retry-after"]) >= 1

    visit(book, story)
    assert book.refused_tries == 6


def test_without_an_account_everything_is_as_before(book: AccountBook) -> None:
    async def here(client: httpx.AsyncClient) -> None:
        assert (await client.get("/staff/")).status_code == 200

    async def elsewhere(client: httpx.AsyncClient) -> None:
        assert (await client.get("/staff/")).status_code == 403

    visit(book, here, host="127.0.0.1")
    visit(book, elsewhere)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def accounts(*arguments: str) -> int:
        return main(["accounts", *arguments, "--data", str(tmp_path)])

    assert accounts("add", "balie-1", "--role", "staff", "--url", "https://plekken.example.nl/") == 0
    assert re.fullmatch(r"https://plekken\.example\.nl/setup/[\w-]{43}\n", capsys.readouterr().out)
    assert accounts("list") == 0
    assert "not set up yet" in capsys.readouterr().out
    assert accounts("add", "balie-1", "--role", "staff") == 2
    assert "is there already" in capsys.readouterr().err
    assert accounts("reset", "nobody") == 2
    assert accounts("logout", "balie-1") == 0
    assert accounts("remove", "balie-1") == 0
    assert accounts("log") == 0
    assert accounts("dance", "x") == 2
