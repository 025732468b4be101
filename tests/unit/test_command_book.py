"""A command reaches its device once it can, is not repeated for nothing, and never outlives its time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.formats.esphome_light import EsphomeLights
from gateway.command_book import CommandBook
from gateway.command_desk import CommandDesk
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.sources.mqtt_devices import MqttDeviceSource
from gateway.sources.source import Source
from workplace.codec import encode
from workplace.events import Command, SourceHealth
from workplace.ports import Received
from workplace.readings import Decoded

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def command(number: int = 1, **changes: Any) -> Command:
    found = Command(
        id=f"command-{number}",
        site="klein",
        gateway="gw-1",
        device="esphome-desk",
        channel=None,
        light="reclaimable",
        issued_at=NINE + timedelta(seconds=number),
        valid_until=NINE + timedelta(hours=1),
    )
    return msgspec.structs.replace(found, **changes)


def test_it_is_tried_at_once_then_ever_less_often_until_confirmed() -> None:
    book = CommandBook()
    assert book.place(command(), NINE, 0.0) == "new"
    tries = [second for second in range(400) if book.take_due(NINE, second * 1000.0)]
    assert tries == [0, 2, 6, 14, 30, 62, 122, 182, 242, 302, 362]
    book.confirmed("command-1")
    assert (book.take_due(NINE, 1e9), book.next_due_ms()) == ([], None)
    assert book.counters["commands_confirmed"] == 1


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        pytest.param(
            command(1), "repeated", id="the same command again changes nothing while it is under way"
        ),
        pytest.param(command(0), "superseded", id="an older one that comes late is left out"),
        pytest.param(command(2), "new", id="a newer one takes its place"),
        pytest.param(command(2, valid_until=NINE), "expired", id="one that has expired is left out"),
        pytest.param(command(0, channel="left"), "new", id="another channel is another matter"),
    ],
)
def test_the_newest_command_of_a_channel_wins(second: Command, verdict: str) -> None:
    book = CommandBook()
    book.place(command(1), NINE, 0.0)
    assert book.place(second, NINE, 0.0) == verdict


def test_a_command_that_was_confirmed_may_be_given_again() -> None:
    book = CommandBook()
    book.place(command(), NINE, 0.0)
    book.confirmed("command-1")
    assert book.place(command(), NINE, 5.0) == "new", "the device may have restarted since"


def test_nothing_is_tried_after_its_time() -> None:
    book = CommandBook()
    book.place(command(), NINE, 0.0)
    assert book.take_due(NINE + timedelta(hours=1), 0.0) == []
    assert (book.next_due_ms(), book.counters["commands_expired"]) == (None, 1)


def test_a_device_that_shows_it_confirms_it_and_only_that() -> None:
    book = CommandBook()
    book.place(command(), NINE, 0.0)
    book.shown("esphome-desk", None, "free")
    book.shown("esphome-other", None, "reclaimable")
    assert book.next_due_ms() is not None
    book.shown("esphome-desk", None, "reclaimable")
    assert book.next_due_ms() is None


def test_a_failure_is_news_once() -> None:
    book = CommandBook()
    book.place(command(), NINE, 0.0)
    assert [book.failed("command-1"), book.failed("command-1"), book.failed("unknown")] == [True, False, True]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(["place", "due", "confirm"]),
            st.integers(0, 120),
            st.integers(1, 90),
        ),
        max_size=40,
    )
)
def test_whatever_happens_only_the_newest_living_command_is_tried(
    story: list[tuple[int, str, int, int]],
) -> None:
    book, now_s, newest = CommandBook(), 0, -1
    for number, what, wait_s, lasts_s in story:
        now_s += wait_s
        now = NINE + timedelta(seconds=now_s)
        if what == "place":
            said = command(number, valid_until=now + timedelta(seconds=lasts_s))
            if book.place(said, now, now_s * 1000.0) == "new":
                assert number >= newest
                newest = number
        elif what == "confirm":
            book.confirmed(f"command-{number}")
        else:
            for tried in book.take_due(now, now_s * 1000.0):
                assert tried.id == f"command-{newest}"
                assert tried.valid_until > now


class SiteClock:
    speed = 1.0

    def now(self) -> datetime:
        return NINE

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Late(Source):
    """A device that can be reached after a while."""

    def __init__(self) -> None:
        self.name, self.counters = "serial:late", Counter()
        self.is_there = False
        self.got: list[str] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    def health(self) -> SourceHealth:
        return SourceHealth(name=self.name, status="ok")

    def reaches(self, device: str) -> bool:
        return self.is_there

    def command(self, command: Command) -> None:
        self.got.append(command.id)


def test_a_device_that_is_away_gets_its_command_when_it_is_back() -> None:
    now_ms, source, book = [0.0], Late(), CommandBook()
    desk = CommandDesk(Origin("klein", "gw-1"), SiteClock(), [source], book, now_ms=lambda: now_ms[0])

    async def story() -> None:
        trying = asyncio.ensure_future(desk.run())
        desk.take(Received("t", encode(command()), retained=False))
        desk.take(Received("t", encode(command(2, gateway="gw-2")), retained=False))
        desk.take(Received("t", b"rubbish", retained=False))
        async with asyncio.timeout(60):
            while not desk.counters["commands_unreachable"]:
                await asyncio.sleep(0)
            source.is_there, now_ms[0] = True, 2_000.0
            desk.take(Received("t", encode(command(3, channel="0")), retained=False))  # wakes it
            while len(source.got) < 2:
                await asyncio.sleep(0)
        trying.cancel()
        await asyncio.wait({trying})

    asyncio.run(story())
    assert source.got == ["command-1", "command-3"]
    assert desk.all_counters()["commands_rejected.not_for_us"] == 1
    assert desk.all_counters()["commands_rejected.not_json"] == 1


class Link:
    """A device broker that only remembers."""

    is_connected = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        self.sent.append((topic, payload))
        return True


class Names:
    """A decoder that only knows who speaks."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        return Decoded(device=topic.rsplit("/", 3)[0])


