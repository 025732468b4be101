"""From the rates to matrices: what a stretch of silence and what an event makes of a belief. Cached, pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import exp, log, prod
from typing import NamedTuple

from workplace.occupancy import rates
from workplace.occupancy.rates import GRADES, PRESENT, TRAFFIC, LevelRates
from workplace.occupancy.vectors import (
    BASE,
    DIGITS,
    STATES,
    Columns,
    Powers,
    Vector,
    columns_of,
    led,
    led_back,
    powers_of,
)

Rows = list[list[float]]
#: Stretches shorter than this need no factor twice, s.
_KEPT_S = BASE**DIGITS


class Motion(NamedTuple):
    """One motion sensor: its grade and its aisle (numbers in `GRADES` and `TRAFFIC`)."""

    grade: int = rates.DEFAULT_GRADE
    traffic: int = rates.DEFAULT_TRAFFIC


class Habits(NamedTuple):
    """What is learned of one place: its motion sensors, and how busy its zone is by band (numbers in `rates.BUSY`)."""

    motion: Motion = Motion()
    busy: tuple[int, ...] = rates.DEFAULT_BUSY


class Run(NamedTuple):
    """Hits that follow each other before a timer ends them, `motion` being the sensor's."""

    motion: Motion
    blind_ms: int
    timer_ms: int


class Level(NamedTuple):
    """One presence level as it stands: row `number` of `rates.LEVELS`, on or off, fresh or `is_old`."""

    number: int
    is_on: bool
    is_old: bool

    @property
    def rates(self) -> LevelRates:
        return rates.LEVELS[self.number]


class Setting(NamedTuple):
    """What of a place's sensors bears on its belief in one stretch of time.

    Attributes:
        band: part of the day, a number in `rates.BAND_HOURS`.
        has_dock: the place has a dock that can be trusted.
        link: its level, None while nobody knows.
        motions: the motion sensors that listen now; one in its blind time does not.
        levels: the presence levels that are trusted.
        runs: the motion sensors whose hits go on, for their end is not told.
        lively: those that listen, shortly after a hit, where passers-by stay for a moment.
        is_long: the last sign of anybody is long ago.
        busy: how busy the zone is in this band.
    """

    band: int
    has_dock: bool
    link: bool | None
    motions: tuple[Motion, ...] = ()
    levels: tuple[Level, ...] = ()
    runs: tuple[Run, ...] = ()
    lively: tuple[Motion, ...] = ()
    is_long: bool = False
    busy: int = rates.DEFAULT_BUSY[0]


def motion_rates(motion: Motion, band: int, *, is_lively: bool = False) -> Vector:
    """Return hits per hour of one sensor in each hidden state; `is_lively`: shortly after another."""
    grade, aisle = GRADES[motion.grade], TRAFFIC[motion.traffic]
    idle = aisle.idle * rates.TRAFFIC_FACTOR[band]
    if is_lively:
        idle += aisle.following
    moving, still = grade.active, grade.still
    return (idle, idle, moving, moving, still, moving, still)


def flip_rates(level: Level) -> Vector:
    """Return how often a level flips, per hour, in each hidden state."""
    known = level.rates
    if level.is_on:
        absent = known.old_off_absent if level.is_old else known.off_absent
        present, arriving = known.off_present, known.off_present
    else:
        absent = known.on_absent
        present = known.old_on_present if level.is_old else known.on_present
        arriving = present if level.is_old else rates.ON_ARRIVING
    return tuple(
        arriving if state == rates.ARRIVING else present if state in PRESENT else absent
        for state in range(STATES)
    )


@lru_cache(maxsize=256)
def run_ends(run: Run, band: int) -> Vector:
    """Return how often per hour a run of hits ends in each hidden state.

    A hit is followed by another before the timer is over with a chance of 1 - exp(-rate x window); runs are so many
    cycles long. Rounded, so that every machine gives the same bits.
    """
    window_h = (run.timer_ms - run.blind_ms) / 3_600_000
    found: list[float] = []
    for rate in motion_rates(run.motion, band):
        quiet = exp(-rate * window_h)
        cycle_h = run.blind_ms / 3_600_000 + 1.0 / rate - window_h * quiet / (1.0 - quiet)
        found.append(round(-log(1.0 - quiet) / cycle_h, 6))
    return tuple(found)


@lru_cache(maxsize=4096)
def silence(setting: Setting) -> Powers:
    """Return what stretches without any event do to a belief, not normalised."""
    rows = _hidden(setting.band, has_dock=setting.has_dock, busy=setting.busy)
    if setting.link:
        rows[rates.HELD][rates.FREE] = 0.0  # a laptop that goes takes the link along
    if setting.is_long:
        rows[rates.HELD][rates.DOCK_ACTIVE] *= rates.LONG_ABSENCE_FACTOR
    leaving = [sum(row) for row in rows]
    for (i, j), share in _unseen(setting):
        rows[i][j] *= share
    for state in range(STATES):
        rows[state][state] -= leaving[state]
    for per_state in _would_be_heard(setting):
        _subtract(rows, per_state)
    return powers_of(rows)


