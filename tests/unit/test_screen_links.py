"""Links of wall screens: what they open, what they do not, and what is left of one that was withdrawn."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from dashboard.accounts.book import AccountBook
from dashboard.accounts.roles import AT_PLACES, ROLES
from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from dashboard.wall import screen_links, screen_pages
from dashboard.wall.screen_links import (
    BAD_LINKS,
    KEPT_WITHDRAWN,
    ScreenLinks,
    add_screen,
    read_screens,
    read_seen,
    withdraw_screen,
)
from plekvrij.cli import main
from plekvrij.exposition import Exposition
from plekvrij.hosts import is_loopback, names_of
from workplace import codec, floor_plan
from workplace.errors import SettingInvalid
from workplace.events import Reply, Request, ZoneState
from workplace.ports import Received
from workplace.topics import Topics

PLAN_FILE = Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml"
PLAN = floor_plan.load(PLAN_FILE.read_text(), PLAN_FILE.name)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NOBODY = "A" * 32
PASSWORD = "kruiwagen lantaarn zeven"


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Site:
    """An application with one screen of floor 3, called hall."""

    def __init__(self, data: Path, *, accounts: AccountBook | None = None, **told: Any) -> None:
        self.data = data
        self.token = add_screen(data, "hall", "f3", (2.0, 3.0), TEN)
        self.links = ScreenLinks(data)
        self.live = LiveSite(PLAN, StandingClock())
        self.app = create_app(
            PLAN,
            live=self.live,
            history=None,
            send_request=self.send_request,
            clock=StandingClock(),
            version="1.2.3",
            settings=DashboardSettings(allowed_hosts=("*",), **told),
            screens=self.links,
            accounts=accounts,
        )
        for zone in PLAN.zone.values():
            state = ZoneState(
                site=PLAN.site, floor=zone.floor, zone=zone.id, free=4, reclaimable=0,
                in_use=len(zone.places) - 4, unknown=0, exempt=0, capacity=len(zone.places), scarce=False,
                calendar="work", mode="active", coverage_pct=99.0, as_of=TEN,
                expires_at=TEN + timedelta(minutes=1),
            )  # fmt: skip
            topic = Topics(PLAN.site).zone_state(zone.id)
            self.live.feed(Received(topic, codec.encode(state), retained=False))

    async def send_request(self, request: Request) -> Reply:
        raise AssertionError("no screen asks anything")

    def call(self, method: str, path: str, *, caller: str = "192.0.2.7", **more: Any) -> httpx.Response:
        async def scenario() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(caller, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://plekken.example") as client:
                return await client.request(method, path, **more)

        return asyncio.run(scenario())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, screens_need_links=True, staff_password="open sesame")


# --- what a link opens


def test_a_link_shows_the_wall_of_its_floor_from_where_the_screen_hangs(site: Site) -> None:
    page = site.get(f"/s/{site.token}")
    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "Bedrijfsvoering" in page.text
    assert f'"live": "/s/{site.token}/live"' in page.text
    assert '<circle class="here-dot" cx="40" cy="60"' in page.text  # 2 m, 3 m at 20 units to the metre
    assert '<html lang="en"' in site.get(f"/s/{site.token}?lang=en").text


def test_a_link_opens_one_floor_for_looking_and_nothing_else(site: Site) -> None:
    token = site.token
    for path in (f"/s/{token}/", f"/s/{token}/f4", f"/s/{token}/api/v1/floors", f"/s/{token}/staff/"):
        assert site.get(path).status_code in {307, 404}
    assert "Bedrijfsvoering" in site.get(f"/s/{token}?floor=f4").text
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert site.call(method, f"/s/{token}").status_code == 405
    named = {"authorization": f"Bearer {token}", "cookie": f"token={token}"}
    for path in ("/wall/f3", "/live?floor=f3", "/api/v1/floors", "/api/v1/floors/f3", "/staff/", "/map/f3"):
        assert site.get(path, headers=named).status_code == 401
        assert site.get(f"{path}{'&' if '?' in path else '?'}token={token}").status_code == 401


class Context:
    """The part of a page context that a stream needs."""

    def __init__(self, site: Site) -> None:
        self.feed, self.clock = site.app.state.live_feed, StandingClock()


def test_an_open_stream_ends_within_a_sign_of_life_after_its_link_was_withdrawn(tmp_path: Path) -> None:
    site = Site(tmp_path, heartbeat_s=0.05)
    screen = site.links.find(site.token)
    assert screen is not None

    async def listen() -> list[str]:
        sending = asyncio.create_task(site.app.state.live_feed.run())
        names: list[str] = []
        async with asyncio.timeout(60):
            async for event in screen_pages._events(Context(site), site.links, screen):  # type: ignore[arg-type]
                names.append(event.split(b"\n")[0].decode())
                if len(names) == 1:
                    assert site.links.counts().open == 1
                    withdraw_screen(tmp_path, "hall", TEN)
                    site.links.refresh()
        sending.cancel()
        return names

    assert asyncio.run(listen()) == ["event: s", "event: w"]
    assert site.links.counts().open == 0
    assert site.app.state.live_feed.screens == 0


# --- what a bad link gets


def test_a_withdrawn_link_says_so_in_both_languages_and_shows_no_floor(site: Site) -> None:
    withdraw_screen(site.data, "hall", TEN)
    for path in (f"/s/{site.token}", f"/s/{site.token}/live"):
        page = site.get(path)
        assert page.status_code == 410
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "De link van dit scherm is ingetrokken" in page.text
        assert '<div lang="en"' in page.text
        assert not re.search(r"Bedrijfsvoering|\d-[ST]\d\d|class=\"p ", page.text)


def test_bad_links_are_counted_and_limited_while_good_ones_go_on(site: Site) -> None:
    for bad in ("x", NOBODY, site.token[:-1], site.token + "A", "%ff%fe", "a" * 5000):
        assert site.get(f"/s/{bad}").status_code == 403
    for _ in range(BAD_LINKS - 6):
        assert site.get(f"/s/{NOBODY}").status_code == 403
    limited = site.get(f"/s/{NOBODY}")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    assert site.get(f"/s/{site.token}").status_code == 200
    assert site.get(f"/s/{NOBODY}", caller="192.0.2.8").status_code == 403
    exposition, registry = Exposition(), CollectorRegistry(auto_describe=False)
    exposition.watch_screens(site.links.counts)
    registry.register(exposition)
    told = generate_latest(registry).decode()
    assert 'plekvrij_screens_refused_total{reason="unknown"} 21.0' in told
    assert 'plekvrij_screens_refused_total{reason="limited"} 1.0' in told
    assert "plekvrij_screens_links 1.0" in told


def test_the_limit_is_over_after_its_minute_and_forgets_old_callers() -> None:
    now = 0.0
    links = ScreenLinks(None, monotonic=lambda: now)
    assert [links.refuse("unknown", "a") for _ in range(BAD_LINKS + 1)][-2:] == ["unknown", "limited"]
    now = 59.9
    assert links.refuse("unknown", "a") == "limited"
    now = 60.0
    assert links.refuse("unknown", "a") == "unknown"
    for number in range(5000):
        links.refuse("unknown", f"caller {number}")
    assert len(links._callers) == 1000


def test_no_token_is_written_or_logged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        # one that was used before keeps the way that its words went then
        monkeypatch.setattr(screen_links, "log", structlog.get_logger())
        site.get(f"/s/{site.token}")
        withdraw_screen(site.data, "hall", TEN)
        site.get(f"/s/{site.token}")
        site.get(f"/s/{NOBODY}")
        (site.data / "screens" / "links.json").write_text("{")
        site.get(f"/s/{site.token}")
    files = [file.read_text() for file in site.data.rglob("*") if file.is_file()]
    assert site.token not in "".join([*files, repr(logs)])
    assert [entry["event"] for entry in logs] == ["screens_file_refused"]


# --- who needs one


def test_without_links_walls_stay_open(tmp_path: Path) -> None:
    open_site = Site(tmp_path)
    for path in ("/wall", "/wall/f3", "/api/v1/floors"):
        assert open_site.get(path).status_code == 200
    assert 'href="/wall/f3"' in open_site.get("/").text


def test_where_links_are_needed_whole_floors_are_for_screens_and_staff(site: Site, tmp_path: Path) -> None:
    for path in ("/wall", "/wall/f3", "/wall/f9", "/live?floor=f9", "/api/v1/floors", "/api/v1/floors/f3"):
        refused = site.get(path, caller="127.0.0.1")
        assert refused.status_code == 401
        assert "Deze pagina is voor schermen met een link" in refused.text
    staff = ("anybody", "open sesame")
    for path in ("/wall", "/wall/f3", "/api/v1/floors"):
        assert site.get(path, auth=staff).status_code == 200
    assert site.get("/staff/live?floor=f9", auth=staff).status_code == 404
    assert site.get("/staff/live?floor=f3").status_code == 401
    assert "/wall/f3" not in site.get("/").text
    for path in ("/desk/3-T01", "/council", "/api/v1/health"):
        assert site.get(path).status_code == 200
    (tmp_path / "bare").mkdir()
    bare = Site(tmp_path / "bare", screens_need_links=True)
    assert bare.get("/wall/f3", caller="127.0.0.1").status_code == 403


def test_where_people_have_accounts_the_role_decides_and_a_screen_needs_none(tmp_path: Path) -> None:
    book = AccountBook(sqlite3.connect, tmp_path / "accounts.db")
    sessions = {}
    for role in ROLES:
        book.set_up(book.add(role.replace("_", "-"), role), PASSWORD)
        sessions[role] = book.enter(role.replace("_", "-"), PASSWORD, "", "192.0.2.7")
    site = Site(tmp_path, accounts=book, screens_need_links=True)

    def statuses(session: str | None) -> set[int]:
        cookie = {} if session is None else {"cookie": f"plekvrij_session={session}"}
        paths = ("/wall", "/wall/f3", "/wall/f3/epaper.png", "/api/v1/floors", "/api/v1/floors/f3")
        return {site.get(path, headers=cookie).status_code for path in paths}

    assert statuses(None) == {403}
    seeing = {role for role, session in sessions.items() if statuses(session) == {200}}
    assert seeing == AT_PLACES
    assert all(statuses(session) == {403} for role, session in sessions.items() if role not in seeing)
    assert site.get(f"/s/{site.token}").status_code == 200
    assert site.get("/staff/live?floor=f3").status_code == 401
    assert {row.address for row in book.log()} >= {"/wall/f3", "/api/v1/floors"}
    book.close()


@pytest.mark.parametrize(
    ("host", "then"),
    [
        ("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - a name to judge, not to bind
        ("::", False), ("192.168.1.20", False), ("plekken.example", False),
    ],
)  # fmt: skip
def test_only_an_address_of_this_machine_leaves_walls_open(host: str, then: bool) -> None:
    assert is_loopback(host) is then


def test_names_of_hosts_are_read_as_browsers_send_them() -> None:
    assert names_of("Plekken.example.nl, 10.0.0.8,::1,") == ("plekken.example.nl", "10.0.0.8", "::1")
    assert names_of(None) == ()
    with pytest.raises(SettingInvalid, match="without https:// and port"):
        names_of("https://plekken.example.nl")


# --- the file


class Screens(RuleBasedStateMachine):
    """People add and withdraw; the pages, started at any moment, know exactly what is in force."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.data = Path(self.folder.name)
        self.links = ScreenLinks(self.data)
        self.tokens: dict[str, str] = {}
        self.gone: set[str] = set()

    names = st.sampled_from(["hall", "lift", "stairs"])

    @rule(name=names, floor=st.sampled_from(["f1", "f2"]))
    def add(self, name: str, floor: str) -> None:
        if name in self.tokens:
            with pytest.raises(SettingInvalid, match="there is a screen"):
                add_screen(self.data, name, floor, None, TEN)
            return
        self.tokens[name] = add_screen(self.data, name, floor, None, TEN)

    @rule(name=names)
    def withdraw(self, name: str) -> None:
        if name not in self.tokens:
            with pytest.raises(SettingInvalid, match="has a link"):
                withdraw_screen(self.data, name, TEN)
            return
        withdraw_screen(self.data, name, TEN)
        self.gone.add(self.tokens.pop(name))

    @rule()
    def restart(self) -> None:
        self.links = ScreenLinks(self.data)

    @rule(content=st.sampled_from(["", "{", '{"screens": [{"name": 1}]}']))
    def spoil_and_mend(self, content: str) -> None:
        file = self.data / "screens" / "links.json"
        if not file.exists():
            return
        good = file.read_bytes()
        file.write_text(content)
        with pytest.raises(SettingInvalid, match="cannot read"):
            read_screens(self.data)
        self.links.refresh()
        file.write_bytes(good)

    @invariant()
    def pages_know_what_is_in_force(self) -> None:
        for name, token in self.tokens.items():
            screen = self.links.find(token)
            assert screen is not None
            assert screen.name == name
            assert self.links.is_in_force(screen)
        for token in self.gone:
            screen = self.links.find(token)
            assert screen is not None
            assert not self.links.is_in_force(screen)
        assert self.links.counts().links == len(self.tokens)

    @invariant()
    def the_file_is_private(self) -> None:
        file = self.data / "screens" / "links.json"
        if file.exists():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            assert [one.name for one in file.parent.iterdir()] == ["links.json"]

    def teardown(self) -> None:
        self.folder.cleanup()


