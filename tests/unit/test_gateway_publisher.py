"""What the publisher sends on which connection, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from gateway.outbox import Outbox
from gateway.outbox_schema import OutboxRow
from gateway.publisher import Publisher
from workplace.ports import MessageLink
from workplace.topics import Topics

ROW = OutboxRow(number=1, device="dsp1-1", body=b"{}")


class OneRow:
    """An outbox with one row."""

    def __init__(self) -> None:
        self.rows = [ROW]
        self.looks = 0

    async def take(self, limit: int) -> list[OutboxRow]:
        self.looks += 1
        return list(self.rows)

    async def delete(self, numbers: list[int]) -> None:
        self.rows = [row for row in self.rows if row.number not in numbers]

    async def wait_for_rows(self) -> None:
        await asyncio.Event().wait()


class BusyLink:
    """A link that sends, like the real one, over whatever connection there is when a message's turn comes."""

    def __init__(self) -> None:
        self.asked = 0
        self.turn = asyncio.Event()
        self.sent: list[bytes] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.asked += 1
        await self.turn.wait()
        self.sent.append(payload)


def play(story: Callable[[Publisher, OneRow, BusyLink], Any]) -> None:
    async def body() -> None:
        outbox, link = OneRow(), BusyLink()
        publisher = Publisher(
            cast("Outbox", outbox), cast("MessageLink", link), Topics("klein"), floor="f1", gateway="gw-1"
        )
        running = asyncio.ensure_future(publisher.run())
        try:
            async with asyncio.timeout(60):
                await story(publisher, outbox, link)
        finally:
            running.cancel()
            await asyncio.wait({running})

    asyncio.run(body())


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_connection_alone_sends_nothing() -> None:
    async def story(publisher: Publisher, outbox: OneRow, link: BusyLink) -> None:
        link.turn.set()
        publisher.ingest_said(is_subscribed=True)  # a late word from the connection before
        publisher.connection_changed(connected=True)
        await _settle()
        assert (link.asked, outbox.looks, publisher.is_waiting_for_ingest) == (0, 0, True)
        publisher.ingest_said(is_subscribed=True)
        await _until(lambda: not outbox.rows)
        assert link.sent == [b"{}"]
        assert not publisher.is_waiting_for_ingest

    play(story)


def test_what_waits_for_its_turn_is_not_sent_over_the_next_connection() -> None:
    async def story(publisher: Publisher, outbox: OneRow, link: BusyLink) -> None:
        publisher.connection_changed(connected=True)
        publisher.ingest_said(is_subscribed=True)
        await _until(lambda: link.asked == 1)
        publisher.connection_changed(connected=False)
        publisher.connection_changed(connected=True)
        link.turn.set()
        await _settle()
        assert (link.sent, outbox.rows) == ([], [ROW])
        publisher.ingest_said(is_subscribed=True)
        await _until(lambda: not outbox.rows)
        assert link.sent == [b"{}"]

    play(story)


def test_rows_whose_time_is_not_known_wait_and_none_overtakes_them() -> None:
    rows = [OutboxRow(number, "d", b"%d" % number) for number in (1, 2, 3)]
    publisher = Publisher(
        cast("Outbox", None),
        cast("MessageLink", None),
        Topics("klein"),
        floor="f1",
        gateway="gw-1",
        settle=lambda row: None if row.number == 2 else replace(row, body=b"right"),
    )
    assert [(row.number, row.body) for row in publisher._settled(rows)] == [(1, b"right")]
    assert publisher.counters["waits_for_clock"] == 1
