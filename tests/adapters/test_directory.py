"""Log-in through a directory: a real one on loopback, right answers, and every lie that a token can tell."""

from __future__ import annotations

import ast
import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.accounts import directory as directory_module
from dashboard.accounts.book import AccountBook
from dashboard.accounts.directory import Directory, DirectorySettings, NotBelieved, read_directory
from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.refusals import Refusals
from dashboard.settings import DashboardSettings
from tests.oidc_provider import CLIENT, PERSON, SECRET, Provider, new_key, running
from workplace.errors import SettingInvalid
from workplace.events import Reply, Request
from workplace.floor_plan import FloorPlan

TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PAGES = "https://plekken.example"
ROLES = {"plek-facilitair": "facility", "plek-balie": "staff", "plek-or": "works_council"}
Story = Callable[[httpx.AsyncClient], Awaitable[None]]


class Clock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


@pytest.fixture(scope="module")
def served() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def provider(served: Provider) -> Provider:
    served.person, served.bend, served.sign = dict(PERSON), {}, "usual"
    served.algorithms = ["RS256"]
    return served


class Site:
    """The pages with a directory; time can be let pass."""

    def __init__(self, provider: Provider, plan: FloorPlan, folder: Path) -> None:
        self.later_s = 0.0
        self.settings = DirectorySettings(provider.issuer, CLIENT, SECRET, PAGES, "realm_access.roles", ROLES)  # type: ignore[arg-type]
        self.book = AccountBook(sqlite3.connect, folder / "accounts.db")
        self.folder = folder
        self.refusals = Refusals()
        self.plan = plan
        self.directory = Directory(self.settings, monotonic=lambda: time.monotonic() + self.later_s)

    def visit(self, story: Story) -> None:
        async def send(request: Request) -> Reply:
            return Reply(request_id=request.id, accepted=True, reason="ok", at=TEN)

        app = create_app(
            self.plan, live=LiveSite(self.plan, Clock()), history=None, send_request=send, clock=Clock(), version="1",
            settings=DashboardSettings(allowed_hosts=("plekken.example",)), accounts=self.book,
            refusals=self.refusals, directory=self.directory,
        )  # fmt: skip

        async def body() -> None:
            transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 5000))
            async with httpx.AsyncClient(transport=transport, base_url=PAGES) as client:
                await story(client)

        asyncio.run(body())


@pytest.fixture
def site(provider: Provider, small_plan: FloorPlan, tmp_path: Path) -> Iterator[Site]:
    made = Site(provider, small_plan, tmp_path)
    yield made
    made.book.close()


async def go(client: httpx.AsyncClient, provider: Provider, to: str = "", **changes: str) -> httpx.Response:
    """Go to the directory and come back."""
    left = await client.get("/login/directory", params={"to": to})
    assert left.status_code == 303, left.text
    return await client.get(provider.back(left.headers["location"], **changes))


def test_in_through_the_directory_as_with_an_account_of_our_own(site: Site, provider: Provider) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/staff/")).status_code == 401, (
            "a directory closes the pages without any account"
        )
        assert "/login/directory" in (await client.get("/login")).text
        back = await go(client, provider, to="/staff/history")
        assert (back.status_code, back.headers["location"]) == (303, "/staff/history")
        cookies = [cookie for cookie in back.headers.get_list("set-cookie") if "plekvrij_session" in cookie]
        assert all(word in cookies[0] for word in ("HttpOnly", "SameSite=lax", "Secure"))
        assert (await client.get("/map/f1")).status_code == 200, "the role of the group"
        own = await client.get("/account")
        assert "oidc-" in own.text
        assert "current-password" not in own.text, "it has no password here"
        assert (await client.post("/account/code", data={"secret": "A" * 32, "code": "1"})).status_code == 403
        (account,) = site.book.accounts()
        assert site.book.leave_everywhere(account.name) == 1
        assert (await client.get("/staff/")).status_code == 401, "ended from the server"

    site.visit(story)
    rows = [(row.name, row.role, row.address) for row in site.book.log()]
    assert rows[-1][1:] == ("facility", "/map/f1")
    assert rows[-1][0].startswith("oidc-")


