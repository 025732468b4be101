"""How the channels are doing, as the interface and the staff page say it: a failure shows, silence shows too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.api.views import channel_answers, channel_reasons
from dashboard.i18n import words
from dashboard.live_site import LiveSite
from dashboard.staff import channels
from workplace import codec
from workplace.events import ChannelHealth, NotifierHealth
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TOPIC = Topics("klein").notifier_health()


def health(*states: Any, reads: bool = True, reason: str = "") -> NotifierHealth:
    made = tuple(
        ChannelHealth(name=f"c{n}", kind="webhook", state=state, reason=reason, waiting=n, sent=5, expired=2)
        for n, state in enumerate(states)
    )
    return NotifierHealth(site="klein", at=NINE, version="1", reads_decisions=reads, channels=made)


class Listening:
    """A page's view of the site, with a clock by hand."""

    def __init__(self, plan: FloorPlan) -> None:
        self.now_s = 100.0
        self.live = LiveSite(plan, None, monotonic=lambda: self.now_s)  # type: ignore[arg-type]

    def hear(self, payload: bytes, *, retained: bool = False) -> None:
        self.live.feed(Received(TOPIC, payload, retained))


@pytest.mark.parametrize(
    ("made", "age_s", "then"),
    [
        pytest.param(None, None, [], id="a site without channels has nothing to say of them"),
        pytest.param(health("ok", "ok"), 3.0, [], id="all is well"),
        pytest.param(health("ok", "failing"), 3.0, ["channel_failing:c1"], id="one fails, and is named"),
        pytest.param(health("closed"), 3.0, ["channel_closed:c0"], id="one wants nothing any more"),
        pytest.param(
            health("ok", reads=False), 3.0, ["channels_read_no_decisions"], id="the record is out of reach"
        ),
        pytest.param(health("failing"), 31.0, ["channels_silent"], id="the notifier is silent"),
    ],
)
def test_what_is_wrong_with_the_channels(made: Any, age_s: float | None, then: list[str]) -> None:
    assert channel_reasons(made, age_s) == then


def test_the_interface_gives_every_number(small_plan: FloorPlan) -> None:
    (answer,) = channel_answers(health("failing", reason="http_503"))
    assert (answer.name, answer.state, answer.reason, answer.sent, answer.expired) == (
        "c0",
        "failing",
        "http_503",
        5,
        2,
    )


def test_a_notifier_that_died_before_we_listened_is_silent_not_well(small_plan: FloorPlan) -> None:
    page = Listening(small_plan)
    page.hear(codec.encode(health("ok")), retained=True)
    page.now_s += 29
    assert channel_reasons(*page.live.notifier()) == []
    page.now_s += 2
    assert channel_reasons(*page.live.notifier()) == ["channels_silent"]
    page.hear(codec.encode(health("ok")))
    assert channel_reasons(*page.live.notifier()) == []


def test_a_notifier_that_stopped_on_purpose_is_no_fault(small_plan: FloorPlan) -> None:
    page = Listening(small_plan)
    page.hear(codec.encode(health("ok")))
    page.hear(b"")
    page.now_s += 1000
    assert page.live.notifier() == (None, None)
    assert not page.live.rejected


def test_word_of_another_site_is_refused(small_plan: FloorPlan) -> None:
    page = Listening(small_plan)
    page.hear(codec.encode(NotifierHealth(site="elders", at=NINE, version="1", reads_decisions=True)))
    assert page.live.notifier() == (None, None)
    assert page.live.rejected == {"wrong_site": 1}


@pytest.mark.parametrize(
    ("reason", "then"),
    [
        ("network", "niet bereikbaar"),
        ("http_410", "het wil geen berichten meer"),
        ("http_502", "het antwoordt 502"),
        ("something_new", "something_new"),
    ],
)
def test_the_staff_page_says_which_channel_fails_and_why(reason: str, then: str) -> None:
    text = str(channels.channels(health("failing", reason=reason), 2.0, words("nl")))
    assert "verstoord" in text or "gestoord" in text or words("nl")("disturbed") in text
    assert then in text


def test_the_staff_page_says_that_nobody_is_told_anything() -> None:
    said = words("nl")
    assert "niemand bericht" in str(channels.channels(None, None, said))
    assert "zwijgt al 40 s" in str(channels.channels(health("ok"), 40.0, said))
    assert "kan de besluiten niet lezen" in str(channels.channels(health("ok", reads=False), 2.0, said))
