"""`/staff/plan`: the floors, one step back, the record; `/staff/plan/<floor>`: one as a drawing and as numbers."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from dashboard.floor_svg import PlanWords, draw_floor, places_in_order
from dashboard.glyphs import StateLetter
from dashboard.guard import current_language
from dashboard.i18n import N_, Words, words
from dashboard.page_context import PageContext
from dashboard.plan_editor import words as say
from dashboard.plan_editor.desk import (
    PlanDesk,
    Saved,
    TooMuch,
    change_plan,
    is_running,
    raw_plan_of,
    read_form,
    write_plan,
)
from dashboard.plan_editor.form import (
    FloorForm,
    Slip,
    form_of,
    form_of_fields,
    wish_of,
    wished_plan,
)
from dashboard.plan_editor.store import PlanNotWritable, PlanText
from workplace.errors import DocumentInvalid
from workplace.plan_change import zone_places
from workplace.plan_file import FloorFile, PlanFile
from workplace.retention import ZONE_LEVEL_DAYS

NOTES: dict[str, str] = {
    "saved": N_("Saved. It is on its way to the screens."),
    "unchanged": N_("Nothing was different, so nothing was written."),
    "restored": N_("The plan of before is back. It is on its way to the screens."),
    "imported": N_("The list is in the plan. It is on its way to the screens."),
    "background": N_("The background is set."),
    "removed": N_("The background is removed."),
    "conflict": N_("Somebody else changed the floor plan meanwhile. Nothing was written."),
    "nothing_before": N_("There is no earlier version yet."),
    "refused_before": N_("The plan of before does not fit to the rules any more. Nothing was written."),
    "too_large": N_("This file is too large."),
    "unknown_kind": N_("This file is no SVG, PNG or JPEG."),
    "broken": N_("This file is damaged."),
    "entities": N_("This SVG declares entities; save it again as plain SVG."),
    "too_many": N_("This SVG has too many parts; save a simpler one."),
    "not_kept": N_("The file could not be kept. Is the disk full?"),
    "bad_numbers": N_("Write numbers in metres."),
}
_GOOD = frozenset({"saved", "unchanged", "restored", "imported", "background", "removed"})
#: After these the screens follow within seconds, and the page says when.
_WAITS = frozenset({"saved", "restored", "imported"})
_ROWS_SHOWN = 500


def note_values(done: str, said: Words) -> dict[str, Any]:
    """Return what a page says of what was done just now; other words in the address are ignored."""
    return {
        "note": said(NOTES[done]) if done in NOTES else "",
        "note_is_good": done in _GOOD,
        "waits": done in _WAITS,
    }


def make_router(context: PageContext, desk: PlanDesk | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    if desk is None:

        @router.get("/staff/plan")
        @router.get("/staff/actions")
        async def without() -> Response:
            return PlainTextResponse("this server has no floor plan file to change\n", status_code=404)

        return router
    _add_floors(router, context, desk)
    _add_editor(router, context, desk)
    return router


def _add_floors(router: APIRouter, context: PageContext, desk: PlanDesk) -> None:
    @router.get("/staff/plan")
    async def floors(done: str = "") -> Response:
        said = words(current_language.get())
        trouble, plan, present = "", None, PlanText("", "")
        try:
            present, plan = await _read(desk)
        except (PlanNotWritable, DocumentInvalid) as error:
            trouble = str(error)
        shown = [] if plan is None else list(reversed(plan.floors))
        return context.render(
            "plan_editor/floors.html",
            here="plan",
            floors=shown,
            counts={floor.id: len(zone_places(floor.zones)) for floor in shown},
            trouble=trouble,
            mark=present.version,
            previous=await _previous(context, desk),
            **note_values(done, said),
        )

    @router.get("/staff/plan/state")
    async def state() -> Response:
        try:
            present = await asyncio.to_thread(desk.store.read)
        except PlanNotWritable as error:
            return JSONResponse({"detail": error.why}, status_code=503)
        runs = await asyncio.to_thread(is_running, context, present.text)
        return JSONResponse({"version": present.version, "runs": runs}, headers={"Cache-Control": "no-store"})

    @router.post("/staff/plan/undo")
    async def undo(request: Request) -> Response:
        base = str((await request.form()).get("base", ""))
        before = await asyncio.to_thread(desk.store.previous)
        if before is None:
            return RedirectResponse("/staff/plan?done=nothing_before", status_code=303)
        try:
            present = await asyncio.to_thread(desk.store.read)
        except PlanNotWritable:
            return RedirectResponse("/staff/plan", status_code=303)
        saved = Saved("conflict")
        if present.version == base:
            when = f"{context.local(before.until):%d-%m-%Y %H:%M}"
            saved = await write_plan(desk, context, before.text, present, action="plan_restored", what=when)
        code = {"saved": "restored", "mistakes": "refused_before"}.get(saved.code, saved.code)
        return RedirectResponse(f"/staff/plan?done={code}", status_code=303)

    @router.get("/staff/actions")
    async def actions() -> Response:
        said = words(current_language.get())
        found = await asyncio.to_thread(desk.actions.newest, _ROWS_SHOWN)
        rows = [
            {
                "when": f"{context.local(one.at):%d-%m-%Y %H:%M}",
                "role": said(say.ROLES[one.role]),
                "action": said(say.ACTIONS[one.action]),
                "what": one.what,
            }
            for one in found
        ]
        months = round(ZONE_LEVEL_DAYS / 30.4)
        return context.render(
            "plan_editor/actions.html", here="actions", rows=rows, months=months, **note_values("", said)
        )


async def _read(desk: PlanDesk) -> tuple[PlanText, PlanFile]:
    present = await asyncio.to_thread(desk.store.read)
    return present, await asyncio.to_thread(raw_plan_of, present.text, desk.store.file)


async def _previous(context: PageContext, desk: PlanDesk) -> str:
    before = await asyncio.to_thread(desk.store.previous)
    return "" if before is None else f"{context.local(before.until):%d-%m %H:%M}"


def _add_editor(router: APIRouter, context: PageContext, desk: PlanDesk) -> None:
    @router.get("/staff/plan/{floor}")
    async def editor(floor: str, done: str = "") -> Response:
        try:
            present, plan = await _read(desk)
        except (PlanNotWritable, DocumentInvalid):
            return RedirectResponse("/staff/plan", status_code=303)
        found = next((one for one in plan.floors if one.id == floor), None)
        if found is None:
            return context.render("start/not_found.html", status=404)
        form = form_of(found)
        return await _page(context, desk, plan, found, form, version=present.version, done=done)

    @router.post("/staff/plan/{floor}")
    async def save(floor: str, request: Request) -> Response:
        try:
            fields = {
                name: value for name, value in (await read_form(request)).items() if isinstance(value, str)
            }
            _, plan = await _read(desk)
        except TooMuch:
            return PlainTextResponse("this form is too large\n", status_code=413)
        except (PlanNotWritable, DocumentInvalid):
            return RedirectResponse("/staff/plan", status_code=303)
        found = next((one for one in plan.floors if one.id == floor), None)
        if found is None:
            return context.render("start/not_found.html", status=404)
        base = fields.get("base", "")
        form = form_of_fields(fields)
        wish = wish_of(form, found)
        if wish.slips:
            return await _page(context, desk, plan, found, form, version=base, slips=wish.slips, status=422)
        saved = await change_plan(
            desk,
            context,
            lambda now: wished_plan(now, wish),
            based_on=base,
            action="plan_saved",
            what=_what(found, wish.floor),
        )
        if saved.code in {"saved", "unchanged"}:
            return RedirectResponse(f"/staff/plan/{floor}?done={saved.code}", status_code=303)
        status = {"conflict": 409, "mistakes": 422}.get(saved.code, 503)
        return await _page(context, desk, plan, found, form, version=base, saved=saved, status=status)


def _what(before: FloorFile, after: FloorFile) -> str:
    """Return in words of names what a save changed."""
    old, new = zone_places(before.zones), zone_places(after.zones)
    parts = [before.id]
    spots = {place.id: place for zone in before.zones for place in zone.places}
    moved = [p.id for zone in after.zones for p in zone.places if p.id in spots and spots[p.id] != p]
    for sign, names in (("+", sorted(new - old)), ("-", sorted(old - new)), ("~", sorted(moved))):
        if names:
            parts.append(" ".join(f"{sign}{name}" for name in names[:20]) + (" …" if len(names) > 20 else ""))
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]


async def _page(
    context: PageContext,
    desk: PlanDesk,
    plan: PlanFile,
    floor: FloorFile,
    form: FloorForm,
    *,
    version: str,
    done: str = "",
    slips: tuple[Slip, ...] = (),
    saved: Saved | None = None,
    status: int = 200,
) -> Response:
    said = words(current_language.get())
    mistakes = [say.slip_text(slip, form, said) for slip in slips]
    if saved is not None:
        mistakes += dict.fromkeys(say.mistake_text(one, said) for one in saved.mistakes)
        if saved.code == "not_writable":
            mistakes.append(said("The plan file cannot be written: {w}").format(w=saved.why))
    corners = {
        key: 2
        + max((int(name[1:]) + 1 for name in row if name[:1] == "x" and name[1:].isdecimal()), default=2)
        for key, row in form.zones.items()
    }
    return context.render(
        "plan_editor/editor.html",
        status=status,
        here="plan",
        floor=floor,
        floors=plan.floors,
        form=form,
        mark=version,
        mistakes=mistakes,
        conflict=saved is not None and saved.code == "conflict",
        wrong={(slip.row, slip.field) for slip in slips},
        open_rows={slip.row for slip in slips},
        corner_counts=corners,
        kinds=[(kind, said(word)) for kind, word in say.KINDS.items()],
        first_zone=next(iter(form.zones), "z0"),
        new_zone=_next_key("z", form.zones),
        new_table=_next_key("t", form.tables),
        new_place=_next_key("p", form.places),
        laid=await asyncio.to_thread(desk.backgrounds.laid, floor.id),
        drawing=Markup(_drawing(context, floor.id, said)),  # noqa: S704 - our own drawing
        script_words=_script_words(floor, said),
        previous=await _previous(context, desk),
        **note_values(done, said),
    )


def _next_key(kind: str, rows: dict[str, Any]) -> str:
    return f"{kind}{max((int(key[1:]) for key in rows), default=-1) + 1}"


def _drawing(context: PageContext, floor: str, said: Words) -> str:
    """Return the floor as the screens show it, for whoever has no script."""
    found = context.plan.floor.get(floor)
    if found is None:
        return ""
    letters: list[StateLetter] = ["e" if place.fixed else "f" for place in places_in_order(found)]
    title = said("Floor {n}, {name}").format(n=found.number, name=said.of(found.name))
    return draw_floor(found, letters, PlanWords(title, said("You are here"), lambda zone: said.of(zone.name)))


def _script_words(floor: FloorFile, said: Words) -> dict[str, str]:
    return {
        "lang": said.language,
        "drawing": said("Drawing of floor {n}").format(n=floor.number),
        "dirty": said("Not saved yet"),
        "chosen": said("Chosen: {p}"),
        "corner": said("Corner {n}"),
        "nowhere": said("Outside every zone"),
        "drop": said("Every click in a zone drops a place there. Escape ends it."),
        "zone": said(
            "Click the corners one by one; a click on the first one ends the outline. Escape gives up."
        ),
        "newZone": said("New zone"),
        "newPlace": said("New place"),
        "firstPlace": f"{floor.number}-01",
    }
