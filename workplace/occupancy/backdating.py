"""When did the last person leave? Looking back with what was learned since: a passer-by resets no clock. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workplace.occupancy import core as steps
from workplace.occupancy.core import Core
from workplace.occupancy.generator import before_silence
from workplace.occupancy.ground import Ground
from workplace.occupancy.rates import PRESENT
from workplace.occupancy.sensor_now import Event
from workplace.occupancy.vectors import STATES, Vector, led_back


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of the past as it was lived: `cores[0]` before the first event, `cores[n]` after the n-th."""

    events: Sequence[Event]
    cores: Sequence[Core]


def lived(ground: Ground, first: Core, events: Sequence[Event], known: Sequence[Core] = ()) -> Line:
    """Return the line from `first` on; `known`: cores after the first of the events, when they are known."""
    cores = [first, *known]
    for event in events[len(known) :]:
        cores.append(steps.happen(ground, cores[-1], event))
    return Line(events, cores)


def left_at(ground: Ground, lines: Iterable[Line], until: int) -> int | None:
    """Return the unix ms from which on nobody was there, None when nobody was there as far as `lines` reach.

    Args:
        lines: newest first, each ending where the one before began; taken only as far back as needed.
        until: what happened later is not looked at.
    """
    b: Vector = (1.0,) * STATES
    for line in lines:
        newest = bisect_right(line.cores, until, key=lambda core: core.at) - 1
        for number in range(newest, -1, -1):
            core = line.cores[number]
            b = _over_silence(ground, core, until, b)
            if _there(core.belief, b) >= steps.THERE:
                return core.at
            until = core.at
            if number == 0:
                break
            event = line.events[number - 1]
            before = steps.rest(ground, line.cores[number - 1], event.at)
            columns = steps.matrix_of(ground, before, event)
            if columns is not None:
                b = led_back(columns, b)
                if _there(before.belief, b) >= steps.THERE:
                    return core.at
    return None


def _there(a: Vector, b: Vector) -> float:
    joint = [x * y for x, y in zip(a, b, strict=True)]
    total = sum(joint)
    return sum(joint[state] for state in PRESENT) / total if total else 0.0


def _over_silence(ground: Ground, core: Core, until: int, b: Vector) -> Vector:
    for from_s, to_s, powers in reversed(list(steps.stretches(ground, core, until))):
        b = before_silence(b, powers, to_s - from_s)
    return b
