"""What a gateway learns of its devices: their rhythm, and when their battery is empty."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.beats import MEMORY, Rhythm, expected_beat_s, silent_after_s
from workplace.battery import MOST_SAMPLES, Level, days_left, with_level

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def learned(silences: list[float]) -> float | None:
    rhythm, at = Rhythm().heard(0.0), 0.0
    for silence in silences:
        at += silence
        rhythm = rhythm.heard(at)
    return expected_beat_s(rhythm.silences_s)


@pytest.mark.parametrize(
    ("silences", "beat_s"),
    [
        pytest.param([3600.0] * 5, None, id="five hourly beats are too few"),
        pytest.param([3600.0] * 6, 3600.0, id="six hourly beats are a rhythm"),
        pytest.param([3600, 3590, 3610, 40, 3600, 12, 5, 3605, 3600], 3600.0, id="hits between beats shorten nothing"),
        pytest.param([300.0] * 40 + [600.0] * 5, 300.0, id="a few beats lost on the radio change nothing"),
        pytest.param([300.0] * 40 + [600.0] * 8, 600.0, id="a lossy device is called silent later, never sooner"),
        pytest.param([300.0] * 20 + [172_800.0], 300.0, id="a weekend without power changes nothing"),
        pytest.param([600.0] * 8 + [0.1, 0.2] * 50, 600.0, id="parts of one report are no silences"),
        pytest.param([10.0] * MEMORY + [60.0] * 63, 60.0, id="a device with a new rhythm is learned anew"),
        pytest.param([30.0 * 1.3**n for n in range(20)], None, id="silences of all lengths are no rhythm"),
    ],
)  # fmt: skip
def test_rhythm(silences: list[float], beat_s: float | None) -> None:
    assert learned([float(s) for s in silences]) == beat_s


@pytest.mark.parametrize("seed", range(40))
def test_people_are_no_heartbeat(seed: int) -> None:
    chance = random.Random(seed)
    assert learned([chance.expovariate(1 / 400) for _ in range(200)]) is None


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1e6), max_size=80))
def test_whatever_is_heard_the_beat_is_one_of_its_silences(silences: list[float]) -> None:
    beat_s = learned(silences)
    assert beat_s is None or 0 < beat_s <= max(silences) + 0.1


def test_an_interrupted_silence_is_not_the_devices_own() -> None:
    rhythm = Rhythm().heard(0.0).heard(10.0).interrupted().heard(5000.0).heard(5010.0)
    assert rhythm.silences_s == (10.0, 10.0)


def test_three_beats_must_be_missed() -> None:
    assert 3 * 3600 < silent_after_s(3600.0) < 4 * 3600
    assert silent_after_s(1.0) == 60.0


def levels(days: int, fall_pct_day: float, *, start_pct: float = 90.0) -> list[Level]:
    found: tuple[Level, ...] = ()
    for day in range(days):
        found = with_level(found, NINE + timedelta(days=day), start_pct - fall_pct_day * day)
    return list(found)


@pytest.mark.parametrize(
    ("days", "fall_pct_day", "left"),
    [
        pytest.param(4, 1.0, None, id="four days say nothing"),
        pytest.param(7, 1.0, None, id="less than a week says nothing"),
        pytest.param(21, 1.0, 65.0, id="1 % a day from 90 % leaves 65 days after 20"),
        pytest.param(30, 0.0, None, id="a battery that does not fall has no end in sight"),
        pytest.param(30, 0.05, None, id="an end in five years is none"),
    ],
)
def test_battery(days: int, fall_pct_day: float, left: float | None) -> None:
    found = levels(days, fall_pct_day)
    assert days_left(found, found[-1][0]) == (None if left is None else pytest.approx(left, abs=1.5))


def test_wild_reports_do_not_move_the_outlook() -> None:
    found = levels(30, 1.0)
    found[10] = (found[10][0], 0.0)
    found[20] = (found[20][0], 100.0)
    assert days_left(found, found[-1][0]) == pytest.approx(56, abs=2)


def test_a_new_battery_begins_anew() -> None:
    found = with_level(levels(30, 2.0), NINE + timedelta(days=31), 100.0)
    assert found == ((NINE + timedelta(days=31), 100.0),)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**8), st.floats(0, 100)), max_size=100))
def test_no_history_breaks_the_outlook(told: list[tuple[int, float]]) -> None:
    found: tuple[Level, ...] = ()
    for second, pct in sorted(told):
        found = with_level(found, NINE + timedelta(seconds=second), pct)
    assert len(found) <= MOST_SAMPLES
    left = days_left(found, NINE)
    assert left is None or left >= 0
