"""What is about single places is gone after its days: from every table, from the bytes of files, from folders.

The tables are taken from the schema itself: a new one is in these tests from its first day.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.desk_page.taps import TapFolder
from dashboard.walk.session import Walks
from dashboard.walk.store import WalkFolder
from gateway.outbox import Outbox as GatewayOutbox
from ingest.channels.outbox import Outbox
from ingest.stores.schema import RETENTION_DAYS, TABLES, ZONE_LEVEL_DAYS, to_ms
from ingest.stores.sqlite_history_store import SqliteHistoryStore
from ingest.stores.sqlite_store import SqliteStore
from plekvrij import sqlite_driver
from workplace import walk_record
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.metrics import TruthChange
from workplace.walk_record import OtherAnswer, PlaceResult, SensorMemory, Walk

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OLD, NEW = "old-desk-7Qx", "new-desk-9Zk"
DAYS = 7
#: Tables that keep no past of a place, and why; every other one must forget.
WITHOUT_AGE = {
    "meta": "marks and counters of the program",
    "engine_state": "the present only: each row is overwritten",
    "quarantine_count": "sums",
    "spool": "books of outboxes of gateways",
    "line_range": "books of outboxes of gateways",
    "settled_state": "only the last nights: tests/adapters/test_night_book.py",
    "sink_outbox": "tested here: the time is in the line",
    "sink_dead_letter": "tested here: the time is in the line",
}
DRIVERS = [pytest.param(sqlite3.connect, id="python"), pytest.param(sqlite_driver.connect, id="shipped")]


def all_tables() -> list[str]:
    return re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", TABLES)


def test_every_table_forgets_or_says_why_not() -> None:
    assert set(all_tables()) == set(RETENTION_DAYS) | set(WITHOUT_AGE)


def is_about_places(table: str) -> bool:
    return table in RETENTION_DAYS and RETENTION_DAYS[table][1] < ZONE_LEVEL_DAYS


def put_row(connection: Any, table: str, mark: str, at_ms: int) -> None:
    """Put one row into a table whose texts and blobs are the mark and whose whole numbers are a moment."""
    columns = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
    big = mark * 40  # fills overflow pages too
    values = {"TEXT": mark, "INTEGER": at_ms, "REAL": 1.5, "BLOB": big.encode(), "": mark}
    row = [values[kind] for _, kind in columns]
    names = ", ".join(name for name, _ in columns)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", row)


def rows_with(connection: Any, table: str, mark: str) -> int:
    names = [
        name
        for name, kind in connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')")
        if kind == "TEXT"
    ]
    where = " OR ".join(f"{name} = ?" for name in names)
    return int(
        connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", [mark] * len(names)).fetchone()[0]
    )


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


@pytest.mark.parametrize("connect", DRIVERS)
def test_nothing_about_a_place_outlives_its_days_in_any_table_or_in_the_bytes_of_the_file(
    tmp_path: Path, connect: Any
) -> None:
    path = tmp_path / "site.db"
    store = SqliteStore(connect, path, busy_timeout_s=1.0)
    store.open(NOW)
    places = [table for table in all_tables() if is_about_places(table)]
    assert len(places) >= 12
    longest = max(RETENTION_DAYS[table][1] for table in places)
    connection = store._connection
    for table in places:
        put_row(connection, table, OLD, to_ms(NOW - timedelta(days=longest + 1)))
        put_row(connection, table, NEW, to_ms(NOW - timedelta(hours=1)))
    # the last word on a place stays whatever its age, so the old one is followed by another
    connection.execute("UPDATE place_transition SET place = ?", (NEW,))
    with store.transaction() as writing:
        writing.add_lines(
            ("raw", f'desk_state,site=s,desk={mark} state=1i,cause="{mark}" {to_ms(at)}'.encode())
            for mark, at in ((OLD, NOW - timedelta(days=DAYS, minutes=1)), (NEW, NOW - timedelta(days=1)))
        )
        writing._connection.execute("INSERT INTO sink_dead_letter SELECT seq, line, 'bad' FROM sink_outbox")
    SqliteHistoryStore(store, connect, path, DAYS).prune(NOW)
    for table in places:
        assert rows_with(connection, table, OLD) == 0, table
        assert rows_with(connection, table, NEW) == 1, table
    for table in ("sink_outbox", "sink_dead_letter"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
    store.close()
    raw = bytes_of(tmp_path)
    assert NEW.encode() in raw
    assert OLD.encode() not in raw, "deleted rows still stand in free pages"


def test_lines_about_zones_wait_for_the_server_as_long_as_zones_live(tmp_path: Path) -> None:
    store = SqliteStore(sqlite3.connect, tmp_path / "site.db", busy_timeout_s=1.0)
    store.open(NOW)
    month_ago = to_ms(NOW - timedelta(days=30))
    with store.transaction() as writing:
        writing.add_lines([("agg", b"zone_5m,zone=z occ_avg=1 %d" % month_ago)])
        assert writing.forget_lines(NOW, at_most=100, desk_level_days=DAYS) == 0
    store.close()


@pytest.mark.parametrize("connect", DRIVERS)
def test_what_was_told_outside_the_screens_is_forgotten_as_soon_as_the_policy_says(
    tmp_path: Path, connect: Any
) -> None:
    outbox = Outbox(connect, tmp_path / "channels.db")
    outbox.open()
    for mark, days in ((OLD, DAYS + 1), (NEW, DAYS - 1)):
        for table in ("done", "told", "spoke"):
            put_row(outbox._connection, table, mark, to_ms(NOW - timedelta(days=days)))
    outbox.prune(NOW, ["mail"], DAYS)
    outbox.close()
    raw = bytes_of(tmp_path)
    assert NEW.encode() in raw
    assert OLD.encode() not in raw


def test_taps_go_with_the_day_on_which_they_are_too_old(tmp_path: Path) -> None:
    taps = TapFolder(tmp_path / "taps", DAYS)
    for mark, days in ((OLD, DAYS), (NEW, DAYS - 1)):
        at = NOW - timedelta(days=days)
        taps.keep(TruthChange(mark, at, "occupied", at + timedelta(minutes=1)))
    assert taps.forget(NOW) == 1
    assert NEW.encode() in bytes_of(tmp_path)
    assert OLD.encode() not in bytes_of(tmp_path)


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return NOW

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


def test_a_walk_forgets_who_was_there_and_keeps_what_was_tested(
    tmp_path: Path, small_plan: FloorPlan
) -> None:
    """A walk hears the sensors of all places of a floor, also of those where somebody sits."""
    store = WalkFolder(tmp_path)
    long_ago, lately = NOW - timedelta(days=DAYS + 1), NOW - timedelta(days=1)
    others = tuple(
        OtherAnswer(place="1-W2", device=mark, kind="motion", heard_at=at)
        for mark, at in ((OLD, long_ago), (NEW, lately))
    )
    passed = PlaceResult(outcome="passed", done_at=long_ago, others=others)
    known = {
        walk_record.mark(mark, None, "motion"): SensorMemory(is_on=True, on_at=at)
        for mark, at in ((OLD, long_ago), (NEW, lately))
    }
    floor = small_plan.floors[0].id
    walk = Walk(
        site=small_plan.site,
        floor=floor,
        started_at=long_ago,
        results={"1-W1": passed},
        others=others,
        sensors=known,
    )
    store.save(walk)
    asyncio.run(Walks(small_plan, StandingClock(), store).forget(NOW - timedelta(days=DAYS)))
    left = store.load(floor)
    assert left is not None
    assert OLD.encode() not in bytes_of(tmp_path)
    assert NEW.encode() in bytes_of(tmp_path)
    assert walk_record.forget(walk, NOW).results["1-W1"].outcome == "passed"


@pytest.mark.parametrize("connect", DRIVERS)
def test_what_the_site_has_is_gone_from_the_bytes_of_a_gateway(tmp_path: Path, connect: Any) -> None:
    def event(number: int, mark: str) -> SensorEvent:
        return SensorEvent(
            id=f"event-{number}", site="klein", gateway="gw-1", device="dsp1-1", kind="motion", value=True,
            channel=mark, measured_at=NOW, clock="device", uncertainty_ms=5, received_at=NOW,
        )  # fmt: skip

    async def story() -> None:
        box = GatewayOutbox(
            tmp_path / "gw-1.db", connect=connect, now=lambda: NOW, gateway=("klein", "gw-1"), bounds=None
        )
        async with box:
            await box.put([event(number, OLD) for number in range(300)])
            await box.put([event(300, NEW)])
            rows = await box.take(300)
            assert await box.delete([(rows[0].number, rows[-1].number)]) == 300

    asyncio.run(story())
    assert NEW.encode() in bytes_of(tmp_path)
    assert OLD.encode() not in bytes_of(tmp_path)
