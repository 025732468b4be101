"""What the figures mean: agreement of shown states with the truth, false releases, baselines. Pure.

One definition for live views, reports and tests. All figures are weighted by time; time without a trusted
input is left out and reported as coverage, never counted as right.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeVar

from workplace.events import HoldPhase, Occupancy

TruthState = Literal["occupied", "held", "free"]
STATES: tuple[TruthState, ...] = ("occupied", "held", "free")

#: What a phase claims about the place; None claims nothing.
CLAIM: dict[HoldPhase, TruthState | None] = {
    "in_use": "occupied",
    "just_left": "held",
    "reclaimable": "held",
    "free": "free",
    "unknown": None,
    "exempt": None,
}


@dataclass(frozen=True, slots=True)
class TruthChange:
    """From `at` on the place really was `state`; a moment somebody saw is known `until` then and no longer."""

    place: str
    at: datetime
    state: TruthState
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownChange:
    """From `at` on the place was shown as `phase`; `occupancy` speaks where the phase says nothing of people."""

    place: str
    at: datetime
    phase: HoldPhase
    occupancy: Occupancy = "unknown"

    @property
    def claim(self) -> TruthState | None:
        # Reclaimable says what is allowed: after the stay ladder somebody still sits there.
        if self.phase in {"exempt", "reclaimable"} and self.occupancy != "unknown":
            return self.occupancy
        return CLAIM[self.phase]


ChangeT = TypeVar("ChangeT", TruthChange, ShownChange)
ValueT = TypeVar("ValueT")
OtherT = TypeVar("OtherT")


@dataclass(slots=True)
class Agreement:
    """Seconds by (truth, claim), and how often a place was shown free under somebody.

    `seconds[truth, None]` is time without a claim. Ratios are 0-1, None where nothing was measured.
    """

    seconds: dict[tuple[TruthState, TruthState | None], float] = field(default_factory=dict)
    false_releases: int = 0
    places: int = 0

    def add(self, other: Agreement) -> None:
        for key, seconds in other.seconds.items():
            self.seconds[key] = self.seconds.get(key, 0.0) + seconds
        self.false_releases += other.false_releases
        self.places += other.places

    def _sum(self, wanted: Callable[[TruthState, TruthState | None], bool]) -> float:
        return sum(seconds for (truth, claim), seconds in self.seconds.items() if wanted(truth, claim))

    @property
    def claimed_s(self) -> float:
        return self._sum(lambda _, claim: claim is not None)

    @property
    def coverage(self) -> float | None:
        """Share of the time with a claim."""
        return _ratio(self.claimed_s, self._sum(lambda _truth, _claim: True))

    @property
    def accuracy(self) -> float | None:
        """Share of the claimed time in which occupied, held or free was right."""
        return _ratio(self._sum(lambda truth, claim: truth == claim), self.claimed_s)

    @property
    def f1_occupied(self) -> float | None:
        """Harmonic mean of precision and recall of `occupied`, over claimed time."""
        hit = self._sum(lambda truth, claim: truth == claim == "occupied")
        wrong = self._sum(
            lambda truth, claim: claim is not None and (truth == "occupied") != (claim == "occupied")
        )
        return _ratio(2 * hit, 2 * hit + wrong)

    @property
    def occupied_h(self) -> float:
        """Desk-hours with somebody there, whatever was shown."""
        return self._sum(lambda truth, _: truth == "occupied") / 3600

    @property
    def false_releases_per_1000_h(self) -> float | None:
        return _ratio(1000 * self.false_releases, self.occupied_h)


def agreement(
    truth: Iterable[TruthChange],
    shown: Iterable[ShownChange],
    floor_of: Mapping[str, str],
    from_at: datetime,
    to_at: datetime,
) -> dict[str, Agreement]:
    """Return the agreement per floor, and of all under `total`.

    Args:
        truth, shown: changes in any order; of equal times the later item counts. A place without any truth is
            left out; before its first shown change it claims nothing.
        floor_of: place -> floor.
        from_at, to_at: the window, end exclusive.
    """
    truths, claims = _by_place(truth), _by_place(shown)
    found: dict[str, Agreement] = {"total": Agreement()}
    for place, changes in truths.items():
        one = _agreement_of_place(changes, claims.get(place, []), from_at, to_at)
        found.setdefault(floor_of[place], Agreement()).add(one)
        found["total"].add(one)
    return found


def _by_place(changes: Iterable[ChangeT]) -> dict[str, list[ChangeT]]:
    found: dict[str, list[ChangeT]] = {}
    for change in changes:
        found.setdefault(change.place, []).append(change)
    for of_place in found.values():
        of_place.sort(key=lambda change: change.at)
    return found


def _agreement_of_place(
    truth: Sequence[TruthChange], shown: Sequence[ShownChange], from_at: datetime, to_at: datetime
) -> Agreement:
    result = Agreement(places=1)
    truth_steps = [(change.at, change.state) for change in truth]
    claim_steps = [(change.at, change.claim) for change in shown]
    for start, end, state, claim in _together(truth_steps, claim_steps, from_at, to_at):
        if state is not None:
            key = (state, claim)
            result.seconds[key] = result.seconds.get(key, 0.0) + (end - start).total_seconds()
    result.false_releases = sum(
        1
        for at, before, after in _turns(claim_steps)
        if after == "free"
        and before != "free"
        and from_at <= at < to_at
        and _at(truth_steps, at) == "occupied"
    )
    return result


def _turns(steps: Sequence[tuple[datetime, ValueT]]) -> Iterator[tuple[datetime, ValueT, ValueT]]:
    """Yield (at, before, after) of every change; the first value is no change."""
    for (_, before), (at, after) in pairwise(steps):
        yield at, before, after


def _at(steps: Sequence[tuple[datetime, ValueT]], at: datetime) -> ValueT | None:
    """Return the value in force at `at`, None before the first."""
    number = bisect_right(steps, at, key=lambda step: step[0])
    return steps[number - 1][1] if number else None


def _together(
    one: Sequence[tuple[datetime, ValueT]],
    other: Sequence[tuple[datetime, OtherT]],
    from_at: datetime,
    to_at: datetime,
) -> Iterator[tuple[datetime, datetime, ValueT | None, OtherT | None]]:
    """Yield the stretches of [from_at, to_at) in which both step functions stand still, with their values."""
    inside = {at for at, _ in (*one, *other) if from_at < at < to_at}
    edges = [from_at, *sorted(inside), to_at]
    for start, end in pairwise(edges):
        if start < end:
            yield start, end, _at(one, start), _at(other, start)


@dataclass(frozen=True, slots=True)
class BinaryScore:
    """Occupied or not, in seconds: for recordings that know a head count and no laptops.

    Ratios are 0-1, None where nothing was measured.
    """

    both_s: float
    only_claimed_s: float
    only_true_s: float
    neither_s: float
    false_releases: int

    @property
    def accuracy(self) -> float | None:
        right = self.both_s + self.neither_s
        return _ratio(right, right + self.only_claimed_s + self.only_true_s)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the shares that were right among occupied and among empty time."""
        occupied = _ratio(self.both_s, self.both_s + self.only_true_s)
        empty = _ratio(self.neither_s, self.neither_s + self.only_claimed_s)
        return None if occupied is None or empty is None else (occupied + empty) / 2

    @property
    def f1(self) -> float | None:
        return _ratio(2 * self.both_s, 2 * self.both_s + self.only_claimed_s + self.only_true_s)


