"""The laptop's program between the real pages and a notification service on a D-Bus of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from laptop_note import desktop
from laptop_note.app import AgentSettings, run_agent
from laptop_note.desk_source import DeskSource, DeskUnreachable, PlaceUnknown, desk_address
from laptop_note.desktop import FreedesktopNotifications, NoDesktop, Terminal
from simulators import private_bus
from simulators.private_bus import PrivateBus
from workplace import codec
from workplace.errors import SettingInvalid
from workplace.events import PlaceState
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
TOPICS = Topics("klein")
needs_bus = pytest.mark.skipif(not private_bus.is_available(), reason="needs dbus-daemon (Debian: dbus)")


class Daemon:
    """org.freedesktop.Notifications as a desktop has it: what is on the screen, and every call."""

    def __init__(self) -> None:
        self.shown: dict[int, tuple[str, str]] = {}
        self.calls: list[tuple[str, list[Any]]] = []
        self.is_deaf = False
        self._last = 0

    def handle(self, message: Message) -> Message | bool:
        if message.interface != "org.freedesktop.Notifications":
            return False
        if self.is_deaf:
            return True  # taken, never answered
        self.calls.append((str(message.member), list(message.body)))
        if message.member == "Notify":
            replaces, title, body = message.body[1], message.body[3], message.body[4]
            if replaces not in self.shown:
                self._last += 1
                replaces = self._last
            self.shown[replaces] = (title, body)
            return Message.new_method_return(message, "u", [replaces])
        self.shown.pop(message.body[0], None)
        return Message.new_method_return(message)


@asynccontextmanager
async def desktop_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="note-") as folder:
        async with PrivateBus(Path(folder)) as bus:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
            daemon = Daemon()
            connection = await MessageBus(bus_address=bus.address).connect()
            connection.add_message_handler(daemon.handle)
            await connection.request_name("org.freedesktop.Notifications")
            try:
                yield daemon
            finally:
                connection.disconnect()


class Clock:
    speed = 1.0

    def __init__(self) -> None:
        self.at = TEN

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Site:
    """The pages of one small site, fed by hand."""

    def __init__(self, plan: FloorPlan, port: int) -> None:
        self.clock = Clock()
        self.live = LiveSite(plan, self.clock)
        self.port = port
        self.requests: list[tuple[str, list[tuple[bytes, bytes]]]] = []
        app = create_app(
            plan, live=self.live, history=None, send_request=None,  # type: ignore[arg-type]
            clock=self.clock, version="1", settings=DashboardSettings(),
        )  # fmt: skip

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.requests.append((f"{scope['method']} {scope['path']}", scope["headers"]))
            await app(scope, receive, send)

        self.server = uvicorn.Server(
            uvicorn.Config(watched, port=port, log_level="warning", timeout_graceful_shutdown=1)
        )
        self.say()

    def say(self, **changes: Any) -> None:
        made: dict[str, Any] = {
            "site": "klein", "floor": "f1", "zone": "1-werken", "place": "1-W1", "phase": "in_use",
            "occupancy": "occupied", "since": TEN - timedelta(hours=4), "hold_since": TEN - timedelta(hours=4),
            "mode": "active", "as_of": TEN, "expires_at": TEN + timedelta(hours=9),
        }  # fmt: skip
        state = PlaceState(**(made | changes))
        self.live.feed(Received(TOPICS.place_state("1-W1"), codec.encode(state), retained=False))

    def note(self, notice: Any = "soft_note", minutes: int | None = 35, **changes: Any) -> None:
        limit = None if minutes is None else TEN + timedelta(minutes=minutes)
        self.say(notice=notice, limit_at=limit, limit_kind=None if limit is None else "stay", **changes)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.server.config.setup_event_loop = lambda: None  # type: ignore[attr-defined]
        self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(self.server._serve(), name="pages")
        try:
            await until(lambda: self.server.started or serving.done(), "the pages")
            yield
        finally:
            self.server.should_exit = True
            await serving

    def link(self, place: str = "1-W1") -> str:
        return f"http://127.0.0.1:{self.port}/desk/{place}"


@asynccontextmanager
async def agent_of(site: Site, **more: Any) -> AsyncIterator[asyncio.Task[None]]:
    settings = AgentSettings(desk_address(site.link(), None), more.pop("language", "nl"))
    running = asyncio.create_task(run_agent(settings, shortest_s=0.02, **more), name="agent")
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait({running})


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


async def until(condition: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


def run(story: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await story

    asyncio.run(bounded())


@needs_bus
def test_a_note_is_shown_once_replaced_by_the_next_and_taken_away(
    small_plan: FloorPlan, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        site = Site(small_plan, free_port)
        async with site.open(), desktop_of(monkeypatch) as daemon:
            site.note()
            async with agent_of(site):
                await until(lambda: daemon.shown, "the first note")
                assert daemon.shown == {
                    1: ("Plek 1.W1", "Deze plek: nog 35 minuten. Vanaf 10:35 mag een ander hier zitten.")
                }
                site.clock.at += timedelta(minutes=1)
                asked = len(site.requests)
                await until(lambda: len(site.requests) > asked + 3, "more questions")
                assert len(daemon.calls) == 1, "minutes that run down are no new note"
                site.note("repeat", 10)
                await until(lambda: "nog 9 minuten" in daemon.shown[1][1], "the repeat in its place")
                site.say()
                await until(lambda: not daemon.shown, "the end of the note")
                site.note("soft_note", 35)
                await until(lambda: daemon.shown, "the note of a new round")
            assert not daemon.shown, "nothing stays when the program ends"

    run(story())


@needs_bus
@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_in_trial_nothing_is_shown(
    small_plan: FloorPlan, free_port: int, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    async def story() -> None:
        site = Site(small_plan, free_port)
        async with site.open(), desktop_of(monkeypatch) as daemon:
            site.note(mode=mode)
            async with agent_of(site):
                await until(lambda: len(site.requests) > 4, "questions")
            assert daemon.calls == []

    run(story())


@needs_bus
def test_what_may_be_over_is_taken_away_when_the_site_is_lost(
    small_plan: FloorPlan, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        site = Site(small_plan, free_port)
        async with desktop_of(monkeypatch) as daemon:
            async with site.open():
                site.note()
                running = agent_of(site)
                task = await running.__aenter__()
                await until(lambda: daemon.shown, "the note")
            await until(lambda: not daemon.shown, "its end")
            assert not task.done()
            await running.__aexit__(None, None, None)

    run(story())


def test_a_question_says_nothing_about_anybody(small_plan: FloorPlan, free_port: int) -> None:
    async def story() -> None:
        site = Site(small_plan, free_port)
        async with site.open(), agent_of(site, desktop=Terminal()):
            await until(lambda: len(site.requests) > 2, "questions")
        assert {what for what, _ in site.requests} == {"GET /desk/1-W1/state"}
        for _, headers in site.requests:
            assert dict(headers) == {
                b"host": f"127.0.0.1:{free_port}".encode(),
                b"accept": b"application/json",
                b"accept-language": b"nl",
                b"accept-encoding": b"identity",
                b"user-agent": b"plekvrij-agent",
                b"connection": b"close",
            }

    run(story())


@needs_bus
def test_the_command_itself_shows_a_note_and_clears_up_when_it_is_stopped(
    small_plan: FloorPlan, free_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def story() -> None:
        site = Site(small_plan, free_port)
        async with site.open(), desktop_of(monkeypatch) as daemon:
            site.note("time_reached", 20)
            before = files_in(tmp_path)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "plekvrij", "agent", f"http://127.0.0.1:{free_port}", "--place", "1-W1",
                "--language", "en", env=os.environ | {"HOME": str(tmp_path)},
            )  # fmt: skip
            try:
                await until(lambda: daemon.shown, "the note")
                assert daemon.shown[1] == (
                    "Place 1.W1",
                    "This place: 20 more minutes. From 10:20 somebody else may sit here.",
                )
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
            finally:
                if process.returncode is None:
                    process.kill()
            assert not daemon.shown
            assert files_in(tmp_path) == before, "it keeps nothing"

    run(story())


def test_without_a_desktop_the_terminal_is_left(
    small_plan: FloorPlan, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    shown: list[str] = []

    async def story() -> None:
        site = Site(small_plan, free_port)
        site.note()
        async with site.open(), agent_of(site, desktop=FreedesktopNotifications()):
            await until(lambda: shown.append(capsys.readouterr().out) or "".join(shown), "a line")
            await until(lambda: len(site.requests) > 3, "more questions")

    run(story())
    text = "".join(shown) + capsys.readouterr().out
    assert text == "Plek 1.W1: Deze plek: nog 35 minuten. Vanaf 10:35 mag een ander hier zitten.\n"


def test_where_no_library_is_the_terminal_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "desktop_notifier", None)
    assert isinstance(desktop.find_desktop("win32"), Terminal)
    with pytest.raises(NoDesktop, match=r"plekvrij\[agent\]"):
        desktop.NativeNotifications()


@pytest.mark.parametrize(
    ("link", "place", "then"),
    [
        ("https://plekken.example.nl/desk/3-T01", None, "https://plekken.example.nl/desk/3-T01/state"),
        (
            "https://plekken.example.nl/desk/3-T01?lang=en",
            None,
            "https://plekken.example.nl/desk/3-T01/state",
        ),
        ("http://10.0.0.5:8050", "3-T01", "http://10.0.0.5:8050/desk/3-T01/state"),
        ("https://plekken.example.nl/desk/3-T01", "3-T02", "https://plekken.example.nl/desk/3-T02/state"),
    ],
)
def test_which_place_is_asked_for(link: str, place: str | None, then: str) -> None:
    assert desk_address(link, place) == then


@pytest.mark.parametrize(
    ("link", "place"),
    [
        ("https://plekken.example.nl", None),
        ("https://plekken.example.nl/wall/f1", None),
        ("file:///etc/passwd", "3-T01"),
        ("https://me:secret@plekken.example.nl", "3-T01"),
        ("plekken.example.nl/desk/3-T01", None),
        ("https://plekken.example.nl", "../../api"),
    ],
)
def test_a_link_that_names_no_place_is_refused(link: str, place: str | None) -> None:
    with pytest.raises(SettingInvalid):
        desk_address(link, place)


@pytest.mark.parametrize(
    ("status", "body", "then"),
    [
        pytest.param(404, b"{}", PlaceUnknown, id="no such place"),
        pytest.param(500, b"", DeskUnreachable, id="a site in trouble"),
        pytest.param(302, b"", DeskUnreachable, id="a redirect is not followed"),
        pytest.param(200, b"<html>", DeskUnreachable, id="a page of somebody else"),
        pytest.param(200, b'{"label": 3}', DeskUnreachable, id="an answer of another program"),
        pytest.param(200, b"[" * 200_000, DeskUnreachable, id="an answer without an end"),
    ],
)
def test_what_a_site_may_answer(status: int, body: bytes, then: type[Exception]) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with pytest.raises(then):
            DeskSource(f"http://127.0.0.1:{server.server_port}/desk/x/state", "nl").ask()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
    assert asked == ["/desk/x/state"]


def test_markup_in_a_note_is_text() -> None:
    assert desktop._plain("a < b & c") == "a &lt; b &amp; c"


@needs_bus
def test_a_desktop_that_hangs_is_left_for_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "_ANSWER_S", 0.3)

    async def story() -> None:
        async with desktop_of(monkeypatch) as daemon:
            daemon.is_deaf = True
            with pytest.raises(NoDesktop):
                await FreedesktopNotifications().show("Plek 1.W1", "Deze plek: nog 35 minuten.")

    run(story())
