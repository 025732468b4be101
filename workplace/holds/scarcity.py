"""Is a zone group short of places (R11, R12)? With hysteresis in level and in time. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from workplace.policy_file import ScarcityFile

#: With a smaller share of trusted places nothing is said about scarcity: bad data may not start a ladder.
LEAST_TRUSTED_SHARE = 0.5


class Scarcity(msgspec.Struct, frozen=True, array_like=True):
    """One zone group: short or not, and since when it looks as if that is about to change."""

    scarce: bool = False
    turning_since: datetime | None = None


def step(
    state: Scarcity, *, free: int, trusted: int, capacity: int, now: datetime, settings: ScarcityFile
) -> Scarcity:
    """Advance one group.

    Args:
        free: places shown free; reclaimable ones are not free.
        trusted: places that are neither unknown nor exempt.
        capacity: places that are not exempt.
    """
    if trusted == 0 or trusted < LEAST_TRUSTED_SHARE * capacity:
        return Scarcity(state.scarce, None)
    if state.scarce:
        turns = free > max(settings.off_places, settings.off_pct / 100 * trusted)
        # A group smaller than the exit level could never leave: all free is always room.
        turns = turns or free == trusted
    else:
        turns = free <= max(settings.on_places, settings.on_pct / 100 * trusted) and free < trusted
    if not turns:
        return Scarcity(state.scarce, None)
    since = state.turning_since or now
    if now - since >= timedelta(minutes=settings.for_min):
        return Scarcity(not state.scarce, None)
    return Scarcity(state.scarce, since)


def wake_at(state: Scarcity, settings: ScarcityFile) -> datetime | None:
    """Return when time alone turns the group, None when only places can."""
    if state.turning_since is None:
        return None
    return state.turning_since + timedelta(minutes=settings.for_min)
