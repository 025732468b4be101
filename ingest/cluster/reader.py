"""Reads what gateways and pages say to one partition, straight from the stream in which the brokers keep MQTT messages.

That stream, `$MQTT_msgs`, is the only one that an MQTT acknowledgement vouches for: a stream of our own on the same
subjects lost up to 3,031 of 7,000 acknowledged messages when its leader was killed. It keeps a message only for
consumers that exist: ours is made before the first health message, without which gateways send nothing, and is never
deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence

import structlog

from ingest.batch_reader import OnSubscribed, RawMessage
from ingest.cluster.bus import Bus, Taken
from ingest.inbox import Inbox
from workplace.codec import decode
from workplace.errors import BrokerUnreachable, MessageRejected
from workplace.events import Request
from workplace.floor_plan import FloorPlan
from workplace.topics import Topics

log = structlog.get_logger(__name__)

STREAM = "$MQTT_msgs"
_PREFIX = "$MQTT.msgs."
#: Taken at once. Lower: more questions under load. Higher: more comes again after a kill.
_AT_ONCE = 500
#: One question waits this long for a message, s.
_WITHIN_S = 2.0
_AGAIN_S = 0.3
#: So many questions without any answer from a leader, and we say that we do not hear.
_DEAF_AFTER = 3


class StreamReader:
    """Implements `ingest.part_tools.Reader`; everything but `ack` and `prove_again` on the event loop.

    Args:
        part: the floors of this partition; `answers_for` the places that requests may name besides: those of no floor.
    """

    def __init__(
        self,
        bus: Bus,
        part: FloorPlan,
        number: int,
        topics: Topics,
        answers_for: Callable[[str], bool],
        inbox: Inbox,
        on_subscribed: OnSubscribed,
        on_proof: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._part = part
        self._number = number
        self._topics = topics
        self._answers_for = answers_for
        self._inbox = inbox
        self._on_subscribed = on_subscribed
        self._on_proof = on_proof
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._mids = itertools.count(1)
        self._replies: dict[int, str] = {}
        self.refused: str | None = None
        self.is_subscribed = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=f"partition {self._number} reader")

    def stop(self) -> None:
        """From any thread."""
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)

    def ack(self, mids: Sequence[int], generation: int) -> bool:  # noqa: ARG002 - replies outlive a connection
        """Acknowledge, from any thread."""
        if self._loop is None:
            return False
        replies = [reply for mid in mids if mid and (reply := self._replies.pop(mid, None)) is not None]
        with contextlib.suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._bus.acknowledge(replies), self._loop)
        return True

    def ask_again(self) -> None: ...

    def prove_again(self) -> None: ...

    async def _run(self) -> None:
        heard = await self._bus.hear(_subject(self._topics.gateway_health("+")), self._take_health)
        place = None
        deaf = 0
        try:
            while True:
                try:
                    if place is None:
                        place = await self._bus.take_from(STREAM, self._name, self._filters())
                    taken = await self._bus.take(place, _AT_ONCE, _WITHIN_S)
                except BrokerUnreachable as error:
                    deaf += 1
                    if deaf == _DEAF_AFTER:
                        log.warning("partition_deaf", partition=self._number, why=str(error))
                        self._hears(is_subscribed=False)
                    if place is not None and deaf % _DEAF_AFTER == 0:
                        await self._bus.let_go(place)
                        place = None
                    await asyncio.sleep(_AGAIN_S)
                    continue
                deaf = 0
                self._hears(is_subscribed=True)
                await self._hand_over(taken)
        finally:
            self.is_subscribed = False
            await self._bus.give_back(list(self._replies.values()))
            await self._bus.let_go(heard)
            if place is not None:
                await self._bus.let_go(place)

    @property
    def _name(self) -> str:
        return f"plekvrij-{self._part.site}-{self._number}"

    def _filters(self) -> list[str]:
        topics = self._topics
        wanted = (topics.events(self._number), topics.gateway_status("+"), topics.requests())
        return [_PREFIX + _subject(topic) for topic in wanted]

    def _hears(self, *, is_subscribed: bool) -> None:
        if is_subscribed != self.is_subscribed:
            self.is_subscribed = is_subscribed
            self._on_subscribed(is_subscribed=is_subscribed)
            self._on_proof()

    async def _hand_over(self, taken: list[Taken]) -> None:
        messages: list[RawMessage] = []
        others: list[str] = []
        for message in taken:
            topic = message.subject.removeprefix(_PREFIX).replace(".", "/")
            if not self._is_ours(topic, message.payload):
                others.append(message.reply)
                continue
            mid = next(self._mids)
            self._replies[mid] = message.reply
            messages.append((topic, message.payload, mid, False, message.is_again))
        if others:
            await self._bus.acknowledge(others)
        if messages:  # a full inbox holds us up, so the cluster keeps what we cannot take
            await asyncio.to_thread(self._inbox.put_batch, messages, 1)

    def _is_ours(self, topic: str, payload: bytes) -> bool:
        """Every partition hears all gateways and requests, because their topics do not say of which floor they are."""
        match self._topics.kind_of(topic):
            case "gateway_status":
                return topic.split("/")[-2] in self._part.gateway
            case "request":
                try:
                    place = decode(payload, Request).place
                except MessageRejected:
                    return self._answers_for("")
                return place is None or place in self._part.place or self._answers_for(place)
            case _:
                return True

    def _take_health(self, subject: str, payload: bytes) -> None:
        topic = subject.replace(".", "/")
        if topic.split("/")[-2] in self._part.gateway:
            # Repeated every few seconds, so it is dropped when the worker is that far behind.
            self._inbox.offer([(topic, payload, 0, False, False)], 1)


def _subject(topic: str) -> str:
    return topic.replace("/", ".").replace("+", "*")
