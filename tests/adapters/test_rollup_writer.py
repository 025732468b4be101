"""Rollups in a real database: what is made when, what a late change corrects, and what the server is told once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.rollup_writer import RollupWriter
from ingest.rollups import BIN_MS, length_class
from ingest.stores.history import SqliteHistory
from ingest.stores.history_store import HoldBucket
from ingest.stores.line_protocol import LineEncoder
from ingest.stores.schema import HOLD_LENGTHS_S, LAST_TABLE, LONGER_S, GatewayBin, TransitionRow, to_ms
from ingest.stores.sqlite_store import SqliteStore
from workplace.events import GatewayHealth, HoldPhase
from workplace.floor_plan import FloorPlan

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = NINE.replace(hour=0)
MINUTE, HOUR, ONE_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONE = "1-ontmoeten"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(sqlite3.connect, path)
    made.open(NINE)
    yield made
    made.close()


@pytest.fixture
def history(path: Path) -> SqliteHistory:
    return SqliteHistory(sqlite3.connect, path)


@pytest.fixture
def writer(store: SqliteStore, small_plan: FloorPlan) -> RollupWriter:
    return RollupWriter(store, small_plan, LineEncoder("klein"))


def row(place: str, at: datetime, phase: HoldPhase, hold_id: str | None = None) -> TransitionRow:
    occupancy = {"in_use": "occupied", "free": "free", "unknown": "unknown"}.get(phase, "held")
    return TransitionRow(place, ZONE, at, phase, occupancy, hold_id, "active", (), at)  # type: ignore[arg-type]


def run(
    store: SqliteStore, writer: RollupWriter, now: datetime, late_from: datetime | None = None
) -> list[bytes]:
    with store.transaction() as transaction:
        return [line for _, line in writer.run(transaction, now, late_from)]


def put(store: SqliteStore, *rows: TransitionRow) -> None:
    with store.transaction() as transaction:
        transaction.add_transitions(rows)


def named(lines: list[bytes], measurement: str) -> list[bytes]:
    return [line for line in lines if line.startswith(measurement.encode() + b",")]


def test_a_late_change_corrects_what_is_stored_is_counted_and_never_sent_again(
    store: SqliteStore, writer: RollupWriter, history: SqliteHistory
) -> None:
    put(store, *(row(f"1-O{n}", NINE - HOUR, "free") for n in range(1, 5)))
    run(store, writer, NINE)
    first = run(store, writer, NINE + 2 * HOUR)
    assert (
        len(named(first, "zone_5m")) == 2 * 22
    )  # both zones, an hour and fifty minutes are past their grace
    assert all(b"coverage_pct=" in line for line in first)
    assert {made.in_use_max for made in history.zone_bins([ZONE], NINE, NINE + 2 * HOUR)} == {0}
    late = row("1-O1", NINE + 20 * MINUTE, "in_use")
    put(store, late)
    assert writer.is_late(late.at)
    assert run(store, writer, NINE + 2 * HOUR, late.at) == []
    bins = history.zone_bins([ZONE], NINE, NINE + 2 * HOUR)
    assert [made.in_use_max for made in bins] == [0] * 4 + [1] * 18
    (hour, _) = history.zone_series([ZONE], NINE, NINE + 2 * HOUR, HOUR)
    assert hour.in_use_avg == pytest.approx(8 / 12), "the hours that long ranges are read from follow"
    (desk,) = [made for made in history.desk_hours(NINE, NINE + HOUR) if made.place == "1-O1"]
    assert desk.in_use_s == 40 * 60
    assert store.counters()["rollups_corrected"] == 18 + 1


def test_a_hold_becomes_a_row_with_its_coverage_and_a_part_of_its_day(
    store: SqliteStore, writer: RollupWriter, history: SqliteHistory
) -> None:
    run(store, writer, DAY + HOUR)
    put(store, row("1-O1", NINE, "in_use", "h1"), row("1-O1", NINE + 15 * MINUTE, "unknown", "h1"))
    put(store, row("1-O1", NINE + 30 * MINUTE, "in_use", "h1"), row("1-O1", NINE + HOUR, "free"))
    with store.transaction() as transaction:
        transaction.begin_hold("h1", "1-O1", ZONE, NINE)
        ended = transaction.end_hold("h1", NINE + HOUR, "reclaimable")
        assert transaction.end_hold("of another time", NINE + HOUR, "reclaimable") is None
    assert ended is not None
    assert (ended.started_at, ended.coverage_pct) == (NINE, 75.0)
    assert store.holds_ended(to_ms(NINE), to_ms(NINE + 2 * HOUR)) == [ended]
    so_far = run(store, writer, NINE + 2 * HOUR)
    assert named(so_far, "hold_day") == [], "a day is sent when it is over"
    assert named(so_far, "hold") == [
        b'hold,site=klein,zone=%s,desk=1-O1 dur_s=3600.0,start_ms=%di,outcome="reclaimable",hold_id="h1",'
        b"coverage_pct=75.0 %d" % (ZONE.encode(), to_ms(NINE), to_ms(NINE + HOUR))
    ]
    expected = [HoldBucket("reclaimable", 3600, 1, 3600.0, 75.0)]
    assert history.hold_histogram(None, DAY, DAY + ONE_DAY) == expected
    over = run(store, writer, DAY + ONE_DAY + 10 * MINUTE)
    assert named(over, "hold_day") == [
        b"hold_day,site=klein,zone=%s,outcome=reclaimable,le=3600 n=1i,sum_s=3600.0,coverage_pct=75.0 %d"
        % (ZONE.encode(), to_ms(DAY))
    ]
    assert history.hold_histogram(None, DAY, DAY + ONE_DAY) == expected


def test_a_hold_that_goes_on_after_its_end_is_told_and_counted_once(
    store: SqliteStore, writer: RollupWriter, history: SqliteHistory
) -> None:
    begin = NINE + 50 * MINUTE
    run(store, writer, NINE)
    with store.transaction() as transaction:
        transaction.begin_hold("h1", "1-O1", ZONE, begin)
        transaction.end_hold("h1", begin + 10 * MINUTE, "just_left")
    assert named(run(store, writer, NINE + 70 * MINUTE), "hold") == []
    assert [(each.le_s, each.holds) for each in history.hold_histogram(None, DAY, NINE)] == [(900, 1)]
    with store.transaction() as transaction:
        transaction.begin_hold("h1", "1-O1", ZONE, begin)  # whoever it was came back
    assert named(run(store, writer, NINE + 95 * MINUTE), "hold") == []
    with store.transaction() as transaction:
        ended = transaction.end_hold("h1", begin + 30 * MINUTE, "reclaimable")
    assert ended is not None
    assert named(run(store, writer, begin + 54 * MINUTE), "hold") == [], "for 15 minutes it may go on"
    assert not writer.is_told(ended)
    (line,) = named(run(store, writer, begin + 55 * MINUTE), "hold")
    assert writer.is_told(ended)
    assert b"dur_s=1800.0" in line
    assert named(run(store, writer, NINE + 131 * MINUTE), "hold") == []
    assert [(each.le_s, each.holds) for each in history.hold_histogram(None, DAY, NINE)] == [(1800, 1)]


def test_holds_of_fixed_places_are_in_no_figure(store: SqliteStore, example_plan: FloorPlan) -> None:
    fixed = next(place for place in example_plan.place.values() if place.fixed)
    writer = RollupWriter(store, example_plan, LineEncoder("raadhuis"))
    run(store, writer, DAY + HOUR)
    with store.transaction() as transaction:
        transaction.begin_hold("h1", fixed.id, fixed.zone, NINE)
        transaction.end_hold("h1", NINE + HOUR, "free")
    assert named(run(store, writer, DAY + ONE_DAY + 10 * MINUTE), "hold_day") == []


@pytest.mark.parametrize(
    ("seconds", "le_s"),
    [(0, 300), (300, 300), (300.001, 900), (28_800, 28_800), (28_801, LONGER_S)],
)
def test_a_hold_counts_in_the_shortest_length_that_it_does_not_exceed(seconds: float, le_s: int) -> None:
    assert length_class(seconds) == le_s
    assert list(HOLD_LENGTHS_S) == sorted(HOLD_LENGTHS_S)


def test_five_minutes_of_a_gateway_add_up(store: SqliteStore, writer: RollupWriter) -> None:
    start_ms = to_ms(NINE)

    def health(waiting: int, oldest_s: float, *, synced: bool = True) -> GatewayHealth:
        return GatewayHealth(
            site="klein", gateway="gw-1", at=NINE, uptime_s=5.0, outbox_rows=waiting, outbox_oldest_s=oldest_s,
            clock_synced=synced, counters={"outbox_dropped": 3},
        )  # fmt: skip

    run(store, writer, NINE)
    with store.transaction() as transaction:
        transaction.note_events("gw-1", start_ms, 40, 1)
        for number in range(15):
            transaction.note_health(health(number, number / 2), start_ms, 5.0)
        transaction.note_health(health(2, 1.5, synced=False), start_ms, 5.0)
        transaction.note_events("gw-1", start_ms, 2, 0)
        transaction.note_events("gw-1", start_ms + BIN_MS, 7, 0)
    assert store.gateway_bins(start_ms, start_ms + 2 * BIN_MS) == [
        GatewayBin("gw-1", NINE, 14, 7.0, 42, 1, 3, clock_synced=False, coverage_pct=80.0),
        GatewayBin("gw-1", NINE + 5 * MINUTE, 0, 0.0, 7, 0, 0, clock_synced=True, coverage_pct=0.0),
    ]
    lines = run(store, writer, NINE + 20 * MINUTE)
    assert len(named(lines, "gw_health")) == 2
    assert run(store, writer, NINE + 21 * MINUTE) == []


def test_a_file_of_before_gets_what_it_lacks_and_keeps_what_it_has(path: Path) -> None:
    store = SqliteStore(sqlite3.connect, path)
    store.open(NINE)
    with store.transaction() as transaction:
        transaction.begin_hold("h1", "1-O1", ZONE, NINE)
    store.close()
    old = sqlite3.connect(path, isolation_level=None)
    for statement in (
        f"DROP TABLE {LAST_TABLE}",
        "DROP TABLE gw_health",
        "DROP TABLE hold_day",
        "DROP TABLE zone_hour",
        "ALTER TABLE hold DROP COLUMN coverage_pct",
        f"INSERT INTO zone_5m VALUES ('{ZONE}', {to_ms(NINE)}, 1.5, 2, 0.5, 3.0, 1, 4, 96.0)",
    ):
        old.execute(statement)
    old.close()
    history = SqliteHistory(sqlite3.connect, path)
    assert history.counts()["hold"] == 0, "not readable until the writer has been there"
    store.open(NINE)
    assert history.counts()["hold"] == 1
    (hour,) = history.zone_series(None, NINE, NINE + HOUR, HOUR)
    assert (hour.in_use_avg, hour.coverage_pct) == (1.5, pytest.approx(8.0))
    with store.transaction() as transaction:
        assert transaction.end_hold("h1", NINE + HOUR, "free") is not None
    store.close()
