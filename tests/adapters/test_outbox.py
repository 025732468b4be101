"""The outbox on a real disk: what it acknowledged is there after anything, and what it let go is declared."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.outbox import Outbox
from gateway.outbox_schema import SCHEMA, Bounds, with_waybill
from gateway.wall_time import WallState
from workplace.codec import decode, encode
from workplace.errors import StoreUnavailable
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.loss_events import GapRecord
from workplace.message import Message

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def event(number: int, *, kind: str = "motion", device: str = "dsp1-0000000000000001") -> SensorEvent:
    at = NINE + timedelta(seconds=number)
    return SensorEvent(
        id=f"event-{number:08d}",
        site="raadhuis",
        gateway="gw-1",
        device=device,
        kind=kind,  # type: ignore[arg-type]
        value=21.5 if kind == "environment" else True,
        measured_at=at,
        clock="device",
        uncertainty_ms=5,
        received_at=at,
    )


def outbox(file: Path, *, connect: Any = sqlite3.connect, bounds: Bounds | None = None) -> Outbox:
    return Outbox(file, connect=connect, now=lambda: NINE, gateway=("raadhuis", "gw-1"), bounds=bounds)


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(bounded())


async def everything(box: Outbox) -> list[Message]:
    return [decode(row.body, Message) for row in await box.take(10_000)]


def test_rows_come_out_in_order_and_stay_until_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite") as box:
            await box.put([event(1), event(2)])
            await box.put([event(3)])
            rows = await box.take(2)
            assert [decode(row.body, SensorEvent).id for row in rows] == ["event-00000001", "event-00000002"]
            assert [row.device for row in await box.take(10, after=rows[-1].number)] == [event(3).device]
            assert await box.delete([(rows[0].number, rows[0].number)]) == 1
            assert [m.id for m in await everything(box) if isinstance(m, SensorEvent)] == [
                "event-00000002",
                "event-00000003",
            ]
        async with outbox(tmp_path / "o.sqlite") as again:
            assert (await again.stats()).rows == 2

    run(story())


def test_a_redelivered_event_is_counted_and_stored_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite") as box:
            await box.put([event(1)])
            await box.put([event(1), event(2)])
            stats = await box.stats()
        assert (stats.rows, stats.duplicates) == (2, 1)

    run(story())


def test_many_writers_share_few_commits(tmp_path: Path) -> None:
    commits: list[str] = []

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        db = sqlite3.connect(*args, **more)
        db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        return db

    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite", connect=connect) as box:
            await asyncio.gather(*(box.put([event(n)]) for n in range(400)))
            assert (await box.stats()).rows == 400

    run(story())
    assert 4 <= len(commits) < 20


WRITER = """
import asyncio, sqlite3, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.outbox import Outbox
from workplace.events import SensorEvent
now = datetime(2026, 3, 2, 9, tzinfo=UTC)
async def write(box, worker):
    for n in range(1_000_000):
        name = f"{sys.argv[2]}-{worker}-{n:06d}"
        await box.put([SensorEvent(id=name, site="s", gateway="g", device="d", kind="motion", value=True,
            measured_at=now, clock="device", uncertainty_ms=1, received_at=now)])
        print(name, flush=True)
async def main():
    async with Outbox(Path(sys.argv[1]), connect=sqlite3.connect, now=lambda: now, gateway=("s", "g")) as box:
        async with asyncio.TaskGroup() as tasks:
            for worker in range(5):
                tasks.create_task(write(box, worker))