Screens.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestScreens = Screens.TestCase


def test_only_the_newest_withdrawn_links_are_kept(tmp_path: Path) -> None:
    first = add_screen(tmp_path, "hall", "f3", None, TEN)
    withdraw_screen(tmp_path, "hall", TEN)
    for _ in range(KEPT_WITHDRAWN):
        add_screen(tmp_path, "hall", "f3", None, TEN)
        withdraw_screen(tmp_path, "hall", TEN)
    assert len(read_screens(tmp_path)) == KEPT_WITHDRAWN
    assert ScreenLinks(tmp_path).find(first) is None


def test_when_a_screen_was_last_seen_is_written_at_once_and_then_now_and_then(tmp_path: Path) -> None:
    now = 0.0
    token = add_screen(tmp_path, "hall", "f3", None, TEN)
    links = ScreenLinks(tmp_path, monotonic=lambda: now)
    screen = links.find(token)
    assert screen is not None
    links.write_seen()
    assert not (tmp_path / "screens" / "seen.json").exists()
    links.saw(screen, TEN)
    links.write_seen()
    assert read_seen(tmp_path) == {screen.id: TEN}
    links.saw(screen, TEN + timedelta(seconds=9))
    now = 29.0
    links.write_seen()
    assert read_seen(tmp_path) == {screen.id: TEN}
    now = 30.0
    links.write_seen()
    assert read_seen(tmp_path) == {screen.id: TEN + timedelta(seconds=9)}
    links.saw(screen, TEN + timedelta(seconds=11))
    links.write_seen(at_once=True)
    assert read_seen(tmp_path) == {screen.id: TEN + timedelta(seconds=11)}


