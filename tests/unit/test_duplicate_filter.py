"""What is news and what is only said again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.duplicate_filter import DuplicateFilter
from workplace.events import SensorEvent

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_numbers = count()


def event(kind: str = "link", value: Any = True, *, at_s: float = 0.0, **changes: Any) -> SensorEvent:
    at = NINE + timedelta(seconds=at_s)
    fields: dict[str, Any] = {
        "id": f"event-{next(_numbers):06d}",
        "site": "s",
        "gateway": "g",
        "device": "d1",
        "channel": "0",
        "kind": kind,
        "value": value,
        "measured_at": at,
        "clock": "device",
        "uncertainty_ms": 1,
        "received_at": at,
    }
    return SensorEvent(**(fields | changes))


HOUR = timedelta(hours=1)


def test_what_was_heard_while_the_clock_was_wrong_is_repeated_with_right_times() -> None:
    filter_ = DuplicateFilter()
    ahead = event(at_s=3600)
    assert filter_.why_not(ahead, is_edge=True) is None
    filter_.clock_stepped(-HOUR, NINE + timedelta(seconds=5))
    [repeated] = filter_.known_levels()
    assert (repeated.id, repeated.measured_at, repeated.received_at) == (ahead.id, NINE, NINE)
    filter_.expect_again()
    assert filter_.why_not(event(at_s=6), is_state_report=True) is None
    assert filter_.why_not(event(at_s=16), is_state_report=True) == "unchanged_level"


def test_a_step_leaves_the_times_of_a_network_and_moves_nothing_into_the_future() -> None:
    filter_ = DuplicateFilter()
    filter_.remember(event("occupancy", clock="network", at_s=-9))
    filter_.remember(event(at_s=1))  # heard after the clock was set and before that was noticed
    filter_.clock_stepped(HOUR, NINE + timedelta(seconds=2))
    told = {known.kind: known.measured_at for known in filter_.known_levels()}
    assert told == {"occupancy": NINE - timedelta(seconds=9), "link": NINE + timedelta(seconds=2)}


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        pytest.param(event(), event(), "unchanged_level", id="a dock that is still up is no news"),
        pytest.param(event(), event(value=False), None, id="a dock that went down is news"),
        pytest.param(event(), event(channel="1"), None, id="another desk of the same node is news"),
        pytest.param(event(), event(device="d2"), None, id="another node is news"),
        pytest.param(event("occupancy"), event("presence"), None, id="another kind is news"),
        pytest.param(event(retained=True), event(), None, id="the first live word after a kept one is news"),
        pytest.param(
            event(), event(retained=True), "unchanged_level", id="a kept word that only agrees is no news"
        ),
        pytest.param(
            event("occupancy", value=False),
            event("occupancy", value=False, at_s=239),
            "unchanged_level",
            id="a seat that is still free is no news for four minutes",
        ),
        pytest.param(
            event("occupancy", value=False),
            event("occupancy", value=False, at_s=240),
            None,
            id="after that it is a sign of life",
        ),
        pytest.param(
            event(retained=True),
            event(retained=True, at_s=9000),
            "unchanged_level",
            id="what a broker repeats is no sign of life",
        ),
        pytest.param(
            event("availability"),
            event("availability", at_s=9000),
            "unchanged_level",
            id="that a device is there is told once",
        ),
        pytest.param(
            event("motion", value=False),
            event("motion", value=False, at_s=60),
            "unchanged_level",
            id="a PIR that is still quiet is no news",
        ),
        pytest.param(
            event("motion", value=False),
            event("motion", value=False, at_s=300),
            None,
            id="its telemetry after five minutes is a sign of life",
        ),
        pytest.param(
            event("motion"), event("motion", at_s=0.9), "motion_burst", id="two hits of a PIR in 1 s are one"
        ),
        pytest.param(event("motion"), event("motion", at_s=1), None, id="a hit after 1 s is another one"),
        pytest.param(
            event("motion"),
            event("motion", value=False, at_s=0.5),
            None,
            id="the end of motion is always news",
        ),
        pytest.param(
            event("motion", value=False),
            event("motion", at_s=0.5),
            None,
            id="motion after its end is always news",
        ),
        pytest.param(
            event("motion"), event("motion", at_s=0.5, historical=True), None, id="a late record is kept"
        ),
        pytest.param(
            event("button"), event("button"), None, id="a button may be pressed as often as one likes"
        ),
        pytest.param(
            event("environment", 21.0),
            event("environment", 25.0, at_s=59),
            "report_too_soon",
            id="a temperature is wanted once a minute",
        ),
        pytest.param(
            event("environment", 21.0),
            event("environment", 21.0, at_s=60),
            None,
            id="also when it is the same",
        ),
        pytest.param(
            event("battery", 80),
            event("battery", 79.5, at_s=60),
            "report_too_soon",
            id="half a percent is no news",
        ),
        pytest.param(event("battery", 80), event("battery", 79, at_s=60), None, id="one percent is news"),
        pytest.param(
            event("battery", 80), event("battery", 80, at_s=86_400), None, id="a battery is told once a day"
        ),
    ],
)
def test_news(before: SensorEvent, now: SensorEvent, reason: str | None) -> None:
    heard = DuplicateFilter()
    assert heard.why_not(before) is None
    assert heard.why_not(now) == reason


def test_a_pir_that_is_still_on_is_no_new_hit_but_one_that_was_missed_is() -> None:
    heard = DuplicateFilter()
    assert heard.why_not(event("motion")) is None
    heard.expect_again()
    still_on = event("motion", at_s=60)
    assert heard.why_not(still_on, is_state_report=True) == "unchanged_level"
    assert heard.why_not(event("motion", value=False, at_s=70), is_state_report=True) is None
    assert heard.why_not(event("motion", at_s=80), is_state_report=True) is None


def test_a_wired_level_is_no_sign_of_life_however_late_it_comes() -> None:
    heard = DuplicateFilter()
    assert heard.why_not(event(), is_state_report=True) is None
    assert heard.why_not(event(at_s=9000), is_state_report=True) == "unchanged_level"


def test_an_id_that_was_forwarded_is_never_forwarded_again() -> None:
    heard, first = DuplicateFilter(), event("motion")
    assert heard.why_not(first) is None
    assert heard.why_not(event("motion", at_s=30)) is None
    assert heard.why_not(first) == "repeated_id"


def test_the_window_of_ids_is_bounded() -> None:
    heard = DuplicateFilter(window=3)
    presses = [event("button") for _ in range(5)]
    assert [heard.why_not(press) for press in presses] == [None] * 5
    assert heard.why_not(presses[-1]) == "repeated_id"
    assert heard.why_not(presses[0]) is None


def test_after_a_reconnect_each_unchanged_level_passes_once() -> None:
    heard = DuplicateFilter()
    heard.why_not(event())
    heard.why_not(event(device="d2"))
    heard.expect_again("d1")
    assert heard.why_not(event()) is None
    assert heard.why_not(event()) == "unchanged_level"
    assert heard.why_not(event(device="d2")) == "unchanged_level"
    heard.expect_again()
    assert heard.why_not(event(device="d2")) is None


def test_the_known_levels_are_the_last_ones_forwarded() -> None:
    heard = DuplicateFilter()
    up, down, kept = event(), event(value=False), event("occupancy", retained=True)
    for one in (up, event("motion"), down, kept, event(value=True, retained=True), event(historical=True)):
        heard.why_not(one)
    assert heard.known_levels() == [down, kept]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=40))
def test_whoever_gets_only_the_news_knows_every_level(said: list[tuple[str, bool, bool]]) -> None:
    heard = DuplicateFilter()
    truth: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for device, value, again in said:
        if again:
            heard.expect_again()
        one = event(value=value, device=device)
        truth[device] = value
        if heard.why_not(one) is None:
            told[device] = value
        assert heard.why_not(msgspec.structs.replace(one)) in {"repeated_id", "unchanged_level"}
    assert told == truth


def test_a_numbered_edge_is_news_although_the_edge_before_it_is_still_on_its_way() -> None:
    """In, out, in; a bit error delays the second: all three must reach the site, and the last one holds."""
    heard = DuplicateFilter()
    came_in, went_out, came_back = (
        event(value=value, at_s=at_s, seq=seq)
        for seq, (value, at_s) in enumerate([(True, 0), (False, 5), (True, 9)], 1)
    )
    for edge in (came_in, came_back, went_out):
        assert heard.why_not(edge, is_edge=True) is None
    assert heard.why_not(came_back, is_edge=True) == "repeated_id"
    assert heard.why_not(event(at_s=10), is_state_report=True) == "unchanged_level"
