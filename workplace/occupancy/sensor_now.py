"""One sensor of a place as the occupancy filter sees it: how it stands, and what its own events make of it. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from workplace.occupancy.ground import (
    BACK,
    END,
    FLAP,
    HIT,
    LINK,
    LOST,
    RUN_LATE_MS,
    TIMER_SLACK_MS,
    Ear,
)

#: A motion sensor that hits in this share of its windows for this long is stuck, until it pauses.
STUCK_SHARE, STUCK_AFTER_MS, STUCK_PAUSE_MS = 0.85, 2 * 3_600_000, 600_000
#: It is blocked when it sees nobody around this many dockings in a row, within this time of each.
BLOCKED_AFTER, BLOCKED_NEAR_MS = 4, 180_000
#: A device that keeps quiet about so many ends in a row tells none: its hits are hits and nothing more.
ENDLESS_AFTER: Final = 2
#: This much of the blind time must have passed before another hit is one of its own: clocks differ.
REARMED_SHARE: Final = 0.9
#: This many drops of a link are remembered.
DROPS_KEPT: Final = 4


class Event(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What sensor number `sensor` did at `at` (unix ms): a code of `ground`; `value` 0 or 1."""

    at: int
    sensor: int
    code: int
    value: int = 1


class SensorNow(msgspec.Struct, frozen=True, array_like=True):
    """One sensor after some event.

    Attributes:
        is_trusted: it listens; its silence counts.
        value: level, -1 while unknown; of a motion sensor with a timer: 1 until the end is told.
        changed_at: last hit or last change of level, unix ms.
        run_from, run_hits: the present run of hits without a long pause.
        unseen: dockings in a row that a motion sensor did not see.
        drops: when a link dropped last, oldest first.
        endless: ends in a row that a timer should have told and did not.
    """

    is_trusted: bool = False
    value: int = -1
    changed_at: int = 0
    run_from: int = 0
    run_hits: int = 0
    unseen: int = 0
    drops: tuple[int, ...] = ()
    endless: int = 0


def after(ear: Ear, before: SensorNow, event: Event) -> SensorNow:
    """Return the sensor after its event."""
    if event.code == HIT:
        return _hit(ear, before, event.at)
    if event.code == END:
        return _ended(ear, before, event)
    if event.code == LOST:
        return msgspec.structs.replace(before, is_trusted=False)
    if event.code == BACK:
        if (
            ear.code == LINK and before.value >= 0
        ):  # a link that comes back is what it was, for as long as it was
            return msgspec.structs.replace(before, is_trusted=True)
        return msgspec.structs.replace(before, is_trusted=True, value=-1, changed_at=event.at)
    drops = before.drops
    if event.code == FLAP or (event.code == LINK and not event.value):
        drops = (*drops, event.at)[-DROPS_KEPT:]
    if event.code == FLAP:
        return msgspec.structs.replace(before, drops=drops)
    if event.value == before.value:
        return before
    return msgspec.structs.replace(before, value=event.value, changed_at=event.at, drops=drops)


def is_running(ear: Ear, now: SensorNow) -> bool:
    """Whether a timer has not told the end of the hits yet: they go on, or the timer is not over."""
    return ear.has_runs and now.value > 0 and now.endless < ENDLESS_AFTER


def deaf_and_run(ear: Ear, now: SensorNow) -> tuple[int, int]:
    """Return until when nothing can be told from this motion sensor's silence, and until when hits are believed to go
    on because the end was not told; then the end was lost. Unix ms."""
    if is_running(ear, now):
        deaf = now.changed_at + ear.timer_ms + RUN_LATE_MS
        return deaf, deaf + ear.believed_ms
    deaf = now.changed_at + ear.blind_ms
    return deaf, deaf


def is_rearmed(ear: Ear, now: SensorNow, at: int) -> bool:
    """Whether a hit at `at` is news, and not the last one once more."""
    return now.is_trusted and at >= now.changed_at + int(ear.blind_ms * REARMED_SHARE)


def is_usable(ear: Ear, now: SensorNow) -> bool:
    return now.is_trusted and not is_blocked(now) and not is_stuck(ear, now)


def is_blocked(now: SensorNow) -> bool:
    """Whether a motion sensor saw nobody come too often; one that never saw anybody at all has no credit."""
    return now.unseen >= (BLOCKED_AFTER if now.run_hits else 1)


def is_stuck(ear: Ear, now: SensorNow) -> bool:
    """Whether a motion sensor hits in nearly every window it has, for hours: nobody moves like that."""
    length = now.changed_at - now.run_from
    return length >= STUCK_AFTER_MS and now.run_hits >= STUCK_SHARE * length / max(ear.blind_ms, 1000)


def is_known(ear: Ear, before: SensorNow, end: Event) -> bool:
    """Whether the hit that the end of a timer tells of was heard itself; a level that is off says only that again."""
    return (ear.is_level and before.value <= 0) or before.changed_at >= end.at - 2 * TIMER_SLACK_MS


def after_docking(ear: Ear, now: SensorNow, previous: int) -> SensorNow:
    """Count, at the next docking, whether the motion sensor saw the one before it (at `previous`)."""
    if ear.code != HIT or not previous:
        return now
    missed = now.changed_at < previous - BLOCKED_NEAR_MS
    return msgspec.structs.replace(now, unseen=now.unseen + 1) if missed else now


def hit_by(before: SensorNow, at: int) -> SensorNow:
    """Return a motion sensor after a hit, its timer not looked at."""
    is_new_run = before.run_hits == 0 or at - before.changed_at > STUCK_PAUSE_MS
    return SensorNow(
        before.is_trusted,
        before.value,
        at,
        at if is_new_run else before.run_from,
        1 if is_new_run else before.run_hits + 1,
        before.unseen,
        before.drops,
        before.endless,
    )


def is_said_again(ear: Ear, before: SensorNow, at: int) -> bool:
    """Whether a hit at `at` is the state of a level within a run, said once more."""
    return ear.is_level and is_running(ear, before) and at < deaf_and_run(ear, before)[1]


def _hit(ear: Ear, before: SensorNow, at: int) -> SensorNow:
    if is_said_again(ear, before, at):
        return before
    now = hit_by(before, at)
    if not ear.has_runs:
        return now
    is_missed = before.value > 0 and at - before.changed_at > ear.timer_ms + RUN_LATE_MS
    return msgspec.structs.replace(now, value=1, endless=before.endless + is_missed)


def _ended(ear: Ear, before: SensorNow, end: Event) -> SensorNow:
    if is_known(ear, before, end):
        return msgspec.structs.replace(before, value=0, endless=0)
    return msgspec.structs.replace(hit_by(before, end.at - TIMER_SLACK_MS), value=0, endless=0)