# --- the command


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["screens", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_screen_is_added_listed_and_revoked_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path))
    code, out, _ = run(capsys, "add", "f2-lift", "--floor", "f2", "--here", "3.5,12", *data)
    assert code == 0
    link = re.fullmatch(r"/s/([A-Za-z0-9_-]{32})\n", out)
    assert link is not None
    screen = ScreenLinks(tmp_path).find(link[1])
    assert screen is not None
    assert (screen.floor, screen.here_m) == ("f2", (3.5, 12.0))
    url = ("--url", "https://plekken.example.nl/")
    assert run(capsys, "add", "f3", "--floor", "f3", *url, *data)[1].startswith(
        "https://plekken.example.nl/s/"
    )
    _, out, _ = run(capsys, "list", *data)
    assert out.splitlines()[0] == "f2-lift: floor f2, in force, last seen never"
    assert run(capsys, "revoke", "f2-lift", *data)[0] == 0
    listed = [json.loads(line) for line in run(capsys, "list", "--json", *data)[1].splitlines()]
    assert [(one["name"], one["withdrawn_at"] is None) for one in listed] == [
        ("f2-lift", False),
        ("f3", True),
    ]
    assert link[1] not in json.dumps(listed)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "hall"), "needs --floor"),
        (("add", "hall", "--floor", "f9"), "the plan has no floor 'f9'; it has f0"),
        (("add", "hall 1", "--floor", "f2"), "is no name for a screen"),
        (("add", "hall", "--floor", "f2", "--here", "3"), "write x,y in metres"),
        (("add", "hall", "--floor", "f2", "--here", "3,900"), "is not on floor f2"),
        (("add", "hall", "--floor", "f2", "--here", "nan,1"), "is not on floor f2"),
        (("add",), "needs the name of a screen"),
        (("revoke", "hall"), "those that do: none"),
        (("show",), "write add, list or revoke"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    code, out, err = run(capsys, *words, "--data", str(tmp_path))
    assert (code, out) == (2, "")
    assert says in err


def test_a_folder_that_is_no_site_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "add", "hall", "--floor", "f2", "--data", str(tmp_path / "nowhere"))
    assert code == 2
    assert "--data names the folder that `plekvrij serve` was given" in err