def test_nothing_of_the_person_is_kept(site: Site, provider: Provider) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await go(client, provider)
        await client.get("/staff/plan")

    site.visit(story)
    written = b"".join(file.read_bytes() for file in site.folder.iterdir())
    for value in ("f1d2-persoon-0042", "Voorbeeld Persoon", "persoon@gemeente", "ppersoon", "overig", SECRET):
        assert value.encode() not in written, value


def test_the_same_person_is_the_same_pseudonym_here_and_another_elsewhere(site: Site, tmp_path: Path) -> None:
    def name_in(book: AccountBook, subject: str) -> str:
        account = book.whose(book.enter_directory("https://a.example", subject, "staff"))
        assert account is not None
        return account.name

    (tmp_path / "other").mkdir()
    elsewhere = AccountBook(sqlite3.connect, tmp_path / "other" / "accounts.db")
    first = name_in(site.book, "p1")
    assert name_in(site.book, "p1") == first
    assert len({first, name_in(site.book, "p2"), name_in(elsewhere, "p1")}) == 3
    site.book.leave_everywhere(first)
    name_in(site.book, "p2")
    assert first not in {account.name for account in site.book.accounts()}, (
        "without a session it is forgotten"
    )
    assert not site.book.has_any, "they are no accounts of our own"
    for refused in (lambda: site.book.add("oidc-x", "admin"), lambda: site.book.reset(first)):
        with pytest.raises(SettingInvalid, match="oidc-"):
            refused()
    site.book.leave_directory()
    assert site.book.accounts() == []
    elsewhere.close()


def test_a_new_role_counts_from_the_next_log_in(site: Site, provider: Provider) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await go(client, provider)
        provider.person["realm_access"] = {"roles": ["plek-or"]}
        assert (await go(client, provider)).headers["location"] == "/council"
        assert (await client.get("/staff/")).status_code == 403

    site.visit(story)


NOW = int(time.time())
LIES: dict[str, dict[str, Any]] = {
    "nonce": {"bend": {"nonce": "of another journey"}},
    "no_nonce": {"bend": {"nonce": None}},
    "audience": {"bend": {"aud": "another-client"}},
    "audiences_for_another": {"bend": {"aud": [CLIENT, "another"], "azp": "another"}},
    "no_audience": {"bend": {"aud": None}},
    "issuer": {"bend": {"iss": "https://evil.example"}},
    "expired": {"bend": {"exp": NOW - 600, "iat": NOW - 900}},
    "no_end": {"bend": {"exp": None}},
    "of_the_future": {"bend": {"iat": NOW + 9000, "exp": NOW + 9999}},
    "nobody": {"bend": {"sub": ""}},
    "unsigned": {"sign": "none"},
    "another_key": {"sign": "another_key"},
    "client_secret": {"sign": "client_secret", "algorithms": ["RS256", "HS256"]},
    "public_key": {"sign": "public_key", "algorithms": ["RS256", "HS256"]},
    "none_is_offered": {"sign": "none", "algorithms": ["none"]},
    "changed": {"sign": "changed"},
    "no_role": {"bend": {"realm_access": {"roles": ["overig"]}}},
    "roles_of_another_kind": {"bend": {"realm_access": "plek-facilitair"}},
}


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_of_a_token_is_believed(site: Site, provider: Provider, lie: str) -> None:
    for name, value in LIES[lie].items():
        setattr(provider, name, value)

    async def story(client: httpx.AsyncClient) -> None:
        back = await go(client, provider)
        assert back.status_code == 403
        assert "plekvrij_session" not in back.headers.get("set-cookie", "")
        assert ("geen rol" in back.text) == (lie in {"no_role", "roles_of_another_kind"})
        assert (await client.get("/staff/")).status_code == 401

    site.visit(story)
    assert site.refusals.counts()["login_directory"] == 1
    assert site.book.accounts() == []


@pytest.mark.parametrize(
    "changes", [{"state": "made up"}, {"state": ""}, {"iss": "https://evil.example"}, {"code": "x"}]
)
def test_what_a_browser_brings_back_must_be_ours(
    site: Site, provider: Provider, changes: dict[str, str]
) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await go(client, provider, **changes)).status_code == 403

    site.visit(story)
    assert site.refusals.counts()["login_directory"] == 1


