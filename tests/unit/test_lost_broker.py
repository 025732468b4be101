"""What pages still know when their connection to the broker was lost and is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from dashboard.live_site import LiveSite
from plekvrij import clocks
from workplace import codec
from workplace.events import PlaceState
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)
STATE = PlaceState(
    site="klein", floor="f1", zone="1-werken", place="1-W1", phase="free", occupancy="free", since=NINE, hold_id=None,
    hold_since=None, mode="shadow", as_of=NINE, expires_at=NINE + timedelta(days=1),
)  # fmt: skip


class Link:
    """A connection of which the test says when it is lost and back."""

    is_connected = True

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Received], None]] = {}
        self.listeners: list[Callable[[bool], None]] = []

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        self.handlers[topic_filter] = handler

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        raise NotImplementedError

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        raise NotImplementedError

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self.listeners.append(listener)

    def tell(self, *, connected: bool) -> None:
        for listener in self.listeners:
            listener(connected)


def test_no_place_is_known_until_the_broker_says_it_again(small_plan: FloorPlan) -> None:
    link, topics = Link(), Topics("klein")
    live = LiveSite(small_plan, clocks.wall_clock())
    asyncio.run(live.follow(link, topics))

    def say() -> None:
        said = Received(topics.place_state("1-W1"), codec.encode(STATE), retained=True)
        link.handlers[topics.states()](said)

    say()
    link.tell(connected=False)
    assert live.snapshot().places["1-W1"] == STATE, "its age calls it old"
    link.tell(connected=True)
    assert "1-W1" not in live.snapshot().places
    newer = msgspec.structs.replace(STATE, phase="in_use")
    link.handlers[topics.states()](Received(topics.place_state("1-W1"), codec.encode(newer), retained=True))
    assert live.snapshot().places["1-W1"] == newer
