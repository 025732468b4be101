"""Tells systemd how we are: ready, a line of status, and alive only while every critical loop is (sd_notify(3))."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping

import structlog

from gateway.pulse import Pulse

log = structlog.get_logger(__name__)

#: Between two words to systemd, s, at most; with a watchdog a third of its time (sd_watchdog_enabled(3) asks for half).
MOST_S = 20.0


class Notifier:
    """One datagram per word. A service manager that is not there, or does not listen, costs nothing.

    Args:
        path: socket of the service manager, `@` for the abstract namespace; None sends nothing.
        watchdog_s: systemd ends us when it hears nothing for this long; None when it does not watch.
    """

    def __init__(self, path: str | None, watchdog_s: float | None = None) -> None:
        self._path = path
        self.watchdog_s = watchdog_s

    @property
    def interval_s(self) -> float:
        return MOST_S if self.watchdog_s is None else min(MOST_S, self.watchdog_s / 3)

    def send(self, *words: str) -> None:
        """Send words such as `READY=1`, in one datagram."""
        if self._path is None:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0)
            channel.sendto("\n".join(words).encode(), address)


def notifier_of(environment: Mapping[str, str]) -> Notifier:
    """Return the notifier that systemd asks for in the environment of its services."""
    watchdog_us = environment.get("WATCHDOG_USEC", "")
    is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watched = watchdog_us.isdecimal() and int(watchdog_us) > 0 and is_for_us
    return Notifier(environment.get("NOTIFY_SOCKET") or None, int(watchdog_us) / 1e6 if watched else None)


async def keep_notified(notifier: Notifier, pulse: Pulse, status: Callable[[], str]) -> None:
    """Speak until cancelled. While a loop hangs the watchdog hears nothing, and systemd starts us anew."""
    hanging: list[str] = []
    while True:
        late = pulse.late()
        if late != hanging:
            (log.error if late else log.info)(
                "loops_hang" if late else "loops_run_again", loops=late or hanging
            )
            hanging = late
        if late:
            notifier.send(f"STATUS=hanging: {', '.join(late)}")
        else:
            notifier.send("WATCHDOG=1", f"STATUS={status()}")
        await asyncio.sleep(notifier.interval_s)
