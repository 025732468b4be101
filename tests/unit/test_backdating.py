"""When the last person left: found by looking back, not by counting from the last hit."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from workplace.floor_plan import Place, Sensor
from workplace.occupancy import core as steps
from workplace.occupancy.backdating import Line, left_at, lived
from workplace.occupancy.generator import Habits
from workplace.occupancy.ground import BACK, HIT, LINK, Ground
from workplace.occupancy.sensor_now import Event

#: 09:00 in Amsterdam on a Tuesday, unix ms.
NINE = 1_795_507_200_000
LINK_SENSOR = Sensor("g", "node", "0", "link", "dock")
PIR = Sensor("g", "node", "0", "motion", "pir", blind_s=10.0)
GROUND = Ground.of(
    Place("p", "p", "z", "f", 0, 0, 0, False, (LINK_SENSOR, PIR), None),  # noqa: FBT003
    Habits(),
    ZoneInfo("Europe/Amsterdam"),
)


def moment(minute: float) -> int:
    return NINE + int(minute * 60_000)


def day(*hits: float) -> Line:
    """Docked at nine, the PIR hits at these minutes."""
    events = [
        Event(moment(-1), 0, BACK),
        Event(moment(-1), 1, BACK),
        Event(moment(-0.9), 0, LINK, 0),
        Event(moment(0), 1, HIT),
        Event(moment(1), 0, LINK, 1),
        *(Event(moment(minute), 1, HIT) for minute in hits),
    ]
    return lived(GROUND, steps.start(GROUND, moment(-60)), sorted(events))


WORK = [1.5 * n for n in range(1, 20)]  # until 28.5 min


def test_the_clock_begins_with_the_last_hit_of_who_left() -> None:
    assert left_at(GROUND, [day(*WORK)], moment(60)) == moment(28.5)


def test_a_passer_by_in_a_long_silence_resets_no_clock() -> None:
    assert left_at(GROUND, [day(*WORK, 70)], moment(130)) == moment(28.5)


def test_who_came_back_for_a_while_starts_it_anew() -> None:
    back = [70, 70.5, 71, 71.7, 72.2, 73, 74, 75]
    found = left_at(GROUND, [day(*WORK, *back)], moment(130))
    assert found is not None
    assert moment(74) <= found <= moment(75)


def test_lines_cut_at_a_snapshot_give_the_same_as_one() -> None:
    whole = day(*WORK, 70)
    for cut in range(1, len(whole.events)):
        parts = [
            Line(whole.events[cut:], whole.cores[cut:]),
            Line(whole.events[:cut], whole.cores[: cut + 1]),
        ]
        assert left_at(GROUND, parts, moment(130)) == moment(28.5)


def test_where_nobody_ever_was_there_is_nothing_to_find() -> None:
    first = steps.start(GROUND, moment(-60))
    events = [Event(moment(-50), 0, BACK), Event(moment(-50), 1, BACK), Event(moment(-49), 0, LINK, 0)]
    assert left_at(GROUND, [lived(GROUND, first, events)], moment(60)) is None