def test_a_journey_is_made_once_by_the_browser_that_began_it_and_in_time(
    site: Site, provider: Provider
) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        left = await client.get("/login/directory")
        back = provider.back(left.headers["location"])
        stranger = {"cookie": ""}
        assert (await client.get(back, headers=stranger)).status_code == 403, (
            "nobody is logged in as somebody else"
        )
        assert (await client.get(back)).status_code == 403, "and the state is used up"
        left = await client.get("/login/directory")
        back = provider.back(left.headers["location"])
        assert (await client.get(back)).status_code == 303
        assert (await client.get(back)).status_code == 403
        left = await client.get("/login/directory")
        site.later_s += 601
        assert (await client.get(provider.back(left.headers["location"]))).status_code == 403
        refused = provider.back(
            (await client.get("/login/directory")).headers["location"], error="access_denied"
        )
        assert (await client.get(refused)).status_code == 403

    site.visit(story)
    assert site.refusals.counts()["login_directory"] == 5


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_journey_ends_here(site: Site, provider: Provider, to: str) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await go(client, provider, to=to)).headers["location"] == "/staff/"

    site.visit(story)


def test_new_keys_of_the_directory_are_fetched_and_not_with_every_lie(site: Site, provider: Provider) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await go(client, provider)).status_code == 303
        provider.key = new_key("two")
        site.later_s += 31
        assert (await go(client, provider)).status_code == 303
        provider.sign, asked = "another_key", provider.asked.count("/keys")
        for _ in range(5):
            assert (await go(client, provider)).status_code == 403
        assert provider.asked.count("/keys") == asked

    site.visit(story)


def test_a_directory_that_is_away_or_somebody_else_is_said(
    site: Site, small_plan: FloorPlan, tmp_path: Path
) -> None:
    gone = DirectorySettings("http://127.0.0.1:9", CLIENT, SECRET, PAGES, "groups", ROLES)  # type: ignore[arg-type]
    with pytest.raises(NotBelieved, match="unreachable"):
        Directory(gone).leave("")
    other = DirectorySettings(f"{site.settings.issuer}/", CLIENT, SECRET, PAGES, "groups", ROLES)  # type: ignore[arg-type]
    with pytest.raises(NotBelieved, match="another_issuer"):
        Directory(other).leave("")


def test_without_a_directory_nobody_waits_for_its_libraries() -> None:
    """The one file that may import them (a rule of `lint-imports`) does so inside of functions."""
    tree = ast.parse(Path(directory_module.__file__).read_text("utf-8"))
    at_start = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    at_start |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in at_start} & {"authlib", "joserfc", "requests"}


GOOD = """
issuer = "https://login.example/realms/gemeente"
client_id = "plekvrij"
client_secret = "geheim.txt"
pages = "https://plekken.example/"
claim = "groups"
[roles]
plek-balie = "staff"
"""


def test_settings_come_from_a_file_and_the_secret_from_another(tmp_path: Path) -> None:
    (tmp_path / "gids.toml").write_text(GOOD)
    (tmp_path / "geheim.txt").write_text(f"{SECRET}\n")
    found = read_directory(tmp_path / "gids.toml", None)
    assert (found.back, found.client_secret, found.scope) == (
        f"{PAGES}/login/directory/back",
        SECRET,
        "openid",
    )
    assert SECRET not in repr(found)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "geheim.txt").write_text("uit-systemd")
    assert read_directory(tmp_path / "gids.toml", str(credentials)).client_secret == "uit-systemd"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('issuer = "https://login.example/realms/gemeente"', "", "write issuer"),
        ("https://login", "http://login", "must begin with https"),
        ('"staff"', '"boss"', "one of staff"),
        ("claim", "claims", "claims is no setting"),
        ("geheim.txt", "weg.txt", "names a file"),
        ("[roles]", "[roles", "cannot read"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "geheim.txt").write_text(f"{SECRET}\n")
    (tmp_path / "gids.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(SettingInvalid, match=said):
        read_directory(tmp_path / "gids.toml", None)
