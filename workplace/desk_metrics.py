"""How well a model follows a desk: agreement by time, delays, hold clocks, long holds, calibration. Pure.

Definitions as in docs/explanation/occupancy-model.md. Time without a claim is coverage, never right or wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from workplace.metrics import STATES, TruthState

#: Departures count when the absence lasts this long; holds have a clock worth judging from this length on.
ABSENCE, CLOCKED_HOLD, LONG_HOLD = timedelta(minutes=10), timedelta(minutes=15), timedelta(minutes=30)
#: Who goes home is away this long: more says nothing of a model.
LONGEST_ABSENCE = timedelta(hours=12)
#: A long hold is found when this share of it was claimed, and claimed rightly when this share of the claim is true.
OVERLAP: Final = 0.5
BINS: Final = 10
_STILL = timedelta(days=36500)


@dataclass(frozen=True, slots=True)
class Said:
    """From `at` on a model says `state` (None: nothing) with this chance of somebody; `since` is its clock."""

    at: datetime
    state: TruthState | None
    p_occupied: float
    since: datetime
    p_held: float = 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A state that stands from `start` to `end`."""

    state: TruthState | None
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


Window = tuple[datetime, datetime]
#: Steps; None where nothing is known.
Truth = Sequence[tuple[datetime, TruthState | None]]


