"""From the outbox to the site's broker: in order, QoS 1, deleted only when the broker has it for ingest.

A broker acknowledges what nobody has subscribed to, and drops it. One that was killed may have forgotten ingest's
session, so on each new connection the rows stay until ingest says that its subscription stands.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import structlog

from gateway.backoff import Backoff
from gateway.outbox import Outbox
from gateway.outbox_schema import OutboxRow
from workplace.errors import BrokerUnreachable
from workplace.ports import MessageLink
from workplace.topics import Topics

log = structlog.get_logger(__name__)

#: Messages handed to the link at once. Lower waits for the broker more often, higher sends more twice after a
#: broken connection.
WINDOW = 100
#: A wait for ingest is logged after this, s: two of its health messages. Lower logs each ordinary restart.
LOG_WAIT_S = 10.0
#: However long the wait, a sign of life is given this often, s.
TICK_S = 5.0
#: While rows wait for a time server, look again this often, s.
CLOCK_S = 1.0


class Publisher:
    """Drains the outbox while ingest listens. After a lost connection it begins again at the oldest row left.

    Args:
        settle: row -> the row as it may leave now, None while its time is not known.
        tick: called at least every few seconds while this loop lives.
    """

    def __init__(
        self,
        outbox: Outbox,
        link: MessageLink,
        topics: Topics,
        *,
        floor: str,
        gateway: str,
        tick: Callable[[], None] = lambda: None,
        settle: Callable[[OutboxRow], OutboxRow | None] = lambda row: row,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._outbox = outbox
        self._link = link
        self._topics = topics
        self._floor = floor
        self._gateway = gateway
        self._tick = tick
        self._settle = settle
        self._is_connected = False
        self._ingest_listens = asyncio.Event()  # set only while there is a connection
        self._under_way: list[asyncio.Task[bool]] = []

    def connection_changed(self, connected: bool) -> None:
        """Listener for `MessageLink.on_connection`."""
        self._is_connected = connected
        self._ingest_listens.clear()
        if not connected:
            # The link would send what waits for its turn over the next connection, where nobody may listen yet.
            for publish in self._under_way:
                publish.cancel()

    def ingest_said(self, *, is_subscribed: bool) -> None:
        """Take what ingest said on the connection of this moment."""
        if is_subscribed and self._is_connected:
            self._ingest_listens.set()
        else:
            self._ingest_listens.clear()

    @property
    def is_waiting_for_ingest(self) -> bool:
        """Whether rows stay only because ingest has not said that it listens."""
        return self._is_connected and not self._ingest_listens.is_set()

    async def run(self) -> None:
        """Publish until cancelled."""
        backoff = Backoff(most_s=5.0)
        while True:
            self._tick()
            await self._until_ingest_listens()
            rows = await self._outbox.take(WINDOW)
            if not rows:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._outbox.wait_for_rows()
                continue
            rows = self._settled(rows)
            if not rows:
                await asyncio.sleep(CLOCK_S)
                continue
            there = await self._send(rows)
            await self._outbox.delete(there)
            self.counters["published"] += len(there)
            if len(there) < len(rows):
                self.counters["publish_failed"] += len(rows) - len(there)
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()

    def _settled(self, rows: list[OutboxRow]) -> list[OutboxRow]:
        """Return the first rows as they may leave now; none overtakes one that waits for a time server."""
        found: list[OutboxRow] = []
        for row in rows:
            settled = self._settle(row)
            if settled is None:
                self.counters["waits_for_clock"] += 1
                break
            found.append(settled)
        return found

    async def _until_ingest_listens(self) -> None:
        """Wait without a limit: the outbox is bounded and says what it drops, a broker without ingest is silent."""
        try:
            async with asyncio.timeout(LOG_WAIT_S):
                await self._ingest_listens.wait()
        except TimeoutError:
            log.warning("waiting_for_ingest", is_connected=self._is_connected)
            while not self._ingest_listens.is_set():
                self._tick()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._ingest_listens.wait()
            log.info("ingest_listens")

    async def _send(self, rows: list[OutboxRow]) -> list[int]:
        """Return the numbers of the rows that the broker has acknowledged."""
        if not self._ingest_listens.is_set():  # the connection was lost while the rows were read
            return []
        self._under_way = [asyncio.ensure_future(self._publish(row)) for row in rows]
        try:
            sent = await asyncio.gather(*self._under_way, return_exceptions=True)
        finally:
            self._under_way = []
        for result in sent:
            if isinstance(result, Exception):
                raise result
        return [row.number for row, result in zip(rows, sent, strict=True) if result is True]

    async def _publish(self, row: OutboxRow) -> bool:
        topic = self._topics.event(self._floor, self._gateway, row.device)
        try:
            await self._link.publish(topic, row.body, qos=1)
        except BrokerUnreachable:
            return False
        return True
