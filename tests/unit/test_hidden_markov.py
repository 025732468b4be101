"""The occupancy filter, one place at a time: stories that a facilities manager knows, and laws for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workplace.floor_plan import Place, Sensor
from workplace.occupancy.generator import Habits, Motion
from workplace.occupancy.hidden_markov import FilterState, HiddenMarkov
from workplace.occupancy.interface import Belief, DeviceHeard, Evidence, GatewayHeard, Sensed
from workplace.occupancy.rates import TRAFFIC
from workplace.policy import default

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
LINK = Sensor("g", "node", "0", "link", "dock")
WIRED = Sensor("g", "node", "0", "motion", "pir", blind_s=10.0)
BATTERY = Sensor("g", "pir", None, "motion", "zigbee_pir", blind_s=60.0, beat_s=3600.0, end_timer_s=90.0)
RADAR = Sensor("g", "radar", None, "presence", "radar")
SEAT = Sensor("g", "seat", None, "occupancy", "ble_seat")


def place(*sensors: Sensor) -> Place:
    return Place("p", "p", "z", "f", 0, 0, 0, False, sensors, None)  # noqa: FBT003


#: An aisle as usual, but for company that stays for a moment.
COMPANY = next(n for n, aisle in enumerate(TRAFFIC) if aisle.following and aisle.idle == TRAFFIC[1].idle)
DESK, TABLE, DOCK_ONLY = place(LINK, WIRED), place(BATTERY), place(LINK)
RICH = place(LINK, WIRED, RADAR)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def model() -> HiddenMarkov:
    return HiddenMarkov.of(default("s"), ZoneInfo("Europe/Amsterdam"))


class Watched:
    """A place with everything heard an hour ago, nobody there, link down; minutes after nine."""

    def __init__(self, where: Place = DESK, *, heard: bool = True) -> None:
        self.place, self.model = where, model()
        self.state = self.model.start(where, at(-60))
        if heard:
            for number, sensor in enumerate(where.sensors):
                self.tell(-60, GatewayHeard(number, online=True))
                self.tell(-60, DeviceHeard(number, available=True, at=at(-60)))
                if sensor.kind != "motion":
                    self.tell(-60, Sensed(number, value=False, at=at(-60)))

    def tell(self, minute: float, evidence: Evidence) -> Watched:
        self.state = self.model.observe(self.place, self.state, evidence, at(minute))
        return self

    def link(self, minute: float, word: str) -> Watched:
        return self.tell(minute, Sensed(0, word == "up", at(minute)))

    def moves(self, *minutes: float, number: int = 1) -> Watched:
        for minute in minutes:
            self.tell(minute, Sensed(number, value=True, at=at(minute)))
            self.tell(minute + 0.1, Sensed(number, value=False, at=at(minute + 0.1)))
        return self

    def works(self, since: float, until: float) -> Watched:
        """Somebody at work moves every 90 s."""
        minute = since
        while minute <= until:
            self.moves(minute)
            minute += 1.5
        return self

    def then(self, minute: float) -> Belief:
        return self.model.belief(self.place, self.state, at(minute))


def arrived() -> Watched:
    """Somebody sat down at nine, docked a minute later and works until twenty past."""
    return Watched().moves(0).link(1, "up").works(1.5, 20)


# --- stories


def test_who_sits_down_is_seen_at_once_and_who_docks_is_certain() -> None:
    desk = Watched().moves(0, 0.3, 0.6)
    assert desk.then(0.6).verdict == "occupied"
    assert desk.link(1, "up").moves(1.5).then(2).p_occupied > 0.95


def test_a_passer_by_at_a_free_desk_changes_nothing() -> None:
    desk = Watched().moves(0)
    assert desk.then(0).verdict == "free"
    assert desk.then(10).verdict == "free"


def test_coffee_of_ten_minutes_takes_nobodys_desk_away() -> None:
    desk = arrived()
    assert {desk.then(minute).verdict for minute in range(20, 31)} <= {"occupied", "held"}
    assert desk.moves(30, 30.4, 31).then(31).verdict == "occupied"


def test_a_meeting_turns_the_desk_held_and_the_clock_begins_when_they_left() -> None:
    desk = arrived()
    belief = desk.then(50)
    assert belief.verdict == "held"
    assert belief.p_held > 0.9
    assert abs(belief.since - at(20)) <= timedelta(minutes=2)
    assert belief.last_sign_at == belief.since


def test_lunch_with_the_laptop_frees_the_desk() -> None:
    desk = arrived().link(20.5, "down")
    assert desk.then(21).verdict == "occupied"
    assert desk.then(40).verdict == "free"


def test_a_motion_sensor_that_never_saw_anybody_has_no_credit_and_earns_it_with_its_first_hit() -> None:
    """A dead sensor beside a dock: nobody it should have seen is called away by its silence."""
    desk = Watched().link(1, "up").link(30, "down").link(60, "up")
    assert desk.then(120).verdict == "occupied"  # in use, as far as anybody can tell
    assert desk.then(120).unverified  # no clock runs on a dock alone
    desk = desk.moves(121).works(122.5, 140)
    assert desk.then(170).verdict == "held"
    assert not desk.then(170).unverified


def test_a_motion_sensor_that_worked_may_miss_somebody_now_and_then() -> None:
    desk = Watched().moves(0).link(1, "up").works(1.5, 20).link(25, "down").link(60, "up").link(90, "down")
    assert desk.link(120, "up").then(180).verdict == "held"


def test_a_still_sitter_at_a_docked_laptop_is_not_sent_away() -> None:
    desk = arrived()
    for minute in range(26, 47, 5):
        desk.moves(minute)
        assert desk.then(minute).verdict == "occupied"
    assert desk.then(46).p_occupied > 0.9


def test_undocked_and_back_within_the_minute_was_nothing() -> None:
    desk = arrived()
    before = desk.then(20.2)
    desk.link(20.2, "down").link(20.7, "up")
    after = desk.then(21.5)
    assert after.verdict == before.verdict == "occupied"
    assert after.since == before.since


def test_a_dock_that_sleeps_over_night_is_not_somebody() -> None:
    desk = Watched().works(0, 30).link(1, "up").works(420, 540)  # until six in the evening
    desk.link(560, "down")
    night = desk.then(840)
    assert night.verdict != "occupied"
    assert night.p_occupied < 0.01


def test_a_thin_client_that_is_always_up_holds_but_is_never_somebody() -> None:
    desk = Watched().link(-59, "up")
    belief = desk.then(60)
    assert belief.verdict == "held"
    assert belief.p_occupied < 0.05


def test_a_bag_on_a_seat_is_not_believed_for_ever() -> None:
    seat = Watched(place(WIRED, SEAT)).moves(0, 0.5, 1, number=0)
    seat.tell(0.5, Sensed(1, value=True, at=at(0.5)))
    assert seat.then(2).verdict == "occupied"
    # Everybody left; only the bag presses, and no motion is seen for hours.
    assert seat.then(180).p_occupied < 0.5


def test_a_hit_come_late_from_before_the_hold_moves_its_clock() -> None:
    desk = arrived()
    before = desk.then(50).since
    desk.tell(50, Sensed(1, value=True, at=at(25)))
    assert desk.then(50.1).since > before


def test_what_is_older_than_fifty_minutes_changes_nothing() -> None:
    desk = arrived().works(20, 90)
    before = desk.then(91)
    desk.tell(91, Sensed(1, value=True, at=at(12.37)))
    assert desk.then(91).p_occupied == before.p_occupied


def test_text_that_a_device_is_not_sure_of_is_no_evidence() -> None:
    desk = arrived()
    before = desk.then(20.2).p_occupied
    assert desk.tell(20.2, Sensed(0, "pending", at(20.2))).then(20.2).p_occupied == before


# --- honesty


def test_before_anything_was_heard_a_place_is_unknown() -> None:
    assert Watched(heard=False).then(60).verdict == "unknown"


def test_a_dock_alone_is_used_unverified_and_no_clock_may_run() -> None:
    desk = Watched(DOCK_ONLY).link(0, "up")
    for minute in (1, 60, 300):
        belief = desk.then(minute)
        assert belief.verdict == "occupied"
        assert belief.unverified


def test_without_a_healthy_presence_sensor_no_hold_begins() -> None:
    desk = arrived().tell(21, DeviceHeard(1, available=False, at=at(21), reason="silent"))
    for minute in (22, 60, 240):
        belief = desk.then(minute)
        assert belief.verdict == "occupied"
        assert belief.unverified


def test_the_silence_of_a_dead_sensor_is_not_absence() -> None:
    desk = arrived()
    desk.tell(20.5, DeviceHeard(1, available=False, at=at(20.5), reason="silent"))
    desk.tell(60, DeviceHeard(1, available=True, at=at(60)))
    belief = desk.then(60.1)
    assert belief.verdict != "held" or belief.unverified
    assert belief.p_occupied > 0.3


def test_a_gateway_that_was_gone_leaves_no_verdict_behind() -> None:
    desk = arrived()
    for number in range(2):
        desk.tell(21, GatewayHeard(number, online=False))
    assert desk.then(40).verdict == "unknown"


# --- the first hour


def just_started(where: Place = DESK, *words: Evidence) -> Watched:
    """A place whose sensors are there since nine and have not said more than `words`; people sat before that."""
    watched = Watched(where, heard=False)
    watched.state = watched.model.start(where, at(0))
    for number in range(len(where.sensors)):
        watched.tell(0, GatewayHeard(number, online=True)).tell(
            0, DeviceHeard(number, available=True, at=at(0))
        )
    for word in words:
        watched.tell(0.1, word)
    return watched


@pytest.mark.parametrize(
    ("where", "words"),
    [
        pytest.param(TABLE, (), id="at a table without a dock"),
        pytest.param(DESK, (), id="at a desk whose dock said nothing yet"),
        pytest.param(DESK, (Sensed(0, value=False, at=at(0)),), id="at a desk with an empty dock"),
        pytest.param(DESK, (Sensed(0, value=True, at=at(0)),), id="at a desk with a laptop"),
    ],
)
def test_who_sat_there_before_we_began_to_listen_is_not_sent_away(
    where: Place, words: tuple[Evidence, ...]
) -> None:
    """A still sitter gives a first sign within 20 min; until then nobody may call the place free."""
    desk = just_started(where, *words)
    for minute in (1, 5, 8, 11, 13):
        assert desk.then(minute).verdict != "free"
    number = where.sensors.index(BATTERY if where is TABLE else WIRED)
    for minute in (14, 15.2, 16.4, 17.6, 18.8):
        desk.tell(minute, Sensed(number, value=True, at=at(minute)))
    assert desk.then(20).verdict == "occupied"


def test_a_place_that_stays_silent_is_free_within_the_hour() -> None:
    for desk in (just_started(TABLE), just_started(DESK, Sensed(0, value=False, at=at(0)))):
        assert desk.then(60).verdict == "free"


def test_after_nobody_listened_a_place_is_unknown_and_not_free() -> None:
    desk = Watched().tell(-59, Sensed(0, value=False, at=at(-59)))
    assert desk.then(30).verdict == "free"
    desk.state = desk.model.interrupted(desk.state, at(90))
    assert desk.then(92).verdict == "unknown"


# --- sensors with a timer


def test_while_a_timer_tells_no_end_somebody_moves_on() -> None:
    """The bridge says `true` once and `false` 90 s after the last hit; hits between them are not told."""
    table = Watched(TABLE)
    table.tell(0, Sensed(0, value=True, at=at(0)))
    assert table.then(4).verdict == "occupied"
    table.tell(5.5, Sensed(0, value=False, at=at(5.5)))
    assert table.then(5.6).p_occupied > 0.8


def test_one_hit_and_its_end_are_a_passer_by() -> None:
    table = Watched(TABLE)
    table.tell(0, Sensed(0, value=True, at=at(0))).tell(1.5, Sensed(0, value=False, at=at(1.5)))
    assert table.then(1.6).verdict == "free"
    assert table.then(20).p_occupied < 0.05


def test_an_end_that_got_lost_holds_no_place_for_long() -> None:
    table = Watched(TABLE)
    table.tell(0, Sensed(0, value=True, at=at(0)))
    assert table.then(60).verdict == "free"


def test_a_timer_that_never_tells_an_end_is_no_timer() -> None:
    """Some bridges pass on every hit and no end: then hits are hits, and their silence counts as of any sensor."""
    table, plain = Watched(TABLE), Watched(place(Sensor("g", "pir", None, "motion", "pir", blind_s=60.0)))
    for minute in (0, 2, 4, 6, 8, 10):
        for watched in (table, plain):
            watched.tell(minute, Sensed(0, value=True, at=at(minute)))
    assert table.then(35).p_occupied == pytest.approx(plain.then(35).p_occupied, abs=0.02)


def test_a_desk_sensor_that_repeats_that_nobody_is_there_saw_nobody() -> None:
    """Its heartbeat says `free` again every hour; that is no end of anything."""
    table = Watched(
        place(Sensor("g", "desk", None, "occupancy", "lora_desk", beat_s=3600.0, end_timer_s=300.0))
    )
    for minute in (0, 60, 120):
        before = table.then(minute).p_occupied
        table.tell(minute, Sensed(0, value=False, at=at(minute)))
        assert table.then(minute).p_occupied == pytest.approx(before, abs=0.01)
    table.tell(121, Sensed(0, value=True, at=at(121)))
    assert table.then(135).verdict == "occupied"
    assert table.then(200).verdict == "occupied"


# --- a hold and its clock


def test_a_sign_that_may_be_a_return_moves_no_clock_until_it_is_one() -> None:
    desk = arrived()
    before = desk.then(75).since
    desk.moves(80)
    if (doubtful := desk.then(80)).verdict == "held":
        assert doubtful.since == before
    assert desk.then(110).verdict == "held"
    assert abs(desk.then(110).since - before) <= timedelta(minutes=1)


def test_who_came_back_is_seen() -> None:
    assert arrived().moves(80, 80.4, 81).then(81).verdict == "occupied"


def test_a_place_held_for_hours_stays_held() -> None:
    desk = arrived()
    for hours in (2, 4, 6):
        belief = desk.then(20 + hours * 60)
        assert belief.verdict == "held"
        assert belief.p_occupied < 0.05


def test_a_dock_that_was_up_before_we_listened_holds_no_place() -> None:
    """Nobody docks at night: it may be a laptop left behind, and more often a dock that is up by itself."""
    desk = Watched(heard=False)
    desk.state = desk.model.start(DESK, at(-540))  # one in the morning
    for number in (0, 1):
        desk.tell(-540, GatewayHeard(number, online=True))
        desk.tell(-540, DeviceHeard(number, available=True, at=at(-540)))
    desk.link(-540, "up").works(0, 40)
    assert desk.then(40).verdict == "occupied"
    assert desk.then(100).verdict == "free"
    # once it was seen to change it is believed
    desk.link(110, "down").moves(112, 112.5).link(113, "up").works(113.5, 130)
    assert desk.then(170).verdict == "held"


def test_who_took_the_laptop_in_an_outage_holds_nothing() -> None:
    """The edge comes late, out of an outage: it is an edge all the same."""
    desk = arrived()
    for number in (0, 1):
        desk.tell(22, DeviceHeard(number, available=False, at=at(22), reason="silent"))
    for number in (0, 1):
        desk.tell(50, DeviceHeard(number, available=True, at=at(50)))
    desk.tell(50.1, Sensed(0, value=False, at=at(40)))
    later = desk.then(75)
    assert later.verdict != "held"
    assert later.p_held < 0.2


def test_a_seat_that_stays_on_is_somebody_and_its_flip_is_who_gets_up() -> None:
    chair = Watched(place(SEAT))
    chair.tell(0, Sensed(0, value=True, at=at(0)))
    assert chair.then(40).p_occupied > 0.85
    chair.tell(45, Sensed(0, value=False, at=at(45)))
    assert chair.then(45).p_occupied < 0.6
    assert chair.then(55).verdict == "free"


def test_a_link_that_stays_up_for_a_day_holds_no_place_any_more() -> None:
    desk = arrived()
    assert desk.then(60 * 6).verdict == "held"
    assert desk.then(60 * 26).verdict == "free"


def test_where_passers_by_stop_for_a_word_it_takes_longer_to_sit_down() -> None:
    hits = (0, 0.3, 0.6)
    desk, aisle = Watched().moves(*hits), Watched()
    aisle.model = HiddenMarkov.of(
        default("s"), ZoneInfo("Europe/Amsterdam"), {"p": Habits(Motion(1, COMPANY))}
    )
    aisle.moves(*hits)
    assert aisle.then(0.6).p_occupied < desk.then(0.6).p_occupied - 0.1
    assert aisle.works(2, 8).then(8).verdict == "occupied"


def test_an_end_that_stays_away_says_only_so_much() -> None:
    """One end in twenty is lost, so no lost end may make anybody sure of what was not likely before."""
    table = Watched(TABLE)
    table.tell(0, Sensed(0, value=True, at=at(0)))
    assert max(table.then(minute / 4).p_occupied for minute in range(8, 100)) < 0.95


# --- for every day

MINUTES = st.floats(0, 45, allow_nan=False).map(lambda minute: round(minute, 3))


@st.composite
def days(draw: st.DrawFn, where: Place = RICH) -> list[tuple[float, Sensed]]:
    """Readings of one place within 45 min, in order of time; no two of one sensor at one moment."""
    found: dict[tuple[int, float], tuple[float, Sensed]] = {}
    for number, sensor in enumerate(where.sensors):
        for minute in draw(st.lists(MINUTES, max_size=12)):
            value = True if sensor.kind == "motion" else draw(st.booleans())
            found[number, minute] = (minute, Sensed(number, value, at(minute)))
    return sorted(found.values(), key=lambda reading: reading[0])


def told(where: Place, readings: Iterable[tuple[float, Sensed]]) -> Watched:
    watched = Watched(where)
    for minute, reading in readings:
        watched.tell(minute, reading)
    return watched


def same(one: Belief, other: Belief) -> None:
    assert one.verdict == other.verdict
    assert one.p_occupied == pytest.approx(other.p_occupied, abs=1e-6)
    assert one.p_held == pytest.approx(other.p_held, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_the_order_in_which_readings_arrive_does_not_matter(
    day: list[tuple[float, Sensed]], random: object
) -> None:
    in_order = told(RICH, day)
    shuffled = list(day)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    late = told(RICH, [(46 + n / 1000, reading) for n, (_, reading) in enumerate(shuffled)])
    assert in_order.state.events == late.state.events
    one, other = in_order.then(48), late.then(48)
    if not {one.verdict, other.verdict} & {"unknown"} and not one.unverified and not other.unverified:
        same(one, other)


@settings(max_examples=25, deadline=None)
@given(days(), st.integers(1, 4))
def test_a_reading_that_comes_again_changes_nothing(day: list[tuple[float, Sensed]], often: int) -> None:
    once = told(RICH, day)
    again = told(RICH, [reading for reading in day for _ in range(often)])
    again = again if not day else again.tell(46, day[0][1])
    same(once.then(47), again.then(47))


@settings(max_examples=25, deadline=None)
@given(days(), st.lists(MINUTES, max_size=20))
def test_looking_more_often_changes_nothing(day: list[tuple[float, Sensed]], looks: Sequence[float]) -> None:
    once, watched = told(RICH, day), Watched(RICH)
    moments: list[tuple[float, Sensed | None]] = [*day, *((minute, None) for minute in looks)]
    for minute, reading in sorted(moments, key=lambda moment: moment[0]):
        if reading is None:
            watched.then(minute)
        else:
            watched.tell(minute, reading)
    assert once.then(47) == watched.then(47)


@settings(max_examples=25, deadline=None)
@given(days(), st.integers(0, 40))
def test_a_restart_is_no_restart(day: list[tuple[float, Sensed]], cut: int) -> None:
    once, restarted = told(RICH, day), told(RICH, day[:cut])
    restarted.state = msgspec.json.decode(msgspec.json.encode(restarted.state), type=FilterState)
    restarted.model = model()
    for minute, reading in day[cut:]:
        restarted.tell(minute, reading)
    assert once.then(47) == restarted.then(47)


@settings(max_examples=25, deadline=None)
@given(days(), st.integers(0, 2))
def test_losing_a_sensor_makes_nobody_surer(day: list[tuple[float, Sensed]], number: int) -> None:
    """Sure is how far the likeliest of the three lies above the rest; what is lost may not add to it."""
    desk = told(RICH, day)
    before = desk.then(46)
    after = desk.tell(46, DeviceHeard(number, available=False, at=at(46), reason="silent")).then(46)
    if not after.unverified and before.verdict != "unknown":
        assert sureness(after) <= sureness(before) + 1e-9


@settings(max_examples=25, deadline=None)
@given(days(), st.floats(46, 400))
def test_a_belief_is_a_belief(day: list[tuple[float, Sensed]], minute: float) -> None:
    belief = told(RICH, day).then(minute)
    assert belief.p_occupied + belief.p_held + belief.p_free == pytest.approx(1.0)
    assert belief.since <= at(minute)
    assert belief.wake_at is None or belief.wake_at > at(minute)


@settings(max_examples=30, deadline=None)
@given(days(DESK))
def test_between_two_wake_ups_the_verdict_stands(day: list[tuple[float, Sensed]]) -> None:
    desk = told(DESK, day)
    moment = at(46)
    for _ in range(8):
        belief = desk.model.belief(DESK, desk.state, moment)
        if belief.wake_at is None:
            break
        for share in (0.3, 0.6, 0.9):
            between = moment + (belief.wake_at - moment) * share
            assert desk.model.belief(DESK, desk.state, between).verdict == belief.verdict
        moment = belief.wake_at


def sureness(belief: Belief) -> float:
    return max(belief.p_occupied, belief.p_held, belief.p_free)


@pytest.mark.parametrize("starts_at", [-420.0, 0.0, 180.0, 600.0])
def test_who_sat_there_before_anybody_listened_is_there_since_we_know_it(starts_at: float) -> None:
    """At a place of which nothing was heard yet somebody may well be: no sign began that."""
    desk = Watched(heard=False)
    desk.state = desk.model.start(DESK, at(starts_at))
    for number in (0, 1):
        desk.tell(starts_at, GatewayHeard(number, online=True))
        desk.tell(starts_at, DeviceHeard(number, available=True, at=at(starts_at)))
    desk.link(starts_at + 1, "up")
    for minute in range(1, 30):
        desk.moves(starts_at + minute)
    belief = desk.model.belief(DESK, desk.state, at(starts_at + 30))
    assert belief.verdict == "occupied"
    assert belief.present_since is not None
    assert at(starts_at) <= belief.present_since <= at(starts_at + 2)
    assert belief.since == belief.present_since
