"""Which events of one boot of a node were received, are durable, or are lost.

The node keeps its newest events in a queue that only ever loses its oldest end: by our acknowledgement, or
because it was full. So the oldest sequence still kept tells what is gone, and the newest one what exists.
"""

from __future__ import annotations

from enum import Enum

#: Events received and not yet durable. A node keeps 32, so this many means that the gateway stopped
#: committing; more events stay with the node until it goes on.
MAX_UNCOMMITTED = 1024


class Offer(Enum):
    """What to do with an event that came in."""

    NEW = "new"
    DUPLICATE = "duplicate"
    NOT_TAKEN = "not_taken"


class EventLedger:
    """The books of one (device, boot).

    Args:
        boot_id: the boot that the events belong to.
        from_start: the session saw the boot before this one, so nobody else can have acknowledged anything,
            and what is missing from number 1 on is lost. Otherwise an earlier session may have taken it.

    Attributes:
        floor: every event up to here is durable or out of the node's queue; None until the node tells.
        highest: highest event received.
    """

    def __init__(self, boot_id: int, *, from_start: bool) -> None:
        self.boot_id = boot_id
        self.floor: int | None = 0 if from_start else None
        self.highest = 0
        self._newest = 0
        self._settled = 0
        self._dropped: int | None = 0 if from_start else None
        self._received: dict[int, bool] = {}

    def offer(self, seq: int, oldest_seq: int) -> tuple[Offer, int]:
        """Return whether to take event `seq`, and how many events just turned out to be lost."""
        if not 1 <= oldest_seq <= seq:
            return Offer.NOT_TAKEN, 0
        lost = self._retire_below(oldest_seq)
        self._newest = max(self._newest, seq)
        if seq <= (self.floor or 0) or seq in self._received:
            return Offer.DUPLICATE, lost
        if len(self._received) >= MAX_UNCOMMITTED:
            return Offer.NOT_TAKEN, lost
        self._received[seq] = False
        self.highest = max(self.highest, seq)
        return Offer.NEW, lost

    def commit(self, seq: int) -> bool:
        """Note that an event is durable; True when a higher number may be acknowledged now."""
        if seq in self._received:
            self._received[seq] = True
        return self._advance()

    def heard_of(self, newest_seq: int) -> None:
        """Note that an event of this number exists."""
        self._newest = max(self._newest, newest_seq)

    def queue_is(self, newest_seq: int, queued: int, dropped: int) -> int:
        """Take what a heartbeat says of the node's queue; return how many events just turned out to be lost.

        Args:
            newest_seq: newest event of this boot.
            queued: events that the node still keeps.
            dropped: events that a full queue has cost since boot; the field stops at 65535.
        """
        self.heard_of(newest_seq)
        is_first, before = self._dropped is None, self._dropped or 0
        floor_was_known = self.floor is not None
        self._dropped = dropped
        self._settled = max(self._settled, newest_seq - queued)
        # Only an empty queue is exact: with a filled one, more may be dropped before the next event.
        lost = self._retire_below(newest_seq + 1) if queued == 0 else 0
        # With a known floor, sequence numbers tell what is missing. Without one, a queue that is still
        # filled means that the drops are recent; an empty one, that an earlier session has told of them.
        if not floor_was_known and (queued > 0 or not is_first):
            lost = max(0, dropped - before)
        return lost

    def is_complete(self, up_to: int) -> bool:
        """True when no event up to `up_to` is still on its way."""
        return self._missing(up_to) == 0

    def lost_with_boot(self) -> int:
        """Return how many known events can never arrive any more, now that the node has restarted."""
        known = self.floor is not None or self._settled > 0
        return self._missing(self._newest) if known else 0

    def _missing(self, up_to: int) -> int:
        base = max(self.floor or 0, self._settled)
        return max(0, up_to - base - sum(base < seq <= up_to for seq in self._received))

    def _retire_below(self, oldest_seq: int) -> int:
        """Forget what the node no longer keeps; what was never received of it is lost."""
        if self.floor is None:
            self.floor = oldest_seq - 1
            return 0
        if oldest_seq - 1 <= self.floor:
            return 0
        gone = [seq for seq in self._received if seq < oldest_seq]
        lost = oldest_seq - 1 - self.floor - len(gone)
        for seq in gone:
            del self._received[seq]
        self.floor = oldest_seq - 1
        self._advance()
        return lost

    def _advance(self) -> bool:
        if self.floor is None:
            return False
        before = self.floor
        while self._received.get(self.floor + 1):
            self.floor += 1
            del self._received[self.floor]
        return self.floor > before
