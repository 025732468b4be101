"""What is remembered of the hold of one place, and the small changes that others ask for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from workplace.events import HoldPhase, Notice, PolicyMode
from workplace.holds.rules import Moment, Rules
from workplace.occupancy.interface import Belief

ZERO = timedelta(0)

#: Steps of the stay ladder (R14), in order.
LADDER: tuple[Notice, ...] = ("none", "soft_note", "time_reached", "repeat", "reclaimable")

#: How long the light keeps a reminder that a colleague of facility asked for.
REMINDER = timedelta(minutes=15)


class Hold(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """State of one place.

    `run_before` and `run_from` are the running clock: time counted before, and since when it runs now (None
    while stopped). `hold_run` and `away_run` are readings of that clock at the start of the hold and when the
    person left; `ladder_run` is how long after the start of the hold the stay ladder begins.

    Attributes:
        phase: what is decided; shown: what is told of it in this mode, since `shown_since`.
        is_open: a hold is open; a closed one is remembered until the next use decides about merging (R19).
        is_frozen: inputs could not be trusted at the last step (R26).
        away_rank: 1 the away note was given, 2 the away limit has passed; stay_rank: index in `LADDER`.
        away_extra, stay_extra: granted extensions (R17).
        scarce_extra: what of `stay_extra` was granted while places were short; it ends with that (R17).
        quiet_until: the stay ladder waits until then while the place is in use (R18); quiet_ends: it waits no longer
            than that in this hold; is_waiting: it did at the last step.
        hidden_away: since when nobody was noticed, after a release that is only recorded.
        was_known: its inputs could be trusted once; from then on they count for the coverage (R28).
        decisions: how many were recorded of this place; two in one instant are told apart by it.
        released_at, released_by: signs before it do not count until a new hold; `staff` or `policy` did it.
        undo: what staff may still take back, see `workplace.holds.undo`.
    """

    phase: HoldPhase = "unknown"
    shown: HoldPhase = "unknown"
    shown_since: datetime
    hold_id: str | None = None
    hold_since: datetime | None = None
    is_open: bool = False
    is_frozen: bool = False
    vacated_at: datetime | None = None
    away_since: datetime | None = None
    run_before: timedelta = ZERO
    run_from: datetime | None = None
    hold_run: timedelta = ZERO
    away_run: timedelta = ZERO
    ladder_run: timedelta | None = None
    away_rank: int = 0
    stay_rank: int = 0
    away_extra: timedelta = ZERO
    stay_extra: timedelta = ZERO
    extensions: int = 0
    notice: Notice = "none"
    released_at: datetime | None = None
    released_by: str | None = None
    reminded_until: datetime | None = None
    decisions: int = 0
    scarce_extra: timedelta = ZERO
    quiet_until: datetime | None = None
    quiet_ends: datetime | None = None
    is_waiting: bool = False
    was_known: bool = False
    hidden_away: datetime | None = None
    undo: Undo | None = None

    @property
    def is_given_away(self) -> bool:
        """One of the ladders has run out."""
        return self.away_rank == 2 or LADDER[self.stay_rank] == "reclaimable"

    def run(self, now: datetime) -> timedelta:
        """Return the running clock at `now`; a moment before it was last started counts as that start."""
        if self.run_from is None:
            return self.run_before
        return self.run_before + max(now - self.run_from, ZERO)

    def when(self, run: timedelta) -> datetime | None:
        """Return when the running clock will show `run`, None while it stands still."""
        return None if self.run_from is None else self.run_from + (run - self.run_before)

    def stay(self, now: datetime) -> timedelta:
        return self.run(now) - self.hold_run

    def away(self, now: datetime) -> timedelta:
        return self.run(now) - self.away_run


class Undo(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """The last granted wish of staff about a place: its id, what it was, when, and what the hold `was` before.

    `exempt` is what staff had said about the place before, over the policy; None when nothing.
    """

    request: str
    action: str
    at: datetime
    was: Hold
    exempt: bool | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing decided in a step: the rule, what it does, and what would have changed it."""

    rule: str
    action: str
    counterfactual: str = ""
    hold_id: str | None = None
    away: timedelta | None = None
    stay: timedelta | None = None
    by_request: bool = False


NO_HOLD: dict[str, object] = {
    "hold_id": None,
    "hold_since": None,
    "is_open": False,
    "vacated_at": None,
    "away_since": None,
    "ladder_run": None,
    "away_rank": 0,
    "stay_rank": 0,
    "away_extra": ZERO,
    "stay_extra": ZERO,
    "extensions": 0,
    "notice": "none",
    "released_at": None,
    "released_by": None,
    "scarce_extra": ZERO,
    "quiet_until": None,
    "quiet_ends": None,
    "is_waiting": False,
    "hidden_away": None,
}


