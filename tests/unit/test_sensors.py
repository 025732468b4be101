"""Simulated sensors have the rates of the research, their blind times, and the faults they are told."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import NO_FAULTS, WORN, Faults
from simulators.population import Day, Population
from simulators.sensors import (
    PLACEMENTS,
    Placement,
    SensorInput,
    after_blind,
    perceive,
    placement_of,
    seated_hits,
    senses_of,
)
from workplace.floor_plan import FloorPlan

SEED = 5
TUESDAY = date(2026, 9, 15)
SUNDAY = date(2026, 9, 13)
QUARTER_S = 900.0


@pytest.fixture(scope="module")
def population(example_plan: FloorPlan) -> Population:
    return Population(example_plan, SEED)


@pytest.fixture(scope="module")
def tuesday(population: Population) -> Day:
    return population.day(TUESDAY)


@pytest.fixture(scope="module")
def inputs(example_plan: FloorPlan, tuesday: Day) -> list[SensorInput]:
    return perceive(example_plan, tuesday, SEED)


def hits_of_sessions(placement: Placement, blind_s: float) -> tuple[float, float]:
    """Return (share of seated time more than 15 min after a hit, hits per hour) over 1,500 sessions."""
    rng = random.Random(1)
    seated_s = beyond_s = 0.0
    hits = 0
    for _ in range(1500):
        movement, end_s = rng.lognormvariate(0.0, 0.4), rng.lognormvariate(7.78, 0.9)
        times = list(after_blind(seated_hits(rng, placement, movement, 0.0, end_s), blind_s))
        gaps = (after - before for before, after in itertools.pairwise([0.0, *times, end_s]))
        beyond_s += sum(max(0.0, gap - QUARTER_S) for gap in gaps)
        seated_s += end_s
        hits += len(times)
    return beyond_s / seated_s, hits / seated_s * 3600


@pytest.mark.parametrize(
    ("placement", "beyond", "per_hour"),
    [
        # UCI 864: the good S6 has 40 triggers per hour and 0 % beyond 10 min; the bad S7 4.8 per hour, 57 %
        # beyond 15 min; the simulator of the research 0.5, 4 and 28 % (fusion, sections 2b and 2c).
        pytest.param(PLACEMENTS[0], (0.0, 0.005), (32, 48), id="a well placed PIR is nearly never silent"),
        pytest.param(PLACEMENTS[1], (0.02, 0.08), (14, 24), id="a fair one is silent now and then"),
        pytest.param(PLACEMENTS[2], (0.15, 0.35), (6, 13), id="a poor one misses a fifth to a third"),
    ],
)
def test_silence_under_a_seated_person(
    placement: Placement, beyond: tuple[float, float], per_hour: tuple[float, float]
) -> None:
    share, rate = hits_of_sessions(placement, blind_s=30.0)
    assert beyond[0] <= share <= beyond[1]
    assert per_hour[0] <= rate <= per_hour[1]


def test_placements_are_drawn_60_28_12() -> None:
    drawn = [placement_of(f"place-{number}", SEED).name for number in range(3000)]
    for placement in PLACEMENTS:
        assert drawn.count(placement.name) / len(drawn) == pytest.approx(placement.share, abs=0.03)


@given(
    gaps=st.lists(st.floats(0, 200, allow_nan=False), max_size=60),
    blind_s=st.floats(0, 120, allow_nan=False),
)
def test_a_pir_is_deaf_after_each_report_and_only_then(gaps: list[float], blind_s: float) -> None:
    times = list(itertools.accumulate(gaps))
    heard = list(after_blind(times, blind_s))
    assert all(after >= before + blind_s for before, after in itertools.pairwise(heard))
    for time_s in set(times) - set(heard):
        assert any(before <= time_s < before + blind_s for before in heard)


def test_hits_keep_the_blind_time_of_their_sensor(example_plan: FloorPlan, inputs: list[SensorInput]) -> None:
    hits = defaultdict(list)
    for entry in inputs:
        if entry.sensor == "motion":
            hits[entry.place].append(entry.at)
    assert {example_plan.place[place].sensors_of("motion")[0].blind_s for place in hits} == {10.0, 30.0, 60.0}
    for place, times in hits.items():
        blind = timedelta(seconds=example_plan.place[place].sensors_of("motion")[0].blind_s)
        assert all(b - a >= blind - timedelta(milliseconds=2) for a, b in itertools.pairwise(times))


def test_inputs_are_in_order_and_of_sensors_that_exist(
    example_plan: FloorPlan, tuesday: Day, inputs: list[SensorInput]
) -> None:
    assert inputs == sorted(inputs, key=lambda entry: entry.at)
    assert all(tuesday.start <= entry.at < tuesday.end for entry in inputs)
    assert all(entry.sensor in senses_of(example_plan.place[entry.place]) for entry in inputs)


def test_an_empty_building_has_few_false_hits(example_plan: FloorPlan, population: Population) -> None:
    day = population.day(SUNDAY)
    hits = [entry for entry in perceive(example_plan, day, SEED) if entry.sensor == "motion"]
    # Measured in an empty room: 0.17-0.28 per hour by day (UCI 864); 0.08 of the traffic remains on days off.
    per_hour = len(hits) / 24 / len(example_plan.place)
    assert 0.01 <= per_hour <= 0.28


def test_links_follow_laptops(tuesday: Day, inputs: list[SensorInput]) -> None:
    levels = dict(tuesday.opening)
    for entry in inputs:
        if entry.sensor == "link":
            levels[entry.place] = entry.value
    assert {place for place, is_up in levels.items() if is_up} == {
        place for place, laptop in tuesday.closing.items() if not laptop.sleeps
    }
    ups = sum(entry.value for entry in inputs if entry.sensor == "link")
    docks = sum(happening.kind in ("dock", "wake") for happening in tuesday.happenings)
    assert ups == pytest.approx(docks, rel=0.02)


def test_a_sleeping_laptop_is_down_but_still_held(tuesday: Day, inputs: list[SensorInput]) -> None:
    asleep = [happening for happening in tuesday.happenings if happening.kind == "sleep"]
    assert asleep
    for happening in asleep:
        soon = happening.at + timedelta(seconds=5)
        assert any(
            not entry.value and entry.place == happening.place and happening.at <= entry.at <= soon
            for entry in inputs
            if entry.sensor == "link"
        )
        assert state_at(tuesday, happening.place, soon) == "held"


def state_at(day: Day, place: str, moment: datetime) -> str:
    state: str = day.opening_truth(place)
    for change in day.truth:
        if change.place == place and change.at <= moment:
            state = change.state
    return state


def test_the_same_seed_gives_the_same_inputs(
    example_plan: FloorPlan, tuesday: Day, inputs: list[SensorInput]
) -> None:
    assert perceive(example_plan, tuesday, SEED) == inputs
    assert perceive(example_plan, tuesday, SEED + 1) != inputs


def perceived(plan: FloorPlan, day: Day, faults: Faults, sensor: str) -> dict[str, list[SensorInput]]:
    found: dict[str, list[SensorInput]] = {place.id: [] for place in plan.place.values()}
    for entry in perceive(plan, day, SEED, faults):
        if entry.sensor == sensor:
            found[entry.place].append(entry)
    return found


@pytest.mark.parametrize("faults", [Faults(dead_pir=1.0), Faults(blocked_pir=1.0)], ids=["dead", "blocked"])
def test_dead_and_blocked_pirs_see_nobody(example_plan: FloorPlan, tuesday: Day, faults: Faults) -> None:
    assert not any(perceived(example_plan, tuesday, faults, "motion").values())


def test_stuck_pirs_report_in_every_window(small_plan: FloorPlan) -> None:
    day = Population(small_plan, 1).day(SUNDAY)
    for place, entries in perceived(small_plan, day, Faults(stuck_pir=1.0), "motion").items():
        blind_s = small_plan.place[place].sensors_of("motion")[0].blind_s
        assert len(entries) == pytest.approx(86_400 / blind_s, rel=0.06)


def test_ghost_docks_are_up_without_a_laptop(small_plan: FloorPlan) -> None:
    day = Population(small_plan, 1).day(SUNDAY)
    links = perceived(small_plan, day, Faults(ghost_dock=1.0), "link")
    for place in small_plan.place.values():
        expected = [SensorInput(day.start, place.id, "link")] if place.sensors_of("link") else []
        assert links[place.id] == expected


def test_flapping_docks_drop_for_seconds_and_end_at_the_same_level(
    example_plan: FloorPlan, tuesday: Day, inputs: list[SensorInput]
) -> None:
    links = perceived(example_plan, tuesday, Faults(flapping_dock=1.0), "link")
    healthy = sum(entry.sensor == "link" for entry in inputs)
    assert sum(map(len, links.values())) > 1.5 * healthy
    for entries in links.values():
        assert all(before.value != after.value for before, after in itertools.pairwise(entries))
        assert all(before.at < after.at for before, after in itertools.pairwise(entries))


def test_faults_hit_their_share_of_places() -> None:
    places = [f"place-{number}" for number in range(4000)]
    pirs = [WORN.pir_of(place, SEED) for place in places]
    docks = [WORN.dock_of(place, SEED) for place in places]
    assert pirs.count("stuck") / len(places) == pytest.approx(0.015, abs=0.006)
    assert pirs.count("dead") / len(places) == pytest.approx(0.015, abs=0.006)
    assert pirs.count("blocked") / len(places) == pytest.approx(0.01, abs=0.005)
    assert docks.count("ghost") / len(places) == pytest.approx(0.03, abs=0.008)
    assert docks.count("flapping") / len(places) == pytest.approx(0.03, abs=0.008)
    assert not any(NO_FAULTS.pir_of(place, SEED) or NO_FAULTS.dock_of(place, SEED) for place in places)


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        Faults(stuck_pir=0.6, dead_pir=0.6)
    with pytest.raises(ValueError, match="at most 1"):
        Faults(stuck_pir=0.5, blocked_pir=0.6)


def test_a_link_level_opens_the_day_for_a_laptop_left_overnight(
    example_plan: FloorPlan, population: Population
) -> None:
    days = [population.day(TUESDAY + timedelta(days=offset)) for offset in range(3)]
    left = [(day, place) for day in days for place, is_up in day.opening.items() if is_up]
    assert left, "some laptop stays overnight and awake within three nights"
    links = {
        day.date: [entry for entry in perceive(example_plan, day, SEED) if entry.sensor == "link"]
        for day, _ in left[:1]
    }
    for day, place in [one for one in left if one[0].date in links]:
        first = next(entry for entry in links[day.date] if entry.place == place)
        assert (first.at, first.value) == (day.start, True)
        assert first.at.tzinfo is UTC
