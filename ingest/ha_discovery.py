"""Publishes a site's entities for Home Assistant, and takes back those whose place or zone is gone.

What was published before is read back from the broker, where it is retained: so nothing needs remembering, and a
renamed place leaves nothing behind. The link of this task carries the will that makes all entities unavailable.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from workplace.errors import BrokerRefused, BrokerUnreachable
from workplace.floor_plan import FloorPlan
from workplace.ha_entities import OFFLINE, ONLINE, Discovery, discovery
from workplace.ports import MessageLink, OpenLink, Received
from workplace.topics import Topics

log = structlog.get_logger()

#: Config messages on their way at a time: paho's cost per message grows past about 100.
_WINDOW = 50
#: Pause after the broker did not answer, s of real time: the link reconnects by itself.
_PAUSE_S = 2.0
#: A goodbye gets this long, s: without it the retained word would stay `online` after an ordinary stop.
_GOODBYE_S = 2.0


async def publish_discovery(
    plan: FloorPlan,
    topics: Topics,
    prefix: str,
    version: str,
    open_link: OpenLink,
    client_id: str,
    *,
    is_real_time: bool = True,
) -> None:
    """Keep entities and availability current until cancelled."""
    announced = discovery(plan, topics, prefix, version, is_real_time=is_real_time)
    async with open_link(client_id, will=(topics.ingest_status(), OFFLINE)) as link:
        publisher = _Announcer(link, topics, announced)
        link.on_connection(publisher.link_changed)
        try:
            await publisher.run()
        finally:
            with contextlib.suppress(BrokerUnreachable, TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await link.publish(topics.ingest_status(), OFFLINE, retain=True)


class _Announcer:
    def __init__(self, link: MessageLink, topics: Topics, announced: Discovery) -> None:
        self._link = link
        self._topics = topics
        self._announced = announced
        self._waiting: dict[str, bytes] = {}
        self._wake = asyncio.Event()

    def link_changed(self, is_connected: bool) -> None:
        if is_connected:  # the broker may have forgotten everything
            self._waiting |= self._announced.configs
            self._wake.set()

    def read_back(self, received: Received) -> None:
        """Take what the broker keeps of us; what the plan no longer has is taken back."""
        if received.payload and received.topic not in self._announced.configs:
            self._waiting[received.topic] = b""
            self._wake.set()

    async def run(self) -> None:
        try:
            await self._link.subscribe(self._announced.filter, self.read_back)
        except BrokerRefused as error:
            log.error("ha_discovery_refused", error=str(error))
        self.link_changed(self._link.is_connected)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not await self._publish_some():
                    await asyncio.sleep(_PAUSE_S)

    async def _publish_some(self) -> bool:
        """Publish up to a window of configs, and our availability once all are out; return whether all went."""
        batch = dict(list(self._waiting.items())[:_WINDOW])
        gone = sum(not payload for payload in batch.values())
        is_lost = False
        try:
            async with asyncio.TaskGroup() as sending:
                for topic, payload in batch.items():
                    sending.create_task(self._link.publish(topic, payload, retain=True), name="ha-config")
        except* BrokerUnreachable:
            is_lost = True
        if is_lost:
            return False
        for topic, payload in batch.items():
            if self._waiting.get(topic) == payload:
                del self._waiting[topic]
        if gone:
            log.info("ha_entities_removed", count=gone)
        if not self._waiting:
            await self._say_online()
        return True

    async def _say_online(self) -> None:
        try:
            await self._link.publish(self._topics.ingest_status(), ONLINE, retain=True)
        except BrokerUnreachable:
            self._waiting |= self._announced.configs
            self._wake.set()
