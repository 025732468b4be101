"""How holds ended, per zone: the same numbers as the circuit breaker's, and nothing about a place."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.council.figures import FigureReader, figures_of
from ingest.rollup_writer import RollupWriter
from ingest.stores.history import SqliteHistory
from ingest.stores.schema import TransitionRow
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.usage import SqliteUsage
from simulators.feed import feed
from workplace.events import Decision, Signal
from workplace.floor_plan import FloorPlan
from workplace.hold_outcomes import LEAST_DAYS, Told, ZoneOutcome, wilson, zone_outcomes
from workplace.holds.engine import SiteEngine
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, PolicyFile
from workplace.ports import ZoneBin, ZoneCoverage
from workplace.usage_port import LengthClass

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@contextmanager
def written(file: Path) -> Iterator[Any]:
    """Open a store, write in one transaction, and close it."""
    store = SqliteStore(sqlite3.connect, file)
    assert store.open(NINE) is None
    try:
        with store.transaction() as writing:
            yield store, writing
    finally:
        store.close()


def told(minute: float, action: str, rule: str, *, link: bool = False, hold: str = "h1", **more: Any) -> Told:
    row = {
        "zone": "z",
        "place": "d1",
        "at": NINE + timedelta(minutes=minute),
        "rule": rule,
        "action": action,
        "acted": True,
        "hold_id": hold,
        "signals": [{"kind": "link", "value": link}],
    }
    return msgspec.convert(row | more, Told)


def counts(*rows: Told) -> dict[str, tuple[int, int]]:
    return {one.rule: (one.ended, one.back) for one in zone_outcomes(rows)}


AWAY = told(0, "reclaimable", "R7")


@pytest.mark.parametrize(
    ("rows", "then"),
    [
        pytest.param([AWAY], {"R7": (1, 0)}, id="a place given away counts"),
        pytest.param(
            [AWAY, told(9, "released", "R2")], {"R7": (1, 0)}, id="its later end does not count again"
        ),
        pytest.param([AWAY, told(5, "resumed", "R5")], {"R7": (1, 1)}, id="back after 5 minutes was wrong"),
        pytest.param([AWAY, told(5.1, "resumed", "R5")], {"R7": (1, 0)}, id="back after longer was not"),
        pytest.param(
            [AWAY, told(4, "resumed", "R5", link=True)], {"R7": (1, 0)}, id="a new link is somebody else"
        ),
        pytest.param(
            [AWAY, told(2, "resumed", "R5", signals=[{"kind": "link", "value": True, "age_s": 121.0}])],
            {"R7": (1, 1)},
            id="a link from before the release that was heard of after it is no new one",
        ),
        pytest.param(
            [told(0, "reclaimable", "R7", link=True), told(4, "resumed", "R5", link=True)],
            {"R7": (1, 1)},
            id="the link that was there all the time is no new one",
        ),
        pytest.param(
            [AWAY, told(7, "hold_started", "R3", hold="h2", stay_s=180.0)],
            {"R7": (1, 1)},
            id="a new hold counts from when it began, not from when it was confirmed",
        ),
        pytest.param(
            [AWAY, told(2, "resumed", "R5"), told(60, "reclaimable", "R6")],
            {"R6": (1, 0), "R7": (1, 1)},
            id="given away twice is two times",
        ),
        pytest.param([told(0, "released", "R2")], {"R2": (1, 0)}, id="who leaves ends a hold, no rule does"),
        pytest.param(
            [told(0, "released", "R23"), told(1, "undone", "R23")], {}, id="a mistake that was taken back"
        ),
        pytest.param(
            [told(0, "released", "R23"), told(1, "undone", "R23", hold="h2")],
            {"R23": (1, 0)},
            id="another hold",
        ),
        pytest.param(
            [AWAY, told(1, "undone", "R17")], {"R7": (1, 0)}, id="an extension taken back ends nothing"
        ),
        pytest.param(
            [told(0, "released", "R2"), told(2, "resumed", "R19")], {}, id="a short gap was no end at all"
        ),
        pytest.param(
            [told(0, "released", "R2"), told(2, "hold_started", "R3", hold="h2")],
            {"R2": (1, 0)},
            id="of a hold that ended by itself nothing is proven wrong",
        ),
        pytest.param(
            [told(0, "reclaimable", "R14"), told(1, "just_left", "R5"), told(3, "released", "R2")],
            {"R14": (1, 0)},
            id="long use counts as long use, also when the place is left later",
        ),
        pytest.param([told(0, "soft_note", "R14")], {}, id="a note ends nothing"),
    ],
)
def test_what_counts(rows: list[Told], then: dict[str, tuple[int, int]]) -> None:
    assert counts(*rows) == then


def test_a_window_counts_what_ended_in_it() -> None:
    """Given away before midnight, left after it and used at once: it ended once, and before."""
    rows = [told(-2, "reclaimable", "R7"), told(1, "resumed", "R5"), told(10, "released", "R2")]
    before = zone_outcomes(rows, NINE - timedelta(days=1), NINE)
    after = zone_outcomes(rows, NINE, NINE + timedelta(days=1))
    assert [(one.rule, one.ended, one.back) for one in before] == [("R7", 1, 1)]
    assert [(one.rule, one.ended) for one in after] == [("R2", 1)]
    assert zone_outcomes([rows[0], rows[2]], NINE, NINE + timedelta(days=1)) == []


def test_a_trial_stands_apart() -> None:
    found = zone_outcomes([AWAY, told(50, "reclaimable", "R7", acted=False, place="d2", hold="h9")])
    assert [(one.acted, one.ended) for one in found] == [(False, 1), (True, 1)]


def test_two_days_give_what_the_circuit_breaker_counted(small_plan: FloorPlan, tmp_path: Path) -> None:
    """The breaker is the definition that enforcement pauses by: what a council reads must be the same, and the same
    still when the decisions themselves are deleted and only counts of the larger zone are left."""
    settings = PolicyFile(site="klein", mode="active")
    digest = policy_hash(settings)
    consent = ConsentFile(body="Raad", role="lid", date="2026-11-02", sha256=digest)
    engine = SiteEngine(small_plan, Policy(msgspec.structs.replace(settings, consent=consent), digest))
    made: list[Decision] = []
    for day in feed(small_plan, 4, 2):
        for event in sorted(day.events, key=lambda one: one.received_at):
            if engine.now is None:
                engine.start(event.received_at)
            made += engine.apply(event, event.received_at).decisions
    now = engine.now
    assert now is not None
    with written(tmp_path / "site.db") as (_, writing):
        writing.add_decisions(made)
    history = SqliteHistory(sqlite3.connect, tmp_path / "site.db")
    begin, end = made[0].at - timedelta(days=1), now + timedelta(days=3)
    live = history.zone_outcomes(begin, end)
    releases, false = engine.guard.breaker.counts(now, 28)
    assert (sum(one.ended for one in live), sum(one.back for one in live)) == (releases, false)
    assert false > 0
    large = [one for one in live if one.zone == "1-werken"]
    with written(tmp_path / "site.db") as (store, writing):
        rollups = RollupWriter(store, small_plan, None)
        rollups.run(writing, begin)
        for hours in range(0, 24 * 6, 6):
            rollups.run(writing, begin + timedelta(hours=hours))
    assert [one for one in history.zone_outcomes(begin, end) if one.zone == "1-werken"] == large
    with written(tmp_path / "site.db") as (_, writing):
        writing.prune(now + timedelta(days=20), at_most=100_000)
    assert history.decisions(place=None, limit=1) == []
    assert history.zone_outcomes(begin, end) == large, "and nothing of the zone of four seats"


def test_time_to_free_is_counted_while_places_are_kept_and_outlives_them(
    small_plan: FloorPlan, tmp_path: Path
) -> None:
    file = tmp_path / "site.db"
    day = NINE.replace(hour=0, minute=0)

    def turn(place: str, minute: int, phase: Any, occupancy: Any) -> TransitionRow:
        at, zone = day + timedelta(hours=9, minutes=minute), small_plan.place[place].zone
        return TransitionRow(place, zone, at, phase, occupancy, "h", "active", (), at)

    with written(file) as (store, writing):
        rollups = RollupWriter(store, small_plan, None)
        rollups.run(writing, day)
        for zone in small_plan.zone.values():
            place = zone.places[0].id
            writing.add_transitions(
                [
                    turn(place, 0, "in_use", "occupied"),
                    turn(place, 30, "just_left", "held"),
                    turn(place, 80, "free", "free"),
                ]
            )
        for hours in range(0, 72, 6):
            rollups.run(writing, day + timedelta(hours=hours))
    with written(file) as (_, writing):
        writing.prune(day + timedelta(days=30), at_most=100_000)
    counts = SqliteUsage(sqlite3.connect, file).offer_classes(list(small_plan.zone), day.date(), day.date())
    assert counts.classes == (LengthClass("1-werken", 50, is_seen=True, count=1),), (
        "and nothing of the zone of four seats"
    )
    assert counts.days == {day.date()}


def test_the_store_gives_counts_of_a_period(tmp_path: Path) -> None:
    store_file = tmp_path / "site.db"
    history = SqliteHistory(sqlite3.connect, store_file)
    assert history.zone_outcomes(NINE, NINE + timedelta(1)) == []
    assert history.zone_coverage(NINE, NINE + timedelta(1)) == []
    with written(store_file) as (_, writing):
        writing.add_decisions([decision(0, "d1"), decision(60, "d2"), decision(24 * 60, "d1", hold="h2")])
        writing.put_zone_bins(
            [
                ZoneBin("z", NINE + timedelta(days=day, minutes=5 * n), 1, 1, 1, 1, 1, 4, 90.0 + n)
                for day in (0, 1)
                for n in range(3)
            ]
        )
    assert history.zone_outcomes(NINE, NINE + timedelta(days=1)) == [
        ZoneOutcome("z", "R6", acted=True, ended=2, back=0)
    ]
    assert history.zone_outcomes(NINE, NINE + timedelta(days=2))[0].ended == 3
    assert history.zone_coverage(NINE, NINE + timedelta(days=2)) == [ZoneCoverage("z", 91.0, 2)]
    assert history.zone_coverage(NINE, NINE + timedelta(days=1)) == [ZoneCoverage("z", 91.0, 1)]


def decision(minute: int, place: str, hold: str = "h1") -> Decision:
    return Decision(
        id=f"{place}-{minute}",
        site="hq",
        zone="z",
        place=place,
        hold_id=hold,
        at=NINE + timedelta(minutes=minute),
        rule="R6",
        action="reclaimable",
        mode="active",
        acted=True,
        signals=(Signal(device="node", kind="link", value=True, age_s=3.0),),
        policy_hash="0" * 64,
    )


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share_and_mirrors(part: int, whole: int) -> None:
    part = min(part, whole)
    low, high = wilson(part, whole) or (2.0, -1.0)
    assert 0 <= low <= part / whole <= high <= 1
    mirrored = wilson(whole - part, whole) or (2.0, -1.0)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


def test_the_interval_is_the_published_one() -> None:
    """Newcombe 1998, table I: 81 of 263 and 0 of 20, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=0.00005)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=0.00005)
    assert wilson(0, 0) is None


