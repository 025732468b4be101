"""Carries what waits to one channel: in order, at least once, with back-off; what went stale is counted.

Each channel has a courier of its own. Back-off and time-outs run in real time, staleness and digests in site time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from ingest.channels.listener import Permit
from ingest.channels.outbox import Outbox, Waiting
from workplace.channels import telling_id
from workplace.errors import ChannelRefused, ChannelUnavailable, StoreUnavailable
from workplace.ports import Channel, Clock, Parcel

log = structlog.get_logger(__name__)

#: How often an empty outbox is looked at, s of real time.
POLL_S = 0.5
#: Back-off of a channel that does not answer, s: first and longest, before jitter.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
#: A server may ask for a pause up to this long, s.
_LONGEST_ASKED_S = 900.0
#: Tellings that are looked at together, and at most in one message: some services take 4 kB.
_LOOK_AHEAD, _MOST_IN_DIGEST = 200, 40

State = Literal["ok", "failing", "refused", "closed"]


@dataclass(frozen=True, slots=True)
class CourierStatus:
    """What health tells; `reason` is a code, never an address."""

    state: State = "ok"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Packing:
    """What is to be done with what waits: send `parcel`, or come back after `wait` of site time."""

    parcel: Parcel | None = None
    is_new: bool = False
    wait: timedelta | None = None


def stale(rows: Sequence[Waiting], now: datetime) -> list[str]:
    """Return the ids that waited too long. A parcel that was tried stays whole while one of it is worth telling."""
    alive = {row.parcel for row in rows if row.parcel is not None and row.telling.expires_at > now}
    return [row.telling.id for row in rows if row.telling.expires_at <= now and row.parcel not in alive]


def pack(
    rows: Sequence[Waiting], spoke: dict[str, datetime], now: datetime, digest: timedelta, channel: str
) -> Packing:
    """Return what to send first of `rows`, oldest first.

    Args:
        spoke: scope -> when it was last spoken of.
        digest: shortest time between two messages about one scope; zero sends each telling by itself, in order.
    """
    tried = next((row.parcel for row in rows if row.parcel is not None), None)
    if tried is not None:
        return Packing(Parcel(tried, tuple(row.telling for row in rows if row.parcel == tried)))
    waits: list[timedelta] = []
    for scope in dict.fromkeys(row.telling.scope for row in rows):
        # a clock that was set back must not silence a zone for longer
        wait = min(digest - (now - spoke[scope]), digest) if scope in spoke else timedelta(0)
        if digest and wait > timedelta(0):
            waits.append(wait)
            continue
        mine = [row.telling for row in rows if row.telling.scope == scope]
        tellings = tuple(mine[:_MOST_IN_DIGEST] if digest else mine[:1])
        id_ = tellings[0].id if len(tellings) == 1 else telling_id(" ".join(t.id for t in tellings), channel)
        return Packing(Parcel(id_, tellings), is_new=True)
    return Packing(wait=min(waits, default=None))


class Courier:
    """`run` until cancelled; `status` may be read at any time."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        outbox: Outbox,
        clock: Clock,
        permit: Callable[[], Permit],
        *,
        digest: timedelta = timedelta(0),
        monotonic: Callable[[], float] = time.monotonic,
        pauses_s: tuple[float, float] = (FIRST_PAUSE_S, LONGEST_PAUSE_S),
    ) -> None:
        self.name = name
        self._channel = channel
        self._outbox = outbox
        self._clock = clock
        self._permit = permit
        self._digest = digest
        self._monotonic = monotonic
        self._pauses_s = pauses_s
        self._failures = 0
        self._unwritten: Callable[[], None] | None = None
        self.status = CourierStatus()

    async def run(self) -> None:
        """Deliver until cancelled. Whatever goes wrong with this channel stays with this channel."""
        try:
            while True:
                try:
                    pause_s = await self.step()
                except StoreUnavailable as error:
                    pause_s = self._failed("store", None)
                    log.error("channel_outbox_unavailable", channel=self.name, why=str(error))
                except Exception:  # the supervisor of this channel
                    pause_s = self._failed("program", None)
                    log.exception("channel_failed", channel=self.name)
                await asyncio.sleep(pause_s)
        finally:
            await self._channel.close()

    async def step(self) -> float:
        """Send one parcel if one is due; return how long to wait before the next, s of real time."""
        if self._unwritten is not None:  # it was sent: only noting it down failed
            await asyncio.to_thread(self._unwritten)
            self._unwritten = None
        permit, now = self._permit(), self._clock.now()
        if not permit.is_fresh(self._monotonic()):
            return POLL_S
        rows = await asyncio.to_thread(self._outbox.waiting, self.name, _LOOK_AHEAD)
        rows = await self._sort_out(rows, permit, now)
        if not rows:
            return POLL_S
        spoke = await asyncio.to_thread(self._outbox.spoke, self.name)
        packing = pack(rows, spoke, now, self._digest, self.name)
        if packing.parcel is None:
            wait = packing.wait or timedelta(0)
            return min(POLL_S, max(self._clock.real_seconds(wait.total_seconds()), 0.0))
        parcel = packing.parcel
        if packing.is_new:
            ids = [telling.id for telling in parcel.tellings]
            await asyncio.to_thread(self._outbox.pack, self.name, ids, parcel.id)
        return await self._deliver(parcel)

    async def _sort_out(self, rows: list[Waiting], permit: Permit, now: datetime) -> list[Waiting]:
        """Finish what may not, or need not, be told any more; return the rest."""
        withheld = [row.telling.id for row in rows if not permit.allows(row.telling)]
        expired = [id_ for id_ in stale(rows, now) if id_ not in withheld]
        for ids, outcome in ((withheld, "withheld"), (expired, "expired")):
            if ids:
                await self._finish(ids, outcome)
                log.info("channel_let_go", channel=self.name, outcome=outcome, count=len(ids))
        gone = {*withheld, *expired}
        return [row for row in rows if row.telling.id not in gone]

    async def _deliver(self, parcel: Parcel) -> float:
        ids = [telling.id for telling in parcel.tellings]
        if self.status.state == "closed":
            await self._finish(ids, "refused")
            return 0.0
        try:
            await self._channel.send(parcel)
        except ChannelUnavailable as error:
            return self._failed(error.reason, error.retry_after_s)
        except ChannelRefused as error:
            state: State = "closed" if error.is_for_good else "refused"
            log.error("channel_refused", channel=self.name, reason=error.reason, for_good=error.is_for_good)
            self.status = CourierStatus(state, error.reason)
            self._failures = 0
            await self._finish(ids, "refused")
            return 0.0
        if self._failures:
            log.info("channel_came_back", channel=self.name, after_failures=self._failures)
        self._failures = 0
        self.status = CourierStatus()
        await self._finish(ids, "sent", parcel.tellings[0].scope)
        return 0.0

    async def _finish(self, ids: list[str], outcome: str, scope: str | None = None) -> None:
        now = self._clock.now()

        def finish() -> None:
            self._outbox.finish(self.name, ids, outcome, now, scope)

        self._unwritten = finish
        await asyncio.to_thread(finish)
        self._unwritten = None

    def _failed(self, reason: str, retry_after_s: float | None) -> float:
        """Note a failure, say so once per outage, and return the pause, s of real time."""
        self._failures += 1
        if self._failures == 1:
            log.warning("channel_unavailable", channel=self.name, reason=reason)
        self.status = replace(self.status, state="failing", reason=reason)
        if retry_after_s is not None:
            return min(max(retry_after_s, self._pauses_s[0]), _LONGEST_ASKED_S)
        first_s, longest_s = self._pauses_s
        pause_s = min(longest_s, first_s * 2 ** min(self._failures - 1, 16))
        return random.uniform(pause_s / 2, pause_s)
