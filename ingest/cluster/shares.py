"""Who works on which partition: each worker decides for itself, from the same table. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker does next: partitions to try to take, and one to hand back."""

    take: tuple[int, ...] = ()
    leave: int | None = None


def wish(
    partitions: Collection[int],
    mine: Collection[int],
    held: Mapping[int, str],
    workers: Iterable[str],
    me: str,
) -> Wish:
    """Return what brings the workers to equal shares, none above `ceil(partitions / workers)`.

    Args:
        mine: what this worker holds.
        held: partition -> its holder, as the table says.
        workers: who is alive; this one counts even if the table does not name it yet.
    """
    alive = sorted({*workers, me})
    share = -(-len(partitions) // len(alive))
    if len(mine) > share:
        return Wish(leave=max(mine))
    free = sorted(set(partitions) - set(held) - set(mine))
    # Not all at the same one first: each begins at its own place in the row.
    turn = alive.index(me) * len(free) // len(alive)
    return Wish(take=tuple((free[turn:] + free[:turn])[: share - len(mine)]))
