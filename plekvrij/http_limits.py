"""What one caller may cost the pages: connections, and time for what it sends. uvicorn limits neither.

A head or a body that drips in, and hundreds of connections that say nothing, each hold a file descriptor; the last
one that is free would be the next wall screen's. Answers take as long as they take: a screen reads for weeks.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: File descriptors that the rest of the process needs: databases, broker, logs.
_KEPT_DESCRIPTORS = 200
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\n"
    b"retry-after: 5\r\nconnection: close\r\n\r\ntoo many connections\n"
)


Reason = Literal["connections", "slow", "body"]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of one server.

    Attributes:
        head_s: for the head of a request, and for a new connection to say anything. Lower cuts off telephones at the
            edge of the radio network; higher lets who says nothing stay.
        most_head_bytes: in a head that has no end yet.
        most_unread_bytes: after an answer that did not wait for the body; a browser that is told that its picture is
            too large goes on sending, and shows the answer only then.
        body_s: for a body, and on top of it a second for each `slowest_bytes_per_s` that came: a picture of 8 MB may
            take half an hour, a body that drips ends after this.
        most_connections: of everybody together; further ones get 503. A wall screen and an open desk page hold one.
        most_per_address: of one address; behind a web server all callers have its address, so those that it may
            name callers for are not counted (`FORWARDED_ALLOW_IPS`).
        look_every_s: how often what is late is looked for.
    """

    head_s: float = 10.0
    most_head_bytes: int = 64 * 1024
    most_unread_bytes: int = 32 * 1024 * 1024
    body_s: float = 20.0
    slowest_bytes_per_s: float = 4096.0
    most_connections: int = 2000
    most_per_address: int = 256
    look_every_s: float = 1.0


class Connections:
    """Counts the open connections of a server; on its event loop.

    Args:
        refused: called with `connections`, `slow` or `body` for each connection that was refused or ended.
        uncounted: addresses of web servers in front, with commas, as uvicorn reads them; `*` is everybody.
    """

    def __init__(self, limits: HttpLimits, refused: Callable[[Reason], None], uncounted: str) -> None:
        self.limits = limits
        self.refused = refused
        self._uncounted = {address.strip() for address in uncounted.split(",")}
        self._open: Counter[str] = Counter()
        self._total = 0

    def enter(self, address: str) -> bool:
        """Count a new connection; return whether it may stay."""
        is_counted = not self._uncounted & {"*", address}
        is_too_many = self._total >= self.limits.most_connections or (
            is_counted and self._open[address] >= self.limits.most_per_address
        )
        if is_too_many:
            self.refused("connections")
            return False
        self._total += 1
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._total -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class _Limited(asyncio.Protocol):
    """Goes before the protocol of uvicorn: counts the connection, and ends it when the caller is late."""

    watched: Connections
    cycle: Any = None
    """uvicorn's request and answer, of which it has a new one for each request."""
    _wire: asyncio.Transport
    _address = ""
    _is_in = False
    _is_partial = True
    _since_s = 0.0
    _received = 0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._is_in = self.watched.enter(self._address)
        if not self._is_in:
            self._wire.write(_BUSY)
            self._wire.close()
            return
        self._since_s = time.monotonic()
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_in:
            return
        self.watched.leave(self._address)
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_in:
            return
        before, was_waiting = self.cycle, self._is_waiting
        super().data_received(data)
        if self.cycle is not before:  # a whole head came; from now on it is the body that may be late
            self._is_partial, self._since_s, self._received = False, time.monotonic(), 0
            return
        if was_waiting and not self._is_partial:
            self._is_partial, self._since_s, self._received = True, time.monotonic(), 0
        self._received += len(data)
        limits = self.watched.limits
        most = limits.most_head_bytes if was_waiting else limits.most_unread_bytes
        if (was_waiting or self._is_answered) and self._received > most:
            self.watched.refused("body")
            self._wire.abort()

    @property
    def _is_answered(self) -> bool:
        """Whether there is an answer already; uvicorn leaves `more_body` true where that did not wait for the body."""
        return self.cycle is not None and bool(self.cycle.response_complete)

    @property
    def _is_waiting(self) -> bool:
        return self.cycle is None or (self._is_answered and not self.cycle.more_body)

    def _is_late(self) -> bool:
        limits, taken_s = self.watched.limits, time.monotonic() - self._since_s
        if self._is_waiting:
            return self._is_partial and taken_s > limits.head_s
        more = bool(self.cycle.more_body)
        return more and taken_s > limits.body_s + self._received / limits.slowest_bytes_per_s

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(self.watched.limits.look_every_s, self._look_now)

    def _look_now(self) -> None:
        if self._is_late():
            self.watched.refused("slow")
            self._wire.abort()
        else:
            self._look_later()


def limited_protocol(connections: Connections) -> type[asyncio.Protocol]:
    """Return the protocol of uvicorn with limits, for its setting `http`."""
    return type("LimitedProtocol", (_Limited, AutoHTTPProtocol), {"watched": connections})


def allow_files(limits: HttpLimits) -> None:
    """Let this process open as many files as its connections need, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.most_connections + _KEPT_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
