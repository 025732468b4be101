"""The addresses of the interface."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from dashboard.api.models import (
    DecisionAnswer,
    FloorAnswer,
    HealthAnswer,
    PlaceAnswer,
    RefusalAnswer,
    ScreensAnswer,
    UnclaimedAnswer,
    WhyAnswer,
    Wish,
    WishAnswer,
)
from dashboard.api.views import (
    channel_answers,
    channel_reasons,
    decision_answer,
    floor_answer,
    gateway_answer,
    outbox_answer,
    place_answer,
    why_answer,
)
from dashboard.page_context import PageContext
from dashboard.why.card import find
from workplace.errors import StoreUnavailable
from workplace.events import Decision

#: Ingest speaks every few seconds; past this it is silent, s.
INGEST_SILENT_S = 15.0
PREFIX = "/api/v1"

Responses = dict[int | str, dict[str, Any]]
_NOT_FOUND: Responses = {404: {"model": RefusalAnswer, "description": "No such floor or place"}}
_NO_HISTORY: Responses = {503: {"model": RefusalAnswer, "description": "The history cannot be read now"}}
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}
#: What stands before the interface says in its own words: `dashboard.guard`.
_GUARDED: Responses = {
    400: {
        "model": RefusalAnswer,
        "description": "Unknown host name (text), or a body that is no text",
        **_TEXT,
    }
}
_FOR_STAFF: Responses = {
    401: {"description": "The password of staff is needed", **_TEXT},
    403: {"description": "From another site, or no password is set and not from this machine", **_TEXT},
    413: {"description": "More was sent than any call needs", **_TEXT},
    429: {"description": "Too many wrong passwords: `Retry-After` says how long to wait, s", **_TEXT},
}
_PASSWORD: dict[str, Any] = {"security": [{"staff": []}]}


def make_router(context: PageContext) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["v1"], responses=_GUARDED)
    started_at = time.monotonic()
    _add_health(router, context, started_at)
    _add_floors(router, context)
    _add_places(router, context)
    _add_why(router, context)
    _add_devices(router, context)
    _add_schema(router, context)
    return router


def methods_there(router: APIRouter, request: Request) -> list[str]:
    """Return what may be asked of an address that exists, but not with the method of this request; else nothing."""
    found: set[str] = set()
    for route in router.routes:
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] is Match.PARTIAL:
            found |= route.methods or set()
    return sorted(found)


def _missing() -> JSONResponse:
    return JSONResponse({"detail": "not found"}, status_code=404)


def _add_health(router: APIRouter, context: PageContext, started_at: float) -> None:
    @router.get("/health", response_model=HealthAnswer)
    async def health(response: Response) -> HealthAnswer:
        """How the whole chain is doing; always 200, the word is in `status`: ok, degraded or down."""
        answer = read_health(context, time.monotonic() - started_at)
        response.headers["Cache-Control"] = "no-store"
        return answer


def _add_floors(router: APIRouter, context: PageContext) -> None:
    @router.get("/floors", response_model=list[FloorAnswer])
    async def floors() -> list[FloorAnswer]:
        """All floors, their zones with counts and every place."""
        snapshot, now = context.live.snapshot(), context.clock.now()
        grades = await context.grades.read()
        return [
            floor_answer(context.floor_view(floor), snapshot, now, grades) for floor in context.plan.floors
        ]

    @router.get("/floors/{floor}", response_model=FloorAnswer, responses=_NOT_FOUND)
    async def one_floor(floor: str) -> FloorAnswer | JSONResponse:
        """One floor with every place."""
        found = context.plan.floor.get(floor)
        if found is None:
            return _missing()
        grades = await context.grades.read()
        return floor_answer(context.floor_view(found), context.live.snapshot(), context.clock.now(), grades)


def _add_places(router: APIRouter, context: PageContext) -> None:
    @router.get("/places/{place}", response_model=PlaceAnswer, responses=_NOT_FOUND)
    async def one_place(place: str) -> PlaceAnswer | JSONResponse:
        found = context.plan.place.get(place)
        if found is None:
            return _missing()
        grade = (await context.grades.read()).get(place)
        return place_answer(found, context.live.snapshot().places.get(place), context.clock.now(), grade)

    @router.get(
        "/places/{place}/decisions",
        response_model=list[DecisionAnswer],
        responses={**_NOT_FOUND, **_FOR_STAFF},
        openapi_extra=_PASSWORD,
    )
    async def decisions(
        place: str, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> list[DecisionAnswer] | JSONResponse:
        """Why the place is as it is, newest first."""
        if place not in context.plan.place:
            return _missing()
        return [decision_answer(decision) for decision in await read_decisions(context, place, limit)]

    @router.post(
        "/places/{place}/requests",
        response_model=WishAnswer,
        responses={**_NOT_FOUND, **_FOR_STAFF, 409: {"model": WishAnswer}, 504: {"model": WishAnswer}},
        openapi_extra=_PASSWORD,
    )
    async def ask(place: str, wish: Wish, response: Response) -> WishAnswer | JSONResponse:
        """Ask something of the engine. 409 when it refuses, 504 when it does not answer."""
        if place not in context.plan.place:
            return _missing()
        target = None if wish.action in {"pause", "resume"} else place
        outcome = await context.ask(
            wish.action, role="staff", place=target, minutes=wish.minutes, undoes=wish.undoes
        )
        if not outcome.accepted:
            response.status_code = 504 if outcome.reason in {"no_answer", "broker_unreachable"} else 409
        return WishAnswer(accepted=outcome.accepted, reason=outcome.reason, request=outcome.request)


def _add_why(router: APIRouter, context: PageContext) -> None:
    @router.get(
        "/decisions/{decision}",
        response_model=WhyAnswer,
        responses={
            404: {"model": RefusalAnswer, "description": "No such decision, or no longer kept"},
            **_NO_HISTORY,
            **_FOR_STAFF,
        },
        openapi_extra=_PASSWORD,
    )
    async def why(decision: str) -> WhyAnswer | JSONResponse:
        """The why-card: rule, version of the policy, signals with their age, timeline, what would have changed it."""
        try:
            card = await find(context, decision)
        except StoreUnavailable:
            return JSONResponse({"detail": "history cannot be read now"}, status_code=503)
        return _missing() if card is None else why_answer(card)


def _add_devices(router: APIRouter, context: PageContext) -> None:
    @router.get(
        "/devices/unclaimed",
        response_model=list[UnclaimedAnswer],
        responses=_NO_HISTORY,
    )
    async def unclaimed() -> list[UnclaimedAnswer] | JSONResponse:
        """Devices that are heard but have no place yet, last heard first; empty when there is no history."""
        if context.history is None:
            return []
        try:
            found = await asyncio.to_thread(context.history.unclaimed)
        except StoreUnavailable:
            return JSONResponse({"detail": "history cannot be read now"}, status_code=503)
        return [
            UnclaimedAnswer(**asdict(device)) for device in found if device.device not in context.plan.devices
        ]


def _add_schema(router: APIRouter, context: PageContext) -> None:
    @router.get("/openapi.json", include_in_schema=False)
    async def schema() -> JSONResponse:
        return JSONResponse(openapi_document(router, context.version))


def openapi_document(router: APIRouter, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of the interface."""
    document = get_openapi(
        title="Plekvrij",
        version=version,
        description="Live places, zones and health of one site. Times: UTC site time, ages: real s.",
        routes=router.routes,
    )
    document["components"]["securitySchemes"] = {"staff": {"type": "http", "scheme": "basic"}}
    return document


