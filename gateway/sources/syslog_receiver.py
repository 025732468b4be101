"""Syslog lines of switches, over UDP and TCP (octet-counted or one line each)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping

import structlog

from gateway.settings import Listen
from gateway.sources.source import Source
from gateway.sources.switch import SwitchSource
from gateway.sources.udp_socket import open_udp, receive_bytes
from gateway.syslog_framing import MAX_LINE_BYTES, SyslogFraming
from workplace.events import SourceHealth
from workplace.ports import Clock, LineDecoder

log = structlog.get_logger(__name__)

#: A switch keeps one connection; more than this are no switches. Lower: a stack that reconnects is refused.
MOST_CONNECTIONS = 64
_READ_BYTES = 65_536


class SyslogSource(Source):
    """Hands the lines of each switch to that switch's source; lines of others are dropped unread.

    Args:
        switches: by the address that they send from.
    """

    def __init__(
        self, listen: Listen, switches: Mapping[str, SwitchSource], *, decoder: LineDecoder, clock: Clock
    ) -> None:
        self.name = f"syslog:{listen.port}"
        self.counters = Counter()
        self.port = listen.port
        self._listen = listen
        self._switches = switches
        self._decoder = decoder
        self._clock = clock
        self._connections = 0
        self._detail: str | None = None
        self._why = "not listening yet"
        self._heard_s: float | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            await self._listen_until_cancelled()
        except OSError as error:
            self._why = str(error)
            raise
        finally:
            self._detail = None

    async def _listen_until_cancelled(self) -> None:
        opened = open_udp(self._listen.host, self._listen.port)
        self.port = opened.getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=opened)
        try:
            async with await asyncio.start_server(self._serve, self._listen.host, self.port):
                self._detail = f"receive buffer {receive_bytes(opened)} bytes"
                log.info("syslog_awaited", port=self.port)
                await asyncio.Event().wait()
        finally:
            transport.close()

    def health(self) -> SourceHealth:
        age_s = None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1)
        if self._detail is None:
            return SourceHealth(name=self.name, status="down", detail=self._why, last_data_age_s=age_s)
        return SourceHealth(name=self.name, status="ok", detail=self._detail, last_data_age_s=age_s)

    def is_known(self, sender: str) -> bool:
        """Whether this is a switch of ours; counts it when not."""
        if sender in self._switches:
            return True
        self.counters["syslog_refused.unknown_sender"] += 1
        return False

    def take(self, line: bytes, sender: str) -> None:
        """Decode one line of a known switch."""
        self.counters["syslog_lines"] += 1
        if len(line) > MAX_LINE_BYTES:
            self.counters["syslog_refused.oversize"] += 1
            return
        self._heard_s = time.monotonic()
        now = self._clock.now()
        try:
            decoded = self._decoder.decode(line, sender=sender, now=now)
        except Exception:  # supervisor of a decoder: whatever a switch sends, the others must be heard
            self.counters["decoder_failed"] += 1
            log.exception("decoder_failed", sender=sender)
            return
        self._switches[sender].hear(decoded, now, "syslog")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one connection to its end."""
        sender = writer.get_extra_info("peername")[0]
        framing = SyslogFraming()
        self._connections += 1
        try:
            if not self.is_known(sender) or self._connections > MOST_CONNECTIONS:
                self.counters["connections_refused"] += 1
                return
            with contextlib.suppress(ConnectionError, TimeoutError):
                while data := await reader.read(_READ_BYTES):
                    for line in framing.feed(data):
                        self.take(line, sender)
        finally:
            self.counters["syslog_refused.oversize"] += framing.oversize
            self._connections -= 1
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Each datagram is one line."""

    def __init__(self, source: SyslogSource) -> None:
        self._source = source

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._source.is_known(addr[0]):
            self._source.take(data, addr[0])
