"""What a screen calls few does not flicker, and is never silent about a zone that is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.live_site import LiveSite
from dashboard.steady import (
    ALMOST_FULL_SHARE,
    MARGIN,
    POINT_ELSEWHERE_SHARE,
    WORTH_A_WALK,
    Standing,
    followed,
    is_few,
)
from dashboard.view_models import view_floor
from tests.unit.test_view_models import PLAN, SETTINGS, TEN, zone_state
from workplace import codec
from workplace.ports import Received
from workplace.topics import Topics

FLOOR = PLAN.floor["f3"]
ZONES = [zone.id for zone in FLOOR.zones]
LIMITS = st.integers(1, 60).map(lambda capacity: capacity * ALMOST_FULL_SHARE) | st.just(WORTH_A_WALK - 1)


def turns(numbers: list[int], limit: float) -> list[int]:
    """Return the numbers at which the word came or went."""
    found, was = [], False
    for free in numbers:
        now = is_few(free, limit, was=was)
        if now != was:
            found.append(free)
        was = now
    return found


@given(st.lists(st.integers(0, 30), max_size=60), LIMITS)
def test_a_word_that_came_goes_no_sooner_than_two_places_later(numbers: list[int], limit: float) -> None:
    found = turns(numbers, limit)
    for came, went in zip(found[::2], found[1::2], strict=False):
        assert came <= limit
        assert went - came >= MARGIN
        assert went >= limit + MARGIN


@given(st.integers(0, 30), st.integers(1, 40), LIMITS)
def test_one_who_comes_and_goes_changes_a_word_once_at_most(free: int, times: int, limit: float) -> None:
    assert len(turns([free + 1, free] * times, limit)) <= 1


@given(st.integers(0, 60), LIMITS, st.booleans())
def test_few_is_always_said_and_plenty_never_called_few(free: int, limit: float, was: bool) -> None:
    said = is_few(free, limit, was=was)
    assert said or free > limit
    assert not said or free < limit + MARGIN


class Clock:
    speed = 1.0

    def now(self) -> Any:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Screens:
    """The walls of a town hall that hears what zones say."""

    def __init__(self) -> None:
        self.live = LiveSite(PLAN, Clock(), monotonic=lambda: 0.0)
        for zone in PLAN.zone:
            self.hear(zone, 6)

    def hear(self, zone: str, free: int, **more: Any) -> None:
        capacity = sum(not place.fixed for place in PLAN.zone[zone].places)
        state = zone_state(zone, min(free, capacity), **more)
        self.live.feed(Received(Topics(PLAN.site).zone_state(zone), codec.encode(state), retained=False))

    def chip(self, zone: str) -> str:
        view = self.view(PLAN.zone[zone].floor)
        return next(one.chip for one in view.zones if one.zone.id == zone)

    def view(self, floor: str = "f3") -> Any:
        return view_floor(PLAN, PLAN.floor[floor], self.live.snapshot(), TEN, SETTINGS)

    def named(self, floor: str) -> list[str]:
        return [other.floor.id for other in self.view(floor).others]


def said(numbers: list[int], look: Any, hear: Any) -> list[Any]:
    found = []
    for number in numbers:
        hear(number)
        found.append(look())
    return found


def test_the_chip_of_a_zone_of_25() -> None:
    screens = Screens()
    chips = said(
        [4, 3, 2, 3, 4, 3, 4, 5, 4, 3, 2, 1, 0, 1, 5],
        lambda: screens.chip("3-stilte"),
        lambda free: screens.hear("3-stilte", free),
    )
    few = "almost_full"
    assert chips == ["", "", few, few, few, few, few, "", "", "", few, few, "full", few, ""]


def test_a_zone_that_was_short_by_the_policy_stays_almost_full_until_there_is_room() -> None:
    screens = Screens()
    screens.hear("3-stilte", 4, scarce=True)
    screens.hear("3-stilte", 4)
    assert screens.chip("3-stilte") == "almost_full"
    screens.hear("3-stilte", 5)
    assert screens.chip("3-stilte") == ""


def test_what_is_no_workplace_or_not_measured_keeps_no_word_for_later() -> None:
    screens = Screens()
    for gone in ({"calendar": "lunch"}, {"unknown": 25, "free": 0}):
        screens.hear("3-stilte", 2)
        assert screens.chip("3-stilte") == "almost_full"
        screens.hear("3-stilte", int(gone.pop("free", 4)), **gone)  # type: ignore[call-overload]
        screens.hear("3-stilte", 4)
        assert screens.chip("3-stilte") == ""


def test_the_way_to_other_floors_and_the_floors_that_are_named() -> None:
    screens = Screens()
    for zone in ZONES:
        screens.hear(zone, 0)
    limit = math.floor(65 * POINT_ELSEWHERE_SHARE)  # 8 of 65
    points = said(
        [limit + 2, limit + 1, limit, limit + 1, limit + 2, limit + 3, limit + 2],
        lambda: screens.view().points_elsewhere,
        lambda free: screens.hear("3-samenwerken", free),
    )
    assert points == [True, True, True, True, True, False, False], "it began with a full floor"
    named = said(
        [3, 2, 3, 4, 3, 5, 4, 3, 2],
        lambda: "f3" in screens.named("f4"),
        lambda free: screens.hear("3-samenwerken", free),
    )
    assert named == [True, False, False, True, True, True, True, True, False]


@given(st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, 12)), max_size=40))
def test_screens_agree_with_the_numbers_whatever_zones_say(told: list[tuple[str, int]]) -> None:
    screens = Screens()
    for zone, free in told:
        screens.hear(zone, free)
        view = screens.view()
        for one in view.zones:
            limit = one.open_capacity * ALMOST_FULL_SHARE
            assert one.chip in {"almost_full", "full"} or one.free > limit
            assert one.chip != "almost_full" or one.free < limit + MARGIN
            assert (one.chip == "full") == (one.free == 0)
        limit = view.open_capacity * POINT_ELSEWHERE_SHARE
        assert view.points_elsewhere or view.free > limit
        assert not view.points_elsewhere or view.free < limit + MARGIN
        is_named = "f3" in screens.named("f4")
        assert not is_named or view.free >= WORTH_A_WALK
        assert is_named or view.free < WORTH_A_WALK - 1 + MARGIN


@pytest.mark.parametrize("zone", ["3-stilte", "0-balie"])
def test_nothing_new_is_no_new_standing(zone: str) -> None:
    states = {zone: zone_state(zone, 9)}
    before = followed(PLAN, states, zone, Standing())
    assert followed(PLAN, states, zone, before) is before
