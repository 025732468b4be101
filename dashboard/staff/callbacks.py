"""What happens when something changes on the staff page.

Every callback is async: one event loop serves all screens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args
from urllib.parse import parse_qs

from dash import Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import i18n
from dashboard.api.routes import read_decisions
from dashboard.guard import current_language
from dashboard.i18n import Words
from dashboard.page_context import PageContext
from dashboard.staff import parts, sensors
from dashboard.staff.channels import channels
from dashboard.staff.day import day_figure, day_head, day_rows, day_summary
from dashboard.staff.history import page as history
from dashboard.staff.layout import drawn_id, page
from dashboard.staff.markup import markup
from dashboard.view_models import hold_list
from dashboard.wording import reason_text
from workplace.errors import StoreUnavailable
from workplace.events import RequestAction
from workplace.floor_plan import Floor
from workplace.holds.undo import UNDOABLE
from workplace.ports import ZoneBin

#: Decisions in the panel of a chosen place; the interface gives more.
_DECISIONS_SHOWN = 5
_SITE_WIDE = frozenset({"pause", "resume"})
#: Actions that take something from somebody: asked twice.
_ASKED_TWICE = frozenset({"release", "pause"})

Callback = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One callback: what it writes, what it reads, and the function."""

    outputs: tuple[Any, ...]
    inputs: tuple[Any, ...]
    function: Callback


def callback_table(context: PageContext) -> list[Entry]:
    """Return all callbacks of the staff page."""
    page_now = State("page", "data")
    return [
        Entry(
            (Output("root", "children"),),
            (Input("url", "pathname"), Input("url", "search")),
            _page(context),
        ),
        Entry(
            (Output("kpi", "children"), _drawn("gateways"), _drawn("channels")),
            (Input("rev", "data"), Input("page", "data")),
            _figures(context),
        ),
        Entry(
            (_drawn("holds"),),
            (Input("rev-list", "data"), Input("page", "data")),
            _holds(context),
        ),
        Entry(
            (_drawn("all-places"),),
            (Input("rev-table", "data"), Input("page", "data")),
            _all_places(context),
        ),
        Entry(
            (Output("chosen", "children"),),
            (Input("sel", "data"), Input("flash", "children"), page_now),
            _chosen(context),
        ),
        Entry(
            (
                Output("flash", "children"),
                Output("confirm", "displayed"),
                Output("confirm", "message"),
                Output("pending", "data"),
            ),
            (
                Input("act", "data"),
                Input("confirm", "submit_n_clicks"),
                State("pending", "data"),
                page_now,
            ),
            _act(context),
        ),
        Entry(
            (
                Output("day-chart", "figure"),
                Output("day-summary", "children"),
                _drawn("day-table"),
            ),
            (Input("chart-tick", "n_intervals"), Input("page", "data")),
            _day(context),
        ),
        Entry(
            (
                _drawn(history.DRAWN),
                *(Output(chart, "figure") for chart in history.CHARTS),
            ),
            (Input("history-page", "data"),),
            _history(context),
        ),
    ]


def _drawn(part: str) -> Output:
    return Output(drawn_id(part), "data")


def _history(context: PageContext) -> Callback:
    async def show_history(data: dict[str, str] | None) -> tuple[Any, ...]:
        floor, said = _where(context, data)
        days = history.asked_days(data["days"] if data else "")
        return await asyncio.to_thread(history.fill, context, floor, days, said)

    return show_history


def _as_drawn(part: str, content: Any) -> dict[str, str]:
    """Return what the page's script puts into `part`."""
    return {"into": part, "markup": markup(content)}


def _where(context: PageContext, data: dict[str, str] | None) -> tuple[Floor, Words]:
    if not data:
        raise PreventUpdate
    floor = context.plan.floor.get(data["floor"])
    language = i18n.as_language(data["lang"])
    if floor is None or language is None:
        raise PreventUpdate
    return floor, i18n.words(language)


def _page(context: PageContext) -> Callback:
    async def show_page(path: str | None, search: str | None) -> Any:
        asked = parse_qs((search or "").lstrip("?"))
        language = i18n.as_language(asked.get("lang", [""])[0]) or current_language.get()
        floor = context.plan.floor.get(asked.get("floor", [""])[0]) or _first_floor(context)
        said = i18n.words(language)
        if (path or "").rstrip("/") == history.HISTORY_PATH:
            return history.history_page(context, floor, history.asked_days(asked.get("days", [""])[0]), said)
        return page(context, floor, said)

    return show_page


def _first_floor(context: PageContext) -> Floor:
    """Return the floor with most places: the one most questions are about."""
    return max(context.plan.floors, key=lambda floor: sum(len(zone.places) for zone in floor.zones))


