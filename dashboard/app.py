"""All pages as one application: interface, live events, wall, desk and staff in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse

from dashboard.accounts import pages as account_pages
from dashboard.accounts.book import AccountBook
from dashboard.accounts.gate import Gate
from dashboard.api import routes as api_routes
from dashboard.council import pages as council_pages
from dashboard.council.versions import MemoryVersions, PolicyVersions
from dashboard.desk_page import pages as desk_pages
from dashboard.desk_page.taps import MemoryTaps, TapStore
from dashboard.grades import Grades
from dashboard.guard import Guard, staff_policy
from dashboard.live_feed import LiveFeed
from dashboard.live_site import LiveSite
from dashboard.page_context import PageContext, SendRequest, make_templates
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

#: Taps that have lived long enough go within this, site s.
_FORGET_EVERY_S = 3600.0
#: Answers shorter than this are sent as they are: a packet holds 1,400 bytes anyway.
_GZIP_FROM_BYTES = 1000


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
    screens: ScreenLinks | None = None,
    accounts: AccountBook | None = None,
) -> FastAPI:
    """Return the application. Run it in the event loop that feeds `live`.

    Open screens never finish by themselves: call `app.state.close_streams()` before stopping uvicorn, and give
    it a graceful shutdown limit of a few seconds. Without `walks`, walk tests hear nothing and are not kept; without
    `rules` the page of the works council tells the rules of a site that wrote none; `versions` and `taps` are kept in
    memory when nobody says where. Without `usage` the history page is empty; without `screens` no screen has a link;
    without `accounts` nobody can log in, and the passwords in the settings count.
    """
    static = StaticFilesBundle(version, settings.theme)
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
    )

    walks = walks or Walks(plan, clock, MemoryWalks())
    taps = taps or MemoryTaps()
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
            forgetting = tasks.create_task(_forget(taps, clock), name="dashboard-taps")
            watching = tasks.create_task(screen_pages.keep(screens), name="dashboard-screens")
            yield
            for task in (sending, walking, forgetting, watching):
                task.cancel()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    for make_router in (
        start_pages.make_router,
        wall_pages.make_router,
        api_routes.make_router,
        why_pages.make_router,
    ):
        app.include_router(make_router(context))
    app.include_router(screen_pages.make_router(context, screens))
    app.include_router(epaper.make_router(context, screens))
    app.include_router(desk_pages.make_router(context, taps))
    app.include_router(walk_pages.make_router(context, walks))
    app.include_router(council_pages.make_router(context, rules, versions))
    gate = None if accounts is None else Gate(accounts)
    if gate is not None:
        app.include_router(account_pages.make_router(context, gate))

    @app.api_route(
        "/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    async def no_such_interface(rest: str) -> JSONResponse:
        return JSONResponse({"detail": f"no such address: /api/{rest}"}, status_code=404)

    script_hashes = attach_staff(app, context)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES)
    app.add_middleware(
        Guard,
        settings=settings,
        staff_csp=lambda: staff_policy(script_hashes),
        not_found=lambda: context.render("start/not_found.html", status=404),
        needs_link=lambda: screen_pages.render_refusal(context, "no_link"),
        door=gate,
    )
    app.state.live_feed = feed
    app.state.close_streams = close_streams
    return app


async def _forget(taps: TapStore, clock: Clock) -> None:
    """Delete old taps at the start and every hour, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(taps.forget, clock.now())
        except OSError as error:
            log.warning("taps_not_deleted", error=str(error))
        await asyncio.sleep(clock.real_seconds(_FORGET_EVERY_S))
