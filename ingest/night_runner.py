"""Runs the process of a night, one at a time, and says when it has ended."""

from __future__ import annotations

import multiprocessing
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from ingest import night_job
from ingest.inbox import NightLived
from ingest.stores.night_rows import NightOrder
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import ConnectSqlite

log = structlog.get_logger()

_SUFFIX = ".night-"
#: How soon a stop is noticed, s of real time.
_LOOK_S = 0.2


class NightRunner:
    """`run` blocks in a thread of its own until `stop`; `order` may be called from any thread."""

    def __init__(
        self,
        plan: FloorPlan,
        policy: Policy,
        connect: ConnectSqlite,
        database: Path,
        on_lived: Callable[[NightLived], None],
    ) -> None:
        self._plan, self._policy, self._connect, self._database = plan, policy, connect, database
        self._on_lived = on_lived
        self._order: NightOrder | None = None
        self._is_stopped = False
        self._changed = threading.Condition()

    def order(self, order: NightOrder) -> None:
        """Have a night lived; `on_lived` is called from the runner's thread when it has ended."""
        with self._changed:
            self._order = order
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        """Live the nights that are ordered until stopped."""
        self._clear()
        while (order := self._next()) is not None:
            # a name that no other process has: one that was cut off may live on for a second
            file = self._database.with_name(f"{self._database.name}{_SUFFIX}{secrets.token_hex(4)}")
            is_done = self._live(order, file)
            if is_done is not None:
                self._on_lived(NightLived(order, file if is_done else None))

    def _next(self) -> NightOrder | None:
        with self._changed:
            self._changed.wait_for(lambda: self._order is not None or self._is_stopped)
            order, self._order = self._order, None
            return None if self._is_stopped else order

    def _live(self, order: NightOrder, file: Path) -> bool | None:
        """Return whether the night was lived; None when we were stopped first."""
        task = night_job.NightTask(self._plan, self._policy, self._connect, self._database, order, file)
        # a fresh process: what the threads of this one hold would be held for ever in a copy
        process = multiprocessing.get_context("spawn").Process(
            target=night_job.run, args=(task,), name=f"night {order.day}"
        )
        process.start()
        try:
            while process.exitcode is None:
                process.join(_LOOK_S)
                if self._is_stopped:
                    process.kill()
                    process.join()
                    file.unlink(missing_ok=True)
                    return None
            if process.exitcode != 0:
                log.error("night_failed", day=str(order.day), exit_code=process.exitcode)
            return process.exitcode == 0
        finally:
            process.close()

    def _clear(self) -> None:
        """Forget what a night that was cut off left behind."""
        for file in self._database.parent.glob(f"{self._database.name}{_SUFFIX}*"):
            file.unlink(missing_ok=True)
