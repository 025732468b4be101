"""The walk test: what proves a place, what does not, and that no walk gets lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workplace import floor_plan, walk_record
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan, Sensor
from workplace.walk_record import Walk
from workplace.walk_sheet import sheet_of
from workplace.walk_test import (
    Back,
    Begin,
    GoTo,
    Happening,
    Heard,
    Next,
    Repeat,
    Route,
    Skip,
    is_open,
    open_walk,
    route_of,
    step,
)
from workplace.walk_view import view

PLAN_TEXT = """
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways:
  - {id: gw-1, floor: f1, mqtt: {zigbee2mqtt: zigbee2mqtt-1}}
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
        islands:
          - {first: 1-W1, at: [2, 2], columns: 2, rows: 1, sensors: [dock, pir], node: "0001000000000001"}
          - {first: 1-W3, at: [2, 6], columns: 2, rows: 1, sensors: [dock], node: "0001000000000002"}
      - id: 1-ontmoeten
        kind: meet
        name: {nl: Ontmoeten, en: Meet}
        rect: [11, 0, 9, 12]
        islands:
          - {first: 1-O1, at: [13, 2], columns: 2, rows: 1, sensors: [zigbee_pir]}
"""
PLAN: FloorPlan = floor_plan.load(PLAN_TEXT, "walk.plan.yaml")
ROUTE: Route = route_of(PLAN, "f1")
NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def said(place: str, kind: str, seconds: float, value: Any = True, **more: Any) -> SensorEvent:
    """Return what the sensor of a place said so many seconds after nine."""
    sensor = PLAN.place[place].sensors_of(kind)[0]
    return event_of(sensor, after(seconds), value, **more)


def event_of(sensor: Sensor, at: datetime, value: Any = True, **more: Any) -> SensorEvent:
    facts: dict[str, Any] = {
        "id": f"id-{at.timestamp()}", "site": "klein", "gateway": sensor.gateway, "device": sensor.device,
        "kind": sensor.kind, "value": value, "channel": sensor.channel, "measured_at": at, "clock": "device",
        "uncertainty_ms": 5, "received_at": at,
    }  # fmt: skip
    return SensorEvent(**(facts | more))


class Stroll:
    """An installer with a watch: each call is one happening so many seconds after nine."""

    def __init__(self, *, begun: bool = True) -> None:
        self.walk = open_walk(PLAN, "f1", None, NINE)
        if begun:
            self.does(0, Begin())

    def does(self, seconds: float, happening: Happening) -> Stroll:
        self.walk = step(self.walk, ROUTE, happening, after(seconds))
        return self

    def hears(
        self, seconds: float, place: str, kind: str, value: Any = True, *, ago: float = 0.2, **more: Any
    ) -> Stroll:
        return self.does(seconds, Heard(said(place, kind, seconds - ago, value, **more)))

    def sees(self, seconds: float) -> Any:
        return view(self.walk, ROUTE, after(seconds))


def test_a_walk_begins_at_the_first_place_of_the_plan_and_says_what_to_do() -> None:
    stroll = Stroll(begun=False)
    assert (stroll.sees(0).phase, is_open(stroll.walk)) == ("start", False)
    stroll.does(0, Begin())
    seen = stroll.sees(1)
    assert (seen.phase, seen.place.label, seen.number, seen.total) == ("waiting", "1.W1", 1, 6)
    assert [check.action for check in seen.checks] == ["plug_in", "move"]


def test_a_place_passes_when_each_of_its_sensors_has_spoken_in_any_order() -> None:
    stroll = Stroll().hears(3, "1-W1", "motion", rssi_dbm=-61, battery_pct=88.0)
    assert stroll.sees(4).phase == "waiting"
    stroll.hears(7, "1-W1", "link")
    seen = stroll.sees(8)
    assert (seen.phase, seen.passed, seen.next_place.label) == ("passed", 1, "1.W2")
    motion, link = seen.result.ticks
    assert (motion.wait_s, motion.latency_s, motion.rssi_dbm, motion.battery_pct) == (3.0, 0.2, -61, 88.0)
    assert (link.wait_s, link.latency_s, link.kit) == (7.0, 0.2, "dock")


NOT_A_PROOF = [
    pytest.param({"retained": True}, 0.2, id="a retained message says what was"),
    pytest.param({"historical": True}, 0.2, id="so does a message from a device's memory"),
    pytest.param({"value": False}, 0.2, id="a plug pulled out is no plug put in"),
    pytest.param({"site": "elders"}, 0.2, id="another site is none of ours"),
    pytest.param({"channel": "7"}, 0.2, id="another channel of the same node is another place"),
    pytest.param({}, 60.0, id="what was measured before the place was named is no answer"),
]


@pytest.mark.parametrize(("changed", "ago"), NOT_A_PROOF)
def test_what_does_not_prove_a_place(changed: dict[str, Any], ago: float) -> None:
    stroll = Stroll().does(100, GoTo("1-W3"))
    stroll.does(103, Heard(msgspec.structs.replace(said("1-W3", "link", 103 - ago), **changed)))
    assert stroll.sees(104).phase == "waiting"


def test_a_signal_that_came_too_late_is_said_with_its_age() -> None:
    stroll = Stroll().does(100, GoTo("1-W3")).hears(103, "1-W3", "link", ago=60)
    assert stroll.sees(104).late_s == 60


def test_a_plug_that_is_in_already_must_come_out_first() -> None:
    stroll = Stroll().hears(1, "1-W3", "link").does(10, GoTo("1-W3"))
    assert stroll.sees(10).checks[0].first == "unplug_first"
    stroll.hears(11, "1-W3", "link")
    assert stroll.sees(12).phase == "waiting", "the repeat of an old state is no answer"
    stroll.hears(13, "1-W3", "link", value=False).hears(14, "1-W3", "link")
    assert stroll.sees(14).phase == "passed"


def test_another_place_that_answers_is_named_at_once_and_the_wait_goes_on() -> None:
    stroll = Stroll().does(10, GoTo("1-W3")).hears(12, "1-W4", "link")
    seen = stroll.sees(12)
    assert (seen.phase, [other.place for other in seen.others]) == ("waiting", ["1-W4"])
    stroll.hears(15, "1-W3", "link")
    assert (stroll.sees(15).phase, stroll.sees(15).result.others) == ("passed", ())


def test_a_device_that_the_plan_does_not_have_is_named_too() -> None:
    stranger = msgspec.structs.replace(said("1-W3", "link", 12), device="dsp1-0001000000000009")
    others = Stroll().does(10, GoTo("1-W3")).does(12, Heard(stranger)).sees(12).others
    assert [(other.place, other.device) for other in others] == [(None, "dsp1-0001000000000009")]


def test_motion_next_door_counts_only_after_a_while_of_silence_here() -> None:
    stroll = Stroll().does(100, GoTo("1-O1")).hears(102, "1-O2", "motion")
    assert stroll.sees(103).others == ()
    assert [other.place for other in stroll.sees(110).others] == ["1-O2"]


def test_a_motion_sensor_that_just_saw_something_says_how_long_it_is_deaf() -> None:
    stroll = Stroll().hears(80, "1-O2", "motion").does(100, GoTo("1-O2"))
    assert stroll.sees(100).checks[0].deaf_s == pytest.approx(39.8)
    assert stroll.sees(200).checks[0].deaf_s == 0


@pytest.mark.parametrize(
    ("clock", "ago", "then"),
    [
        pytest.param("device", 0.4, 0.4, id="a device with a clock tells how long its signal took"),
        pytest.param("arrival", 0.4, None, id="a device without a clock does not"),
        pytest.param("device", -3.0, None, id="a signal from the future is a wrong clock and no fast sensor"),
    ],
)
def test_latency(clock: str, ago: float, then: float | None) -> None:
    stroll = Stroll().does(10, GoTo("1-W3")).hears(12, "1-W3", "link", ago=ago, clock=clock)
    assert stroll.sees(12).result.ticks[0].latency_s == then


def test_times_of_a_fast_site_are_told_in_real_seconds() -> None:
    stroll = Stroll().does(0, GoTo("1-W3")).does(120, Heard(said("1-W3", "link", 90), speed=60.0))
    tick = stroll.sees(120).result.ticks[0]
    assert (tick.wait_s, tick.latency_s) == (2.0, 0.5)


def test_a_skipped_place_keeps_its_reason_and_what_it_had_said() -> None:
    stroll = Stroll().hears(3, "1-W1", "motion").does(9, Skip("no_power"))
    result = stroll.walk.results["1-W1"]
    assert (result.outcome, result.reason, [tick.kind for tick in result.ticks]) == (
        "skipped",
        "no_power",
        ["motion"],
    )
    assert stroll.sees(9).place.id == "1-W2"


def test_what_was_passed_over_without_a_result_is_asked_again_at_the_end() -> None:
    stroll = Stroll().does(1, Next())
    for second in range(5):
        stroll.does(2 + second, Skip("in_use"))
    assert (stroll.sees(9).phase, stroll.sees(9).place.id) == ("waiting", "1-W1")
    stroll.does(9, Skip("in_use"))
    assert (stroll.sees(9).phase, is_open(stroll.walk)) == ("finished", False)
    assert stroll.does(10, Back()).sees(10).place.id == "1-O2"


def test_back_shows_the_result_and_repeat_asks_anew() -> None:
    stroll = Stroll().does(1, Skip("in_use")).does(2, Back())
    assert (stroll.sees(2).phase, stroll.sees(2).result.reason) == ("skipped", "in_use")
    stroll.does(3, Repeat())
    assert (stroll.sees(3).phase, stroll.walk.results) == ("waiting", {})
    assert stroll.does(4, Back()).sees(4).place.id == "1-W1", "before the first place there is none"


def test_a_place_that_passed_stays_passed_when_it_is_skipped_by_mistake() -> None:
    stroll = Stroll().does(1, GoTo("1-W3")).hears(2, "1-W3", "link").does(3, GoTo("1-W3"))
    passed = stroll.walk.results["1-W3"]
    assert stroll.does(4, Skip("in_use")).walk.results["1-W3"] == passed


def test_a_walk_goes_on_where_it_was_left_and_waits_from_then() -> None:
    left = Stroll().hears(3, "1-W1", "motion").hears(4, "1-W1", "link").does(5, Next()).walk
    kept = walk_record.decode(walk_record.encode(left))
    walk = open_walk(PLAN, "f1", kept, after(3600))
    assert (walk.at, walk.asked_at, walk.results) == ("1-W2", after(3600), left.results)


def test_a_result_is_gone_when_the_place_got_another_sensor() -> None:
    walk = Stroll().does(1, Skip("in_use")).does(2, Skip("in_use")).walk
    other = floor_plan.load(PLAN_TEXT.replace('sensors: [dock, pir], node: "0001000000000001"',
                                              'sensors: [dock, pir], node: "0001000000000007"'), "other")  # fmt: skip
    assert open_walk(other, "f1", walk, after(9)).results == {}
    assert open_walk(other, "f1", walk, after(9)).at == "1-W3"


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"v": 2, "site": "klein", "floor": "f1"}', b"\xff"])
def test_a_file_that_is_no_walk_starts_a_new_one(text: bytes) -> None:
    assert walk_record.decode(text) is None


def test_a_place_without_a_sensor_needs_no_visit() -> None:
    bare = floor_plan.load(PLAN_TEXT.replace("sensors: [zigbee_pir]", "sensors: []"), "bare")
    route = route_of(bare, "f1")
    walk = step(open_walk(bare, "f1", None, NINE), route, Begin(), NINE)
    assert {name: result.reason for name, result in walk.results.items()} == {
        "1-O1": "no_sensor",
        "1-O2": "no_sensor",
    }


def test_the_sheet_tells_what_deserves_a_second_look() -> None:
    stroll = (
        Stroll()
        .hears(3, "1-W1", "motion", rssi_dbm=-91)
        .hears(5, "1-W1", "link", ago=5.5)
        .does(6, GoTo("1-W3"))
        .hears(8, "1-W4", "link")
        .does(9, Skip("other_place"))
        .hears(12, "1-W3", "link")
        .does(13, Skip("other_place"))
        .does(14, GoTo("1-O1"))
        .hears(15, "1-O1", "motion", battery_pct=11.0)
    )
    sheet = sheet_of(stroll.walk, ROUTE)
    assert (sheet.passed, sheet.skipped, sheet.untested) == (2, 2, 2)
    assert (sheet.swapped, sheet.reasons) == ((("1-W3", "1-W4"),), (("other_place", 2),))
    assert (sheet.weak, sheet.low, sheet.slow) == (("1-W1",), ("1-O1",), ("1-W1",))
    assert sheet.ended_at == after(15)


SENSORS = [sensor for place in ROUTE for sensor in place.sensors]
PRESSES: st.SearchStrategy[Happening] = st.one_of(
    st.just(Begin()), st.just(Next()), st.just(Back()), st.just(Repeat()),
    st.sampled_from(["no_signal", "other_place", "in_use"]).map(Skip),  # type: ignore[arg-type]
    st.sampled_from([*(place.id for place in ROUTE), "elders"]).map(GoTo),
)  # fmt: skip
EVENTS = st.builds(
    lambda sensor, value, ago: (sensor, value, ago),
    st.sampled_from(SENSORS), st.sampled_from([True, False, 3, "x"]), st.floats(-20, 100),
)  # fmt: skip
STORIES = st.lists(st.tuples(st.floats(0, 90), st.one_of(PRESSES, EVENTS)), max_size=40)


def play(story: list[tuple[float, Any]]) -> list[tuple[datetime, Happening, Walk]]:
    """Return the walk after each happening of a story."""
    at, walk, seen = NINE, open_walk(PLAN, "f1", None, NINE), []
    for pause_s, what in story:
        at += timedelta(seconds=pause_s)
        happening = what
        if isinstance(what, tuple):
            sensor, value, ago = what
            happening = Heard(event_of(sensor, at - timedelta(seconds=ago), value))
        walk = step(walk, ROUTE, happening, at)
        seen.append((at, happening, walk))
    return seen


@given(STORIES)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_a_pass_is_a_fresh_signal_of_each_own_sensor(story: list[tuple[float, Any]]) -> None:
    signals = {
        (h.event.device, h.event.channel, h.event.kind, at)
        for at, h, _ in play(story)
        if isinstance(h, Heard) and h.event.value is True
    }
    for at, _, walk in play(story):
        seen = view(walk, ROUTE, at)
        assert seen.passed + seen.skipped == len(walk.results) <= len(ROUTE)
        assert seen.phase in {"start", "waiting", "passed", "skipped", "finished"}
        assert set(walk.results) == set(walk.wiring) <= {place.id for place in ROUTE}
        for name, result in walk.results.items():
            ticked = {(tick.device, tick.channel, tick.kind) for tick in result.ticks}
            own = {(s.device, s.channel, s.kind) for s in PLAN.place[name].sensors}
            assert ticked <= own
            assert result.outcome == "skipped" or ticked == own
            for tick in result.ticks:
                assert (tick.device, tick.channel, tick.kind, tick.heard_at) in signals
                assert tick.wait_s >= 0
                assert tick.latency_s is None or tick.latency_s >= 0


@given(STORIES)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_a_walk_survives_its_file(story: list[tuple[float, Any]]) -> None:
    for at, _, walk in play(story)[-1:]:
        assert walk_record.decode(walk_record.encode(walk)) == walk
        again = open_walk(PLAN, "f1", walk, at)
        assert (again.at, again.results, again.ticks) == (walk.at, walk.results, walk.ticks)
        sheet_of(walk, ROUTE)


@given(STORIES)
@settings(max_examples=100, deadline=None)
def test_from_wherever_skipping_ends_the_walk(story: list[tuple[float, Any]]) -> None:
    *_, (at, _, walk) = play([(0.0, Begin()), *story])
    for _ in ROUTE:
        walk = step(walk, ROUTE, Skip("in_use"), at)
    assert view(walk, ROUTE, at).phase == "finished"
    assert set(walk.results) == {place.id for place in ROUTE}


def test_the_example_site_can_be_walked_from_end_to_end(example_plan: FloorPlan) -> None:
    for floor in example_plan.floors:
        route = route_of(example_plan, floor.id)
        at = NINE
        walk = step(open_walk(example_plan, floor.id, None, at), route, Begin(), at)
        for place in route:
            assert walk.at == place.id, Path(place.id)
            for sensor in place.sensors:
                at += timedelta(seconds=70)
                event = msgspec.structs.replace(event_of(sensor, at), site=example_plan.site)
                walk = step(walk, route, Heard(event), at)
            walk = step(walk, route, Next(), at)
        sheet = sheet_of(walk, route)
        assert (sheet.passed, sheet.untested, sheet.swapped) == (len(route), 0, ())
