"""Bins and hours are the transitions, only added up differently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rollups import (
    BIN_MS,
    HOUR_MS,
    closed_until,
    counted_places,
    desk_hours,
    zone_bins,
    zone_offers,
)
from ingest.stores.schema import TransitionRow, from_ms, to_ms
from workplace.events import HoldPhase, Occupancy
from workplace.floor_plan import FloorPlan, Zone

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
NINE_MS = to_ms(NINE)
KINDS: dict[str, tuple[HoldPhase, Occupancy]] = {
    "in_use": ("in_use", "occupied"),
    "held": ("just_left", "held"),
    "free": ("free", "free"),
    "unknown": ("unknown", "unknown"),
    "exempt": ("exempt", "occupied"),
}


def row(place: str, after_ms: int, kind: str) -> TransitionRow:
    phase, occupancy = KINDS[kind]
    at = from_ms(NINE_MS + after_ms)
    return TransitionRow(place, "1-ontmoeten", at, phase, occupancy, None, "shadow", (), at)


@pytest.fixture
def zone(small_plan: FloorPlan) -> Zone:
    return small_plan.zone["1-ontmoeten"]


PLACES = ("1-O1", "1-O2", "1-O3", "1-O4")
transitions_of_a_morning = st.lists(
    st.builds(
        row,
        st.sampled_from(PLACES),
        st.integers(1, 2 * HOUR_MS - 1),
        st.sampled_from(sorted(KINDS)),
    ),
    max_size=40,
    unique_by=lambda made: (made.place, made.at),
)


def replayed_ms(rows: list[TransitionRow], kind: str) -> int:
    """Add up the milliseconds of one kind the slow and obvious way."""
    phase, occupancy = KINDS[kind]
    total = 0
    for place in PLACES:
        mine = sorted((r for r in rows if r.place == place), key=lambda r: r.at)
        ends = [to_ms(r.at) for r in mine[1:]] + [NINE_MS + 2 * HOUR_MS]
        total += sum(
            end - to_ms(r.at)
            for r, end in zip(mine, ends, strict=False)
            if (r.phase, r.occupancy) == (phase, occupancy)
        )
    return total


@given(rows=transitions_of_a_morning)
def test_all_bins_together_hold_exactly_the_time_of_the_transitions(
    rows: list[TransitionRow], small_plan: FloorPlan
) -> None:
    bins = zone_bins(small_plan.zone["1-ontmoeten"], {}, rows, NINE_MS, NINE_MS + 2 * HOUR_MS)
    assert len(bins) == 24
    for kind in ("in_use", "held", "free"):
        added_ms = sum(getattr(made, f"{kind}_avg") for made in bins) * BIN_MS
        assert added_ms == pytest.approx(replayed_ms(rows, kind), abs=1)
    for made in bins:
        assert made.in_use_avg <= made.in_use_max <= made.capacity <= len(PLACES)
        assert made.free_min <= made.free_avg + 1e-9
        assert 0 <= made.coverage_pct <= 100


@given(rows=transitions_of_a_morning)
def test_hours_of_places_and_bins_of_their_zone_agree(
    rows: list[TransitionRow], small_plan: FloorPlan
) -> None:
    zone = small_plan.zone["1-ontmoeten"]
    bins = zone_bins(zone, {}, rows, NINE_MS, NINE_MS + 2 * HOUR_MS)
    hours = desk_hours(zone, {}, rows, NINE_MS, NINE_MS + 2 * HOUR_MS)
    assert len(hours) == 2 * len(PLACES)
    assert sum(h.in_use_s for h in hours) == pytest.approx(sum(b.in_use_avg for b in bins) * 300)
    assert sum(h.held_s for h in hours) == pytest.approx(sum(b.held_avg for b in bins) * 300)


@given(rows=transitions_of_a_morning, cut=st.integers(1, 23))
def test_it_does_not_matter_where_a_restart_cut_the_morning_in_two(
    rows: list[TransitionRow], cut: int, small_plan: FloorPlan
) -> None:
    zone, end, middle = small_plan.zone["1-ontmoeten"], NINE_MS + 2 * HOUR_MS, NINE_MS + cut * BIN_MS
    before = {r.place: r for r in sorted(rows, key=lambda r: r.at) if to_ms(r.at) <= middle}
    whole = zone_bins(zone, {}, rows, NINE_MS, end)
    assert zone_bins(zone, {}, rows, NINE_MS, middle) + zone_bins(zone, before, rows, middle, end) == whole


def test_a_meeting_of_ten_minutes_fills_two_bins_and_is_one_use(zone: Zone) -> None:
    rows = [row(p, 1, "free") for p in PLACES]
    rows += [row("1-O1", BIN_MS, "in_use"), row("1-O1", 3 * BIN_MS, "free")]
    bins = zone_bins(zone, {}, rows, NINE_MS, NINE_MS + 4 * BIN_MS)
    assert [(b.in_use_avg, b.in_use_max, b.free_min) for b in bins] == [
        (0, 0, 0),  # the first millisecond of the day was not known
        (1, 1, 3),
        (1, 1, 3),
        (0, 0, 4),
    ]
    first = desk_hours(zone, {}, rows, NINE_MS, NINE_MS + HOUR_MS)[0]
    assert (first.place, first.in_use_s, first.uses) == ("1-O1", 600.0, 1)


def test_coming_back_to_a_held_place_is_not_a_new_use(zone: Zone) -> None:
    rows = [row("1-O1", 1000 * n, kind) for n, kind in enumerate(("free", "in_use", "held", "in_use"), 1)]
    assert desk_hours(zone, {}, rows, NINE_MS, NINE_MS + HOUR_MS)[0].uses == 1


def test_unknown_time_lowers_the_coverage_and_nothing_else(zone: Zone) -> None:
    rows = [row(p, 1 - 1 + 1, "free") for p in PLACES[:3]]
    made = zone_bins(zone, {}, rows, NINE_MS, NINE_MS + BIN_MS)[0]
    assert made.coverage_pct == pytest.approx(75, abs=0.01)
    assert (made.capacity, made.in_use_max) == (4, 0)


def test_an_exempt_place_is_no_capacity_and_two_changes_in_one_moment_are_no_peak(zone: Zone) -> None:
    before = {p: row(p, 0, "exempt" if p == "1-O4" else "free") for p in PLACES}
    swap = [row("1-O1", 1000, "in_use"), row("1-O2", 2000, "in_use"), row("1-O1", 2000, "free")]
    made = zone_bins(zone, before, swap, NINE_MS, NINE_MS + BIN_MS)[0]
    assert (made.capacity, made.in_use_max, made.coverage_pct) == (3, 1, 100.0)


def test_fixed_places_are_in_no_figure(example_plan: FloorPlan) -> None:
    counter = example_plan.zone["0-balie"]
    assert set(counted_places(counter)) == {f"0-B{number:02d}" for number in range(7, 11)}


@pytest.mark.parametrize(
    ("minute", "closed"),
    [
        pytest.param(14, 0, id="four minutes of grace are not enough"),
        pytest.param(15, 5, id="ten minutes after its end a bin is closed"),
        pytest.param(19, 5, id="the next one is not yet"),
    ],
)
def test_grace(minute: int, closed: int) -> None:
    now = NINE + timedelta(minutes=minute)
    assert closed_until(now, BIN_MS) == NINE_MS + closed * 60_000 if closed else NINE_MS


def turn(
    after_min: float, phase: HoldPhase, occupancy: Occupancy, decided_min: float | None = None
) -> TransitionRow:
    at = NINE + timedelta(minutes=after_min)
    decided = at if decided_min is None else NINE + timedelta(minutes=decided_min)
    return TransitionRow("1-O1", "1-ontmoeten", at, phase, occupancy, "h", "active", (), decided)


SAT, LEFT = turn(0, "in_use", "occupied"), turn(30, "just_left", "held", decided_min=42)
BACK = turn(50, "in_use", "occupied")


@pytest.mark.parametrize(
    ("rows", "le_min"),
    [
        pytest.param([SAT, LEFT, turn(80, "reclaimable", "held")], [50], id="from the last use on"),
        pytest.param([SAT, turn(30, "free", "free", decided_min=42)], [15], id="free at once"),
        pytest.param([SAT, LEFT, turn(300, "free", "free")], [0], id="longer than all classes"),
        pytest.param([SAT, LEFT, BACK, turn(60, "just_left", "held"), turn(80, "free", "free")], [20], id="back"),
        pytest.param([SAT, LEFT, turn(50, "unknown", "unknown"), turn(60, "free", "free")], [], id="lost from sight"),
        pytest.param([SAT, LEFT, turn(60, "exempt", "held"), turn(80, "free", "free")], [], id="exempt meanwhile"),
        pytest.param([SAT, turn(30, "reclaimable", "occupied"), turn(70, "free", "free")], [], id="still there"),
        pytest.param([SAT, LEFT, turn(80, "reclaimable", "held"), turn(90, "free", "free")], [50], id="offered once"),
        pytest.param([turn(10, "free", "free")], [], id="nobody was there before"),
    ],
)  # fmt: skip
def test_time_from_the_last_use_to_the_offer(rows: list[TransitionRow], le_min: list[int]) -> None:
    found = zone_offers(rows, {"1-O1"}, NINE_MS, NINE_MS + 24 * HOUR_MS)
    assert [one.le_min for one in found for _ in range(one.offers)] == le_min
    assert zone_offers(rows, set(), NINE_MS, NINE_MS + 24 * HOUR_MS) == [], "fixed places do not count"


@given(transitions_of_a_morning, st.integers(0, 2 * HOUR_MS))
def test_every_offer_counts_on_one_day_only(rows: list[TransitionRow], border: int) -> None:
    rows = sorted(rows, key=lambda made: made.at)
    end = NINE_MS + 2 * HOUR_MS

    def count(begin: int, until: int) -> int:
        return sum(one.offers for one in zone_offers(rows, set(PLACES), begin, until))

    assert count(NINE_MS, end) == count(NINE_MS, NINE_MS + border) + count(NINE_MS + border, end)
    assert count(NINE_MS, end) <= sum(row.phase == "free" for row in rows)
