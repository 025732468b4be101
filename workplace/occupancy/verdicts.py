"""From a belief to a verdict that is not easily changed. Pure."""

from __future__ import annotations

from typing import Final

from workplace.occupancy.vectors import Vector

FREE, HELD, OCCUPIED, UNKNOWN = range(4)

#: Occupied above this; released below that; shown as left below that (research goals: 30 false releases in 1,000 h).
ENTER, RELEASE, LEAVE = 0.60, 0.03, 0.25
#: A place of which nothing was heard yet is free only below this: who sits there may sit still, and how well the sensor
#: sees is not known. Lower: a new site stays unknown for longer; higher: its first hour sends people away.
RELEASE_UNHEARD: Final = 0.002
#: Who left a laptop comes back: at a held place more likely than not is enough.
RETURN: Final = 0.50
#: A free place turns held, and a held one free, only when this sure.
HELD_SURE, FREE_SURE = 0.60, 0.90


def occupied(belief: Vector) -> float:
    return belief[2] + belief[3] + belief[4] + belief[5] + belief[6]


def verdict_of(verdict: int, belief: Vector) -> int:
    """Return the verdict that `belief` gives to a place that had `verdict`.

    Unknown is left only for what is sure: nobody may take a place for free because nothing was heard of it yet.
    """
    free, held = belief[0], belief[1]
    there = belief[2] + belief[3] + belief[4] + belief[5] + belief[6]
    if verdict == OCCUPIED:
        if there >= LEAVE:
            return OCCUPIED
        if free > held:
            return FREE if there < RELEASE else OCCUPIED
        return HELD if held > free else OCCUPIED
    if there > (RETURN if verdict == HELD else ENTER):
        return OCCUPIED
    if verdict == FREE:
        return HELD if held > HELD_SURE else FREE
    if verdict == HELD:
        return FREE if free > FREE_SURE else HELD
    if there < RELEASE_UNHEARD and free > held:
        return FREE
    return HELD if there < LEAVE and held > HELD_SURE else UNKNOWN
