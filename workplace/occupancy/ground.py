"""What of a place never changes, as the occupancy filter needs it: its sensors in numbers, and the bands of its day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import log
from typing import Any, Final
from zoneinfo import ZoneInfo

from workplace.floor_plan import Place, Sensor
from workplace.occupancy import rates
from workplace.occupancy.generator import Habits, Motion, Run, run_ends
from workplace.occupancy.rates import BAND_HOURS, DAY, DOCK_ACTIVE, TRAFFIC

#: What an event is: a hit, an edge of a link, a flip of a level, a sensor lost or back, a short drop of a link, and
#: the end of hits that a timer tells: it says when the last one was.
HIT, LINK, LEVEL, LOST, BACK, FLAP, END = range(7)
#: The end that a timer tells and the hit itself are this close when they are one, ms.
TIMER_SLACK_MS: Final = 2_000
#: An end that a timer tells is under way for so long at most, as a rule. Lower: a passer-by is taken for somebody
#: while his end is under way; higher: who moves on and on is believed later.
RUN_LATE_MS: Final = 10_000
#: Nobody is believed longer for an end that was not told, ms.
LONGEST_RUN_MS: Final = 30 * 60_000
#: What says a level repeats it, so a lost end is told again: it is believed until its beats are missed, ms.
LONGEST_LEVEL_RUN_MS: Final = 4 * 3_600_000
#: A lost end is likelier than a run of hits that has lasted so many times its mean (2 % of the messages are lost).
LOST_END: Final = 4.0
#: This share of the messages is lost or late by minutes (radio indoors: 3 % lost, Petajajarvi et al.). Lower: a lost
#: end holds a place; higher: who moves without a pause is lost.
LOST_SHARE: Final = 0.05
LIVELY_MS: Final = int(rates.LIVELY_S * 1000)
LEVEL_EXPIRES_MS: Final = int(rates.LEVEL_EXPIRES_S * 1000)
_QUARTER_MS: Final = 900_000

#: Unix ms -> band of the day and when it ends.
Bands = Callable[[int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Ear:
    """One sensor of a place.

    Attributes:
        code: HIT, LINK or LEVEL, what it is heard to do. What a timer ends is a motion sensor, whatever it calls it.
        timer_ms: ends its hits.
        level: the row of `rates.LEVELS` by which it flips.
        believed_ms: hits are believed to go on for so long when their end is not told.
        telling_ms: so long of that says more and more for somebody; then a lost end is as likely, and nothing is told.
        is_level: what it says once more within a run is its state said again, and no other hit.
    """

    code: int
    blind_ms: int
    timer_ms: int
    level: int
    motion: Motion
    believed_ms: int = 0
    is_level: bool = False
    telling_ms: int = 0

    @property
    def lively_ms(self) -> int:
        """How long after a hit another one may be of the same passer-by; 0 where nobody stays for a moment. A timer
        makes one run of such hits, which is as good."""
        is_lively = TRAFFIC[self.motion.traffic].following > 0 and not self.has_runs
        return LIVELY_MS if is_lively else 0

    @property
    def run(self) -> Run:
        return Run(self.motion, self.blind_ms, self.timer_ms)

    @property
    def has_runs(self) -> bool:
        """Whether hits can follow each other before the timer ends them."""
        return self.believed_ms > 0


@dataclass(slots=True)
class Kept:
    """The silence after the newest event, as `core.Ahead` worked it out last."""

    ahead: Any = None


@dataclass(frozen=True, slots=True)
class Ground:
    """One place: its sensors, has it a dock, and the bands of its day. `kept` only saves computing it again."""

    ears: tuple[Ear, ...]
    has_dock: bool
    bands: Bands
    busy: tuple[int, ...] = rates.DEFAULT_BUSY
    kept: Kept = field(default_factory=Kept, compare=False)

    @classmethod
    def of(cls, place: Place, habits: Habits, tz: ZoneInfo) -> Ground:
        ears = tuple(_ear(sensor, habits.motion) for sensor in place.sensors)
        return cls(ears, any(ear.code == LINK for ear in ears), bands_of(tz), habits.busy)

    def with_habits(self, place: Place, habits: Habits) -> Ground:
        """Return the same place with other habits."""
        ears = tuple(_ear(sensor, habits.motion) for sensor in place.sensors)
        return Ground(ears, self.has_dock, self.bands, habits.busy)


def _ear(sensor: Sensor, motion: Motion) -> Ear:
    code = {"motion": HIT, "link": LINK}.get(sensor.kind, HIT if sensor.end_timer_s else LEVEL)
    blind_ms, timer_ms = int(sensor.blind_s * 1000), int(sensor.end_timer_s * 1000)
    believed_ms = telling_ms = 0
    if code == HIT and timer_ms > blind_ms:
        ends_per_h = run_ends(Run(motion, blind_ms, timer_ms), DAY)[DOCK_ACTIVE]
        believed_ms = int(min(LONGEST_RUN_MS, LOST_END / ends_per_h * 3_600_000))
        surplus_per_h = max(rates.RUN_END_MOST - ends_per_h, 1.0)
        telling_ms = int(min(believed_ms, -log(LOST_SHARE) / surplus_per_h * 3_600_000))
        if sensor.kind != "motion":
            believed_ms = telling_ms = LONGEST_LEVEL_RUN_MS
    return Ear(
        code,
        blind_ms,
        timer_ms,
        rates.LEVEL_OF.get(sensor.kit, 0),
        motion,
        believed_ms,
        sensor.kind != "motion",
        telling_ms,
    )


@lru_cache(maxsize=64)
def bands_of(tz: ZoneInfo) -> Bands:
    """Return the bands of the day in a time zone."""
    by_quarter = lru_cache(maxsize=4096)(lambda quarter: _band(tz, quarter))
    return lambda at: by_quarter(at // _QUARTER_MS)


def _band(tz: ZoneInfo, quarter: int) -> tuple[int, int]:
    """Return the band of a quarter of an hour and the unix ms at which that quarter's band ends."""
    number = _band_at(tz, quarter)
    end = quarter + 1
    while _band_at(tz, end) == number and end - quarter < 48:
        end += 1
    return number, end * _QUARTER_MS


@lru_cache(maxsize=16384)
def _band_at(tz: ZoneInfo, quarter: int) -> int:
    local = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, tz)
    passed = sum((local.hour, local.minute) >= start for start in BAND_HOURS)
    return passed % len(BAND_HOURS)
