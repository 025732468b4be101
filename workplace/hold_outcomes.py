"""By which rule holds ended, per zone, and how often somebody was back at once. Pure; never a place, never a day.

The record of decisions is read once and only counts come out. A hold counts by the first decision that ended it or gave
its place away, and again only when somebody used the place in between; one that goes on after a short gap (R19) or that
staff released by mistake had not ended and is taken off again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt

import msgspec

from workplace.holds.breaker import PROOF

#: What is looked at; other decisions end and begin nothing.
ACTIONS = ("reclaimable", "released", "just_left", "resumed", "hold_started", "undone")
#: Rules that give a place away because nobody is there: each may prove wrong.
AWAY_RULES = frozenset({"R6", "R7", "R8"})
#: Rules of which somebody who is back at once says that they were wrong: besides the above, the end of the evening.
PROVABLE = AWAY_RULES | {"R22"}
#: A start of use is confirmed at most so long after it began (R3).
_CONFIRMED_WITHIN = timedelta(minutes=5)
#: A hold is begun and ended within a day, and who was back at once is known an hour later.
LOOK_BACK, LOOK_AHEAD = timedelta(days=1), timedelta(hours=1)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
#: Two sides of 95 %.
_Z = 1.959964
#: A row of so few places would say too much about single ones, and so would so few days.
LEAST_PLACES, LEAST_DAYS = 5, 5


class Told(msgspec.Struct, frozen=True):
    """What is read of a decision here; the rest of the record is not looked at."""

    zone: str
    place: str
    at: datetime
    rule: str
    action: str
    acted: bool
    hold_id: str | None = None
    stay_s: float | None = None
    signals: tuple[_Input, ...] = ()

    @property
    def linked_at(self) -> datetime | None:
        """When the newest link that is up spoke last, None without one."""
        ages = [one.age_s for one in self.signals if one.kind == "link" and one.value is True]
        return self.at - timedelta(seconds=min(ages)) if ages else None


class _Input(msgspec.Struct, frozen=True):
    kind: str
    value: bool | int | float | str
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ZoneOutcome:
    """How many holds of a zone ended by one rule.

    Attributes:
        acted: False where the rule was only tried: recorded, told to nobody.
        back: of these, places where somebody was within five minutes without a new link; only for `PROVABLE` rules.
    """

    zone: str
    rule: str
    acted: bool
    ended: int
    back: int


@dataclass(slots=True)
class _Last:
    """The newest end of a hold at one place."""

    key: tuple[str, str, bool]
    at: datetime
    hold_id: str | None
    was_linked: bool
    is_given: bool = True
    """The hold still counts as ended; False once its clock began anew."""
    is_open: bool = True
    """Whether the next use of the place may prove the end wrong."""


def zone_outcomes(
    decisions: Iterable[Told], from_at: datetime = _FIRST, to_at: datetime = _LAST
) -> list[ZoneOutcome]:
    """Return the counts by zone, rule and whether the rule acted, of ends with from_at <= at < to_at.

    `decisions` in the order of writing; give some from before (`LOOK_BACK`), so that no end counts on both sides of a
    border, and some from after (`LOOK_AHEAD`), so that all are known of which somebody was back.
    """
    ended: Counter[tuple[str, str, bool]] = Counter()
    back: Counter[tuple[str, str, bool]] = Counter()
    last: dict[str, _Last] = {}
    for told in decisions:
        if told.action not in ACTIONS:
            continue
        before = last.get(told.place)
        if told.action in {"reclaimable", "released"}:
            if before is None or not before.is_given or before.hold_id != told.hold_id:
                key = (told.zone, told.rule, told.acted)
                ended[key] += int(from_at <= told.at < to_at)
                last[told.place] = _Last(key, told.at, told.hold_id, told.linked_at is not None)
        elif before is not None and told.action == "just_left":
            # a sign moved the away clock; long use stays long use
            before.is_given = before.is_given and before.key[1] not in AWAY_RULES
        elif before is not None and _went_on(before, told):
            before.is_open = before.is_given = False
            ended[before.key] -= int(from_at <= before.at < to_at)
        elif before is not None and before.is_open and told.action != "undone":
            before.is_open = before.is_given = False
            back[before.key] += int(from_at <= before.at < to_at and _is_proof(before, told))
    return [ZoneOutcome(*key, count, back[key]) for key, count in sorted(ended.items()) if count]


def added_up(outcomes: Iterable[ZoneOutcome]) -> list[ZoneOutcome]:
    """Return the sums by zone, rule and whether the rule acted."""
    sums: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for one in outcomes:
        ended, back = sums.get((one.zone, one.rule, one.acted), (0, 0))
        sums[one.zone, one.rule, one.acted] = ended + one.ended, back + one.back
    return [ZoneOutcome(*key, *both) for key, both in sorted(sums.items())]


def _went_on(before: _Last, told: Told) -> bool:
    """Whether the hold had not ended: its user was back after a short gap, or staff took a mistake back."""
    if told.action == "undone":
        return before.is_given and before.key[1] == told.rule == "R23" and before.hold_id == told.hold_id
    return before.is_open and told.action == "resumed" and told.rule == "R19" and before.key[1] == "R2"


def _is_proof(before: _Last, told: Told) -> bool:
    """Whether somebody was there again so soon that the place should not have been given away."""
    linked_at = told.linked_at
    has_new_link = linked_at is not None and linked_at > before.at and not before.was_linked
    if before.key[1] not in PROVABLE or has_new_link:
        return False
    late = timedelta(seconds=told.stay_s or 0) if told.action == "hold_started" else timedelta()
    return told.at - min(late, _CONFIRMED_WITHIN) - before.at <= PROOF


def wilson(part: int, whole: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share, each 0-1; None of nothing. (Wilson 1927; right for few and for none.)"""
    if whole <= 0:
        return None
    share, square = part / whole, _Z * _Z
    middle = share + square / (2 * whole)
    spread = _Z * sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    below, above = (middle - spread) / (1 + square / whole), (middle + spread) / (1 + square / whole)
    # the ends are 0 and 1 exactly where nothing, or everything, happened
    return (0.0 if part == 0 else max(below, 0.0), 1.0 if part == whole else min(above, 1.0))
