"""What may be told to whom outside the screens: notes, repeats, places that may be used, alarms. Pure.

A telling names a place, never a person or a laptop. Which mode allows which kind is one table; what it does not
allow is never made, and is checked once more before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal

import msgspec

from workplace.events import Decision, HoldPhase, PolicyMode
from workplace.floor_plan import FloorPlan, Zone
from workplace.holds import channels as r16
from workplace.message import Name
from workplace.policy import Policy

TellKind = Literal["note", "repeat", "reclaimable", "taken_back", "alarm"]
TELL_KINDS: tuple[TellKind, ...] = ("note", "repeat", "reclaimable", "taken_back", "alarm")
AlarmCause = Literal[
    "gateway_lost",
    "mass_event",
    "paused",
    "paused_false_releases",
    "paused_coverage",
    "engine_silent",
    "trial",
]
#: Why enforcement stands still (R28) -> what facility is told.
PAUSE_ALARMS: Mapping[str, AlarmCause] = {
    "stop_switch": "paused",
    "false_releases": "paused_false_releases",
    "coverage": "paused_coverage",
}

#: What each kind is to R16; a note that is taken back may go wherever the note went.
_AS_TOLD: Mapping[TellKind, r16.Told] = {
    "note": "note",
    "repeat": "note",
    "reclaimable": "reclaimable",
    "taken_back": "note",
    "alarm": "alarm",
}

#: Mode -> what facility may be told in it, by R16's own table. Shadow: nobody is told.
ALLOWED: Mapping[PolicyMode, frozenset[TellKind]] = {
    mode: frozenset(kind for kind, told in _AS_TOLD.items() if told in by_channel["facility"])
    for mode, by_channel in r16.MAY_TELL.items()
}

#: What waits too long is counted and not sent. Lower: a short outage swallows it. Higher: people act on what is past.
LIVES: Mapping[TellKind, timedelta] = {
    "note": timedelta(minutes=10),
    "repeat": timedelta(minutes=10),
    "reclaimable": timedelta(minutes=30),
    "taken_back": timedelta(hours=4),
    "alarm": timedelta(hours=24),
}

#: A place that may be used is forgotten after this at the latest: the next morning is another day.
_TOLD_RECLAIMABLE = timedelta(hours=14)

#: Kinds that ask something of people; the stop switch holds them back.
ENFORCING: frozenset[TellKind] = frozenset({"note", "repeat", "reclaimable"})

#: What a decision did -> what is told of it. Everything else is told to nobody.
_KIND: Mapping[str, TellKind] = {
    "soft_note": "note",
    "time_reached": "note",
    "repeat": "repeat",
    "reclaimable": "reclaimable",
}

#: What a decision did -> why what was told before holds no longer.
_ENDS: Mapping[str, str] = {
    "resumed": "in_use",
    "extended": "extended",
    "released": "free",
    "frozen": "unknown",
    "exempted": "exempt",
    "hold_started": "in_use",
}


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell. Times are aware UTC.

    Attributes:
        id: deterministic from decision (or alarm) and channel; a repeated delivery has the same one.
        cause: of a note or reclaimable what the decision did, of `taken_back` what is the case now (`in_use`,
            `extended`, `free`, `unknown`, `exempt`, `paused`, `over`), of an alarm what happened.
        due_at: when anybody may use the place if nothing changes; None where that never comes.
        takes_back: id of the telling that holds no longer.
    """

    v: int = 1
    id: str
    kind: TellKind
    cause: str
    site: Name
    floor: Name | None = None
    zone: Name | None = None
    place: Name | None = None
    gateway: Name | None = None
    at: datetime
    expires_at: datetime
    due_at: datetime | None = None
    rule: str | None = None
    mode: PolicyMode | None = None
    decision: str | None = None
    takes_back: str | None = None

    @property
    def scope(self) -> str:
        """What a digest is made of: one zone, or the floor or site that an alarm is about."""
        return self.zone or self.floor or self.site


def telling_id(of: str, more: str) -> str:
    """Return an id made of another id and a word: the same for ever, and told apart from all others."""
    return blake2b(f"{of}\x1f{more}".encode(), digest_size=16).hexdigest()


def for_channel(telling: Telling, channel: str) -> Telling:
    """Return the telling as one channel gets it: its ids are those of this channel."""
    back = telling.takes_back
    return msgspec.structs.replace(
        telling,
        id=telling_id(telling.id, channel),
        takes_back=None if back is None else telling_id(back, channel),
    )


def tell(decision: Decision, plan: FloorPlan, policy: Policy) -> Telling | None:
    """Return what is told of a decision, None when nobody is."""
    kind = _KIND.get(decision.action)
    place = plan.place.get(decision.place)
    if kind is None or place is None or not decision.acted or kind not in ALLOWED[decision.mode]:
        return None
    left = _left(decision, policy) if decision.mode == "active" else None
    return Telling(
        id=decision.id,
        kind=kind,
        cause=decision.action,
        site=decision.site,
        floor=place.floor,
        zone=decision.zone,
        place=decision.place,
        at=decision.at,
        expires_at=decision.at + LIVES[kind],
        due_at=None if left is None else decision.at + left,
        rule=decision.rule,
        mode=decision.mode,
        decision=decision.id,
    )


