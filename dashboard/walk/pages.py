"""`/walk/<floor>`: made on the server, works without a script; the script only brings changes at once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Form
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from dashboard.floor_svg import PlanWords, draw_floor
from dashboard.glyphs import StateLetter
from dashboard.guard import current_language
from dashboard.i18n import Words, words
from dashboard.page_context import PageContext
from dashboard.walk import words as say
from dashboard.walk.session import FloorWalk, Walks
from dashboard.walk.sheet import render_sheet
from workplace.walk_record import SkipReason
from workplace.walk_test import Back, Begin, GoTo, Happening, Next, Repeat, Skip
from workplace.walk_view import WalkView

#: Streams say that they live every so many beats.
_ALIVE_BEATS = 5
_PRESSES: dict[str, Happening] = {"begin": Begin(), "next": Next(), "back": Back(), "repeat": Repeat()}
_REASONS = frozenset(get_args(SkipReason)) - {"no_sensor"}
_MAP_LETTERS: dict[str | None, StateLetter] = {"passed": "f", "skipped": "r", None: "j"}


def make_router(context: PageContext, walks: Walks) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _add_walk(router, context, walks)
    _add_stream_and_sheet(router, context, walks)

    @router.get("/walk/{_rest:path}")
    async def nothing(_rest: str) -> Response:
        return _not_found(context)

    return router


def _not_found(context: PageContext) -> Response:
    return context.render("start/not_found.html", status=404)


def _add_walk(router: APIRouter, context: PageContext, walks: Walks) -> None:
    @router.get("/walk")
    async def floors() -> Response:
        listed = [(floor, walks.of(floor.id).view()) for floor in reversed(context.plan.floors)]
        return context.render("walk/floors.html", floors=listed)

    @router.get("/walk/{floor}")
    async def walk(floor: str) -> Response:
        if floor not in context.plan.floor:
            return _not_found(context)
        found, said = walks.look(floor), words(current_language.get())
        return context.render("walk/walk.html", **_values(context, walks, found, said))

    @router.post("/walk/{floor}/press")
    async def press(
        floor: str,
        do: Annotated[str, Form(max_length=16)] = "",
        to: Annotated[str, Form(max_length=64)] = "",
        at: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        if floor not in context.plan.floor:
            return _not_found(context)
        happening = _happening(do, to)
        # a page that still showed another place must not decide about this one
        if happening is not None and at == (walks.of(floor).walk.at or ""):
            await walks.press(floor, happening)
        return RedirectResponse(f"/walk/{floor}", status_code=303)


def _add_stream_and_sheet(router: APIRouter, context: PageContext, walks: Walks) -> None:
    @router.get("/walk/{floor}/live")
    async def live(floor: str) -> Response:
        if floor not in context.plan.floor:
            return _not_found(context)
        return StreamingResponse(
            _changes(context, walks, floor, words(current_language.get())),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get("/walk/{floor}/sheet")
    async def sheet(floor: str) -> Response:
        if floor not in context.plan.floor:
            return _not_found(context)
        page = render_sheet(
            context.plan, walks.of(floor).walk, at=context.clock.now(), version=context.version,
            style_urls=tuple(context.static.url(name) for name in ("tokens.css", "walk_sheet.css")),
            script_url=context.static.url("walk.js"),
        )  # fmt: skip
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})


def _happening(do: str, to: str) -> Happening | None:
    if do == "goto":
        return GoTo(to)
    if do == "skip":
        return Skip(cast("SkipReason", to)) if to in _REASONS else None
    return _PRESSES.get(do)


async def _changes(context: PageContext, walks: Walks, floor: str, said: Words) -> AsyncIterator[bytes]:
    """Yield the page's inside whenever it says something else, and a sign of life in between."""
    shown, quiet = None, 0
    async for walk in walks.beats(floor):
        seen = (_without_countdown(walk.view()), walks.listening(floor), walk.is_kept)
        if seen != shown:
            shown, quiet = seen, 0
            part = context.templates.get_template("walk/part.html").render(
                _=said, lang=said.language, site=context.plan, **_values(context, walks, walk, said)
            )
            yield f"event: w\ndata: {json.dumps(part)}\n\n".encode()
        elif (quiet := quiet + 1) % _ALIVE_BEATS == 0:
            yield b"event: h\ndata: 0\n\n"


def _without_countdown(view: WalkView) -> WalkView:
    checks = tuple(dataclasses.replace(check, deaf_s=float(check.deaf_s > 0)) for check in view.checks)
    return dataclasses.replace(view, checks=checks)


def _values(context: PageContext, walks: Walks, walk: FloorWalk, said: Words) -> dict[str, Any]:
    """Return what the template of a walk shows."""
    view = walk.view()
    places = context.plan.place
    waited_s = 0.0
    if view.phase == "waiting" and walk.walk.asked_at is not None:
        waited_s = (context.clock.now() - walk.walk.asked_at).total_seconds() / context.clock.speed
    return {
        "floor": walk.floor,
        "view": view,
        "run": walks.run_id,
        "turn": walk.turn,
        "zone": None if view.place is None else context.plan.zone[view.place.zone],
        "listening": walks.listening(walk.floor.id),
        "is_kept": walk.is_kept,
        "checks": [_check(check, context, said) for check in view.checks],
        "others": [say.other_text(other, places, said) for other in view.others],
        "reason": say.reason_text(None if view.result is None else view.result.reason, said),
        "reasons": [(code, said(text)) for code, text in say.REASONS.items()],
        "late": None if view.late_s is None else say.number_text(view.late_s, said, 0),
        "waited_s": max(0, round(waited_s)),
        "route": [(place, walk.walk.results.get(place.id)) for place in walk.route],
        "map": Markup(_map(walk, view, said)),  # noqa: S704 - our own drawing
        "said": _announcement(view, said),
    }


def _check(check: Any, context: PageContext, said: Words) -> dict[str, Any]:
    return {
        "kind": say.kind_text(check.sensor.kind, said),
        "action": say.action_text(check, said),
        "deaf_s": round(check.deaf_s / context.clock.speed),
        "is_ticked": check.tick is not None,
        "came": "" if check.tick is None else say.tick_text(check.tick, said),
        "device": check.sensor.device,
        "channel": check.sensor.channel,
    }


def _map(walk: FloorWalk, view: WalkView, said: Words) -> str:
    """Return the floor with what is done, what is left and where we stand."""
    results = walk.walk.results
    letters = [
        _MAP_LETTERS[results[place.id].outcome if place.id in results else None] if place.sensors else "l"
        for place in walk.route
    ]
    here = None if view.place is None else (view.place.x_m, view.place.y_m)
    title = said("Floor plan: {d} of {n} places done").format(d=len(results), n=len(walk.route))
    floor = dataclasses.replace(walk.floor, you_are_here_m=here)
    return draw_floor(
        floor, letters, PlanWords(title=title, you_are_here="", zone_name=lambda z: said.of(z.name))
    )


def _announcement(view: WalkView, said: Words) -> str:
    """Return what a screen reader says when the page changes by itself."""
    if view.place is None:
        return ""
    if view.phase == "passed":
        return said("{p} works.").format(p=view.place.label)
    if view.others:
        return said("Another place answered.")
    return ""
