"""Nights of a recorded site: the same lessons and the same record in any order of arrival, and what they change."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plekvrij.replay_decisions import Replayed, replay
from plekvrij.wiring import Site
from simulators.feed import feed
from workplace import floor_plan, policy
from workplace.codec import encode
from workplace.events import NightLessons, PlaceHabits, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.holds.learning import ZONE_EVERY, Lessons, habits_of
from workplace.holds.settled import HORIZON, SettledSite
from workplace.occupancy.generator import Habits, Motion
from workplace.occupancy.interface import wiring_of
from workplace.occupancy.night_times import bounds, day_at, in_force_at, next_day, night_at

TUESDAY, WEDNESDAY = date(2026, 11, 24), date(2026, 11, 25)
TINY_PLAN = """
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways: [{id: gw-1, floor: f1}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands: [{first: 1-W1, at: [2, 2], columns: 1, rows: 1, sensors: [dock, pir], node: "0001000000000001"}]
      - id: 1-stil
        kind: silence
        name: {nl: Stil, en: Silence}
        rect: [10, 0, 10, 12]
        islands: [{first: 1-S1, at: [12, 2], columns: 1, rows: 1, sensors: [dock, pir], node: "0001000000000002"}]
"""


@pytest.fixture(scope="module")
def site() -> Site:
    plan = floor_plan.load(TINY_PLAN, "tiny.plan.yaml")
    return Site(plan, policy.default(plan.site), None, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def events(site: Site) -> list[SensorEvent]:
    """Two days, and a word in the night after the second."""
    found = [event for day in feed(site.plan, 1, 2) for event in day.events]
    late = night_at(WEDNESDAY, site.plan.tz) + timedelta(minutes=1)
    return [
        *found,
        msgspec.structs.replace(found[-1], id="the-last-word", measured_at=late, received_at=late),
    ]


@pytest.fixture(scope="module")
def plain(site: Site, events: list[SensorEvent]) -> Replayed:
    return replay(site, [encode(event) for event in events])


@pytest.fixture
def plan(site: Site) -> FloorPlan:
    return site.plan


def test_any_order_within_50_minutes_teaches_the_same_and_gives_the_same_days(
    site: Site, events: list[SensorEvent], plain: Replayed
) -> None:
    dice, longest_s = random.Random(5), (HORIZON - timedelta(seconds=1)).total_seconds()
    late = [
        msgspec.structs.replace(
            event, received_at=event.received_at + timedelta(seconds=dice.uniform(0, longest_s))
        )
        if dice.random() < 0.3 and event.id != "the-last-word"
        else event
        for event in events
    ]
    again = dice.sample(late, len(late) // 4)
    shaken = sorted([*late, *again], key=lambda event: event.received_at)
    found = replay(site, [encode(event) for event in shaken])
    assert found.nights == plain.nights == 2
    assert [day.day for day in found.days] == [TUESDAY, WEDNESDAY]
    assert found.days == plain.days
    assert found.repeated == len(again)


def lessons_of(plan: FloorPlan, day: date, grade: int, from_at: datetime) -> NightLessons:
    places = {
        place.id: PlaceHabits(wiring_of(place), grade, 2, Habits().busy) for place in plan.place.values()
    }
    return NightLessons(site=plan.site, day=day, from_at=from_at, places=places)


def lived(site: Site, events: list[SensorEvent], crash_at: datetime | None) -> tuple[str, Lessons]:
    """Live Tuesday and the next morning with a night that grades badly; return the digest and what is in force."""
    engine, stored, told = SiteEngine(site.plan, site.policy), dict[str, bytes](), False
    begins = night_at(TUESDAY, site.plan.tz)
    for before, event in pairwise(events):
        at = event.received_at
        if engine.now is None:
            engine.start(before.received_at)
        if not told and at > begins:
            told = True
            engine.apply(lessons_of(site.plan, TUESDAY, 4, in_force_at(TUESDAY, site.plan.tz)), begins)
        engine.apply(event, at)
        stored |= engine.take_changes()
        if crash_at is not None and at >= crash_at:
            crash_at, engine = None, SiteEngine(site.plan, site.policy)
            engine.restore(stored, at)
    return engine.digest, engine.lessons


def test_a_restart_before_and_after_the_lessons_are_in_force_changes_nothing(
    site: Site, events: list[SensorEvent]
) -> None:
    morning = in_force_at(TUESDAY, site.plan.tz)
    plain, lessons = lived(site, events, None)
    assert lessons.in_force is not None
    assert lived(site, events, morning - timedelta(hours=1)) == (plain, lessons)
    assert lived(site, events, morning + timedelta(hours=4)) == (plain, lessons)


def test_lessons_wait_for_their_moment_and_late_ones_hold_at_once(plan: FloorPlan) -> None:
    rules, morning = policy.default(plan.site), in_force_at(TUESDAY, plan.tz)
    engine = SiteEngine(plan, rules)
    engine.start(morning - timedelta(hours=2))
    first = lessons_of(plan, TUESDAY, 4, morning)
    engine.apply(first, morning - timedelta(hours=1))
    assert engine.lessons == Lessons(None, first)
    engine.advance(morning - timedelta(seconds=1))
    assert engine.lessons.in_force is None
    engine.advance(morning + ZONE_EVERY - timedelta(seconds=1))
    assert engine.lessons == Lessons(None, first, 1)
    assert set(engine.lessons.habits(plan)) == {"1-W1"}, "zone after zone"
    again = SiteEngine(plan, rules)
    again.restore(engine.take_changes(), morning + ZONE_EVERY - timedelta(seconds=1))
    assert again.lessons == engine.lessons, "a restart between two zones goes on with the second"
    for one in (again, engine):
        one.advance(morning + ZONE_EVERY)
        assert one.lessons == Lessons(first)
    late = lessons_of(plan, WEDNESDAY, 3, morning)
    engine.apply(late, morning + timedelta(hours=5))
    assert engine.lessons == Lessons(late), "one whose moment has passed holds at once"
    engine.apply(first, morning + timedelta(hours=6))
    assert engine.lessons == Lessons(late), "an older night changes nothing"


def test_the_settled_record_uses_lessons_from_their_moment_on_whenever_they_come(
    site: Site, events: list[SensorEvent]
) -> None:
    morning = in_force_at(TUESDAY, site.plan.tz)
    night, found = lessons_of(site.plan, TUESDAY, 4, morning), set[str]()
    for told_at in (0, 1):
        settled = SettledSite(site.plan, site.policy)
        came = sorted(
            [*((event.received_at, event) for event in events), (morning - timedelta(hours=told_at), night)],
            key=lambda one: one[0],
        )
        for at, fact in came:
            settled.take(fact, at)
            if fact is events[len(events) // 2]:
                settled.settle(at)
        settled.settle_until(events[-1].received_at)
        assert settled.engine.lessons.in_force == night
        found.add(settled.digest)
    assert len(found) == 1


def test_lessons_of_other_sensors_or_of_no_table_are_left_out(plan: FloorPlan) -> None:
    place = next(iter(plan.place.values()))
    good = PlaceHabits(wiring_of(place), 3, 1, Habits().busy)
    night = NightLessons(
        site=plan.site, day=TUESDAY, from_at=bounds(TUESDAY, plan.tz)[1], places={place.id: good}
    )
    assert habits_of(night, plan) == {place.id: Habits(Motion(3, 1), good.busy)}
    for wrong in (
        msgspec.structs.replace(good, wiring="another sensor"),
        msgspec.structs.replace(good, grade=9),
        msgspec.structs.replace(good, busy=(2, 2)),
    ):
        assert habits_of(msgspec.structs.replace(night, places={place.id: wrong}), plan) == {}
    assert habits_of(msgspec.structs.replace(night, places={"gone": good}), plan) == {}


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_days_follow_each_other_without_a_hole_also_when_the_clocks_change(day: date) -> None:
    tz = ZoneInfo("Europe/Amsterdam")
    begin, end = bounds(day, tz)
    assert bounds(next_day(day), tz)[0] == end
    assert (end - begin) / timedelta(hours=1) in {23, 24, 25}
    assert day_at(begin, tz) == day_at(end - timedelta(microseconds=1), tz) == day
    assert end + HORIZON < night_at(day, tz) < in_force_at(day, tz)
