"""Taps on "is this wrong?": kept durably and without who, deleted in time, and read by `plekvrij evaluate` alone."""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard.app import create_app
from dashboard.desk_page.taps import MemoryTaps, TapFolder, TapStore, tap_of
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from plekvrij.evaluation import read_recording
from simulators.feed import feed
from workplace import codec
from workplace.desk_metrics import Said, score, state_at
from workplace.errors import StoreUnavailable
from workplace.events import PlaceState, Reply, Request
from workplace.floor_plan import FloorPlan
from workplace.metrics import TruthChange
from workplace.ports import Received
from workplace.topics import Topics

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return NINE + timedelta(milliseconds=437)

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class FullDisk:
    def keep(self, tap: TruthChange) -> None:
        raise StoreUnavailable("no space left")

    def forget(self, now: datetime) -> int:
        return 0


class Desk:
    """The application, as a telephone at one desk sees it."""

    def __init__(self, plan: FloorPlan, taps: TapStore, **settings: Any) -> None:
        self.requests: list[Request] = []
        self.live = LiveSite(plan, StandingClock())
        self.app = create_app(
            plan,
            live=self.live,
            history=None,
            send_request=self.send_request,
            clock=StandingClock(),
            version="1",
            settings=DashboardSettings(**settings),
            taps=taps,
        )

    async def send_request(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(request_id=request.id, accepted=True, reason="ok", at=NINE)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def scenario() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **more)

        return asyncio.run(scenario())

    def tap(self, place: str, somebody: str, token: str | None = None, **more: Any) -> str:
        """Return where the tap led to."""
        page = self.call("GET", f"/desk/{place}").text
        found = re.search(r'name="token" value="([0-9a-f]+)"', page)
        given = token if token is not None else found[1] if found else ""
        answer = self.call(
            "POST", f"/desk/{place}/wrong", data={"token": given, "somebody": somebody}, **more
        )
        return answer.headers.get("location", str(answer.status_code))


def test_a_tap_is_one_line_of_place_moment_and_state(small_plan: FloorPlan, tmp_path: Path) -> None:
    desk = Desk(small_plan, TapFolder(tmp_path, 14))
    strange = {"user-agent": "somebody's telephone", "x-forwarded-for": "192.0.2.9", "cookie": "id=anna"}
    assert desk.tap("1-W1", "yes", headers=strange) == "/desk/1-W1?done=told"
    assert desk.tap("1-W2", "no") == "/desk/1-W2?done=told"
    (file,) = tmp_path.iterdir()
    assert file.name == "2026-11-24.ndjson"
    assert file.read_text() == (
        '{"place":"1-W1","at":"2026-11-24T09:00:00Z","state":"occupied","until":"2026-11-24T09:01:00Z"}\n'
        '{"place":"1-W2","at":"2026-11-24T09:00:00Z","state":"free","until":"2026-11-24T09:01:00Z"}\n'
    )
    assert desk.requests == [], "the engine is not told: a tap changes nothing"


def test_nobody_at_a_desk_with_a_laptop_in_its_dock_is_held(small_plan: FloorPlan) -> None:
    taps = MemoryTaps()
    desk = Desk(small_plan, taps)
    state = PlaceState(
        site="klein", floor="f1", zone="1-werken", place="1-W1", phase="in_use", occupancy="occupied", since=NINE,
        mode="active", reasons=("link_up",), as_of=NINE, expires_at=NINE + timedelta(hours=1),
    )  # fmt: skip
    desk.live.feed(Received(Topics("klein").place_state("1-W1"), codec.encode(state), retained=False))
    desk.tap("1-W1", "no")
    desk.tap("1-W1", "yes")
    assert [tap.state for tap in taps.kept] == ["held", "occupied"]


def test_a_tap_needs_the_page_and_is_limited_like_other_wishes(small_plan: FloorPlan) -> None:
    taps = MemoryTaps()
    desk = Desk(small_plan, taps, desk_requests_per_hour=2)
    assert desk.tap("1-W1", "yes", token="made-up") == "/desk/1-W1?done=token"
    assert [desk.tap("1-W1", "yes").partition("=")[2] for _ in range(3)] == ["told", "told", "told_often"]
    assert desk.tap("1-W2", "yes") == "/desk/1-W2?done=told", "another place has its own share"
    assert len(taps.kept) == 3
    assert [desk.tap(place, somebody) for place, somebody in (("none", "yes"), ("1-W1", "maybe"))] == [
        "404",
        "422",
    ]
    assert desk.tap("1-W1", "no", headers={"origin": "http://evil.example"}) == "403"


