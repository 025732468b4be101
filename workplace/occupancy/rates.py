"""How often people and sensors change: the facts of the occupancy model, as tables. Rates are per hour.

Seven hidden states: free, held (laptop, nobody), arriving or leaving without a dock, and somebody at work with a
dock or without one, moving (active) or sitting still. Sources: the published and measured numbers that the
project collected (docs/explanation/occupancy-model.md); they were tuned on simulated buildings and one real room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workplace.sensor_grades import GradeName

FREE, HELD, ARRIVING, DOCK_ACTIVE, DOCK_STILL, BARE_ACTIVE, BARE_STILL = range(7)
PRESENT: Final = (ARRIVING, DOCK_ACTIVE, DOCK_STILL, BARE_ACTIVE, BARE_STILL)

#: Bands of the day begin at these local hours: night from 20:00, morning, day, noon, afternoon, evening.
BAND_HOURS: Final = ((6, 30), (10, 0), (11, 45), (13, 0), (16, 0), (20, 0))
NIGHT, MORNING, DAY, NOON, AFTERNOON, EVENING = range(6)

#: Arrivals at a free desk by band; this share of who arrives docks.
ARRIVALS: Final = (0.004, 0.22, 0.12, 0.12, 0.12, 0.02)
DOCKING_SHARE: Final = 0.85
#: A zone is so many times busier than that in a band; learned from its days (a restaurant at noon).
BUSY: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
DEFAULT_BUSY: Final = (2,) * len(BAND_HOURS)
#: People leave more often around noon (IDLab offices: present 11 h .67-.80, 12 h .42-.48, 14 h .70-.79).
LEAVE_FACTOR: Final = (1.0, 1.0, 1.0, 1.8, 1.0, 1.2)
#: Returns to a held desk are rarer late in the day.
RETURN_FACTOR: Final = (0.05, 1.0, 1.0, 1.0, 1.0, 0.5)
#: Who has been away for this long comes back this much more seldom: breaks are short or long, not exponential. Without
#: it a place held for hours drifts back to occupied (IDLab offices: absences median 20-30 min, p90 70-130 min).
LONG_ABSENCE_S, LONG_ABSENCE_FACTOR = 2700.0, 0.4
TRAFFIC_FACTOR: Final = (0.08, 1.0, 1.0, 1.0, 1.0, 0.7)

#: Hidden changes with a dock on the desk, from -> to.
CHANGES: Final = {
    (ARRIVING, BARE_ACTIVE): 6.0,
    (ARRIVING, FREE): 40.0,
    (DOCK_ACTIVE, DOCK_STILL): 12.0,
    (DOCK_STILL, DOCK_ACTIVE): 7.0,
    (BARE_ACTIVE, BARE_STILL): 12.0,
    (BARE_STILL, BARE_ACTIVE): 7.0,
    (DOCK_ACTIVE, HELD): 0.9,
    (DOCK_STILL, HELD): 0.9,
    (HELD, DOCK_ACTIVE): 1.2,
    (BARE_ACTIVE, FREE): 1.3,
    (BARE_STILL, FREE): 1.3,
    (HELD, FREE): 0.02,
}
#: Getting up and going, with a laptop that stays and without one.
LEAVINGS: Final = ((DOCK_ACTIVE, HELD), (DOCK_STILL, HELD), (BARE_ACTIVE, FREE), (BARE_STILL, FREE))
#: Without one nobody is docked or holds a place by a laptop that can be sensed.
CHANGES_WITHOUT_DOCK: Final = {**CHANGES, (ARRIVING, BARE_ACTIVE): 60.0, (HELD, FREE): 60.0}

#: Coming and going that a motion sensor sees by itself.
COUPLED: Final = (
    (FREE, ARRIVING),
    (FREE, BARE_ACTIVE),
    (HELD, DOCK_ACTIVE),
    (DOCK_ACTIVE, HELD),
    (DOCK_STILL, HELD),
    (BARE_ACTIVE, FREE),
    (BARE_STILL, FREE),
)

#: The dock link going up, and going down: from -> to.
LINK_UP: Final = {
    (ARRIVING, DOCK_ACTIVE): 50.0,
    (BARE_ACTIVE, DOCK_ACTIVE): 1.0,
    (BARE_STILL, DOCK_ACTIVE): 0.3,
    (FREE, DOCK_ACTIVE): 0.03,
    (HELD, DOCK_ACTIVE): 1.0,
    (HELD, HELD): 0.05,
    (DOCK_ACTIVE, DOCK_ACTIVE): 30.0,
    (DOCK_STILL, DOCK_STILL): 10.0,
}
LINK_DOWN: Final = {
    (DOCK_ACTIVE, ARRIVING): 0.5,
    (DOCK_STILL, ARRIVING): 0.5,
    (DOCK_ACTIVE, DOCK_ACTIVE): 0.05,
    (DOCK_STILL, DOCK_STILL): 0.05,
    (HELD, HELD): 0.6,  # the laptop sleeps
    (HELD, ARRIVING): 0.2,
    (HELD, FREE): 0.03,
    (FREE, FREE): 1.0,
    (ARRIVING, ARRIVING): 1.0,
    (BARE_ACTIVE, BARE_ACTIVE): 0.5,
    (BARE_STILL, BARE_STILL): 0.5,
}


#: Belief in a place of which nothing was heard yet, by band: 55-60 % of the desks are in use at the peak (published
#: figures, docs), so by day nobody may take silence for free. Order of the hidden states.
_UNHEARD_NIGHT: Final = (0.93, 0.05, 0.002, 0.004, 0.004, 0.005, 0.005)
_UNHEARD_DAY: Final = (0.46, 0.14, 0.01, 0.13, 0.17, 0.04, 0.05)
_UNHEARD_EVENING: Final = (0.80, 0.08, 0.005, 0.035, 0.045, 0.015, 0.02)
UNHEARD: Final = (_UNHEARD_NIGHT, *(_UNHEARD_DAY,) * 4, _UNHEARD_EVENING)
_BARE_NIGHT: Final = (0.98, 0.0, 0.002, 0.0, 0.0, 0.008, 0.01)
_BARE_DAY: Final = (0.60, 0.0, 0.01, 0.0, 0.0, 0.17, 0.22)
_BARE_EVENING: Final = (0.88, 0.0, 0.01, 0.0, 0.0, 0.05, 0.06)
UNHEARD_WITHOUT_DOCK: Final = (_BARE_NIGHT, *(_BARE_DAY,) * 4, _BARE_EVENING)


@dataclass(frozen=True, slots=True)
class MotionGrade:
    """How well a motion sensor sees its seat: hits per hour of a moving and of a still body, and `edge_seen`, the
    share of comings and goings that it notices. Grades A to E; the prior says how common each is."""

    name: GradeName
    active: float
    still: float
    edge_seen: float
    prior: float


GRADES: Final = (
    MotionGrade("A", 95.0, 27.0, 0.97, 1e-5),
    MotionGrade("B", 66.0, 11.0, 0.95, 0.4),
    MotionGrade("C", 42.0, 5.5, 0.90, 0.3),
    MotionGrade("D", 18.0, 1.5, 0.75, 0.2),
    MotionGrade("E", 8.0, 0.6, 0.60, 0.1),
)
#: False hits and passers-by per hour of day: four kinds of aisle.
TRAFFIC: Final = (0.25, 0.8, 2.0, 4.5)
#: Until the first night has been looked at.
DEFAULT_GRADE, DEFAULT_TRAFFIC = 1, 1


@dataclass(frozen=True, slots=True)
class LevelRates:
    """How often a presence level flips: while nobody is there, and while somebody is.

    After `LEVEL_EXPIRES_S` a level is believed less: a bag on a seat, a radar that hangs.
    """

    off_absent: float
    off_present: float
    on_absent: float
    on_present: float
    old_off_absent: float
    old_on_present: float


RADAR: Final = LevelRates(80.0, 0.6, 0.25, 35.0, 6.0, 10.0)
SEAT: Final = LevelRates(120.0, 1.5, 0.1, 45.0, 3.0, 6.0)
#: Who arrives turns a level on at once.
ON_ARRIVING: Final = 200.0
LEVEL_EXPIRES_S: Final = 240.0
LEVELS: Final = (RADAR, SEAT)
#: Kits whose level is not a radar's: number in `LEVELS`.
LEVEL_OF: Final = {"lora_seat": 1, "ble_seat": 1}
#: A run of hits ends at least this seldom without anybody there: its end may be late on the radio.
RUN_END_MOST: Final = 120.0
