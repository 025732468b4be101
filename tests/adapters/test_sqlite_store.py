"""The durable store on a real disk: replay, kill -9, a full disk, a lock, a damaged file, readers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.quarantine import Rejected
from ingest.stores import transaction as transaction_module
from ingest.stores.history import SqliteHistory
from ingest.stores.schema import DeskHour, TransitionRow, to_ms
from ingest.stores.sqlite_store import SqliteStore
from workplace.errors import SettingInvalid, StoreUnavailable
from workplace.events import Decision, SensorEvent
from workplace.ports import HistoryReader, ZoneBin

ROOT = Path(__file__).resolve().parents[2]
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


def event(number: int) -> SensorEvent:
    return SensorEvent(
        id=f"event-{number:06d}",
        site="hq",
        gateway="gw-1",
        device="d1",
        kind="motion",
        value=True,
        measured_at=NINE,
        clock="device",
        uncertainty_ms=5,
        received_at=NINE + timedelta(milliseconds=number),
    )


def decision(number: int, place: str = "d1") -> Decision:
    return Decision(
        id=f"decision-{number}",
        site="hq",
        zone="z",
        place=place,
        hold_id="h1",
        at=NINE + timedelta(minutes=number),
        rule="R6",
        action="just_left",
        mode="shadow",
        acted=False,
        policy_hash="0" * 64,
    )


def transition(place: str, at: datetime) -> TransitionRow:
    return TransitionRow(place, "z", at, "in_use", "occupied", "h1", "shadow", ("link_up", "motion"), at)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ingest.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(sqlite3.connect, path)
    assert made.open(NINE) is None
    yield made
    made.close()


def test_a_redelivered_event_is_known_and_changes_nothing(store: SqliteStore, path: Path) -> None:
    events = [event(n) for n in range(1200)]
    with store.transaction() as writing:
        assert writing.known("event", [e.id for e in events]) == set()
        writing.add_events(events)
    with store.transaction() as writing:
        again = [event(n) for n in range(1000, 1500)]
        known = writing.known("event", [e.id for e in again])
        assert known == {e.id for e in events[1000:]}
        writing.add_events(again)
        writing.count("duplicates", len(known))
    counts = SqliteHistory(sqlite3.connect, path).counts()
    assert (counts["event"], counts["count:duplicates"]) == (1500, 200)


def test_all_or_nothing(store: SqliteStore, path: Path) -> None:
    class Interrupted(Exception):
        pass

    def half_a_transaction() -> None:
        with store.transaction() as writing:
            writing.add_events([event(1)])
            writing.put_engine_records({"site": b"1"})
            raise Interrupted

    with pytest.raises(Interrupted):
        half_a_transaction()
    assert store.engine_records() == {}
    assert SqliteHistory(sqlite3.connect, path).counts()["event"] == 0


_WRITER = """
import sqlite3, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, {root!r}); sys.path.insert(0, {tests!r})
from test_sqlite_store import NINE, event
from ingest.stores.sqlite_store import SqliteStore
store = SqliteStore(sqlite3.connect, Path({path!r}))
store.open(NINE)
start = int(store.meta("last") or 0)
for batch in range(start // 20, 100_000):
    first = batch * 20
    with store.transaction() as writing:
        writing.add_events([event(n) for n in range(first, first + 20)])
        writing.put_engine_records({{"site": str(first + 20).encode()}})
        writing.set_meta("last", first + 20)
    print(first + 20, flush=True)
"""


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    script = _WRITER.format(root=str(ROOT), tests=str(Path(__file__).parent), path=str(path))
    acknowledged = 0
    for round_number in range(5):
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(20 + 7 * round_number):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
    store = SqliteStore(sqlite3.connect, path)
    assert store.open(NINE) is None, "a killed writer leaves no damage"
    stored = SqliteHistory(sqlite3.connect, path).counts()["event"]
    # A commit whose line was not printed yet may be there too, whole.
    assert stored in (acknowledged, acknowledged + 20)
    assert store.engine_records() == {"site": str(stored).encode()}
    assert store.meta("last") == stored
    store.close()


def test_a_full_disk_writes_nothing_and_heals(path: Path) -> None:
    connections: list[Any] = []

    def connect(*args: Any, **kwargs: Any) -> Any:
        connections.append(sqlite3.connect(*args, **kwargs))
        return connections[-1]

    store = SqliteStore(connect, path)
    store.open(NINE)
    with store.transaction() as writing:
        writing.add_events([event(1)])
    pages = connections[0].execute("PRAGMA page_count").fetchone()[0]
    connections[0].execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"), store.transaction() as writing:
        writing.add_events([event(n) for n in range(2, 5000)])
    assert SqliteHistory(sqlite3.connect, path).counts()["event"] == 1
    connections[0].execute("PRAGMA max_page_count = 1000000")
    with store.transaction() as writing:
        writing.add_events([event(n) for n in range(2, 5000)])
    assert SqliteHistory(sqlite3.connect, path).counts()["event"] == 4999
    store.close()


def test_a_lock_is_waited_for_and_then_told(path: Path) -> None:
    store = SqliteStore(sqlite3.connect, path, busy_timeout_s=0.1)
    store.open(NINE)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), store.transaction():
        pytest.fail("the lock was ours")
    other.execute("ROLLBACK")
    other.close()
    with store.transaction() as writing:
        writing.add_events([event(1)])
    store.close()


def _overwrite_middle(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(os.urandom(size // 2))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(
            lambda path: path.write_bytes(b"not a database at all" * 500), id="another kind of file"
        ),
        pytest.param(_overwrite_middle, id="a file with a torn middle"),
    ],
)
def test_a_damaged_file_is_moved_aside_with_an_alarm(path: Path, spoil: Callable[[Path], object]) -> None:
    store = SqliteStore(sqlite3.connect, path)
    store.open(NINE)
    with store.transaction() as writing:
        writing.add_events([event(n) for n in range(2000)])
        writing.set_meta("closed_well", 0)
    store._drop_connection()  # as a crash does: without saying that all is well
    spoil(path)
    fresh = SqliteStore(sqlite3.connect, path)
    alarm = fresh.open(NINE)
    assert alarm is not None
    assert "damaged" in alarm
    aside = list(path.parent.glob("ingest.db.damaged-20261123T090000*"))
    assert aside, "the old file must still be there"
    with fresh.transaction() as writing:
        writing.add_events([event(1)])
    fresh.close()


def test_another_versions_file_is_refused(store: SqliteStore, path: Path) -> None:
    with store.transaction() as writing:
        writing.set_meta("schema_version", 999)
    store.close()
    with pytest.raises(SettingInvalid, match="999"):
        SqliteStore(sqlite3.connect, path).open(NINE)


def test_closing_twice_and_opening_again_is_fine(store: SqliteStore) -> None:
    store.close()
    store.close()
    assert store.open(NINE) is None


def test_quarantine_counts_everything_and_keeps_the_newest(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_module, "MAX_QUARANTINE_ROWS", 10)
    for number in range(25):
        with store.transaction() as writing:
            rubbish = Rejected("not_json", "d", "t", b"%d" % number)
            writing.quarantine([rubbish, rubbish], NINE + timedelta(seconds=number))
    assert store.quarantined() == {"not_json": 50}
    kept = SqliteHistory(sqlite3.connect, path).quarantined()
    assert [(payload, times) for *_, payload, _, times in kept] == [
        (b"%d" % number, 2) for number in range(24, 14, -1)
    ]


def test_rows_are_deleted_when_they_have_lived_long_enough_but_never_a_places_last_word(
    store: SqliteStore, path: Path
) -> None:
    history = SqliteHistory(sqlite3.connect, path)
    old, new = NINE - timedelta(days=15), NINE - timedelta(days=13)
    with store.transaction() as writing:
        writing.add_transitions([transition("d1", old), transition("d1", new), transition("d2", old)])
        writing.put_desk_hours([DeskHour("d1", "z", at, 1.0, 2.0, 1, 100.0) for at in (old, new)])
        writing.put_zone_bins([ZoneBin("z", at, 1.5, 2, 0.5, 3.0, 1, 4, 99.5) for at in (old, new)])
        assert writing.prune(NINE, at_most=100) == 2
    assert [(row.place, row.at) for row in history.place_transitions(old, NINE)] == [("d2", old), ("d1", new)]
    assert [hour.start for hour in history.desk_hours(old, NINE)] == [new]
    assert len(history.zone_bins(["z"], old, NINE)) == 2
    with store.transaction() as writing:
        writing.prune(NINE + timedelta(days=382), at_most=100)
    assert [row.start for row in history.zone_bins(["z"], old, NINE)] == [new]


def test_history_reads_back_what_was_written_from_any_thread_while_writing(
    store: SqliteStore, path: Path
) -> None:
    history = SqliteHistory(sqlite3.connect, path)
    reader: HistoryReader = history
    bins = [
        ZoneBin(zone, NINE + timedelta(minutes=5 * n), 1.5, 2, 0.5, 3.0, 1, 4, 99.5)
        for zone in ("a", "b")
        for n in range(3)
    ]
    with store.transaction() as writing:
        writing.put_zone_bins(bins)
        writing.put_zone_bins(bins[:2])
        writing.add_decisions([decision(n, "d1" if n % 2 else "d2") for n in range(6)])
        writing.add_decisions([decision(0)])
        writing.add_transitions([transition("d1", NINE)])
        assert reader.zone_bins(["a"], NINE, NINE + timedelta(hours=1)) == [], "not committed yet"
    assert reader.zone_bins(["b", "a"], NINE, NINE + timedelta(minutes=10)) == [*bins[:2], *bins[3:5]]
    assert reader.zone_bins([], NINE, NINE + timedelta(hours=1)) == []
    assert [d.id for d in reader.decisions(place="d1", limit=2)] == ["decision-5", "decision-3"]
    assert reader.decisions(place=None, limit=99) == [
        decision(n, "d1" if n % 2 else "d2") for n in range(5, -1, -1)
    ]
    assert history.place_transitions(NINE, NINE + timedelta(seconds=1)) == [transition("d1", NINE)]
    assert store.last_transition("d1", to_ms(NINE)) == transition("d1", NINE)
    assert store.last_transition("d1", to_ms(NINE) - 1) is None
    with pytest.raises(StoreUnavailable, match="readonly"):
        history._ask("DELETE FROM decision")


def test_a_database_that_does_not_exist_yet_has_no_history(tmp_path: Path) -> None:
    history = SqliteHistory(sqlite3.connect, tmp_path / "none.db")
    assert history.decisions(place=None, limit=5) == []
    assert history.zone_bins(["z"], NINE, NINE) == []
    assert history.counts()["event"] == 0
    assert not (tmp_path / "none.db").exists()


def test_the_outbox_never_reuses_a_number_and_drops_raw_lines_first(store: SqliteStore, path: Path) -> None:
    history = SqliteHistory(sqlite3.connect, path)
    with store.transaction() as writing:
        writing.add_lines([("raw", b"a 1"), ("agg", b"b 1"), ("raw", b"a 2")])
    assert history.waiting_lines(0, 2) == [(1, "raw", b"a 1"), (2, "agg", b"b 1")]
    with store.transaction() as writing:
        assert writing.sink_has(3, [(2, "impossible")]) == 3
    with store.transaction() as writing:
        writing.add_lines([("agg", b"b 2"), ("raw", b"a 3"), ("raw", b"a 4")])
        assert writing.shrink_outbox(1) == 1
    assert history.waiting_lines(0, 10) == [(4, "agg", b"b 2"), (6, "raw", b"a 4")]
    with store.transaction() as writing:
        assert writing.shrink_outbox(2) == 2
    assert store.outbox_rows() == 0
    assert history._ask("SELECT seq, line, reason FROM sink_dead_letter") == [(2, b"b 1", "impossible")]


def test_how_long_commits_take_is_known_from_any_thread(tmp_path: Path) -> None:
    store = SqliteStore(sqlite3.connect, tmp_path / "ingest.db")
    assert store.commit_ms() == (0.0, 0.0), "nothing was committed yet"
    store.open(NINE)
    for number in range(20):
        with store.transaction() as writing:
            writing.add_events([event(number)])
    with pytest.raises(KeyError), store.transaction():
        raise KeyError("this one is rolled back and has no length")
    p50_ms, p99_ms = store.commit_ms()
    assert 0 < p50_ms <= p99_ms < 60_000
    store.close()
