"""The health message: what a person needs to know about a gateway without logging in to it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.intake import Intake
from gateway.outbox import Outbox
from gateway.sources.source import Source
from gateway.wall_clock import is_clock_synced
from workplace.codec import encode
from workplace.errors import StoreUnavailable
from workplace.events import ConfigHealth, DeviceHealth, GatewayHealth
from workplace.ports import MessageLink
from workplace.topics import Topics

#: Room for devices in the message, bytes; readers accept `workplace.codec.MAX_MESSAGE_BYTES` in all, and counters and
#: sources need some. About 300 devices that say little, 130 that say all they can.
DEVICES_BYTES = 45_000


class HealthReporter:
    """Publishes `GatewayHealth` while there is a connection; an old one is of no use, so none is kept."""

    def __init__(
        self,
        intake: Intake,
        outbox: Outbox,
        link: MessageLink,
        topics: Topics,
        *,
        sources: Sequence[Source],
        counters: Callable[[], dict[str, int]],
        interval_s: float,
        config: Callable[[], ConfigHealth] | None = None,
        told: Callable[[GatewayHealth], None] | None = None,
    ) -> None:
        self._intake = intake
        self._outbox = outbox
        self._link = link
        self._topic = topics.gateway_health(intake.origin.gateway)
        self._sources = sources
        self._counters = counters
        self._config = config
        self._told = told
        self.interval_s = interval_s
        self._started_s = time.monotonic()

    async def run(self) -> None:
        """Report every `interval_s` real seconds until cancelled."""
        while True:
            await self.report()
            await asyncio.sleep(self.interval_s)

    async def report(self) -> None:
        """Report once, to whom can hear it."""
        if self._told is None and not self._link.is_connected:
            return
        health = await self._look()
        if self._told is not None:
            self._told(health)
        if self._link.is_connected:
            self._link.publish_soon(self._topic, encode(health))

    async def _look(self) -> GatewayHealth:
        counters = Counter(self._intake.counters)
        counters.update(self._counters())
        for source in self._sources:
            counters.update(source.all_counters())
        rows, oldest_s = -1, -1.0
        spool, first_line, last_line = None, None, None
        try:
            stats = await self._outbox.stats()
        except StoreUnavailable:
            counters["store_failed"] += 1
        else:
            rows, oldest_s = stats.rows, stats.oldest_s
            counters["outbox_duplicates"] = stats.duplicates
            counters["outbox_dropped"] = stats.dropped
            spool, first_line, last_line = stats.spool, stats.first_line, stats.last_line
        counters["outbox_moved_aside"] = int(self._outbox.moved_aside is not None)
        counters["store_refuses"] = int(not self._intake.is_storing)
        now_s = time.monotonic()
        return GatewayHealth(
            site=self._intake.origin.site,
            gateway=self._intake.origin.gateway,
            at=self._intake.clock.now(),
            uptime_s=round(now_s - self._started_s, 1),
            outbox_rows=rows,
            outbox_oldest_s=round(oldest_s, 3),
            clock_synced=is_clock_synced(),
            sources=tuple(source.health() for source in self._sources),
            devices=fitting(self._intake.devices.health(now_s, self._intake.clock.now())),
            config=None if self._config is None else self._config(),
            counters=dict(sorted(counters.items())),
            spool=spool,
            first_line=first_line,
            last_line=last_line,
        )


def fitting(devices: Iterable[DeviceHealth]) -> tuple[DeviceHealth, ...]:
    """Return as many devices as there is room for: lost ones first, then those whose battery ends."""
    found: list[DeviceHealth] = []
    room = DEVICES_BYTES
    for device in sorted(devices, key=lambda d: (not d.is_lost, d.battery_days_left is None, d.device)):
        room -= len(msgspec.json.encode(device)) + 1
        if room < 0:
            break
        found.append(device)
    return tuple(found)
