"""The wall on e-paper: black on white, no script, one picture a minute. As a page and as a PNG.

Paper keeps what it shows when nobody speaks to it any more, so each picture says of which minute it is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from dashboard import i18n
from dashboard.i18n import N_, Language
from dashboard.page_context import PageContext
from dashboard.view_models import FloorView
from dashboard.wall.epaper_png import Arrow, Row, Sheet, draw
from dashboard.wall.pages import card_of, language_of
from dashboard.wall.screen_links import ScreenLinks
from dashboard.wall.screen_pages import admit

#: Seconds between two pictures: paper flickers when it changes, and a battery should last.
REFRESH_S = 120
#: Width and height in pixels of panels that are sold; each may be turned.
SIZES = ((640, 384), (800, 480), (960, 540), (1200, 825), (1304, 984), (1600, 1200), (1872, 1404))
#: Pictures in memory: each 5 to 60 kB.
_KEPT_PICTURES = 64

_BANDS: dict[str, str] = {
    "live": "",
    "stale": N_("Numbers may be out of date"),
    "off": N_("No live data"),
}


@dataclass(frozen=True, slots=True)
class _Picture:
    of: Hashable
    png: bytes
    tag: str


class Pictures:
    """Draws each picture once a minute at most, one at a time."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._kept: OrderedDict[Hashable, _Picture] = OrderedDict()
        self._drawing = asyncio.Lock()
        self.drawn = 0
        """Pictures drawn since the start."""

    async def answer(
        self, request: Request, view: FloorView, language: Language, size: tuple[int, int], *, is_grey: bool
    ) -> Response:
        """Return the picture, or that the caller has it already."""
        if size not in SIZES and size[::-1] not in SIZES:
            known = ", ".join(f"{width}x{height}" for width, height in SIZES)
            return PlainTextResponse(f"width and height: one of {known}, or turned\n", status_code=400)
        picture = await self._picture(view, language, size, is_grey=is_grey)
        headers = {"ETag": picture.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == picture.tag:
            return Response(status_code=304, headers=headers)
        return Response(picture.png, media_type="image/png", headers=headers)

    async def _picture(
        self, view: FloorView, language: Language, size: tuple[int, int], *, is_grey: bool
    ) -> _Picture:
        key = (view.floor.id, language, size, is_grey)
        async with self._drawing:
            minute = self._context.clock.now().replace(second=0, microsecond=0)
            of = (minute, view.freshness, tuple(zone.freshness for zone in view.zones))
            kept = self._kept.pop(key, None)
            if kept is None or kept.of != of:
                sheet = sheet_of(self._context, view, language)
                png = await asyncio.to_thread(draw, sheet, size, is_grey=is_grey)
                kept = _Picture(of, png, f'"{hashlib.sha256(png).hexdigest()[:20]}"')
                self.drawn += 1
            self._kept[key] = kept
            while len(self._kept) > _KEPT_PICTURES:
                self._kept.popitem(last=False)
            return kept


def make_router(context: PageContext, links: ScreenLinks) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    pictures = Pictures(context)

    @router.get("/wall/{floor}/epaper")
    async def page(floor: str, lang: str | None = None) -> Response:
        found = context.plan.floor.get(floor)
        if found is None:
            return context.render("start/not_found.html", status=404)
        return _render(context, context.floor_view(found), language_of(lang))

    @router.get("/wall/{floor}/epaper.png")
    async def picture(
        floor: str,
        request: Request,
        width: int = 800,
        height: int = 480,
        grey: int = 0,
        lang: str | None = None,
    ) -> Response:
        found = context.plan.floor.get(floor)
        if found is None:
            return PlainTextResponse("no such floor\n", status_code=404)
        view = context.floor_view(found)
        return await pictures.answer(request, view, language_of(lang), (width, height), is_grey=bool(grey))

    @router.get("/s/{token}/epaper")
    async def page_by_link(token: str, request: Request, lang: str | None = None) -> Response:
        admitted = admit(context, links, token, request)
        if isinstance(admitted, Response):
            return admitted
        return _render(context, admitted.view, language_of(lang))

    @router.get("/s/{token}/epaper.png")
    async def picture_by_link(
        token: str,
        request: Request,
        width: int = 800,
        height: int = 480,
        grey: int = 0,
        lang: str | None = None,
    ) -> Response:
        admitted = admit(context, links, token, request)
        if isinstance(admitted, Response):
            return admitted
        return await pictures.answer(
            request, admitted.view, language_of(lang), (width, height), is_grey=bool(grey)
        )

    return router


def _render(context: PageContext, view: FloorView, language: Language) -> Response:
    sheet = sheet_of(context, view, language)
    return context.render("wall/epaper.html", language=language, sheet=sheet, refresh_s=REFRESH_S)


def sheet_of(context: PageContext, view: FloorView, language: Language) -> Sheet:
    """Return what the paper says."""
    said, second = i18n.words(language), i18n.words("en" if language == "nl" else "nl")
    rows = []
    for zone in view.zones:
        card = card_of(zone, view, said, context.hour_minute)
        name, other = said.of(zone.zone.name), second.of(zone.zone.name)
        # of a floor that is old as a whole the head says it
        chip = "" if view.freshness != "live" else card.heard or card.chip
        has_number = zone.free is not None and view.freshness != "off"
        rows.append(
            Row(
                kind=zone.zone.kind,
                name=name,
                other="" if other == name else other,
                number=card.number,
                is_word=card.is_word,
                of="" if card.is_word else f"{said('free')} {card.of}",
                used=f"{zone.reclaimable} {said('may be used')}" if zone.reclaimable else "",
                chip=chip,
                is_full=zone.chip == "full" and has_number,
                is_old=card.is_old,
                free_share=(zone.free or 0) / max(zone.open_capacity, 1) if has_number else 0.0,
                used_share=zone.reclaimable / max(zone.open_capacity, 1) if has_number else 0.0,
                has_bar=has_number,
            )
        )
    return Sheet(
        number=view.floor.number,
        name=said.of(view.floor.name),
        floor=said("Floor"),
        as_of=said("As of {t}").replace("{t}", context.hour_minute(view.as_of) or "–"),
        band=said(_BANDS[view.freshness]) if _BANDS[view.freshness] else "",
        advice=said("More than 5 minutes ago? Then please look around."),
        rows=tuple(rows),
        more=said("More space"),
        arrows=tuple(Arrow(other.is_up, other.floor.number, other.free) for other in view.others)
        if view.freshness != "off"
        else (),
        none=said("Please look around for a free place.")
        if view.freshness == "off"
        else said("We know of no other floor with enough space now."),
        free=said("free"),
    )