def binary_score(
    truth: Sequence[tuple[datetime, bool]],
    claim: Sequence[tuple[datetime, bool | None]],
    from_at: datetime,
    to_at: datetime,
) -> BinaryScore:
    """Return how two step functions agree in [from_at, to_at); both in time order, None claims nothing."""
    seconds = {(t, c): 0.0 for t in (True, False) for c in (True, False)}
    for start, end, is_true, is_claimed in _together(truth, claim, from_at, to_at):
        if is_true is not None and is_claimed is not None:
            seconds[is_true, is_claimed] += (end - start).total_seconds()
    released = sum(
        1
        for at, before, after in _turns(claim)
        if before and after is False and from_at <= at < to_at and _at(truth, at)
    )
    return BinaryScore(
        both_s=seconds[True, True],
        only_claimed_s=seconds[False, True],
        only_true_s=seconds[True, False],
        neither_s=seconds[False, False],
        false_releases=released,
    )


def last_motion(
    motion: Iterable[datetime], timeout: timedelta, from_at: datetime
) -> list[tuple[datetime, bool]]:
    """Return the yardstick: occupied from each motion until `timeout` after it, empty before the first."""
    steps: list[tuple[datetime, bool]] = [(from_at, False)]
    until: datetime | None = None
    for at in sorted(motion):
        if until is None or at >= until:
            if until is not None:
                steps.append((until, False))
            steps.append((at, True))
        until = at + timeout
    if until is not None:
        steps.append((until, False))
    return steps


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
