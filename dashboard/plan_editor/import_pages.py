"""`/staff/plan/import`: a spreadsheet is shown first, with every mistake by its line, and written when confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from dashboard.guard import current_language
from dashboard.i18n import words
from dashboard.page_context import PageContext
from dashboard.plan_editor import words as say
from dashboard.plan_editor.desk import PlanDesk, TooMuch, change_plan, mistakes_of, raw_plan_of, read_form
from dashboard.plan_editor.pages import note_values
from dashboard.plan_editor.store import PlanNotWritable, PlanText
from workplace.documents import Mistake
from workplace.errors import DocumentInvalid
from workplace.place_list import Imported, Line, import_places, read_places
from workplace.plan_file import PlanFile
from workplace.plan_text import rewritten
from workplace.sensor_kits import KITS

#: Name of the list in messages.
_LIST = "list"


def make_router(context: PageContext, desk: PlanDesk | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    if desk is None:
        return router

    @router.get("/staff/plan/import")
    async def ask() -> Response:
        return _page(context, text="")

    @router.post("/staff/plan/import")
    async def preview(request: Request) -> Response:
        try:
            text = await _sent(await read_form(request))
            present = await asyncio.to_thread(desk.store.read)
        except TooMuch:
            return PlainTextResponse("this list is too large\n", status_code=413)
        except PlanNotWritable:
            return RedirectResponse("/staff/plan", status_code=303)
        found, lines, mistakes = await asyncio.to_thread(_looked_at, desk, present, text)
        status = 422 if mistakes else 200
        return _page(
            context,
            text=text,
            found=found,
            lines=lines,
            mistakes=mistakes,
            version=present.version,
            status=status,
        )

    @router.post("/staff/plan/import/confirm")
    async def confirm(request: Request) -> Response:
        try:
            form = await read_form(request)
        except TooMuch:
            return PlainTextResponse("this list is too large\n", status_code=413)
        return await _confirmed(context, desk, str(form.get("list", "")), str(form.get("base", "")))

    return router


async def _confirmed(context: PageContext, desk: PlanDesk, text: str, base: str) -> Response:
    lines, mistakes = read_places(text, _LIST)

    def change(plan: PlanFile) -> PlanFile:
        imported, more = import_places(plan, lines, _LIST)
        if mistakes or more:
            raise DocumentInvalid((*mistakes, *more))
        return imported.plan

    named = sorted({line.place for line in lines})
    what = ", ".join(named[:20]) + (" …" if len(named) > 20 else "")
    saved = await change_plan(desk, context, change, based_on=base, action="places_imported", what=what)
    if saved.code in {"saved", "unchanged"}:
        done = "imported" if saved.code == "saved" else "unchanged"
        return RedirectResponse(f"/staff/plan?done={done}", status_code=303)
    status = {"conflict": 409, "mistakes": 422}.get(saved.code, 503)
    trouble = [Mistake(_LIST, 0, saved.why, "")] if saved.code == "not_writable" else []
    found = [*saved.mistakes, *trouble]
    return _page(context, text=text, mistakes=found, conflict=saved.code == "conflict", status=status)


async def _sent(form: FormData) -> str:
    """Return the list, from the file if there is one; what Excel saves as plain CSV is in the code page of Windows."""
    sent = form.get("file")
    data = await sent.read() if isinstance(sent, UploadFile) else b""
    if not data:
        return str(form.get("list", "")).strip("\r\n")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _looked_at(
    desk: PlanDesk, present: PlanText, text: str
) -> tuple[Imported | None, list[Line], list[Mistake]]:
    """Return what a list would change, and everything that speaks against it, the linter's word included."""
    lines, mistakes = read_places(text, _LIST)
    try:
        found, more = import_places(raw_plan_of(present.text, desk.store.file), lines, _LIST)
        mistakes = sorted([*mistakes, *more], key=lambda one: one.line)
        if not mistakes:
            changed = rewritten(present.text, desk.store.file, found.plan)
            mistakes = [Mistake(_LIST, 0, one.what, one.instead) for one in desk.store.check(changed)]
    except DocumentInvalid as error:
        return None, lines, [Mistake(_LIST, 0, one.what, one.instead) for one in mistakes_of(error)]
    return found, lines, mistakes


def _page(
    context: PageContext,
    *,
    text: str,
    found: Imported | None = None,
    lines: Sequence[Line] = (),
    mistakes: Sequence[Mistake] = (),
    version: str = "",
    conflict: bool = False,
    status: int = 200,
) -> Response:
    said = words(current_language.get())
    return context.render(
        "plan_editor/import.html",
        status=status,
        here="plan",
        text=text,
        mark=version,
        conflict=conflict,
        preview=None if mistakes else found,
        changes=[] if found is None else _changes(found, lines),
        mistakes=[
            (one.line or "–", say.sentence_text(one.what, said), say.sentence_text(one.instead, said))
            for one in mistakes
        ],
        zones=list(context.plan.zone.values()),
        kits=sorted(KITS),
        **note_values("", said),
    )


def _changes(found: Imported, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return a row for each place that changes, in the order of the list."""
    inputs: dict[str, list[str]] = {}
    for entry in found.mapped:
        channel = f"/{entry.channel}" if entry.channel else ""
        inputs.setdefault(entry.place, []).append(f"{entry.device}{channel} ({entry.sensor})")
    touched = {*found.new, *found.moved, *inputs}
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.place in touched and line.place not in rows:
            at = "" if line.at is None else f"{line.at[0]:g}, {line.at[1]:g}"
            rows[line.place] = {
                "place": line.place,
                "zone": line.zone or "",
                "at": at,
                "inputs": ", ".join(inputs.get(line.place, [])),
            }
    return list(rows.values())
