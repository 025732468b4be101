"""`/staff/why/<decision>`: the why-card to read, made for somebody who asks why a place was given away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from dashboard.glyphs import LETTER
from dashboard.guard import current_language
from dashboard.i18n import N_, Words, words
from dashboard.page_context import PageContext
from dashboard.why.card import Moment, WhyCard, find
from dashboard.why.rules import counterfactual_text, rule_text
from dashboard.wording import PHASE_WORDS, POLICY_WORDS, reason_text
from workplace.errors import StoreUnavailable
from workplace.events import Signal

_KINDS: dict[str, str] = {
    "link": N_("laptop plugged in"),
    "motion": N_("motion"),
    "occupancy": N_("occupancy"),
    "presence": N_("presence"),
    "count": N_("people counted"),
    "cause": N_("cause"),
    "false_releases": N_("false releases"),
    "releases": N_("releases"),
    "coverage_pct": N_("trusted inputs, %"),
    "dropped": N_("links that dropped"),
    "links": N_("links"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline: `letter` of a state, empty for a decision."""

    at: str
    text: str
    letter: str
    is_this: bool


def make_router(context: PageContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/staff/why/{decision}")
    async def why(decision: str) -> Response:
        try:
            card = await find(context, decision)
        except StoreUnavailable:
            card = None
        if card is None:
            return context.render("start/not_found.html", status=404)
        return _render(context, card)

    return router


def _render(context: PageContext, card: WhyCard) -> Response:
    said, made = words(current_language.get()), card.decision
    place = context.plan.place.get(made.place)
    zone = context.plan.zone.get(made.zone)
    return context.render(
        "why/card.html",
        made=made,
        title=said("Whole building") if place is None else f"{said('Place')} {place.label}",
        where="" if zone is None else said.of(zone.name),
        when=_moment(context, made.at),
        action=reason_text(made.action, said),
        rule=rule_text(made.rule, said),
        counterfactual=counterfactual_text(made.counterfactual, said),
        signals=[
            (_kind(one, said), _value(one.value, said), _age(one.age_s, said), one.device)
            for one in made.signals
        ],
        clocks=[
            (label, _age(seconds, said))
            for label, seconds in ((said("Away"), made.away_s), (said("Hold"), made.stay_s))
            if seconds is not None
        ],
        timeline=[_line(context, moment, card, said) for moment in card.timeline],
    )


def _line(context: PageContext, moment: Moment, card: WhyCard, said: Words) -> Line:
    at = f"{context.local(moment.at):%H:%M:%S}"
    if moment.decision is not None:
        made = moment.decision
        noted = "" if made.acted else f", {said('recorded only')}"
        text = f"{reason_text(made.action, said)} ({made.rule}{noted})"
        return Line(at, text, "", made.id == card.decision.id)
    assert moment.turn is not None  # noqa: S101 - a moment is one or the other
    why = ", ".join(reason_text(code, said) for code in moment.turn.reasons)
    phase = said(PHASE_WORDS[moment.turn.phase])
    return Line(at, f"{phase}: {why}" if why else phase, LETTER[moment.turn.phase], is_this=False)


def _moment(context: PageContext, at: datetime) -> str:
    return f"{context.local(at):%d-%m-%Y %H:%M:%S}"


def _kind(signal: Signal, said: Words) -> str:
    return said(_KINDS[signal.kind]) if signal.kind in _KINDS else signal.kind


def _value(value: bool | int | float | str, said: Words) -> str:
    if isinstance(value, bool):
        return said("yes") if value else said("no")
    if f"paused_{value}" in POLICY_WORDS:
        return said(POLICY_WORDS[f"paused_{value}"])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _age(seconds: float, said: Words) -> str:
    """Return an age to the second within the hour, to the minute beyond it."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return said("{m} min {s} s").format(m=minutes, s=rest) if rest else said("{m} min").format(m=minutes)
    hours, minutes = divmod(minutes, 60)
    return said("{h} h {m} min").format(h=hours, m=minutes)
