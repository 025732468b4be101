"""Debounce of dock links: which edges count, and which are still too young to tell. Pure.

A drop or a plug that does not last is none. One that lasts counts from its own moment, so nothing is lost by waiting.
A drop that did not last is still remembered as a flap: a link that flaps is believed more slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workplace.occupancy.core import Core
from workplace.occupancy.ground import FLAP, LINK
from workplace.occupancy.sensor_now import Event, SensorNow

#: A link that flaps this often in an hour is believed to be down only after a longer time.
FLAPS, FLAP_WINDOW_MS, FLAPPING_DOWN_MS = 4, 3_600_000, 300_000


@dataclass(frozen=True, slots=True)
class Debounce:
    """How long a link must stay up to count for good, and down to count at all; ms."""

    up_ms: int
    down_ms: int


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts of a stretch of events: `events` in order; from `pending_at` on nothing is settled yet.

    `settles_at` is when time alone will settle the oldest of that; both None when all is settled. A plug that is not
    settled is among the events: it shows at once, and goes without a trace when it was none.
    """

    events: tuple[Event, ...]
    pending_at: int | None
    settles_at: int | None


def effective(core: Core, events: Sequence[Event], now: int, debounce: Debounce) -> Effective:
    """Return the events after `core` that count at `now`."""
    if not any(event.code == LINK for event in events):
        return Effective(tuple(events), None, None)
    found = [event for event in events if event.code != LINK]
    pending: list[tuple[int, int]] = []
    for number in sorted({event.sensor for event in events if event.code == LINK}):
        mine = [event for event in events if event.code == LINK and event.sensor == number]
        edges, wait = _edges(core.sensors[number], mine, now, debounce)
        found += edges
        if wait is not None:
            pending.append(wait)
    found.sort()
    if not pending:
        return Effective(tuple(found), None, None)
    at, settles_at = min(pending)[0], min(settles for _, settles in pending)
    return Effective(tuple(found), at, settles_at)


def _edges(
    before: SensorNow, events: Iterable[Event], now: int, debounce: Debounce
) -> tuple[list[Event], tuple[int, int] | None]:
    """Return which edges of one link count, and of the last one that is too young: its time, and when it settles."""
    level, drops = before.value, list(before.drops)
    changes = _changes(level, events)
    found: list[Event] = []
    n = 0
    while n < len(changes):
        edge = changes[n]
        wait = _wait_ms(edge, drops, debounce)
        following = changes[n + 1].at if n + 1 < len(changes) else None
        if not edge.value:
            drops.append(edge.at)
        if following is not None and following - edge.at < wait and level >= 0:
            if not edge.value:
                found.append(Event(edge.at, edge.sensor, FLAP, 0))
            n += 2  # it came back: neither of the two happened
            continue
        if following is None and now - edge.at < wait:
            # a plug is shown at once, like by the hand-tuned rule; a drop waits
            return [*found, edge] if edge.value else found, (edge.at, edge.at + wait)
        found.append(edge)
        level = edge.value
        n += 1
    return found, None


def _changes(level: int, events: Iterable[Event]) -> list[Event]:
    found: list[Event] = []
    for event in events:
        if event.value != level:
            found.append(event)
            level = event.value
    return found


def _wait_ms(edge: Event, drops: Sequence[int], debounce: Debounce) -> int:
    if edge.value:
        return debounce.up_ms
    recent = sum(1 for at in drops[-FLAPS:] if edge.at - at <= FLAP_WINDOW_MS)
    return max(debounce.down_ms, FLAPPING_DOWN_MS) if recent >= FLAPS else debounce.down_ms