def test_the_light_of_a_wifi_desk_is_set_by_its_topic_and_confirmed_by_its_state() -> None:
    link: Any = Link()
    nothing: Any = None
    intake = Intake(Origin("klein", "gw-1"), SiteClock(), nothing)
    source = MqttDeviceSource(
        "esphome",
        family="esphome",
        link=link,
        decoder=Names(),
        intake=intake,
        clock=SiteClock(),
        lights=EsphomeLights(),
    )
    said = command(device="esphome-esphome_desk-12")
    intake.commands.place(said, NINE, 0.0)
    assert not source.reaches(said.device), "nobody has heard it yet"
    state = Received("esphome/desk-12/light/place/state", b'{"state":"OFF"}', retained=False)
    list(source._decoded([(state, NINE)]))
    assert source.reaches(said.device)
    source.command(said)
    assert link.sent == [("esphome/desk-12/light/place/command", b'{"state":"ON","effect":"reclaimable"}')]
    assert intake.commands.next_due_ms() is not None
    for payload, retained in ((b'{"state":"ON","effect":"reclaimable"}', True), (b"{", False)):
        list(source._decoded([(Received(state.topic, payload, retained), NINE)]))
    assert intake.commands.next_due_ms() is not None, "an old word or rubbish confirms nothing"
    done = Received(state.topic, b'{"state":"ON","effect":"reclaimable","brightness":255}', retained=False)
    list(source._decoded([(done, NINE)]))
    assert intake.commands.next_due_ms() is None


@pytest.mark.parametrize("light", ["off", "free", "in_use", "note", "reclaimable", "unknown"])
def test_every_code_comes_back_as_it_was_ordered(light: Any) -> None:
    lights = EsphomeLights()
    topic, payload = lights.order("desk-12", None, light)
    assert lights.shown(topic.replace("/command", "/state"), payload) == ("desk-12", None, light)
    assert lights.shown(topic, payload) is None, "an order is no answer"
