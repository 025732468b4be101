"""Shares of workers, parts of a plan, and where the transactions of a write-ahead log end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cluster.floors import part_of, partitions_of
from ingest.cluster.shares import wish
from ingest.cluster.wal import HEADER_BYTES, Kind, Record, committed_end, split, unpack
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan, load
from workplace.topics import partition

TWO_FLOORS = """
site: twee
name: {nl: Twee, en: Two}
gateways:
  - {id: gw-1, floor: f1, mqtt: {zigbee2mqtt: z1}}
  - {id: gw-2, floor: f2, mqtt: {zigbee2mqtt: z2}}
floors:
  - {id: f1, number: 1, name: {nl: Een, en: One}, size: [9, 9], zones: [{id: z1, kind: desk, name: {nl: A, en: A},
     rect: [0, 0, 9, 9], islands: [{first: 1-A1, at: [2, 2], columns: 1, rows: 1}]}]}
  - {id: f2, number: 2, name: {nl: Twee, en: Two}, size: [9, 9], zones: [{id: z2, kind: desk, name: {nl: B, en: B},
     rect: [0, 0, 9, 9], islands: [{first: 2-A1, at: [2, 2], columns: 1, rows: 1}]}]}
devices:
  - {place: 1-A1, sensor: zigbee_pir, device: z2m-a}
  - {place: 2-A1, sensor: zigbee_pir, device: z2m-b}
"""


@given(
    partitions=st.sets(st.integers(0, 15), min_size=1),
    workers=st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=6, unique=True),
    turns=st.lists(st.integers(0, 5), min_size=40, max_size=40),
)
def test_workers_come_to_equal_shares_and_no_floor_stays_free(
    partitions: set[int], workers: list[str], turns: list[int]
) -> None:
    held: dict[int, str] = dict.fromkeys(sorted(partitions), workers[0])
    for turn in (*turns, *range(3 * len(workers) * len(partitions))):
        me = workers[turn % len(workers)]
        mine = [number for number, holder in held.items() if holder == me]
        wanted = wish(partitions, mine, held, workers, me)
        assert wanted.leave is None or wanted.leave in mine
        assert not set(wanted.take) & set(held)
        if wanted.leave is not None:
            del held[wanted.leave]
        held.update(dict.fromkeys(wanted.take, me))
    assert set(held) == partitions
    counts = [list(held.values()).count(worker) for worker in workers]
    assert max(counts) <= -(-len(partitions) // len(workers))


def test_the_parts_of_a_plan_are_whole_and_do_not_overlap(example_plan: FloorPlan) -> None:
    parts = [part_of(example_plan, number) for number in partitions_of(example_plan)]
    assert sorted(place for part in parts for place in part.place) == sorted(example_plan.place)
    assert sorted(gateway for part in parts for gateway in part.gateway) == sorted(example_plan.gateway)
    assert all(set(part.devices.values()) <= set(part.gateway) for part in parts)


def test_a_place_on_the_gateway_of_another_floor_cannot_be_divided() -> None:
    whole = load(TWO_FLOORS, "twee.plan.yaml")
    assert len(partitions_of(whole)) == 2
    crossed = TWO_FLOORS.replace("device: z2m-b}", "device: z2m-b, gateway: gw-1}")
    plan = load(crossed, "twee.plan.yaml")
    with pytest.raises(SettingInvalid, match=r"gateway of its own"):
        part_of(plan, partition("f2"))


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.binary(max_size=3000))
def test_a_record_comes_back_as_it_was(generation: int, offset: int, body: bytes) -> None:
    record = Record(Kind.WRITTEN, generation, offset, body)
    assert unpack(record.pack()) == record


@given(st.binary(max_size=60))
def test_what_is_no_record_is_refused(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        return
    assert data[0] <= max(Kind)


def test_only_whole_transactions_of_this_log_count(tmp_path: Path) -> None:
    """SQLite leaves frames of a transaction that was rolled back, and of the log before, behind the last commit."""
    file = tmp_path / "site.db"
    connection = sqlite3.connect(file, isolation_level=None)
    for pragma in ("journal_mode = WAL", "wal_autocheckpoint = 0", "cache_size = 10"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE t (n INTEGER, b BLOB)")
    connection.execute("INSERT INTO t VALUES (1, randomblob(9000))")
    wal = tmp_path / "site.db-wal"
    whole = wal.stat().st_size
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO t VALUES (2, randomblob(900000))"
    )  # more than the cache: spilled into the log
    connection.execute("ROLLBACK")
    data = wal.read_bytes()
    assert len(data) > whole
    assert committed_end(data[:HEADER_BYTES], data, 0) == whole
    connection.execute("INSERT INTO t VALUES (3, x'03')")
    later = wal.read_bytes()
    end = committed_end(later[:HEADER_BYTES], later[whole:], whole)
    assert whole < end < len(later)
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    with (tmp_path / "copy.db-wal").open("wb") as out:
        for record in (*split(1, 0, later[:whole]), *split(1, whole, later[whole:end])):
            out.seek(record.offset)
            out.write(record.body)
    assert sqlite3.connect(copy).execute("SELECT n FROM t ORDER BY n").fetchall() == [(1,), (3,)]
