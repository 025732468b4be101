"""Boot-clock time is what a gateway knows; wall time is a label that may be corrected until it is sent. Pure.

A small computer without a battery-backed clock boots in the past and learns the time a minute later. What it heard in
between is held until then, and its wall time is put right before it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec

from workplace.codec import decode, encode
from workplace.events import SensorEvent
from workplace.loss_events import Canary, GapRecord
from workplace.message import Message

#: A change of the wall clock against the boot clock by more than this, ms, is a step; time servers slew less.
STEP_MS = 500.0
#: Half width of a wall time that nobody vouches for, ms: a day.
UNKNOWN_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class WallState:
    """The wall clock at one moment.

    Attributes:
        boot: id of this boot of the kernel; empty where the site's clock is not the machine's.
        boot_ms: ms since that boot, through suspend.
        offset_ms: wall time minus boot time, ms since 1970.
        is_trusted: a time server vouches for it, or none is expected to.
    """

    boot: str = ""
    boot_ms: float = 0.0
    offset_ms: float = 0.0
    is_trusted: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a row: hold it, or send it with its times moved, or without anybody vouching for them."""

    action: Literal["send", "hold", "flag"] = "send"
    shift_ms: float = 0.0
    is_of_older_boot: bool = False


def settle(then: WallState, now: WallState, *, wait_ms: float) -> Verdict:
    """Return what to do now with a row that was written at `then`.

    Args:
        wait_ms: a time server may take this long after the boot; then rows go out flagged.
    """
    if not then.boot or not now.boot:
        return Verdict()
    if then.boot != now.boot:
        return Verdict() if then.is_trusted else Verdict("flag", is_of_older_boot=True)
    if now.is_trusted:
        shift_ms = now.offset_ms - then.offset_ms
        return Verdict(shift_ms=shift_ms if abs(shift_ms) > STEP_MS else 0.0)
    if then.is_trusted:
        return Verdict()
    return Verdict("hold" if now.boot_ms < wait_ms else "flag")


def is_step(before: WallState, after: WallState) -> bool:
    """Whether the wall clock was set between two looks."""
    return before.boot == after.boot and abs(after.offset_ms - before.offset_ms) > STEP_MS


def apply(verdict: Verdict, body: bytes) -> bytes:
    """Return the message with its times put right, or flagged; `body` is one of ours."""
    if verdict.action == "send" and verdict.shift_ms == 0.0:
        return body
    message = decode(body, Message)
    by = timedelta(milliseconds=round(verdict.shift_ms))
    if isinstance(message, GapRecord):
        return encode(
            msgspec.structs.replace(message, from_at=message.from_at + by, to_at=message.to_at + by)
        )
    if isinstance(message, Canary):
        return encode(msgspec.structs.replace(message, at=message.at + by))
    if not isinstance(message, SensorEvent):
        return body
    if verdict.action == "flag":
        return encode(_flagged(message, verdict))
    received_at = message.received_at + by
    # what a bridge or a network put on it came from a clock of its own
    measured_at = message.measured_at if message.clock == "network" else message.measured_at + by
    return encode(
        msgspec.structs.replace(message, received_at=received_at, measured_at=min(measured_at, received_at))
    )


def _flagged(event: SensorEvent, verdict: Verdict) -> SensorEvent:
    if event.clock == "network":
        return event
    return msgspec.structs.replace(
        event,
        clock="arrival",
        uncertainty_ms=max(event.uncertainty_ms, UNKNOWN_MS),
        historical=event.historical or verdict.is_of_older_boot,
    )
