"""All pages as one application: interface, live events, wall, desk and staff in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from dashboard.accounts import directory_pages
from dashboard.accounts import pages as account_pages
from dashboard.accounts.book import AccountBook
from dashboard.accounts.directory import Directory
from dashboard.accounts.gate import Gate
from dashboard.api import routes as api_routes
from dashboard.body_limit import BodyLimit
from dashboard.council import pages as council_pages
from dashboard.council.versions import MemoryVersions, PolicyVersions
from dashboard.desk_page import pages as desk_pages
from dashboard.desk_page.taps import MemoryTaps, TapStore
from dashboard.devices import pages as device_pages
from dashboard.grades import Grades
from dashboard.guard import Guard, staff_policy
from dashboard.live_feed import LiveFeed
from dashboard.live_site import LiveSite
from dashboard.page_context import PageContext, SendRequest, make_templates
from dashboard.plan_editor import background_pages, import_pages
from dashboard.plan_editor import pages as plan_pages
from dashboard.plan_editor.desk import PlanDesk
from dashboard.policy_page import pages as policy_pages
from dashboard.refusals import Refusals
from dashboard.reports import pages as report_pages
from dashboard.settings import DashboardSettings
from dashboard.staff.attach import attach_staff
from dashboard.start import pages as start_pages
from dashboard.static_files import StaticFilesBundle
from dashboard.walk import pages as walk_pages
from dashboard.walk.session import Walks
from dashboard.walk.store import MemoryWalks
from dashboard.wall import epaper, screen_pages
from dashboard.wall import pages as wall_pages
from dashboard.wall.screen_links import ScreenLinks
from dashboard.why import pages as why_pages
from workplace import policy
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Clock, HistoryReader
from workplace.usage_port import UsageReader
from workplace.working_time import of_policy

__all__ = ["DashboardSettings", "create_app"]

log = structlog.get_logger(__name__)

#: Taps, walks and actions that have lived long enough go within this, site s.
_FORGET_EVERY_S = 3600.0
#: Answers shorter than this are sent as they are: a packet holds 1,400 bytes anyway.
_GZIP_FROM_BYTES = 1000
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def create_app(
    plan: FloorPlan,
    *,
    live: LiveSite,
    history: HistoryReader | None,
    send_request: SendRequest,
    clock: Clock,
    version: str,
    settings: DashboardSettings,
    walks: Walks | None = None,
    usage: UsageReader | None = None,
    rules: Policy | None = None,
    versions: PolicyVersions | None = None,
    taps: TapStore | None = None,
    desk: PlanDesk | None = None,
    screens: ScreenLinks | None = None,
    accounts: AccountBook | None = None,
    refusals: Refusals | None = None,
    directory: Directory | None = None,
) -> FastAPI:
    """Return the application. Run it in the event loop that feeds `live`.

    Open screens never finish by themselves: call `app.state.close_streams()` before stopping uvicorn, and give
    it a graceful shutdown limit of a few seconds. Without `walks`, walk tests hear nothing and are not kept; without
    `rules` the page of the works council tells the rules of a site that wrote none; `versions` and `taps` are kept in
    memory when nobody says where. Without `usage` the history page is empty; without `desk` the plan cannot be changed;
    without `screens` no screen has a link; without `accounts` nobody can log in, and passwords in the settings count.
    `refusals` counts what was refused. Through a `directory` people log in with their work account, beside `accounts`.
    """
    # screens load again when they belong to another plan
    static = StaticFilesBundle(f"{version};{plan!r}", settings.theme)
    feed = LiveFeed(plan, live, clock, settings, static.build)
    rules, versions = rules or policy.default(plan.site), versions or MemoryVersions()
    context = PageContext(
        plan,
        live,
        feed,
        history,
        send_request,
        clock,
        version,
        settings,
        static,
        make_templates(),
        Grades(history, plan),
        of_policy(rules),
        usage,
        None if desk is None else desk.actions,
    )

    walks = walks or Walks(plan, clock, MemoryWalks())
    taps = taps or MemoryTaps()
    kept_for = timedelta(days=rules.settings.privacy.desk_level_days)
    screens = screens or ScreenLinks(None)
    versions.note(rules, clock.now())

    def close_streams() -> None:
        feed.close()
        walks.close()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(feed.run(), name="dashboard-live-feed")
            walking = tasks.create_task(walks.run(), name="dashboard-walks")
            old: list[Callable[[datetime], object]] = [
                taps.forget,
                *([] if desk is None else [desk.actions.forget]),
            ]
            forgetting = tasks.create_task(_forget(old, walks, kept_for, clock), name="dashboard-forgets")
            watching = tasks.create_task(screen_pages.keep(screens), name="dashboard-screens")
            yield
            for task in (sending, walking, forgetting, watching):
                task.cancel()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    interface = api_routes.make_router(context)
    app.include_router(interface)
    for plain in (start_pages, wall_pages, why_pages, report_pages):
        app.include_router(plain.make_router(context))
    app.include_router(screen_pages.make_router(context, screens))
    app.include_router(epaper.make_router(context, screens))
    app.include_router(desk_pages.make_router(context, taps))
    app.include_router(walk_pages.make_router(context, walks))
    app.include_router(council_pages.make_router(context, rules, versions, accounts))
    for plan_part in (import_pages, background_pages, plan_pages, device_pages):
        app.include_router(plan_part.make_router(context, desk))
    refusals = refusals or Refusals()
    gate = _add_accounts(app, context, accounts, directory, refusals)

    _answer_the_unknown(app, interface)
    app.include_router(policy_pages.make_router(context, rules, versions))
    script_hashes = attach_staff(app, context)
    _surround(app, context, gate, refusals, script_hashes)
    app.state.live_feed = feed
    app.state.interface = interface
    app.state.close_streams = close_streams
    return app


def _answer_the_unknown(app: FastAPI, interface: APIRouter) -> None:
    """Refuse what no address of the interface answers, and say what does."""

    @app.api_route("/api/{rest:path}", methods=_ALL_METHODS, include_in_schema=False)
    async def no_such_interface(request: Request, rest: str) -> JSONResponse:
        allowed = api_routes.methods_there(interface, request)
        if allowed:
            return JSONResponse(
                {"detail": "method not allowed"}, status_code=405, headers={"Allow": ", ".join(allowed)}
            )
        return JSONResponse({"detail": f"no such address: /api/{rest}"}, status_code=404)


def _add_accounts(
    app: FastAPI,
    context: PageContext,
    accounts: AccountBook | None,
    directory: Directory | None,
    refusals: Refusals,
) -> Gate | None:
    if accounts is None:
        return None
    gate = Gate(accounts, refusals, has_directory=directory is not None)
    desk = account_pages.Desk(context, gate)
    app.include_router(account_pages.make_router(desk, gate))
    if directory is None:
        accounts.leave_directory()
    else:
        app.include_router(directory_pages.make_router(desk, gate, directory))
    return gate


def _surround(
    app: FastAPI, context: PageContext, gate: Gate | None, refusals: Refusals, script_hashes: list[str]
) -> None:
    """Put around the pages what every request passes; the last is the first."""
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES)
    app.add_middleware(BodyLimit, refusals=refusals)
    app.add_middleware(
        Guard,
        settings=context.settings,
        staff_csp=lambda: staff_policy(script_hashes),
        not_found=lambda: context.render("start/not_found.html", status=404),
        needs_link=lambda: screen_pages.render_refusal(context, "no_link"),
        door=gate,
        refusals=refusals,
    )


async def _forget(
    old: Sequence[Callable[[datetime], object]], walks: Walks, kept_for: timedelta, clock: Clock
) -> None:
    """Delete what is old, and what walks heard of places, at the start and every hour, until cancelled."""
    while True:
        await walks.forget(clock.now() - kept_for)
        for forget in old:
            try:
                await asyncio.to_thread(forget, clock.now())
            except OSError as error:
                log.warning("old_files_not_deleted", error=str(error))
        await asyncio.sleep(clock.real_seconds(_FORGET_EVERY_S))
