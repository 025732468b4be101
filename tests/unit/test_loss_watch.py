"""What a gateway puts on record of itself: when nobody listened, frames that are missing, times that nobody knows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.loss_watch import MOST_MISSED, FrameCounters, LossWatch
from gateway.normalise import Origin
from gateway.outbox import Outbox
from workplace.codec import decode
from workplace.loss_events import Canary, GapRecord
from workplace.message import Message

NINE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ORIGIN = Origin("klein", "gw-1")


class Clock:
    speed = 1.0

    def __init__(self) -> None:
        self.at = NINE

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0


def play(
    folder: Path, clock: Clock, story: Callable[[Outbox, LossWatch], Awaitable[None]], **more: object
) -> None:
    async def body() -> None:
        connect = sqlite3.connect
        async with Outbox(
            folder / "o.sqlite", connect=connect, now=clock.now, gateway=("klein", "gw-1")
        ) as box:
            watch = LossWatch(
                ORIGIN,
                clock,
                box,
                is_clock_trusted=lambda: bool(more.get("trusted", True)),
                flagged=lambda: int(str(more.get("flagged", 0))),
            )
            await watch.begin()
            await story(box, watch)

    asyncio.run(body())


async def said(box: Outbox) -> list[GapRecord]:
    found = [decode(row.body, Message) for row in await box.take(100)]
    return [message for message in found if isinstance(message, GapRecord)]


def test_the_time_between_two_lives_is_on_record(tmp_path: Path) -> None:
    clock = Clock()

    async def first(box: Outbox, watch: LossWatch) -> None:
        assert await said(box) == [], "a new gateway has no life before this one"
        clock.at += timedelta(minutes=5)
        await watch._sing()
        (row,) = await box.take(9)
        assert decode(row.body, Canary).at == clock.at

    play(tmp_path, clock, first)
    clock.at += timedelta(hours=2)

    async def second(box: Outbox, watch: LossWatch) -> None:
        (gap,) = await said(box)
        assert (gap.cause, gap.count, gap.lines) == ("gateway_down", 0, ())
        assert (gap.from_at, gap.to_at) == (NINE + timedelta(minutes=5), clock.at)
        clock.at += timedelta(minutes=1)
        await watch.end()
        assert await box.alive_at() == clock.at

    play(tmp_path, clock, second)

    async def third(box: Outbox, watch: LossWatch) -> None:
        assert len(await said(box)) == 1, "without a sure clock nobody knows how long it was"

    clock.at += timedelta(hours=1)
    play(tmp_path, clock, third, trusted=False)


def test_rows_that_went_with_a_damaged_file_are_on_record(tmp_path: Path) -> None:
    (tmp_path / "o.sqlite").write_bytes(b"no database at all" * 300)

    async def story(box: Outbox, watch: LossWatch) -> None:
        assert [gap.cause for gap in await said(box)] == ["outbox_lost"]

    play(tmp_path, Clock(), story)


def test_events_with_an_unsure_time_are_on_record_once(tmp_path: Path) -> None:
    async def story(box: Outbox, watch: LossWatch) -> None:
        await watch._sing()
        await watch._sing()
        assert [(gap.cause, gap.count) for gap in await said(box)] == [("clock_unsynced", 7)]

    play(tmp_path, Clock(), story, flagged=7)


@given(st.lists(st.integers(0, 3 * MOST_MISSED), max_size=30))
def test_missed_frames_are_the_holes_of_a_rising_counter(counters: list[int]) -> None:
    frames = FrameCounters()
    last: int | None = None
    for number, counter in enumerate(counters):
        found = frames.missed("lora-1", counter, NINE + timedelta(seconds=number))
        hole = 0 if last is None else counter - last - 1
        assert (found[0] if found else 0) == (hole if 0 < hole <= MOST_MISSED else 0)
        last = counter
    assert frames.missed("lora-2", 5, NINE) is None, "each device counts for itself"
