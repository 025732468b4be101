"""One figure of the bench, and how two pieces of work are timed against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured.

    Attributes:
        value: our side, in `unit`.
        against: what it is compared with: measured in the same run, or a need or budget with its number.
        ratio: how many times better than `against`; `goal` is the least that we promise.
    """

    name: str
    value: float
    unit: str
    against: str
    ratio: float
    goal: float

    @property
    def met(self) -> bool:
        return self.ratio >= self.goal


def within(name: str, value: float, unit: str, budget: float) -> Figure:
    """Return the figure of something that must stay under a budget."""
    return Figure(name, value, unit, f"budget of {budget:,g} {unit}", budget / value, 1.0)


def each_us(work: Callable[[], int], clock: Callable[[], float] = time.process_time) -> float:
    """Return microseconds of `clock` per item, process CPU by default; `work` returns its number of items."""
    started = clock()
    items = work()
    return (clock() - started) * 1e6 / items


def rate(work: Callable[[], float], *, rounds: int = 5) -> float:
    """Return items per second from the median of several costs in us per item, after a warm-up."""
    work()
    return 1e6 / statistics.median(work() for _ in range(rounds))


def compare(ours: Callable[[], float], other: Callable[[], float], *, rounds: int = 7) -> tuple[float, float]:
    """Return our cost and how often it goes into the other's: medians of rounds that take turns.

    The ratio is taken per round, so that a neighbour's hiccup on a shared machine meets both of its sides.
    """
    ours(), other()
    pairs = [(ours(), other()) for _ in range(rounds)]
    return statistics.median(mine for mine, _ in pairs), statistics.median(its / mine for mine, its in pairs)
