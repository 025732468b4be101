"""The hand-tuned occupancy rule, one place at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workplace.floor_plan import Place, Sensor
from workplace.occupancy.hand_tuned import HandTuned, HandTunedState
from workplace.occupancy.interface import Belief, DeviceHeard, Evidence, GatewayHeard, Sensed
from workplace.policy import default

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
MODEL = HandTuned.of(default("s"))
LINK = Sensor("g", "node", "0", "link")
WIRED = Sensor("g", "node", "0", "motion", blind_s=10.0)
BATTERY = Sensor("g", "pir", None, "motion", blind_s=60.0, beat_s=3600.0, end_timer_s=90.0)


def place(*sensors: Sensor) -> Place:
    return Place("p", "p", "z", "f", 0, 0, 0, False, sensors, None)  # noqa: FBT003


LEVEL = Sensor("g", "chair", None, "occupancy", beat_s=3600.0)
DOCKED, SEAT, DOCK_ONLY = place(LINK, WIRED), place(BATTERY), place(LINK)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


class Watched:
    """A place with everything heard at 09:00, and shorthand for what happens to it."""

    def __init__(self, where: Place = DOCKED, *, heard: bool = True) -> None:
        self.place, self.state = where, MODEL.start(where, NINE)
        if heard:
            for number in range(len(where.sensors)):
                self.tell(0, GatewayHeard(number, online=True))
                self.tell(0, DeviceHeard(number, available=True, at=NINE))

    def tell(self, minute: float, evidence: Evidence) -> Watched:
        self.state = MODEL.observe(self.place, self.state, evidence, at(minute))
        return self

    def sensed(self, minute: float, number: int, value: bool, measured: float | None = None) -> Watched:
        when = at(minute if measured is None else measured)
        return self.tell(minute, Sensed(number, value, when))

    def link(self, minute: float, word: str, measured: float | None = None) -> Watched:
        return self.sensed(minute, 0, word == "up", measured)

    def motion(self, minute: float, number: int = 1) -> Watched:
        return self.sensed(minute, number, value=True).sensed(minute + 0.1, number, value=False)

    def then(self, minute: float) -> Belief:
        return MODEL.belief(self.place, self.state, at(minute))


def test_before_anything_was_heard_a_place_is_unknown() -> None:
    belief = Watched(heard=False).then(60)
    assert belief.verdict == "unknown"
    assert "not_heard" in belief.reasons


def test_silence_counts_only_from_the_moment_of_listening() -> None:
    desk = Watched()
    assert desk.then(2.9).verdict == "unknown"
    assert desk.then(3).verdict == "free"
    assert desk.then(0).wake_at == at(3)


def test_a_link_shows_at_once_and_a_flap_leaves_nothing() -> None:
    desk = Watched().link(5, "up")
    assert desk.then(5).verdict == "occupied"
    desk.link(5.1, "down")
    assert desk.then(5.1).verdict == "free"
    assert desk.then(5.1).linked_since is None
    assert desk.then(5.1).last_sign_at is None


@pytest.mark.parametrize(
    ("minute", "verdict"),
    [
        pytest.param(29.9, "occupied", id="10 minutes of silence are needed with a laptop in the dock"),
        pytest.param(30.2, "held", id="after them the place is held"),
    ],
)
def test_a_docked_place_is_held_after_10_quiet_minutes(minute: float, verdict: str) -> None:
    desk = Watched().link(5, "up").motion(20)
    belief = desk.then(minute)
    assert belief.verdict == verdict
    if verdict == "held":
        assert belief.since == at(20.1)


def test_for_a_passer_by_at_an_empty_dock_3_minutes_are_enough() -> None:
    desk = Watched().motion(20)
    assert (desk.then(23).verdict, desk.then(23.2).verdict) == ("occupied", "free")


def test_who_works_without_plugging_in_is_there_until_the_vacancy_time() -> None:
    desk = Watched()
    for minute in range(20, 31, 2):
        desk.motion(minute)
    assert (desk.then(42).verdict, desk.then(42.2).verdict) == ("occupied", "free")


def test_who_unplugs_and_leaves_is_gone_after_3_minutes() -> None:
    desk = Watched().link(20, "up")
    for minute in range(20, 31, 2):
        desk.motion(minute)
    desk.link(30.2, "down")
    assert (desk.then(33).verdict, desk.then(33.2).verdict) == ("occupied", "free")


def test_a_stretch_of_presence_that_is_over_says_nothing_about_who_plugs_in_later() -> None:
    desk = Watched().link(20, "up").motion(20).motion(24).link(40, "down").link(140, "up")
    belief = desk.then(141)
    assert (belief.verdict, belief.since) == ("occupied", at(140))
    assert belief.present_since is None


def test_a_link_that_drops_for_less_than_a_minute_never_dropped() -> None:
    desk = Watched().link(5, "up").link(30, "down")
    assert desk.then(30.5).verdict == "held"
    desk.link(30.9, "up")
    assert desk.then(40).linked_since == at(5)


def test_a_link_that_stays_down_frees_a_quiet_place_at_once() -> None:
    desk = Watched().link(5, "up").link(30, "down")
    assert desk.then(31).verdict == "free"
    assert desk.then(30.5).wake_at == at(31)


def test_a_seat_with_a_pir_only_uses_the_vacancy_time_and_is_never_held() -> None:
    seat = Watched(SEAT).motion(20, 0)
    assert (seat.then(31.9).verdict, seat.then(32).verdict) == ("occupied", "free")


def test_a_dock_alone_is_in_use_unverified_or_free_and_never_held() -> None:
    dock = Watched(DOCK_ONLY).link(5, "up")
    belief = dock.then(300)
    assert (belief.verdict, belief.unverified) == ("occupied", True)
    dock.link(300, "down")
    assert dock.then(300.5).verdict == "occupied"
    assert dock.then(301).verdict == "free"


def test_motion_ended_is_no_absence() -> None:
    assert Watched(SEAT).motion(20, 0).then(21).verdict == "occupied"
    quiet = Watched(SEAT).sensed(12, 0, value=False)
    assert quiet.then(12).verdict == "free"


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(GatewayHeard(1, online=False), id="its gateway is lost"),
        pytest.param(DeviceHeard(1, available=False, at=at(21)), id="its device is lost"),
    ],
)
def test_a_free_place_is_unknown_when(evidence: Evidence) -> None:
    desk = Watched().tell(21, evidence)
    assert desk.then(21).verdict == "unknown"


def test_a_short_hiccup_does_not_restart_the_silence_and_a_long_one_does() -> None:
    short = Watched().tell(30, GatewayHeard(1, online=False)).tell(31, GatewayHeard(1, online=True))
    assert short.then(31).verdict == "free"
    long = Watched().tell(30, GatewayHeard(1, online=False)).tell(40, GatewayHeard(1, online=True))
    assert long.then(41).verdict == "unknown"
    assert long.then(43).verdict == "free"


def test_a_battery_pir_is_lost_after_three_beats() -> None:
    seat = Watched(SEAT)
    assert seat.then(179).verdict == "free"
    assert seat.then(180).verdict == "unknown"
    assert seat.then(100).wake_at == at(180)
    seat.tell(100, DeviceHeard(0, available=True, at=at(100)))
    assert seat.then(279).verdict == "free"


def test_a_late_event_never_moves_a_link_back() -> None:
    desk = Watched().link(10, "up").link(20, "down", measured=5)
    assert desk.then(20).linked_since == at(10)


def test_an_old_word_never_revives_a_lost_device() -> None:
    desk = Watched().tell(30, DeviceHeard(1, available=False, at=at(30)))
    desk.tell(31, DeviceHeard(1, available=True, at=at(29)))
    desk.sensed(31, 1, value=True, measured=28)
    assert desk.then(31).verdict == "unknown"
    desk.sensed(32, 1, value=True)
    assert desk.then(32).verdict == "occupied"


def test_a_clock_that_runs_ahead_claims_no_sign_in_the_future() -> None:
    seat = Watched(SEAT).sensed(20, 0, value=True, measured=24).sensed(21.5, 0, value=False, measured=25.5)
    assert seat.then(32).verdict == "free"


def test_while_the_end_of_a_timed_hit_stays_away_somebody_moves() -> None:
    seat = Watched(SEAT).sensed(0, 0, value=True)
    assert seat.then(25).verdict == "occupied"


def test_a_timed_end_dates_the_last_hit_one_timer_back() -> None:
    seat = Watched(SEAT).sensed(0, 0, value=True).sensed(20, 0, value=False)
    assert seat.then(20 - 1.5 + 11.9).verdict == "occupied"
    assert seat.then(20 - 1.5 + 12).verdict == "free"


def test_a_chair_that_repeats_that_it_is_free_is_alive_and_one_that_stays_away_is_unknown() -> None:
    chair = Watched(place(LEVEL)).sensed(0, 0, value=False)
    for hour in range(1, 9):
        chair.sensed(60 * hour, 0, value=False)
    assert chair.then(8 * 60 + 179).verdict == "free"
    assert chair.then(8 * 60 + 180).verdict == "unknown"
    assert "silent" in chair.then(8 * 60 + 180).reasons


def test_a_chair_that_says_for_hours_that_somebody_sits_is_believed_for_four_of_them() -> None:
    chair = Watched(place(LEVEL))
    for hour in range(7):
        chair.sensed(60 * hour, 0, value=True)
    assert chair.then(4 * 60).verdict == "occupied"
    assert chair.then(4 * 60 + 13).verdict == "free"
    chair.sensed(7 * 60, 0, value=False).sensed(7 * 60 + 1, 0, value=True)
    assert chair.then(7 * 60 + 2).verdict == "occupied"


def test_a_chair_that_is_back_from_a_loss_is_unknown_until_it_says_something_itself() -> None:
    chair = Watched(place(LEVEL)).sensed(0, 0, value=False)
    assert chair.then(13).verdict == "free"
    chair.tell(20, DeviceHeard(0, available=False, at=at(20), reason="link_lost"))
    assert chair.then(20).verdict == "unknown"
    chair.tell(50, DeviceHeard(0, available=True, at=at(50)))
    assert [chair.then(minute).verdict for minute in (50, 110)] == ["unknown"] * 2
    assert "not_heard" in chair.then(110).reasons
    chair.sensed(115, 0, value=True)
    assert chair.then(115).verdict == "occupied"


def test_a_chair_of_which_only_its_bridge_spoke_is_unknown() -> None:
    assert Watched(place(LEVEL)).then(60).verdict == "unknown"


def test_a_hiccup_of_a_chair_is_forgiven() -> None:
    chair = Watched(place(LEVEL)).sensed(0, 0, value=False)
    chair.tell(20, DeviceHeard(0, available=False, at=at(20), reason="link_lost"))
    chair.tell(21, DeviceHeard(0, available=True, at=at(21)))
    assert chair.then(21).verdict == "free"
    assert chair.then(90).verdict == "free"


def test_a_desk_sensor_that_frees_itself_by_a_timer_saw_the_last_movement_one_timer_ago() -> None:
    timed = Sensor("g", "desk", None, "occupancy", beat_s=3600.0, end_timer_s=300.0)
    desk = Watched(place(timed)).sensed(10, 0, value=True).sensed(45, 0, value=False)
    assert desk.then(44.9).verdict == "occupied"
    assert desk.then(51.9).last_sign_at == at(40)
    assert [desk.then(minute).verdict for minute in (51.9, 52)] == ["occupied", "free"]


def test_a_timed_hit_that_never_ends_is_believed_for_half_an_hour() -> None:
    seat = Watched(SEAT).sensed(0, 0, value=True)
    assert seat.then(30 + 11.9).verdict == "occupied"
    assert seat.then(30 + 12).verdict == "free"


EVIDENCE = st.one_of(
    st.builds(
        Sensed,
        sensor=st.integers(0, 1),
        value=st.booleans(),
        at=st.integers(0, 7200).map(lambda s: NINE + timedelta(seconds=s)),
        seq=st.none() | st.integers(0, 5),
    ),
    st.builds(
        DeviceHeard,
        sensor=st.integers(0, 1),
        available=st.booleans(),
        at=st.integers(0, 7200).map(lambda s: NINE + timedelta(seconds=s)),
    ),
)


@given(st.lists(EVIDENCE, max_size=30), st.data())
def test_duplicates_change_nothing_and_the_state_survives_writing(
    told: list[Evidence], data: st.DataObject
) -> None:
    once, twice = Watched(), Watched()
    for number, evidence in enumerate(told):
        once.tell(number, evidence)
        twice.tell(number, evidence)
        twice.tell(number, evidence)
        if data.draw(st.booleans()):
            written = msgspec.json.encode(twice.state)
            twice.state = msgspec.json.decode(written, type=HandTunedState)
    assert once.state == twice.state
    assert once.then(200) == twice.then(200)


@given(st.lists(EVIDENCE, min_size=1, max_size=30), st.integers(0, 1))
def test_losing_a_sensor_never_frees_a_place(told: list[Evidence], lost: int) -> None:
    desk = Watched()
    for evidence in told:
        desk.tell(130, evidence)
    before = desk.then(130).verdict
    desk.tell(130, GatewayHeard(lost, online=False))
    after = desk.then(130).verdict
    assert after in {before, "unknown", "occupied"}
    assert after != "free"


@given(st.lists(EVIDENCE, max_size=20))
def test_a_belief_holds_until_its_wake_up(told: list[Evidence]) -> None:
    desk = Watched()
    for number, evidence in enumerate(told):
        desk.tell(number, evidence)
    now = desk.then(130)
    if now.wake_at is not None:
        just_before = MODEL.belief(desk.place, desk.state, now.wake_at - timedelta(microseconds=1))
        assert (just_before.verdict, just_before.unverified) == (now.verdict, now.unverified)
