"""The notifier of one site: one listener, one courier per channel, and word of how they are doing.

A process of its own: what talks to the outside world holds neither the engine nor its database up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.channels.courier import Courier
from ingest.channels.listener import MAX_DECISIONS, Listener
from ingest.channels.outbox import Outbox
from ingest.stores.decision_log import DecisionLog
from workplace.channel_file import ChannelSettings
from workplace.codec import encode
from workplace.errors import BrokerUnreachable, StoreUnavailable
from workplace.events import ChannelHealth, NotifierHealth
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Channel, Clock, ConnectSqlite, MessageLink, OpenLink
from workplace.topics import Topics

log = structlog.get_logger(__name__)

#: How often the record of decisions is looked at, s of real time.
LOOK_S = 1.0
#: Health messages, s of real time.
HEALTH_S = 5.0
#: Old ids are looked for this often, s of real time.
_PRUNE_S = 3600.0
_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """`database` is that of ingest and only read; `outbox` is ours. `pauses_s`: first and longest back-off."""

    database: Path
    outbox: Path
    version: str
    client_id: str = "notifier"
    topic_root: str = "plekvrij"
    pauses_s: tuple[float, float] = (1.0, 300.0)


async def run_notifier(
    settings: NotifierSettings,
    *,
    plan: FloorPlan,
    policy: Policy,
    channels: Sequence[tuple[ChannelSettings, Channel]],
    clock: Clock,
    open_link: OpenLink,
    connect: ConnectSqlite,
    ready: Callable[[], None] | None = None,
    told: Callable[[NotifierHealth], None] | None = None,
) -> None:
    """Run until cancelled; `told` also hears each look at our health, with a broker or without.

    Raises:
        SettingInvalid: the outbox was written by another version.
        StoreUnavailable: the outbox cannot be opened.
    """
    outbox = Outbox(connect, settings.outbox)
    await asyncio.to_thread(outbox.open)
    try:
        notifier = _Notifier(settings, plan, policy, channels, clock, connect, outbox, told)
        async with open_link(settings.client_id) as link:
            await notifier.run(link, ready)
    finally:
        outbox.close()


class _Notifier:
    def __init__(
        self,
        settings: NotifierSettings,
        plan: FloorPlan,
        policy: Policy,
        channels: Sequence[tuple[ChannelSettings, Channel]],
        clock: Clock,
        connect: ConnectSqlite,
        outbox: Outbox,
        told: Callable[[NotifierHealth], None] | None,
    ) -> None:
        self._told = told
        self._site = plan.site
        self._version = settings.version
        self._topics = Topics(plan.site, settings.topic_root)
        self._clock = clock
        self._outbox = outbox
        self._days = policy.settings.privacy.desk_level_days
        self._kinds = {one.name: one.kind for one, _ in channels}
        record = DecisionLog(connect, settings.database)
        self._listener = Listener(record, outbox, [one for one, _ in channels], plan, policy, clock)
        self._couriers = [
            Courier(
                one.name,
                channel,
                outbox,
                clock,
                lambda: self._listener.permit,
                digest=one.digest,
                pauses_s=settings.pauses_s,
            )
            for one, channel in channels
        ]
        self._reads = True

    async def run(self, link: MessageLink, ready: Callable[[], None] | None) -> None:
        await asyncio.to_thread(self._outbox.prune, self._clock.now(), list(self._kinds), self._days)
        await self._look_at_decisions()  # what is decided from now on is told
        if ready is not None:
            ready()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(), name="notifier-listener")
                group.create_task(self._tell_health(link), name="notifier-health")
                group.create_task(self._tidy(), name="notifier-tidy")
                for courier in self._couriers:
                    group.create_task(courier.run(), name=f"channel-{courier.name}")
        finally:
            with contextlib.suppress(BrokerUnreachable, TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await link.publish(self._topics.notifier_health(), b"", retain=True)

    async def _listen(self) -> None:
        while True:
            read = await self._look_at_decisions()
            await asyncio.sleep(0 if read == MAX_DECISIONS else LOOK_S)

    async def _look_at_decisions(self) -> int:
        """Take in what is new; return how many decisions that were."""
        try:
            read = await asyncio.to_thread(self._listener.look)
        except StoreUnavailable as error:
            if self._reads:
                log.error("decisions_unreadable", why=str(error))
            self._reads = False
            return 0
        if not self._reads:
            log.info("decisions_readable_again")
        self._reads = True
        return read

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_S)
            with contextlib.suppress(StoreUnavailable):  # there is another hour
                await asyncio.to_thread(self._outbox.prune, self._clock.now(), list(self._kinds), self._days)

    async def _tell_health(self, link: MessageLink) -> None:
        while True:
            with contextlib.suppress(BrokerUnreachable, StoreUnavailable):
                health = await asyncio.to_thread(self._look)
                if self._told is not None:
                    self._told(health)
                if link.is_connected:
                    await link.publish(self._topics.notifier_health(), encode(health), qos=0, retain=True)
            await asyncio.sleep(HEALTH_S)

    def _look(self) -> NotifierHealth:
        return NotifierHealth(
            site=self._site,
            at=self._clock.now(),
            version=self._version,
            reads_decisions=self._reads,
            channels=tuple(self._channel_health(courier) for courier in self._couriers),
        )

    def _channel_health(self, courier: Courier) -> ChannelHealth:
        totals, status, now = self._outbox.totals(courier.name), courier.status, self._clock.now()
        oldest, last = totals.oldest_at, totals.last_sent_at
        return ChannelHealth(
            name=courier.name,
            kind=self._kinds[courier.name],
            state=status.state,
            reason=status.reason,
            waiting=totals.waiting,
            oldest_s=0.0 if oldest is None else round((now - oldest).total_seconds(), 1),
            last_sent_age_s=None if last is None else round((now - last).total_seconds(), 1),
            **{
                what: totals.numbers.get(what, 0)
                for what in ("sent", "expired", "withheld", "refused", "withdrawn")
            },
        )