def test_taps_do_not_use_up_extensions(small_plan: FloorPlan) -> None:
    desk = Desk(small_plan, MemoryTaps(), desk_requests_per_hour=1)
    desk.tap("1-W1", "yes")
    token = re.search(r'name="token" value="([0-9a-f]+)"', desk.call("GET", "/desk/1-W1").text)
    assert token is not None
    answer = desk.call("POST", "/desk/1-W1/extend", data={"token": token[1]})
    assert answer.headers["location"] == "/desk/1-W1?done=ok"


def test_a_full_disk_is_told(small_plan: FloorPlan) -> None:
    assert Desk(small_plan, FullDisk()).tap("1-W1", "yes") == "/desk/1-W1?done=not_kept"


def test_a_fixed_place_has_no_such_buttons(example_plan: FloorPlan) -> None:
    desk = Desk(example_plan, MemoryTaps())
    assert "/wrong" not in desk.call("GET", "/desk/0-B01").text
    assert desk.tap("0-B01", "yes", token="x") == "404"


def test_a_line_torn_by_a_power_cut_loses_nothing_else(tmp_path: Path) -> None:
    folder = TapFolder(tmp_path, 14)
    (tmp_path / "2026-11-24.ndjson").write_bytes(b'{"place":"1-W1","at":"2026-')
    for minute in (0, 1):
        folder.keep(tap_of("1-W1", is_there=True, state=None, now=NINE + timedelta(minutes=minute)))
    lines = (tmp_path / "2026-11-24.ndjson").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=TruthChange).at.minute for line in lines[1:]] == [0, 1]


@given(days=st.integers(1, 28), age_min=st.integers(0, 40 * 24 * 60))
def test_a_tap_never_lives_longer_than_allowed_and_nearly_as_long(days: int, age_min: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:  # noqa: S108
        folder, age = TapFolder(Path(name), days), timedelta(minutes=age_min)
        (Path(name) / "notes.ndjson").write_bytes(b"")
        folder.keep(tap_of("d", is_there=True, state=None, now=NINE))
        gone = folder.forget(NINE + age)
        if age >= timedelta(days=days):
            assert gone == 1
        elif age < timedelta(days=days - 1):
            assert gone == 0
        assert (Path(name) / "notes.ndjson").exists(), "a file of somebody else"


class Watched(TapFolder):
    """Tells when it has forgotten."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 14)
        self.done = threading.Event()

    def forget(self, now: datetime) -> int:
        try:
            return super().forget(now)
        finally:
            self.done.set()


def test_the_running_pages_delete_at_their_start(small_plan: FloorPlan, tmp_path: Path) -> None:
    folder = Watched(tmp_path)
    for days in (13, 15):
        folder.keep(tap_of("1-W1", is_there=True, state=None, now=NINE - timedelta(days=days)))
    app = Desk(small_plan, folder).app

    async def start_and_stop() -> bool:
        async with app.router.lifespan_context(app):
            return await asyncio.to_thread(folder.done.wait, 60)

    assert asyncio.run(start_and_stop())
    assert [file.name for file in tmp_path.iterdir()] == ["2026-11-11.ndjson"]


def test_evaluate_believes_a_tap_for_its_minute_and_nothing_after(
    small_plan: FloorPlan, tmp_path: Path
) -> None:
    (day,) = feed(small_plan, 3, 1)
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(msgspec.json.encode(event) for event in day.events))
    taps = TapFolder(tmp_path / "taps", 14)
    begin = day.events[0].received_at.replace(microsecond=0)
    at = [begin + timedelta(hours=hours) for hours in (3, 3.005, 6)]
    for moment, is_there in zip(at, (True, True, False), strict=True):
        taps.keep(tap_of("1-W1", is_there=is_there, state=None, now=moment))
    truth = read_recording(small_plan, tmp_path / "events.ndjson", tmp_path / "taps").truth["1-W1"]
    minute = timedelta(minutes=1)
    assert truth == [
        (at[0], "occupied"), (at[1], "occupied"), (at[1] + minute, None), (at[2], "free"), (at[2] + minute, None)
    ]  # fmt: skip
    assert state_at(truth, at[2] + timedelta(hours=1)) is None
    said = [Said(begin, "occupied", 1.0, begin)]
    found = score(truth, said, [(begin, begin + timedelta(hours=24))])
    known = (at[1] - at[0] + minute).total_seconds()
    assert found.seconds == {("occupied", "occupied"): known, ("free", "occupied"): 60.0}
    assert found.arrivals_s == [], "who taps did not come at that moment"
