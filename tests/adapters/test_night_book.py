"""A night in the store: whatever ends it in the middle, it is whole or it is not there, and it teaches the same."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.inbox import NightLived
from ingest.night_book import Bite, NightBook
from ingest.night_job import NightTask, taught_of, write_night
from ingest.night_runner import NightRunner
from ingest.night_shift import GIVE_UP_AFTER, NightShift
from ingest.place_runtime import GatewayWatch, PlaceRuntime
from ingest.site_book import SiteBook
from ingest.stores.event_rows import EVENT_COLUMNS, event_of, event_row
from ingest.stores.night_history import NightHistory
from ingest.stores.night_rows import LessonRow, NightOrder
from ingest.stores.schema import LATER_COLUMNS, TABLES
from ingest.stores.sqlite_store import SqliteStore
from ingest.subscriber import Subscriber
from simulators.feed import feed
from workplace import floor_plan, policy
from workplace.codec import BOOLEAN_KINDS
from workplace.events import SensorEvent
from workplace.holds.engine import SiteEngine
from workplace.occupancy.grading import Lessons
from workplace.occupancy.interface import wiring_of
from workplace.occupancy.night_times import bounds, in_force_at, next_day, night_at
from workplace.topics import Topics

TUESDAY, TZ = date(2026, 11, 24), ZoneInfo("Europe/Amsterdam")
TINY_PLAN = """
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways: [{id: gw-1, floor: f1}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands: [{first: 1-W1, at: [2, 2], columns: 2, rows: 1, sensors: [dock, pir], node: "0001000000000001"}]
"""
PLAN = floor_plan.load(TINY_PLAN, "tiny.plan.yaml")
POLICY = policy.default(PLAN.site)
#: Backlog of Tuesday that arrives while its night is lived.
LATE = 20


@cache
def tuesday() -> list[SensorEvent]:
    return list(next(feed(PLAN, 1, 1)).events)


class StillClock:
    speed = 1.0

    def __init__(self) -> None:
        self.at = tuesday()[0].received_at

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Office:
    """The small office without a broker: what ingest writes down."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.database = StillClock(), folder / "site.db"
        self.history = NightHistory(sqlite3.connect, self.database)
        self.start()

    def start(self) -> None:
        """Begin with what lies in the store, as after a power cut: nothing of before was closed."""
        self.store = SqliteStore(sqlite3.connect, self.database)
        self.book = SiteBook(
            store=self.store,
            plan=PLAN,
            subscriber=Subscriber(PLAN, Topics(PLAN.site)),
            runtime=PlaceRuntime(lambda: SiteEngine(PLAN, POLICY), self.clock, PLAN.site),
            watch=GatewayWatch(PLAN.gateway, 45.0),
            clock=self.clock,
            encoder=None,
            nights=NightBook(self.store, sqlite3.connect, self.database, PLAN, POLICY),
        )
        self.book.open()

    def hear(self, events: list[SensorEvent]) -> None:
        for event in events:
            self.clock.at = max(self.clock.at, event.received_at)
            self.book.take_in([event], is_live=True)

    def sleep_until(self, at: datetime) -> None:
        self.clock.at = max(self.clock.at, at)
        self.book.tick(watch=False)

    @property
    def lessons(self) -> Any:
        engine = self.book.runtime.engine
        assert isinstance(engine, SiteEngine)
        return engine.lessons

    def live(self, order: NightOrder) -> bytes:
        out = BytesIO()
        write_night(NightTask(PLAN, POLICY, sqlite3.connect, self.database, order, Path("unused")), out)
        return out.getvalue()


@pytest.fixture
def office(memory_path: Path) -> Iterator[Office]:
    made = Office(memory_path)
    yield made
    made.book.close()


@pytest.fixture
def evening(office: Office) -> Office:
    """Tuesday was heard, but for a few words; it is the minute in which its night begins."""
    office.hear(tuesday()[:-LATE])
    office.sleep_until(night_at(TUESDAY, TZ))
    return office


class Night(RuleBasedStateMachine):
    """One night with power cuts, transactions that fail and late events at any moment."""

    lived: ClassVar[dict[tuple[int, int], bytes]] = {}

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # noqa: S108
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.order: NightOrder | None = None
        self.bites: Iterator[Bite] | None = None
        self.is_done = False

    @initialize()
    def tuesday_passes(self) -> None:
        self.office = Office(Path(self.folder.name))
        self.office.hear(tuesday()[:-LATE])
        self.office.sleep_until(night_at(TUESDAY, TZ))
        self.backlog = tuesday()[-LATE:]

    @precondition(lambda self: self.order is None and not self.is_done)
    @rule()
    def begins(self) -> None:
        assert self.office.book.is_night_due
        self.order = self.office.book.open_night()
        assert self.order is not None
        assert self.order.day == TUESDAY

    @precondition(lambda self: self.order is not None and self.bites is None)
    @rule()
    def is_lived(self) -> None:
        assert self.order is not None
        key = (self.order.upto_event, self.order.upto_said)
        if key not in self.lived:
            self.lived[key] = self.office.live(self.order)
        file = Path(self.folder.name) / "night"
        file.write_bytes(self.lived[key])
        self.bites = self.office.book.night_bites(self.order, file)

    @precondition(lambda self: self.bites is not None)
    @rule(fails=st.booleans())
    def a_bite_is_written(self, fails: bool) -> None:
        assert self.bites is not None
        bite = next(self.bites)
        if fails and bite.result is not None:
            # what the core did in a transaction that failed is forgotten with it
            store = self.office.store
            original, store.transaction = store.transaction, failing(store.transaction)  # type: ignore[method-assign]
            with pytest.raises(_PowerCut):
                self.office.book.write_night(bite)
            store.transaction = original  # type: ignore[method-assign]
        self.office.book.write_night(bite)
        if bite.result is not None:
            self.order = self.bites = None
            self.is_done = True

    @rule()
    def the_power_is_cut(self) -> None:
        self.office.start()
        self.order = self.bites = None

    @precondition(lambda self: self.order is not None and self.backlog)
    @rule()
    def a_late_event_arrives(self) -> None:
        self.office.hear([self.backlog.pop()])

    @invariant()
    def whole_or_not_there(self) -> None:
        if not hasattr(self, "office"):
            return
        nights, lessons = self.office.history.nights(), self.office.history.lessons()
        assert bool(nights) == bool(lessons) == self.is_done
        assert bool(self.office.history.timeline(*bounds(TUESDAY, TZ))) == self.is_done
        coming = self.office.lessons.coming
        assert (None if coming is None else coming) == (nights[0].message if nights else None)
        if nights:
            assert self.office.book.is_night_due is False
            assert {row.place for row in lessons} == set(PLAN.place)
            assert nights[0].settled.digest == first_digest(self.lived)

    def teardown(self) -> None:
        self.office.book.close()
        self.folder.cleanup()


class _PowerCut(Exception):
    pass


def failing(transaction: Callable[[], Any]) -> Callable[[], Any]:
    """Return a transaction that breaks off at its end."""

    class Failing:
        def __enter__(self) -> Any:
            self.inner = transaction()
            return self.inner.__enter__()

        def __exit__(self, *error: object) -> None:
            cut = _PowerCut()
            self.inner.__exit__(_PowerCut, cut, None)
            raise cut

    return Failing


def first_digest(lived: dict[tuple[int, int], bytes]) -> str:
    (one,) = lived.values()  # late events never made another night of it
    return str(msgspec.json.decode(one.splitlines()[-1])["result"]["settled"]["digest"])


TestNight = Night.TestCase
TestNight.settings = settings(max_examples=10, stateful_step_count=14, deadline=None)


def test_a_missed_night_is_lived_afterwards_and_decides_at_once(evening: Office) -> None:
    later = night_at(TUESDAY, TZ) + timedelta(days=2, hours=9)
    evening.sleep_until(later)
    order = evening.book.open_night()
    assert order is not None
    assert order.day == TUESDAY
    finish(evening, order)
    assert evening.lessons.in_force.from_at == later
    assert evening.book.open_night() is None, "on the days after it nothing was heard"
    assert not evening.book.is_night_due


def finish(office: Office, order: NightOrder) -> None:
    file = office.database.with_name("night")
    file.write_bytes(office.live(order))
    for bite in office.book.night_bites(order, file):
        office.book.write_night(bite)


def test_a_night_that_fails_is_begun_again_later_and_messages_flow(evening: Office) -> None:
    ordered: list[NightOrder] = []
    shift = NightShift(evening.book, ordered.append, lambda work: work())
    shift.step(0.0)
    shift.step(1.0)
    assert len(ordered) == 1, "one night at a time"
    shift.lived(NightLived(ordered[0], None), 2.0)
    shift.step(31.0)
    assert len(ordered) == 1
    shift.step(32.0)
    assert ordered == [ordered[0]] * 2, "the same night with the same facts"
    file = evening.database.with_name("night")
    file.write_bytes(evening.live(ordered[0]))
    shift.lived(NightLived(ordered[1], file), 40.0)
    while shift.is_writing:
        evening.hear([msgspec.structs.replace(tuesday()[0], id=f"more-{evening.clock.at.timestamp()}")])
        shift.step(41.0)
    assert evening.history.nights()[0].message.from_at == in_force_at(TUESDAY, TZ)
    assert not file.exists()


def test_a_night_that_never_can_be_lived_is_left_so_that_the_next_ones_are(evening: Office) -> None:
    ordered: list[NightOrder] = []
    shift, now = NightShift(evening.book, ordered.append, lambda work: work()), 0.0
    for _ in range(GIVE_UP_AFTER):
        now += 3600.0
        shift.step(now)
        shift.lived(NightLived(ordered[-1], None), now)
    assert len(ordered) == GIVE_UP_AFTER
    assert not evening.book.is_night_due
    assert evening.history.nights() == []
    wednesday = night_at(next_day(TUESDAY), TZ)
    evening.hear(
        [msgspec.structs.replace(tuesday()[0], id="wednesday", received_at=wednesday - timedelta(hours=9))]
    )
    evening.sleep_until(wednesday)
    shift.step(now + 3600.0)
    assert ordered[-1].day == next_day(TUESDAY)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        pytest.param(msgspec.json.encode((Lessons(), None)).decode(), 1, id="of this program"),
        pytest.param("[[[0,0,0],[0,0,0,0],[1,0,0,0,0,0],[1,0,0,0,0,0]],null]", 0, id="with other grades"),
        pytest.param('{"grades": []}', 0, id="of another shape"),
    ],
)
def test_lessons_that_another_version_wrote_begin_anew(body: str, kept: int) -> None:
    place = next(iter(PLAN.place.values()))
    row = LessonRow(place.id, tuesday()[0].received_at, wiring_of(place), None, body)
    assert len(taught_of([row], PLAN).lessons) == kept
    moved = msgspec.structs.replace(row, wiring="other sensors")
    assert taught_of([moved], PLAN).lessons == {}