def test_small_zones_and_short_times_say_nothing(small_plan: FloorPlan) -> None:
    """Four seats: their row would be four people, and with it in the sum the other zone would give it away."""
    outcomes = [ZoneOutcome(zone, "R7", acted=True, ended=10, back=1) for zone in ("1-werken", "1-ontmoeten")]
    coverage = [ZoneCoverage(zone, 95.0, LEAST_DAYS) for zone in ("1-werken", "1-ontmoeten")]
    found = figures_of(small_plan, outcomes, coverage)
    assert [(one.zone.id, one.released) for one in found.zones] == [("1-werken", 10), ("1-ontmoeten", None)]
    assert found.in_force is not None
    assert found.in_force.releases == 10
    short = [ZoneCoverage(zone, 95.0, LEAST_DAYS - 1) for zone in ("1-werken", "1-ontmoeten")]
    assert {one.released for one in figures_of(small_plan, outcomes, short).zones} == {None}


def test_figures_are_read_once_in_a_while(small_plan: FloorPlan) -> None:
    asked: list[datetime] = []

    class Counting:
        def zone_outcomes(self, from_at: datetime, to_at: datetime) -> list[ZoneOutcome]:
            asked.append(from_at)
            return []

        def zone_coverage(self, from_at: datetime, to_at: datetime) -> list[ZoneCoverage]:
            assert to_at - from_at == timedelta(days=28)
            return []

    seconds = [0.0]
    reader = FigureReader(small_plan, Counting(), monotonic=lambda: seconds[0])  # type: ignore[arg-type]

    async def look() -> None:
        for at in (0.0, 299.0, 301.0):
            seconds[0] = at
            await reader.read(NINE)

    asyncio.run(look())
    assert asked == [NINE - timedelta(days=28)] * 2
