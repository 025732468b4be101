"""The start page, the sign of life and the static files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dashboard.guard import current_language
from dashboard.i18n import words
from dashboard.page_context import PageContext
from dashboard.view_models import FloorView, policy_code
from dashboard.wording import POLICY_WORDS


def make_router(context: PageContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def start() -> Response:
        views = [context.floor_view(floor) for floor in context.plan.floors]
        example = next((p for p in context.plan.place.values() if not p.fixed), None)
        return context.render(
            "start/index.html",
            views=views,
            free=sum(view.free for view in views if view.freshness == "live"),
            example=example,
            policy=_policy(views),
            links_walls=not context.settings.screens_need_links,
        )

    @router.get("/healthz")
    async def alive() -> Response:
        return PlainTextResponse(f"ok {context.static.build}\n", headers={"Cache-Control": "no-store"})

    @router.get("/favicon.ico")
    async def favicon(request: Request) -> Response:
        return context.static.respond("icon.svg", request)

    @router.get("/static/{name:path}")
    async def static_file(name: str, request: Request) -> Response:
        return context.static.respond(name, request)

    @router.get("/live")
    @router.get("/staff/live")
    async def live(floor: str) -> Response:
        if floor not in context.plan.floor:
            return PlainTextResponse("no such floor\n", status_code=404)
        return event_stream(context.feed.events(floor))

    return router


def event_stream(events: AsyncIterator[bytes]) -> Response:
    """Return an answer that does not end; a proxy that buffers would hold the events back."""
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _policy(views: Sequence[FloorView]) -> str:
    """Return that nothing is enforced somewhere, and why (R28); nothing while the rules run."""
    code = next((policy_code(view) for view in views if view.is_paused), "")
    return words(current_language.get())(POLICY_WORDS[code]) if code else ""
