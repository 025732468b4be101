"""The role of the works council: what it can reach, what it may do, and that no answer is about a single place."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from dashboard.accounts import book as book_module
from dashboard.accounts.book import AccountBook, Read
from dashboard.accounts.roles import who_may
from dashboard.app import create_app
from dashboard.council.reads import DayReads, by_day, by_role, kind_of
from dashboard.council.versions import MemoryVersions, VersionFolder
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from workplace import codec, floor_plan, policy
from workplace.events import Decision, IngestHealth, PlaceState, Reply, Request, ZoneState
from workplace.hold_outcomes import ZoneOutcome
from workplace.policy import Policy, policy_hash
from workplace.ports import PlaceTurn, Received, ZoneBin, ZoneCoverage
from workplace.topics import Topics

ROOT = Path(__file__).parents[2]
PLAN = floor_plan.load((ROOT / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml")
RULES = policy.load((ROOT / "examples" / "town_hall.policy.yaml").read_text(), "town_hall.policy.yaml", PLAN)
TOPICS = Topics(PLAN.site)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
COUNCIL, STAFF = ("council", "agreed"), ("staff", "open sesame")
#: A name of a place as a whole word: `3-T01` and not the `3-T01x` of something else.
PLACE_NAMES = re.compile(
    r"(?<![\w.-])(?:"
    + "|".join(re.escape(name) for place in PLAN.place.values() for name in {place.id, place.label})
    + r")(?![\w-])"
)


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class FullHistory:
    """Everything that a store can be asked; what is about a place is noted."""

    def __init__(self) -> None:
        self.asked_about_places: list[str] = []

    def zone_bins(self, zones: Any, from_at: datetime, to_at: datetime) -> list[ZoneBin]:
        return []

    def zone_outcomes(self, from_at: datetime, to_at: datetime) -> list[ZoneOutcome]:
        return [ZoneOutcome(zone, "R7", acted=True, ended=20, back=1) for zone in PLAN.zone]

    def zone_coverage(self, from_at: datetime, to_at: datetime) -> list[ZoneCoverage]:
        return [ZoneCoverage(zone, 97.0, 20) for zone in PLAN.zone]

    def decisions(self, *, place: str | None, limit: int) -> list[Decision]:
        self.asked_about_places.append(f"decisions of {place}")
        return []

    def decision(self, id_: str) -> Decision | None:
        self.asked_about_places.append(f"decision {id_}")
        return None

    def story(self, place: str, from_at: datetime, to_at: datetime) -> tuple[list[Decision], list[PlaceTurn]]:
        self.asked_about_places.append(f"story of {place}")
        return [], []

    def unclaimed(self) -> list[Any]:
        return []

    def sensor_grades(self) -> dict[str, Any]:
        return {}


class Site:
    """The application with everything filled in: places in use, an earlier policy that names places."""

    def __init__(self, rules: Policy = RULES, accounts: AccountBook | None = None, **settings: Any) -> None:
        self.history = FullHistory()
        self.requests: list[Request] = []
        self.calls = 0
        self.live = LiveSite(PLAN, StandingClock())
        before = msgspec.structs.replace(rules.settings, exempt=["3-T02", "3-T03"], mode="shadow")
        versions = MemoryVersions()
        versions.note(Policy(before, policy_hash(before)), TEN - timedelta(days=30))
        self.app = create_app(
            PLAN,
            live=self.live,
            history=self.history,
            send_request=self.send_request,
            clock=StandingClock(),
            version="1.2.3",
            settings=DashboardSettings(allowed_hosts=("*",), **settings),
            rules=rules,
            versions=versions,
            accounts=accounts,
        )
        for place in PLAN.place.values():
            self._feed(TOPICS.place_state(place.id), state_of(place))

    async def send_request(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(request_id=request.id, accepted=True, reason="ok", at=TEN)

    def _feed(self, topic: str, message: Any) -> None:
        self.live.feed(Received(topic, codec.encode(message), retained=False))

    def hear(self, **changes: Any) -> None:
        """Let ingest and all zones speak."""
        health = IngestHealth(
            site=PLAN.site, at=TEN, version="1", uptime_s=9, events_total=7, duplicates_total=0, late_total=0,
            quarantined={}, last_event_at=TEN, last_event_age_s=0.5, store={"ok": True}, policy_hash=RULES.hash,
        )  # fmt: skip
        self._feed(TOPICS.ingest_health(), msgspec.structs.replace(health, **changes))
        for zone in PLAN.zone.values():
            state = ZoneState(
                site=PLAN.site, floor=zone.floor, zone=zone.id, free=4, reclaimable=1, in_use=3, unknown=0,
                exempt=0, capacity=8, scarce=False, calendar="work", mode="active", coverage_pct=99.0,
                enforced=True, as_of=TEN, expires_at=TEN + timedelta(minutes=1),
            )  # fmt: skip
            self._feed(TOPICS.zone_state(zone.id), state)

    def call(
        self,
        method: str,
        path: str,
        *,
        auth: tuple[str, str] | None = None,
        caller: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Ask once; without a caller as somebody new, so that no wrong password makes the next one wait."""
        self.calls += 1
        caller = caller or f"198.51.{100 + self.calls // 250}.{self.calls % 250}"

        async def scenario() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(caller, 1))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", auth=auth
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(scenario())


