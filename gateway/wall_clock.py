"""The machine's wall clock: which boot this is, whether a time server vouches for it, and when it was set."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from gateway.outbox_schema import OutboxRow
from gateway.wall_time import WallState, apply, is_step, settle
from workplace.ports import Clock

log = structlog.get_logger(__name__)

#: adjtimex(2): status bit STA_UNSYNC; struct timex is 208 bytes on 64-bit Linux, `status` is its sixth field.
_STA_UNSYNC = 0x40
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: How often the clock is looked at, s.
LOOK_S = 1.0
#: Where time services leave their traces: systemd-timesyncd, chrony and ntpd of Debian. Without any of them no time
#: server will ever answer (a virtual machine follows its host), and to wait for one would only delay.
_SERVICES = ("/run/systemd/timesync", "/run/chrony", "/run/ntpd.pid", "/run/ntpsec")


def is_clock_synced() -> bool:
    """Whether the kernel's wall clock follows a time server; True where the system does not tell."""
    if not sys.platform.startswith("linux") or sys.maxsize <= 2**32:
        return True
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only look
    try:
        answer = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return True
    status = int.from_bytes(timex.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], sys.byteorder)
    return answer >= 0 and not status & _STA_UNSYNC


def expects_time_server() -> bool:
    """Whether a service runs that will set the clock."""
    return any(Path(trace).exists() for trace in _SERVICES)


def kernel_boot() -> str:
    """Return the id of this boot; one of our own where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


class WallClock:
    """Looks at the wall clock once a second and settles the times of what leaves the outbox.

    Args:
        wait_s: how long after the boot rows wait for a time server.

    Attributes:
        counters: `clock_steps`, `times_corrected`, `times_flagged`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        boot: str,
        wait_s: float,
        is_synced: Callable[[], bool] = is_clock_synced,
        expects_sync: Callable[[], bool] = expects_time_server,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._clock = clock
        self._boot = boot
        self._wait_ms = wait_s * 1000
        self._is_synced = is_synced
        self._expects_sync = expects_sync
        self._is_trusted = False
        self._look()

    def state(self) -> WallState:
        """Return the clock at this moment; whether it is trusted is at most a second old."""
        boot_ms = self._clock.boot_ms()
        wall_ms = (self._clock.now() - _EPOCH).total_seconds() * 1000
        return WallState(self._boot, boot_ms, wall_ms - boot_ms, self._is_trusted)

    def settle(self, row: OutboxRow) -> OutboxRow | None:
        """Return the row as it may leave now; None while it waits for a time server."""
        verdict = settle(row.wall, self.state(), wait_ms=self._wait_ms)
        if verdict.action == "hold":
            return None
        self.counters["times_corrected"] += verdict.shift_ms != 0.0
        self.counters["times_flagged"] += verdict.action == "flag"
        return replace(row, body=apply(verdict, row.body))

    async def run(self, on_step: Callable[[timedelta], Awaitable[None]] | None = None) -> None:
        """Look until cancelled; `on_step` hears by how much the clock was set, within two seconds."""
        before = self.state()
        while True:
            await asyncio.sleep(LOOK_S)
            self._look()
            after = self.state()
            if is_step(before, after):
                self.counters["clock_steps"] += 1
                by_ms = after.offset_ms - before.offset_ms
                log.warning("clock_stepped", by_ms=round(by_ms))
                if on_step is not None:
                    await on_step(timedelta(milliseconds=by_ms))
            if after.is_trusted != before.is_trusted:
                log.info("clock_trusted" if after.is_trusted else "clock_doubted")
            before = after

    def _look(self) -> None:
        self._is_trusted = self._is_synced() or not self._expects_sync()
