"""A site of real processes whose switches and radios name people, and everything that can be read of it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import json
import secrets
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from plekvrij import clocks, sqlite_driver, wiring
from plekvrij.credentials import write_private
from plekvrij.demo import START_UP_S, demo_start
from plekvrij.embedded_broker import free_port
from plekvrij.privacy.evidence import backup_of, export_of, files_of, tables_of
from plekvrij.privacy.traces import Evidence
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from simulators.carried import CARRIED_FILE, Carried, carried_by
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import VERSION

#: So many people are named, again and again.
_PEOPLE = 10
#: Site seconds per real second: an hour of a morning in half a minute.
_SPEED = 120.0
#: Where pages are opened from: addresses of this machine that nothing else here has.
_VISITORS = ("127.77.88.91", "127.77.88.92")
#: A port that nobody answers on, so that every line for a time-series server stays where it can be read.
_NOBODY = "http://127.0.0.1:9/occ"
_TELLING_S = 10.0
_BODY_BYTES = 4_000_000


@dataclass(slots=True)
class Played:
    """What was played, and all that can be read of it."""

    carried: tuple[Carried, ...]
    visitors: tuple[str, ...] = _VISITORS
    evidence: list[Evidence] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)


async def play(site: wiring.Site, *, seed: int, for_s: float, tell: Callable[[str], None]) -> Played:
    """Play the building for `for_s` real seconds and return what an attacker gets.

    Raises:
        SettingInvalid, BrokerUnreachable: a process cannot start; the message says which.
    """
    played = Played(carried_by(seed, _PEOPLE))
    with (
        tempfile.TemporaryDirectory(prefix="plekvrij-", ignore_cleanup_errors=True) as name,
        _receiver() as got,
    ):
        folder = Path(name)
        write_private(folder / CARRIED_FILE, msgspec.json.encode(played.carried))
        settings = SiteProcessSettings(
            site=site,
            folder=folder,
            clock=clocks.scaled_clock(
                demo_start("09:00", datetime.now(UTC), site) - timedelta(seconds=START_UP_S * _SPEED), _SPEED
            ),
            port=free_port(),
            seed=seed,
            influx=_NOBODY,
            channels=_channels(folder, got.port),
        )
        tell(
            f"playing {site.plan.name.en} for {for_s:g} s, with {_PEOPLE} people whom switches and radios name"
        )
        processes = SiteProcesses(settings, lambda _: None)
        async with processes:
            async with _listening(processes, site, folder, played):
                await asyncio.sleep(for_s)
                visits = asyncio.to_thread(_visit, settings.port, site.plan, played.carried)
                played.evidence += await visits
                await _told(got)
            day = settings.clock.now().astimezone(site.plan.tz).date()
            played.evidence += await asyncio.to_thread(
                lambda: [*backup_of(folder), *export_of(folder, site.plan, day)]
            )
        played.evidence += [*files_of(folder), *tables_of(folder)]
        played.evidence += [Evidence("webhook body", body) for body in got.bodies]
        played.heard = _heard(folder)
    return played


def _heard(folder: Path) -> dict[str, int]:
    """Return how many events came by each family of devices."""
    connection = sqlite_driver.connect(str(folder / "site.db"))
    try:
        rows = connection.execute(
            "SELECT substr(device, 1, instr(device, '-') - 1), count(*) FROM event GROUP BY 1"
        ).fetchall()
    finally:
        connection.close()
    return {family: number for family, number in rows if family}


@contextlib.asynccontextmanager
async def _listening(
    processes: SiteProcesses, site: wiring.Site, folder: Path, played: Played
) -> AsyncIterator[None]:
    """Keep every message that the broker hands out to the pages, retained ones first."""

    def keep(received: Received) -> None:
        played.evidence.append(Evidence(f"message {received.topic}", received.payload))

    base = f"plekvrij/{VERSION}/{site.plan.site}"
    broker = wiring.broker_of(processes.broker_url, folder / "credentials" / "dashboard.json")
    open_link = wiring.link_opener(broker)
    async with contextlib.AsyncExitStack() as stack:
        # a link for each: NATS hands out only so many places of its window per session
        for part in ("state", "gateway", "decision", "ingest", "notifier", "reply", "+/event"):
            link = await stack.enter_async_context(open_link(f"privacy-attack-{secrets.token_hex(4)}"))
            await link.subscribe(f"{base}/{part}/#", keep)
        yield


def _channels(folder: Path, port: int) -> Path:
    """Write a channels file with one webhook to ourselves."""
    key, file = folder / "webhook.key", folder / "channels.yaml"
    write_private(key, secrets.token_hex(32).encode())
    webhook = {
        "kind": "webhook",
        "url": f"http://127.0.0.1:{port}/",
        "key_files": [key.name],
        "allow_private": True,
    }
    file.write_text(json.dumps({"channels": {"attack": webhook}}), "utf-8")  # JSON is YAML
    return file


@dataclass(slots=True)
class _Got:
    port: int = 0
    bodies: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def _receiver() -> Iterator[_Got]:
    """Receive webhooks; headers count as body."""
    got = _Got()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length", 0)), _BODY_BYTES)
            got.bodies.append(str(self.headers).encode() + self.rfile.read(length))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="webhooks")
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def _told(got: _Got) -> None:
    """Wait until the alarm about the stop switch was told; a policy may let nothing be told."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TELLING_S):
            while not got.bodies:
                await asyncio.sleep(0.05)


def _visit(port: int, plan: FloorPlan, carried: tuple[Carried, ...]) -> list[Evidence]:
    """Open every page as people do, from addresses of their own and with all that a browser may tell of them."""
    place = next(iter(plan.place))
    floors = [floor.id for floor in plan.floors]
    paths = [
        "/",
        "/wall",
        "/council",
        "/staff/",
        "/staff/history",
        "/walk",
        "/api/v1/health",
        "/api/v1/floors",
    ]
    paths += [f"/wall/{floor}" for floor in floors] + [f"/map/{floor}" for floor in floors]
    paths += [f"/desk/{place}", f"/api/v1/places/{place}", f"/api/v1/places/{place}/decisions"]
    paths += ["/api/v1/devices/unclaimed", "/api/v1/openapi.json"]
    found = []
    for turn, path in enumerate(paths):
        found.append(Evidence(f"page {path}", _ask(port, "GET", path, carried[turn % len(carried)], turn)))
    for turn, action in enumerate(("extend", "quiet", "pause")):
        wish = json.dumps({"action": action})
        path = f"/api/v1/places/{place}/requests"
        found.append(Evidence(f"page {path}", _ask(port, "POST", path, carried[turn], turn, wish)))
    return found


def _ask(port: int, method: str, path: str, who: Carried, turn: int, body: str | None = None) -> bytes:
    link = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=30, source_address=(_VISITORS[turn % len(_VISITORS)], 0)
    )
    headers = {
        "User-Agent": f"Browser/1.0 ({who.host}; {who.user})",
        "From": who.mail,
        "X-Forwarded-For": who.ip,
        "Cookie": f"session={who.user}; device={who.mac}",
        "Referer": f"http://127.0.0.1:{port}/?user={who.user}",
        "Content-Type": "application/json",
    }
    try:
        link.request(method, path, body, headers)
        answer = link.getresponse()
        return str(answer.headers).encode() + answer.read(_BODY_BYTES)
    finally:
        link.close()
