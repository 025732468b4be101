"""Keeps one connection to a broker, whatever happens to it. Knows no MQTT library: that is behind `Wire`.

Everything here runs on one event loop. Real time throughout: transport does not follow a site's speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import structlog

from gateway.backoff import Backoff
from gateway.link_session import Group, InFlight, Session, Subscription, Wire, WireEvents
from gateway.soon_queue import Outgoing, SoonQueue
from gateway.topic_filter import matches
from workplace.errors import BrokerRefused, BrokerUnreachable, SettingInvalid, WorkplaceError
from workplace.ports import Received

log = structlog.get_logger(__name__)

#: State messages that may wait for the broker; see `SoonQueue.most`.
SOON_MOST = 10_000
#: A connection that held this long, s, was a good one: the next outage starts with short waits again.
#: Lower lets two clients with one id throw each other out without pause.
GOOD_CONNECTION_S = 5.0
#: What is still queued when we leave gets this long, s.
FLUSH_S = 1.0
T = TypeVar("T")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class HealingLink:
    """Implements `workplace.ports.MessageLink`; a subclass says in `new_wire` what a connection is.

    Attributes:
        counters: `connects`, `acknowledged`, `received`, `inbound_dropped`, `handler_failed`, `unhandled`.
        error: why there is no connection now; None while there is one.
        is_quiet: connections are nothing to log: somebody only looks whether the broker is there.
    """

    def __init__(
        self, url: str, client_id: str, *, window: int, timeout_s: float, is_quiet: bool = False
    ) -> None:
        self.is_quiet = is_quiet
        self.url = url
        self.client_id = client_id
        self.window = window
        self.counters: Counter[str] = Counter()
        self.error: WorkplaceError | None = None
        self._timeout_s = timeout_s
        self._soon = SoonQueue(SOON_MOST)
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._session: Session | None = None

    def new_wire(self, events: WireEvents) -> Wire:
        """Return a connection that was not started yet."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse settings that can never work.

        Raises:
            SettingInvalid: with what to write instead.
        """
        if not _CLIENT_ID.fullmatch(self.client_id):
            raise SettingInvalid(f"client id {self.client_id!r}: use 1 to 64 of A-Z a-z 0-9 _ -")

    async def __aenter__(self) -> Self:
        self.check()
        self._permits = asyncio.Semaphore(self.window)
        self._connected = asyncio.Event()
        self._soon_waiting = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._keeper = self._tasks.create_task(self._keep(), name=f"mqtt-{self.client_id}")
        self._sender = self._tasks.create_task(self._send_soon(), name=f"mqtt-{self.client_id}-soon")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.cancel()
        if kind is None and self.is_connected:
            await self._flush()
        self._keeper.cancel()
        if kind is asyncio.CancelledError:
            await self._tasks.__aexit__(kind, error, trace)
        else:  # the group would wrap the caller's error; it is not the group's
            await self._tasks.__aexit__(None, None, None)

    @property
    def is_connected(self) -> bool:
        return self._session is not None

    @property
    def soon_dropped(self) -> int:
        """Messages that `publish_soon` refused since the start."""
        return self._soon.dropped

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    async def wait_connected(self) -> None:
        """Return as soon as there is a connection."""
        await self._connected.wait()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        message = Outgoing(topic, payload, qos, retain)
        session: Session | None = None
        try:
            async with asyncio.timeout(self._timeout_s), self._permits:
                await self._connected.wait()
                session = self._session
                if session is None:
                    raise BrokerUnreachable(self.url, "connection lost")
                await session.send(message)
        except TimeoutError as error:
            if session is not None:
                session.cut_if_stuck(self._timeout_s)
            why = "no acknowledgement" if session else str(self.error or "not connected")
            raise BrokerUnreachable(self.url, f"{why} within {self._timeout_s:g} s") from error

    async def publish_all(self, messages: Sequence[tuple[str, bytes, bool]]) -> list[bool]:
        if not messages:
            return []
        outgoing = [Outgoing(topic, payload, 1, retain) for topic, payload, retain in messages]
        group = Group([False] * len(outgoing), len(outgoing), asyncio.get_running_loop().create_future())
        session: Session | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = 0
                while sent < len(outgoing):
                    part = outgoing[sent : sent + await self._some_permits(len(outgoing) - sent)]
                    session = self._session
                    if session is None:
                        for index in range(sent, sent + len(part)):
                            self._permits.release()
                            group.tell(index, arrived=False)
                    else:
                        session.send_in(group, sent, part)
                    sent += len(part)
                await group.all_told
        except TimeoutError:
            if session is not None:
                session.cut_if_stuck(self._timeout_s)
        return list(group.arrived)

    async def _some_permits(self, most: int) -> int:
        """Wait for one permit and take what else is free; return how many, `most` at most."""
        await self._permits.acquire()
        taken = 1
        while taken < most and not self._permits.locked():
            await self._permits.acquire()
            taken += 1
        return taken

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        taken = self._soon.offer(Outgoing(topic, payload, qos, retain))
        self._soon_waiting.set()
        return taken

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        """Subscribe now and again after each reconnect.

        Waits for the broker's answer, but not longer than the link's time-out: without a broker it returns
        then, and the subscription is made when the broker comes.

        Raises:
            BrokerRefused: the broker refused the filter, or us; the subscription is forgotten.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        subscription = Subscription(topic_filter, handler, qos, answer)
        self._subscriptions.append(subscription)
        if self._session is not None:
            self._session.subscribe(subscription)
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(answer)
        except TimeoutError:
            log.info("subscription_waits_for_broker", topic_filter=topic_filter, url=self.url)
        except (BrokerRefused, asyncio.CancelledError):
            self._subscriptions.remove(subscription)
            raise

    # --- keeping the connection ---

    async def _keep(self) -> None:
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while True:
            session = Session(self, loop.create_future())
            session.wire = self.new_wire(session)
            session.wire.start()
            try:
                why = await session.ended
            finally:
                self._forget(session)
                await session.wire.stop()
            if session.opened_at_s is not None and loop.time() - session.opened_at_s > GOOD_CONNECTION_S:
                backoff.reset()
            self._say_once(why)
            await asyncio.sleep(backoff.next_s())

    def _say_once(self, why: WorkplaceError) -> None:
        """Log the first failure of an outage, and a change from unreachable to refused."""
        if type(why) is not type(self.error):
            refused = isinstance(why, BrokerRefused)
            (log.error if refused else log.warning)("broker_lost", client_id=self.client_id, why=str(why))
        self.error = why
        if isinstance(why, BrokerRefused):
            for subscription in list(self._subscriptions):
                self._answer(subscription, why)

    def _forget(self, session: Session) -> None:
        if self._session is session:
            self._session = None
            self._connected.clear()
            self._tell(connected=False)
        for in_flight in session.in_flight.values():
            if in_flight.done is None:
                self._permits.release()
                if in_flight.group is not None:
                    in_flight.group.tell(in_flight.index, arrived=False)
            elif not in_flight.done.done():
                in_flight.done.set_exception(BrokerUnreachable(self.url, "lost before the acknowledgement"))
        self._soon.give_back(f.message for f in session.in_flight.values() if f.is_soon)
        session.in_flight.clear()

    def adopt(self, session: Session) -> None:
        """Make `session` the connection in use."""
        self.counters["connects"] += 1
        (log.debug if self.is_quiet else log.info)("broker_connected", client_id=self.client_id, url=self.url)
        self.error = None
        self._session = session
        for subscription in self._subscriptions:
            session.subscribe(subscription)
        self._connected.set()
        self._tell(connected=True)

    def _tell(self, *, connected: bool) -> None:
        for listener in self._listeners:
            self._guarded(listener, connected)

    def _answer(self, subscription: Subscription, refusal: BrokerRefused | None) -> None:
        if not subscription.first_answer.done():
            if refusal is None:
                subscription.first_answer.set_result(None)
            else:
                subscription.first_answer.set_exception(refusal)
        elif refusal is not None and self.is_connected:
            log.error("subscription_refused", topic_filter=subscription.topic_filter, url=self.url)

    def subscription_answered(self, subscription: Subscription, *, refused: bool) -> None:
        why = f"subscribing to {subscription.topic_filter} is not allowed"
        self._answer(subscription, BrokerRefused(self.url, why) if refused else None)

    # --- messages ---

    async def _send_soon(self) -> None:
        while True:
            await self._soon_waiting.wait()
            await self._connected.wait()
            await self._permits.acquire()
            if self._session is None or not len(self._soon):
                self._permits.release()
                if not len(self._soon):
                    self._soon_waiting.clear()
            elif not self._session.send_soon(self._soon.pop()):
                self._permits.release()

    def acknowledged(self, in_flight: InFlight) -> None:
        self.counters["acknowledged"] += 1
        if in_flight.done is None:
            self._permits.release()
            if in_flight.group is not None:
                in_flight.group.tell(in_flight.index, arrived=True)
        elif not in_flight.done.done():
            in_flight.done.set_result(None)

    def deliver(self, messages: Iterable[Received], dropped: int) -> None:
        self.counters["inbound_dropped"] += dropped
        for message in messages:
            self.counters["received"] += 1
            wanted = [s for s in self._subscriptions if matches(s.topic_filter, message.topic)]
            self.counters["unhandled"] += not wanted
            for subscription in wanted:
                self._guarded(subscription.handler, message)

    def _guarded(self, callback: Callable[[T], None], argument: T) -> None:
        try:
            callback(argument)
        except Exception:  # supervisor of foreign callbacks: one that fails must not end the link
            self.counters["handler_failed"] += 1
            log.exception("link_callback_failed", client_id=self.client_id)

    async def _flush(self) -> None:
        """Send what waits; every permit in hand means that nothing is under way any more."""
        with contextlib.suppress(TimeoutError, BrokerUnreachable):
            async with asyncio.timeout(FLUSH_S):
                while len(self._soon):
                    message = self._soon.pop()
                    await self.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
                for _ in range(self.window):
                    await self._permits.acquire()
