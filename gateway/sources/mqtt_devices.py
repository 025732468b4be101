"""Devices that speak MQTT themselves, behind one bridge such as Zigbee2MQTT."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import structlog

from gateway.intake import DeviceMessage, Intake
from gateway.sources.source import Source
from workplace.device_ids import device_id, device_topics
from workplace.events import Command, SourceHealth
from workplace.ports import Clock, LearnsTopics, LightEncoder, MessageDecoder, MessageLink, Received
from workplace.readings import Decoded

log = structlog.get_logger(__name__)

#: Messages between the link and the disk. Lower drops in a burst after a reconnect, higher only delays.
MOST_WAITING = 2_000
#: Messages in one write to disk. Lower: more writes in a burst; higher: a burst is told later.
MOST_AT_ONCE = 200
#: The device broker may be away this long, s, before its devices are called lost. Lower makes noise at each
#: restart, higher shows a place with more certainty than there is.
GRACE_S = 10.0
#: Devices whose topics are remembered for their lights.
MOST_NODES = 1_000
#: Further topics that a decoder may ask for: more is no building.
MOST_FOLLOWED = 5_000
_WILDCARDS = frozenset("+#")
_NOT_OURS = ("plekvrij/", "$")


class MqttDeviceSource(Source):
    """Everything under one base topic. One bad message is counted and never stops the next."""

    def __init__(
        self,
        base: str,
        *,
        family: str,
        link: MessageLink,
        decoder: MessageDecoder,
        intake: Intake,
        clock: Clock,
        lights: LightEncoder | None = None,
    ) -> None:
        self.base = base
        self.name = f"mqtt:{base}"
        self.counters = Counter()
        self._family = family
        self._link = link
        self._decoder = decoder
        self._intake = intake
        self._clock = clock
        self._lights = lights
        self._nodes: dict[str, str] = {}
        self._waiting: asyncio.Queue[tuple[Received, datetime]] = asyncio.Queue(MOST_WAITING)
        self._connection = asyncio.Event()
        self._heard_s: float | None = None
        self._listens = False
        self._is_subscribed = False
        self._followed: set[str] = set()
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Read until cancelled."""
        if not self._listens:
            self._link.on_connection(lambda _connected: self._connection.set())
            self._listens = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_connection(), name=f"{self.name} connection")
            tasks.create_task(self._subscribe(), name=f"{self.name} subscription")
            while True:
                # all that waits goes into one write: a write each would cap a busy bridge at one per commit
                messages = [await self._waiting.get()]
                while len(messages) < MOST_AT_ONCE and not self._waiting.empty():
                    messages.append(self._waiting.get_nowait())
                await self._intake.take_messages(self.name, self._decoded(messages))
                await self._follow()

    def health(self) -> SourceHealth:
        age_s = None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1)
        if not self._link.is_connected:
            why = "device broker not reachable"
            return SourceHealth(name=self.name, status="down", detail=why, last_data_age_s=age_s)
        status: Literal["ok", "degraded"] = "ok" if self._is_subscribed else "degraded"
        return SourceHealth(name=self.name, status=status, last_data_age_s=age_s)

    def reaches(self, device: str) -> bool:
        """Whether `device` was heard here, has a light, and its broker is there."""
        return self._lights is not None and device in self._nodes and self._link.is_connected

    def command(self, command: Command) -> None:
        """Publish what sets the light; the device's own state message confirms it."""
        if self._lights is None:
            return
        topic, payload = self._lights.order(self._nodes[command.device], command.channel, command.light)
        sent = self._link.publish_soon(topic, payload, qos=1)
        self.counters["commands_sent" if sent else "commands_dropped"] += 1

    def _note_light(self, message: Received, decoded: Decoded) -> None:
        if self._lights is None:
            return
        if decoded.device is not None:
            device = device_id(self._family, decoded.device)
            if device in self._nodes or len(self._nodes) < MOST_NODES:
                self._nodes[device] = decoded.device
        shown = self._lights.shown(message.topic, message.payload)
        if shown is not None and not message.retained:
            node, channel, code = shown
            self._intake.commands.shown(device_id(self._family, node), channel, code)

    async def _subscribe(self) -> None:
        if not self._is_subscribed:
            for topic_filter in device_topics(self._family, self.base):
                await self._link.subscribe(topic_filter, self._offer)
            self._is_subscribed = True

    async def _follow(self) -> None:
        """Subscribe to what the decoder has learned of; a stranger's message must not make us hear everything."""
        if not isinstance(self._decoder, LearnsTopics):
            return
        for topic in sorted(self._decoder.wanted_topics - self._followed):
            is_plain = not set(topic) & _WILDCARDS and not topic.startswith(_NOT_OURS)
            if not is_plain or len(self._followed) >= MOST_FOLLOWED:
                self.counters["topics_refused"] += topic not in self._refused
                self._refused.add(topic)
                continue
            self._followed.add(topic)
            await self._link.subscribe(topic, self._offer)

    def _offer(self, message: Received) -> None:
        try:
            self._waiting.put_nowait((message, self._clock.now()))
        except asyncio.QueueFull:
            self.counters["messages_dropped"] += 1

    def _decoded(self, messages: Iterable[tuple[Received, datetime]]) -> Iterator[DeviceMessage]:
        for message, received_at in messages:
            self.counters["messages"] += 1
            self._heard_s = time.monotonic()
            try:
                decoded = self._decoder.decode(
                    message.topic, message.payload, retained=message.retained, now=received_at
                )
            except Exception:  # supervisor of a decoder: whatever a device sends, the others must be heard
                self.counters["decoder_failed"] += 1
                log.exception("decoder_failed", topic=message.topic)
                continue
            self._note_light(message, decoded)
            yield DeviceMessage(decoded, message.payload, message.retained, received_at, self._family)

    async def _watch_connection(self) -> None:
        """Call the devices lost when their broker stays away, and take it back when it returns."""
        while True:
            await self._connection.wait()
            self._connection.clear()
            if self._link.is_connected:
                await self._intake.regain_source(self.name, "link_lost")
                continue
            try:
                async with asyncio.timeout(GRACE_S):
                    await self._connection.wait()
            except TimeoutError:
                await self._intake.lose_source(self.name, "link_lost")
