"""That a gateway is there: greetings, the goodbye, and whether ingest hears it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from gateway.normalise import Origin
from gateway.publisher import Publisher
from gateway.remote_config import RemoteConfig
from gateway.wall_clock import WallClock
from workplace.codec import decode, encode
from workplace.errors import BrokerRefused, BrokerUnreachable, MessageRejected
from workplace.events import GatewayStatus, IngestHealth
from workplace.loss_events import Receipt
from workplace.ports import Clock, MessageLink, Received
from workplace.topics import Topics, partition

log = structlog.get_logger(__name__)

#: Longest wait for the goodbye status to be acknowledged, s; after it the broker's last will says the same.
GOODBYE_S = 2.0


def last_will(origin: Origin) -> tuple[str, bytes]:
    """Return topic and payload of what the broker says when the gateway is gone."""
    status = GatewayStatus(site=origin.site, gateway=origin.gateway, status="offline")
    return Topics(origin.site).gateway_status(origin.gateway), encode(status)


class Presence:
    """Speaks and listens on the link to the site's broker.

    Attributes:
        due: set it to make a greeting go out.
        counters: what could not be read of ingest's health.
    """

    def __init__(self, origin: Origin, clock: Clock, wall: WallClock, link: MessageLink) -> None:
        self.due = asyncio.Event()
        self.counters: Counter[str] = Counter()
        self._origin = origin
        self._clock = clock
        self._wall = wall
        self._link = link
        self._topics = Topics(origin.site)

    async def greet(self, remote: RemoteConfig | None, then: Callable[[], Awaitable[None]]) -> None:
        """After each connect tell the site that we are here, then do what `then` does."""
        while True:
            await self.due.wait()
            self.due.clear()
            begun_in = 0 if remote is None else remote.round
            try:
                await self._say("online")
            except BrokerUnreachable:
                if self._link.is_connected:  # else the next connect greets again
                    self.due.set()
                continue
            if remote is not None:
                remote.greeted(begun_in)
            await then()

    async def say_goodbye(self) -> None:
        """Leave `offline` behind; the last will is not sent for a client that leaves politely."""
        if self._link.is_connected:
            with contextlib.suppress(BrokerUnreachable, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._say("offline")

    async def watch_ingest(self, publisher: Publisher, floor: str) -> None:
        """Send events only when ingest listens, and greet again whenever it is new.

        A broker acknowledges and drops what it gets before anybody has subscribed.
        """
        uptime_s: float | None = None
        hears_receipts = await self._hear_receipts(publisher)

        def compare(message: Received) -> None:
            nonlocal uptime_s
            try:
                health = decode(message.payload, IngestHealth)
            except MessageRejected as error:
                self.counters[f"ingest_health_rejected.{error.reason}"] += 1
                return
            publisher.ingest_said(
                is_subscribed=health.is_subscribed and not message.retained,
                receipts=health.receipts and hears_receipts,
                is_busy=health.store.get("state", "live") != "live",
            )
            if uptime_s is None or health.uptime_s < uptime_s:
                self.due.set()
            uptime_s = health.uptime_s

        with contextlib.suppress(BrokerRefused):  # rules of an earlier release; then there is one ingest
            await self._link.subscribe(self._topics.ingest_health(partition(floor)), compare, qos=0)
        await self._link.subscribe(self._topics.ingest_health(), compare, qos=0)
        await asyncio.Event().wait()  # the link subscribes again by itself

    async def _hear_receipts(self, publisher: Publisher) -> bool:
        """Listen for what the site has on disk; False where the broker's rules do not know of it yet."""

        def take(message: Received) -> None:
            try:
                publisher.take_receipt(decode(message.payload, Receipt))
            except MessageRejected as error:
                self.counters[f"receipt_rejected.{error.reason}"] += 1

        topic = self._topics.receipt(self._origin.gateway)
        try:
            await self._link.subscribe(topic, take, qos=0)
        except BrokerRefused:
            self.counters["receipts_refused"] += 1
            log.error("receipts_refused", topic=topic, advice="let this gateway read the topic at the broker")
            return False
        return True

    async def _say(self, status: str) -> None:
        message = GatewayStatus(
            site=self._origin.site,
            gateway=self._origin.gateway,
            status="online" if status == "online" else "offline",
            # dated words are ordered by their dates: one from a clock that runs behind would never count
            at=self._clock.now() if self._wall.state().is_trusted else None,
        )
        topic = self._topics.gateway_status(self._origin.gateway)
        await self._link.publish(topic, encode(message), qos=1, retain=True)
