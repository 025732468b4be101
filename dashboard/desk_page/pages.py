"""`/desk/<place>`: works without a script. A person can ask for more time here, and not to be disturbed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Form
from starlette.responses import JSONResponse, RedirectResponse, Response

from dashboard.desk_page.notes import DeskNote, note_of
from dashboard.desk_page.taps import TapStore, tap_of
from dashboard.desk_page.tokens import WishLimit, hour_of, is_token, make_token
from dashboard.glyphs import LETTER
from dashboard.guard import current_language
from dashboard.i18n import N_, Words, words
from dashboard.page_context import PageContext
from dashboard.view_models import phase_of, policy_code
from dashboard.wording import POLICY_WORDS, reason_text
from workplace.errors import StoreUnavailable
from workplace.events import HoldPhase, PlaceState, RequestAction
from workplace.floor_plan import Place

log = structlog.get_logger(__name__)

_HEADLINES: dict[HoldPhase, str] = {
    "free": N_("This place is free"),
    "in_use": N_("This place is in use"),
    "just_left": N_("Just left"),
    "reclaimable": N_("This place may be used"),
    "unknown": N_("We cannot tell"),
    "exempt": N_("Fixed place"),
}
_NOTES: dict[str, str] = {
    "token": N_("This page was open for too long. Please press the button again."),
    "too_many": N_("This place was extended often enough for now."),
    "told_often": N_("For this place we have heard enough for now. Thank you."),
    "not_kept": N_("This could not be kept. Please try again in a minute."),
}
_THANKS = N_(
    "Thank you. We only use this to measure better. It changes nothing about this place, it is shown to nobody, and we"
    " do not know who you are."
)


_FIXED = N_("Somebody needs this very place. Please choose another one.")

#: A program asks again after this, real s: a note is seen a third of its five minutes before its time at the latest.
POLL_S = 30

HourMinute = Callable[[datetime | None], str]


@dataclass(frozen=True, slots=True)
class DeskState:
    """What the page says of a place. `left_min` is None without a limit that counts."""

    phase: HoldPhase
    sentences: tuple[str, ...]
    left_min: int | None
    used_pct: int
    can_extend: bool
    can_be_quiet: bool = False
    note: DeskNote | None = None


def make_router(context: PageContext, taps: TapStore) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    # A new key at each start: pages opened before ask once more.
    key = secrets.token_bytes(32)
    _add_looks(router, context, key)
    _add_wishes(router, context, key)
    _add_taps(router, context, taps, key)
    return router


def _add_looks(router: APIRouter, context: PageContext, key: bytes) -> None:
    @router.get("/desk/{place}")
    async def desk(place: str, done: str = "") -> Response:
        found = context.plan.place.get(place)
        if found is None:
            return context.render("start/not_found.html", status=404)
        return _render(context, found, make_token(key, place, hour_of(time.time())), done)

    @router.get("/desk/{place}/state")
    async def state(place: str) -> JSONResponse:
        """The same for a program: what the page says now, in the language asked for. Nothing is kept of who asks."""
        found = context.plan.place.get(place)
        if found is None:
            return JSONResponse({"detail": "not found"}, status_code=404)
        return JSONResponse(_answer(context, found), headers={"Cache-Control": "no-store"})


def _add_wishes(router: APIRouter, context: PageContext, key: bytes) -> None:
    limit = WishLimit(context.settings.desk_requests_per_hour)

    @router.post("/desk/{place}/extend")
    async def extend(place: str, token: Annotated[str, Form(max_length=64)] = "") -> Response:
        if place not in context.plan.place:
            return context.render("start/not_found.html", status=404)
        done = await _ask(place, token, "extend", context.settings.extend_minutes)
        return RedirectResponse(f"/desk/{place}?done={done}", status_code=303)

    @router.post("/desk/{place}/quiet")
    async def quiet(place: str, token: Annotated[str, Form(max_length=64)] = "") -> Response:
        if place not in context.plan.place:
            return context.render("start/not_found.html", status=404)
        done = await _ask(place, token, "quiet", None)
        return RedirectResponse(f"/desk/{place}?done={'quiet' if done == 'ok' else done}", status_code=303)

    async def _ask(place: str, token: str, action: RequestAction, minutes: int | None) -> str:
        if not is_token(key, place, hour_of(time.time()), token):
            return "token"
        if not limit.allow(place, time.monotonic()):
            return "too_many"
        outcome = await context.ask(action, role="desk", place=place, minutes=minutes)
        return "ok" if outcome.accepted else outcome.reason


def _add_taps(router: APIRouter, context: PageContext, taps: TapStore, key: bytes) -> None:
    # A limit of its own: who says that we are wrong must not use up anybody's extensions.
    limit = WishLimit(context.settings.desk_requests_per_hour)

    @router.post("/desk/{place}/wrong")
    async def wrong(
        place: str,
        token: Annotated[str, Form(max_length=64)] = "",
        somebody: Annotated[Literal["yes", "no"] | None, Form()] = None,
    ) -> Response:
        found = context.plan.place.get(place)
        if found is None or found.fixed or somebody is None:
            return context.render("start/not_found.html", status=404)
        done = await _keep(place, token, is_there=somebody == "yes")
        return RedirectResponse(f"/desk/{place}?done={done}", status_code=303)

    async def _keep(place: str, token: str, *, is_there: bool) -> str:
        if not is_token(key, place, hour_of(time.time()), token):
            return "token"
        if not limit.allow(place, time.monotonic()):
            return "told_often"
        state = context.live.snapshot().places.get(place)
        tap = tap_of(place, is_there=is_there, state=state, now=context.clock.now())
        try:
            await asyncio.to_thread(taps.keep, tap)
        except StoreUnavailable as error:
            log.warning("tap_not_kept", error=str(error))
            return "not_kept"
        return "told"


def _answer(context: PageContext, place: Place) -> dict[str, object]:
    said = words(current_language.get())
    state = context.live.snapshot().places.get(place.id)
    desk = describe(place, state, context.clock.now(), said, context.hour_minute)
    return {
        "v": 1,
        "place": place.id,
        "label": place.label,
        "state": desk.phase,
        "headline": said(_HEADLINES[desk.phase]),
        "sentences": list(desk.sentences),
        "left_min": desk.left_min,
        "note": None if desk.note is None else {"id": desk.note.id, "text": desk.note.text},
        "poll_s": POLL_S,
    }


def _render(context: PageContext, place: Place, token: str, done: str) -> Response:
    said = words(current_language.get())
    floor = context.plan.floor[place.floor]
    view = context.floor_view(floor)
    state = context.live.snapshot().places.get(place.id)
    desk = describe(place, state, context.clock.now(), said, context.hour_minute)
    return context.render(
        "desk_page/desk.html",
        place=place,
        zone=context.plan.zone[place.zone],
        floor=floor,
        letter=LETTER[desk.phase],
        headline=said(_HEADLINES[desk.phase]),
        told="" if desk.note is None else desk.note.text,
        sentences=desk.sentences,
        left_min=desk.left_min,
        used_pct=desk.used_pct,
        can_extend=desk.can_extend,
        can_be_quiet=desk.can_be_quiet,
        policy=said(POLICY_WORDS[policy_code(view)]) if view.is_paused else "",
        extend_minutes=context.settings.extend_minutes,
        token=token,
        note=_note(done, said),
        note_is_good=done in {"ok", "quiet", "told"},
        can_be_wrong=not place.fixed,
        zones=[zone for zone in view.zones if zone.open_capacity > 0],
        others=view.others,
    )


def _note(done: str, said: Words) -> str:
    if not done:
        return ""
    if done == "ok":
        return said("Done. You can stay longer.")
    if done == "quiet":
        return said("Done. Nobody is reminded of the time for now.")
    if done == "told":
        return said(_THANKS)
    return said(_NOTES[done]) if done in _NOTES else reason_text(done, said)


def describe(
    place: Place, state: PlaceState | None, now: datetime, said: Words, hour_minute: HourMinute
) -> DeskState:
    """Return what the page of one place says at `now`."""
    phase = phase_of(place, state, now)
    if phase == "unknown" or state is None:
        text = said("The sensor of this place gives no data now. Please look for yourself.")
        return DeskState(phase, (text,) if phase == "unknown" else (said(_FIXED),), None, 0, can_extend=False)
    is_in_force = state.mode in {"notes", "active"}
    note = note_of(state, phase, now, said, hour_minute)
    left_min, used_pct = None, 0
    if phase in {"in_use", "just_left"} and is_in_force and state.limit_at is not None:
        left_s = max(0.0, (state.limit_at - now).total_seconds())
        left_min = round(left_s / 60)
        started = state.hold_since if state.limit_kind == "stay" else state.away_since
        total_s = (state.limit_at - (started or state.since)).total_seconds()
        used_pct = 0 if total_s <= 0 else min(100, round(100 * (1 - left_s / total_s)))
    return DeskState(
        phase,
        tuple(_sentences(phase, state, said, hour_minute, is_in_force=is_in_force)),
        left_min,
        used_pct,
        can_extend=is_in_force
        and phase in {"in_use", "just_left"}
        and (state.limit_at is not None or note is not None),
        can_be_quiet=is_in_force
        and phase == "in_use"
        and (state.limit_at is not None or note is not None)
        and state.quiet_until is None,
        note=note,
    )


def _until(state: PlaceState, said: Words, hour_minute: HourMinute, *, is_in_force: bool) -> Iterator[str]:
    if is_in_force and state.limit_at is not None:
        yield said("Until {t} at least.").format(t=hour_minute(state.limit_at))
    elif not is_in_force or state.notice == "none":  # else the note says it
        yield said("There is no time limit now.")


def _sentences(
    phase: HoldPhase, state: PlaceState, said: Words, hour_minute: HourMinute, *, is_in_force: bool
) -> Iterator[str]:
    since = hour_minute(state.hold_since or state.since)
    match phase:
        case "free":
            yield said("Sit down and put your things on the desk; the sensor does the rest.")
        case "in_use":
            yield said("Since {t}.").format(t=since)
            yield from _until(state, said, hour_minute, is_in_force=is_in_force)
        case "just_left":
            yield said("Nobody was noticed here since {t}.").format(
                t=hour_minute(state.away_since or state.since)
            )
            if is_in_force and state.limit_at is not None:
                yield said("From {t} somebody else may sit here.").format(t=hour_minute(state.limit_at))
        case "reclaimable":
            yield said("There may still be belongings; put them aside with care.")
        case "exempt":
            yield said(_FIXED)
        case "unknown":  # said before
            return
    yield from _asked_for(state, said, hour_minute)


def _asked_for(state: PlaceState, said: Words, hour_minute: HourMinute) -> Iterator[str]:
    if state.quiet_until is not None:
        yield said("Do not disturb until {t}.").format(t=hour_minute(state.quiet_until))
    if state.extended_until is not None:
        yield said("Extended until {t}.").format(t=hour_minute(state.extended_until))
