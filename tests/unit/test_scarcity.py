"""Scarcity of a zone group: levels, time, and no judgement on bad data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workplace.holds.scarcity import Scarcity, step, wake_at
from workplace.policy_file import ScarcityFile

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
SETTINGS = ScarcityFile()


def after(state: Scarcity, free: int, minutes: float, trusted: int = 30, capacity: int = 30) -> Scarcity:
    now = NINE + timedelta(minutes=minutes)
    return step(state, free=free, trusted=trusted, capacity=capacity, now=now, settings=SETTINGS)


@pytest.mark.parametrize(
    ("free", "turns"),
    [
        pytest.param(3, True, id="3 of 30 free is short"),
        pytest.param(4, False, id="4 of 30 free is not"),
    ],
)
def test_short_is_12_percent_for_10_minutes(free: int, turns: bool) -> None:
    began = after(Scarcity(), free, 0)
    assert not began.scarce
    assert after(began, free, 9.9).scarce is False
    assert after(began, free, 10).scarce is turns
    assert (wake_at(began, SETTINGS) is not None) is turns


def test_a_moment_of_room_starts_the_10_minutes_again() -> None:
    state = after(after(Scarcity(), 2, 0), 8, 5)
    state = after(state, 2, 6)
    assert not after(state, 2, 15).scarce
    assert after(state, 2, 16).scarce


def test_the_way_back_needs_more_room_than_the_way_in() -> None:
    scarce = Scarcity(scarce=True)
    assert after(after(scarce, 5, 0), 5, 60).scarce
    assert not after(after(scarce, 7, 0), 7, 10).scarce


def test_a_group_of_four_is_short_with_one_free_and_not_with_two() -> None:
    assert after(after(Scarcity(), 1, 0, 4, 4), 1, 10, 4, 4).scarce
    assert not after(after(Scarcity(), 2, 0, 4, 4), 2, 10, 4, 4).scarce


def test_a_group_of_two_that_is_all_free_is_not_short() -> None:
    assert not after(after(Scarcity(scarce=True), 2, 0, 2, 2), 2, 10, 2, 2).scarce


def test_with_most_places_unknown_nothing_is_concluded() -> None:
    state = after(Scarcity(), 0, 0, trusted=10, capacity=30)
    assert not after(state, 0, 60, trusted=10, capacity=30).scarce
