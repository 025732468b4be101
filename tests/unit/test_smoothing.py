"""What is known of a day afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan, Place, Sensor
from workplace.holds.wiring import Wiring
from workplace.occupancy.day import day_of, ms_of
from workplace.occupancy.edges import Debounce
from workplace.occupancy.generator import Habits
from workplace.occupancy.ground import Ground
from workplace.occupancy.interface import DeviceHeard, Evidence, Sensed
from workplace.occupancy.nights import Night, Taught, night_after
from workplace.occupancy.smoothing import Known, smoothed
from workplace.occupancy.verdicts import FREE, HELD, OCCUPIED, UNKNOWN

TZ = ZoneInfo("Europe/Amsterdam")
MIDNIGHT = datetime(2026, 11, 23, 23, tzinfo=UTC)
DEBOUNCE = Debounce(10_000, 60_000)
DESK = Place(
    "p", "p", "z", "f", 0, 0, 0, False,  # noqa: FBT003
    (Sensor("g", "n", "0", "link", "dock"), Sensor("g", "n", "0", "motion", "pir", blind_s=10.0)), None,
)  # fmt: skip


def clock(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def works(since: float, until: float) -> list[Evidence]:
    """Somebody at work moves every two minutes; hours of the day."""
    count = int((until - since) * 30)
    return [Sensed(1, value=True, at=clock(since + n / 30)) for n in range(count + 1)]


def link(hours: float, word: str) -> Sensed:
    return Sensed(0, word == "up", clock(hours))


def told_day(*words: Evidence | list[Evidence]) -> list[Known]:
    told = [one for word in words for one in (word if isinstance(word, list) else [word])]
    ground = Ground.of(DESK, Habits(), TZ)
    return smoothed(ground, day_of(ground, told, MIDNIGHT, clock(24), DEBOUNCE))[0]


def at(known: list[Known], hours: float) -> Known:
    return [one for one in known if one.at <= ms_of(clock(hours))][-1]


OFFICE = [link(0, "down"), *works(9, 11), link(9.02, "up"), *works(12, 17), link(17.01, "down")]


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        pytest.param(8.0, FREE, id="before the first came it was free"),
        pytest.param(10.0, OCCUPIED, id="at work it was occupied"),
        pytest.param(11.1, HELD, id="six minutes into the hour away it was held already"),
        pytest.param(11.9, HELD, id="until they came back"),
        pytest.param(14.0, OCCUPIED, id="then it was occupied"),
        pytest.param(17.1, FREE, id="six minutes after they packed up it was free"),
    ],
)
def test_a_day_in_the_office_looked_at_afterwards(hours: float, verdict: int) -> None:
    assert at(told_day(OFFICE), hours).verdict == verdict


def test_a_still_stretch_between_two_signs_was_somebody() -> None:
    """Live, twelve minutes without a hit look like a departure; the hits that follow tell."""
    known = told_day(link(0, "down"), link(9, "up"), works(9, 10), works(10.2, 11), link(11, "down"))
    assert at(known, 10.1).verdict == OCCUPIED


def test_probabilities_add_up_and_moments_are_in_order() -> None:
    known = told_day(OFFICE)
    assert all(one.p_occupied + one.p_held + one.p_free == pytest.approx(1.0) for one in known)
    assert [one.at for one in known] == sorted(one.at for one in known)


def test_while_nothing_was_heard_it_is_unknown() -> None:
    lost = DeviceHeard(1, available=False, at=clock(10), reason="silent")
    known = told_day(link(0, "down"), works(9, 10), lost)
    assert at(known, 9.5).verdict == OCCUPIED
    assert at(known, 12).verdict == UNKNOWN


def night(plan: FloorPlan, taught: Taught, events: list[SensorEvent], number: int) -> Night:
    wiring, told = Wiring(plan), {next(iter(plan.place)): list[Evidence]()}
    for event in events:
        for place, evidence in wiring.read(event):
            told[place].append(evidence)
    begin = MIDNIGHT + timedelta(days=number)
    return night_after(taught, plan, told, (begin, begin + timedelta(days=1)), DEBOUNCE)


def test_what_was_taught_can_be_written_down_and_goes_on(small_plan: FloorPlan) -> None:
    sensor = next(iter(small_plan.place.values())).sensors_of("motion")[0]
    events = [
        SensorEvent(
            id=f"e{n}", site=small_plan.site, gateway=sensor.gateway, device=sensor.device, kind="motion",
            value=True, channel=sensor.channel, measured_at=clock(9 + n / 40), clock="device", uncertainty_ms=5,
            received_at=clock(9 + n / 40),
        )
        for n in range(100)
    ]  # fmt: skip
    first = night(small_plan, Taught(), events, 0).taught
    assert first.habits(small_plan)
    again = msgspec.json.decode(msgspec.json.encode(first), type=Taught)
    assert again == first
    assert night(small_plan, again, [], 1).taught.lessons == night(small_plan, first, [], 1).taught.lessons
