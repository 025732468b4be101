"""The embedded broker comes back: after its end, and when it runs but serves nobody."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plekvrij import clocks, wiring
from plekvrij.broker_watch import FAILURES, keep_broker
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from workplace.errors import BrokerUnreachable


@dataclass
class Broker:
    """A double: runs until its end is told, starts when it can."""

    starts: int = 0
    refused_starts: int = 0
    is_serving: bool = True
    asked: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        if self.refused_starts:
            self.refused_starts -= 1
            raise OSError(28, "No space left on device")
        self.starts += 1
        self.is_serving = True
        self.ended.clear()

    async def stop(self) -> None:
        self.ended.set()

    async def wait_ended(self) -> int:
        await self.ended.wait()
        return -9

    async def ask(self) -> None:
        self.asked += 1
        if not self.is_serving:
            raise BrokerUnreachable("mqtt://double", "it took nobody in")


async def _until(broker: Broker, starts: int) -> list[str]:
    told: list[str] = []
    watch = asyncio.create_task(keep_broker(broker, broker.ask, told.append, look_s=0.01), name="watch")
    async with asyncio.timeout(60):
        while broker.starts < starts:
            await asyncio.sleep(0.01)
    watch.cancel()
    return told


def test_a_broker_that_runs_and_serves_nobody_is_started_again_after_some_patience() -> None:
    async def story() -> None:
        broker = Broker(is_serving=False)
        told = await _until(broker, 1)
        assert broker.asked == FAILURES
        assert "serves nobody" in told[0]

    asyncio.run(story())


def test_a_broker_that_cannot_start_yet_is_tried_again() -> None:
    async def story() -> None:
        broker = Broker(refused_starts=2)
        broker.ended.set()
        told = await _until(broker, 1)
        assert ["ended with code -9" in told[0], *("No space" in line for line in told[1:])] == [True] * 3

    asyncio.run(story())


def test_a_healthy_broker_is_left_alone() -> None:
    async def story() -> None:
        broker = Broker()
        watch = asyncio.create_task(keep_broker(broker, broker.ask, print, look_s=0.01), name="watch")
        async with asyncio.timeout(60):
            while broker.asked < 2 * FAILURES:
                await asyncio.sleep(0.01)
        watch.cancel()
        assert broker.starts == 0

    asyncio.run(story())


@pytest.mark.timeout(120)
def test_a_killed_broker_of_a_site_comes_back_on_its_port(
    tmp_path: Path, small_plan_file: Path, free_port: int
) -> None:
    settings = SiteProcessSettings(
        site=wiring.read_site(small_plan_file, None), folder=tmp_path / "site", port=free_port,
        clock=clocks.scaled_clock(datetime.now(UTC), 1.0), building=False, gateways=False,
    )  # fmt: skip

    async def story() -> None:
        async with SiteProcesses(settings, print) as processes:
            broker = processes.broker
            assert broker is not None
            first = broker.pid
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(60):
                while broker.pid == first or not await broker._answers():
                    await asyncio.sleep(0.05)

    asyncio.run(story())
