"""The circuit breaker (R28): when enforcement pauses itself, and how it comes back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from workplace.holds import breaker
from workplace.holds.breaker import FULL, Breaker
from workplace.policy_file import BreakerFile

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
RULES = BreakerFile()


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def with_releases(number: int, false: int, start: datetime = NINE) -> Breaker:
    """So many releases, one a minute, of which the last ones were false."""
    state = Breaker()
    for index in range(number):
        moment = start + timedelta(minutes=index)
        state = breaker.released(state, "D1", moment, by_rules=True)
        since = moment + timedelta(minutes=2 if index >= number - false else 20)
        state = breaker.used(state, "D1", since, None)
    return state


def watched(steps: list[tuple[float, float]], until: float) -> list[tuple[float, bool]]:
    """Coverage steps (minute, per cent) -> the minutes at which it paused (True) and went on."""
    state, found = Breaker(), []
    waiting = sorted(steps)
    now = at(0)
    while now <= at(until):
        while waiting and at(waiting[0][0]) <= now:
            state = breaker.covered(state, round(waiting.pop(0)[1] * 100), now, RULES)
        before = state.causes
        state = breaker.judged(state, now, RULES)
        if state.causes != before:
            found.append(((now - NINE) / timedelta(minutes=1), bool(state.causes)))
        due = [at(step[0]) for step in waiting[:1]]
        wake = breaker.wake_at(state, now, RULES)
        now = min([*due, *([wake] if wake else [])], default=at(until + 1))
    return found


@pytest.mark.parametrize(
    ("releases", "false", "pauses"),
    [
        pytest.param(300, 3, False, id="1 % of 300 is the bound and not past it"),
        pytest.param(300, 4, True, id="4 of 300 is more than 1 %"),
        pytest.param(20, 2, False, id="two mistakes among the first twenty are no judgement"),
        pytest.param(20, 3, True, id="three are more than 1 % of the 200 that count at least"),
    ],
)
def test_more_than_1_percent_false_releases_pause(releases: int, false: int, pauses: bool) -> None:
    state = with_releases(releases, false)
    judged = breaker.judged(state, NINE + timedelta(minutes=releases), RULES)
    assert judged.causes == (("false_releases",) if pauses else ())


@pytest.mark.parametrize(
    ("used_after_min", "linked_after_min", "is_false"),
    [
        pytest.param(5, None, True, id="used again within 5 minutes"),
        pytest.param(5.1, None, False, id="used after more than 5 minutes"),
        pytest.param(3, 2.9, False, id="a new link is somebody new"),
        pytest.param(3, -40, True, id="a laptop that stood there all the time is not"),
    ],
)
def test_what_a_false_release_is(
    used_after_min: float, linked_after_min: float | None, is_false: bool
) -> None:
    state = breaker.released(Breaker(), "D1", NINE, by_rules=True)
    linked = None if linked_after_min is None else at(linked_after_min)
    assert breaker.used(state, "D1", at(used_after_min), linked).counts(NINE, 7) == (1, int(is_false))


def test_a_hold_that_ended_by_itself_proves_no_rule_wrong() -> None:
    state = breaker.released(Breaker(), "D1", NINE, by_rules=False)
    assert breaker.used(state, "D1", at(2), None).counts(NINE, 7) == (1, 0)


def test_a_gap_that_belongs_to_the_hold_was_no_release() -> None:
    state = breaker.taken_back(breaker.released(Breaker(), "D1", NINE, by_rules=True), "D1")
    assert state.counts(NINE, 7) == (0, 0)


def test_only_a_person_brings_it_back_and_then_it_counts_anew() -> None:
    state = breaker.judged(with_releases(50, 5), at(50), RULES)
    assert state.causes == ("false_releases",)
    assert breaker.judged(state, at(60 * 24 * 30), RULES).causes == ("false_releases",)
    forgiven = breaker.forgiven(state)
    assert breaker.judged(forgiven, at(51), RULES).causes == ()
    assert forgiven.counts(at(51), 7) == (0, 0)


def test_after_seven_days_a_mistake_counts_no_more() -> None:
    state = with_releases(10, 3)
    assert state.counts(at(60 * 24 * 6.9), 7) == (10, 3)
    assert state.counts(at(60 * 24 * 7.1), 7) == (0, 0)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([(60, 89)], [(73.6, True)], id="89 % pauses when the mean of 15 minutes is under 90"),
        pytest.param([(60, 91)], [], id="91 % does not"),
        pytest.param([(60, 0), (61, 100)], [], id="a minute of nothing does not"),
        pytest.param(
            [(60, 80), (68, 100)], [(67.5, True), (72.5 + 6.75, False)], id="20 % away: half the time"
        ),
        pytest.param([(60, 0), (100, 100)], [(61.5, True), (114.25, False)], id="all away: after 90 seconds"),
        pytest.param([(60, 85), (80, 92)], [(70, True)], id="92 % is not enough to go on"),
        pytest.param(
            [(60 + 5 * i, 80 if i % 3 < 2 else 95) for i in range(9)],
            [(67.5, True), (115, False)],
            id="what flaps is judged by its mean",
        ),
    ],
)
def test_coverage_under_90_percent_of_15_minutes_pauses_and_95_lets_it_go_on(
    steps: list[tuple[float, float]], expected: list[tuple[float, bool]]
) -> None:
    found = watched(steps, 200)
    assert [turn for _, turn in found] == [turn for _, turn in expected]
    for (minute, _), (wanted, _) in zip(found, expected, strict=True):
        assert minute == pytest.approx(wanted, abs=0.6)


def test_after_nobody_listened_the_coverage_says_nothing_for_a_while() -> None:
    state = breaker.deaf(Breaker(), NINE, RULES)
    state = breaker.covered(state, 0, at(1), RULES)
    assert breaker.judged(state, at(14), RULES).causes == ()
    assert breaker.wake_at(state, at(1), RULES) == at(15)
    state = breaker.covered(state, 0, at(15), RULES)
    assert breaker.judged(state, at(17), RULES).causes == ("coverage",)


def test_it_survives_being_written_down() -> None:
    state = breaker.covered(with_releases(30, 2), FULL // 2, at(31), RULES)
    again = msgspec.json.decode(msgspec.json.encode(state), type=Breaker)
    assert again == state
    assert breaker.wake_at(again, at(31), RULES) == breaker.wake_at(state, at(31), RULES)


def test_in_100_of_100_runs_with_random_faults_it_pauses_at_the_bound_and_not_before() -> None:
    """Compared with a mean that is simply added up, 15 s by 15 s."""
    for seed in range(100):
        dice = random.Random(seed)
        steps = sorted(
            (dice.randrange(0, 480) / 4, float(dice.choice((100, 100, 97, 92, 88, 80, 50, 0))))
            for _ in range(8)
        )
        paused: list[tuple[float, bool]] = []
        is_paused = False
        ahead = [level(steps, tick / 4) for tick in range(4 * 200)]
        total = 60 * 100.0
        for tick in range(4 * 200):
            if tick:
                total += ahead[tick - 1] - (ahead[tick - 61] if tick > 60 else 100.0)
            turns = total >= 60 * 95 if is_paused else total < 60 * 90
            if turns:
                is_paused = not is_paused
                paused.append((tick / 4, is_paused))
        found = watched(steps, 199)
        assert [turn for _, turn in found] == [turn for _, turn in paused], seed
        for (minute, _), (wanted, _) in zip(found, paused, strict=True):
            assert abs(minute - wanted) <= 0.5, seed


def level(steps: list[tuple[float, float]], minute: float) -> float:
    """The coverage in force just after a minute."""
    return next((share for at, share in reversed(steps) if at <= minute), 100.0)


def test_a_big_site_that_comes_up_costs_no_step_per_place() -> None:
    """2,000 places become known within a minute; the mean is what it would be step by step."""
    state, exact = Breaker(), [*Breaker().coverage]
    for number in range(2000):
        share, now = FULL * (number + 1) // 2000, NINE + timedelta(seconds=number * 0.03)
        state = breaker.covered(state, share, now, RULES)
        if exact[-1][1] != share:
            exact.append((now, share))
    assert len(exact) > 1000
    assert len(state.coverage) <= breaker.MOST_STEPS + 10
    for minute in (1, 5, RULES.coverage_min, RULES.coverage_min + 2):
        mean = breaker.mean_coverage(state.coverage, at(minute), RULES)
        assert mean == pytest.approx(breaker.mean_coverage(tuple(exact), at(minute), RULES), abs=FULL // 100)
