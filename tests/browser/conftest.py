"""A whole site made of messages, served by a real uvicorn, looked at by a real browser."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dashboard.app import create_app
from dashboard.council.versions import MemoryVersions
from dashboard.desk_page.taps import MemoryTaps
from dashboard.live_site import LiveSite
from dashboard.refusals import Refusals
from dashboard.settings import DashboardSettings
from dashboard.walk.session import Walks
from dashboard.walk.store import MemoryWalks
from plekvrij.dashboard_process import http_config
from plekvrij.http_limits import HttpLimits
from tests.browsers import CHROMIUM
from workplace import codec, floor_plan, policy
from workplace.events import (
    ChannelHealth,
    Decision,
    DeviceHealth,
    GatewayHealth,
    GatewayStatus,
    IngestHealth,
    NotifierHealth,
    PlaceState,
    Reply,
    Request,
    Signal,
    SourceHealth,
    ZoneState,
)
from workplace.hold_outcomes import ZoneOutcome
from workplace.occupancy.interface import wiring_of
from workplace.policy import Policy
from workplace.ports import PlaceTurn, Received, ZoneBin, ZoneCoverage
from workplace.sensor_grades import GradeName, SensorGrade
from workplace.topics import Topics

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: A Tuesday in November, half past ten in Amsterdam.
MORNING = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


RULES = policy.load((ROOT / "examples" / "town_hall.policy.yaml").read_text(), "town_hall.policy.yaml")


def made_versions() -> MemoryVersions:
    """A version before the rules in force: a shorter lunch, another exempt place."""
    settings = msgspec.structs.replace(
        RULES.settings,
        exempt=["0-T01", "3-T02"],
        away=msgspec.structs.replace(
            RULES.settings.away, lunch=msgspec.structs.replace(RULES.settings.away.lunch, limit_min=75)
        ),
    )
    versions = MemoryVersions()
    versions.note(Policy(settings, policy.policy_hash(settings)), MORNING - timedelta(days=41))
    return versions


@dataclass
class MadeClock:
    """Site time that tests set; it stands still unless told otherwise."""

    at: datetime = MORNING
    speed: float = 1.0

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return self.at.timestamp() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


class MadeHistory:
    """Five-minute bins of a working day that fills up and empties."""

    def __init__(self, plan: floor_plan.FloorPlan) -> None:
        self._plan = plan

    def zone_bins(self, zones: Any, from_at: datetime, to_at: datetime) -> list[ZoneBin]:
        rows = []
        for zone in zones:
            capacity = len(self._plan.zone[zone].places)
            at = max(from_at, from_at.astimezone(UTC).replace(hour=6, minute=0))
            while at < to_at:
                share = max(0.0, min(0.8, (at.hour + at.minute / 60 - 6) / 4))
                used = capacity * share
                rows.append(ZoneBin(zone, at, used, round(used) + 1, 1.0, capacity - used, 2, capacity, 97.0))
                at += timedelta(minutes=5)
        return rows

    def sensor_grades(self) -> dict[str, SensorGrade]:
        grades: tuple[GradeName, ...] = ("B", "C", "D")
        return {
            place.id: SensorGrade(grade, MORNING, wiring_of(place))
            for place, grade in zip(self._plan.place.values(), cycle(grades), strict=False)
        }

    def decision(self, id_: str) -> Decision | None:
        return next((one for one in self.decisions(place="3-T01", limit=9) if one.id == id_), None)

    def story(self, place: str, from_at: datetime, to_at: datetime) -> tuple[list[Decision], list[PlaceTurn]]:
        turns = [
            PlaceTurn(MORNING - timedelta(minutes=5), "reclaimable", "held", ("link_up",)),
            PlaceTurn(MORNING - timedelta(minutes=1), "in_use", "occupied", ("link_up", "motion")),
        ]
        return self.decisions(place=place, limit=9), turns

    def zone_outcomes(self, from_at: datetime, to_at: datetime) -> list[ZoneOutcome]:
        """Every zone like the one before, a little more; the meeting nooks of floor 2 still on trial."""
        found = []
        for number, zone in enumerate(self._plan.zone):
            acted = zone != "2-ontmoeten"
            found += [
                ZoneOutcome(zone, "R2", acted, 40 + 3 * number, 0),
                ZoneOutcome(zone, "R6", acted, 6 + number, int(number % 7 == 3)),
                ZoneOutcome(zone, "R7", acted, 9 + number, int(number % 5 == 2)),
                ZoneOutcome(zone, "R14", acted, 2, 0),
            ]
        return found

    def zone_coverage(self, from_at: datetime, to_at: datetime) -> list[ZoneCoverage]:
        return [ZoneCoverage(zone, 96.4 - number / 3, 20) for number, zone in enumerate(self._plan.zone)]

    def decisions(self, *, place: str | None, limit: int) -> list[Decision]:
        return [
            Decision(
                id="decision-1",
                site=self._plan.site,
                zone=self._plan.place[place or ""].zone,
                place=place or "",
                hold_id="h-1",
                at=MORNING - timedelta(minutes=5),
                rule="R7",
                action="reclaimable",
                mode="active",
                acted=True,
                away_s=3000.0,
                signals=(Signal(device="dsp1-1", kind="link", value=True, age_s=7200.0),),
                counterfactual="one sign of presence after 09:35 would have kept the hold",
                policy_hash="abc",
            )
        ][:limit]


@dataclass
class MadeSite:
    """The site under test. Change `phases` or `calendar`, then `tell()`; `silence()` ages everything."""

    plan: floor_plan.FloorPlan
    clock: MadeClock
    url: str = ""
    phases: dict[str, str] = field(default_factory=dict)
    calendar: dict[str, str] = field(default_factory=dict)
    overflow: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    mode: str = "active"
    paused: bool = False
    pause_causes: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], tuple[bool, str]] = lambda _: (True, "ok")
    live: Any = None
    loop: Any = None
    server: Any = None
    feed: Any = None
    walks: Any = None
    taps: MemoryTaps = field(default_factory=MemoryTaps)
    close: Any = None
    usage: Any = None
    desk: Any = None
    history: Any = None
    screens: Any = None
    muted: set[str] = field(default_factory=set)
    """Zones that say nothing now."""
    accounts: Any = None
    app: Any = None
    directory: Callable[[str], Any] | None = None
    """Makes the directory for log-in, from the address of the pages."""
    refusals: Refusals = field(default_factory=Refusals)
    http_limits: HttpLimits = field(default_factory=HttpLimits)
    _skipped_s: float = 0.0
    _repeat: bool = True

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped_s

    async def send_request(self, request: Request) -> Reply:
        self.requests.append(request)
        accepted, reason = self.answer(request)
        return Reply(request_id=request.id, accepted=accepted, reason=reason, at=self.clock.now())

    def fill(self, *, seed: int = 7, used: float = 0.55, over: float = 0.06, left: float = 0.05) -> None:
        chance = random.Random(seed)
        for place in self.plan.place.values():
            dice = chance.random()
            self.phases[place.id] = (
                "exempt"
                if place.fixed
                else "reclaimable"
                if dice < over
                else "just_left"
                if dice < over + left
                else "in_use"
                if dice < used
                else "free"
            )

    def set_zone(self, zone: str, phase: str, *, but: int = 0, other: str = "free") -> None:
        for number, place in enumerate(self.plan.zone[zone].places):
            if not place.fixed:
                self.phases[place.id] = other if number < but else phase

    def tell(self, *, places: bool = True) -> None:
        done = threading.Event()

        def feed() -> None:
            if places:
                for place in self.plan.place.values():
                    self._feed(Topics(self.plan.site).place_state(place.id), self.place_state(place))
            self._feed_zones()
            done.set()

        self.loop.call_soon_threadsafe(feed)
        assert done.wait(5)

    def send(self, topic: str, message: Any) -> None:
        self.loop.call_soon_threadsafe(lambda: self._feed(topic, message))

    def _feed(self, topic: str, message: Any) -> None:
        self.live.feed(Received(topic, codec.encode(message), retained=False))

    def _feed_zones(self) -> None:
        for zone in self.plan.zone.values():
            if zone.id not in self.muted:
                self._feed(Topics(self.plan.site).zone_state(zone.id), self.zone_state(zone))

    def silence(self, seconds: float) -> None:
        """Let `seconds` pass without a word from anybody."""
        self._repeat = False
        self._skipped_s += seconds

    def pass_silently(self, seconds: float) -> None:
        """Let `seconds` pass in which only the muted zones say nothing."""
        self.loop.call_soon_threadsafe(self._skip, seconds)

    def _skip(self, seconds: float) -> None:
        self._skipped_s += seconds
        self._feed_zones()

    def speak(self) -> None:
        self._repeat = True
        self.tell(places=False)

    def place_state(self, place: floor_plan.Place) -> PlaceState:
        now = self.clock.now()
        phase = self.phases.get(place.id, "free")
        minutes = 20 + sum(map(ord, place.id)) * 7 % 220
        held = phase in {"in_use", "just_left", "reclaimable"}
        limit = now + timedelta(minutes=240 - minutes)
        if phase == "reclaimable":
            limit = now - timedelta(minutes=minutes % 90)
        elif phase == "just_left":
            limit = now + timedelta(minutes=minutes % 30)
        return PlaceState(
            site=self.plan.site,
            floor=place.floor,
            zone=place.zone,
            place=place.id,
            phase=phase,  # type: ignore[arg-type]
            occupancy="occupied" if phase == "in_use" else "held" if held else "free",
            since=now - timedelta(minutes=minutes if phase == "in_use" else 8),
            hold_id="h-1" if held else None,
            hold_since=now - timedelta(minutes=minutes) if held else None,
            away_since=now - timedelta(minutes=12) if phase in {"just_left", "reclaimable"} else None,
            limit_at=limit if held else None,
            limit_kind=None if not held else "stay" if phase == "in_use" else "away",
            mode=self.mode,  # type: ignore[arg-type]
            notice=self.notices.get(place.id, "none"),  # type: ignore[arg-type]
            reasons=("gateway_down",)
            if phase == "unknown"
            else ("link_up", "motion")
            if phase == "in_use"
            else ("link_up",)
            if held
            else (),
            as_of=now,
            expires_at=now + timedelta(hours=12),
        )

    def zone_state(self, zone: floor_plan.Zone) -> ZoneState:
        phases = [self.phases.get(place.id, "free") for place in zone.places]
        count = {phase: phases.count(phase) for phase in set(phases)}
        free = count.get("free", 0)
        return ZoneState(
            site=self.plan.site,
            floor=zone.floor,
            zone=zone.id,
            free=free,
            reclaimable=count.get("reclaimable", 0),
            in_use=count.get("in_use", 0) + count.get("just_left", 0),
            unknown=count.get("unknown", 0),
            exempt=count.get("exempt", 0),
            capacity=len(phases),
            scarce=free <= max(1, 0.12 * (len(phases) - count.get("exempt", 0) - count.get("unknown", 0)))
            and count.get("unknown", 0) < len(phases),
            calendar=self.calendar.get(zone.id, "work"),  # type: ignore[arg-type]
            mode=self.mode,  # type: ignore[arg-type]
            paused=self.paused,
            pause_causes=self.pause_causes,  # type: ignore[arg-type]
            enforced=self.mode == "active" and not self.paused,
            coverage_pct=97.0,
            overflow_floor=self.overflow.get(zone.id),
            as_of=self.clock.now(),
            expires_at=self.clock.now() + timedelta(minutes=1),
        )

    def gateways(self) -> None:
        topics = Topics(self.plan.site)
        now = self.clock.now()
        for gateway in self.plan.gateways:
            is_down = gateway.id == "gw-4"
            self.send(
                topics.gateway_status(gateway.id),
                GatewayStatus(
                    site=self.plan.site, gateway=gateway.id, status="offline" if is_down else "online", at=now
                ),
            )
            silent = gateway.id == "gw-3"
            self.send(
                topics.gateway_health(gateway.id),
                GatewayHealth(
                    site=self.plan.site,
                    gateway=gateway.id,
                    at=now,
                    uptime_s=86_400,
                    outbox_rows=0,
                    outbox_oldest_s=0.0,
                    clock_synced=True,
                    sources=(
                        SourceHealth(name="serial0", status="ok"),
                        SourceHealth(
                            name="zigbee",
                            status="degraded" if silent else "ok",
                            detail="1 sensor silent" if silent else "",
                        ),
                    ),
                    devices=(
                        DeviceHealth(
                            device="z2m-pir-3-T04",
                            available=not silent,
                            reason="silent" if silent else None,
                            last_seen_age_s=14_000.0,
                            battery_pct=7.0,
                        ),
                    ),
                ),
            )
        self.send(
            topics.ingest_health(),
            IngestHealth(
                site=self.plan.site,
                at=now,
                version="0.1.0",
                uptime_s=3600,
                events_total=12_345,
                duplicates_total=3,
                late_total=1,
                quarantined={"schema": 2},
                last_event_at=now,
                last_event_age_s=0.4,
                store={"kind": "sqlite", "ok": True},
                policy_hash=RULES.hash,
                paused=self.paused,
                pause_causes=self.pause_causes,  # type: ignore[arg-type]
            ),
        )

    def pause(self, *causes: str) -> None:
        """Let the engine say that the rules stand still, and why."""
        self.paused, self.pause_causes = True, causes
        self.gateways()
        self.tell(places=False)

    def channels(self) -> None:
        """Two channels outside the screens, of which one is not reached."""
        facility = ChannelHealth(
            name="facility", kind="apprise", state="ok", sent=41, expired=1, last_sent_age_s=420.0
        )
        sign = ChannelHealth(
            name="sign", kind="webhook", state="failing", reason="network", waiting=3, oldest_s=95.0, sent=12
        )
        health = NotifierHealth(
            site=self.plan.site,
            at=self.clock.now(),
            version="0.1.0",
            reads_decisions=True,
            channels=(facility, sign),
        )
        self.send(Topics(self.plan.site).notifier_health(), health)

    async def repeat_zones(self) -> None:
        while True:
            if self._repeat:
                self._feed_zones()
            await asyncio.sleep(1.0)


@contextmanager
def serve(site: MadeSite, **settings: Any) -> Iterator[None]:
    """Serve the site from a thread until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready = threading.Event()

    async def run() -> None:
        site.loop = asyncio.get_running_loop()
        site.live = LiveSite(site.plan, site.clock, monotonic=site.monotonic)
        site.walks = Walks(site.plan, site.clock, MemoryWalks())
        app = create_app(
            site.plan,
            live=site.live,
            history=site.history or MadeHistory(site.plan),
            send_request=site.send_request,
            clock=site.clock,
            version="0.1.0",
            settings=DashboardSettings(heartbeat_s=0.3, **settings),
            walks=site.walks,
            usage=site.usage,
            rules=RULES,
            versions=made_versions(),
            taps=site.taps,
            desk=site.desk,
            screens=site.screens,
            accounts=site.accounts,
            refusals=site.refusals,
            directory=None if site.directory is None else site.directory(f"http://127.0.0.1:{port}"),
        )
        server = uvicorn.Server(
            http_config(app, host="127.0.0.1", port=port, refused=site.refusals.note, limits=site.http_limits)
        )
        site.app = app
        site.server, site.feed, site.close = server, app.state.live_feed, app.state.close_streams
        async with asyncio.TaskGroup() as tasks:
            repeating = tasks.create_task(site.repeat_zones())
            serving = tasks.create_task(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            ready.set()
            await serving
            repeating.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    site.url = f"http://127.0.0.1:{port}"
    try:
        yield
    finally:
        site.loop.call_soon_threadsafe(site.close)
        site.server.should_exit = True
        thread.join(10)


def new_site() -> MadeSite:
    text = (ROOT / "examples" / "town_hall.plan.yaml").read_text()
    return MadeSite(floor_plan.load(text, "town_hall.plan.yaml"), MadeClock())


@pytest.fixture
def site() -> Iterator[MadeSite]:
    """A half-full town hall on a Tuesday morning."""
    made = new_site()
    made.fill()
    with serve(made):
        made.tell()
        made.gateways()
        made.channels()
        yield made


@pytest.fixture(scope="session")
def served() -> Callable[..., Any]:
    """`with served(usage=reader) as site:` serves a half-full town hall of its own until the block ends."""

    @contextmanager
    def serving(
        *,
        usage: Any = None,
        desk: Any = None,
        history: Any = None,
        screens: Any = None,
        accounts: Any = None,
        directory: Callable[[str], Any] | None = None,
        **settings: Any,
    ) -> Iterator[MadeSite]:
        made = new_site()
        made.usage, made.desk, made.history = usage, desk, history
        made.screens, made.accounts, made.directory = screens, accounts, directory
        made.fill()
        with serve(made, **settings):
            made.tell()
            yield made

    return serving


@pytest.fixture(scope="module")  # the driver runs an event loop in this thread: no other test may share it
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield opened
        opened.close()


class Watched:
    """Pages whose every complaint (console, page error, refused by policy, failed request) is kept."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(
        self, url: str, *, size: tuple[int, int] = (1920, 1080), script: bool = True, **more: Any
    ) -> Page:
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, java_script_enabled=script, **more
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.close()


@pytest.fixture
def shoot() -> Callable[[Page, str], None]:
    """Keep a picture when PLEKVRIJ_SCREENSHOTS names a folder."""
    folder = os.environ.get("PLEKVRIJ_SCREENSHOTS")

    def take(page: Page, name: str, *, full: bool = False) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=full)

    return take
