"""What is under way on one connection to a broker; forgotten together with it.

All on the event loop and in real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.soon_queue import Outgoing
from workplace.errors import WorkplaceError
from workplace.ports import Received

log = structlog.get_logger(__name__)


class WireEvents(Protocol):
    """What one connection tells, on the event loop."""

    def opened(self) -> None: ...
    def closed(self, why: WorkplaceError) -> None: ...
    def acknowledged(self, number: int) -> None: ...
    def subscribed(self, number: int, refused: bool) -> None: ...
    def received(self, messages: Iterable[Received], dropped: int) -> None: ...


class Wire(Protocol):
    """One connection of an MQTT library, from its start to its end; never used twice."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def cut(self) -> None: ...
    def send(self, message: Outgoing) -> int | None: ...
    def send_all(self, messages: Sequence[Outgoing]) -> list[int | None]: ...
    def subscribe(self, topic_filter: str, qos: int) -> int | None: ...


@dataclass(slots=True, eq=False)
class Subscription:
    topic_filter: str
    handler: Callable[[Received], None]
    qos: int
    first_answer: asyncio.Future[None]


@dataclass(slots=True)
class Group:
    """Messages that one caller waits for together: which of them arrived, and how many have no answer yet."""

    arrived: list[bool]
    waiting: int
    all_told: asyncio.Future[None]

    def tell(self, index: int, *, arrived: bool) -> None:
        self.arrived[index] = arrived
        self.waiting -= 1
        if not self.waiting and not self.all_told.done():
            self.all_told.set_result(None)


@dataclass(slots=True)
class InFlight:
    """Sent, not acknowledged. `done` is set for `publish`, `group` for `publish_all`, neither for `publish_soon`."""

    message: Outgoing
    done: asyncio.Future[None] | None
    sent_at_s: float
    group: Group | None = None
    index: int = 0
    """Which of its group it is."""

    @property
    def is_soon(self) -> bool:
        return self.done is None and self.group is None


class SessionOwner(Protocol):
    """The link that a session reports to."""

    url: str

    def adopt(self, session: Session) -> None: ...
    def acknowledged(self, in_flight: InFlight) -> None: ...
    def subscription_answered(self, subscription: Subscription, *, refused: bool) -> None: ...
    def deliver(self, messages: Iterable[Received], dropped: int) -> None: ...


class Session:
    """What is under way on one connection; forgotten with it. Implements `WireEvents`."""

    wire: Wire

    def __init__(self, link: SessionOwner, ended: asyncio.Future[WorkplaceError]) -> None:
        self._link = link
        self.ended = ended
        self.opened_at_s: float | None = None
        self.in_flight: dict[int, InFlight] = {}
        self._subscribing: dict[int, Subscription] = {}

    async def send(self, message: Outgoing) -> None:
        """Return when acknowledged (QoS 1) or handed over (QoS 0)."""
        loop = asyncio.get_running_loop()
        number = self.wire.send(message)
        if number is not None:
            done: asyncio.Future[None] = loop.create_future()
            self.in_flight[number] = InFlight(message, done, loop.time())
            await done

    def send_soon(self, message: Outgoing) -> bool:
        """Return whether an acknowledgement is to come."""
        number = self.wire.send(message)
        if number is not None:
            self.in_flight[number] = InFlight(message, None, asyncio.get_running_loop().time())
        return number is not None

    def send_in(self, group: Group, first: int, messages: Sequence[Outgoing]) -> None:
        """Send some of a group at QoS 1, from its number `first` on, in one go.

        The group is told of each when its acknowledgement comes or cannot come any more.
        """
        now_s = asyncio.get_running_loop().time()
        for index, (message, number) in enumerate(
            zip(messages, self.wire.send_all(messages), strict=True), first
        ):
            if number is not None:
                self.in_flight[number] = InFlight(message, None, now_s, group, index)

    def subscribe(self, subscription: Subscription) -> None:
        number = self.wire.subscribe(subscription.topic_filter, subscription.qos)
        if number is not None:
            self._subscribing[number] = subscription

    def cut_if_stuck(self, limit_s: float) -> None:
        """Give the connection up when its oldest message waits `limit_s` for its acknowledgement."""
        oldest = next(iter(self.in_flight.values()), None)
        if oldest is not None and asyncio.get_running_loop().time() - oldest.sent_at_s >= 0.9 * limit_s:
            log.warning("broker_does_not_acknowledge", url=self._link.url)
            self.wire.cut()

    def opened(self) -> None:
        if not self.ended.done():
            self.opened_at_s = asyncio.get_running_loop().time()
            self._link.adopt(self)

    def closed(self, why: WorkplaceError) -> None:
        if not self.ended.done():
            self.ended.set_result(why)

    def acknowledged(self, number: int) -> None:
        in_flight = self.in_flight.pop(number, None)
        if in_flight is not None:
            self._link.acknowledged(in_flight)

    def subscribed(self, number: int, refused: bool) -> None:
        subscription = self._subscribing.pop(number, None)
        if subscription is not None:
            self._link.subscription_answered(subscription, refused=refused)

    def received(self, messages: Iterable[Received], dropped: int) -> None:
        self._link.deliver(messages, dropped)
