"""`plekvrij walk`: the walk test in a terminal. Reads events of one floor, keeps each step, writes the sheet."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from dashboard.i18n import Language, as_language, words
from dashboard.walk import terminal
from dashboard.walk.sheet import render_sheet
from dashboard.walk.store import WalkFolder
from plekvrij import __version__, clocks, lifecycle, logs, wiring
from plekvrij.wiring import Site
from workplace.codec import decode
from workplace.errors import BrokerUnreachable, MessageRejected, SettingInvalid
from workplace.events import SensorEvent
from workplace.ports import Clock, OpenLink, Received
from workplace.topics import Topics, partition
from workplace.walk_record import Walk
from workplace.walk_test import Begin, Happening, Heard, Next, is_open, open_walk, route_of, step
from workplace.walk_view import view

#: A broker that does not answer in this time will not, s.
_CONNECT_S = 15.0
#: Time alone changes what is worth saying; looked at this often, s.
_BEAT_S = 1.0
#: Events that wait for the walk at most: a floor says a few a second.
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """What a walk needs; `folder` keeps walks and sheets."""

    site: Site
    floor: str
    folder: Path
    broker_url: str
    language: Language = "nl"


def embedded_broker_of(data: Path) -> tuple[str, Path] | None:
    """Return address and credential of the broker that `plekvrij serve` runs for this data folder."""
    credential = data / "credentials" / "dashboard.json"
    try:
        port = int((data / "broker" / "port").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return (f"mqtt://127.0.0.1:{port}", credential) if credential.exists() else None


async def run_walk(settings: WalkSettings, open_link: OpenLink, clock: Clock) -> bool:
    """Walk until the end or until the person stops; return whether every place passed.

    Raises:
        SettingInvalid: the plan has no such floor.
        BrokerUnreachable, BrokerRefused: no events can be read.
    """
    plan = settings.site.plan
    if settings.floor not in plan.floor:
        raise SettingInvalid(f"no floor '{settings.floor}'; write one of {', '.join(plan.floor)}")
    walker = _Walker(settings, clock)
    async with open_link(f"walk-{secrets.token_hex(4)}") as link:
        try:
            async with asyncio.timeout(_CONNECT_S):
                while not link.is_connected:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BrokerUnreachable(settings.broker_url, f"no connection in {_CONNECT_S:g} s") from None
        await link.subscribe(Topics(plan.site).events(partition(settings.floor)), walker.receive)
        await walker.go()
    return walker.close()


class _Walker:
    def __init__(self, settings: WalkSettings, clock: Clock) -> None:
        self._settings = settings
        self._plan = settings.site.plan
        self._topics = Topics(self._plan.site)
        self._clock = clock
        self._said = words(settings.language)
        self._route = route_of(self._plan, settings.floor)
        self._store = WalkFolder(settings.folder)
        self._walk: Walk = open_walk(
            self._plan, settings.floor, self._store.load(settings.floor), clock.now()
        )
        self._happenings: asyncio.Queue[Happening | None] = asyncio.Queue(_MOST_WAITING)
        self._told: list[str] = []

    def receive(self, received: Received) -> None:
        try:
            event = decode(received.payload, SensorEvent)
        except MessageRejected:
            return
        topic = self._topics.event(self._settings.floor, event.gateway, event.device)
        gateway = self._plan.gateway.get(event.gateway)
        if received.topic == topic and gateway is not None and gateway.floor == self._settings.floor:
            with contextlib.suppress(asyncio.QueueFull):  # a storm; the sensor is asked again with one key
                self._happenings.put_nowait(Heard(event, self._clock.speed))

    async def go(self) -> None:
        """Walk until finished or stopped."""
        floor = self._plan.floor[self._settings.floor]
        print(
            f"{self._said('Walk test')} · {self._said('Floor')} {floor.number} · {self._said.of(floor.name)}"
        )
        if self._walk.started_at is None:
            self._take(Begin())
        print(terminal.help_line(self._said))
        typing = asyncio.create_task(self._read_keys(), name="keys")
        try:
            while is_open(self._walk):
                self._tell()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_S):
                        happening = await self._happenings.get()
                        if happening is None:
                            return
                        self._take(happening)
        finally:
            typing.cancel()

    def _take(self, happening: Happening) -> None:
        now = self._clock.now()
        before = view(self._walk, self._route, now)
        self._walk = step(self._walk, self._route, happening, now)
        after = view(self._walk, self._route, now)
        if before == after:
            return
        self._tell()
        if isinstance(happening, Heard) and after.phase == "passed":
            self._walk = step(self._walk, self._route, Next(), now)
        self._store.save(self._walk)

    def _tell(self) -> None:
        lines = list(
            terminal.stop_lines(view(self._walk, self._route, self._clock.now()), self._plan, self._said)
        )
        if lines and self._told[:1] != [lines[0][0]]:
            self._told = [lines[0][0]]
        for key, text in lines[1:]:
            if key not in self._told:
                self._told.append(key)
                print(text, flush=True)

    async def _read_keys(self) -> None:
        async for line in _lines_of_stdin():
            typed = line.strip().lower()
            happening = terminal.happening_of(typed)
            if typed == "q":
                break
            if happening is None:
                for text in terminal.reason_lines(self._said):
                    print(text, flush=True)
                continue
            self._told = []
            await self._happenings.put(happening)
        await self._happenings.put(None)

    def close(self) -> bool:
        """Say how it ended, write the sheet and return whether every place passed."""
        found = view(self._walk, self._route, self._clock.now())
        sheet = self._settings.folder / f"{self._settings.floor}.html"
        page = render_sheet(self._plan, self._walk, at=self._clock.now(), version=__version__)
        try:
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            sheet.write_text(page, "utf-8")
        except OSError as error:
            raise SettingInvalid(f"cannot write the sheet: {error}") from error
        print(
            f"{found.passed} {self._said('work')} · {found.skipped} {self._said('skipped')} · {found.total}"
        )
        print(f"{self._said('Hand-over sheet')}: {sheet}", flush=True)
        return found.passed == found.total


async def _lines_of_stdin() -> AsyncIterator[str]:
    """Yield lines as they are typed; none ever where nobody can type (a file, /dev/null)."""
    reader = asyncio.StreamReader()
    try:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
    except (ValueError, OSError):
        await asyncio.Event().wait()
    while line := await reader.readline():
        yield line.decode("utf-8", "replace")


def run_walk_command(arguments: argparse.Namespace) -> int:
    """Run a walk as the command line asks for it; return 0 when all is well, 1 when something failed.

    Raises:
        SettingInvalid: no broker is known, or the language is not ours.
    """
    site = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None)
    data = arguments.data
    own = None if data is None else embedded_broker_of(data)
    url, credential = (arguments.broker, arguments.credential) if arguments.broker or not own else own
    if url is None:
        raise SettingInvalid("plekvrij walk needs --broker URL, or --data with the folder of a running site")
    language = as_language(arguments.language)
    if language is None:
        raise SettingInvalid(f"unknown language '{arguments.language}'; write nl or en")
    settings = WalkSettings(site, arguments.floor, (data or Path()) / "walks", url, language)
    open_link = wiring.link_opener(wiring.broker_of(url, credential))
    passed: list[bool] = []

    async def walk() -> None:
        passed.append(await run_walk(settings, open_link, clocks.wall_clock()))

    logs.set_up("walk", level=logging.WARNING)
    return lifecycle.run(walk) or int(passed != [True])
