"""Engine state -> messages: what is told of places and zones, what lights do, what a record says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal, TypeVar

import msgspec

from workplace.events import (
    SITE_WIDE,
    Command,
    Decision,
    HoldPhase,
    LightCode,
    Notice,
    PauseCause,
    PlaceState,
    PolicyMode,
    Signal,
    ZoneState,
)
from workplace.floor_plan import Place, Zone
from workplace.holds.hold import LADDER, ZERO, Hold, Mark, after_soft_note, away_limit
from workplace.holds.rules import Moment, Rules
from workplace.holds.timetable import ZoneHours
from workplace.occupancy.interface import Belief

#: After this much site time without a repeat a screen shows a state as unknown, a light ignores a command.
STATE_LASTS = timedelta(minutes=15)
COMMAND_LASTS = timedelta(minutes=15)

#: Modes in which people are told something.
ENFORCED: frozenset[PolicyMode] = frozenset({"notes", "active"})

LimitKind = Literal["away", "stay"]
StateT = TypeVar("StateT", PlaceState, ZoneState)


@dataclass(slots=True)
class ZoneTally:
    """Running counts of one zone, kept per change of one place."""

    phases: dict[HoldPhase, int] = field(default_factory=dict)
    unknown_occupancy: int = 0

    def move(self, before: PlaceState | None, after: PlaceState) -> None:
        if before is not None:
            self.phases[before.phase] -= 1
            self.unknown_occupancy -= before.occupancy == "unknown"
        self.phases[after.phase] = self.phases.get(after.phase, 0) + 1
        self.unknown_occupancy += after.occupancy == "unknown"

    def count(self, *phases: HoldPhase) -> int:
        return sum(self.phases.get(phase, 0) for phase in phases)


def shown_notice(hold: Hold, mode: PolicyMode) -> Notice:
    """Return the notice that is told; before `active` nothing is ever called reclaimable."""
    if mode == "active":
        return hold.notice
    if mode == "notes":
        return "repeat" if hold.notice == "reclaimable" else hold.notice
    return "none"


def place_state(
    place: Place, site: str, hold: Hold, belief: Belief, rules: Rules, moment: Moment, now: datetime
) -> PlaceState:
    """Return what is told of a place at `now`."""
    limit_at, limit_kind = _limit(hold, rules, moment) if rules.mode == "active" else (None, None)
    has_hold = hold.is_open
    stay_limit = hold.hold_run + rules.stay_limit + hold.stay_extra
    stay_limit_at = hold.when(stay_limit) if has_hold and rules.mode != "off" else None
    is_extended = bool(hold.stay_extra) and stay_limit_at is not None and stay_limit_at > now
    reasons = list(belief.reasons)
    if hold.released_by is not None and hold.phase == "free":
        reasons.append(f"released_by_{hold.released_by}")
    if moment.paused:
        reasons.append("paused")
    if moment.mass_event:
        reasons.append("mass_event")
    is_quiet = hold.phase == "in_use" and hold.quiet_until is not None and hold.quiet_until > now
    return PlaceState(
        site=site,
        floor=place.floor,
        zone=place.zone,
        place=place.id,
        phase=hold.shown,
        occupancy=belief.verdict,
        since=hold.shown_since,
        hold_id=hold.hold_id if has_hold else None,
        hold_since=hold.hold_since if has_hold else None,
        away_since=hold.away_since if has_hold else None,
        stay_limit_at=stay_limit_at,
        limit_at=limit_at,
        limit_kind=limit_kind,
        notice=shown_notice(hold, rules.mode),
        extended_until=stay_limit_at if is_extended else None,
        quiet_until=hold.quiet_until if is_quiet else None,
        mode=rules.mode,
        reasons=tuple(reasons),
        as_of=now,
        expires_at=now + STATE_LASTS,
    )


def dated(state: StateT, now: datetime) -> StateT:
    """Return the same state as of `now`."""
    return msgspec.structs.replace(state, as_of=now, expires_at=now + STATE_LASTS)


def _limit(hold: Hold, rules: Rules, moment: Moment) -> tuple[datetime, LimitKind] | tuple[None, None]:
    """Return when the place turns reclaimable if nothing changes, and by which clock."""
    found: list[tuple[datetime, LimitKind]] = []
    if not hold.is_open or moment.staffing_hold:
        return None, None
    if hold.away_since is not None:
        limit, _ = away_limit(hold.away_since, rules, moment)
        at = hold.when(hold.away_run + limit + hold.away_extra)
        if at is not None:
            found.append((at, "away"))
    if hold.ladder_run is not None:
        ladder = hold.hold_run + hold.ladder_run
        at = hold.when(ladder + after_soft_note(rules, len(LADDER) - 1))
        if at is not None:
            found.append((at + _waiting(hold, rules, ladder), "stay"))
    in_time = [limit for limit in found if moment.force_ends_at is None or limit[0] <= moment.force_ends_at]
    return min(in_time) if in_time else (None, None)


def _waiting(hold: Hold, rules: Rules, ladder: timedelta) -> timedelta:
    """Return how much later the ladder ends because somebody does not want to be disturbed (R18)."""
    if not hold.is_waiting or hold.quiet_until is None or hold.stay_rank >= len(LADDER) - 1:
        return ZERO
    due = hold.when(ladder + after_soft_note(rules, hold.stay_rank + 1))
    return ZERO if due is None else max(hold.quiet_until - due, ZERO)


def light_code(state: PlaceState, hold: Hold) -> LightCode:
    """Return what the light of a place shows."""
    if hold.reminded_until is not None:
        return "note"
    match state.phase:
        case "exempt":
            return "off"
        case "in_use" | "just_left":
            return "note" if state.notice != "none" else "in_use"
        case phase:
            return phase


def command(place: Place, site: str, light: LightCode, now: datetime) -> Command | None:
    """Return the command that sets the light of a place, None when it has none."""
    if place.light is None:
        return None
    target = place.light
    return Command(
        id=_digest(target.device, target.channel or "", light, now.isoformat()),
        site=site,
        gateway=target.gateway,
        device=target.device,
        channel=target.channel,
        light=light,
        issued_at=now,
        valid_until=now + COMMAND_LASTS,
    )


def decision(
    place: Place,
    site: str,
    mark: Mark,
    mode: PolicyMode,
    policy_hash: str,
    signals: tuple[Signal, ...],
    at: datetime,
    number: int,
) -> Decision:
    """Return the record of one mark; `number` counts the records of the place."""
    if mark.by_request:
        acted = True
    elif mark.action == "reclaimable" or (mark.action == "released" and mark.rule == "R22"):
        acted = mode == "active"
    else:
        acted = mode in {"notes", "active"}
    return Decision(
        id=_digest(place.id, at.isoformat(), mark.rule, mark.action, policy_hash, str(number)),
        site=site,
        zone=place.zone,
        place=place.id,
        hold_id=mark.hold_id,
        at=at,
        rule=mark.rule,
        action=mark.action,
        mode=mode,
        acted=acted,
        away_s=None if mark.away is None else mark.away.total_seconds(),
        stay_s=None if mark.stay is None else mark.stay.total_seconds(),
        signals=signals,
        counterfactual=mark.counterfactual,
        policy_hash=policy_hash,
    )


def signal(device: str, kind: str, value: bool | int | float | str) -> Signal:
    """Return something that a decision about the whole site looked at, now."""
    return Signal(device=device, kind=kind, value=value, age_s=0.0)


def site_decision(
    site: str,
    mark: Mark,
    mode: PolicyMode,
    policy_hash: str,
    signals: tuple[Signal, ...],
    at: datetime,
    number: int,
) -> Decision:
    """Return the record of something decided about the whole site (R28, R30); `number` counts these records."""
    return Decision(
        id=_digest(SITE_WIDE, at.isoformat(), mark.rule, mark.action, policy_hash, str(number)),
        site=site,
        zone=SITE_WIDE,
        place=SITE_WIDE,
        hold_id=None,
        at=at,
        rule=mark.rule,
        action=mark.action,
        mode=mode,
        acted=mark.by_request or mode in ENFORCED,
        signals=signals,
        counterfactual=mark.counterfactual,
        policy_hash=policy_hash,
    )


def zone_state(
    zone: Zone,
    site: str,
    tally: ZoneTally,
    *,
    hours: ZoneHours,
    mode: PolicyMode,
    scarce: bool,
    pause_causes: tuple[PauseCause, ...],
    overflow_floor: str | None,
    now: datetime,
) -> ZoneState:
    """Return the counts of a zone at `now`."""
    capacity = len(zone.places)
    trusted = capacity - tally.unknown_occupancy
    return ZoneState(
        site=site,
        floor=zone.floor,
        zone=zone.id,
        free=tally.count("free"),
        reclaimable=tally.count("reclaimable"),
        in_use=tally.count("in_use", "just_left"),
        unknown=tally.count("unknown"),
        exempt=tally.count("exempt"),
        capacity=capacity,
        scarce=scarce,
        calendar=hours.calendar,
        mode=mode,
        paused=bool(pause_causes),
        pause_causes=pause_causes,
        enforced=mode in {"notes", "active"} and hours.in_force and not pause_causes,
        coverage_pct=round(100 * trusted / capacity, 1) if capacity else 100.0,
        overflow_floor=overflow_floor,
        as_of=now,
        expires_at=now + STATE_LASTS,
    )


def nearest_floor(zone: Zone, number: Mapping[str, int], room: Mapping[str, int]) -> str | None:
    """Return the nearest other floor with room for the same activity (R13); `room`: floor -> free places."""
    here = number[zone.floor]
    ranked = sorted(
        (abs(number[floor] - here), -free, floor)
        for floor, free in room.items()
        if free > 0 and floor != zone.floor
    )
    return ranked[0][2] if ranked else None


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
