"""The hold of one place, step by step: each rule by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from workplace.floor_plan import FloorPlan
from workplace.holds.hold import Hold, extend, release, shown_phase
from workplace.holds.machine import Step, step
from workplace.holds.rules import Moment, Rules
from workplace.occupancy.interface import Belief
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, PolicyFile

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)  # 10:00 in Amsterdam


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


@pytest.fixture
def rules(small_plan: FloorPlan) -> Rules:
    settings = PolicyFile(site="klein", mode="active")
    digest = policy_hash(settings)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    policy = Policy(msgspec.structs.replace(settings, consent=consent), digest)
    return Rules.of(policy, small_plan.zone["1-werken"], ZoneInfo("Europe/Amsterdam"))


class Clocked:
    """One place whose beliefs we choose."""

    def __init__(self, rules: Rules, **moment: Any) -> None:
        self.rules, self.moment = rules, Moment(has_light=True, **moment)
        self.hold = Hold(shown_since=TEN)
        self.actions: list[tuple[str, str]] = []
        self.wake_at: datetime | None = None

    def to(self, minute: float, belief: Belief | None = None) -> Clocked:
        """Go to `minute`, stopping at every wake-up on the way; then believe something else."""
        while self.wake_at is not None and self.wake_at <= at(minute):
            self._step(self.wake_at)
        if belief is not None:
            self.belief = belief
        self._step(at(minute))
        return self

    def now(self, minute: float, **moment: Any) -> Clocked:
        self.to(minute)
        self.moment = replace(self.moment, **moment)
        return self.to(minute)

    def _step(self, now: datetime) -> None:
        result: Step = step("p", self.hold, self.belief, self.rules, self.moment, now)
        self.hold, self.wake_at = result.hold, result.wake_at
        self.actions += [(mark.rule, mark.action) for mark in result.marks]


def believe(
    verdict: Any, since: float, *, sign: float | None, linked: float | None = None, **other: Any
) -> Belief:
    certain = {"occupied": (1.0, 0.0, 0.0), "held": (0.0, 1.0, 0.0), "free": (0.0, 0.0, 1.0)}
    occupied, held, free = certain.get(verdict, (0.3, 0.3, 0.4))
    return Belief(
        verdict=verdict,
        p_occupied=occupied,
        p_held=held,
        p_free=free,
        since=at(since),
        last_sign_at=None if sign is None else at(sign),
        present_since=at(since) if verdict == "occupied" and sign is not None else None,
        linked_since=None if linked is None else at(linked),
        wake_at=None,
        **other,
    )


def working(linked: float = 0) -> Belief:
    return believe("occupied", linked, sign=linked, linked=linked)


def test_a_hold_starts_when_the_link_is_confirmed_and_is_dated_back(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working())
    assert (desk.hold.phase, desk.hold.is_open) == ("in_use", False)
    desk.to(1)
    assert (desk.hold.is_open, desk.hold.hold_since) == (True, at(0))
    assert desk.actions == [("R3", "hold_started")]


def test_presence_without_a_link_is_a_hold_after_3_minutes(rules: Rules) -> None:
    desk = Clocked(rules).to(0, believe("occupied", 0, sign=0)).to(2, believe("occupied", 0, sign=2))
    assert not desk.hold.is_open
    desk.to(3, believe("occupied", 0, sign=3))
    assert desk.hold.hold_since == at(0)


@pytest.mark.parametrize(
    ("scarce", "left", "minutes", "rule"),
    [
        pytest.param(False, 10, 50, "R7", id="with room the away limit is 50 minutes"),
        pytest.param(True, 10, 30, "R6", id="while places are short it is 30"),
        pytest.param(False, 100, 90, "R8", id="for who leaves at 11:40 it is 90"),
        pytest.param(True, 100, 90, "R8", id="also while places are short"),
        pytest.param(False, 245, 50, "R7", id="lunch is over at 14:00"),
    ],
)
def test_away_limit(rules: Rules, scarce: bool, left: float, minutes: float, rule: str) -> None:
    desk = Clocked(rules, scarce=scarce).to(0, working())
    desk.to(left + 10, believe("held", left, sign=left, linked=0))
    assert desk.hold.phase == "just_left"
    desk.to(left + minutes - 0.01)
    assert desk.hold.phase == "just_left"
    desk.to(left + minutes)
    assert desk.hold.phase == "reclaimable"
    assert (rule, "reclaimable") in desk.actions


def test_a_late_sign_takes_reclaimable_back_and_the_away_clock_starts_there(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0)).to(53)
    assert desk.hold.phase == "reclaimable"
    desk.to(54, believe("held", 30, sign=30, linked=0))
    assert (desk.hold.phase, desk.hold.away_since) == ("just_left", at(30))
    assert desk.to(79.9).hold.phase == "just_left"
    assert desk.to(80).hold.phase == "reclaimable"


def test_no_note_in_the_silent_first_hour(rules: Rules) -> None:
    early = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0)).to(51)
    assert early.hold.notice == "none"
    later = Clocked(rules).to(0, working()).to(80, believe("held", 70, sign=70, linked=0)).to(116)
    assert later.hold.notice == "soft_note"
    assert ("R15", "soft_note") in later.actions


def test_without_a_light_nobody_is_noted(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working())
    desk.moment = replace(desk.moment, has_light=False)
    desk.to(80, believe("held", 70, sign=70, linked=0)).to(116)
    assert ("R15", "soft_note") not in desk.actions


def test_the_stay_ladder_waits_for_scarcity_and_then_begins_at_its_first_step(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(300)
    assert desk.actions == [("R3", "hold_started")]
    desk.now(300, scarce=True)
    assert desk.hold.notice == "soft_note"
    desk.to(314.9)
    assert desk.hold.notice == "soft_note"
    desk.to(315)
    assert desk.hold.notice == "time_reached"
    desk.to(325)
    assert desk.hold.notice == "repeat"
    desk.to(335)
    assert desk.hold.phase == "reclaimable"
    desk.now(340, scarce=False)
    assert (desk.hold.phase, desk.hold.notice) == ("in_use", "none")


def test_bad_data_freezes_both_clocks(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(20, believe("held", 10, sign=10, linked=0))
    desk.to(30, believe("unknown", 30, sign=10, linked=0)).to(100)
    assert desk.hold.phase == "unknown"
    desk.to(100, believe("held", 10, sign=10, linked=0)).to(129)
    assert desk.hold.phase == "just_left"
    assert desk.to(130).hold.phase == "reclaimable"
    assert [action for rule, action in desk.actions if rule == "R26"] == ["frozen", "thawed"]


def test_a_link_alone_neither_runs_the_clock_nor_proves_a_return(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(20, believe("held", 10, sign=10, linked=0))
    desk.to(30, believe("occupied", 0, sign=None, linked=0, unverified=True)).to(500)
    assert desk.hold.phase == "just_left"
    assert ("R7", "reclaimable") not in desk.actions


@pytest.mark.parametrize(
    ("gap", "keeps"),
    [
        pytest.param(14, True, id="a gap of 14 minutes keeps hold and clock"),
        pytest.param(15, False, id="a gap of 15 minutes begins a new hold"),
    ],
)
def test_merging(rules: Rules, gap: float, keeps: bool) -> None:
    desk = Clocked(rules).to(0, working()).to(30, believe("free", 30, sign=30))
    first = desk.hold.hold_id
    assert (desk.hold.phase, desk.hold.is_open) == ("free", False)
    desk.to(30 + gap, working(30 + gap)).to(31 + gap)
    assert (desk.hold.hold_id == first) is keeps
    assert desk.hold.stay(at(60)) == timedelta(minutes=60 if keeps else 60 - 30 - gap)


def test_a_place_given_away_and_left_is_a_new_hold_for_the_next(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(20, believe("held", 10, sign=10, linked=0)).to(61)
    assert desk.hold.phase == "reclaimable"
    desk.to(62, believe("free", 62, sign=10)).to(64, working(64)).to(65)
    assert desk.hold.hold_since == at(64)


def test_a_moment_of_bad_data_does_not_give_the_old_clock_to_the_next_user(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0)).to(60)
    desk.to(61, believe("unknown", 61, sign=2)).to(62, believe("free", 61, sign=2))
    desk.to(70, believe("occupied", 66, sign=70))
    assert desk.hold.hold_since == at(66)


def test_who_comes_back_while_the_data_are_bad_is_noted_as_back(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0))
    desk.to(20, believe("unknown", 20, sign=2)).to(30, believe("occupied", 0, sign=30, linked=0))
    assert [action for _, action in desk.actions][-3:] == ["frozen", "thawed", "resumed"]


def test_without_a_new_sign_nobody_came_back(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0))
    desk.to(13, believe("occupied", 0, sign=2))
    assert (desk.hold.phase, desk.hold.away_since) == ("just_left", at(2))
    desk.to(14, believe("occupied", 14, sign=14))
    assert (desk.hold.phase, desk.hold.away_since) == ("in_use", None)


def test_a_place_that_the_stay_ladder_gave_away_is_not_given_away_again(rules: Rules) -> None:
    desk = Clocked(rules, scarce=True).to(0, working()).to(262)
    assert desk.hold.phase == "reclaimable"
    desk.to(280, believe("held", 270, sign=270, linked=0)).to(330)
    assert [action for _, action in desk.actions].count("reclaimable") == 1
    desk.now(331, scarce=False)
    assert (desk.hold.phase, desk.actions[-1]) == ("reclaimable", ("R7", "reclaimable"))


def test_an_exempt_place_has_no_hold(rules: Rules) -> None:
    desk = Clocked(rules, exempt=True).to(0, working()).to(500)
    assert (desk.hold.phase, desk.hold.hold_id, desk.actions) == ("exempt", None, [])


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param({"in_force": False}, id="outside the hours in force"),
        pytest.param({"paused": True}, id="after the stop switch"),
        pytest.param({"staffing_hold": True}, id="while too few are at the counter"),
    ],
)
def test_nothing_turns_reclaimable(rules: Rules, moment: dict[str, bool]) -> None:
    desk = Clocked(rules, **moment).to(0, working()).to(20, believe("held", 10, sign=10, linked=0)).to(400)
    assert desk.hold.phase == "just_left"


def test_after_hours_the_clock_goes_on_where_it_stood(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(20, believe("held", 10, sign=10, linked=0))
    desk.now(40, in_force=False).now(500, in_force=True)
    desk.to(519)
    assert desk.hold.phase == "just_left"
    assert desk.to(520).hold.phase == "reclaimable"


def test_in_the_evening_a_hold_ends_after_60_empty_minutes(rules: Rules) -> None:
    desk = Clocked(rules, in_force=False, evening=True).to(0, working())
    desk.to(20, believe("held", 10, sign=10, linked=0)).to(69)
    assert desk.hold.phase == "just_left"
    desk.to(70)
    assert (desk.hold.phase, desk.hold.is_open) == ("free", False)
    assert ("R22", "released") in desk.actions


def test_in_the_evening_nothing_ends_on_the_word_of_a_link_alone(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(12, believe("held", 2, sign=2, linked=0))
    desk.now(20, in_force=False, evening=True).to(30, believe("unknown", 30, sign=2))
    desk.to(700, believe("occupied", 0, sign=2, linked=0, unverified=True))
    assert (desk.hold.phase, desk.hold.is_open) == ("just_left", True)
    desk.to(710, believe("held", 700, sign=2, linked=0))
    assert desk.hold.phase == "free"


def test_what_was_unknown_is_not_free_on_the_word_of_a_link_alone(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(1)
    desk.hold = release(desk.hold, at(1), "staff")
    desk.to(2, believe("occupied", 0, sign=0, linked=0, unverified=True))
    assert desk.hold.phase == "free", "a colleague saw that it was empty"
    desk.to(3, believe("unknown", 3, sign=0)).to(
        60, believe("occupied", 0, sign=0, linked=0, unverified=True)
    )
    assert desk.hold.phase == "unknown", "somebody may have come while nobody listened"
    desk.to(70, believe("held", 60, sign=0, linked=0))
    assert desk.hold.phase == "free"


def test_before_active_a_forgotten_laptop_is_not_shown_as_free(rules: Rules) -> None:
    shadow = replace(rules, mode="shadow")
    desk = Clocked(shadow, in_force=False, evening=True).to(0, working())
    desk.to(20, believe("held", 10, sign=10, linked=0)).to(90)
    assert (desk.hold.phase, desk.hold.shown) == ("free", "just_left")


def test_a_release_counts_until_somebody_stays(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(20, believe("held", 10, sign=10, linked=0))
    desk.hold = release(desk.hold, at(21), "staff")
    assert desk.to(30).hold.phase == "free"
    desk.to(40, believe("occupied", 40, sign=40, linked=0))
    assert (desk.hold.phase, desk.hold.is_open) == ("in_use", False)
    desk.to(41, believe("held", 40, sign=40, linked=0))
    assert desk.hold.phase == "free"
    desk.to(50, believe("occupied", 50, sign=54, linked=0))
    assert desk.hold.hold_since == at(50)


def test_extensions_are_free_with_room_and_once_without(rules: Rules) -> None:
    desk = Clocked(rules).to(0, working()).to(10)
    hour = timedelta(hours=1)
    roomy = Moment()
    for _ in range(3):
        extended = extend(desk.hold, rules, roomy, hour, at(10))
        assert isinstance(extended, Hold)
        desk.hold = extended
    assert desk.hold.stay_extra == 3 * hour
    scarce = Moment(scarce=True)
    once = extend(desk.hold, rules, scarce, hour, at(10))
    assert isinstance(once, Hold)
    assert extend(once, rules, scarce, hour, at(11)) == "already_extended"


def test_while_places_are_short_nobody_gets_more_than_the_agreed_hour(rules: Rules) -> None:
    desk = Clocked(rules, scarce=True).to(0, working()).to(1)
    longer = extend(desk.hold, rules, desk.moment, timedelta(hours=8), at(1))
    assert isinstance(longer, Hold)
    assert longer.stay_extra == rules.extension


def test_no_hold_cannot_be_extended(rules: Rules) -> None:
    assert extend(Hold(shown_since=TEN), rules, Moment(), timedelta(hours=1), TEN) == "no_hold"


def test_mode_off_decides_nothing(rules: Rules) -> None:
    desk = Clocked(replace(rules, mode="off"), evening=True).to(0, working())
    desk.to(20, believe("held", 10, sign=10, linked=0)).to(500)
    assert desk.hold.phase == "just_left"


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("off", "in_use"), ("shadow", "in_use"), ("notes", "in_use"), ("active", "reclaimable")],
)
def test_only_an_active_policy_shows_reclaimable(mode: Any, shown: str) -> None:
    assert shown_phase(Hold(shown_since=TEN), "reclaimable", "in_use", working(), mode) == shown