def _figures(context: PageContext) -> Callback:
    async def show_figures(_: Any, data: dict[str, str] | None) -> tuple[Any, Any, Any]:
        floor, said = _where(context, data)
        view = context.floor_view(floor)
        return (
            [*parts.kpis(view, said), parts.policy_line(view, said)],
            _as_drawn("gateways", sensors.gateways(context.plan, context.live.gateways(), floor.id, said)),
            _as_drawn("channels", channels(*context.live.notifier(), said)),
        )

    return show_figures


def _holds(context: PageContext) -> Callback:
    async def show_holds(_: Any, data: dict[str, str] | None) -> Any:
        floor, said = _where(context, data)
        rows = hold_list(floor, context.live.snapshot(), context.clock.now())
        return _as_drawn("holds", parts.holds(rows, said, context.hour_minute))

    return show_holds


def _all_places(context: PageContext) -> Callback:
    async def show_all_places(_: Any, data: dict[str, str] | None) -> Any:
        floor, said = _where(context, data)
        view, snapshot = context.floor_view(floor), context.live.snapshot()
        now, grades = context.clock.now(), await context.grades.read()
        table = parts.all_places(view, snapshot, now, said, context.hour_minute, grades)
        return _as_drawn("all-places", table)

    return show_all_places


def _chosen(context: PageContext) -> Callback:
    async def show_chosen(chosen: str | None, _: Any, data: dict[str, str] | None) -> Any:
        _, said = _where(context, data)
        place = context.plan.place.get(chosen or "")
        if place is None:
            return []
        decisions = await read_decisions(context, place.id, _DECISIONS_SHOWN)
        state = context.live.snapshot().places.get(place.id)
        grade = (await context.grades.read()).get(place.id)
        return parts.chosen(place, state, decisions, context.clock.now(), said, context.hour_minute, grade)

    return show_chosen


def _act(context: PageContext) -> Callback:
    async def act(
        pressed: dict[str, str] | None,
        _confirmed: int | None,
        pending: dict[str, str] | None,
        data: dict[str, str] | None,
    ) -> tuple[Any, Any, Any, Any]:
        _, said = _where(context, data)
        if ctx.triggered_id == "confirm":
            if not pending:
                raise PreventUpdate
            return await _do(context, pending["action"], pending["place"], "", said), False, no_update, None
        if not pressed:
            raise PreventUpdate  # the page has just come
        action, place = str(pressed["action"]), str(pressed["place"])
        if action in _ASKED_TWICE:
            return (
                no_update,
                True,
                _question(context, action, place, said),
                {"action": action, "place": place},
            )
        return (
            await _do(context, action, place, str(pressed.get("request", "")), said),
            no_update,
            no_update,
            None,
        )

    return act


def _question(context: PageContext, action: str, place: str, said: Words) -> str:
    if action == "pause":
        return said("Pause all hold times? Every screen shows it.")
    found = context.plan.place.get(place)
    label = "" if found is None else found.label
    return said("Release {place}? The screens then show that anybody may use it.").format(place=label)


async def _do(context: PageContext, action: str, place: str, request: str, said: Words) -> Any:
    """Ask the engine; ids come from the browser, so they are checked like any input.

    Args:
        request: of an undo, the wish to take back.
    """
    found = context.plan.place.get(place)
    known: RequestAction | None = next((one for one in get_args(RequestAction) if one == action), None)
    if known is None or (found is None and known not in _SITE_WIDE):
        raise PreventUpdate
    outcome = await context.ask(
        known,
        role="staff",
        place=None if action in _SITE_WIDE or found is None else found.id,
        minutes=60 if action == "extend" else None,
        undoes=request[:64] if action == "undo" else None,
    )
    label = found.label if found is not None else said("Hold rules")
    if not outcome.accepted:
        return html.P(f"{label}: {reason_text(outcome.reason, said)}", className="st-bad")
    done = said("Undone.") if action == "undo" else said("Done.")
    button: list[Any] = []
    if found is not None and action in UNDOABLE and context.settings.undo_s > 0:
        button = [parts.undo_button(found, outcome.request, context.settings.undo_s, said)]
    return html.P([f"{label}: {done}", *button], className="st-good")


def _day(context: PageContext) -> Callback:
    async def show_day(_: Any, data: dict[str, str] | None) -> tuple[Any, str, dict[str, str]]:
        floor, said = _where(context, data)
        bins = await _bins_of_today(context, floor)
        rows = day_rows(floor, bins, said)
        return (
            day_figure(floor, bins, context.plan.tz, said),
            day_summary(bins, context.plan.tz, said),
            _as_drawn(
                "day-table", parts.table(day_head(said), rows, said("The day so far")) if rows else None
            ),
        )

    return show_day


async def _bins_of_today(context: PageContext, floor: Floor) -> list[ZoneBin]:
    if context.history is None:
        return []
    now = context.clock.now()
    local = context.local(now)
    midnight = datetime(local.year, local.month, local.day, tzinfo=context.plan.tz)
    zones = [zone.id for zone in floor.zones]
    try:
        return await asyncio.to_thread(context.history.zone_bins, zones, midnight, now + timedelta(seconds=1))
    except StoreUnavailable:
        return []