async def read_decisions(context: PageContext, place: str, limit: int) -> list[Decision]:
    """Return the newest decisions of a place from history, or what was heard when there is no history."""
    if context.history is not None:
        try:
            return await asyncio.to_thread(context.history.decisions, place=place, limit=limit)
        except StoreUnavailable:
            pass
    return list(context.live.decisions(place)[:limit])


def read_health(context: PageContext, uptime_s: float) -> HealthAnswer:
    live = context.live
    ingest, ingest_age_s = live.ingest()
    notifier, notifier_age_s = live.notifier()
    gateways = live.gateways()
    answers = [gateway_answer(context.plan, view) for view in gateways]
    broker: Literal["connected", "disconnected", "none"] = "none"
    if live.is_broker_connected is not None:
        broker = "connected" if live.is_broker_connected else "disconnected"
    is_silent = ingest_age_s is None or ingest_age_s > INGEST_SILENT_S
    reasons = [f"gateway_{a.status}:{a.id}" for a in answers if a.status != "online"]
    reasons += [
        f"zone_silent:{zone.zone.id}"
        for floor in context.plan.floors
        for zone in context.floor_view(floor).zones
        if zone.freshness != "live"
    ]
    reasons += channel_reasons(notifier, notifier_age_s)
    is_down = is_silent or broker == "disconnected"
    if is_silent:
        reasons.insert(0, "ingest_silent")
    if broker == "disconnected":
        reasons.insert(0, "broker_disconnected")
    return HealthAnswer(
        status="down" if is_down else "degraded" if reasons else "ok",
        reasons=reasons,
        version=context.version,
        uptime_s=round(uptime_s, 1),
        site=context.plan.site,
        site_time=context.clock.now(),
        clock_speed=context.clock.speed,
        gateways=answers,
        outbox=outbox_answer(gateways),
        store={} if ingest is None else ingest.store,
        sink=None if ingest is None else ingest.sink,
        broker=broker,
        ingest_age_s=None if ingest_age_s is None else round(ingest_age_s, 1),
        ingest_version=None if ingest is None else ingest.version,
        ingest_uptime_s=None if ingest is None else ingest.uptime_s,
        events_total=None if ingest is None else ingest.events_total,
        duplicates_total=None if ingest is None else ingest.duplicates_total,
        late_total=None if ingest is None else ingest.late_total,
        last_event_age_s=None
        if ingest is None or ingest.last_event_age_s is None
        else round(ingest.last_event_age_s + (ingest_age_s or 0.0), 1),
        quarantined={} if ingest is None else ingest.quarantined,
        rejected=dict(live.rejected),
        policy_hash=None if ingest is None else ingest.policy_hash,
        paused=ingest is not None and ingest.paused,
        pause_causes=[] if ingest is None else list(ingest.pause_causes),
        screens=ScreensAnswer(open=context.feed.screens, resynchronised=context.feed.resynchronised),
        channels=channel_answers(notifier),
        channels_age_s=None if notifier_age_s is None else round(notifier_age_s, 1),
    )