@dataclass(slots=True)
class DeskScore:
    """Sums over desks and days; the figures are properties. Ratios are 0-1, delays in s, None: nothing measured."""

    seconds: dict[tuple[TruthState, TruthState | None], float] = field(default_factory=dict)
    false_releases: int = 0
    arrivals_s: list[float] = field(default_factory=list)
    departures_s: list[float] = field(default_factory=list)
    clock_errors_s: list[float] = field(default_factory=list)
    clock_misses: int = 0
    long_true: int = 0
    long_found: int = 0
    long_claimed: int = 0
    long_right: int = 0
    bins: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0, 0.0] for _ in range(BINS)])
    """Per tenth of p_occupied: seconds weighted by p, seconds with somebody, seconds."""

    def add(self, other: DeskScore) -> None:
        for key, seconds in other.seconds.items():
            self.seconds[key] = self.seconds.get(key, 0.0) + seconds
        for name in (
            "false_releases",
            "clock_misses",
            "long_true",
            "long_found",
            "long_claimed",
            "long_right",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("arrivals_s", "departures_s", "clock_errors_s"):
            getattr(self, name).extend(getattr(other, name))
        for mine, theirs in zip(self.bins, other.bins, strict=True):
            for number, value in enumerate(theirs):
                mine[number] += value

    def _known(self, truth: TruthState | None = None, claim: TruthState | None = None) -> float:
        return sum(
            seconds
            for (was, said), seconds in self.seconds.items()
            if said is not None and truth in (None, was) and claim in (None, said)
        )

    @property
    def occupied_h(self) -> float:
        return sum(s for (was, _), s in self.seconds.items() if was == "occupied") / 3600

    @property
    def coverage(self) -> float | None:
        return _ratio(self._known(), sum(self.seconds.values()))

    @property
    def accuracy(self) -> float | None:
        return _ratio(sum(self._known(state, state) for state in STATES), self._known())

    @property
    def balanced(self) -> float | None:
        """Mean over the states that occurred of the share of their time that was right."""
        shares = [_ratio(self._known(state, state), self._known(state)) for state in STATES]
        found = [share for share in shares if share is not None]
        return sum(found) / len(found) if found else None

    def f1(self, state: TruthState) -> float | None:
        return _ratio(2 * self._known(state, state), self._known(state) + self._known(None, state))

    @property
    def long_hold_f1(self) -> float | None:
        precision = _ratio(self.long_right, self.long_claimed) or 0.0
        recall = _ratio(self.long_found, self.long_true)
        if recall is None:
            return None
        return _ratio(2 * precision * recall, precision + recall) or 0.0

    @property
    def false_releases_per_1000_h(self) -> float | None:
        return _ratio(1000 * self.false_releases, self.occupied_h)

    @property
    def clock_error_s(self) -> float | None:
        return median(self.clock_errors_s) if self.clock_errors_s else None

    @property
    def clock_miss_share(self) -> float | None:
        return _ratio(self.clock_misses, self.clock_misses + len(self.clock_errors_s))

    @property
    def calibration_error(self) -> float | None:
        """Mean distance, weighted by time, between what was believed and how often it was so."""
        return _ratio(sum(abs(said - true) for said, true, _ in self.bins), sum(s for _, _, s in self.bins))


def score(truth: Truth, said: Sequence[Said], windows: Sequence[Window]) -> DeskScore:
    """Return how one desk was followed within `windows`; `truth` and `said` in order of time."""
    found = DeskScore()
    truths = stretches(truth)
    claims = stretches([(one.at, one.state) for one in said])
    times = [one.at for one in said]
    for window in windows:
        _by_time(found, truths, said, window)
    for before, one in pairwise(truths):
        if not _is_inside(one.start, windows):
            continue
        if one.state == "occupied" and before.state is not None:
            found.arrivals_s.append(_delay_s(claims, one, is_there=True))
        absence = _absence(truths, one)
        if before.state == "occupied" and absence >= ABSENCE:
            gone = Stretch(None, one.start, one.start + min(absence, LONGEST_ABSENCE))
            found.departures_s.append(_delay_s(claims, gone, is_there=False))
        if one.state == "held" and one.length >= CLOCKED_HOLD and one is not truths[-1]:
            _judge_clock(found, said, times, one)
    for before, claim in pairwise(claims):
        released = claim.state == "free" and before.state in ("occupied", "held")
        if released and _is_inside(claim.start, windows) and state_at(truth, claim.start) == "occupied":
            found.false_releases += 1
    _judge_long_holds(found, truths, said, windows)
    return found


def stretches(steps: Sequence[tuple[datetime, TruthState | None]]) -> list[Stretch]:
    """Return the stretches of a step function; the last one never ends."""
    found: list[Stretch] = []
    for number, (at, state) in enumerate(steps):
        end = steps[number + 1][0] if number + 1 < len(steps) else at + _STILL
        if found and found[-1].state == state:
            found[-1] = Stretch(state, found[-1].start, end)
        else:
            found.append(Stretch(state, at, end))
    return found


def state_at(steps: Truth, at: datetime) -> TruthState | None:
    number = bisect_right(steps, at, key=lambda step: step[0])
    return steps[number - 1][1] if number else None


def _by_time(found: DeskScore, truths: Sequence[Stretch], said: Sequence[Said], window: Window) -> None:
    parts = [
        (one, max(one.at, window[0]), min(following, window[1]))
        for one, following in zip(said, [*(other.at for other in said[1:]), window[1]], strict=True)
    ]
    for true, claim, seconds in _overlaps(truths, parts):
        if true.state is None:
            continue
        key = (true.state, claim.state)
        found.seconds[key] = found.seconds.get(key, 0.0) + seconds
        if claim.state is not None:
            of_bin = found.bins[min(int(claim.p_occupied * BINS), BINS - 1)]
            of_bin[0] += seconds * claim.p_occupied
            of_bin[1] += seconds * (true.state == "occupied")
            of_bin[2] += seconds


def _overlaps(
    truths: Sequence[Stretch], parts: Sequence[tuple[Said, datetime, datetime]]
) -> Iterator[tuple[Stretch, Said, float]]:
    number = 0
    for claim, start, end in parts:
        while number < len(truths) and truths[number].end <= start:
            number += 1
        at = number
        while start < end and at < len(truths) and truths[at].start < end:
            seconds = (min(end, truths[at].end) - max(start, truths[at].start)).total_seconds()
            if seconds > 0:
                yield truths[at], claim, seconds
            at += 1


def _delay_s(claims: Sequence[Stretch], stay: Stretch, *, is_there: bool) -> float:
    """Return when a claim followed what began at `stay.start`; the whole stay when none did."""
    for claim in claims:
        if claim.end > stay.start and (claim.state == "occupied") == is_there and claim.state is not None:
            return (min(max(claim.start, stay.start), stay.end) - stay.start).total_seconds()
    return stay.length.total_seconds()


def _absence(truths: Sequence[Stretch], first: Stretch) -> timedelta:
    """Return how long nobody is there from `first` on."""
    back = next((one for one in truths if one.start >= first.start and one.state == "occupied"), None)
    return _STILL if back is None else back.start - first.start


def _judge_clock(found: DeskScore, said: Sequence[Said], times: Sequence[datetime], hold: Stretch) -> None:
    number = bisect_right(times, hold.end - timedelta(milliseconds=1))
    last = said[number - 1] if number else None
    if last is None or last.state != "held":
        found.clock_misses += 1
    else:
        found.clock_errors_s.append(abs((last.since - hold.start).total_seconds()))


def _judge_long_holds(
    found: DeskScore, truths: Sequence[Stretch], said: Sequence[Said], windows: Sequence[Window]
) -> None:
    true = [one for one in truths if one.state == "held" and _counts(one, windows)]
    claimed = [one for one in _held_as_claimed(said) if _counts(one, windows)]
    found.long_true, found.long_claimed = len(true), len(claimed)
    found.long_found = sum(_is_covered(one, claimed) for one in true)
    found.long_right = sum(_is_covered(one, true) for one in claimed)


def _held_as_claimed(said: Sequence[Said]) -> list[Stretch]:
    """Return the holds as a screen would date them: from the clock's start to the end of the claim."""
    found: list[Stretch] = []
    for number, one in enumerate(said):
        if one.state != "held":
            continue
        end = said[number + 1].at if number + 1 < len(said) else one.at + _STILL
        is_same = number > 0 and said[number - 1].state == "held"
        start = min(one.since, one.at)
        found = (
            [*found[:-1], Stretch("held", start, end)] if is_same else [*found, Stretch("held", start, end)]
        )
    return found


def _counts(one: Stretch, windows: Sequence[Window]) -> bool:
    return LONG_HOLD <= one.length < timedelta(days=2) and _is_inside(one.start, windows)


def _is_covered(one: Stretch, others: Sequence[Stretch]) -> bool:
    shared = sum(
        (max(min(one.end, other.end) - max(one.start, other.start), timedelta()) for other in others),
        timedelta(),
    )
    return shared >= one.length * OVERLAP


def _is_inside(at: datetime, windows: Sequence[Window]) -> bool:
    return any(start <= at < end for start, end in windows)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