def test_what_nights_leave_is_deleted_when_it_has_lived_long_enough(evening: Office) -> None:
    order = evening.book.open_night()
    assert order is not None
    finish(evening, order)
    for days, timeline, lessons in ((10, True, True), (15, False, True), (17, False, False)):
        with evening.store.transaction() as transaction:
            transaction.prune(order.end + timedelta(days=days, hours=-1), at_most=100_000)
        assert bool(evening.history.timeline(order.begin, order.end)) is timeline
        assert bool(evening.history.lessons()) is lessons
    assert evening.history.nights() == []


def test_the_process_of_a_night_says_that_it_is_done_and_one_that_cannot_read_says_that_too(
    evening: Office, eventually: Callable[..., None]
) -> None:
    order = evening.book.open_night()
    assert order is not None
    folder = evening.database.with_name("no-database")
    folder.mkdir()
    said: list[NightLived] = []
    for database, is_fine in ((evening.database, True), (folder, False)):
        with runs(NightRunner(PLAN, POLICY, sqlite3.connect, database, said.append)) as runner:
            runner.order(order)
            eventually(lambda: said, what="the end of the night")
        lived = said.pop()
        assert (lived.order, lived.file is not None) == (order, is_fine)
        if lived.file is not None:
            assert lived.file.read_bytes() == evening.live(order), "another process finds the same"


