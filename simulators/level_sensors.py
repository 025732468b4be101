"""When a sensor with two edges says that somebody is there: seat pads, desk sensors, radars. Pure and seeded.

Times are s after the start of a day. What comes out are changes of one level: (when, is somebody there).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HOUR_S = 3600.0
Span = tuple[float, float]
Change = tuple[float, bool]


@dataclass(frozen=True, slots=True)
class Habit:
    """How one kind of sensor takes to a body.

    Attributes:
        seen_after_s: from sitting down to the report, range.
        gone_after_s: how long nobody must be there before it says so.
        pass_by_seen: chance that a body that passes by is taken for somebody who sits, until it is gone.
        losses_per_h: how often it loses a body that sits still; loss_s: for how long, range.
    """

    seen_after_s: Span
    gone_after_s: float
    pass_by_seen: float
    losses_per_h: float
    loss_s: Span


#: Milesight VS340/VS341: reports a change at once; the extra vacancy confirmation can be 0-100 s (vs340-encoder.js),
#: 60 s here. A chair that is pushed in sees nobody pass; how often it loses somebody is a guess.
SEAT = Habit((2.0, 8.0), 60.0, pass_by_seen=0.02, losses_per_h=0.04, loss_s=(60.0, 180.0))
#: Mains radar of the ZY-M100 family: fading time 30 s (a log in ZY-M100 issue 1), Aqara FP300 1-300 s. It holds
#: while somebody breathes; that it sees every second passer-by and loses somebody twice a day is a guess.
RADAR = Habit((0.5, 3.0), 30.0, pass_by_seen=0.5, losses_per_h=0.1, loss_s=(5.0, 30.0))
#: Browan TBMS100: free 5 min after the last motion (reference manual).
DESK_FREE_AFTER_S = 300.0


def held_by_body(
    rng: random.Random, habit: Habit, seated: Iterable[Span], passes: Iterable[float]
) -> Iterator[Change]:
    """Yield the changes of a sensor that feels or sees a body that sits."""
    spans: list[Span] = []
    for start_s, end_s in seated:
        spans += _felt(rng, habit, start_s, end_s)
    for at_s in passes:
        if rng.random() < habit.pass_by_seen:
            spans.append((at_s, at_s + habit.gone_after_s))
    yield from edges(spans)


def held_by_motion(hits: Iterable[float], free_after_s: float = DESK_FREE_AFTER_S) -> Iterator[Change]:
    """Yield the changes of a sensor that is free `free_after_s` after the last of the ordered hits."""
    yield from edges((at_s, at_s + free_after_s) for at_s in hits)


def edges(spans: Iterable[Span]) -> Iterator[Change]:
    """Yield where the union of the spans begins and ends, in order."""
    begin_s = end_s = None
    for start_s, stop_s in sorted(spans):
        if end_s is not None and begin_s is not None and start_s > end_s:
            yield begin_s, True
            yield end_s, False
            begin_s = end_s = None
        begin_s = start_s if begin_s is None else begin_s
        end_s = stop_s if end_s is None else max(end_s, stop_s)
    if begin_s is not None and end_s is not None:
        yield begin_s, True
        yield end_s, False


def _felt(rng: random.Random, habit: Habit, start_s: float, end_s: float) -> Iterator[Span]:
    """Yield the stretches in which one stay is felt: all of it but for a few losses."""
    at_s, until_s = start_s + rng.uniform(*habit.seen_after_s), end_s + habit.gone_after_s
    while at_s < end_s:
        lost_s = at_s + rng.expovariate(habit.losses_per_h) * HOUR_S
        if lost_s >= end_s:
            yield at_s, until_s
            return
        yield at_s, lost_s
        at_s = lost_s + rng.uniform(*habit.loss_s)
