"""One suite for every store of history: SQLite, InfluxDB 1.x with and without passwords, VictoriaMetrics (what it can
do), and a 2.x or 3.x server where PLEKVRIJ_TEST_INFLUX_URL names one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.stores.history_store import (
    HistoryStore,
    HoldBucket,
    LastState,
    RecordsRefused,
    StoreHealth,
    Unsupported,
)
from ingest.stores.influx_history import InfluxHistory
from ingest.stores.influx_store import InfluxStore
from ingest.stores.line_protocol import LineEncoder
from ingest.stores.measurements import MEASUREMENTS
from ingest.stores.schema import (
    DESK_LEVEL_DAYS,
    LONGER_S,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
    TransitionRow,
    from_ms,
    to_ms,
)
from ingest.stores.sink import SinkRefused
from ingest.stores.sqlite_history_store import SqliteHistoryStore
from ingest.stores.sqlite_store import SqliteStore
from tests.docs import board
from tests.time_servers import PASSWORD, Influx, OutsideServer, Server, Victoria, new_database
from workplace.errors import StoreUnavailable
from workplace.events import Decision, HoldPhase
from workplace.loss_events import Canary
from workplace.ports import ZoneBin

SITE = "raadhuis"
NOW = from_ms(to_ms(datetime.now(UTC)))
#: Some whole days back, so that a day lies before and after it within the life of desk-level rows.
DAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=4)
FIVE, HOUR, ONE_DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
STRANGE = r"""zaal "Noord", a=b 'x' \o/ é🪑"""

#: Table of SQLite, and the field of the time-series server that every point has.
COUNTED = {
    "desk_state": ("place_transition", "state"),
    "zone_5m": ("zone_5m", "occ_avg"),
    "desk_hour": ("desk_hour", "occ_s"),
    "hold": ("hold", "dur_s"),
    "hold_day": ("hold_day", "n"),
    "enforcement": ("decision", "action"),
    "gw_health": ("gw_health", "outbox"),
}


@dataclass
class Rig:
    """A store under test: `make` opens it (again), `count` counts the rows or points of a measurement."""

    kind: str
    make: Callable[[], HistoryStore]
    count: Callable[[str], int]
    server: Server | None = None
    url: str = ""
    desk_level_days: int = DESK_LEVEL_DAYS


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """The servers of this module, each started when a test first asks for it."""
    running: dict[str, Any] = {}

    def get(kind: str) -> Any:
        if kind not in running:
            if kind == "outside":
                running[kind] = OutsideServer()
                return running[kind]
            folder = tmp_path_factory.mktemp(kind.replace(" ", "-"))
            made: Server = Victoria(folder) if kind == "victoria" else Influx(folder, auth="password" in kind)
            made.start()
            running[kind] = made
            if "password" in kind:
                made.make_first_user()  # type: ignore[attr-defined]
        return running[kind]

    yield get
    for kind, server in running.items():
        if kind != "outside":
            server.stop()


def sqlite_rig(path: Path) -> Rig:
    def make() -> HistoryStore:
        store = SqliteStore(sqlite3.connect, path, busy_timeout_s=0.1)
        store.open(NOW)
        return SqliteHistoryStore(store, sqlite3.connect, path)

    def count(measurement: str) -> int:
        connection = sqlite3.connect(path)
        rows = connection.execute(f"SELECT count(*) FROM {COUNTED[measurement][0]}").fetchone()[0]
        connection.close()
        return int(rows)

    return Rig("sqlite", make, count)


def influx_rig(kind: str, server: Any) -> Rig:
    database = new_database()
    url = server.url(database)

    def count(measurement: str) -> int:
        store = InfluxStore(url, desk_level_days=made.desk_level_days)
        statement = f'SELECT count("{COUNTED[measurement][1]}") AS n FROM "{measurement}"'
        rows = store.query(statement, MEASUREMENTS[measurement].retention)
        store.close()
        return int(sum(row["n"] for row in rows))

    def count_samples(measurement: str) -> int:
        return int(server.samples(f"{measurement}_{COUNTED[measurement][1]}", database))

    made = Rig(
        kind=kind,
        make=lambda: InfluxHistory(InfluxStore(url, timeout_s=60), SITE),
        count=count_samples if kind == "victoria" else count,
        server=server,
        url=url,
    )
    return made


def rigs(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rig", kinds, indirect=True)


everywhere = rigs("sqlite", "influxdb 1.x", "influxdb 1.x with password", "victoria", "outside")
readable = rigs("sqlite", "influxdb 1.x", "influxdb 1.x with password", "outside")
servers_only = rigs("influxdb 1.x", "influxdb 1.x with password", "outside")


@pytest.fixture
def rig(request: pytest.FixtureRequest, servers: Callable[[str], Any], tmp_path: Path) -> Iterator[Rig]:
    kind: str = request.param
    yield sqlite_rig(tmp_path / "site.db") if kind == "sqlite" else influx_rig(kind, servers(kind))
    if kind == "outside":  # after each test: 3 Core has room for five databases
        servers(kind).remove_all()


@pytest.fixture
def store(rig: Rig) -> Iterator[HistoryStore]:
    made = rig.make()
    yield made
    made.close()


def change(
    place: str, at: datetime, phase: HoldPhase = "in_use", *, zone: str = "z1", hold: str | None = None
) -> TransitionRow:
    occupancy = {"in_use": "occupied", "free": "free", "unknown": "unknown"}.get(phase, "held")
    return TransitionRow(place, zone, at, phase, occupancy, hold, "active", ("motion",), at)  # type: ignore[arg-type]


def five_minutes(zone: str, start: datetime, in_use: float = 1.5, coverage_pct: float = 100.0) -> ZoneBin:
    return ZoneBin(zone, start, in_use, int(in_use) + 1, 0.5, 8 - in_use, 3, 10, coverage_pct)


def hour(place: str, start: datetime, zone: str = "z1") -> DeskHour:
    return DeskHour(place, zone, start, 1800.5, 300.25, 2, 99.5)


def holds(zone: str, day: datetime, outcome: HoldPhase, le_s: int, number: int) -> HoldDay:
    return HoldDay(zone, day, outcome, le_s, number, number * 600.5, 90.0)


def decision(number: int, place: str, at: datetime) -> Decision:
    return Decision(
        id=f"decision-{number}", site=SITE, zone="z1", place=place, hold_id="h1", at=at, rule="R6",
        action="just_left", mode="shadow", acted=False, policy_hash="0" * 64,
    )  # fmt: skip


def one_of_each(number: int = 0) -> list[Any]:
    at = DAY + number * HOUR
    return [
        change(f"d{number}", at),
        five_minutes("z1", at),
        hour(f"d{number}", at),
        HoldEnded(f"h{number}", f"d{number}", "z1", at, at + HOUR, "reclaimable", 98.5),
        holds("z1", DAY, "reclaimable", 900 * (number + 1), 3),
        decision(number, f"d{number}", at),
        GatewayBin("gw-1", at, 5, 1.5, 300, 2, 0, clock_synced=True, coverage_pct=100.0),
    ]


@everywhere
def test_every_kind_of_record_is_kept_and_the_same_again_changes_nothing(
    rig: Rig, store: HistoryStore
) -> None:
    records = [record for number in range(3) for record in one_of_each(number)]
    for _ in range(2):
        store.append(records)
    assert {measurement: rig.count(measurement) for measurement in COUNTED} == dict.fromkeys(COUNTED, 3)
    store.append(records[7:])
    assert {measurement: rig.count(measurement) for measurement in COUNTED} == dict.fromkeys(COUNTED, 3)


@everywhere
def test_two_decisions_about_a_place_in_one_millisecond_stay_two(rig: Rig, store: HistoryStore) -> None:
    both = [decision(1, "d1", DAY), decision(2, "d1", DAY)]
    store.append(both)
    store.append(both)
    if rig.kind != "victoria":  # texts are no samples there
        assert rig.count("enforcement") == 2


@everywhere
def test_closing_twice_is_fine_and_health_says_what_it_is(rig: Rig, store: HistoryStore) -> None:
    health = store.health()
    assert isinstance(health, StoreHealth)
    expected = {"sqlite": "sqlite", "victoria": "vm", "outside": health.flavour}.get(rig.kind, "v1")
    assert health.flavour == expected
    assert health.version
    store.close()
    store.close()


@rigs("victoria")
def test_a_server_that_only_takes_says_so(rig: Rig, store: HistoryStore) -> None:
    store.health()
    with pytest.raises(Unsupported, match="SQLite"):
        store.zone_series(None, DAY, NOW, HOUR)


@readable
def test_a_range_takes_its_begin_and_leaves_its_end(store: HistoryStore) -> None:
    bins = [five_minutes(zone, DAY + n * FIVE, n + 0.25) for zone in ("z2", "z1") for n in range(6)]
    store.append(bins)
    read = store.zone_series(["z1"], DAY + FIVE, DAY + 4 * FIVE, FIVE)
    assert read == [five_minutes("z1", DAY + n * FIVE, n + 0.25) for n in (1, 2, 3)]
    assert store.zone_series(None, DAY, DAY + HOUR, FIVE) == sorted(bins, key=lambda b: (b.zone, b.start))
    assert store.zone_series([], DAY, DAY + HOUR, FIVE) == []
    assert store.zone_series(["z1"], DAY - HOUR, DAY, FIVE) == []
    assert store.zone_series(["z1"], DAY + HOUR, DAY, FIVE) == []
    assert store.zone_series(["other"], DAY, DAY + HOUR, FIVE) == []


@readable
def test_longer_bins_are_made_of_the_five_minutes_and_missing_ones_lower_the_coverage(
    store: HistoryStore,
) -> None:
    numbers = [n for n in range(24 * 12) if n not in range(12, 18)]  # half of the second hour is missing
    store.append([five_minutes("z1", DAY + n * FIVE, n % 7 + 0.5) for n in numbers])
    hours = store.zone_series(["z1"], DAY, DAY + 3 * HOUR, HOUR)
    assert [made.start for made in hours] == [DAY, DAY + HOUR, DAY + 2 * HOUR]
    assert [made.coverage_pct for made in hours] == pytest.approx([100, 50, 100])
    for made, first in zip(hours, (0, 12, 24), strict=True):
        mine = [n % 7 + 0.5 for n in numbers if first <= n < first + 12]
        assert made.in_use_avg == pytest.approx(sum(mine) / len(mine))
        assert (made.in_use_max, made.free_min, made.capacity) == (max(map(int, mine)) + 1, 3, 10)
        assert made.held_avg == pytest.approx(0.5)
    (day,) = store.zone_series(None, DAY, DAY + ONE_DAY, ONE_DAY)
    assert day.in_use_avg == pytest.approx(sum(n % 7 + 0.5 for n in numbers) / len(numbers))
    assert day.coverage_pct == pytest.approx(100 * len(numbers) / 288)
    # a range that begins and ends inside hours has whole and half ones
    odd = store.zone_series(["z1"], DAY + 2 * HOUR + 2 * FIVE, DAY + 4 * HOUR + FIVE, HOUR)
    assert [(made.start, made.coverage_pct) for made in odd] == [
        (DAY + 2 * HOUR, 100), (DAY + 3 * HOUR, 100), (DAY + 4 * HOUR, 100),
    ]  # fmt: skip
    assert odd[0].in_use_avg == pytest.approx(sum(n % 7 + 0.5 for n in range(26, 36)) / 10)
    assert odd[2].in_use_avg == pytest.approx(48 % 7 + 0.5)


def longest_day() -> tuple[datetime, datetime]:
    """Return begin and end of the last day of 25 hours."""
    zone = ZoneInfo("Europe/Amsterdam")
    for back in range(1, 396):
        begin = (
            (NOW - timedelta(days=back)).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        )
        following = (begin + timedelta(days=1)).replace(hour=0)
        if following.astimezone(UTC) - begin.astimezone(UTC) == 25 * HOUR:
            return begin.astimezone(UTC), following.astimezone(UTC)
    raise AssertionError("a year has a day of 25 hours")


@readable
def test_the_day_on_which_the_clock_goes_back_has_25_hours(store: HistoryStore) -> None:
    begin, end = longest_day()
    store.append([five_minutes("z1", begin + n * FIVE, n // 12) for n in range(-12, 26 * 12)])
    made = store.zone_series(["z1"], begin, end, HOUR)
    assert [each.in_use_avg for each in made] == [*range(25)]
    assert made[0].start == begin
    assert all(each.coverage_pct == 100 for each in made)


@readable
def test_strange_names_come_back_as_they_went(store: HistoryStore) -> None:
    place, at = f"{STRANGE} 1", NOW - timedelta(minutes=3)
    store.append(
        [
            change(place, at, "just_left", zone=STRANGE, hold='h "1" \\'),
            five_minutes(STRANGE, DAY),
            hour(place, DAY, STRANGE),
            holds(STRANGE, DAY, "in_use", 900, 2),
        ]
    )
    assert store.last_states([STRANGE], NOW) == {
        place: LastState(place, STRANGE, at, "just_left", "held", 'h "1" \\')
    }
    assert store.zone_series([STRANGE], DAY, DAY + HOUR, FIVE) == [five_minutes(STRANGE, DAY)]
    assert store.desk_heatmap([STRANGE], DAY, DAY + HOUR) == [hour(place, DAY, STRANGE)]
    assert len(store.hold_histogram([STRANGE], DAY, DAY + ONE_DAY)) == 1


@readable
def test_the_newest_state_counts_whatever_the_order_of_arrival(rig: Rig, store: HistoryStore) -> None:
    rows = [
        change("d1", NOW - timedelta(minutes=50), "in_use", hold="h1"),
        change("d1", NOW - timedelta(minutes=10), "just_left", hold="h1"),
        change("d1", NOW - timedelta(minutes=70), "free"),
        change("d2", NOW - timedelta(minutes=5), "free", zone="z2"),
        change("d3", NOW - timedelta(minutes=9), "in_use", hold="h3"),
        change("d3", NOW - timedelta(minutes=8), "free"),
    ]
    store.append(rows[1:])
    store.append(rows[:1])  # a gateway that was away sends what is older
    expected = {
        "d1": LastState("d1", "z1", NOW - timedelta(minutes=10), "just_left", "held", "h1"),
        "d2": LastState("d2", "z2", NOW - timedelta(minutes=5), "free", "free", None),
        "d3": LastState("d3", "z1", NOW - timedelta(minutes=8), "free", "free", None),
    }
    assert store.last_states(None, NOW) == expected
    assert store.last_states(["z2"], NOW) == {"d2": expected["d2"]}
    assert store.last_states([], NOW) == {}
    store.close()
    again = rig.make()
    assert again.last_states(None, NOW) == expected, "the same after a restart of ours"
    again.close()


@readable
def test_a_site_that_stood_still_for_days_is_found(store: HistoryStore) -> None:
    store.append([change("d1", NOW - timedelta(days=3), "free")])
    assert store.last_states(None, NOW)["d1"].phase == "free"


@readable
def test_hours_of_places_and_holds_of_days(store: HistoryStore) -> None:
    hours = [hour(place, DAY + n * HOUR) for place in ("d1", "d2") for n in range(3)]
    days = [
        holds("z1", DAY, "reclaimable", 900, 2),
        holds("z1", DAY, "reclaimable", LONGER_S, 1),
        holds("z1", DAY + ONE_DAY, "reclaimable", 900, 3),
        holds("z2", DAY, "reclaimable", 900, 4),
        holds("z2", DAY, "in_use", 300, 5),
        holds("z1", DAY - ONE_DAY, "in_use", 300, 7),
    ]
    store.append([*hours, *days])
    assert store.desk_heatmap(["z1"], DAY, DAY + 2 * HOUR) == [
        hour(place, DAY + n * HOUR) for place in ("d1", "d2") for n in range(2)
    ]
    assert store.hold_histogram(None, DAY, DAY + 2 * ONE_DAY) == [
        HoldBucket("in_use", 300, 5, 3002.5, 90.0),
        HoldBucket("reclaimable", 900, 9, 5404.5, 90.0),
        HoldBucket("reclaimable", LONGER_S, 1, 600.5, 90.0),
    ]
    assert store.hold_histogram(["z2"], DAY, DAY + ONE_DAY) == [
        HoldBucket("in_use", 300, 5, 3002.5, 90.0),
        HoldBucket("reclaimable", 900, 4, 2402.0, 90.0),
    ]
    assert store.hold_histogram(None, NOW, NOW + ONE_DAY) == []


@rigs("sqlite", "influxdb 1.x")
def test_a_store_that_is_away_says_try_again_and_takes_it_later(
    rig: Rig, store: HistoryStore, tmp_path: Path
) -> None:
    store.append(one_of_each(0))
    if rig.server is None:
        other = sqlite3.connect(tmp_path / "site.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        leave, come_back = (lambda: None), other.close
    else:
        leave, come_back = rig.server.stop, rig.server.start
    leave()
    with pytest.raises(StoreUnavailable):
        store.append(one_of_each(1))
    come_back()
    store.append(one_of_each(1))
    assert rig.count("zone_5m") == 2


@rigs("influxdb 1.x")
def test_what_a_server_took_survives_its_kill(rig: Rig, store: HistoryStore) -> None:
    assert rig.server is not None
    for number in range(4):
        store.append([five_minutes(f"z{n}", DAY + number * FIVE) for n in range(200)])
        rig.server.kill()
        rig.server.start()
        assert rig.count("zone_5m") == 200 * (number + 1)


@servers_only
def test_rows_that_can_never_be_stored_are_named_and_the_others_are_stored(
    rig: Rig, store: HistoryStore
) -> None:
    ancient = [change(f"a{n}", NOW - timedelta(days=40)) for n in range(2)]
    good = [change(f"d{n}", NOW - timedelta(minutes=n + 1)) for n in range(20)]
    if store.health().flavour == "v3":
        pytest.skip("3.x takes rows beyond the retention and hides them")
    with pytest.raises(RecordsRefused, match="2 records") as refused:
        store.append([*good[:7], ancient[0], *good[7:], ancient[1]])
    assert list(refused.value.records) == ancient
    assert rig.count("desk_state") == 20


@rigs("influxdb 1.x with password")
def test_a_wrong_password_is_told_and_never_shown(rig: Rig) -> None:
    wrong = InfluxHistory(InfluxStore(rig.url.replace("occ:", "occ:x")), SITE)
    with pytest.raises(SinkRefused, match="401") as refused:
        wrong.append(one_of_each())
    assert PASSWORD not in str(refused.value)
    wrong.close()


@rigs("sqlite")
def test_what_has_lived_long_enough_is_deleted_here(rig: Rig, store: HistoryStore) -> None:
    lives = {"desk_state": 14, "desk_hour": 14, "hold": 14, "enforcement": 14}
    for measurement in COUNTED:
        lives.setdefault(measurement, 396)
    old, new = one_of_each(0), one_of_each(1)
    store.append([*old, *new, change("d0", DAY + HOUR)])
    store.prune(DAY + timedelta(days=14, minutes=1))
    left = {measurement: rig.count(measurement) for measurement in COUNTED}
    for measurement, days in lives.items():
        whole = {"desk_state": 3, "hold_day": 2}.get(measurement, 2)
        assert left[measurement] == (whole - 1 if days == 14 else whole), measurement
    store.prune(DAY + timedelta(days=397))
    left = {measurement: rig.count(measurement) for measurement in COUNTED}
    last_words = left.pop("desk_state")
    assert last_words == 2, "what a place was last is kept, whatever its age"
    assert left == dict.fromkeys(left, 0)


@rigs("influxdb 1.x")
def test_what_has_lived_long_enough_is_deleted_by_the_server(
    rig: Rig, store: HistoryStore, eventually: Callable[..., None]
) -> None:
    ten_days = NOW - timedelta(days=10)
    store.append([change("d1", ten_days), change("d1", NOW), five_minutes("z1", ten_days)])
    assert rig.count("desk_state") == 2
    rig.desk_level_days = 1
    shorter = InfluxHistory(InfluxStore(rig.url, desk_level_days=1), SITE)
    shorter.prune(NOW)
    eventually(lambda: rig.count("desk_state") == 1, what="the server dropping the old shard")
    assert rig.count("zone_5m") == 1, "what is about zones lives on"
    assert shorter.last_states(None, NOW + FIVE)["d1"].since == NOW
    shorter.close()


def point(name: str, at: datetime) -> bytes:
    """Return a line of a measurement with every tag and field that it can have."""
    form, values = MEASUREMENTS[name], {"int": "1i", "float": "1.5", "text": '"x"'}
    tags = ",".join(f"{tag}=t" for tag in form.tags)
    fields = ",".join(f"{field}={values[kind.kind]}" for field, kind in form.fields.items())
    return f"{name},{tags} {fields} {to_ms(at)}".encode()


@rigs("influxdb 1.x")
def test_every_measurement_about_places_is_deleted_by_the_server(
    rig: Rig, eventually: Callable[..., None]
) -> None:
    """Whatever the table of measurements calls raw: a new one is in this test from its first day."""
    of_places = [name for name, form in MEASUREMENTS.items() if form.retention == "raw"]
    assert {name for name, form in MEASUREMENTS.items() if "desk" in form.tags} <= set(of_places)
    before = InfluxStore(rig.url)
    before.prepare()
    before.write("raw", b"\n".join(point(name, at) for name in of_places for at in (NOW - 10 * ONE_DAY, NOW)))

    def left() -> dict[str, int]:
        found = {}
        for name in of_places:
            field = next(iter(MEASUREMENTS[name].fields))
            (row,) = before.query(f'SELECT count("{field}") AS n FROM "{name}"')
            found[name] = row["n"]
        return found

    assert left() == dict.fromkeys(of_places, 2)
    after = InfluxStore(rig.url, desk_level_days=1)
    after.prepare()
    eventually(lambda: left() == dict.fromkeys(of_places, 1), what="the server dropping what is old")
    before.close()
    after.close()


@rigs("sqlite", "influxdb 1.x", "outside")
def test_a_hundred_thousand_and_one_places(rig: Rig, store: HistoryStore) -> None:
    """The in-memory index of InfluxDB 1.x stops at 100,000 values of a tag; ours must not be that one."""
    at = NOW - timedelta(minutes=1)
    for first in range(0, 100_001, 5000):
        numbers = range(first, min(first + 5000, 100_001))
        store.append([change(f"d{n}", at, "free", zone=f"z{n % 500}") for n in numbers])
    assert rig.count("desk_state") == 100_001
    assert len(store.last_states(["z0", "z499"], NOW)) == 401


@rigs("influxdb 1.x")
def test_every_question_of_the_grafana_board_is_answered(rig: Rig, store: HistoryStore) -> None:
    store.append([record for number in range(3) for record in one_of_each(number)])
    server = InfluxStore(rig.url)
    canary = Canary(id="canary-1", site=SITE, gateway="gw-1", at=DAY)
    line = LineEncoder(SITE).canary(canary, 1.25)
    assert line is not None
    server.write(*line)
    for question in board.influx_queries(SITE):
        rows = server.query(question)
        assert rows, question
        if question.startswith(
            "SELECT"
        ):  # a question about a field that is not there has no answer, or only empty ones
            assert any(
                value is not None for row in rows for name, value in row.items() if name in FUNCTIONS
            ), question
    server.close()


FUNCTIONS = {"mean", "max", "min", "sum", "percentile"}
