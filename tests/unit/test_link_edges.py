"""Which edges of a dock link count: drops and plugs that do not last are none, and late news counts from its moment."""

from __future__ import annotations

from workplace.occupancy.core import Core
from workplace.occupancy.edges import Debounce, Effective, effective
from workplace.occupancy.ground import FLAP, HIT, LINK
from workplace.occupancy.sensor_now import Event, SensorNow

DEBOUNCE = Debounce(up_ms=10_000, down_ms=60_000)


def core(level: int = 0, drops: tuple[int, ...] = ()) -> Core:
    link = SensorNow(is_trusted=True, value=level, drops=drops)
    return Core(0, (1.0,) + (0.0,) * 6, 0, 0, (link, SensorNow(is_trusted=True)))


def up(second: float) -> Event:
    return Event(int(second * 1000), 0, LINK, 1)


def down(second: float) -> Event:
    return Event(int(second * 1000), 0, LINK, 0)


def counted(found: Effective, code: int = LINK) -> list[tuple[int, int]]:
    return [(event.at // 1000, event.value) for event in found.events if event.code == code]


def at(second: float, events: list[Event], *, level: int = 0, drops: tuple[int, ...] = ()) -> Effective:
    return effective(core(level, drops), events, int(second * 1000), DEBOUNCE)


def test_a_plug_shows_at_once_is_settled_once_it_has_stayed_and_counts_from_its_own_moment() -> None:
    assert counted(at(9.9, [up(0)])) == [(0, 1)]
    assert at(9.9, [up(0)]).settles_at == 10_000
    assert counted(at(10, [up(0)])) == [(0, 1)]
    assert at(10, [up(0)]).settles_at is None


def test_a_plug_that_did_not_stay_leaves_nothing() -> None:
    assert counted(at(9, [up(0), down(8)])) == []


def test_a_short_drop_of_a_link_never_happened_but_is_remembered_as_a_flap() -> None:
    found = at(200, [down(100), up(130)], level=1)
    assert counted(found) == []
    assert counted(found, FLAP) == [(100, 0)]


def test_a_drop_that_lasts_counts_after_a_minute() -> None:
    assert counted(at(159, [down(100)], level=1)) == []
    assert counted(at(160, [down(100)], level=1)) == [(100, 0)]


def test_a_link_that_flaps_is_believed_to_be_down_only_after_five_minutes() -> None:
    drops = (10_000, 20_000, 30_000, 40_000)
    assert counted(at(161, [down(100)], level=1, drops=drops)) == []
    assert counted(at(401, [down(100)], level=1, drops=drops)) == [(100, 0)]


def test_flaps_of_an_hour_ago_are_forgotten() -> None:
    drops = (1_000, 2_000, 3_000, 4_000)
    assert counted(at(5061, [down(5000)], level=1, drops=drops)) == [(5000, 0)]


def test_a_repeated_level_is_no_edge() -> None:
    assert counted(at(100, [up(5), up(20)])) == [(5, 1)]


def test_other_events_count_at_once_and_stay_in_order() -> None:
    found = at(21, [Event(4_000, 1, HIT), up(5), Event(20_000, 1, HIT)])
    assert [(event.at, event.code) for event in found.events] == [(4000, HIT), (5000, LINK), (20000, HIT)]


def test_the_first_word_of_a_link_of_which_nothing_was_known_needs_no_flap_rule() -> None:
    assert counted(at(30, [down(1), up(15)], level=-1)) == [(1, 0), (15, 1)]
