"""Seats, desks and radars notice people in their own way, and none of them invents one."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.faults import Faults
from simulators.level_sensors import (
    DESK_FREE_AFTER_S,
    RADAR,
    SEAT,
    Change,
    Habit,
    edges,
    held_by_body,
    held_by_motion,
)
from simulators.population import Day, Population
from simulators.sensors import SensorInput, perceive
from workplace.floor_plan import FloorPlan

SEED = 5
TUESDAY = date(2026, 9, 15)


@pytest.fixture(scope="module")
def tuesday(example_plan: FloorPlan) -> Day:
    return Population(example_plan, SEED).day(TUESDAY)


@pytest.fixture(scope="module")
def inputs(example_plan: FloorPlan, tuesday: Day) -> list[SensorInput]:
    return [e for e in perceive(example_plan, tuesday, SEED) if e.sensor in ("seat", "desk", "radar")]


def on_s(changes: list[Change]) -> float:
    """Return how long the level is up."""
    return sum(down - up for (up, _), (down, _) in zip(changes[::2], changes[1::2], strict=True))


@pytest.mark.parametrize(
    ("habit", "seen_s", "gone_s"),
    [
        pytest.param(SEAT, 8, 60, id="a seat waits a minute before it says that it is free"),
        pytest.param(RADAR, 3, 30, id="a radar half a minute"),
    ],
)
def test_a_stay_begins_within_seconds_and_ends_after_the_confirmation(
    habit: Habit, seen_s: float, gone_s: float
) -> None:
    (up, is_up), *_, (down, is_down) = held_by_body(random.Random(1), habit, [(100.0, 1000.0)], [])
    assert (is_up, is_down) == (True, False)
    assert 100 < up <= 100 + seen_s
    assert down == 1000 + gone_s


@pytest.mark.parametrize(("habit", "least"), [(SEAT, 0.99), (RADAR, 0.99)])
def test_who_sits_is_held_nearly_all_the_time(habit: Habit, least: float) -> None:
    rng = random.Random(2)
    changes = list(held_by_body(rng, habit, [(0.0, 400_000.0)], []))
    assert least < on_s(changes) / 400_000 <= 1.001
    assert len(changes) > 2  # but it is lost now and then


def test_a_desk_sensor_is_free_five_minutes_after_the_last_motion() -> None:
    assert list(held_by_motion([10.0, 200.0, 900.0])) == [
        (10.0, True),
        (200.0 + DESK_FREE_AFTER_S, False),
        (900.0, True),
        (900.0 + DESK_FREE_AFTER_S, False),
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 200)), max_size=30))
def test_edges_alternate_in_order_and_cover_every_span(raw: list[tuple[float, float]]) -> None:
    spans = [(start_s, start_s + length_s) for start_s, length_s in raw]
    found = list(edges(spans))
    assert [is_up for _, is_up in found] == [True, False] * (len(found) // 2)
    assert all(a <= b for (a, _), (b, _) in itertools.pairwise(found))
    stretches = [(found[i][0], found[i + 1][0]) for i in range(0, len(found), 2)]
    assert all(any(up <= start and end <= down for up, down in stretches) for start, end in spans)


def test_levels_of_the_example_alternate_and_follow_who_sits(
    example_plan: FloorPlan, tuesday: Day, inputs: list[SensorInput]
) -> None:
    levels = defaultdict(list)
    for entry in inputs:
        levels[entry.place, entry.sensor].append(entry.value)
    assert {sense for _, sense in levels} == {"seat", "desk", "radar"}
    for values in levels.values():
        assert values == [True, False] * (len(values) // 2) + [True] * (len(values) % 2)
    sat = {h.place for h in tuesday.happenings if h.kind == "sit"}
    seats = {p.id for p in example_plan.place.values() if any(s.kit == "lora_seat" for s in p.sensors)}
    assert {place for place, sense in levels if sense == "seat"} >= sat & seats


def test_a_stuck_level_never_falls_and_a_dead_one_never_rises(example_plan: FloorPlan, tuesday: Day) -> None:
    hall = example_plan.floor["f0"]
    chairs = replace(hall, zones=tuple(zone for zone in hall.zones if zone.kind == "restaurant"))
    restaurant = replace(example_plan, floors=(chairs,))  # a stuck PIR elsewhere would hit all day long

    def told(faults: Faults) -> list[SensorInput]:
        return [e for e in perceive(restaurant, tuesday, SEED, faults) if e.sensor == "seat"]

    assert {(e.at, e.value) for e in told(Faults(stuck_pir=1.0))} == {(tuesday.start, True)}
    assert told(Faults(dead_pir=1.0)) == []


def test_the_same_seed_gives_the_same_levels(
    example_plan: FloorPlan, tuesday: Day, inputs: list[SensorInput]
) -> None:
    again = [e for e in perceive(example_plan, tuesday, SEED) if e.sensor in ("seat", "desk", "radar")]
    assert again == inputs