def state_of(place: floor_plan.Place) -> PlaceState:
    return PlaceState(
        site=PLAN.site, floor=place.floor, zone=place.zone, place=place.id, phase="in_use", occupancy="occupied",
        since=TEN - timedelta(hours=1), hold_since=TEN - timedelta(hours=1), mode="active", as_of=TEN,
        expires_at=TEN + timedelta(hours=1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Site:
    made = Site(council_password=COUNCIL[1], staff_password=STAFF[1])
    made.hear()
    return made


def leads_to(page: httpx.Response) -> list[tuple[str, str, dict[str, str]]]:
    """Every address that an answer links to, loads, sends a form to or sends a browser on to."""
    found = [("GET", address, {}) for address in re.findall(r'(?:href|src)="([^"#]+)"', page.text)]
    for target, inside in re.findall(
        r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL
    ):
        values = dict(re.findall(r'name="(\w+)" value="([^"]*)"', inside))
        found.append(("POST", target, values))
    if "location" in page.headers:
        found.append(("GET", page.headers["location"], {}))
    return found


def walk(site: Site, start: str, auth: tuple[str, str]) -> dict[str, httpx.Response]:
    """Return the answer of everything that can be reached from `start` by links, files and forms."""
    answers: dict[str, httpx.Response] = {}
    waiting: list[tuple[str, str, dict[str, str]]] = [("GET", start, {})]
    while waiting:
        method, address, values = waiting.pop()
        name = f"{method} {address}"
        if name in answers or urlsplit(address).netloc:
            continue
        more = {"data": values} if method == "POST" else {}
        answers[name] = site.call(method, address, auth=auth, **more)
        base = urlsplit(address).path
        for verb, target, inside in leads_to(answers[name]):
            waiting.append((verb, base + target if target.startswith("?") else target, inside))
    return answers


def test_nothing_that_the_council_page_leads_to_names_a_place(site: Site) -> None:
    answers = walk(site, "/council", COUNCIL)
    pages = {urlsplit(name.split()[1]).path for name in answers}
    assert {"/council", "/council/switch", "/static/council.css"} <= pages
    assert {"POST /council/switch", "GET /council?done=pause", "GET /council?lang=en"} <= set(answers)
    assert {
        name: PLACE_NAMES.findall(one.text) for name, one in answers.items() if PLACE_NAMES.search(one.text)
    } == {}
    assert all(one.status_code in {200, 303} for one in answers.values())
    assert site.history.asked_about_places == []


def test_that_check_finds_a_place_where_one_is_named(site: Site) -> None:
    for path in ("/desk/3-T01", "/api/v1/floors/f3"):
        assert PLACE_NAMES.search(site.call("GET", path).text)
    assert not PLACE_NAMES.search("the 3-T01x of 33-T01 on 2026-11-24")


def every_get() -> list[str]:
    """Each GET route of the application with real names filled in."""
    names = {"place": "3-T01", "floor": "f3", "decision": "d-1", "decision_id": "d-1", "name": "page.css"}
    found = {"/live?floor=f9"}  # the stream of a real floor would never end
    for route in routes_of(Site().app.router):
        if "GET" in (getattr(route, "methods", None) or ()) and route.path != "/live":
            found.add(re.sub(r"{(\w+)(?::\w+)?}", lambda match: names.get(match[1], "x"), route.path))
    return sorted(found)


def routes_of(router: Any) -> Iterator[Any]:
    """Yield the routes of a router and of those inside it."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from routes_of(inner)


def test_no_route_tells_the_council_what_happened_at_a_place(site: Site) -> None:
    """Every route of the application, with the password of the council: none asks the history about a place."""
    addresses = every_get()
    assert {"/api/v1/places/3-T01/decisions", "/staff/why/d-1", "/desk/3-T01", "/council"} <= set(addresses)
    answers = {address: site.call("GET", address, auth=COUNCIL) for address in addresses}
    assert site.history.asked_about_places == []
    refused = {address for address, answer in answers.items() if answer.status_code == 401}
    assert {
        one for one in addresses if one.startswith(("/staff", "/map/", "/walk")) or "decision" in one
    } <= refused
    asked = site.call("GET", "/api/v1/places/3-T01/decisions", auth=STAFF)
    assert asked.status_code == 200
    assert site.history.asked_about_places == ["decisions of 3-T01"], "staff may: the history was listening"
    site.history.asked_about_places.clear()


@pytest.mark.parametrize(
    ("settings", "auth", "caller", "status"),
    [
        pytest.param({}, None, "127.0.0.1", 200, id="without any password: on this machine"),
        pytest.param({}, None, "192.0.2.7", 403, id="and nowhere else"),
        pytest.param(
            {"council_password": COUNCIL[1]}, COUNCIL, "192.0.2.7", 200, id="the council's own password"
        ),
        pytest.param({"council_password": COUNCIL[1]}, None, "127.0.0.1", 401, id="is then asked everywhere"),
        pytest.param({"staff_password": STAFF[1]}, STAFF, "192.0.2.7", 200, id="facility may too"),
        pytest.param({"staff_password": STAFF[1]}, COUNCIL, "192.0.2.7", 401, id="a wrong one does not"),
    ],
)
def test_who_may_use_the_stop_switch(
    settings: dict[str, str], auth: tuple[str, str] | None, caller: str, status: int
) -> None:
    site = Site(**settings)
    assert site.call("GET", "/council", caller=caller).status_code == 200, "everybody may read"
    assert site.call("GET", "/council/switch", auth=auth, caller=caller).status_code == status
    pressed = site.call("POST", "/council/switch", auth=auth, caller=caller, data={"action": "pause"})
    assert pressed.status_code == (303 if status == 200 else status)
    assert [(one.action, one.role) for one in site.requests] == (
        [("pause", "works_council")] if status == 200 else []
    )


def test_the_password_of_the_council_opens_nothing_of_staff(site: Site) -> None:
    for path in ("/staff/", "/map/f3", "/walk", "/api/v1/places/3-T01/decisions"):
        assert site.call("GET", path, auth=COUNCIL).status_code == 401
    asked = site.call("POST", "/api/v1/places/3-T01/requests", auth=COUNCIL, json={"action": "release"})
    assert asked.status_code == 401


def test_the_switch_takes_only_what_it_offers_and_only_from_our_own_page(site: Site) -> None:
    before = len(site.requests)
    for action in ("release", "", "exempt"):
        answer = site.call("POST", "/council/switch", auth=COUNCIL, data={"action": action})
        assert (answer.status_code, answer.headers["location"]) == (303, "/council/switch")
    strange = {"origin": "http://evil.example"}
    answer = site.call("POST", "/council/switch", auth=COUNCIL, data={"action": "pause"}, headers=strange)
    assert answer.status_code == 403
    assert len(site.requests) == before


def page_of(site: Site, lang: str = "nl") -> str:
    text = site.call("GET", f"/council?lang={lang}").text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def without_consent() -> Policy:
    settings = msgspec.structs.replace(RULES.settings, consent=None)
    return Policy(settings, policy_hash(settings))


def other_text() -> Policy:
    quiet = msgspec.structs.replace(RULES.settings.quiet, longest_min=30)
    settings = msgspec.structs.replace(RULES.settings, quiet=quiet)
    return Policy(settings, policy_hash(settings))


def test_the_page_says_the_same_policy_as_the_command(site: Site) -> None:
    for lang in ("nl", "en"):
        said = page_of(site, lang)
        for sentence in policy.describe(RULES, lang):
            assert sentence in said.replace("&#39;", "'")
        assert RULES.hash in said


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        pytest.param(RULES, "De instemming geldt voor precies deze tekst.", id="consent that fits"),
        pytest.param(
            other_text(), "De instemming geldt voor een andere tekst.", id="consent for another text"
        ),
        pytest.param(without_consent(), "Nog niemand heeft met deze tekst ingestemd.", id="no consent"),
    ],
)
def test_the_page_tells_whether_the_consent_fits(rules: Policy, said: str) -> None:
    assert said in page_of(Site(rules))


@pytest.mark.parametrize(
    ("hear", "said"),
    [
        pytest.param(
            None, "Onbekend Het systeem dat beslist geeft geen teken", id="nothing heard is not known"
        ),
        pytest.param({}, "Ja: een plek kan worden vrijgegeven.", id="in force"),
        pytest.param(
            {"paused": True, "pause_causes": ("false_releases",)}, "te vaak fout", id="why it is paused"
        ),
        pytest.param(
            {"policy_hash": "0" * 64}, "Er draait een andere versie", id="the engine runs another text"
        ),
    ],
)
def test_the_page_says_what_the_engine_says(hear: dict[str, Any] | None, said: str) -> None:
    site = Site()
    if hear is not None:
        site.hear(**hear)
    assert said in page_of(site)


def test_versions_are_kept_in_order_and_survive_a_restart_and_a_bad_file(tmp_path: Path) -> None:
    def seen() -> list[str]:
        return [one.hash for one in VersionFolder(tmp_path / "policies").newest()]

    first, second = RULES, other_text()
    for rules in (first, first, second, first):
        VersionFolder(tmp_path / "policies").note(rules, TEN)
    assert seen() == [first.hash, second.hash, first.hash]
    newest = VersionFolder(tmp_path / "policies").newest()[0]
    assert (newest.settings, newest.since) == (first.settings, TEN)
    (tmp_path / "policies" / "000002.json").write_bytes(b'{"hash": "of a program that knew other settings"}')
    (tmp_path / "policies" / "000004.new").write_bytes(b"torn")
    assert seen() == [first.hash, first.hash]
    VersionFolder(tmp_path / "policies").note(second, TEN)
    assert seen() == [second.hash, first.hash, first.hash]


def test_a_folder_that_cannot_be_written_stops_no_page(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("a file, not a folder")
    VersionFolder(tmp_path / "policies").note(RULES, TEN)
    assert VersionFolder(tmp_path / "policies").newest() == []


def test_old_versions_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.council.versions.MOST_VERSIONS", 3)
    toggled: list[Callable[[], Policy]] = [lambda: RULES, other_text] * 4
    for make in toggled:
        VersionFolder(tmp_path).note(make(), TEN)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000006.json", "000007.json", "000008.json"]


# Who reads

AMSTERDAM = PLAN.tz
NINE_UNIX = int((TEN - timedelta(hours=1)).timestamp())


@pytest.mark.parametrize(
    ("method", "address", "kind"),
    [
        ("GET", "/staff/", "staff page: places as they are now"),
        ("POST", "/staff/", "staff page: places as they are now"),
        ("GET", "/staff/live", "staff page: places as they are now"),
        ("GET", "/map/f3", "staff page: places as they are now"),
        ("POST", "/staff/history", "history, with means of single places"),
        ("GET", "/staff/why/d-1", "why something was decided about a place"),
        ("GET", "/api/v1/decisions/d-1", "why something was decided about a place"),
        ("GET", "/api/v1/places/3-T01/decisions", "decisions about a place"),
        ("GET", "/walk/f3", "walk test of sensors"),
        ("POST", "/api/v1/places/3-T01/requests", ""),
        ("POST", "/staff/plan/f3", ""),
        ("GET", "/staff/report", ""),
        ("GET", "/staff/actions", ""),
        ("GET", "/council/switch", ""),
    ],
)
def test_what_counts_as_reading_about_a_place(method: str, address: str, kind: str) -> None:
    assert kind_of(method, address) == kind


def test_every_page_that_shows_places_to_a_role_is_counted() -> None:
    """A new page below an address that needs a role is either counted, or named here as telling nothing."""
    named = ("report", "plan", "devices", "policy", "actions", "assets", "_")
    known = tuple(f"/staff/{name}" for name in named)
    for address in every_get():
        if who_may("GET", address) is not None and address.split("/")[1] in {"staff", "map", "walk", "api"}:
            told = kind_of("GET", address)
            assert told or address.startswith(known), address


def test_a_page_counts_as_long_as_it_is_open_and_once_for_all_its_parts() -> None:
    def read(minutes: int, address: str, role: Any = "staff", what: str = "GET") -> Read:
        return Read(NINE_UNIX + 60 * minutes, role, what, address)

    rows = by_day(
        [
            read(0, "/staff/"), read(0, "/map/f3"), read(0, "/staff/", what="POST"), read(5, "/staff/", what="POST"),
            read(0, "/staff/history"), read(0, "/staff/plan"), read(0, "/staff/", "facility"),
            read(60 * 24, "/staff/"), read(-60 * 9 - 5, "/staff/history"),
        ],
        AMSTERDAM,
    )  # fmt: skip
    today, live, past = (
        TEN.date(),
        "staff page: places as they are now",
        "history, with means of single places",
    )
    assert rows == [
        DayReads(today + timedelta(days=1), "staff", live, 1),
        DayReads(today, "facility", live, 1),
        DayReads(today, "staff", past, 1),
        DayReads(today, "staff", live, 2),
        DayReads(today - timedelta(days=1), "staff", past, 1),
    ], "days are those of the building"
    assert [(one.role, one.page, one.times, one.days) for one in by_role(rows)] == [
        ("facility", live, 1, 1), ("staff", past, 2, 2), ("staff", live, 3, 2),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, AccountBook, dict[str, str]]]:
    """A site with accounts; staff have read about places, by addresses that name them."""
    usual = book_module.argon2.PasswordHasher
    book_module.argon2.PasswordHasher = lambda: usual(time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[misc,assignment]
    book = AccountBook(sqlite3.connect, tmp_path_factory.mktemp("accounts") / "accounts.db", TEN.timestamp)
    tokens = {}
    for name, role in (("balie-achter", "staff"), ("ondernemingsraad", "works_council")):
        book.set_up(book.add(name, role), "kruiwagen lantaarn zeven")
        tokens[role] = book.enter(name, "kruiwagen lantaarn zeven", "", "here")
    site = Site(accounts=book)
    site.hear()
    staff = {"cookie": f"plekvrij_session={tokens['staff']}"}
    for address in ("/map/f3", "/api/v1/places/3-T01/decisions", "/staff/why/d-1", "/staff/history?floor=f3"):
        site.call("GET", address, headers=staff)
    page = {**staff, "referer": "http://localhost/staff/history?floor=f3", "origin": "http://localhost"}
    site.call("POST", "/staff/_dash-update-component", headers=page)
    site.history.asked_about_places.clear()
    yield site, book, tokens
    book.close()
    book_module.argon2.PasswordHasher = usual  # type: ignore[misc]


def test_the_council_reads_who_read_by_role_and_never_a_name_or_a_place(watched: Any) -> None:
    site, book, tokens = watched
    assert any("3-T01" in row.address for row in book.log()), "the log of accounts knows"
    headers = {"cookie": f"plekvrij_session={tokens['works_council']}"}
    for lang in ("nl", "en"):
        text = site.call("GET", f"/council?lang={lang}", headers=headers).text
        assert PLACE_NAMES.findall(text) == []
        assert "balie-achter" not in text
    said = page_of(site)
    for row in (
        "besluiten over een plek 1 1 24 november 2026", "waarom iets over een plek is besloten 1 1",
        "geschiedenis, met gemiddelden van losse plekken 1 1", "beheerpagina: plekken zoals ze nu zijn 1 1",
    ):  # fmt: skip
        assert row in said
    assert "Dit systeem heeft geen accounts" not in said
    assert "Dit systeem heeft geen accounts" in page_of(Site())


def test_no_route_tells_an_account_of_the_council_what_happened_at_a_place(watched: Any) -> None:
    site, _, tokens = watched
    headers = {"cookie": f"plekvrij_session={tokens['works_council']}"}
    addresses = every_get()
    answers = {address: site.call("GET", address, headers=headers).status_code for address in addresses}
    assert site.history.asked_about_places == []
    refused = {address for address, status in answers.items() if status == 403}
    closed = {one for one in addresses if one.startswith(("/staff", "/map/", "/walk")) or "decision" in one}
    assert closed
    assert closed <= refused
    assert answers["/council"] == answers["/council/switch"] == 200
