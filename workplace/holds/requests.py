"""May this wish be granted, and what does it change? Pure; roles, never persons (R17, R18, R23, stop switch)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from workplace.events import HoldPhase, Request, SensorEvent
from workplace.holds import hold as holds
from workplace.holds.hold import Hold, Mark
from workplace.holds.rules import Moment, Rules

#: action -> roles that may ask for it.
ALLOWED: dict[str, frozenset[str]] = {
    "extend": frozenset({"staff", "desk"}),
    "quiet": frozenset({"staff", "desk"}),
    "release": frozenset({"staff"}),
    "remind": frozenset({"staff"}),
    "exempt": frozenset({"staff"}),
    "unexempt": frozenset({"staff"}),
    "undo": frozenset({"staff"}),
    "pause": frozenset({"staff", "works_council"}),
    "resume": frozenset({"staff", "works_council"}),
}
SITE_WIDE = frozenset({"pause", "resume"})


@dataclass(frozen=True, slots=True)
class Granted:
    """What a granted wish changes of a place; `exempt` None leaves that as it is."""

    hold: Hold
    mark: Mark | None = None
    exempt: bool | None = None


def of_button(event: SensorEvent, place: str) -> Request:
    """Return the wish of whoever pressed the button of a place: do not disturb (R18)."""
    return Request(
        id=event.id, site=event.site, place=place, action="quiet", role="desk",
        requested_at=event.measured_at, reply_to="button",
    )  # fmt: skip


def decide(
    request: Request, hold: Hold, phase: HoldPhase, rules: Rules, moment: Moment, now: datetime
) -> Granted | str:
    """Return what changes, or the reason code of the refusal.

    Refusals: no_hold, already_extended, exempt, unknown, no_light, mode, time_is_over, not_in_use, quiet_used_up.
    """
    stay = hold.stay(now) if hold.hold_id is not None else None
    away = hold.away(now) if hold.away_since is not None else None

    def mark(rule: str, action: str) -> Mark:
        return Mark(rule, action, f"asked by {request.role}", hold.hold_id, away, stay, by_request=True)

    if request.action == "exempt":
        return Granted(hold, mark("R23", "exempted"), exempt=True)
    if request.action == "unexempt":
        return Granted(hold, mark("R23", "unexempted"), exempt=False)
    if moment.exempt:
        return "exempt"
    if request.action == "remind":
        if not moment.has_light or rules.mode not in {"notes", "active"}:
            return "mode" if moment.has_light else "no_light"
        return Granted(holds.remind(hold, now), mark("R16", "reminded"))
    if phase == "unknown":
        return "unknown"
    if request.action == "release":
        return Granted(holds.release(hold, now, "staff"), mark("R23", "released"))
    wished = None if request.minutes is None else timedelta(minutes=request.minutes)
    if request.action == "quiet":
        changed, rule, action = holds.be_quiet(hold, rules, wished, now), "R18", "quiet"
    else:
        by = rules.extension if wished is None else wished
        changed, rule, action = holds.extend(hold, rules, moment, by, now), "R17", "extended"
    return changed if isinstance(changed, str) else Granted(changed, mark(rule, action))
