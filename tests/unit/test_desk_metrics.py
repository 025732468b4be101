"""Figures about one desk, on days small enough to work out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workplace.desk_metrics import DeskScore, Said, score
from workplace.metrics import TruthState

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


DAY = [(at(-60), at(600))]
#: Nobody, somebody from 9:00, only the laptop from 10:00, somebody from 11:00 to 12:00.
TRUTH: list[tuple[datetime, TruthState]] = [
    (at(-60), "free"),
    (at(0), "occupied"),
    (at(60), "held"),
    (at(120), "occupied"),
    (at(180), "free"),
]


def said(minute: float, state: TruthState | None, p: float, since: float | None = None) -> Said:
    return Said(at(minute), state, p, at(minute if since is None else since))


PERFECT = [
    said(-60, "free", 0),
    said(0, "occupied", 1),
    said(60, "held", 0),
    said(120, "occupied", 1),
    said(180, "free", 0),
]


def test_who_says_what_is_true_is_right_in_every_figure() -> None:
    found = score(TRUTH, PERFECT, DAY)
    assert (found.accuracy, found.balanced, found.coverage) == (1.0, 1.0, 1.0)
    assert (found.f1("occupied"), found.f1("held"), found.long_hold_f1) == (1.0, 1.0, 1.0)
    assert (found.arrivals_s, found.departures_s, found.clock_errors_s) == ([0, 0], [0, 0], [0])
    assert (found.false_releases, found.clock_misses, found.calibration_error) == (0, 0, 0.0)
    assert found.occupied_h == 2.0


def test_time_counts_only_in_the_hours_that_are_asked_for() -> None:
    assert score(TRUTH, PERFECT, [(at(0), at(30))]).occupied_h == 0.5


def test_unknown_is_no_claim() -> None:
    found = score(TRUTH, [said(-60, None, 0.33), said(120, "occupied", 1), said(180, "free", 0)], DAY)
    assert found.accuracy == 1.0
    assert found.coverage == pytest.approx(480 / 660)


def test_delays_are_counted_from_the_truth_and_who_is_never_seen_costs_the_whole_stay() -> None:
    late = [said(-60, "free", 0), said(2, "occupied", 1), said(70, "held", 0), said(185, "free", 0)]
    found = score(TRUTH, late, DAY)
    assert found.arrivals_s == [120, 3600]
    assert found.departures_s == [600, 0]


def test_a_short_absence_is_no_departure() -> None:
    coffee: list[tuple[datetime, TruthState]] = [
        (at(-60), "free"), (at(0), "occupied"), (at(30), "held"), (at(36), "occupied"), (at(90), "free"),
    ]  # fmt: skip
    assert len(score(coffee, PERFECT, DAY).departures_s) == 1


def test_turning_free_under_somebody_is_a_false_release_and_turning_held_is_none() -> None:
    claims = [said(-60, "free", 0), said(0, "occupied", 1), said(20, "held", 0.1), said(30, "free", 0)]
    found = score(TRUTH, claims, DAY)
    assert found.false_releases == 1
    assert found.false_releases_per_1000_h == 500


def test_a_hold_clock_is_judged_at_the_end_of_the_hold() -> None:
    claims = [
        said(-60, "free", 0),
        said(0, "occupied", 1),
        said(75, "held", 0, since=61),
        said(120, "occupied", 1),
    ]
    found = score(TRUTH, claims, DAY)
    assert (found.clock_errors_s, found.clock_misses) == ([60], 0)
    missed = score(TRUTH, [said(-60, "occupied", 1)], DAY)
    assert (missed.clock_error_s, missed.clock_miss_share) == (None, 1.0)


def test_a_long_hold_is_found_when_half_of_it_was_claimed() -> None:
    half = [said(-60, "free", 0), said(90, "held", 0), said(120, "occupied", 1)]
    little = [said(-60, "free", 0), said(95, "held", 0), said(200, "occupied", 1)]
    assert score(TRUTH, half, DAY).long_hold_f1 == 1.0
    assert score(TRUTH, little, DAY).long_hold_f1 == 0.0


def test_calibration_compares_what_was_believed_with_how_often_it_was_so() -> None:
    half_sure = [said(-60, "free", 0.5)]
    found = score([(at(-60), "occupied"), (at(270), "free")], half_sure, DAY)
    assert found.calibration_error == 0.0
    sure = score([(at(-60), "occupied"), (at(270), "free")], [said(-60, "occupied", 1.0)], DAY)
    assert sure.calibration_error == 0.5


def test_scores_of_desks_add_up() -> None:
    both = DeskScore()
    both.add(score(TRUTH, PERFECT, DAY))
    both.add(score(TRUTH, [said(-60, "free", 0)], DAY))
    assert both.occupied_h == 4.0
    assert both.clock_miss_share == 0.5
    assert both.f1("occupied") == pytest.approx(2 / 3)


def test_where_nothing_was_measured_there_is_no_figure() -> None:
    empty = DeskScore()
    assert (empty.accuracy, empty.f1("held"), empty.long_hold_f1, empty.calibration_error) == (None,) * 4
