"""`/council`: to read for everybody. `/council/switch`: stop the rules, asked twice, for who may.

No answer here names a place, and nothing that is read here is about a place: see `dashboard.council.figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from babel.dates import format_date
from babel.numbers import format_decimal
from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from dashboard.accounts.book import AccountBook
from dashboard.council import words as say
from dashboard.council.figures import Back, FigureReader, Figures, ZoneFigures
from dashboard.council.reads import DayReads, ReadsReader, by_role
from dashboard.council.versions import PolicyVersions
from dashboard.guard import current_language
from dashboard.i18n import N_, Words, words
from dashboard.page_context import PageContext
from dashboard.plan_editor.words import ROLES
from dashboard.wording import POLICY_WORDS, reason_text
from workplace import policy
from workplace.events import PauseCause, PolicyMode, RequestAction
from workplace.floor_plan import Zone
from workplace.hold_outcomes import LEAST_DAYS, LEAST_PLACES
from workplace.policy import NEEDS_CONSENT, Policy
from workplace.policy_diff import changes
from workplace.retention import NIGHT_DAYS, ZONE_LEVEL_DAYS

_PAUSED = POLICY_WORDS["paused"]
_RESTS = N_("Not now: it is outside the hours of the rules.")
_DONE: dict[str, str] = {
    "pause": N_("Done. The rules stand still. Every screen says so."),
    "resume": N_("Done. The rules apply again."),
}
#: Answers of the engine that this page may repeat; anything else in the address is ignored.
_REFUSALS = frozenset({"no_answer", "broker_unreachable", "too_late", "not_allowed", "coverage", "mode"})
#: Of these only a person lets the rules go on.
_FOR_A_PERSON = frozenset({"stop_switch", "false_releases"})


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the rules stand still, as the engine says it; `is_known` False when it was not heard."""

    causes: tuple[PauseCause, ...]
    is_paused: bool
    is_known: bool
    rests: bool = False
    """No zone is inside the hours of the rules."""

    @property
    def action(self) -> RequestAction:
        """What the switch would do now."""
        return "resume" if self.is_paused and _FOR_A_PERSON.intersection(self.causes) else "pause"


def make_router(
    context: PageContext, rules: Policy, versions: PolicyVersions, accounts: AccountBook | None = None
) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    figures = FigureReader(context.plan, context.history)
    reads = ReadsReader(accounts, context.plan.tz)

    @router.get("/council")
    async def council(done: str = "") -> Response:
        said = words(current_language.get())
        return context.render(
            "council/council.html",
            **_status(context, rules, said, done),
            **_data(context, rules, said),
            **policy_values(context, rules, versions, said),
            **_counted(context, rules, await figures.read(context.clock.now()), said),
            **_read_by(await reads.read(), said),
        )

    @router.get("/council/switch")
    async def switch() -> Response:
        return context.render("council/switch.html", action=standing_of(context).action)

    @router.post("/council/switch")
    async def press(action: Annotated[str, Form(max_length=16)] = "") -> Response:
        wished = next((one for one in _DONE if one == action), None)
        if wished is None:
            return RedirectResponse("/council/switch", status_code=303)
        outcome = await context.ask("pause" if wished == "pause" else "resume", role="works_council")
        return RedirectResponse(
            f"/council?done={wished if outcome.accepted else outcome.reason}", status_code=303
        )

    @router.get("/council/{_rest:path}")
    async def nothing(_rest: str) -> Response:
        return context.render("start/not_found.html", status=404)

    return router


def _read_by(rows: list[DayReads] | None, said: Words) -> dict[str, Any]:
    """Return who read about single places, by role; None where nobody is told apart."""
    if rows is None:
        return {"readers": None, "reads": ()}
    return {
        "readers": [
            (said(ROLES[one.role]), said(one.page), one.times, one.days, _day(one.last, said))
            for one in by_role(rows)
        ],
        "reads": [(_day(one.day, said), said(ROLES[one.role]), said(one.page), one.times) for one in rows],
    }


def standing_of(context: PageContext) -> Standing:
    """Return what the engine says of itself, else what its zones say."""
    snapshot = context.live.snapshot()
    heard = [
        state
        for zone, state in snapshot.zones.items()
        if snapshot.zone_age_s.get(zone, context.settings.off_after_s + 1) <= context.settings.off_after_s
    ]
    rests = bool(heard) and not any(state.enforced for state in heard)
    health, age_s = context.live.ingest()
    if health is not None and age_s is not None and age_s <= context.settings.off_after_s:
        return Standing(health.pause_causes, health.paused, is_known=True, rests=rests)
    paused = next((state for state in heard if state.paused), None)
    if paused is None:
        return Standing((), is_paused=False, is_known=bool(heard), rests=rests)
    return Standing(paused.pause_causes, is_paused=True, is_known=True)


