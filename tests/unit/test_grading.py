"""Which grade a motion sensor gets from its days."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from workplace.floor_plan import Place, Sensor
from workplace.occupancy.day import day_of
from workplace.occupancy.edges import Debounce
from workplace.occupancy.generator import Habits, Motion
from workplace.occupancy.grading import Lessons, all_habits, busy_of, motion_of, with_day
from workplace.occupancy.ground import Ground
from workplace.occupancy.interface import DeviceHeard, Evidence, Sensed
from workplace.occupancy.rates import BUSY, GRADES, NOON, TRAFFIC
from workplace.occupancy.smoothing import smoothed

MIDNIGHT = datetime(2026, 11, 23, 23, tzinfo=UTC)
TZ = ZoneInfo("Europe/Amsterdam")
DESK = Place(
    "p", "p", "z", "f", 0, 0, 0, False,  # noqa: FBT003
    (Sensor("g", "n", "0", "link", "dock"), Sensor("g", "n", "0", "motion", "pir", blind_s=10.0)), None,
)  # fmt: skip
DEBOUNCE = Debounce(10_000, 60_000)


def working_day(active: float, still: float, seed: int = 1) -> list[Evidence]:
    """Docked from nine to five; the body is active and still in turn and the sensor hits at these rates per hour."""
    rng = random.Random(seed)
    told: list[Evidence] = [Sensed(0, value=False, at=MIDNIGHT), Sensed(0, value=True, at=hour(9))]
    now, is_active = 9.0, True
    while now < 17:
        until = now + rng.expovariate(12 if is_active else 7)
        at = now + rng.expovariate(active if is_active else still)
        while at < min(until, 17):
            told.append(Sensed(1, value=True, at=hour(at)))
            at += 10 / 3600 + rng.expovariate(active if is_active else still)
        now, is_active = until, not is_active
    return [*told, Sensed(0, value=False, at=hour(17))]


def taught(lessons: Lessons, told: list[Evidence]) -> Lessons:
    ground = Ground.of(DESK, Habits(motion_of(lessons)), TZ)
    day = day_of(ground, told, MIDNIGHT, MIDNIGHT + timedelta(days=1), DEBOUNCE)
    return with_day(lessons, DESK, ground, day, smoothed(ground, day)[0])


def grade_of(lessons: Lessons) -> str:
    return GRADES[motion_of(lessons).grade].name


def hour(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("active", "still", "grades"),
    [
        pytest.param(95, 27, "AB", id="a sensor that sees every move is good"),
        pytest.param(42, 5.5, "BCD", id="one that sees half of them is fair"),
        pytest.param(10, 0.7, "DE", id="one that looks the other way is poor"),
    ],
)
def test_a_day_at_work_tells_the_grade(active: float, still: float, grades: str) -> None:
    assert grade_of(taught(Lessons(), working_day(active, still))) in grades


def test_before_any_day_a_place_is_like_most() -> None:
    assert motion_of(Lessons()) == Motion()
    assert busy_of([]) == Habits().busy
    assert all_habits({}, [["p"]]) == {}


def test_a_sensor_that_was_moved_gets_its_new_grade_within_weeks() -> None:
    lessons = Lessons()
    lessons = taught(lessons, working_day(95, 27))
    for number in range(12):
        lessons = taught(lessons, working_day(10, 0.7, 10 + number))
    assert grade_of(lessons) in "DE"


def test_an_aisle_where_groups_stop_is_told_from_one_where_nobody_does() -> None:
    rng, hour_at = random.Random(5), 8.0
    single: list[Evidence] = [Sensed(0, value=False, at=MIDNIGHT)]
    groups = list(single)
    while hour_at < 18:
        single.append(Sensed(1, value=True, at=hour(hour_at)))
        groups += [Sensed(1, value=True, at=hour(hour_at + s / 3600)) for s in (0, 15, 35, 50)]
        hour_at += rng.uniform(0.2, 0.5)
    assert not TRAFFIC[motion_of(taught(Lessons(), single)).traffic].following
    assert TRAFFIC[motion_of(taught(Lessons(), groups)).traffic].following


def test_a_sensor_that_is_stuck_teaches_nothing() -> None:
    stuck: list[Evidence] = [Sensed(1, value=True, at=hour(n / 300)) for n in range(7200)]
    assert taught(Lessons(), stuck).grades == Lessons().grades


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([], id="an empty day"),
        pytest.param([Sensed(1, value=False, at=hour(9))], id="a day without a hit"),
        pytest.param(
            [DeviceHeard(1, available=False, at=hour(9), reason="silent")], id="a day of a dead sensor"
        ),
    ],
)
def test_a_day_that_says_nothing_changes_no_grade(told: list[Evidence]) -> None:
    assert motion_of(taught(Lessons(), told)) == Motion()


def test_a_zone_that_fills_at_noon_is_busy_at_noon_only() -> None:
    def lunch(minute: float) -> list[Evidence]:
        return [Sensed(1, value=True, at=hour(12 + (minute + 0.4 * n) / 60)) for n in range(60)]

    places = [taught(Lessons(), lunch(minute)) for minute in (2, 6, 10, 14, 18, 22)]
    busy = all_habits({f"p{n}": one for n, one in enumerate(places)}, [[f"p{n}" for n in range(6)]])[
        "p0"
    ].busy
    assert BUSY[busy[NOON]] > 1
    assert all(BUSY[one] <= 1 for band, one in enumerate(busy) if band != NOON)
