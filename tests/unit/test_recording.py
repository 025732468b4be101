"""The UCI 864 recording is read as it is, and its breaks are closed."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulators.recording import RecordedRow, RecordingUnreadable, read_recording, replay_recording
from workplace.ports import MessageLink, Received

FILE = Path(__file__).parents[2] / "examples" / "recordings" / "uci864_room_occupancy_estimation.csv"
HEAD = "Date,Time,S6_PIR,S7_PIR,Room_Occupancy_Count"
MONDAY = datetime(2026, 9, 14, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def rows() -> list[RecordedRow]:
    with FILE.open(encoding="utf-8") as lines:
        return list(read_recording(lines))


def test_every_row_of_the_data_set_is_there(rows: list[RecordedRow]) -> None:
    # 10,129 rows, head counts 0-3 (UCI 864); 16.4 occupied hours (research: fusion, section 1).
    assert len(rows) == 10_129
    assert {row.head_count for row in rows} == {0, 1, 2, 3}
    occupied = sum(
        (after.offset - before.offset for before, after in itertools.pairwise(rows) if before.head_count),
        timedelta(),
    )
    assert occupied / timedelta(hours=1) == pytest.approx(16.4, abs=0.3)


def test_one_seated_person_shows_that_s6_hangs_well_and_s7_does_not(rows: list[RecordedRow]) -> None:
    alone = [row for row in rows if row.head_count == 1]
    hours = len(alone) * 30.5 / 3600
    # 40 and 4.8 triggers per hour (research: fusion, section 2b); here rows with a bit set are counted.
    assert sum(row.pirs[0] for row in alone) / hours == pytest.approx(40.6, rel=0.02)
    assert sum(row.pirs[1] for row in alone) / hours == pytest.approx(4.9, rel=0.02)


def test_time_runs_on_without_breaks(rows: list[RecordedRow]) -> None:
    steps = [after.offset - before.offset for before, after in itertools.pairwise(rows)]
    assert min(steps) > timedelta()
    assert max(steps) <= timedelta(minutes=10)
    assert rows[0].offset == timedelta()


@pytest.mark.parametrize(
    ("times", "offsets_s"),
    [
        pytest.param(["10:00:00", "10:00:31"], [0, 31], id="a usual step is kept"),
        pytest.param(["10:00:00", "10:10:00"], [0, 600], id="a gap of exactly ten minutes is kept"),
        pytest.param(["10:00:00", "10:10:01", "10:10:31"], [0, 30, 60], id="a longer gap becomes one step"),
    ],
)
def test_gaps(times: list[str], offsets_s: list[int]) -> None:
    lines = [HEAD, *(f"2017/12/22,{time},0,1,2" for time in times)]
    assert [row.offset.total_seconds() for row in read_recording(lines)] == offsets_s


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        pytest.param(["Date,Time", "1,2"], "S6_PIR", id="a missing column is named"),
        pytest.param([HEAD, "2017/12/22,10:00:00,2,0,1"], "line 2", id="a PIR that is neither 0 nor 1"),
        pytest.param([HEAD, "22-12-2017,10:00:00,0,0,1"], "line 2", id="a date in another form"),
        pytest.param([HEAD, "2017/12/22,10:00:00,0"], "line 2", id="a row that is cut off"),
    ],
)
def test_what_cannot_be_read_is_refused(lines: list[str], complaint: str) -> None:
    with pytest.raises(RecordingUnreadable, match=complaint):
        list(read_recording(lines))


class FastClock:
    """Site time that jumps ahead by what anybody sleeps, plus a little."""

    speed = 1e6

    def __init__(self) -> None:
        self._now = MONDAY

    def now(self) -> datetime:
        return self._now

    def boot_ms(self) -> float:
        return (self._now - MONDAY).total_seconds() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        self._now += timedelta(seconds=max(site_seconds, 0.001))
        return 0.0


class MemoryLink:
    """A link that keeps what is published."""

    is_connected = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bool]] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.sent.append((topic, payload, retain))

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        self.sent.append((topic, payload, retain))
        return True

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        raise NotImplementedError

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        """Always connected: nothing to tell."""


def test_replay_sounds_like_two_zigbee_devices() -> None:
    link, clock, played = MemoryLink(), FastClock(), []

    @asynccontextmanager
    async def open_link(
        client_id: str, *, will: tuple[str, bytes] | None = None
    ) -> AsyncIterator[MessageLink]:
        assert will == ("z2m/bridge/state", b'{"state":"offline"}')
        yield link

    def script() -> Iterator[RecordedRow]:
        for number, pirs in enumerate([(True, False), (True, False), (False, False), (False, True)]):
            yield RecordedRow(timedelta(seconds=30 * number), MONDAY, pirs, head_count=1)

    asyncio.run(
        replay_recording(
            script(),
            names=("s6", "s7"),
            zigbee_base="z2m",
            clock=clock,
            open_device_link=open_link,
            on_row=lambda _, at: played.append(at),
        )
    )
    assert [at - MONDAY for at in played] == [timedelta(seconds=30 * number) for number in range(4)]
    retained = {topic for topic, _, retain in link.sent if retain}
    assert retained == {
        "z2m/bridge/state",
        "z2m/bridge/devices",
        "z2m/s6/availability",
        "z2m/s7/availability",
    }
    told = [
        (topic, json.loads(payload)["occupancy"])
        for topic, payload, retain in link.sent
        if not retain and b"occupancy" in payload
    ]
    # The second hit of S6 falls into its 60 s of deafness; every true is followed by its false after 90 s.
    assert told == [("z2m/s6", True), ("z2m/s6", False), ("z2m/s7", True), ("z2m/s7", False)]
