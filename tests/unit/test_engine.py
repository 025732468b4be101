"""The engine of a site: zones, scarcity, lights, requests, memory, and what holds for every possible day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from workplace import floor_plan
from workplace.events import GatewayStatus, Request, SensorEvent
from workplace.holds.channels import Channel, tells
from workplace.holds.engine import Outcome, SiteEngine
from workplace.policy import Policy, default, policy_hash
from workplace.policy_file import (
    AwayFile,
    CalendarFile,
    ConsentFile,
    OccupancyFile,
    PolicyFile,
    StaffingFile,
    ZoneSettingFile,
)

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)  # 10:00 in Amsterdam
Fact = SensorEvent | GatewayStatus | Request

#: Two floors with the same activity; the ground floor has a counter and a restaurant.
PLAN = floor_plan.load(
    """
site: klein
name: {nl: Klein, en: Small}
gateways: [{id: g1, floor: f1, mqtt: {zigbee2mqtt: z1}}, {id: g2, floor: f2, mqtt: {zigbee2mqtt: z2}}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [30, 12]
    zones:
      - id: w1
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands:
          - {first: A1, at: [2, 2], columns: 2, rows: 2, sensors: [dock, pir], node: "0000000000000001"}
      - id: balie
        kind: counter
        name: {nl: Balie, en: Counter}
        rect: [10, 0, 10, 12]
        islands:
          - {first: C1, at: [12, 2], columns: 2, rows: 1, sensors: [dock, pir], node: "0000000000000002"}
          - {first: C8, at: [12, 6], columns: 1, rows: 1, fixed: true}
      - id: resto
        kind: restaurant
        name: {nl: Restaurant, en: Restaurant}
        rect: [20, 0, 10, 12]
        islands: [{first: R1, at: [22, 2], columns: 2, rows: 2, sensors: [zigbee_pir]}]
  - id: f2
    number: 2
    name: {nl: Tweede, en: Second}
    size: [10, 12]
    zones:
      - id: w2
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands:
          - {first: E1, at: [2, 2], columns: 2, rows: 2, sensors: [dock, pir], node: "0000000000000003"}
""",
    "engine.plan.yaml",
)


#: The engine's own stories need minutes that can be counted by hand; the laws further down hold for both models.
BY_HAND = OccupancyFile(model="hand_tuned")


def agreed(**changes: Any) -> Policy:
    wished = PolicyFile(site="klein", **{"mode": "active", "occupancy": BY_HAND, **changes})
    digest = policy_hash(wished)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(wished, consent=consent), digest)


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def event(
    device: str, kind: Any, minute: float, channel: str | None = None, *, value: Any = True, **other: Any
) -> SensorEvent:
    return SensorEvent(
        id=f"{device}-{kind}-{channel}-{minute}"[:64],
        site="klein",
        gateway="g1",
        device=device,
        kind=kind,
        value=value,
        channel=channel,
        measured_at=at(minute),
        clock="device",
        uncertainty_ms=5,
        received_at=at(minute),
        **other,
    )


def said(place: str, kind: str, minute: float, **other: Any) -> SensorEvent:
    sensor = PLAN.place[place].sensors_of(kind)[0]
    return event(sensor.device, kind, minute, sensor.channel, **other)


def request(
    action: Any, place: str | None, role: Any = "staff", minute: float = 0, number: int = 1, **more: Any
) -> Request:
    return Request(
        id=f"request-{action}-{number}",
        site="klein",
        place=place,
        action=action,
        role=role,
        requested_at=at(minute),
        reply_to="page",
        **more,
    )


def heard(policy: Policy, start: datetime) -> SiteEngine:
    """An engine whose sensors were all heard at `start`."""
    engine = SiteEngine(PLAN, policy)
    engine.start(start)
    for gateway in PLAN.gateways:
        engine.apply(GatewayStatus(site="klein", gateway=gateway.id, status="online", at=start), start)
    for device in PLAN.devices:
        engine.apply(event(device, "availability", (start - TEN).total_seconds() / 60), start)
    return engine


def running(policy: Policy | None = None) -> SiteEngine:
    """An engine at 10:00 whose sensors were all heard an hour ago: everything free."""
    engine = heard(agreed() if policy is None else policy, at(-60))
    engine.advance(TEN)
    return engine


def take(engine: SiteEngine, places: Iterable[str], minute: float = 0) -> None:
    for place in places:
        engine.apply(said(place, "link", minute), at(minute))
    engine.advance(at(minute + 0.5))


def test_at_the_start_everything_is_unknown_and_everything_is_told() -> None:
    outcome = SiteEngine(PLAN, agreed()).start(TEN)
    assert len(outcome.place_states) == len(PLAN.place)
    assert len(outcome.zone_states) == len(PLAN.zone)
    assert {state.phase for state in outcome.place_states} == {"unknown", "exempt"}
    assert {command.light for command in outcome.commands} == {"unknown"}


def test_a_link_is_shown_with_the_very_event() -> None:
    engine = running()
    outcome = engine.apply(said("A1", "link", 1), at(1))
    assert [(s.place, s.phase) for s in outcome.place_states] == [("A1", "in_use")]
    assert [(s.zone, s.free, s.in_use) for s in outcome.zone_states] == [("w1", 3, 1)]
    assert [(c.channel, c.light) for c in outcome.commands] == [("0", "in_use")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"retained": True}, id="a retained value"),
        pytest.param({"historical": True}, id="a stored record"),
    ],
)
def test_old_news_moves_nothing(other: dict[str, bool]) -> None:
    assert running().apply(said("A1", "link", 1, **other), at(1)) == Outcome()


def test_time_never_runs_backwards_and_wake_ups_carry_their_own_time() -> None:
    engine = running()
    take(engine, ["A1"])
    outcome = engine.advance(at(120))
    assert [(d.action, d.at) for d in outcome.decisions] == [
        ("just_left", at(10)),
        ("reclaimable", at(50)),
    ]
    assert [s.since for s in outcome.place_states if s.phase == "reclaimable"] == [at(50)]
    engine.advance(at(60))
    assert engine.now == at(120)


def test_one_advance_tells_the_same_as_many() -> None:
    one, many = running(), running()
    take(one, ["A1", "A2"])
    take(many, ["A1", "A2"])
    together = one.advance(at(300))
    step_by_step = [many.advance(at(minute)) for minute in range(1, 301)]
    assert together.decisions == tuple(d for outcome in step_by_step for d in outcome.decisions)
    assert together.place_states == tuple(s for outcome in step_by_step for s in outcome.place_states)


def test_a_full_group_becomes_scarce_and_names_the_nearest_floor_with_room() -> None:
    engine = running()
    take(engine, ["A1", "A2", "A3"])
    assert not engine.zone_state("w1").scarce
    engine.advance(at(11))
    state = engine.zone_state("w1")
    assert (state.scarce, state.overflow_floor) == (True, "f2")
    assert engine.zone_state("w2").overflow_floor is None


def test_no_counter_place_is_given_away_while_too_few_are_there() -> None:
    roster = StaffingFile(zone="balie", at_least=1, from_="08:30", to="17:00")
    engine = running(agreed(staffing=[roster]))
    take(engine, ["C1"])
    engine.advance(at(100))
    assert engine.place_state("C1").phase == "just_left"
    take(engine, ["C2"], 100)
    assert engine.place_state("C1").phase == "reclaimable"


def test_places_that_fall_due_together_never_leave_too_few_at_the_counter() -> None:
    roster = StaffingFile(zone="w1", at_least=2, from_="08:30", to="17:00")
    engine = running(agreed(staffing=[roster]))
    take(engine, ["A1", "A2", "A3", "A4"])
    engine.advance(at(45))
    assert engine.zone_state("w1").scarce
    engine.advance(at(100))
    assert engine.zone_state("w1").in_use == 2


def test_the_restaurant_has_no_clocks_at_lunch() -> None:
    lunch = CalendarFile(zone="resto", from_="12:00", to="14:00")
    engine = running(agreed(calendar=[lunch]))
    assert (engine.zone_state("resto").calendar, engine.zone_state("resto").enforced) == ("work", True)
    engine.advance(at(121))
    assert (engine.zone_state("resto").calendar, engine.zone_state("resto").enforced) == ("lunch", False)
    engine.advance(at(241))
    assert engine.zone_state("resto").calendar == "work"


def test_a_zone_that_is_no_place_to_work_now_is_neither_short_nor_room_for_others() -> None:
    closed = [
        CalendarFile(zone=zone, from_="12:00", to="14:00", calendar="closed") for zone in ("w2", "resto")
    ]
    engine = running(agreed(calendar=closed))
    for minute in range(0, 241, 5):
        for place in ("A1", "A2", "A3", "A4"):
            engine.apply(said(place, "motion", minute), at(minute))
        for place in ("R1", "R2", "R3", "R4"):
            engine.apply(said(place, "motion", minute), at(minute))
        if minute == 115:
            assert (engine.zone_state("w1").overflow_floor, engine.zone_state("resto").scarce) == ("f2", True)
        if minute == 125:
            assert (engine.zone_state("w1").overflow_floor, engine.zone_state("resto").scarce) == (
                None,
                False,
            )
            assert engine.zone_state("w1").scarce


def test_a_fixed_place_is_exempt_whatever_its_sensors() -> None:
    assert running().place_state("C8").phase == "exempt"


def test_a_light_is_set_again_when_its_node_comes_back() -> None:
    engine = running()
    outcome = engine.apply(event("dsp1-0000000000000001", "availability", 5), at(5))
    assert [c.light for c in outcome.commands] == ["free"] * 4
    assert {c.valid_until for c in outcome.commands} == {at(20)}


@pytest.mark.parametrize(
    ("action", "place", "role", "reason"),
    [
        pytest.param("extend", "A1", "desk", "ok", id="a desk page may extend"),
        pytest.param("extend", "A1", "works_council", "not_allowed", id="the works council does not extend"),
        pytest.param("extend", "A2", "desk", "no_hold", id="a free place has nothing to extend"),
        pytest.param("extend", "C8", "staff", "exempt", id="a fixed place has no limit"),
        pytest.param("release", "A1", "staff", "ok", id="staff may release"),
        pytest.param("release", "A1", "desk", "not_allowed", id="a desk page may not release"),
        pytest.param("remind", "A1", "staff", "ok", id="staff may remind"),
        pytest.param("remind", "R1", "staff", "no_light", id="nobody sees a reminder without a light"),
        pytest.param("exempt", "A1", "staff", "ok", id="staff may exempt"),
        pytest.param("release", "Z9", "staff", "unknown_place", id="a place that does not exist"),
        pytest.param("pause", None, "works_council", "ok", id="the works council holds the stop switch"),
        pytest.param("pause", None, "desk", "not_allowed", id="a desk page does not"),
    ],
)
def test_requests(action: str, place: str | None, role: str, reason: str) -> None:
    engine = running()
    take(engine, ["A1"])
    (reply,) = engine.apply(request(action, place, role, 1), at(1)).replies
    assert (reply.reason, reply.accepted) == (reason, reason == "ok")


def test_the_same_request_twice_is_done_once() -> None:
    engine = running()
    take(engine, ["A1"])
    first = engine.apply(request("extend", "A1", "desk", 1), at(1))
    again = engine.apply(request("extend", "A1", "desk", 1), at(2))
    assert first.replies[0].accepted
    assert again.replies[0].accepted
    assert (len(first.decisions), len(again.decisions)) == (1, 0)


def test_unknown_is_not_released_even_by_staff() -> None:
    engine = SiteEngine(PLAN, agreed())
    engine.start(TEN)
    assert engine.apply(request("release", "A1"), TEN).replies[0].reason == "unknown"


def test_a_reminder_lights_up_for_a_quarter_of_an_hour() -> None:
    engine = running()
    take(engine, ["A1"])
    outcome = engine.apply(request("remind", "A1", minute=1), at(1))
    assert [c.light for c in outcome.commands] == ["note"]
    assert [c.light for c in engine.advance(at(17)).commands][-1] == "in_use"


def test_exempting_and_back() -> None:
    engine = running()
    take(engine, ["A1"])
    engine.apply(request("exempt", "A1"), at(1))
    assert (engine.place_state("A1").phase, engine.place_state("A1").occupancy) == ("exempt", "occupied")
    engine.apply(request("unexempt", "A1"), at(2))
    assert engine.place_state("A1").phase == "in_use"


def test_an_older_status_of_a_gateway_changes_nothing() -> None:
    engine = running()
    engine.apply(GatewayStatus(site="klein", gateway="g1", status="offline", at=at(5)), at(5))
    engine.apply(GatewayStatus(site="klein", gateway="g1", status="online", at=at(4)), at(6))
    assert engine.place_state("A1").phase == "unknown"
    assert engine.place_state("E1").phase == "free"


def test_what_happens_to_all_sensors_of_a_place_happens_at_once() -> None:
    engine = running()
    take(engine, ["A1"])
    engine.advance(at(11))
    device = PLAN.place["A1"].sensors[0].device
    lost = engine.apply(event(device, "availability", 11, value=False), at(11))
    back = engine.apply(event(device, "availability", 12), at(12))
    assert [(d.action, d.place) for d in (*lost.decisions, *back.decisions)] == [
        ("frozen", "A1"),
        ("thawed", "A1"),
    ]
    assert [s.phase for s in (*lost.place_states, *back.place_states) if s.place == "A1"] == [
        "unknown",
        "just_left",
    ]


def test_decisions_are_the_same_bytes_in_a_replay() -> None:
    def day() -> bytes:
        engine = running()
        take(engine, ["A1", "A2", "A3"])
        return msgspec.json.encode(engine.advance(at(400)).decisions)

    assert day() == day()


def test_a_decision_names_its_signals_with_their_age_and_what_would_have_changed_it() -> None:
    engine = running()
    take(engine, ["A1"])
    decision = engine.advance(at(51)).decisions[-1]
    assert (decision.rule, decision.action, decision.acted) == ("R7", "reclaimable", True)
    assert [(s.kind, s.value, s.age_s) for s in decision.signals] == [("link", True, 3000.0)]
    assert decision.away_s == 3000.0
    assert decision.counterfactual == "one sign of presence after 10:00 would have kept the hold"


def test_without_consent_active_is_only_shadow() -> None:
    wished = PolicyFile(site="klein", mode="active")
    engine = running(Policy(wished, policy_hash(wished)))
    take(engine, ["A1"])
    engine.advance(at(60))
    assert engine.place_state("A1").phase == "just_left"
    assert engine.lights() == []


def test_after_a_long_stop_silence_is_no_evidence_and_no_clock_ran() -> None:
    engine = running()
    take(engine, ["A1"])
    engine.advance(at(20))
    records = engine.take_changes()
    later = SiteEngine(PLAN, agreed())
    later.restore(records, at(80))
    outcome = later.start(at(80))
    assert {s.phase for s in outcome.place_states} == {"unknown", "just_left", "exempt"}
    later.advance(at(119))
    assert later.place_state("A1").phase == "just_left"
    later.advance(at(121))
    assert later.place_state("A1").phase == "reclaimable"


def test_with_another_policy_the_hold_goes_on_under_the_new_numbers() -> None:
    engine = running()
    take(engine, ["A1"])
    engine.advance(at(40))
    records = engine.take_changes()
    gentle = SiteEngine(PLAN, agreed(away=AwayFile(roomy_min=60)))
    gentle.restore(records, at(40))
    gentle.start(at(40))
    gentle.advance(at(59))
    assert gentle.place_state("A1").phase == "just_left"
    gentle.advance(at(60))
    assert gentle.place_state("A1").phase == "reclaimable"


def test_records_that_no_longer_fit_are_forgotten() -> None:
    engine = running()
    take(engine, ["A1", "E1"])
    records = engine.take_changes()
    records["place:A1"] = records["place:R1"]
    records["place:A2"] = b"{"
    records["group:f1-desk"] = b"[]]"
    later = SiteEngine(PLAN, agreed())
    later.restore(records, at(1))
    assert (later.place_state("A1").phase, later.place_state("A2").phase) == ("unknown", "unknown")
    assert later.place_state("E1").phase == "in_use"


def test_a_memory_of_the_other_model_is_forgotten_not_fatal() -> None:
    by_hand = running()
    take(by_hand, ["A1", "E1"])
    filtered = agreed(occupancy=OccupancyFile(model="filter"))
    for records, policy in (
        (by_hand.take_changes(), filtered),
        (running(filtered).take_changes(), agreed()),
    ):
        later = SiteEngine(PLAN, policy)
        later.restore(records, at(1))
        later.start(at(1))
        assert {later.place_state(place).phase for place in ("A1", "E1")} == {"unknown"}


PLACES = ["A1", "A2", "C1", "R1", "E1"]


WISHES = ["extend", "release", "exempt", "unexempt", "pause", "resume", "remind", "undo", "undo"]


@st.composite
def days(draw: st.DrawFn) -> list[tuple[datetime, Fact]]:
    """Random facts of a day and a half, from 08:00; some measured up to an hour earlier."""
    told: list[tuple[datetime, Fact]] = []
    minute = -120.0
    for number in range(draw(st.integers(1, 40))):
        minute += draw(st.sampled_from([0, 0.1, 1, 3, 7, 15, 31, 55, 95, 200]))
        what = draw(
            st.sampled_from(["link", "link", "motion", "motion", "motion", "gateway", "device", "ask"])
        )
        place = draw(st.sampled_from(PLACES))
        value = draw(st.booleans())
        sensors = PLAN.place[place].sensors_of("link" if what == "link" else "motion")
        if what == "gateway":
            status: Any = "online" if value else "offline"
            fact: Fact = GatewayStatus(
                site="klein", gateway="g1", status=status, at=at(minute) if value else None
            )
        elif what == "ask":
            action = draw(st.sampled_from(WISHES))
            asked = [
                one for _, one in told if isinstance(one, Request) and one.action not in {"undo", "pause"}
            ]
            if action == "undo" and asked:
                last = asked[-1]
                fact = request(action, last.place, "staff", minute, number, undoes=last.id)
            else:
                fact = request(action, place, draw(st.sampled_from(["staff", "desk"])), minute, number)
        elif what == "device" or not sensors:
            fact = event(PLAN.place[place].sensors[0].device, "availability", minute, value=value)
        else:
            late = draw(st.sampled_from([0, 0, 0, 0.05, 5, 60]))
            fact = event(sensors[0].device, sensors[0].kind, minute - late, sensors[0].channel, value=value)
        told.append((at(minute), fact))
    return told


def played(
    engine: SiteEngine, told: list[tuple[datetime, Fact]], outcomes: list[Outcome], *, times: int = 1
) -> SiteEngine:
    for now, fact in told:
        outcomes += [engine.apply(fact, now) for _ in range(times)]
    return engine


POLICIES = st.sampled_from(
    [
        agreed(),
        agreed(mode="shadow"),
        agreed(occupancy=OccupancyFile(model="filter")),
        agreed(
            mode="notes",
            zones={"w1": ZoneSettingFile(mode="active", stay_applies="always", stay_limit_min=60)},
            staffing=[StaffingFile(zone="balie", at_least=1, from_="08:30", to="17:00")],
        ),
    ]
)


def running_from(told: list[tuple[datetime, Fact]], policy: Policy) -> SiteEngine:
    """An engine whose sensors were heard half an hour before the first fact."""
    return heard(policy, told[0][0] - timedelta(minutes=30))


def test_the_stop_switch_is_written_down_also_in_the_instant_of_the_last_write() -> None:
    engine = heard(agreed(), TEN)
    engine.take_changes()
    engine.apply(request("pause", None, "staff"), TEN)
    written = engine.take_changes()
    again = SiteEngine(PLAN, agreed())
    again.restore(written, TEN)
    assert all(zone.paused for zone in again.all_states()[1])
    assert engine.take_changes() == {}


@settings(max_examples=25, deadline=None)
@given(days(), POLICIES, st.data())
def test_a_restart_is_no_restart(
    told: list[tuple[datetime, Fact]], policy: Policy, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(told)))
    whole: list[Outcome] = []
    straight = played(running_from(told, policy), told, whole)
    first: list[Outcome] = []
    engine = played(running_from(told, policy), told[:cut], first)
    records = dict(engine.take_changes())
    again = SiteEngine(PLAN, policy)
    assert engine.now is not None
    again.restore(records, engine.now)
    played(again, told[cut:], first)
    end = told[-1][0] + timedelta(hours=30)
    whole.append(straight.advance(end))
    first.append(again.advance(end))
    assert first == whole
    assert again.all_states() == straight.all_states()
    assert again.take_changes()["site"] == straight.take_changes()["site"]


@settings(max_examples=25, deadline=None)
@given(days(), POLICIES)
def test_duplicates_change_nothing(told: list[tuple[datetime, Fact]], policy: Policy) -> None:
    once: list[Outcome] = []
    twice: list[Outcome] = []
    one = played(running_from(told, policy), told, once)
    two = played(running_from(told, policy), told, twice, times=2)
    assert [s for o in once for s in o.place_states] == [s for o in twice for s in o.place_states]
    assert [d for o in once for d in o.decisions] == [d for o in twice for d in o.decisions]
    assert one.all_states() == two.all_states()


@settings(max_examples=25, deadline=None)
@given(days(), POLICIES)
def test_what_is_true_of_every_day(told: list[tuple[datetime, Fact]], policy: Policy) -> None:
    outcomes: list[Outcome] = []
    engine = played(running_from(told, policy), told, outcomes)
    outcomes.append(engine.advance(told[-1][0] + timedelta(hours=30)))
    phases: dict[str, str] = {}
    ids = [decision.id for outcome in outcomes for decision in outcome.decisions]
    assert len(ids) == len(set(ids))
    for outcome in outcomes:
        assert all(decision.counterfactual for decision in outcome.decisions)
        for zone in outcome.zone_states:
            assert zone.free + zone.reclaimable + zone.in_use + zone.unknown + zone.exempt == zone.capacity
        for state in outcome.place_states:
            if state.phase == "reclaimable":
                assert state.occupancy != "unknown"
                assert state.mode == "active"
            if state.occupancy == "unknown":
                assert state.phase in {"unknown", "exempt"}
            phases[state.place] = state.phase
        if policy.settings.mode == "shadow":
            assert outcome.commands == ()
            assert not any(d.acted for d in outcome.decisions if "asked by" not in d.counterfactual)
    _, zones = engine.all_states()
    for zone in zones:
        shown = [engine.place_state(place.id).phase for place in PLAN.zone[zone.zone].places]
        assert (zone.free, zone.reclaimable, zone.unknown, zone.exempt) == tuple(
            shown.count(phase) for phase in ("free", "reclaimable", "unknown", "exempt")
        )
    for place, phase in phases.items():
        assert engine.place_state(place).phase == phase


def outward(outcomes: list[Outcome]) -> list[tuple[Any, ...]]:
    """What anybody outside can see: of each place what changes on screens, pages, lists and lights."""
    seen: dict[str, tuple[Any, ...]] = {}
    found: list[tuple[Any, ...]] = []
    for outcome in outcomes:
        for state in outcome.place_states:
            told = (state.phase, state.occupancy, state.notice, state.limit_at, state.limit_kind)
            if seen.get(state.place) != told:
                seen[state.place] = told
                found.append((state.place, state.as_of, *told))
    return found


@settings(max_examples=12, deadline=None, phases=[Phase.generate])  # a day takes long to make smaller
@given(days(), st.sampled_from([BY_HAND, OccupancyFile(model="filter")]))
def test_in_shadow_the_world_sees_what_it_would_see_with_the_rules_off(
    told: list[tuple[datetime, Fact]], model: OccupancyFile
) -> None:
    # what people ask for is their own act: here nobody asks
    told = [item for item in told if not isinstance(item[1], Request)]
    assume(told)
    seen: dict[str, list[Outcome]] = {}
    for mode in ("off", "shadow"):
        outcomes = seen[mode] = []
        engine = played(running_from(told, agreed(mode=mode, occupancy=model)), told, outcomes)
        outcomes.append(engine.advance(told[-1][0] + timedelta(hours=30)))
    assert outward(seen["shadow"]) == outward(seen["off"])
    for outcome in seen["shadow"]:
        assert outcome.commands == outcome.replies == ()
        assert not any(decision.acted for decision in outcome.decisions)
        assert not any(tells(d, channel) for d in outcome.decisions for channel in get_args(Channel))
        assert not any(zone.reclaimable or zone.enforced or zone.paused for zone in outcome.zone_states)


def test_a_new_site_is_on_trial() -> None:
    assert {SiteEngine(PLAN, default("klein")).policy.mode(zone) for zone in PLAN.zone.values()} == {"shadow"}
