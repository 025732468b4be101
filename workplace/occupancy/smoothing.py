"""What a day was, once all of it is known: the timeline that reports are made of. Forward-backward, pure.

Live, nobody knows yet whether the silence of the last ten minutes was a still sitter or an empty chair; at night the
return, or the silence that went on, has told. Reports and what-if read this timeline, screens never.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workplace.occupancy import core as steps
from workplace.occupancy.core import Core
from workplace.occupancy.day import Day
from workplace.occupancy.generator import factors
from workplace.occupancy.ground import LINK, Ground
from workplace.occupancy.rates import FREE as IS_FREE
from workplace.occupancy.rates import HELD as IS_HELD
from workplace.occupancy.vectors import STATES, Columns, Powers, Vector, led, led_back, normal
from workplace.occupancy.verdicts import FREE, HELD, OCCUPIED, UNKNOWN, occupied

#: A long silence is looked at this often, s. Lower: work; higher: who left in it is dated less exactly.
STEP_S: Final = 64


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a moment afterwards; `verdict` is the likeliest of the three, or unknown; at: unix ms."""

    at: int
    verdict: int
    p_occupied: float
    p_held: float
    p_free: float


@dataclass(frozen=True, slots=True)
class _Knot:
    """A moment on the way forward: the belief then, and what leads to the next knot."""

    at: int
    belief: Vector
    onward: tuple[Columns, ...]
    is_heard: bool


def smoothed(ground: Ground, day: Day) -> tuple[list[Known], Core]:
    """Return what is known of the day afterwards, in order of time, and how it ended, for the day after.

    The end of a day is known no better than live.
    """
    knots, core = _forward(ground, day)
    message: Vector = (1.0,) * STATES
    found: list[Known] = []
    for knot in reversed(knots):
        for columns in reversed(knot.onward):
            message = led_back(columns, message)
        weights = [a * b for a, b in zip(knot.belief, message, strict=True)]
        total = sum(weights)
        joint = normal(tuple(weights)) if total else knot.belief
        found.append(_known(knot, joint))
    found.reverse()
    return found, core


def _known(knot: _Knot, joint: Vector) -> Known:
    there, held, free = occupied(joint), joint[IS_HELD], joint[IS_FREE]
    verdict = UNKNOWN
    if knot.is_heard:
        verdict = OCCUPIED if there >= max(held, free) else HELD if held >= free else FREE
    return Known(knot.at, verdict, there, held, free)


def _forward(ground: Ground, day: Day) -> tuple[list[_Knot], Core]:
    knots: list[_Knot] = []
    core = day.first
    for event in day.events:
        before = list(_silence(ground, core, event.at))
        knots += before
        belief = _led(before[-1]) if before else core.belief
        columns = steps.matrix_of(ground, core, event)
        after = steps.happen_to(ground, steps.believing(core, event.at, belief), event)
        if columns is not None:
            knots.append(_Knot(event.at - 1, belief, (columns,), _is_heard(ground, core)))
        core = after
    knots += _silence(ground, core, day.until)
    return knots, steps.believing(core, max(core.at, day.until), _led(knots[-1]) if knots else core.belief)


def _silence(ground: Ground, core: Core, until: int) -> Iterator[_Knot]:
    """Yield the knots of a silence; the first is at its start."""
    at, belief, is_heard = core.at, core.belief, _is_heard(ground, core)
    for begin_s, to_s, powers in steps.stretches(ground, core, until):
        from_s = begin_s
        while from_s < to_s:
            length_s = min(STEP_S, to_s - from_s)
            knot = _Knot(at, belief, _onward(powers, length_s), is_heard)
            yield knot
            belief, from_s = _led(knot), from_s + length_s
            at = from_s * 1000


def _onward(powers: Powers, length_s: int) -> tuple[Columns, ...]:
    return tuple(factors(powers, length_s))


def _led(knot: _Knot) -> Vector:
    belief = knot.belief
    for columns in knot.onward:
        belief = led(belief, columns)
    return belief


def _is_heard(ground: Ground, core: Core) -> bool:
    return any(
        one.is_trusted and ear.code != LINK for ear, one in zip(ground.ears, core.sensors, strict=True)
    )