def _status(context: PageContext, rules: Policy, said: Words, done: str) -> dict[str, Any]:
    standing = standing_of(context)
    strongest: PolicyMode = max(
        (rules.mode(zone) for zone in context.plan.zone.values()), key=list(say.MODES).index, default="off"
    )
    health, _ = context.live.ingest()
    settings = context.settings
    return {
        "standing": standing,
        "pauses": [said(POLICY_WORDS[f"paused_{cause}"]) for cause in standing.causes]
        or ([said(_PAUSED)] if standing.is_paused else []),
        "mode_said": said(
            _RESTS if strongest in NEEDS_CONSENT and standing.rests else say.MODES_SAID[strongest]
        ),
        "note": said(_DONE[done]) if done in _DONE else reason_text(done, said) if done in _REFUSALS else "",
        "note_is_good": done in _DONE,
        "has_password": settings.council_password is not None or settings.staff_password is not None,
        "runs_another": health is not None and health.policy_hash != rules.hash,
    }


def _data(context: PageContext, rules: Policy, said: Words) -> dict[str, Any]:
    return {
        "measured": say.measured(context.plan, said),
        "without_sensor": say.without_sensor(context.plan),
        "desk_days": rules.settings.privacy.desk_level_days,
        "night_days": NIGHT_DAYS,
        "zone_months": round(ZONE_LEVEL_DAYS / 30.4),
    }


def policy_values(
    context: PageContext, rules: Policy, versions: PolicyVersions, said: Words
) -> dict[str, Any]:
    """Return what a page shows of the rules: their text, sum and consent, and what changed."""
    consent = rules.settings.consent
    before = next((one for one in versions.newest() if one.hash != rules.hash), None)
    return {
        "sentences": policy.describe(rules, said.language),
        "exempt": len(rules.exempt),
        "hash": rules.hash,
        "consent": consent,
        "consent_day": "" if consent is None else _day(date.fromisoformat(consent.date), said),
        "consent_fits": rules.has_consent,
        "before": before,
        "before_day": "" if before is None else _day(context.local(before.since).date(), said),
        "changes": ()
        if before is None
        else say.change_sentences(changes(before.settings, rules.settings), said),
    }


def _counted(context: PageContext, rules: Policy, figures: Figures | None, said: Words) -> dict[str, Any]:
    zones = context.live.snapshot().zones

    def mode(zone: Zone) -> PolicyMode:
        return zones[zone.id].mode if zone.id in zones else rules.mode(zone)

    per_zone: Sequence[ZoneFigures] = (
        figures.zones
        if figures is not None
        else [ZoneFigures(zone, None, None, None) for zone in context.plan.zone.values()]
    )
    return {
        "figures": figures,
        "rules": ()
        if figures is None
        else [(say.rule_name(one.rule, said), one.rule, one.acted, one.tried) for one in figures.rules],
        "backs": _backs(figures, said),
        "coverage": None if figures is None else _number(figures.coverage_pct, said),
        "zones": [
            (
                context.plan.floor[one.zone.floor].number,
                said.of(one.zone.name),
                said(say.MODES[mode(one.zone)]),
                one.released,
                one.back,
                _number(one.coverage_pct, said),
            )
            for one in per_zone
        ],
        "least_places": LEAST_PLACES,
        "least_days": LEAST_DAYS,
    }


def _backs(figures: Figures | None, said: Words) -> list[str]:
    """Return how often a place was given away wrongly, one sentence for the rules in force and one for the trial."""
    if figures is None:
        return []
    found = []
    if figures.in_force is not None:
        found.append(_back(said("In force:"), figures.in_force, said))
    if figures.in_trial is not None:
        found.append(_back(said("Trial, only on paper:"), figures.in_trial, said))
    return found


def _back(head: str, back: Back, said: Words) -> str:
    text = said(
        "a place was given away {n} times. {m} times somebody was there again within 5 minutes: {p} %"
        " (with 95 % certainty between {l} and {h} %)."
    )
    return f"{head} " + text.format(
        n=back.releases,
        m=back.back,
        p=_number(back.share_pct, said),
        l=_number(back.low_pct, said),
        h=_number(back.high_pct, said),
    )


def _number(value: float | None, said: Words) -> str | None:
    return None if value is None else str(format_decimal(round(value, 1), locale=said.language))


def _day(day: date, said: Words) -> str:
    return str(format_date(day, "long", locale="nl_NL" if said.language == "nl" else "en_GB"))
