"""Serves the pages: one uvicorn on the running loop, fed by one MQTT link."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from plekvrij import sqlite_driver
from plekvrij.devices_command import replace_file
from plekvrij.hosts import is_loopback
from plekvrij.http_limits import Connections, HttpLimits, Reason, allow_files, limited_protocol
from plekvrij.wiring import Site
from workplace import floor_plan, policy
from workplace.documents import Mistake
from workplace.errors import SettingInvalid
from workplace.events import ZoneState
from workplace.ports import Clock, OpenLink
from workplace.topics import Topics

if TYPE_CHECKING:
    from dashboard.accounts.directory import DirectorySettings
    from dashboard.plan_editor.desk import PlanDesk
    from dashboard.wall.screen_links import ScreenCounts

#: Open event streams end with the server; uvicorn would wait for them for ever.
STREAM_GRACE_S = 2


def http_config(
    app: ASGIApp, *, host: str, port: int, refused: Callable[[Reason], None], limits: HttpLimits | None = None
) -> uvicorn.Config:
    """Return how uvicorn serves the pages; `refused` hears of each connection that was refused or ended."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",  # there is none; the guard would close it
        timeout_graceful_shutdown=STREAM_GRACE_S,
    )
    trusted = config.forwarded_allow_ips
    uncounted = trusted if isinstance(trusted, str) else ",".join(trusted)
    config.http = limited_protocol(Connections(limits or HttpLimits(), refused, uncounted))
    return config


class _Server(uvicorn.Server):
    """uvicorn whose signals are handled by `plekvrij.lifecycle`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(
    site: Site,
    *,
    database: Path,
    open_link: OpenLink,
    clock: Clock,
    host: str,
    port: int,
    version: str,
    staff_password: str | None = None,
    council_password: str | None = None,
    ready: Callable[[], None],
    screens_need_links: bool = False,
    theme: str | None = None,
    undo_s: float = 60.0,
    allowed_hosts: tuple[str, ...] = (),
    directory: DirectorySettings | None = None,
    watched: Callable[[Callable[[], list[ZoneState]]], None] | None = None,
    watched_screens: Callable[[Callable[[], ScreenCounts]], None] | None = None,
    watched_refusals: Callable[[Callable[[], dict[str, int]]], None] | None = None,
) -> None:
    """Serve until cancelled; `watched` gets a function that tells what the zones are, `watched_screens` one that counts
    the screens, `watched_refusals` what was refused; all may be called from any thread.

    Raises:
        SettingInvalid: the port is taken, or the theme is unusable.
    """
    from dashboard.accounts.book import AccountBook
    from dashboard.accounts.directory import Directory
    from dashboard.app import create_app
    from dashboard.council.versions import VersionFolder
    from dashboard.desk_page.taps import TapFolder
    from dashboard.live_site import LiveSite
    from dashboard.refusals import Refusals
    from dashboard.requests import RequestClient
    from dashboard.settings import LOOPBACK_HOSTS, DashboardSettings
    from dashboard.themes import read_theme
    from dashboard.walk.session import Walks
    from dashboard.walk.store import WalkFolder
    from dashboard.wall.screen_links import ScreenLinks
    from ingest.stores.history import SqliteHistory
    from ingest.stores.usage import SqliteUsage

    topics = Topics(site.plan.site)
    live = LiveSite(site.plan, clock)
    if watched is not None:
        watched(lambda: list(live.snapshot().zones.values()))
    screens = ScreenLinks(database.parent)
    if watched_screens is not None:
        watched_screens(screens.counts)
    refusals = Refusals()
    if watched_refusals is not None:
        watched_refusals(refusals.counts)
    allow_files(HttpLimits())
    history = SqliteHistory(sqlite_driver.connect, database)
    name = f"dashboard-{secrets.token_hex(4)}"
    async with open_link(name) as link:
        requests = RequestClient(link, topics, name)
        app = create_app(
            site.plan,
            live=live,
            history=history,
            send_request=requests.send,
            clock=clock,
            version=version,
            walks=Walks(site.plan, clock, WalkFolder(database.parent / "walks"), open_link),
            usage=SqliteUsage(sqlite_driver.connect, database),
            rules=site.policy,
            versions=VersionFolder(database.parent / "policies"),
            taps=TapFolder(database.parent / "taps", site.policy.settings.privacy.desk_level_days),
            desk=_plan_desk(site, database.parent),
            screens=screens,
            accounts=AccountBook(sqlite_driver.connect, database.parent / "accounts.db"),
            refusals=refusals,
            directory=None if directory is None else Directory(directory),
            settings=DashboardSettings(
                allowed_hosts=(*LOOPBACK_HOSTS, host, *allowed_hosts),
                staff_password=staff_password,
                council_password=council_password,
                screens_need_links=screens_need_links or not is_loopback(host),
                theme=None if theme is None else read_theme(theme),
                undo_s=undo_s,
            ),
        )
        server = _Server(http_config(app, host=host, port=port, refused=refusals.note))
        async with asyncio.TaskGroup() as group:
            group.create_task(live.follow(link, topics), name="live")
            group.create_task(requests.listen(), name="replies")
            group.create_task(_serve(server, app.state.close_streams, host, port), name="http")
            while not server.started:
                await asyncio.sleep(0.02)
            ready()


def _plan_desk(site: Site, data: Path) -> PlanDesk:
    """Return what the pages change the plan with: the linter of plan and policy, and where everything is kept."""
    from dashboard.actions import ActionFolder
    from dashboard.plan_editor.background import BackgroundFolder
    from dashboard.plan_editor.desk import PlanDesk
    from dashboard.plan_editor.store import PlanFolder

    store = PlanFolder(
        site.plan_file, data / "plans", check=lambda text: _mistakes(site, text), replace=replace_file
    )
    return PlanDesk(store, BackgroundFolder(data / "backgrounds"), ActionFolder(data / "actions"))


def _mistakes(site: Site, text: str) -> list[Mistake]:
    """Return what is wrong with a plan, and with a policy that names what it no longer has."""
    plan, mistakes = floor_plan.check(text, site.plan_file.name)
    if plan is not None and site.policy_file is not None:
        try:
            rules = site.policy_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return [*mistakes, Mistake(site.policy_file.name, 0, str(error), "make the policy file readable")]
        mistakes += policy.check(rules, site.policy_file.name, plan)[1]
    return mistakes


async def _serve(server: _Server, close_streams: Callable[[], None], host: str, port: int) -> None:
    """Serve until cancelled, then end the streams and let uvicorn run its lifespan to the end."""
    serving = asyncio.create_task(_port_or_error(server, host, port), name="uvicorn")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        close_streams()
        server.should_exit = True
        await serving
        raise


async def _port_or_error(server: _Server, host: str, port: int) -> None:
    try:
        await server.serve()
    except SystemExit:
        raise SettingInvalid(
            f"cannot listen on {host}:{port}; is the port taken? Give another with --port"
        ) from None
