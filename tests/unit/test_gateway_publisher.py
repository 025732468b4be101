"""What the publisher sends on which connection, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.outbox import Outbox
from gateway.outbox_schema import OutboxRow
from gateway.publisher import Publisher
from workplace.loss_events import Receipt
from workplace.ports import MessageLink
from workplace.topics import Topics

SPOOL = "0a1b2c3d"


def row(number: int) -> OutboxRow:
    return OutboxRow(number=number, device="dsp1-1", body=b'{"n":%d}' % number)


ROW = row(1)


def sent_as(*lines: int) -> list[bytes]:
    return [b'{"n":%d,"spool":"0a1b2c3d","line":%d}' % (line, line) for line in lines]


class OneRow:
    """An outbox with one row, or some."""

    def __init__(self) -> None:
        self.spool = SPOOL
        self.rows = [ROW]
        self.looks = 0
        self.changed = asyncio.Event()

    async def take(self, limit: int, after: int = 0) -> list[OutboxRow]:
        self.looks += 1
        return [row for row in self.rows if row.number > after][:limit]

    async def delete(self, spans: Iterable[tuple[int, int]]) -> int:
        before, gone = len(self.rows), list(spans)
        self.rows = [r for r in self.rows if not any(a <= r.number <= b for a, b in gone)]
        return before - len(self.rows)

    async def wait_for_rows(self) -> None:
        await self.changed.wait()
        self.changed.clear()


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
        running = {asyncio.ensure_future(publisher.run()), asyncio.ensure_future(publisher.let_go())}
        try:
            async with asyncio.timeout(60):
                await story(publisher, outbox, link)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

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
        assert link.sent == sent_as(1)
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
        assert link.sent == sent_as(1)

    play(story)


def receipt(upto: int, *missing: tuple[int, int], spool: str = SPOOL) -> Receipt:
    return Receipt(site="klein", gateway="gw-1", spool=spool, upto=upto, missing=missing)


def test_rows_stay_until_they_are_on_a_receipt() -> None:
    async def story(publisher: Publisher, outbox: OneRow, link: BusyLink) -> None:
        outbox.rows = [row(n) for n in (1, 2, 3)]
        link.turn.set()
        publisher.connection_changed(connected=True)
        publisher.ingest_said(is_subscribed=True, receipts=True)
        await _until(lambda: len(link.sent) == 3)
        await _settle()
        assert (link.sent, len(outbox.rows)) == (sent_as(1, 2, 3), 3)
        publisher.take_receipt(receipt(3, spool="ffffffff"))  # of the file before this one
        publisher.take_receipt(receipt(3, (2, 2)))
        await _until(lambda: [r.number for r in outbox.rows] == [2])
        assert len(link.sent) == 3, "it may still be under way"
        publisher.take_receipt(receipt(3))
        await _until(lambda: not outbox.rows)
        assert publisher.counters["receipted"] == 3
        assert publisher.counters["receipts_of_another_outbox"] == 1

    play(story)


def test_what_the_broker_forgot_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.publisher.AGAIN_S", 0.0)

    async def story(publisher: Publisher, outbox: OneRow, link: BusyLink) -> None:
        outbox.rows = [row(n) for n in (1, 2, 3)]
        link.turn.set()
        publisher.connection_changed(connected=True)
        publisher.ingest_said(is_subscribed=True, receipts=True)
        await _until(lambda: len(link.sent) == 3)
        await _settle()
        publisher.take_receipt(receipt(1))
        await _until(lambda: len(outbox.rows) == 2)
        publisher.take_receipt(receipt(1))
        outbox.changed.set()
        await _until(lambda: len(link.sent) == 5)
        assert link.sent[3:] == sent_as(2, 3)
        assert publisher.counters["sent_again"] == 2

    play(story)


def test_after_a_lost_connection_all_that_is_not_on_a_receipt_goes_again() -> None:
    async def story(publisher: Publisher, outbox: OneRow, link: BusyLink) -> None:
        outbox.rows = [row(n) for n in (1, 2, 3)]
        link.turn.set()
        publisher.connection_changed(connected=True)
        publisher.ingest_said(is_subscribed=True, receipts=True)
        await _until(lambda: len(link.sent) == 3)
        publisher.take_receipt(receipt(2))
        await _until(lambda: len(outbox.rows) == 1)
        publisher.connection_changed(connected=False)
        publisher.connection_changed(connected=True)
        publisher.ingest_said(is_subscribed=True, receipts=True)
        outbox.changed.set()
        await _until(lambda: len(link.sent) == 4)
        assert link.sent[3:] == sent_as(3)

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