def extend(hold: Hold, rules: Rules, moment: Moment, by: timedelta, now: datetime) -> Hold | str:
    """Return the hold with `by` more time (R17), or why not."""
    if not hold.is_open:
        return "no_hold"
    if moment.scarce and hold.extensions >= rules.extensions_when_scarce:
        return "already_extended"
    if moment.scarce:
        by = min(by, rules.extension)
    stay_limit = max(hold.stay(now), rules.stay_limit + hold.stay_extra) + by
    changes: dict[str, object] = {
        "stay_extra": stay_limit - rules.stay_limit,
        "ladder_run": None,
        "stay_rank": 0,
        "extensions": hold.extensions + 1 if moment.scarce else hold.extensions,
        "scarce_extra": hold.scarce_extra + (by if moment.scarce else ZERO),
    }
    if hold.away_since is not None:
        limit, _ = away_limit(hold.away_since, rules, moment)
        changes["away_extra"] = max(hold.away(now), limit + hold.away_extra) + by - limit
        changes["away_rank"] = 0
    return msgspec.structs.replace(hold, **changes)


def be_quiet(hold: Hold, rules: Rules, wished: timedelta | None, now: datetime) -> Hold | str:
    """Return the hold whose stay ladder waits for somebody who does not want to be disturbed (R18), or why not."""
    if not hold.is_open:
        return "no_hold"
    if hold.is_given_away:
        return "time_is_over"
    if hold.away_since is not None:
        return "not_in_use"
    ends = hold.quiet_ends or now + rules.quiet_longest
    until = min(ends, now + (rules.quiet_longest if wished is None else wished))
    if until <= now:
        return "quiet_used_up"
    return msgspec.structs.replace(hold, quiet_until=until, quiet_ends=ends)


def release(hold: Hold, now: datetime, by: str) -> Hold:
    """Return the place without a hold until a new sign of use."""
    return msgspec.structs.replace(
        closed(hold), hold_id=None, hold_since=None, released_at=now, released_by=by, reminded_until=None,
        hidden_away=hold.away_since,
    )  # fmt: skip


def remind(hold: Hold, now: datetime) -> Hold:
    """Return the hold with a note on its light for a while."""
    return msgspec.structs.replace(hold, reminded_until=now + REMINDER)


def away_limit(away_since: datetime, rules: Rules, moment: Moment) -> tuple[timedelta, str]:
    """Return the away limit for somebody who left at `away_since`, and the rule that gave it."""
    limit, rule = (rules.away_scarce, "R6") if moment.scarce else (rules.away_roomy, "R7")
    local = away_since.astimezone(rules.tz)
    if rules.lunch_from <= local.time() < rules.lunch_to and rules.lunch > limit:
        return rules.lunch, "R8"
    return limit, rule


def after_soft_note(rules: Rules, rank: int) -> timedelta:
    """Return how long after the soft note the stay ladder reaches `rank` (R14)."""
    after_limit = (ZERO, ZERO, ZERO, rules.repeat, rules.reclaimable)[rank]
    return after_limit if rank == 1 else rules.soft_note + after_limit


def shown_phase(hold: Hold, phase: HoldPhase, base: HoldPhase, belief: Belief, mode: PolicyMode) -> HoldPhase:
    """Return the phase that is told: what only an active policy may decide is not shown in other modes.

    `base` is the phase before the ladders. After a release that is only recorded, the place is told as if it was not.
    """
    if mode == "active":
        return phase
    if hold.released_by != "policy" or hold.is_open or phase not in {"free", "unknown", "in_use"}:
        return base if phase == "reclaimable" else phase
    if belief.verdict == "occupied":
        sign, left = belief.last_sign_at, hold.hidden_away
        has_returned = left is None or not (belief.unverified or sign is None or sign <= left)
        return "in_use" if has_returned else "just_left"
    return "just_left" if belief.verdict == "held" else belief.verdict


def closed(hold: Hold) -> Hold:
    """Return the hold closed; its id and start stay for a merge (R19)."""
    return msgspec.structs.replace(
        hold,
        is_open=False,
        away_since=None,
        away_rank=0,
        stay_rank=0,
        ladder_run=None,
        notice="none",
        away_extra=ZERO,
        is_waiting=False,
    )
