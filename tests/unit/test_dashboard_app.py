"""The application from outside: addresses, answers, refusals and headers. No browser needed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.requests import RequestUnanswered
from dashboard.settings import DashboardSettings
from dashboard.staff.callbacks import callback_table
from workplace import codec, floor_plan
from workplace.events import IngestHealth, PlaceState, Reply, Request, ZoneState
from workplace.ports import Received
from workplace.topics import Topics

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
TOPICS = Topics(PLAN.site)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Site:
    """An application with one silence zone that has spoken."""

    def __init__(self, **settings: Any) -> None:
        self.live = LiveSite(PLAN, StandingClock())
        self.requests: list[Request] = []
        self.refuse = ""
        self.app: FastAPI = create_app(
            PLAN,
            live=self.live,
            history=None,
            send_request=self.send_request,
            clock=StandingClock(),
            version="1.2.3",
            settings=DashboardSettings(**settings),
        )
        self.feed_all()

    async def send_request(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.refuse == "silent":
            raise RequestUnanswered(request.id, 5.0)
        return Reply(request_id=request.id, accepted=not self.refuse, reason=self.refuse or "ok", at=TEN)

    def feed(self, topic: str, message: Any) -> None:
        self.live.feed(Received(topic, codec.encode(message), retained=False))

    def feed_all(self) -> None:
        for zone in PLAN.zone.values():
            fixed = sum(place.fixed for place in zone.places)
            state = ZoneState(
                site=PLAN.site, floor=zone.floor, zone=zone.id, free=4, reclaimable=1,
                in_use=len(zone.places) - fixed - 5, unknown=0, exempt=fixed, capacity=len(zone.places),
                scarce=False, calendar="work", mode="active", coverage_pct=99.0, as_of=TEN,
                expires_at=TEN + timedelta(minutes=1),
            )  # fmt: skip
            self.feed(TOPICS.zone_state(zone.id), state)
        state = PlaceState(
            site=PLAN.site, floor="f3", zone="3-stilte", place="3-T01", phase="in_use", occupancy="occupied",
            since=TEN - timedelta(hours=1), hold_since=TEN - timedelta(hours=1),
            limit_at=TEN + timedelta(hours=3), limit_kind="stay", mode="active", reasons=("link_up",),
            as_of=TEN, expires_at=TEN + timedelta(hours=1),
        )  # fmt: skip
        self.feed(TOPICS.place_state("3-T01"), state)

    def call(
        self, method: str, path: str, *, caller: str = "127.0.0.1", host: str = "localhost", **more: Any
    ) -> httpx.Response:
        async def scenario() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(caller, 1))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **more)

        return asyncio.run(scenario())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.call("POST", path, **more)


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


def test_a_floor_tells_zones_and_places(site: Site) -> None:
    floor = site.get("/api/v1/floors/f3").json()
    silence = next(zone for zone in floor["zones"] if zone["id"] == "3-stilte")
    assert (silence["free"], silence["reclaimable"], silence["capacity"]) == (4, 1, 25)
    assert silence["name"] == {"nl": "Stilte", "en": "Silence"}
    assert not silence["stale"]
    assert silence["age_s"] < 20
    place = next(place for place in floor["places"] if place["id"] == "3-T01")
    assert (place["state"], place["limit_kind"], place["reasons"]) == ("in_use", "stay", ["link_up"])
    assert place["limit"] == "2026-11-24T12:00:00Z"
    other = next(place for place in floor["places"] if place["id"] == "3-T02")
    assert (other["state"], other["reasons"]) == ("unknown", ["never_heard"])


def test_zone_counts_add_up_in_every_answer(site: Site) -> None:
    for floor in site.get("/api/v1/floors").json():
        for zone in floor["zones"]:
            parts = ("free", "reclaimable", "in_use", "unknown", "exempt")
            assert sum(zone[part] for part in parts) == zone["capacity"]


def test_health_is_down_without_ingest_and_names_why() -> None:
    site = Site()
    answer = site.get("/api/v1/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "down"
    assert answer.json()["reasons"][0] == "ingest_silent"
    health = IngestHealth(
        site=PLAN.site, at=TEN, version="1", uptime_s=9, events_total=7, duplicates_total=0, late_total=0,
        quarantined={"schema": 1}, last_event_at=TEN, last_event_age_s=0.5, store={"ok": True},
        policy_hash="x",
    )  # fmt: skip
    site.feed(TOPICS.ingest_health(), health)
    answer = site.get("/api/v1/health")
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == "degraded"
    assert body["events_total"] == 7
    assert body["quarantined"] == {"schema": 1}
    assert [gateway["status"] for gateway in body["gateways"]] == ["unknown"] * 5


def test_the_interface_describes_itself_with_types(site: Site) -> None:
    schema = site.get("/api/v1/openapi.json").json()
    assert "/api/v1/places/{place}/requests" in schema["paths"]
    assert "ZoneAnswer" in schema["components"]["schemas"]
    answer = schema["paths"]["/api/v1/floors/{floor}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/FloorAnswer")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/typo", "application/json"),
        ("/api/v1/floors/f9", "application/json"),
        ("/api/v1/places/none", "application/json"),
        ("/zzz", "text/html"),
        ("/wall/f9", "text/html"),
        ("/desk/none", "text/html"),
        ("/live?floor=f9", "text/plain"),
        ("/static/secret", "text/plain"),
        ("/static/../settings.py", "text/html"),
    ],
)
def test_what_does_not_exist_is_not_found_and_never_a_dash_page(site: Site, path: str, kind: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(kind)


def test_a_wish_goes_to_the_engine_as_staff_and_its_answer_comes_back() -> None:
    site = Site()
    answer = site.post("/api/v1/places/3-T01/requests", json={"action": "extend", "minutes": 60})
    told = answer.json()
    assert (answer.status_code, told) == (
        200,
        {"accepted": True, "reason": "ok", "request": site.requests[0].id},
    )
    assert (site.requests[0].role, site.requests[0].minutes) == ("staff", 60)
    site.refuse = "no_hold"
    assert site.post("/api/v1/places/3-T01/requests", json={"action": "extend"}).status_code == 409
    site.refuse = "silent"
    answer = site.post("/api/v1/places/3-T01/requests", json={"action": "release"})
    assert (answer.status_code, answer.json()["reason"]) == (504, "no_answer")
    bad = site.post("/api/v1/places/3-T01/requests", json={"action": "extend", "person": "x"})
    assert bad.status_code == 422
    assert (
        site.post("/api/v1/places/3-T01/requests", json={"action": "extend", "minutes": 481}).status_code
        == 422
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"origin": "http://localhost"}, 200, id="our own page may ask"),
        pytest.param({}, 200, id="a program without a browser may ask"),
        pytest.param({"origin": "http://evil.example"}, 403, id="another site may not"),
        pytest.param({"origin": "null"}, 403, id="a sandboxed page may not"),
        pytest.param({"sec-fetch-site": "cross-site"}, 403, id="a cross-site form may not"),
    ],
)
def test_requests_from_other_sites_are_refused(site: Site, headers: dict[str, str], status: int) -> None:
    path = "/api/v1/places/3-T01/requests"
    assert site.post(path, json={"action": "remind"}, headers=headers).status_code == status
    if status == 403:
        assert site.post("/staff/_dash-update-component", json={}, headers=headers).status_code == 403
        assert site.post("/desk/3-T01/extend", headers=headers).status_code == 403


def test_only_known_host_names_are_answered(site: Site) -> None:
    assert site.get("/", host="rebound.example").status_code == 400
    assert site.get("/", host="127.0.0.1:8080").status_code == 200


def test_staff_pages_answer_this_machine_only_until_a_password_is_set(site: Site) -> None:
    walk = ("/walk", "/walk/f3", "/walk/f3/live", "/walk/f3/sheet")
    for path in ("/staff/", "/staff/_dash-layout", "/map/f3", "/api/v1/places/3-T01/decisions", *walk):
        assert site.get(path, caller="192.0.2.7").status_code == 403
    assert site.get("/wall/f3", caller="192.0.2.7").status_code == 200
    proxied = Site(allowed_hosts=("localhost", "plekken.example"))
    assert proxied.get("/staff/", host="localhost").status_code == 200
    assert proxied.get("/staff/", host="plekken.example").status_code == 403
    guarded = Site(staff_password="open sesame", allowed_hosts=("*",))
    assert guarded.get("/staff/").status_code == 401
    assert guarded.get("/staff/", auth=("anybody", "wrong")).status_code == 401
    assert guarded.get("/staff/", auth=("anybody", "open sesame"), caller="192.0.2.7").status_code == 200


def test_wall_and_desk_pages_allow_no_inline_code(site: Site) -> None:
    for path in ("/wall/f3", "/desk/3-T01", "/"):
        answer = site.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert " style=" not in answer.text
        assert not re.search(r"<script(?! type=\"application/json\"| src=)", answer.text)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_staff_policy_names_its_scripts(site: Site) -> None:
    policy = site.get("/staff/").headers["content-security-policy"]
    assert "'unsafe-eval'" not in policy
    scripts = policy.split("script-src ")[1].split(";")[0]
    assert "'unsafe-inline'" not in scripts


def test_pages_speak_the_language_that_is_asked_and_remember_it(site: Site) -> None:
    answer = site.get("/desk/3-T01?lang=en")
    assert '<html lang="en">' in answer.text
    assert "plekvrij_lang=en" in answer.headers["set-cookie"]
    assert '<html lang="nl">' in site.get("/desk/3-T01").text


def test_static_files_are_kept_by_content_and_squeezed(site: Site) -> None:
    page = site.get("/desk/3-T01").text
    sheet = re.search(r'href="(/static/desk\.css\?v=[0-9a-f]+)"', page)
    assert sheet is not None
    answer = site.get(sheet[1])
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" not in site.get("/static/desk.css?v=old").headers["cache-control"]


def test_a_wall_waits_for_no_sheet_and_lets_in_no_style_but_its_own(site: Site) -> None:
    answer = site.get("/wall/f3")
    assert "stylesheet" not in answer.text
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    mark = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{mark}';" in answer.headers["content-security-policy"]


def test_the_wall_keeps_its_weight() -> None:
    folder = Path(inspect.getfile(create_app)).parent
    assert (folder / "wall" / "wall.js").stat().st_size <= 6_000
    site = Site()
    page = site.get("/wall/f3")
    wire = len(page.content) // 4  # gzip takes at least that much off our markup
    for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        wire += int(site.get(name).headers["content-length"])
    assert wire <= 80_000


def test_desk_wishes_need_a_token_and_are_limited() -> None:
    site = Site(desk_requests_per_hour=2)
    page = site.get("/desk/3-T01").text
    token = re.search(r'name="token" value="([0-9a-f]+)"', page)
    assert token is not None

    def press(value: str) -> str:
        return site.post("/desk/3-T01/extend", data={"token": value}).headers["location"]

    assert press("wrong") == "/desk/3-T01?done=token"
    assert [press(token[1]) for _ in range(3)] == [
        "/desk/3-T01?done=ok",
        "/desk/3-T01?done=ok",
        "/desk/3-T01?done=too_many",
    ]
    assert [(request.role, request.minutes) for request in site.requests] == [("desk", 60), ("desk", 60)]


def test_every_callback_of_the_staff_page_is_async(site: Site) -> None:
    entries: list[Callable[..., Awaitable[Any]]] = [entry.function for entry in callback_table(None)]  # type: ignore[arg-type]
    assert entries
    assert all(inspect.iscoroutinefunction(function) for function in entries)
