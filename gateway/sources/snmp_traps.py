"""Traps and informs of all switches of this gateway, on one port.

Messages of v1 and v2c are decoded here: the library takes ten times as long, and a building that gets its power back
says everything at once. v3 needs keys and goes through the library.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final, cast

import structlog

from gateway.settings import Listen
from gateway.snmp_header import has_community, version_of
from gateway.sources.snmp_engine import TrapSender, V3Receiver, Varbinds
from gateway.sources.source import Source
from gateway.sources.switch import SwitchSource
from gateway.sources.udp_socket import open_udp, receive_bytes
from workplace.events import SourceHealth
from workplace.ports import Clock, TrapCodec
from workplace.readings import Decoded

log = structlog.get_logger(__name__)

#: Traps fit into one packet on the wire; this leaves room for switches that fill jumbo frames.
MAX_DATAGRAM_BYTES: Final = 9216


class SnmpTrapSource(Source):
    """Hands what each switch says to that switch's source.

    Args:
        senders: who may send, each with the source of its switch; all others are dropped unread.
    """

    def __init__(
        self,
        listen: Listen,
        senders: Mapping[TrapSender, SwitchSource],
        *,
        codec: TrapCodec,
        clock: Clock,
    ) -> None:
        self.name = f"snmp_traps:{listen.port}"
        self.counters = Counter()
        self.port = listen.port
        self._listen = listen
        self._access = {sender.address: sender.access for sender in senders}
        self._switches = {sender.address: switch for sender, switch in senders.items()}
        self._v3 = [sender for sender in senders if sender.access.version == "v3"]
        self._codec = codec
        self._clock = clock
        self._receiver: V3Receiver | None = None
        self._receive_bytes: int | None = None
        self._why = "not listening yet"
        self._heard_s: float | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                if self._v3:
                    receiver = V3Receiver(self._v3, on_trap=self._take_varbinds, counters=self.counters)
                    self._receiver = await stack.enter_async_context(receiver)
                opened = open_udp(self._listen.host, self._listen.port)
                self.port = opened.getsockname()[1]
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=opened)
                stack.callback(transport.close)
                self._receive_bytes = receive_bytes(opened)
                log.info("traps_awaited", port=self.port, receive_bytes=self._receive_bytes)
                await asyncio.Event().wait()
        except OSError as error:
            self._why = str(error)
            raise
        finally:
            self._receive_bytes = None

    def health(self) -> SourceHealth:
        age_s = None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1)
        if self._receive_bytes is None:
            return SourceHealth(name=self.name, status="down", detail=self._why, last_data_age_s=age_s)
        detail = f"receive buffer {self._receive_bytes} bytes"
        return SourceHealth(name=self.name, status="ok", detail=detail, last_data_age_s=age_s)

    def take(self, datagram: bytes, address: tuple[str, int], answers: asyncio.DatagramTransport) -> None:
        """Take one datagram; nothing of it is decoded before its sender is known and has proved itself."""
        access = self._access.get(address[0])
        if access is None:
            return self._refuse("unknown_sender")
        if len(datagram) > MAX_DATAGRAM_BYTES:
            return self._refuse("oversize")
        self.counters["traps"] += 1
        version = version_of(datagram)
        if version is None:
            return self._refuse("bad_frame")
        if (version == "v3") != (access.version == "v3"):
            return self._refuse("not_its_credential")
        if version == "v3" and self._receiver is not None:
            return self._receiver.feed(datagram, address, answers)
        if not has_community(datagram, access.community.encode()):
            return self._refuse("wrong_community")
        self._hear(address[0], self._codec.decode(datagram))
        answer = self._codec.answer(datagram)
        if answer is not None:
            answers.sendto(answer, address)
        return None

    def _refuse(self, why: str) -> None:
        self.counters[f"traps_refused.{why}"] += 1

    def _take_varbinds(self, sender: str, varbinds: Varbinds) -> None:
        self._hear(sender, self._codec.of_varbinds(varbinds))

    def _hear(self, sender: str, decoded: Decoded) -> None:
        self._heard_s = time.monotonic()
        self._switches[sender].hear(decoded, self._clock.now(), "traps")


class _Datagrams(asyncio.DatagramProtocol):
    """The socket's end."""

    def __init__(self, source: SnmpTrapSource) -> None:
        self._source = source

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            self._source.take(data, addr, self._transport)
        except Exception:  # supervisor of the decoder: whatever a switch sends, the others must be heard
            self._source.counters["decoder_failed"] += 1
            log.exception("decoder_failed", sender=addr[0])