def _unseen(setting: Setting) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield which share of the comings and goings stays unseen, sensor by sensor."""
    seeing = (*setting.motions, *setting.lively, *(run.motion for run in setting.runs))
    missed = prod(1.0 - GRADES[motion.grade].edge_seen for motion in seeing)
    yield from ((change, missed) for change in rates.COUPLED)
    for level in setting.levels:
        changes = rates.LEAVINGS if level.is_on else rates.COMINGS
        yield from ((change, 1.0 - rates.LEVEL_SEEN) for change in changes)


def _would_be_heard(setting: Setting) -> Iterator[Vector]:
    """Yield what the sensors would tell, per hour in each hidden state."""
    band = setting.band
    yield from (motion_rates(motion, band) for motion in setting.motions)
    yield from (motion_rates(motion, band, is_lively=True) for motion in setting.lively)
    for run in setting.runs:
        yield tuple(min(rate, rates.RUN_END_MOST) for rate in run_ends(run, band))
    yield from (flip_rates(level) for level in setting.levels)
    if setting.has_dock and setting.link is not None:
        yield _totals(rates.LINK_DOWN if setting.link else rates.LINK_UP)


@lru_cache(maxsize=1024)
def motion_event(motion: Motion, band: int, busy: int, *, has_dock: bool, is_lively: bool = False) -> Columns:
    """Return what a hit does: its own rates, and the comings and goings that cause one."""
    rows = _diagonal(motion_rates(motion, band, is_lively=is_lively))
    hidden, seen = _hidden(band, has_dock=has_dock, busy=busy), GRADES[motion.grade].edge_seen
    for i, j in rates.COUPLED:
        rows[i][j] += seen * hidden[i][j]
    return columns_of(rows)


@lru_cache(maxsize=2)
def link_event(*, is_up: bool) -> Columns:
    rows: Rows = [[0.0] * STATES for _ in range(STATES)]
    for (i, j), rate in (rates.LINK_UP if is_up else rates.LINK_DOWN).items():
        rows[i][j] = rate
    return columns_of(rows)


@lru_cache(maxsize=1024)
def level_event(before: Level, band: int, busy: int, *, has_dock: bool) -> Columns:
    """Return what the flip of a level does, `before` being how it stood: its own rates, and who comes or goes."""
    rows = _diagonal(flip_rates(before))
    hidden = _hidden(band, has_dock=has_dock, busy=busy)
    for i, j in rates.LEAVINGS if before.is_on else rates.COMINGS:
        rows[i][j] += rates.LEVEL_SEEN * hidden[i][j]
    return columns_of(rows)


@lru_cache(maxsize=8)
def first_word(likely: Vector) -> Columns:
    """Return what a level says when it is heard for the first time, from its likelihood in each state."""
    return columns_of(_diagonal(likely))


def after_silence(a: Vector, powers: Powers, seconds: int) -> Vector:
    """Return the belief after a stretch without events; `powers` as `silence` returns them."""
    if seconds >= _KEPT_S:
        for columns in factors(powers, seconds):
            a = led(a, columns)
        return a
    for multiples in powers:
        if digit := seconds % BASE:
            a = led(a, multiples[digit - 1])
        seconds //= BASE
        if not seconds:
            break
    return a


def before_silence(b: Vector, powers: Powers, seconds: int) -> Vector:
    """Return the backward message at the start of a stretch, from the one at its end."""
    for columns in factors(powers, seconds):
        b = led_back(columns, b)
    return b


def factors(powers: Powers, seconds: int) -> Iterator[Columns]:
    for multiples in powers:
        if digit := seconds % BASE:
            yield multiples[digit - 1]
        seconds //= BASE
    for _ in range(seconds):
        yield from (powers[-1][-1], powers[-1][0])  # the longest that is kept and one more: a whole turn


def _hidden(band: int, *, has_dock: bool, busy: int) -> Rows:
    rows: Rows = [[0.0] * STATES for _ in range(STATES)]
    for (i, j), rate in (rates.CHANGES if has_dock else rates.CHANGES_WITHOUT_DOCK).items():
        rows[i][j] = rate
    docking = rates.DOCKING_SHARE if has_dock else 0.0
    arrivals = rates.ARRIVALS[band] * rates.BUSY[busy]
    rows[rates.FREE][rates.ARRIVING] = docking * arrivals
    rows[rates.FREE][rates.BARE_ACTIVE] = (1.0 - docking) * arrivals
    for i, j in rates.LEAVINGS:
        rows[i][j] *= rates.LEAVE_FACTOR[band]
    rows[rates.HELD][rates.DOCK_ACTIVE] *= rates.RETURN_FACTOR[band]
    return rows


def _totals(events: dict[tuple[int, int], float]) -> Vector:
    return tuple(sum(rate for (i, _), rate in events.items() if i == state) for state in range(STATES))


def _subtract(rows: Rows, per_state: Vector) -> None:
    for state in range(STATES):
        rows[state][state] -= per_state[state]


def _diagonal(per_state: Vector) -> Rows:
    return [[per_state[i] if i == j else 0.0 for j in range(STATES)] for i in range(STATES)]