def _left(decision: Decision, policy: Policy) -> timedelta | None:
    """Return how long after this step of a ladder the place may be used by anybody (R14, R15)."""
    ladder = policy.settings.stay.ladder
    if decision.rule == "R15":
        return timedelta(minutes=policy.settings.away.note_min)
    after = {
        "soft_note": ladder.soft_note_min + ladder.reclaimable_min,
        "time_reached": ladder.reclaimable_min,
        "repeat": ladder.reclaimable_min - ladder.repeat_min,
    }
    minutes = after.get(decision.action)
    return None if minutes is None else timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a place and still holds: enough to take it back."""

    telling: str
    kind: TellKind
    at: datetime
    floor: str
    zone: str
    place: str
    mode: PolicyMode

    def is_old(self, now: datetime) -> bool:
        """Nobody acts on it any more; what is over by itself need not be taken back."""
        return now - self.at > (_TOLD_RECLAIMABLE if self.kind == "reclaimable" else LIVES["taken_back"])


def told_of(telling: Telling) -> Told | None:
    """Return what must be remembered of a telling, None for those that nothing takes back."""
    if telling.place is None or telling.floor is None or telling.zone is None or telling.mode is None:
        return None
    if telling.kind == "taken_back":
        return None
    return Told(
        telling.id, telling.kind, telling.at, telling.floor, telling.zone, telling.place, telling.mode
    )


def ended_by(decision: Decision) -> str | None:
    """Return why what was told of the place holds no longer after this decision, None when it still does."""
    return _ENDS.get(decision.action)


def ended_in(told: Told, phase: HoldPhase, *, paused: bool) -> str | None:
    """Return why a told reclaimable place is none any more, None when it still is.

    Not every end is a decision: room elsewhere, the stop switch and the end of the hours change the place alone.
    """
    if told.kind != "reclaimable" or phase == "reclaimable":
        return None
    if paused:
        return "paused"
    return {"free": "free", "unknown": "unknown", "exempt": "exempt", "in_use": "in_use"}.get(phase, "over")


def take_back(told: Told, cause: str, site: str, at: datetime) -> Telling:
    """Return the telling that takes `told` back."""
    return Telling(
        id=telling_id(told.telling, "taken_back"),
        kind="taken_back",
        cause=cause,
        site=site,
        floor=told.floor,
        zone=told.zone,
        place=told.place,
        at=at,
        expires_at=at + LIVES["taken_back"],
        mode=told.mode,
        takes_back=told.telling,
    )


def alarm(cause: AlarmCause, what: str, plan: FloorPlan, policy: Policy, since: datetime) -> Telling | None:
    """Return an alarm, None where the mode lets nobody be told.

    Args:
        what: the gateway that is lost, the floor of a mass event, the site otherwise.
        since: when it began; with `cause` and `what` it makes the id.
    """
    gateway = plan.gateway.get(what) if cause == "gateway_lost" else None
    floor = gateway.floor if gateway is not None else what if cause == "mass_event" else None
    made = Telling(
        id=telling_id(f"{plan.site}\x1f{cause}\x1f{what}", since.isoformat()),
        kind="alarm",
        cause=cause,
        site=plan.site,
        floor=floor,
        gateway=None if gateway is None else gateway.id,
        at=since,
        expires_at=since + LIVES["alarm"],
    )
    return made if is_allowed(made, plan, policy) else None


def trial(site: str, at: datetime) -> Telling:
    """Return what a person sends to see whether a channel works; it is about nothing."""
    return Telling(
        id=telling_id(site, at.isoformat()),
        kind="alarm",
        cause="trial",
        site=site,
        at=at,
        expires_at=at + LIVES["note"],
    )


def alarm_over(of: Telling, at: datetime) -> Telling:
    """Return the telling that an alarm is over."""
    return msgspec.structs.replace(
        of,
        id=telling_id(of.id, "taken_back"),
        kind="taken_back",
        at=at,
        expires_at=at + LIVES["taken_back"],
        takes_back=of.id,
    )


def is_allowed(telling: Telling, plan: FloorPlan, policy: Policy) -> bool:
    """Return whether the modes in force now allow this to be told.

    Of an alarm about a floor or the site at least one zone there must be told anything at all.
    """
    if telling.zone is not None:
        zone = plan.zone.get(telling.zone)
        made_in = ALLOWED[telling.mode] if telling.mode is not None else frozenset(TELL_KINDS)
        return zone is not None and telling.kind in made_in & ALLOWED[policy.mode(zone)]
    zones = plan.zone.values() if telling.floor is None else _zones_of(telling.floor, plan)
    return any(telling.kind in ALLOWED[policy.mode(zone)] for zone in zones)


def _zones_of(floor: str, plan: FloorPlan) -> Iterable[Zone]:
    found = plan.floor.get(floor)
    return () if found is None else found.zones
