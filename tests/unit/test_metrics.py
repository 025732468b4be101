"""What the figures mean, on cases small enough to work out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workplace.metrics import ShownChange, TruthChange, agreement, binary_score, last_motion

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def test_three_classes_are_weighted_by_time() -> None:
    truth = [
        TruthChange("a", at(0), "occupied"),
        TruthChange("a", at(30), "held"),
        TruthChange("a", at(50), "free"),
    ]
    shown = [
        ShownChange("a", at(0), "in_use"),
        ShownChange("a", at(40), "just_left"),
        ShownChange("a", at(50), "free"),
    ]
    total = agreement(truth, shown, {"a": "f1"}, at(0), at(60))["total"]
    assert total.accuracy == pytest.approx(50 / 60)
    assert total.coverage == 1.0
    assert total.f1_occupied == pytest.approx(2 * 30 / (2 * 30 + 10))
    assert total.false_releases == 0


def test_unknown_is_no_claim_and_lowers_coverage_only() -> None:
    truth = [TruthChange("a", at(0), "occupied")]
    shown = [ShownChange("a", at(0), "in_use"), ShownChange("a", at(45), "unknown")]
    total = agreement(truth, shown, {"a": "f1"}, at(0), at(60))["total"]
    assert (total.accuracy, total.coverage) == (1.0, 0.75)


def test_turning_free_under_somebody_is_a_false_release() -> None:
    truth = [TruthChange("a", at(0), "occupied")]
    shown = [
        ShownChange("a", at(0), "in_use"),
        ShownChange("a", at(10), "free"),
        ShownChange("a", at(11), "in_use"),
        ShownChange("a", at(20), "just_left"),
        ShownChange("a", at(21), "free"),
    ]
    found = agreement(truth, shown, {"a": "f1"}, at(0), at(60))
    assert found["f1"].false_releases == 2
    assert found["total"].false_releases_per_1000_h == pytest.approx(2000)


def test_an_exempt_place_counts_by_what_was_sensed() -> None:
    truth = [TruthChange("a", at(0), "occupied")]
    shown = [ShownChange("a", at(0), "exempt", "occupied"), ShownChange("a", at(30), "exempt", "unknown")]
    total = agreement(truth, shown, {"a": "f1"}, at(0), at(60))["total"]
    assert (total.accuracy, total.coverage) == (1.0, 0.5)


def test_a_reclaimable_place_counts_by_what_was_sensed() -> None:
    truth = [TruthChange("a", at(0), "occupied"), TruthChange("a", at(30), "held")]
    shown = [
        ShownChange("a", at(0), "reclaimable", "occupied"),
        ShownChange("a", at(30), "reclaimable", "held"),
    ]
    assert agreement(truth, shown, {"a": "f1"}, at(0), at(60))["total"].accuracy == 1.0


def test_floors_add_up_to_the_total_whatever_the_order() -> None:
    truth = [TruthChange(p, at(m), s) for m, s in ((20, "free"), (0, "occupied")) for p in "ab"]
    shown = [ShownChange("b", at(0), "free"), ShownChange("a", at(0), "in_use")]
    found = agreement(truth, shown, {"a": "f1", "b": "f2"}, at(0), at(60))
    assert found["f1"].accuracy == pytest.approx(20 / 60)
    assert found["f2"].accuracy == pytest.approx(40 / 60)
    assert found["total"].accuracy == pytest.approx(0.5)
    assert found["total"].places == 2


def test_nothing_measured_is_none_and_not_zero() -> None:
    total = agreement([], [], {}, at(0), at(60))["total"]
    assert (total.accuracy, total.coverage, total.f1_occupied, total.false_releases_per_1000_h) == (None,) * 4


def test_head_counts_are_scored_as_occupied_or_not() -> None:
    truth = [(at(0), True), (at(40), False)]
    claim = [(at(0), True), (at(20), False), (at(30), True), (at(50), False)]
    score = binary_score(truth, claim, at(0), at(60))
    assert score.accuracy == pytest.approx(40 / 60)
    assert score.balanced_accuracy == pytest.approx((30 / 40 + 10 / 20) / 2)
    assert score.f1 == pytest.approx(2 * 30 / (60 + 20))
    assert score.false_releases == 1


def test_the_yardstick_is_occupied_until_the_timeout_after_the_last_motion() -> None:
    steps = last_motion([at(5), at(12), at(40)], timedelta(minutes=10), at(0))
    assert steps == [(at(0), False), (at(5), True), (at(22), False), (at(40), True), (at(50), False)]
