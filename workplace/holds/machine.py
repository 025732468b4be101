"""The hold of one place: a pure step from belief, rules and circumstances to a phase, with reasons.

The order is fixed: bad data, exempt, staffing, hours and calendar, then the away clock, then the stay clock.
Clocks count only while the rules are in force and the place is known; every instant is exact (no floats), so
that a replay gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from workplace.events import HoldPhase, Notice
from workplace.holds.hold import (
    LADDER,
    NO_HOLD,
    ZERO,
    Hold,
    Mark,
    after_soft_note,
    away_limit,
    closed,
    release,
    shown_phase,
)
from workplace.holds.rules import Moment, Rules
from workplace.occupancy.interface import Belief


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gives; `wake_at` is when time alone will change something."""

    hold: Hold
    marks: tuple[Mark, ...]
    wake_at: datetime | None


def step(place: str, hold: Hold, belief: Belief, rules: Rules, moment: Moment, now: datetime) -> Step:
    """Advance the hold of `place` to `now`."""
    turn = _Turn(place, hold, belief, rules, moment, now)
    turn.set_clock()
    turn.set_phase()
    if turn.hold.is_open and rules.mode != "off":
        turn.end_in_the_evening()
    if turn.hold.is_open and turn.is_running:
        turn.withdraw_stay()
        turn.climb_away()
        turn.climb_stay()
    turn.show()
    wakes = [at for at in (belief.wake_at, *turn.wakes()) if at is not None and at > now]
    return Step(turn.hold, tuple(turn.marks), min(wakes, default=None))


