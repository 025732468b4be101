"""Named tasks that may fail without taking their neighbours along."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from gateway.backoff import Backoff
from gateway.pulse import Pulse

log = structlog.get_logger(__name__)

#: Pause before a crashed task starts again, s, at first and at most.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 60.0
#: A task that ran this long, s, is forgiven its earlier crashes.
GOOD_RUN_S = 60.0
#: The supervisor shows a sign of life this often, s; well below `gateway.pulse.LATE_S`.
TICK_S = 5.0


class Supervisor:
    """Runs endless tasks and starts each again when it ends.

    Attributes:
        counters: `restarted.<name>` since the start.
        pulse: where critical tasks show that they live.
    """

    def __init__(self, *, first_pause_s: float = FIRST_PAUSE_S, pulse: Pulse | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self.pulse = pulse or Pulse()
        self._first_pause_s = first_pause_s

    def start(self, tasks: asyncio.TaskGroup, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep `run` going in `tasks` under `name`."""
        tasks.create_task(self._keep(name, run), name=name)

    def start_source(self, tasks: asyncio.TaskGroup, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a source going; its supervisor is critical, the source itself may wait for its device for ever."""
        self.pulse.expect(name)
        tasks.create_task(self._alive(name, run), name=name)

    def start_critical(self, tasks: asyncio.TaskGroup, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a loop going that ticks the pulse itself; between two runs the supervisor does."""
        self.pulse.expect(name)
        tasks.create_task(self._keep(name, run), name=name)

    async def _alive(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                kept = tasks.create_task(self._keep(name, run), name=f"{name} kept")
                while not kept.done():
                    self.pulse.tick(name)
                    await asyncio.wait({kept}, timeout=TICK_S)
        finally:
            self.pulse.forget(name)

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(self._first_pause_s, LAST_PAUSE_S)
        while True:
            started_s = time.monotonic()
            try:
                await run()
                log.error("task_ended", task=name)
            except Exception:  # this is the supervisor: log, wait, start again
                log.exception("task_crashed", task=name)
            self.counters[f"restarted.{name}"] += 1
            if time.monotonic() - started_s > GOOD_RUN_S:
                backoff.reset()
            await self._pause(name, backoff.next_s())

    async def _pause(self, name: str, pause_s: float) -> None:
        while pause_s > 0:
            self.pulse.tick(name)
            await asyncio.sleep(min(pause_s, TICK_S))
            pause_s -= TICK_S
