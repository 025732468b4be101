"""`/staff/policy`: to read, and a switch that is asked twice. The policy itself is changed where it is agreed on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from dashboard.council import words as say
from dashboard.council.pages import policy_values, standing_of
from dashboard.council.versions import PolicyVersions
from dashboard.guard import current_language
from dashboard.i18n import LANGUAGES, N_, Words, words
from dashboard.page_context import PageContext
from dashboard.wording import POLICY_WORDS, reason_text
from workplace import policy
from workplace.policy import Policy

_DONE = {
    "pause": N_("Done. The rules stand still. Every screen says so."),
    "resume": N_("Done. The rules apply again."),
}
#: Answers of the engine that this page may repeat; anything else in the address is ignored.
_REFUSALS = frozenset({"no_answer", "broker_unreachable", "too_late", "not_allowed", "coverage", "mode"})


def make_router(context: PageContext, rules: Policy, versions: PolicyVersions) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/staff/policy")
    async def show(ask: str = "", done: str = "") -> Response:
        said = words(current_language.get())
        standing = standing_of(context)
        told = said(_DONE[done]) if done in _DONE else reason_text(done, said) if done in _REFUSALS else ""
        return context.render(
            "policy_page/policy.html",
            here="policy",
            standing=standing,
            pauses=[said(POLICY_WORDS[f"paused_{cause}"]) for cause in standing.causes],
            asks=ask == "switch",
            texts=[(language, policy.describe(rules, language)) for language in LANGUAGES],
            zones=_zones(context, rules, said),
            exempt_places=sorted(rules.exempt),
            note=told,
            note_is_good=done in _DONE,
            waits=False,
            **{
                name: value
                for name, value in policy_values(context, rules, versions, said).items()
                if name not in {"sentences", "exempt"}
            },
        )

    @router.post("/staff/policy/switch")
    async def press(action: Annotated[str, Form(max_length=16)] = "") -> Response:
        if action not in _DONE:
            return RedirectResponse("/staff/policy?ask=switch", status_code=303)
        outcome = await context.ask("pause" if action == "pause" else "resume", role="staff")
        return RedirectResponse(
            f"/staff/policy?done={action if outcome.accepted else outcome.reason}", status_code=303
        )

    return router


def _zones(context: PageContext, rules: Policy, said: Words) -> list[dict[str, Any]]:
    """Return each zone with the mode that the policy gives it and the one that runs."""
    heard = context.live.snapshot().zones
    found = []
    for zone in context.plan.zone.values():
        state = heard.get(zone.id)
        found.append(
            {
                "floor": context.plan.floor[zone.floor].number,
                "name": said.of(zone.name),
                "mode": said(say.MODES[rules.mode(zone)]),
                "runs": "" if state is None else said(say.MODES[state.mode]),
                "applies": None if state is None else state.enforced,
            }
        )
    return found
