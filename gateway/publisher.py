"""From the outbox to the site's broker: in order, QoS 1, deleted only when ingest says that it is on its disk.

A broker acknowledges what nobody has subscribed to, and drops it; one that was killed, or whose queue is full, forgets
what it acknowledged. So rows go out only while ingest says that its subscription stands, and stay until its receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable

import structlog

from gateway.backoff import Backoff
from gateway.outbox import Outbox
from gateway.outbox_schema import OutboxRow, with_waybill
from workplace.errors import BrokerUnreachable, StoreUnavailable
from workplace.line_ranges import LineRanges
from workplace.loss_events import Receipt
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
#: What was sent and is not on a receipt after this, s of real time, while receipts come, is sent again. Lower sends
#: more twice when ingest is busy, higher lets a hole stand longer.
AGAIN_S = 15.0
#: The pause doubles up to this, s, as long as nothing new comes onto the receipts: a site that is slow gets no slower.
LONGEST_AGAIN_S = 600.0
#: While rows wait for a time server, look again this often, s.
CLOCK_S = 1.0


class Publisher:
    """Drains the outbox while ingest listens. After a lost connection it begins again at the oldest row left.

    With an ingest that gives no receipts (an older release) rows go when the broker has acknowledged them.

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
        self._gives_receipts = False
        self._receipt: Receipt | None = None
        self._receipt_came = asyncio.Event()
        self._sent_upto = 0  # the broker has every row up to this line
        self._round = 0  # grows whenever sending begins again further back
        self._patience_s = AGAIN_S
        self._owed = (0, 0.0)  # the lowest line without receipt, and since when it is that

    def connection_changed(self, connected: bool) -> None:
        """Listener for `MessageLink.on_connection`."""
        self._is_connected = connected
        self._begin_after(0)
        self._ingest_listens.clear()
        if not connected:
            # The link would send what waits for its turn over the next connection, where nobody may listen yet.
            for publish in self._under_way:
                publish.cancel()

    def ingest_said(self, *, is_subscribed: bool, receipts: bool = False, is_busy: bool = False) -> None:
        """Take what ingest said on the connection of this moment; busy with a backlog it owes nothing yet."""
        if is_busy:
            self._owed = self._owed[0], time.monotonic()
        if receipts != self._gives_receipts:
            self._gives_receipts = receipts
            self._begin_after(0)
        if is_subscribed and self._is_connected:
            self._ingest_listens.set()
        else:
            self._ingest_listens.clear()

    def take_receipt(self, receipt: Receipt) -> None:
        """Take what ingest says it has; of another outbox of ours it means nothing."""
        if receipt.spool != self._outbox.spool:
            self.counters["receipts_of_another_outbox"] += 1
            return
        self._receipt = receipt
        self._receipt_came.set()

    def _begin_after(self, line: int) -> None:
        self._sent_upto = line
        self._round += 1

    async def let_go(self) -> None:
        """Delete what ingest has, and send again what it should have and has not, until cancelled."""
        while True:
            await self._receipt_came.wait()
            self._receipt_came.clear()
            receipt = self._receipt
            if receipt is None:
                continue
            try:
                went = await self._outbox.delete(LineRanges(receipt.missing).missing(1, receipt.upto))
            except StoreUnavailable:  # the next receipt comes soon
                self.counters["store_failed"] += 1
                continue
            self.counters["receipted"] += went
            lowest = receipt.missing[0][0] if receipt.missing else receipt.upto + 1
            if lowest > self._sent_upto or lowest != self._owed[0]:
                self._owed, self._patience_s = (lowest, time.monotonic()), AGAIN_S
            elif time.monotonic() - self._owed[1] > self._patience_s:
                self._patience_s = min(2 * self._patience_s, LONGEST_AGAIN_S)
                log.warning("sent_again", from_line=lowest, to_line=self._sent_upto)
                self.counters["sent_again"] += self._sent_upto - lowest + 1
                self._begin_after(lowest - 1)
                self._owed = lowest, time.monotonic()

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
            after, round_ = self._sent_upto, self._round
            rows = await self._outbox.take(WINDOW, after)
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
            if self._round == round_:  # else it begins again further back
                self._sent_upto = _contiguous(rows, there, after)
            if not self._gives_receipts:
                await self._outbox.delete(LineRanges((line, line) for line in there))
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
        """Return the lines of the rows that the broker has acknowledged."""
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
            body = with_waybill(row.body, self._outbox.spool, row.number)
            await self._link.publish(topic, body, qos=1)
        except BrokerUnreachable:
            return False
        return True


def _contiguous(rows: list[OutboxRow], there: list[int], before: int) -> int:
    """Return up to which line the broker has all rows; `before` when it lacks the first of `rows`."""
    has = set(there)
    for row in rows:
        if row.number not in has:
            break
        before = row.number
    return before
