"""Gateways as they leave their sources behind: outbox, link, publisher and presence are the real ones."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.mqtt_link import BrokerAddress, MqttLink
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.presence import Presence, last_will
from gateway.publisher import Publisher
from gateway.wall_clock import WallClock
from plekvrij import sqlite_driver
from plekvrij.clocks import wall_clock
from plekvrij.credentials import read_credential
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan, Gateway
from workplace.topics import Topics


class SpeakingGateway:
    """Says one thing after the other about the places of its floor, and notes when the site had it on its disk."""

    def __init__(
        self, plan: FloorPlan, gateway: Gateway, folder: Path, broker: str, credential: Path, rate_hz: float
    ) -> None:
        self.id = gateway.id
        self.floor = gateway.floor
        self.sent: list[str] = []
        self.made_s: list[float] = []
        """When each was made, on the machine's clock that never steps."""
        self.receipted: list[float] = []
        """When the receipt of each was here; shorter than `made_s` while some are under way."""
        self._plan = plan
        self._file = folder / f"{gateway.id}.db"
        known = read_credential(credential)
        self._address = BrokerAddress(broker, known.user, known.password)
        self._pause_s = 1 / rate_hz
        self._inputs = [
            (sensor.device, sensor.channel)
            for place in plan.places_of_gateway(gateway.id)
            for sensor in place.sensors
            if sensor.kind == "motion" and sensor.gateway == gateway.id
        ]
        self._exit = AsyncExitStack()
        self._is_silent = False

    async def __aenter__(self) -> Self:
        clock = wall_clock()
        origin = Origin(self._plan.site, self.id)
        enter = self._exit.enter_async_context
        self._outbox = await enter(
            Outbox(self._file, connect=sqlite_driver.connect, now=clock.now, gateway=(origin.site, self.id))
        )
        link = await enter(MqttLink(self._address, f"gateway-{self.id}", will=last_will(origin)))
        topics = Topics(origin.site)
        self.publisher = Publisher(self._outbox, link, topics, floor=self.floor, gateway=self.id)
        presence = Presence(origin, clock, WallClock(clock, boot="", wait_s=0), link)

        def on_connection(is_connected: bool) -> None:
            self.publisher.connection_changed(is_connected)
            if is_connected:
                presence.due.set()

        link.on_connection(on_connection)
        on_connection(link.is_connected)
        group = await enter(asyncio.TaskGroup())
        tasks = [
            group.create_task(work)
            for work in (
                self.publisher.run(), self.publisher.let_go(), presence.watch_ingest(self.publisher, self.floor),
                presence.greet(None, _nothing), self._watch(), self._speak(),
            )
        ]  # fmt: skip
        for task in tasks:
            self._exit.callback(task.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    def be_silent(self) -> None:
        self._is_silent = True

    @property
    def waiting(self) -> int:
        return len(self.sent) - len(self.receipted)

    async def _speak(self) -> None:
        for number, (device, channel) in enumerate(itertools.cycle(self._inputs), 1):
            if self._is_silent:
                return
            now = datetime.now(UTC)
            event = SensorEvent(
                id=f"{device}-{channel}-{number}", site=self._plan.site, gateway=self.id, device=device, kind="motion",
                value=True, channel=channel, measured_at=now, clock="gateway", uncertainty_ms=5, received_at=now,
            )  # fmt: skip
            await self._outbox.put([event])
            self.sent.append(event.id)
            self.made_s.append(time.monotonic())
            await asyncio.sleep(self._pause_s)

    async def _watch(self) -> None:
        """Rows leave the outbox on a receipt alone."""
        while True:
            rows = (await self._outbox.stats()).rows
            now = time.monotonic()
            while len(self.receipted) < len(self.made_s) - rows:
                self.receipted.append(now)
            await asyncio.sleep(0.02)

    def served_again_s(self, since_s: float) -> float | None:
        """Return how long after a moment the first event that was made after it had its receipt."""
        first = next((i for i, made in enumerate(self.made_s) if made >= since_s), None)
        if first is None or first >= len(self.receipted):
            return None
        return self.receipted[first] - since_s


async def _nothing() -> None: ...
