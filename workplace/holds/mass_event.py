"""Too many links of one switch drop at once: nobody has left, the switch has failed (R30). Pure.

A gateway that polls its switch says so itself; this guard is for links that reach us one by one, over whatever
gateway. While the event lasts the places are unknown, drops are held back, and the ones that were told before it was
seen are undone. It ends when links have come back and nothing has moved for a while, or when the device says that it
is there: what is down then is down since it dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from workplace.floor_plan import FloorPlan

#: R30: more than this share of the links of one switch, per cent, ...
SHARE_PCT: Final = 30
#: ... within this time, measured where it happened: a backlog that arrives at once is no event.
WITHIN: Final = timedelta(seconds=10)
#: ... and at least so many: of two laptops on one switch everybody who leaves is half of it.
LEAST: Final = 3
#: A device that is no switch is watched from so many links on: colleagues at one table do leave together.
MANY_LINKS: Final = 16
#: It is over this long after the last movement, once anything came back. Lower: docks that start with their switch are
#: taken as empty; higher: places stay unknown for longer than needed.
SETTLE: Final = timedelta(seconds=60)

Word = Literal["begins", "ends", "lost", "back", "undo", "down"]


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The links of one device.

    Attributes:
        levels: channel -> (newest change, up).
        since: the event lasts since then; is_announced: the gateway said so and says when it is over.
        held: channel -> when it dropped, for drops that are not believed.
        came_back: something came back since; moved_at: the newest change since.
        over: the stretch of the last event: what is told of it later, late or twice, is not believed either.
    """

    levels: dict[str, tuple[datetime, bool]] = {}
    since: datetime | None = None
    is_announced: bool = False
    held: dict[str, datetime] = {}
    came_back: bool = False
    moved_at: datetime | None = None
    over: tuple[datetime, datetime] | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When the event is over if nothing moves, None when only the device can tell."""
        if self.since is None or self.is_announced or not self.came_back or self.moved_at is None:
            return None
        return self.moved_at + SETTLE


@dataclass(frozen=True, slots=True)
class Told:
    """What follows for the places: an input is lost, is back, a drop is undone or believed since `at`.

    `channel` None stands for the device; `begins` and `ends` carry how many links and of how many.
    """

    word: Word
    channel: str | None
    at: datetime
    dropped: int = 0
    of: int = 0


def watched(plan: FloorPlan) -> frozenset[str]:
    """Return the devices that carry links of many places."""
    channels: dict[str, set[str]] = {}
    switches: set[str] = set()
    for place in plan.place.values():
        for sensor in place.sensors_of("link"):
            channels.setdefault(sensor.device, set()).add(sensor.channel or "")
            if sensor.kit == "switch_port":
                switches.add(sensor.device)
    return frozenset(d for d, its in channels.items() if d in switches or len(its) >= MANY_LINKS)


def hear(links: Links, channel: str, at: datetime, *, is_up: bool) -> tuple[Links, bool, tuple[Told, ...]]:
    """Take one change of a link; return whether it may reach its places, and what else follows."""
    known = links.levels.get(channel)
    if known is not None and at <= known[0]:
        return links, not _is_unbelieved(links, at), ()
    levels = links.levels | {channel: (at, is_up)}
    changed = msgspec.structs.replace(links, levels=levels)
    if links.since is not None and not links.is_announced:
        return _during(changed, channel, at, is_up=is_up)
    if is_up or links.is_announced or known is None or not known[1]:
        return changed, True, ()
    dropped = {name: when for name, (when, up) in levels.items() if not up and abs(at - when) <= WITHIN}
    of = len(dropped) + sum(up for _, up in levels.values())
    if len(dropped) < LEAST or 100 * len(dropped) <= SHARE_PCT * of:
        return changed, True, ()
    begun = msgspec.structs.replace(changed, since=at, held=dropped, came_back=False, moved_at=at)
    undone = tuple(Told("undo", name, when) for name, when in sorted(dropped.items()) if name != channel)
    return begun, False, (*undone, Told("lost", None, at), Told("begins", None, at, len(dropped), of))


def _is_unbelieved(links: Links, at: datetime) -> bool:
    """Whether an old change lies in an event: it was told, held back or undone, and is not told again."""
    if links.since is not None and not links.is_announced and at >= links.since - WITHIN:
        return True
    return links.over is not None and links.over[0] <= at <= links.over[1]


def _during(links: Links, channel: str, at: datetime, *, is_up: bool) -> tuple[Links, bool, tuple[Told, ...]]:
    moved_at = at if links.moved_at is None else max(links.moved_at, at)
    held = {name: when for name, when in links.held.items() if name != channel}
    if is_up:
        changed = msgspec.structs.replace(links, held=held, came_back=True, moved_at=moved_at)
        return changed, True, (Told("back", channel, at),)
    dropped_at = links.held.get(channel, at)
    return msgspec.structs.replace(links, held=held | {channel: dropped_at}, moved_at=moved_at), False, ()


def announced(links: Links, at: datetime, dropped: int) -> tuple[Links, tuple[Told, ...]]:
    """Take the word of the gateway that its switch has failed; it also says when that is over."""
    if links.since is not None:
        return links, ()
    changed = msgspec.structs.replace(links, since=at, is_announced=True, held={}, moved_at=at)
    return changed, (Told("begins", None, at, dropped),)


def ended(links: Links, at: datetime) -> tuple[Links, tuple[Told, ...]]:
    """Let the event be over: what is still down is down since it dropped."""
    if links.since is None:
        return links, ()
    stretch = links.over if links.is_announced else (links.since - WITHIN, at)
    over = msgspec.structs.replace(
        links, since=None, is_announced=False, held={}, came_back=False, moved_at=None, over=stretch
    )
    return over, tuple(_ending(links, at))


def _ending(links: Links, at: datetime) -> Iterator[Told]:
    if not links.is_announced:
        yield from (Told("down", name, when) for name, when in sorted(links.held.items()))
        yield Told("back", None, at)
    yield Told("ends", None, at, len(links.held))
