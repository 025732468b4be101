"""One change per change, and no desk freed because a switch failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.link_book import (
    DROP_WAIT,
    SETTLE,
    Change,
    LinkBook,
    LinkIs,
    LinkNews,
    MassEvent,
    PortCloses,
    PortOpens,
    Settled,
)
from gateway.switch_ports import PortState

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UP, DOWN, SHUT = PortState(is_up=True), PortState(is_up=False), PortState(is_up=False, is_admin_down=True)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def news(
    port: str,
    seconds: float,
    via: str = "traps",
    uptime: int | None = None,
    *,
    is_up: bool,
    closed: bool | None = None,
) -> LinkNews:
    return LinkNews(port, is_up, at(seconds), via, uptime, closed)


up, down = partial(news, is_up=True), partial(news, is_up=False)


def book_of(count: int, *, of_them_up: int | None = None, has_poll: bool = True) -> LinkBook:
    """Return a book of ports p1, p2, ..., all up unless told otherwise."""
    book = LinkBook(has_poll=has_poll)
    ups = count if of_them_up is None else of_them_up
    states = {f"p{n}": UP if n <= ups else DOWN for n in range(1, count + 1)}
    book.polled(states, at(-100), at(-99))
    return book


def levels(changes: list[Change]) -> list[tuple[str, bool]]:
    return [(change.port, change.is_up) for change in changes if isinstance(change, LinkIs)]


def test_a_laptop_that_comes_is_told_at_once_and_only_once() -> None:
    book = book_of(10, of_them_up=5)
    told = book.tell(up("p9", 0))
    told += book.tell(up("p9", 0.2, via="syslog"))
    told += book.tell(up("p9", 1.1, via="syslog"))
    assert levels(told) == [("p9", True)]


def test_a_laptop_that_leaves_is_told_after_the_wait_with_the_time_at_which_it_left() -> None:
    book = book_of(10)
    assert book.tell(down("p1", 0)) == []
    assert book.due(at(9.9)) == []
    assert book.wake_at == at(10)
    assert book.due(at(10)) == [LinkIs("p1", is_up=False, at=at(0))]


def test_a_flap_within_the_wait_is_told_as_it_was() -> None:
    book = book_of(10)
    book.tell(down("p1", 0))
    assert book.tell(up("p1", 3)) == [LinkIs("p1", is_up=False, at=at(0)), LinkIs("p1", is_up=True, at=at(3))]


def test_a_late_line_about_the_drop_does_not_undo_the_new_link() -> None:
    book = book_of(10)
    told = [
        *book.tell(down("p1", 0, "traps")),
        *book.tell(up("p1", 2, "traps")),
        *book.tell(down("p1", 2.5, "syslog")),
        *book.tell(up("p1", 4, "syslog")),
        *book.due(at(60)),
    ]
    assert levels(told) == [("p1", False), ("p1", True)]


def test_traps_that_overtake_each_other_are_put_right_by_the_uptime_of_the_switch() -> None:
    book = book_of(10)
    told = [*book.tell(up("p1", 0, uptime=2_000)), *book.tell(down("p1", 0.1, uptime=1_900))]
    assert levels([*told, *book.due(at(60))]) == [("p1", True)]
    assert book.counters == {"reordered": 1}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=30),
    st.lists(st.integers(0, 3), max_size=60),
)
def test_however_often_each_change_is_told_it_comes_out_once(
    changes: list[tuple[int, bool]], copies: list[int]
) -> None:
    book, told, truth = book_of(40, of_them_up=40), [], {}
    seconds = 0.0
    for step, (number, is_up) in enumerate(changes):
        seconds += 20
        port = f"p{number}"
        truth.setdefault(port, [True])
        if truth[port][-1] != is_up:
            truth[port].append(is_up)
        for copy in range(1 + (copies[step] if step < len(copies) else 0)):
            told += book.tell(news(port, seconds + copy / 10, ("traps", "syslog")[copy % 2], is_up=is_up))
    told += book.due(at(seconds + 60))
    for port, states in truth.items():
        seen = [True]
        for name, is_up in levels(told):
            if name == port and is_up != seen[-1]:
                seen.append(is_up)
        assert seen == states


# --- mass events ---


@pytest.mark.parametrize(
    ("drops", "is_mass"),
    [
        pytest.param(3, False, id="three of ten links within ten seconds are three people who leave"),
        pytest.param(4, True, id="four of ten are a fault of the switch"),
    ],
)
def test_more_than_thirty_percent_at_once_is_a_fault(drops: int, is_mass: bool) -> None:
    book = book_of(10)
    told: list[Change] = []
    for number in range(1, drops + 1):
        told += book.tell(down(f"p{number}", number))
    told += book.due(at(60))
    assert any(isinstance(change, MassEvent) for change in told) == is_mass
    assert len(levels(told)) == (0 if is_mass else drops)


def test_the_same_four_within_a_minute_are_people() -> None:
    book = book_of(10)
    told: list[Change] = []
    for number in range(1, 5):
        told += book.tell(down(f"p{number}", number * 15))
    told += book.due(at(100))
    assert levels(told) == [(f"p{number}", False) for number in range(1, 5)]


def test_two_of_two_laptops_that_leave_together_are_no_fault() -> None:
    book = book_of(10, of_them_up=2)
    book.tell(down("p1", 0))
    book.tell(down("p2", 1))
    assert levels(book.due(at(20))) == [("p1", False), ("p2", False)]


@settings(deadline=None)
@given(st.integers(3, 48), st.randoms(use_true_random=False), st.floats(0, 9))
def test_a_switch_that_goes_down_frees_nobody_and_gives_one_alarm(count: int, random, within: float) -> None:  # type: ignore[no-untyped-def]
    book = book_of(count)
    ports = [f"p{n}" for n in range(1, count + 1)]
    random.shuffle(ports)
    told: list[Change] = []
    for number, port in enumerate(ports):
        told += book.tell(down(port, within * number / count))
    told += book.due(at(500))
    assert levels(told) == []
    assert sum(isinstance(change, MassEvent) for change in told) == 1
    # it comes back, some later than others; only a poll after the quiet says what holds
    for number, port in enumerate(ports[1:]):
        told += book.tell(up(port, 200 + number / 10))
    assert book.settles_at is not None
    before, after = book.settles_at - timedelta(seconds=1), book.settles_at
    states = dict.fromkeys(ports, UP) | {ports[0]: DOWN}
    told += book.polled(states, before, before)
    assert levels(told) == []
    final = book.polled(states, after, after)
    assert isinstance(final[0], Settled)
    assert dict(levels(final)) == {port: port != ports[0] for port in ports}
    assert not book.is_suspended


def test_a_poll_that_finds_most_links_gone_is_believed_only_when_a_later_one_says_the_same() -> None:
    book = book_of(10)
    gone = {f"p{n}": DOWN for n in range(1, 11)}
    first = book.polled(gone, at(0), at(1))
    assert first == [MassEvent(at(0), 10, 10)]
    assert book.polled(gone, at(30), at(31)) == []
    assert book.polled(gone, at(0) + SETTLE, at(61))[0] == Settled(at(60))


def test_a_gateway_that_starts_in_the_middle_of_a_fault_frees_nobody() -> None:
    book = LinkBook()
    told = [change for n in range(1, 9) for change in book.tell(down(f"p{n}", n / 10))]
    assert levels([*told, *book.due(at(60))]) == []
    assert book.is_suspended


def test_without_polls_a_mass_event_ends_by_itself_with_what_was_told() -> None:
    book = LinkBook(has_poll=False)
    for n in range(1, 5):
        book.tell(down(f"p{n}", 0))
    book.tell(up("p1", 30))
    assert book.due(at(89)) == []
    assert levels(book.due(at(90))) == [("p1", True), ("p2", False), ("p3", False), ("p4", False)]


# --- ports that an administrator closes ---


def test_a_closed_port_is_no_undock() -> None:
    book = book_of(10)
    told = book.tell(down("p1", 0, closed=True))
    told += book.tell(down("p1", 1, via="syslog"))  # the line protocol, which does not know why
    told += book.due(at(60))
    told += book.polled({"p1": SHUT}, at(61), at(62))
    assert levels(told) == []
    assert PortCloses("p1", at(0)) in told


def test_a_line_protocol_line_that_comes_before_the_reason_is_no_undock_either() -> None:
    book = book_of(10)
    book.tell(down("p1", 0, via="syslog"))
    told = [*book.tell(down("p1", 0.5, closed=True)), *book.due(at(60))]
    assert told == [PortCloses("p1", at(0.5))]


def test_an_opened_port_can_be_used_again() -> None:
    book = book_of(2)
    book.tell(down("p1", 0, closed=True))
    assert book.tell(up("p1", 20, closed=False)) == [
        PortOpens("p1", at(20)),
        LinkIs("p1", is_up=True, at=at(20)),
    ]


def test_closing_a_whole_switch_by_hand_is_no_mass_event() -> None:
    book = book_of(10)
    told = [change for n in range(1, 11) for change in book.tell(down(f"p{n}", n / 10, closed=True))]
    assert not any(isinstance(change, MassEvent) for change in told)
    assert levels([*told, *book.due(at(60))]) == []


def test_a_port_that_is_gone_from_the_switch_is_unknown_and_comes_back_with_its_level() -> None:
    book = book_of(4)
    rest = {f"p{n}": UP for n in range(2, 5)}
    assert PortCloses("p1", at(0), "port_gone") in book.polled(rest, at(0), at(1))
    again = book.polled(rest | {"p1": DOWN}, at(120), at(121))
    assert again[:1] == [PortOpens("p1", at(120))] or PortOpens("p1", at(120)) in again
    assert ("p1", False) in levels(again)


# --- polls ---


def test_a_poll_puts_right_what_was_lost() -> None:
    book = book_of(10)
    states = {f"p{n}": UP for n in range(1, 11)} | {"p3": DOWN}
    assert ("p3", False) in levels(book.polled(states, at(0), at(1)))


def test_a_poll_that_began_before_a_trap_does_not_undo_it() -> None:
    book = book_of(10, of_them_up=9)
    book.tell(up("p10", 1))
    states = {f"p{n}": UP for n in range(1, 10)} | {"p10": DOWN}
    assert "p10" not in dict(levels(book.polled(states, at(0.5), at(2))))


def test_a_state_that_the_switch_does_not_know_makes_the_port_unknown_and_not_empty() -> None:
    book = book_of(2)
    changes = book.polled({"p1": PortState(is_up=None), "p2": UP}, at(0), at(1))
    assert changes == [PortCloses("p1", at(0), "state_unknown"), LinkIs("p2", is_up=True, at=at(0))]
    assert book.tell(up("p1", 5))[0] == PortOpens("p1", at(5))


@settings(deadline=None)
@given(st.data())
def test_any_order_of_anything_keeps_the_rules(data: st.DataObject) -> None:
    """No drop is told before its wait, none within a mass event, and the end of one is told first."""
    book = book_of(6, of_them_up=data.draw(st.integers(0, 6)))
    now, suspended = 0.0, False
    for _ in range(data.draw(st.integers(0, 25))):
        now += data.draw(st.floats(0, 40))
        if data.draw(st.booleans()):
            port = f"p{data.draw(st.integers(1, 6))}"
            changes = book.tell(
                news(
                    port, now, data.draw(st.sampled_from(["traps", "syslog"])),
                    data.draw(st.none() | st.integers(0, 9_000)),
                    is_up=data.draw(st.booleans()), closed=data.draw(st.none() | st.booleans()),
                )
            )  # fmt: skip
        else:
            states = {f"p{n}": data.draw(st.sampled_from([UP, DOWN, SHUT])) for n in range(1, 7)}
            changes = book.polled(states, at(now), at(now))
        for change in changes:
            suspended = isinstance(change, MassEvent) or (suspended and not isinstance(change, Settled))
            assert not (suspended and isinstance(change, LinkIs))
        assert book.is_suspended == suspended
        assert book.wake_at is None or book.wake_at <= at(now) + max(DROP_WAIT, SETTLE)