class _Turn:
    """One step in the making: reads belief, rules and moment, replaces `hold`, collects marks."""

    def __init__(
        self, place: str, hold: Hold, belief: Belief, rules: Rules, moment: Moment, now: datetime
    ) -> None:
        self.place, self.hold, self.before = place, hold, hold
        self.belief, self.rules, self.moment, self.now = belief, rules, moment, now
        self.marks: list[Mark] = []
        self.is_running = (
            moment.in_force
            and not moment.paused
            and not moment.exempt
            and rules.mode != "off"
            and belief.verdict != "unknown"
            and not belief.unverified
        )
        self.base: HoldPhase = "unknown"

    def change(self, **changes: object) -> None:
        self.hold = msgspec.structs.replace(self.hold, **changes)

    def mark(self, rule: str, action: str, counterfactual: str = "") -> None:
        hold = self.hold
        self.marks.append(
            Mark(
                rule=rule,
                action=action,
                counterfactual=counterfactual,
                hold_id=hold.hold_id,
                away=None if hold.away_since is None else hold.away(self.now),
                stay=hold.stay(self.now) if hold.hold_id is not None else None,
            )
        )

    def local(self, at: datetime) -> str:
        return at.astimezone(self.rules.tz).strftime("%H:%M")

    def sign_after(self, at: datetime) -> str:
        return f"one sign of presence after {self.local(at)} would have kept the hold"

    def set_clock(self) -> None:
        """Stop or start the running clock (R22, R25, R26)."""
        if self.is_running and self.hold.run_from is None:
            self.change(run_from=self.now)
        elif not self.is_running and self.hold.run_from is not None:
            self.change(run_before=self.hold.run(self.now), run_from=None)
        if not self.moment.scarce and self.hold.extensions:
            self.change(extensions=0)
        if not self.moment.scarce and self.hold.scarce_extra:
            # R17: it ends with scarcity. Where the ladder stands always, what was promised stays promised.
            left = (
                self.hold.stay_extra
                if self.rules.stay_always
                else self.hold.stay_extra - self.hold.scarce_extra
            )
            self.change(stay_extra=max(left, ZERO), scarce_extra=ZERO)

    def set_phase(self) -> None:
        """Choose the phase that the belief alone gives, opening and closing holds."""
        if self.moment.exempt:
            self.base = "exempt"
            self.change(**NO_HOLD)
            return
        use = self.use()
        if use == "unknown":
            self.base = "unknown"
            if self.hold.is_open and not self.hold.is_frozen:
                self.mark("R26", "frozen", "with inputs that can be trusted the clocks would have run on")
            self.change(is_frozen=True)
            return
        if self.hold.is_frozen and self.hold.is_open:
            self.mark("R26", "thawed", "without inputs that can be trusted the clocks would still stand")
        self.change(is_frozen=False)
        match use:
            case "occupied":
                self.be_in_use()
            case "held":
                self.be_left()
            case _:
                self.be_free()

    def use(self) -> str:
        """Return the verdict, or free while only signs from before a release speak for use."""
        belief, released_at = self.belief, self.hold.released_at
        signs = (belief.last_sign_at, belief.linked_since)
        if belief.verdict == "unknown" or released_at is None:
            return belief.verdict
        if any(sign is not None and sign > released_at for sign in signs):
            return belief.verdict
        # After a time without trusted inputs a link alone cannot tell that nobody came.
        return "unknown" if belief.unverified and self.before.phase == "unknown" else "free"

    def be_in_use(self) -> None:
        self.base = "in_use"
        if not self.hold.is_open:
            self.open_hold()
        elif self.hold.away_since is not None:
            sign = self.belief.last_sign_at
            if self.belief.unverified or sign is None or sign <= self.hold.away_since:
                # Neither a link alone nor a sign from before is proof of a return.
                self.base = "just_left"
                return
            self.mark("R5", "resumed", "without a sign of presence the away clock would have run on")
            self.change(away_since=None, away_rank=0, away_extra=ZERO)

    def be_left(self) -> None:
        if not self.hold.is_open:
            self.open_hold()
        if not self.hold.is_open:
            # A laptop from before a release, and nobody who stayed: it was released once, it stays so.
            self.base = "free"
            self.change(hidden_away=self.belief.last_sign_at or self.belief.since)
            return
        self.base = "just_left"
        left_at = self.belief.last_sign_at or self.belief.since
        if self.hold.away_since != left_at:
            away_run = max(self.hold.run(left_at), self.hold.hold_run)
            self.change(away_since=left_at, away_run=away_run, away_rank=0)
            self.mark(
                "R5", "just_left", f"one sign of presence after {self.local(left_at)} would show it in use"
            )

    def be_free(self) -> None:
        self.base = "free"
        if not self.hold.is_open:
            if self.belief.verdict == "free":
                self.change(hidden_away=None)  # whoever comes now is somebody new
            return
        belief = self.belief
        vacated_at = min(belief.since, self.now)
        # Once anybody may take a place, the next one to come is not its former user.
        forget = self.hold.is_given_away and self.rules.mode == "active"
        self.mark("R2", "released", self.sign_after(vacated_at))
        self.change(vacated_at=vacated_at)
        self.hold = closed(self.hold)
        if forget:
            self.change(hold_id=None, hold_since=None)

    def open_hold(self) -> None:
        """Open a hold when its start is confirmed (R3), or take up the remembered one (R19)."""
        belief, rules, hold = self.belief, self.rules, self.hold
        linked, present, last = belief.linked_since, belief.present_since, belief.last_sign_at
        if linked is not None and hold.released_at is not None and linked <= hold.released_at:
            linked = None
        is_linked = linked is not None and self.now - linked >= rules.link_up
        is_present = present is not None and last is not None and last - present >= rules.presence_start
        if not is_linked and not is_present:
            return
        since = min(at for at in (linked if is_linked else None, present) if at is not None)
        if hold.released_at is not None:
            since = max(since, hold.released_at)
        if hold.hold_id is not None and hold.vacated_at is not None and since - hold.vacated_at < rules.merge:
            self.change(is_open=True, vacated_at=None)
            self.mark("R19", "resumed", f"a gap of {_minutes(rules.merge)} min would have begun a new hold")
            return
        began = self.hold.run(since)
        self.change(
            **{
                **NO_HOLD,
                "is_open": True,
                "hold_id": _hold_id(self.place, since),
                "hold_since": since,
                "hold_run": began,
            }
        )
        self.mark("R3", "hold_started", self.shorter_than_a_hold(is_linked=is_linked))

    def shorter_than_a_hold(self, *, is_linked: bool) -> str:
        if is_linked:
            seconds = int(self.rules.link_up.total_seconds())
            return f"a link of less than {seconds} s would not have been a hold"
        return f"presence for less than {_minutes(self.rules.presence_start)} min would not have been a hold"

    def end_in_the_evening(self) -> None:
        """R22: a hold that nobody sat at for an hour ends in the evening."""
        since = self.hold.away_since
        if not self.moment.evening or since is None or self.base != "just_left":
            return
        if self.moment.paused or self.belief.unverified:
            return
        if self.now - since >= self.rules.evening_vacant:
            self.mark(
                "R22", "released", f"one sign of presence after {self.local(since)} would have kept the hold"
            )
            self.hold = release(self.hold, self.now, "policy")
            self.base = "free"

    def climb_away(self) -> None:
        """R6-R8, R15: the clock of a place that is held but empty."""
        hold = self.hold
        if self.base != "just_left" or hold.away_since is None or hold.is_given_away:
            return
        limit, rule = away_limit(hold.away_since, self.rules, self.moment)
        limit += hold.away_extra
        text = self.sign_after(hold.away_since)
        away = hold.away(self.now)
        if away >= limit and not self.moment.staffing_hold:
            self.change(away_rank=2)
            self.mark(rule, "reclaimable", text)
        elif hold.away_rank < 1 and away >= limit - self.rules.away_note and self.may_note():
            self.change(away_rank=1)
            self.mark("R15", "soft_note", text)

    def may_note(self) -> bool:
        return self.moment.has_light and self.hold.stay(self.now) >= self.rules.silent

    @property
    def stay_applies(self) -> bool:
        return self.rules.stay_always or self.moment.scarce

    def withdraw_stay(self) -> None:
        """R10: once there is room again, long use is no reason any more."""
        if not self.stay_applies and self.hold.ladder_run is not None:
            self.change(ladder_run=None, stay_rank=0)

    def climb_stay(self) -> None:
        """R9, R10, R14: the clock of long use; late scarcity starts the ladder at its first step."""
        if not self.stay_applies:
            return
        stay = self.hold.stay(self.now)
        if self.hold.ladder_run is None:
            limit = self.rules.stay_limit + self.hold.stay_extra
            self.change(ladder_run=max(limit - self.rules.soft_note, self.rules.silent, stay))
        if self.waits():
            return
        begins = self.hold.ladder_run or ZERO
        for rank in range(self.hold.stay_rank + 1, len(LADDER)):
            if stay < begins + self.after_soft_note(rank):
                break
            if LADDER[rank] == "reclaimable" and self.moment.staffing_hold:
                break
            self.change(stay_rank=rank)
            self.mark("R14", LADDER[rank], "an extension or leaving the place would have ended the ladder")

    def waits(self) -> bool:
        """R18: whether the ladder stands still for somebody who does not want to be disturbed.

        When that is over, a step that fell due meanwhile comes at once, and the ones after it keep their distance.
        """
        hold = self.hold
        is_waiting = self.base == "in_use" and hold.quiet_until is not None and self.now < hold.quiet_until
        if hold.is_waiting and not is_waiting and hold.stay_rank < len(LADDER) - 1:
            begins = hold.ladder_run or ZERO
            late = hold.stay(self.now) - begins - self.after_soft_note(hold.stay_rank + 1)
            self.change(ladder_run=begins + max(late, ZERO))
        self.change(is_waiting=is_waiting)
        return is_waiting

    def after_soft_note(self, rank: int) -> timedelta:
        return after_soft_note(self.rules, rank)

    def show(self) -> None:
        """Set phase, its start and the notice."""
        hold, phase = self.hold, self.base
        notice: Notice = "none"
        if hold.is_open and self.is_running and phase in {"in_use", "just_left"}:
            rank = max(hold.stay_rank, (0, 1, 4)[hold.away_rank] if phase == "just_left" else 0)
            notice = LADDER[rank]
            if notice == "reclaimable":
                phase = "reclaimable"
            elif hold.is_waiting and phase == "in_use":
                notice = "none"
        shown = shown_phase(hold, phase, self.base, self.belief, self.rules.mode)
        since = hold.shown_since if shown == hold.shown else self.now
        reminded = hold.reminded_until
        if reminded is not None and (reminded <= self.now or phase in {"free", "exempt"}):
            reminded = None
        self.change(
            phase=phase,
            shown=shown,
            shown_since=since,
            notice=notice,
            reminded_until=reminded,
            was_known=hold.was_known or phase not in {"unknown", "exempt"},
        )

    def wakes(self) -> Iterator[datetime | None]:
        """Every moment at which time alone changes the hold."""
        hold, rules, belief = self.hold, self.rules, self.belief
        yield hold.reminded_until
        if belief.linked_since is not None:
            yield belief.linked_since + rules.link_up
        if not hold.is_open:
            if belief.present_since is not None:
                yield belief.present_since + rules.presence_start
            return
        if hold.away_since is not None:
            if self.moment.evening:
                yield hold.away_since + rules.evening_vacant
            limit, _ = away_limit(hold.away_since, rules, self.moment)
            reclaim = hold.away_run + limit + hold.away_extra
            yield hold.when(reclaim)
            yield hold.when(reclaim - rules.away_note)
            yield hold.when(hold.hold_run + rules.silent)
        if hold.quiet_until is not None:
            yield hold.quiet_until
        if hold.ladder_run is not None and hold.stay_rank < len(LADDER) - 1:
            yield hold.when(hold.hold_run + hold.ladder_run + self.after_soft_note(hold.stay_rank + 1))


def _hold_id(place: str, since: datetime) -> str:
    return blake2b(f"{place} {since.isoformat()}".encode(), digest_size=8).hexdigest()


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)
