"""A gateway's outbox and a site's store at work, the way of an event from one to the other, until killed or done.

    python -m tests.chaos.power_worker ROOT STEPS SEED

Everything durable is the product's own: `gateway.outbox.Outbox` in ROOT/gateway, `ingest.site_book.SiteBook` in
ROOT/site. In ROOT/promises stands what they promised, at the moment when they did: `node <ids>` when the gateway would
have acknowledged events to a node, `site <ids>` when ingest would have acknowledged them to the broker.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from gateway import outbox as outbox_module
from gateway.outbox import Outbox
from gateway.outbox_schema import with_waybill
from ingest.place_runtime import GatewayWatch, PlaceRuntime
from ingest.site_book import SiteBook
from ingest.stores.sqlite_store import SqliteStore
from ingest.subscriber import Fact, Subscriber
from plekvrij.sqlite_driver import connect
from tests.conftest import SMALL_PLAN
from workplace import floor_plan, policy
from workplace.codec import decode
from workplace.events import GatewayHealth, SensorEvent
from workplace.holds.engine import SiteEngine
from workplace.line_ranges import LineRanges
from workplace.message import Message
from workplace.topics import Topics

PLAN = floor_plan.load(SMALL_PLAN, "small.plan.yaml")
NODE, GATEWAY = "dsp1-0001000000000001", "gw-1"
BEGAN = datetime(2026, 11, 24, 8, tzinfo=UTC)
#: Site time goes on by this much per step, s, so that a run fills some of the five minutes that an account counts by.
STEP_S = 20
ROWS = 50


class StepClock:
    """Site time that goes on when it is told to."""

    speed = 1.0

    def __init__(self, at: datetime = BEGAN) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return (self.at - BEGAN).total_seconds() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


def event(number: int) -> SensorEvent:
    """Return the event with this number: a laptop plugged in or out."""
    at = BEGAN + timedelta(seconds=number)
    return SensorEvent(
        id=f"event-{number:06d}", site=PLAN.site, gateway=GATEWAY, device=NODE, kind="link", channel=str(number % 8),
        value=number // 8 % 2 == 0, measured_at=at, clock="device", uncertainty_ms=5, received_at=at, seq=number,
    )  # fmt: skip


def outbox_in(folder: Path, clock: StepClock) -> Outbox:
    folder.mkdir(parents=True, exist_ok=True)
    return Outbox(folder / "gw-1.sqlite", connect=connect, now=clock.now, gateway=(PLAN.site, GATEWAY))


def book_in(folder: Path, clock: StepClock) -> SiteBook:
    rules = policy.default(PLAN.site)
    return SiteBook(
        store=SqliteStore(connect, folder / "site.db"),
        plan=PLAN,
        subscriber=Subscriber(PLAN, Topics(PLAN.site)),
        runtime=PlaceRuntime(lambda: SiteEngine(PLAN, rules), clock, PLAN.site),
        watch=GatewayWatch(PLAN.gateway, 45.0),
        clock=clock,
        encoder=None,
    )


class Way:
    """The way from the outbox to the store, as publisher and ingest walk it."""

    def __init__(self, outbox: Outbox, book: SiteBook, clock: StepClock) -> None:
        self.outbox, self.book, self._clock = outbox, book, clock
        self._sent_upto = 0

    async def carry(self) -> list[str]:
        """Bring the next rows into the store; return the ids that ingest may acknowledge."""
        rows = await self.outbox.take(ROWS, self._sent_upto)
        facts: list[Fact] = [
            decode(with_waybill(row.body, self.outbox.spool, row.number), Message)  # type: ignore[misc]
            for row in rows
        ]
        if rows:
            self.book.take_in(facts, is_live=True)
            self._sent_upto = rows[-1].number
        return [fact.id for fact in facts if isinstance(fact, SensorEvent)]

    async def report(self) -> None:
        stats = await self.outbox.stats()
        health = GatewayHealth(
            site=PLAN.site, gateway=GATEWAY, at=self._clock.now(), uptime_s=1, outbox_rows=stats.rows,
            outbox_oldest_s=stats.oldest_s, clock_synced=True, spool=stats.spool, first_line=stats.first_line,
            last_line=stats.last_line,
        )  # fmt: skip
        self.book.take_in([health], is_live=True)

    async def let_go(self) -> None:
        for receipt in self.book.losses.receipts():
            if receipt.spool == self.outbox.spool:
                await self.outbox.delete(LineRanges(receipt.missing).missing(1, receipt.upto))


async def work(root: Path, steps: int, seed: int) -> None:
    """Make events, carry them and let them go, in an order by chance."""
    chance = random.Random(seed)
    promises = os.open(root / "promises", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def promise(who: Literal["node", "site"], ids: list[str]) -> None:
        os.write(promises, f"{who} {' '.join(ids)}\n".encode())

    outbox_module.GROUP_S = (
        0.002  # commits of a busy outbox are spaced for the sake of SD cards; here that is only waiting
    )
    made, clock = 0, StepClock()
    async with outbox_in(root / "gateway", clock) as outbox:
        book = book_in(root / "site", clock)
        book.open()
        way = Way(outbox, book, clock)
        for _ in range(steps):
            clock.at += timedelta(seconds=STEP_S)
            events = [event(made + number) for number in range(chance.randint(1, 6))]
            made += len(events)
            await outbox.put(events)
            promise("node", [one.id for one in events])
            if chance.random() < 0.6 and (ids := await way.carry()):
                promise("site", ids)
            if chance.random() < 0.3:
                await way.let_go()
            if chance.random() < 0.05:
                await way.report()
                book.tick(watch=False)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
