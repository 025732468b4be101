"""`/staff/devices`: all devices and what they do; `/staff/devices/<device>`: hang it, replace it, take it off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from dashboard.devices.rows import DeviceRow, device_rows, found, letters_of, stranger
from dashboard.floor_svg import PlanWords, draw_floor
from dashboard.guard import current_language
from dashboard.i18n import N_, Words, words
from dashboard.page_context import PageContext
from dashboard.plan_editor import words as say
from dashboard.plan_editor.desk import PlanDesk, Saved, change_plan, read_form
from dashboard.plan_editor.store import PlanNotWritable
from dashboard.staff.sensors import seconds
from dashboard.wording import reason_text
from workplace.documents import Mistake
from workplace.errors import DocumentInvalid, StoreUnavailable
from workplace.floor_plan import Floor
from workplace.plan_change import claimed, kits_of, replaced, unclaimed, wired_of, zone_places
from workplace.plan_file import DeviceFile, PlanFile
from workplace.ports import UnclaimedDevice
from workplace.sensor_grades import QUALITY_WORDS
from workplace.sensor_kits import KITS

_NOTES: dict[str, str] = {
    "claimed": N_("The device hangs at its place now. Test it with a walk."),
    "replaced": N_("The new device has taken over. The history of its places goes on. Test it with a walk."),
    "unclaimed": N_("The device is taken off. Its places stay."),
    "unchanged": N_("Nothing was different, so nothing was written."),
}
_STATES = {
    "ok": N_("working"),
    "lost": N_("not available"),
    "unheard": N_("not heard yet"),
    "gateway": N_("gateway gone"),
}
#: As `plan_file.DeviceFile.device`.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS = {
    "motion": N_("motion"),
    "occupancy": N_("seat taken"),
    "presence": N_("presence"),
    "link": N_("dock"),
    "count": N_("people"),
    "button": N_("button"),
    "battery": N_("battery"),
}


def make_router(context: PageContext, desk: PlanDesk | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/staff/devices")
    async def devices(floor: str = "", q: str = "", state: str = "", done: str = "") -> Response:
        said = words(current_language.get())
        chosen = context.plan.floor.get(floor)
        rows = await _rows(context)
        here = found(rows, floor=floor if chosen else "", state=state, words=q[:100])
        return context.render(
            "devices/devices.html",
            here="devices",
            rows=[_row(row, context, said) for row in here],
            total=len(rows),
            trouble=sum(row.state != "ok" for row in rows),
            strangers=[_stranger(one, context, said) for one in await _strangers(context)],
            floors=context.plan.floors,
            floor=chosen,
            q=q[:100],
            state=state,
            drawing=None if chosen is None else Markup(_drawing(chosen, rows, said)),  # noqa: S704 - our own drawing
            **_note(done, said),
        )

    @router.get("/staff/devices/{device}")
    async def device(device: str, ask: str = "", done: str = "") -> Response:
        return await _page(context, desk, device, ask=ask, done=done)

    if desk is not None:
        _add_changes(router, context, desk)
    return router


def _add_changes(router: APIRouter, context: PageContext, desk: PlanDesk) -> None:
    @router.post("/staff/devices/{device}/claim")
    async def claim(device: str, request: Request) -> Response:
        form = await read_form(request)
        text = {name: str(form.get(name, "")).strip() for name in ("place", "sensor", "channel", "base")}
        known = stranger(await _strangers(context), device)
        place = context.plan.place.get(text["place"]) or next(
            (one for one in context.plan.place.values() if one.label == text["place"]), None
        )
        name = text["place"] if place is None else place.id
        return await _change(
            context,
            desk,
            device,
            lambda plan: _claimed(plan, device, name, text["sensor"], text["channel"], known),
            base=text["base"],
            action="device_claimed",
            what=f"{device}{'/' + text['channel'] if text['channel'] else ''} → {name}",
            filled=text,
        )

    @router.post("/staff/devices/{device}/replace")
    async def replace(device: str, request: Request) -> Response:
        form = await read_form(request)
        text = {name: str(form.get(name, "")).strip() for name in ("new", "sensor", "base")}
        known = stranger(await _strangers(context), text["new"])
        return await _change(
            context,
            desk,
            device,
            lambda plan: _replaced(plan, device, text["new"], text["sensor"], known),
            base=text["base"],
            action="device_replaced",
            what=f"{device} → {text['new']}",
            filled=text,
        )

    @router.post("/staff/devices/{device}/unclaim")
    async def unclaim(device: str, request: Request) -> Response:
        base = str((await read_form(request)).get("base", ""))
        places = " ".join(place.id for place in context.plan.places_of_device(device))
        return await _change(
            context,
            desk,
            device,
            lambda plan: unclaimed(plan, device),
            base=base,
            action="device_unclaimed",
            what=f"{device} ({places})",
        )


def _claimed(
    plan: PlanFile, device: str, place: str, kit: str, channel: str, known: UnclaimedDevice | None
) -> PlanFile:
    """Return the plan with the device at its place.

    Raises:
        DocumentInvalid: that cannot be.
    """
    if place not in {id_ for floor in plan.floors for id_ in zone_places(floor.zones)}:
        raise _refused(f"unknown place '{place}'", "choose a place from the list")
    there = wired_of(plan).get((device, channel or None, kit), place)
    if there != place:
        name = device + (f"/{channel}" if channel else "")
        raise _refused(f"{name} hangs at place {there} in the plan", "take it off there first")
    told = {"place": place, "sensor": kit, "device": device, "channel": channel or None}
    told["gateway"] = None if known is None or _is_first(plan, place, known.gateway) else known.gateway
    try:
        return claimed(plan, [msgspec.convert(told, DeviceFile)])
    except msgspec.ValidationError as error:
        raise _refused(f"'{device}' is no name of a device ({error})", "write the id of the device") from None


def _is_first(plan: PlanFile, place: str, gateway: str) -> bool:
    """Return whether the plan means this gateway anyway when a line names none."""
    floor = next(floor.id for floor in plan.floors if place in zone_places(floor.zones))
    return next((one.id for one in plan.gateways if one.floor == floor), "") == gateway


def _replaced(plan: PlanFile, old: str, new: str, kit: str, known: UnclaimedDevice | None) -> PlanFile:
    places = [place for (device, _, _), place in wired_of(plan).items() if device == new]
    if places:
        raise _refused(f"{new} hangs at place {places[0]} in the plan", "take it off there first")
    if not new or new == old:
        raise _refused("the new device is missing", "choose one from the list, or write its id")
    if not _ID.fullmatch(new):
        raise _refused(f"'{new}' is no name of a device", "write letters, digits, _ and -, at most 64")
    return replaced(plan, old, new, kit=kit or None, gateway=None if known is None else known.gateway)


def _refused(what: str, instead: str) -> DocumentInvalid:
    return DocumentInvalid((Mistake("plan", 0, what, instead),))


async def _change(
    context: PageContext,
    desk: PlanDesk,
    device: str,
    change: Callable[[PlanFile], PlanFile],
    *,
    base: str,
    action: Any,
    what: str,
    filled: dict[str, str] | None = None,
) -> Response:
    try:
        saved = await change_plan(desk, context, change, based_on=base, action=action, what=what)
    except msgspec.ValidationError as error:
        saved = Saved("mistakes", mistakes=(Mistake("plan", 0, str(error), "write the id of the device"),))
    if saved.code in {"saved", "unchanged"}:
        done = action.removeprefix("device_") if saved.code == "saved" else "unchanged"
        return RedirectResponse(f"/staff/devices?done={done}", status_code=303)
    status = {"conflict": 409, "mistakes": 422}.get(saved.code, 503)
    return await _page(context, desk, device, saved=saved, filled=filled or {}, status=status)


async def _rows(context: PageContext) -> list[DeviceRow]:
    grades = await context.grades.read()
    return device_rows(context.plan, context.live.gateways(), grades, context.clock.now())


async def _strangers(context: PageContext) -> list[UnclaimedDevice]:
    """Return the devices without a place; none while the store cannot be read, or the plan has them by now."""
    reader = getattr(context.history, "unclaimed", None)
    if reader is None:
        return []
    try:
        heard: list[UnclaimedDevice] = await asyncio.to_thread(reader)
    except StoreUnavailable:
        return []
    return [one for one in heard if one.device not in context.plan.devices]


async def _page(
    context: PageContext,
    desk: PlanDesk | None,
    device: str,
    *,
    ask: str = "",
    done: str = "",
    saved: Saved | None = None,
    filled: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    said = words(current_language.get())
    strangers = await _strangers(context)
    row = next((one for one in await _rows(context) if one.device == device), None)
    known = stranger(strangers, device)
    if row is None and known is None:
        return context.render("start/not_found.html", status=404)
    version, trouble = "", ""
    try:
        version = "" if desk is None else (await asyncio.to_thread(desk.store.read)).version
    except PlanNotWritable as error:
        trouble = error.why
    kits = kits_of(device, () if known is None else known.kinds) or kits_of(device) or sorted(KITS)
    return context.render(
        "devices/device.html",
        status=status,
        here="devices",
        device=device,
        row=None if row is None else _row(row, context, said),
        inputs=[] if row is None else _inputs(row, context, said),
        known=None if known is None else _stranger(known, context, said),
        kits=kits,
        all_kits=sorted(KITS),
        places=list(context.plan.place.values()),
        strangers=strangers,
        walks=[] if row is None else sorted({place.floor for place in row.places}),
        mark=version,
        asks=ask == "off",
        can_change=desk is not None and not trouble,
        filled=filled or {},
        conflict=saved is not None and saved.code == "conflict",
        mistakes=[]
        if saved is None
        else list(dict.fromkeys(say.mistake_text(one, said) for one in saved.mistakes))
        + ([said("The plan file cannot be written: {w}").format(w=saved.why)] if saved.why else []),
        **_note(done, said),
    )


def _note(done: str, said: Words) -> dict[str, Any]:
    return {"note": said(_NOTES[done]) if done in _NOTES else "", "note_is_good": True, "waits": False}


def _row(row: DeviceRow, context: PageContext, said: Words) -> dict[str, Any]:
    days = row.battery_days
    return {
        "device": row.device,
        "gateway": row.gateway,
        "floors": sorted({context.plan.floor[place.floor].number for place in row.places}),
        "places": [place.label for place in row.places],
        "kits": sorted({sensor.kit for _, sensor in row.inputs}),
        "state": row.state,
        "state_text": said(_STATES[row.state]),
        "letter": {"ok": "f", "lost": "r"}.get(row.state, "x"),
        "reason": reason_text(row.reason, said) if row.reason and row.state != "unheard" else "",
        "age": seconds(row.age_s, said),
        "battery": "" if row.battery_pct is None else f"{row.battery_pct:.0f} %",
        "days": "" if days is None else said("about {n} days").format(n=round(days)),
        "ends_soon": days is not None and days <= 30,
        "quality": ", ".join(said.of(QUALITY_WORDS[quality]) for quality in row.qualities),
        "firmware": row.firmware,
        "model": row.model,
    }


def _inputs(row: DeviceRow, context: PageContext, said: Words) -> list[dict[str, str]]:
    return [
        {
            "place": place.label,
            "zone": said.of(context.plan.zone[place.zone].name),
            "kit": sensor.kit,
            "channel": sensor.channel or "",
        }
        for place, sensor in row.inputs
    ]


def _stranger(one: UnclaimedDevice, context: PageContext, said: Words) -> dict[str, Any]:
    return {
        "device": one.device,
        "gateway": one.gateway,
        "kinds": ", ".join(said(_KINDS.get(kind, kind)) for kind in one.kinds),
        "channels": list(one.channels),
        "last": f"{context.local(one.last_seen):%d-%m %H:%M}",
        "count": one.count,
    }


def _drawing(floor: Floor, rows: list[DeviceRow], said: Words) -> str:
    letters = letters_of(floor, rows)
    title = said("Floor plan: {n} of {c} places with working devices").format(
        n=letters.count("f"), c=len(letters)
    )
    plan_words = PlanWords(title, said("You are here"), lambda zone: said.of(zone.name))
    return draw_floor(floor, letters, plan_words)
