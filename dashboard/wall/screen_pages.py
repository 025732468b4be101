"""Pages `/s/<token>`: the wall of one floor for a screen that has a link, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal, cast

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from dashboard import i18n
from dashboard.i18n import N_
from dashboard.page_context import PageContext
from dashboard.start.pages import event_stream
from dashboard.view_models import FloorView
from dashboard.wall.pages import language_of, render_wall
from dashboard.wall.screen_links import Screen, ScreenLinks

#: Real seconds between two looks at the file of links. Higher lets a withdrawn screen show more.
LOOK_S = 1.0

#: Why a screen shows nothing: heading, what to do, status.
_REFUSALS: dict[str, tuple[str, str, int]] = {
    "withdrawn": (
        N_("The link of this screen was withdrawn"),
        N_("Facility can give this screen a new link."),
        410,
    ),
    "unknown": (
        N_("We do not know the link of this screen"),
        N_("Facility can give this screen a new link."),
        403,
    ),
    "no_link": (
        N_("This page is for screens with a link"),
        N_("Facility can make one: plekvrij screens add"),
        403,
    ),
}
_WITHDRAWN_EVENT = b"event: w\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A screen whose link is in force, and its floor."""

    screen: Screen
    view: FloorView


def make_router(context: PageContext, links: ScreenLinks) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/s/{token}")
    async def screen(token: str, request: Request, lang: str | None = None) -> Response:
        admitted = admit(context, links, token, request)
        if isinstance(admitted, Response):
            return admitted
        return render_wall(context, admitted.view, language_of(lang), f"/s/{token}/live")

    @router.get("/s/{token}/live")
    async def live(token: str, request: Request) -> Response:
        admitted = admit(context, links, token, request)
        if isinstance(admitted, Response):
            return admitted
        return event_stream(_events(context, links, admitted.screen))

    return router


async def keep(links: ScreenLinks) -> None:
    """Notice changed links and write down who was seen, until cancelled."""
    try:
        while True:
            links.refresh()
            links.write_seen()
            await asyncio.sleep(LOOK_S)
    finally:
        links.write_seen(at_once=True)


def admit(context: PageContext, links: ScreenLinks, token: str, request: Request) -> Admitted | Response:
    """Return the screen of a link and its floor, or what to answer instead."""
    screen = links.find(token)
    if screen is None or screen.withdrawn_at is not None:
        caller = "" if request.client is None else request.client.host
        reason = links.refuse("unknown" if screen is None else "withdrawn", caller)
        if reason == "limited":
            return PlainTextResponse("too many bad links\n", status_code=429, headers={"Retry-After": "60"})
        return render_refusal(context, reason)
    floor = context.plan.floor.get(screen.floor)
    if floor is None:
        return context.render("start/not_found.html", status=404)
    links.saw(screen, context.clock.now())
    view = context.floor_view(floor)
    if screen.here_m is not None:
        view = replace(view, floor=replace(floor, you_are_here_m=screen.here_m))
    return Admitted(screen, view)


def render_refusal(context: PageContext, reason: Literal["withdrawn", "unknown", "no_link"]) -> Response:
    """Return a page that says in both languages why this screen shows nothing."""
    heading, advice, status = _REFUSALS[reason]
    nl, en = i18n.words("nl"), i18n.words("en")
    said = [(words.language, words(heading), words(advice)) for words in (nl, en)]
    return context.render("wall/refused.html", language="nl", status=status, said=said)


async def _events(context: PageContext, links: ScreenLinks, screen: Screen) -> AsyncIterator[bytes]:
    """Yield what happens on the floor while the link is in force, and at its end that it was withdrawn.

    A sign of life comes every `heartbeat_s`: no withdrawn screen goes on longer than that.
    """
    feed = cast("AsyncGenerator[bytes, None]", context.feed.events(screen.floor))
    with links.opened(screen):
        async with aclosing(feed) as events:
            async for event in events:
                if not links.is_in_force(screen):
                    yield _WITHDRAWN_EVENT
                    return
                links.saw(screen, context.clock.now())
                yield event
