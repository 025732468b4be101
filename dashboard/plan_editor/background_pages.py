"""What lies under a floor while it is edited: uploaded, laid, shown on the page of the plan, removed."""

from __future__ import annotations

import asyncio
import math

from fastapi import APIRouter, Request
from msgspec.structs import replace
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from dashboard.page_context import PageContext
from dashboard.plan_editor.background import MOST_BYTES, BackgroundRefused, Laid, laid_on, made_harmless
from dashboard.plan_editor.desk import PlanDesk, TooMuch, note, read_form

#: Opened by itself a drawing may do nothing at all.
_FILE_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
#: The file and what a form puts around it.
_MOST_SENT_BYTES = MOST_BYTES + 100_000


def make_router(context: PageContext, desk: PlanDesk | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    if desk is not None:
        _add_picture(router, context, desk)
        _add_changes(router, context, desk)
    return router


async def _laid_under(context: PageContext, desk: PlanDesk, floor: str) -> Laid | None:
    if floor not in context.plan.floor:
        return None
    return await asyncio.to_thread(desk.backgrounds.laid, floor)


def _add_picture(router: APIRouter, context: PageContext, desk: PlanDesk) -> None:
    @router.get("/staff/plan/{floor}/background")
    async def show(floor: str) -> Response:
        laid = await _laid_under(context, desk, floor)
        content = None if laid is None else await asyncio.to_thread(desk.backgrounds.content, floor, laid)
        if laid is None or content is None:
            return Response(status_code=404)
        headers = {"Cache-Control": "private, max-age=86400", "Content-Security-Policy": _FILE_CSP}
        return Response(content, media_type=laid.media_type, headers=headers)

    @router.post("/staff/plan/{floor}/background")
    async def upload(floor: str, request: Request) -> Response:
        if floor not in context.plan.floor:
            return context.render("start/not_found.html", status=404)
        return _back(floor, await _keep(context, desk, floor, request))


def _add_changes(router: APIRouter, context: PageContext, desk: PlanDesk) -> None:
    @router.post("/staff/plan/{floor}/background/place")
    async def place(floor: str, request: Request) -> Response:
        laid = await _laid_under(context, desk, floor)
        if laid is None:
            return _back(floor, "removed")
        moved = _moved(laid, await read_form(request))
        if moved is None:
            return _back(floor, "bad_numbers")
        await asyncio.to_thread(desk.backgrounds.put, floor, moved)
        return _back(floor, "background")

    @router.post("/staff/plan/{floor}/background/remove")
    async def remove(floor: str) -> Response:
        if floor in context.plan.floor:
            await asyncio.to_thread(desk.backgrounds.remove, floor)
            await note(desk, context, "background_removed", floor)
        return _back(floor, "removed")


async def _keep(context: PageContext, desk: PlanDesk, floor: str, request: Request) -> str:
    """Keep what was sent and return the code of what became of it."""
    try:
        sent = (await read_form(request, most_bytes=_MOST_SENT_BYTES)).get("picture")
        data = await sent.read() if isinstance(sent, UploadFile) else b""
        picture = await asyncio.to_thread(made_harmless, data)
        laid = laid_on(picture, context.plan.floor[floor].size_m[0])
        await asyncio.to_thread(desk.backgrounds.put, floor, laid, picture.content)
    except TooMuch:
        return "too_large"
    except BackgroundRefused as refused:
        return refused.code
    except OSError:
        return "not_kept"
    await note(desk, context, "background_set", floor)
    return "background"


def _moved(laid: Laid, form: FormData) -> Laid | None:
    try:
        left, top, width = (
            float(str(form.get(name, "")).replace(",", ".")) for name in ("left", "top", "width")
        )
    except ValueError:
        return None
    if not (math.isfinite(left + top + width) and width > 0):
        return None
    return replace(laid, left_m=left, top_m=top, width_m=width)


def _back(floor: str, done: str) -> Response:
    return RedirectResponse(f"/staff/plan/{floor}?done={done}", status_code=303)