asyncio.run(main())
"""


def test_no_acknowledged_event_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "o.sqlite"
    acknowledged: set[str] = set()
    for life in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), f"life{life}"], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(60 + 45 * life):
            acknowledged.add(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
        acknowledged.update(line.strip() for line in writer.stdout if line.endswith("\n"))
        writer.stdout.close()
        writer.wait()

    async def story() -> None:
        async with outbox(file) as box:
            stored = {m.id for m in await everything(box) if isinstance(m, SensorEvent)}
        assert len(acknowledged) > 300
        assert acknowledged <= stored

    run(story())


def test_a_full_disk_acknowledges_nothing_and_recovers_when_there_is_room(tmp_path: Path) -> None:
    opened: list[sqlite3.Connection] = []

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        db = sqlite3.connect(*args, check_same_thread=False, **more)
        opened.append(db)
        return db

    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite", connect=connect) as box:
            await box.put([event(1)])
            limit = opened[-1].execute("PRAGMA page_count").fetchone()[0] + 2
            opened[-1].execute(f"PRAGMA max_page_count={limit}")
            with pytest.raises(StoreUnavailable, match="full"):
                await fill(box, [event(n) for n in range(2, 200)], at_once=1)
            stored = (await box.stats()).rows
            assert len(await everything(box)) == stored > 1
            gone = [row.number for row in await box.take(2)]
            await box.delete([(gone[0], gone[-1])])
            opened[-1].execute("PRAGMA max_page_count=1000000")
            await box.put([event(900)])
            assert (await box.stats()).rows == stored - len(gone) + 1

    run(story())


def test_a_damaged_file_is_kept_aside_and_work_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "o.sqlite"
    file.write_bytes(b"this was a database once" * 400)

    async def story() -> None:
        async with outbox(file) as box:
            assert box.moved_aside is not None
            assert box.moved_aside.read_bytes().startswith(b"this was")
            await box.put([event(1)])
            assert (await box.stats()).rows == 1

    run(story())


def test_a_missing_folder_is_told_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(StoreUnavailable):
            async with outbox(tmp_path / "nowhere" / "o.sqlite"):
                pass

    run(story())


async def fill(box: Outbox, events: list[SensorEvent], at_once: int = 20) -> list[Message]:
    for start in range(0, len(events), at_once):
        await box.put(events[start : start + at_once])
    return await everything(box)


def test_reports_go_first_when_room_gets_short(tmp_path: Path) -> None:
    async def story() -> None:
        bounds = Bounds(rows=100)
        weather = [event(n, kind="environment", device=f"w{n}") for n in range(60)]
        motion = [event(n, device=f"m{n}") for n in range(100, 160)]
        async with outbox(tmp_path / "o.sqlite", bounds=bounds) as box:
            left = await fill(box, weather + motion)
            gaps = [m for m in left if isinstance(m, GapRecord)]
            kinds = [m.kind for m in left if isinstance(m, SensorEvent)]
            dropped = (await box.stats()).dropped
        assert kinds.count("motion") == 60
        assert len(gaps) == 1
        assert gaps[0].cause == "outbox_full"
        assert gaps[0].count == dropped == 60 - kinds.count("environment")
        assert gaps[0].from_at == NINE

    run(story())


def test_of_states_the_newest_per_sensor_outlives_older_ones(tmp_path: Path) -> None:
    async def story() -> None:
        states = [event(n, kind="link", device=f"dock{n % 7}") for n in range(150)]
        async with outbox(tmp_path / "o.sqlite", bounds=Bounds(rows=50)) as box:
            left = await fill(box, [event(1000), event(1001), *states])
            events = [m for m in left if isinstance(m, SensorEvent)]
            gaps = [m for m in left if isinstance(m, GapRecord)]
        assert {e.id for e in events} >= {f"event-{n:08d}" for n in (143, 144, 145, 146, 147, 148, 149)}
        assert {e.id for e in events} >= {"event-00001000", "event-00001001"}
        assert len(left) <= 50
        assert len(events) + sum(gap.count for gap in gaps) == 152

    run(story())


def test_a_gap_that_was_handed_out_is_not_changed_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite", bounds=Bounds(rows=50)) as box:
            first = await fill(box, [event(n) for n in range(80)])
            second = await fill(box, [event(n) for n in range(80, 120)])
            gaps = [m for m in second if isinstance(m, GapRecord)]
            assert [m for m in first if isinstance(m, GapRecord)] == gaps[:1]
            assert sum(gap.count for gap in gaps) == (await box.stats()).dropped
            assert len({gap.id for gap in gaps}) == len(gaps) == 2

    run(story())


async def wait_a_minute(box: Outbox) -> None:
    """Let the next commit look for old rows again."""
    await box._read(lambda table: setattr(table, "_looked_s", float("-inf")))


def test_rows_older_than_two_weeks_are_let_go_and_declared(tmp_path: Path) -> None:
    day_ms = 86_400_000.0
    now = [WallState("boot-1", 1000.0, 0.0, is_trusted=False)]

    async def story() -> None:
        box = Outbox(
            tmp_path / "o.sqlite",
            connect=sqlite3.connect,
            now=lambda: NINE,
            gateway=("raadhuis", "gw-1"),
            wall=lambda: now[0],
        )
        async with box:
            await box.put([event(1), event(2)])
            # the time server answers: the wall clock jumps by 56 years, and nothing is old for that
            now[0] = WallState("boot-1", 13 * day_ms, 56 * 365 * day_ms, is_trusted=True)
            await wait_a_minute(box)
            await box.put([event(3)])
            assert (await box.stats()).dropped == 0
            now[0] = WallState("boot-1", 15 * day_ms, 56 * 365 * day_ms, is_trusted=True)
            await wait_a_minute(box)
            await box.put([event(4)])
            left = await everything(box)
            assert [m.id for m in left if isinstance(m, SensorEvent)] == ["event-00000003", "event-00000004"]
            assert [m.count for m in left if isinstance(m, GapRecord)] == [2]

    run(story())


def test_a_row_keeps_the_clock_that_its_times_came_from(tmp_path: Path) -> None:
    then = WallState("boot-1", 1234.5, 1e12, is_trusted=False)

    async def story() -> None:
        async with Outbox(
            tmp_path / "o.sqlite",
            connect=sqlite3.connect,
            now=lambda: NINE,
            gateway=("r", "g"),
            wall=lambda: then,
        ) as box:
            await box.put([event(1)])
        async with outbox(tmp_path / "o.sqlite") as again:
            assert [row.wall for row in await again.take(5)] == [then]

    run(story())


def test_the_outbox_of_an_older_program_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "o.sqlite"
    with sqlite3.connect(file) as db:
        db.execute(SCHEMA)
        db.executemany(
            "INSERT INTO outbox (number, event_id, device, stream, rank, happened_at, queued_s, body)"
            " VALUES (?, ?, 'd', 's', 2, '2026-03-02T09:00:00+00:00', ?, X'7B7D')",
            [(number, f"x{number}", time.time()) for number in (4, 9)],
        )
    db.close()

    async def story() -> None:
        async with outbox(file) as box:
            await box.put([event(1)])
            rows = await box.take(5)
            assert [row.wall for row in rows] == [WallState(), WallState(), WallState()]
            assert [row.number for row in rows] == [1, 2, 3], "what an older program left out is no loss"

    run(story())


def test_lines_leave_no_number_out_whatever_comes_twice_goes_or_is_reopened(tmp_path: Path) -> None:
    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite") as box:
            spool = box.spool
            await box.put([event(1), event(2)])
            await box.put([event(2), event(1)])
            assert await box.delete([(1, 2)]) == 2
            await box.put([event(3), event(3), event(4)])
            await box.put([event(4)])
        async with outbox(tmp_path / "o.sqlite") as again:
            assert again.spool == spool
            await again.put([event(5)])
            assert [row.number for row in await again.take(9)] == [3, 4, 5]
            assert ((await again.stats()).first_line, (await again.stats()).last_line) == (3, 5)
            await again.delete([(1, 5)])
            assert ((await again.stats()).first_line, (await again.stats()).last_line) == (6, 5)

    run(story())


def test_lost_lines_are_named_and_count_as_waiting_until_their_record_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with outbox(tmp_path / "o.sqlite", bounds=Bounds(rows=50)) as box:
            left = await fill(box, [event(n) for n in range(80)])
            lines = {row.number for row in await box.take(100)}
            (gap,) = [m for m in left if isinstance(m, GapRecord)]
            lost = {line for first, last in gap.lines for line in range(first, last + 1)}
            stats = await box.stats()
            assert gap.lost_of == box.spool
            assert lost | lines == set(range(1, stats.last_line + 1))
            assert not lost & lines
            assert len(lost) == gap.count
            assert stats.first_line == min(lost) < min(lines)
        async with outbox(tmp_path / "o.sqlite", bounds=Bounds(rows=50)) as again:
            assert (await again.stats()).first_line == stats.first_line
            await again.delete([(1, stats.last_line)])
            assert (await again.stats()).first_line == stats.last_line + 1

    run(story())


def test_a_message_takes_its_line_along() -> None:
    bodies = [encode(event(1)), b'{"type":"sensor_event","v":1}']  # the second of an older program
    for body in bodies:
        fields = json.loads(with_waybill(body, "0a1b2c3d", 77))
        assert (fields["spool"], fields["line"]) == ("0a1b2c3d", 77)
    assert decode(with_waybill(bodies[0], "0a1b2c3d", 77), SensorEvent).line == 77


def test_the_usual_bounds_hold_three_days_of_the_fullest_floor(example_plan: FloorPlan) -> None:
    most = max(sum(len(zone.places) for zone in floor.zones) for floor in example_plan.floors)
    rows = most * 3 * 12 * 60 * 2  # an event per place in half a minute, 12 h a day
    bounds = Bounds()
    assert rows <= bounds.rows * 0.8, "not even reports are dropped"
    assert rows * len(encode(event(1))) <= bounds.payload_bytes * 0.8
    assert bounds.age_s > 72 * 3600
