"""The filter on a real room: two motion sensors and counted heads (UCI 864, tests/captures/uci864)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from workplace.floor_plan import Place, Sensor
from workplace.metrics import BinaryScore, binary_score, last_motion
from workplace.occupancy.day import day_of
from workplace.occupancy.generator import Habits
from workplace.occupancy.grading import Lessons, motion_of, with_day
from workplace.occupancy.ground import Ground
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import DeviceHeard, GatewayHeard, Sensed
from workplace.occupancy.smoothing import smoothed
from workplace.policy import default

ROWS = Path(__file__).parents[1] / "captures" / "uci864" / "rows.csv"
TZ = ZoneInfo("UTC")
ROOM = Place(
    "p", "p", "z", "f", 0, 0, 0, False,  # noqa: FBT003
    (Sensor("g", "d", None, "motion", "pir", blind_s=30.0),), None,
)  # fmt: skip
#: The first row of the recording; its zone has no name.
FIRST = datetime(2017, 12, 22, 10, 49, 41, tzinfo=UTC)
SETTLED = timedelta(hours=24)


@dataclass(frozen=True)
class Row:
    at: datetime
    s6: bool
    s7: bool
    heads: int


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with ROWS.open(encoding="utf-8", newline="") as lines:
        return [
            Row(
                FIRST + timedelta(seconds=int(row["offset_s"])),
                row["s6"] == "1",
                row["s7"] == "1",
                int(row["heads"]),
            )
            for row in csv.DictReader(lines)
        ]


def lived(rows: list[Row], hit: Callable[[Row], bool]) -> tuple[BinaryScore, BinaryScore]:
    """Return how the filter and last-motion-15 follow the room after 24 h, graded by those without any label."""
    begin, split, end = rows[0].at, rows[0].at + SETTLED, rows[-1].at
    untaught = HiddenMarkov.of(default("s"), TZ)
    hits = [row.at for row in rows if hit(row)]
    ground = Ground.of(ROOM, Habits(), TZ)
    day = day_of(ground, [Sensed(0, value=True, at=at) for at in hits], begin, split, untaught.debounce)
    motion = motion_of(with_day(Lessons(), ROOM, ground, day, smoothed(ground, day)[0]))
    model = HiddenMarkov.of(default("s"), TZ, {"p": Habits(motion)})
    state = model.start(ROOM, begin)
    for evidence in (GatewayHeard(0, online=True), DeviceHeard(0, available=True, at=begin)):
        state = model.observe(ROOM, state, evidence, begin)
    said: list[tuple[datetime, bool | None]] = []
    now, coming = begin, list(rows)
    while now <= end:
        while coming and coming[0].at <= now:
            row = coming.pop(0)
            if hit(row):
                state = model.observe(ROOM, state, Sensed(0, value=True, at=row.at), now)
        belief = model.belief(ROOM, state, now)
        said.append((now, None if belief.verdict == "unknown" else belief.verdict == "occupied"))
        moments = [now + timedelta(minutes=5), *(row.at for row in coming[:1])]
        now = min([*moments, belief.wake_at] if belief.wake_at else moments)
    truth = [(row.at, row.heads > 0) for row in rows]
    naive = last_motion(hits, timedelta(minutes=15), begin)
    return binary_score(truth, said, split, end), binary_score(truth, naive, split, end)


@pytest.mark.parametrize(
    ("hit", "accuracy", "releases"),
    [
        pytest.param(
            lambda row: row.s6 or row.s7,
            0.975,
            1,
            id="both sensors together follow the room and send nobody away",
        ),
        pytest.param(lambda row: row.s7, 0.95, 8, id="the sensor that sees badly is worse"),
    ],
)
def test_a_real_room_is_followed_after_a_day(
    rows: list[Row], hit: Callable[[Row], bool], accuracy: float, releases: int
) -> None:
    mine, naive = lived(rows, hit)
    assert mine.accuracy is not None
    assert naive.accuracy is not None
    assert mine.accuracy >= accuracy
    assert mine.false_releases <= releases
    assert mine.accuracy >= naive.accuracy - 0.01
