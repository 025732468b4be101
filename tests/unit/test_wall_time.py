"""A gateway that boots in the past puts its times right before they leave, or says that nobody vouches for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import wall_clock
from gateway.outbox_schema import OutboxRow
from gateway.wall_clock import WallClock
from gateway.wall_time import UNKNOWN_MS, Verdict, WallState, apply, is_step, settle
from workplace.codec import decode, encode
from workplace.events import SensorEvent
from workplace.loss_events import GapRecord

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WAIT_MS = 600_000.0
#: What the wall clock gains when the time server answers, ms: from 1970 to today.
JUMP_MS = (NINE - EPOCH) / timedelta(milliseconds=1)


def wall(boot_ms: float, *, offset_ms: float = 0.0, trusted: bool = False, boot: str = "b") -> WallState:
    return WallState(boot, boot_ms, offset_ms, trusted)


def event(at: datetime, **changes: Any) -> SensorEvent:
    found = SensorEvent(
        id="event-0001",
        site="klein",
        gateway="gw-1",
        device="d",
        kind="motion",
        value=True,
        measured_at=at,
        clock="device",
        uncertainty_ms=5,
        received_at=at,
    )
    return msgspec.structs.replace(found, **changes)


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        pytest.param(wall(1e4), wall(2e4), Verdict("hold"), id="before the time is known rows are held"),
        pytest.param(wall(1e4), wall(WAIT_MS), Verdict("flag"), id="ten minutes after the boot they go out flagged"),
        pytest.param(
            wall(1e4), wall(7e4, offset_ms=JUMP_MS, trusted=True), Verdict(shift_ms=JUMP_MS),
            id="when the time is known they are put right",
        ),
        pytest.param(
            wall(1e4, trusted=True), wall(2e4, offset_ms=400.0, trusted=True), Verdict(), id="slewing moves nothing"
        ),
        pytest.param(
            wall(1e4, trusted=True), wall(2e4, offset_ms=-3.6e6, trusted=True), Verdict(shift_ms=-3.6e6),
            id="a step of an hour is taken back",
        ),
        pytest.param(wall(1e4, trusted=True), wall(2e4), Verdict(), id="a time that was known stays as it was"),
        pytest.param(
            wall(1e9, boot="old"), wall(1e4, trusted=True), Verdict("flag", is_of_older_boot=True),
            id="an older boot that never knew the time cannot be put right",
        ),
        pytest.param(
            wall(1e9, boot="old", trusted=True), wall(1e4), Verdict(), id="an older boot that knew it can be believed"
        ),
        pytest.param(WallState(), wall(1e4), Verdict(), id="rows of an older program go as they are"),
        pytest.param(wall(1e4), WallState(), Verdict(), id="the clock of a demo is never set"),
    ],
)  # fmt: skip
def test_settling(then: WallState, now: WallState, verdict: Verdict) -> None:
    assert settle(then, now, wait_ms=WAIT_MS) == verdict


def test_both_times_move_but_not_what_another_clock_said() -> None:
    moved = Verdict(shift_ms=JUMP_MS)
    ours = decode(apply(moved, encode(event(EPOCH + timedelta(seconds=30)))), SensorEvent)
    assert (ours.measured_at, ours.received_at) == (NINE + timedelta(seconds=30),) * 2
    bridge = event(EPOCH + timedelta(seconds=30), clock="network", measured_at=EPOCH)
    theirs = decode(apply(moved, encode(bridge)), SensorEvent)
    assert (theirs.measured_at, theirs.received_at) == (EPOCH, NINE + timedelta(seconds=30))
    gap = GapRecord(
        id="gap-1", site="s", gateway="g", cause="outbox_full", count=1, from_at=EPOCH, to_at=EPOCH
    )
    assert decode(apply(moved, encode(gap)), GapRecord).to_at == NINE


@pytest.mark.parametrize("older", [False, True])
def test_a_time_that_nobody_vouches_for_says_so(older: bool) -> None:
    verdict = Verdict("flag", is_of_older_boot=older)
    told = decode(apply(verdict, encode(event(EPOCH))), SensorEvent)
    assert (told.clock, told.uncertainty_ms, told.historical) == ("arrival", UNKNOWN_MS, older)
    assert told.id == "event-0001", "a redelivery is still recognised"


@settings(deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(0, 1e9), st.booleans(), st.booleans())
def test_whatever_the_clocks_say_an_event_stays_sound(
    shift_ms: float, boot_ms: float, then_trusted: bool, now_trusted: bool
) -> None:
    then = wall(boot_ms / 2, trusted=then_trusted)
    now = wall(boot_ms, offset_ms=shift_ms, trusted=now_trusted)
    verdict = settle(then, now, wait_ms=WAIT_MS)
    if verdict.action == "hold":
        assert boot_ms < WAIT_MS
        assert not now_trusted
        return
    told = decode(apply(verdict, encode(event(NINE))), SensorEvent)
    assert told.measured_at <= told.received_at
    if now_trusted:
        assert abs((told.received_at - NINE) / timedelta(milliseconds=1) - verdict.shift_ms) <= 1
        assert abs(verdict.shift_ms - shift_ms) <= 500


def test_a_step_is_a_change_of_more_than_half_a_second_within_a_boot() -> None:
    assert not is_step(wall(1), wall(2, offset_ms=500))
    assert is_step(wall(1), wall(2, offset_ms=501))
    assert not is_step(wall(1), wall(2, offset_ms=1e9, boot="new"))


class SetClock:
    """A wall clock that can be set."""

    speed = 1.0

    def __init__(self) -> None:
        self.boot = 30_000.0
        self.offset_ms = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.boot + self.offset_ms)

    def boot_ms(self) -> float:
        return self.boot

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


@pytest.mark.parametrize(
    ("expects", "held"),
    [
        pytest.param(True, True, id="with a time service it waits for the first answer"),
        pytest.param(False, False, id="without one there is nothing to wait for"),
    ],
)
def test_a_row_waits_only_for_a_time_server_that_may_answer(expects: bool, held: bool) -> None:
    clock, synced = SetClock(), [False]
    watch = WallClock(
        clock, boot="b", wait_s=600.0, is_synced=lambda: synced[0], expects_sync=lambda: expects
    )
    row = OutboxRow(1, "d", encode(event(clock.now())), watch.state())
    assert (watch.settle(row) is None) is held
    synced[0], clock.offset_ms, clock.boot = True, JUMP_MS, 90_000.0
    watch._look()
    settled = watch.settle(row)
    assert settled is not None
    assert decode(settled.body, SensorEvent).received_at == NINE + timedelta(seconds=30)
    assert watch.counters["times_corrected"] == 1


def test_who_listens_hears_by_how_much_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall_clock, "LOOK_S", 0.001)
    clock = SetClock()
    watch = WallClock(clock, boot="b", wait_s=600.0, is_synced=lambda: True)
    heard: asyncio.Queue[timedelta] = asyncio.Queue()

    async def story() -> timedelta:
        watching = asyncio.create_task(watch.run(heard.put), name="watch")
        await asyncio.sleep(0)  # it has looked once
        clock.offset_ms = JUMP_MS
        async with asyncio.timeout(60):
            by = await heard.get()
        watching.cancel()
        return by

    assert asyncio.run(story()) == timedelta(milliseconds=JUMP_MS)
    assert watch.counters["clock_steps"] == 1
