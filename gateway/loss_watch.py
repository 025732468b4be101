"""What a gateway knows to be missing: records for the site's ledger, and the canary that shows that the way is open."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from gateway.ids import stable_id
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.outbox_schema import Waiting
from workplace.errors import StoreUnavailable
from workplace.loss_events import Canary, GapCause, GapRecord
from workplace.ports import Clock

log = structlog.get_logger(__name__)

#: A canary this often, s of real time. It is also the mark of the last moment at which the gateway listened: lower
#: wears the flash card, higher makes the time during which it was down less exact.
CANARY_S = 60.0
#: A counter that jumps by more than this was set anew: nobody loses so many frames and goes on.
MOST_MISSED = 1000
#: Families whose devices count their frames, so that a hole means that the radio lost some.
COUNTED_FAMILIES = frozenset({"chirpstack", "things_stack"})


@dataclass(slots=True)
class FrameCounters:
    """The last frame counter of each device. Pure."""

    _last: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def missed(self, device: str, counter: int, at: datetime) -> tuple[int, datetime] | None:
        """Return how many frames of a device did not arrive before this one, and since when; None when none.

        A counter that stands still is a repeat; one that falls belongs to a new session (LoRaWAN: a join).
        """
        last = self._last.get(device)
        if last is not None and counter == last[0]:
            return None
        self._last[device] = counter, at
        if last is None:
            return None
        missed = counter - last[0] - 1
        return (missed, last[1]) if 0 < missed <= MOST_MISSED else None


def gap_record(
    origin: Origin, cause: GapCause, count: int, from_at: datetime, to_at: datetime, device: str | None = None
) -> GapRecord:
    """Return the record of `count` events that are missing between two times; 0 when nobody knows how many."""
    return GapRecord(
        id=stable_id("gap", origin.gateway, cause, device, from_at.isoformat(), to_at.isoformat(), count),
        site=origin.site,
        gateway=origin.gateway,
        device=device,
        cause=cause,
        count=count,
        from_at=min(from_at, to_at),
        to_at=to_at,
    )


class LossWatch:
    """Tells the ledger when this gateway could not listen or did not know the time, and sends the canary.

    Args:
        is_clock_trusted: a time server vouches for the clock, or none is expected to.
        flagged: how many events went out so far with a time that nobody vouches for.

    Attributes:
        counters: `canaries`, and `store_failed` when the disk refused one.
    """

    def __init__(
        self,
        origin: Origin,
        clock: Clock,
        outbox: Outbox,
        *,
        is_clock_trusted: Callable[[], bool],
        flagged: Callable[[], int],
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._flagged = flagged
        self._told_flagged, self._sang_at = 0, clock.now()
        self._origin = origin
        self._clock = clock
        self._outbox = outbox
        self._is_clock_trusted = is_clock_trusted

    async def begin(self) -> None:
        """Say since when nobody listened here, and that rows were lost with a damaged file.

        While no time server vouches for the clock, nobody can say how long that was.
        """
        now = self._clock.now()
        try:
            alive_at = await self._outbox.alive_at()
        except StoreUnavailable:
            alive_at = None
        records = []
        if alive_at is not None and alive_at < now and self._is_clock_trusted():
            records.append(gap_record(self._origin, "gateway_down", 0, alive_at, now))
        if self._outbox.moved_aside is not None:
            records.append(gap_record(self._origin, "outbox_lost", 0, now, now))
        try:
            await self._outbox.put(records, alive_at=now)
        except StoreUnavailable as error:
            log.warning("beginning_not_kept", why=str(error))

    async def run(self) -> None:
        """Send a canary every `CANARY_S` until cancelled."""
        while True:
            try:
                await self._sing()
            except StoreUnavailable:
                self.counters["store_failed"] += 1
            await asyncio.sleep(CANARY_S)

    async def _sing(self) -> None:
        now = self._clock.now()
        canary = Canary(
            id=stable_id("canary", self._origin.gateway, now.isoformat()),
            site=self._origin.site,
            gateway=self._origin.gateway,
            at=now,
        )
        flagged = self._flagged()
        unsure = flagged - self._told_flagged
        records: list[Waiting] = [canary]
        if unsure > 0:
            records.append(gap_record(self._origin, "clock_unsynced", unsure, self._sang_at, now))
        await self._outbox.put(records, alive_at=now)
        self._told_flagged, self._sang_at = flagged, now
        self.counters["canaries"] += 1

    async def end(self) -> None:
        """Keep the moment at which the gateway stopped listening."""
        try:
            await self._outbox.put((), alive_at=self._clock.now())
        except StoreUnavailable as error:
            log.warning("end_not_kept", why=str(error))