@contextmanager
def runs(runner: NightRunner) -> Iterator[NightRunner]:
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join(60)
        assert not thread.is_alive()


def test_a_database_of_before_the_nights_is_brought_up_to_date(office: Office) -> None:
    office.hear(tuesday()[:50])
    office.book.close()
    with sqlite3.connect(office.database) as old:
        for table in ("said", "night", "lesson", "place_timeline", "settled_state"):
            old.execute(f"DROP TABLE {table}")
        for table, column, _ in LATER_COLUMNS:
            old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("UPDATE meta SET value = 1 WHERE key = 'schema_version'")
    office.start()
    office.hear(tuesday()[50:])
    office.sleep_until(night_at(TUESDAY, TZ))
    order = office.book.open_night()
    assert order is not None
    finish(office, order)
    assert len(office.history.lessons()) == len(PLAN.place)


def moments() -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    st.sampled_from(["motion", "occupancy", "link", "availability", "fault", "button", "environment"]),
    st.sampled_from([True, False, 0, 1, 3, 20.5, "single"]),
    moments(),
    moments(),
    st.sampled_from([None, "silent"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 90.0]),
)
@settings(max_examples=200)
def test_an_event_comes_back_from_the_store_as_it_went_in(
    kind: Any, value: Any, measured: datetime, received: datetime, reason: str | None, retained: bool,
    historical: bool, expires_s: float | None,
) -> None:  # fmt: skip
    event = SensorEvent(
        id="event-0001", site="klein", gateway="gw-1", device="d1", kind=kind,
        value=bool(value) if kind in BOOLEAN_KINDS else value, channel="0", measured_at=measured, clock="device",
        uncertainty_ms=5, received_at=max(received, measured), seq=7, reason=reason, retained=retained,
        historical=historical, expires_s=expires_s,
    )  # fmt: skip
    with sqlite3.connect(":memory:") as store:
        store.executescript(TABLES)
        row = event_row(event, received)
        store.execute(f"INSERT INTO event VALUES ({','.join('?' * len(row))})", row)
        (found,) = store.execute(f"SELECT {EVENT_COLUMNS} FROM event").fetchall()
    store.close()
    assert event_of("klein", found) == event
