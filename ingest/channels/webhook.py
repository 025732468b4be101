"""Tells a program: one signed POST per telling. No redirects, no proxies, bounded in time and size.

The address is looked up once per request and the connection goes to exactly that address: a name that turns
private between check and connect (DNS rebinding) gets nowhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import h11
import msgspec

from workplace import webhook_seal
from workplace.errors import ChannelRefused, ChannelUnavailable
from workplace.ports import Parcel

#: What is read of an answer, bytes: we want its status.
_MAX_ANSWER = 65_536
_CHUNK = 16_384
#: Answers that may be another one later.
_TOO_MANY, _GONE = 429, 410


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to and how.

    Attributes:
        keys: the key that signs; while keys change also the one before it.
        timeout_s: from looking up the name to the status of the answer, s of real time.
        tls: trust of https, None for that of the system.
    """

    url: str
    keys: tuple[bytes, ...] = field(repr=False)
    timeout_s: float
    allow_private: bool
    user_agent: str = "plekvrij"
    tls: ssl.SSLContext | None = None


class WebhookChannel:
    """A `Channel`. `now` is real time: receivers compare the stamp with their own clock."""

    def __init__(self, settings: WebhookSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        parts = urlsplit(settings.url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        is_default = self._port == (443 if self._is_tls else 80)
        name = f"[{self._host}]" if ":" in self._host else self._host
        self._host_header = name if is_default else f"{name}:{self._port}"

    async def send(self, parcel: Parcel) -> None:
        """Post each telling; a parcel of this channel holds one."""
        for telling in parcel.tellings:
            await self._post(telling.id, msgspec.json.encode(telling))

    async def close(self) -> None:
        """Nothing stays open between requests."""

    async def _post(self, message_id: str, body: bytes) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status, retry_after_s = await self._exchange(message_id, body)
        except TimeoutError as error:
            raise ChannelUnavailable("timeout") from error
        except ssl.SSLError as error:
            raise ChannelUnavailable("tls") from error
        except h11.RemoteProtocolError as error:
            raise ChannelUnavailable("not_http") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ChannelUnavailable("network") from error
        if 200 <= status < 300:
            return
        if status == _TOO_MANY or status >= 500:
            raise ChannelUnavailable(f"http_{status}", retry_after_s)
        raise ChannelRefused(f"http_{status}", is_for_good=status == _GONE)

    async def _exchange(self, message_id: str, body: bytes) -> tuple[int, float | None]:
        async with self._connected() as (reader, writer):
            connection = h11.Connection(our_role=h11.CLIENT)
            request = h11.Request(
                method="POST",
                target=self._target.encode(),
                headers=list(self._headers(message_id, body).items()),
            )
            for event in (request, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await _read_status(connection, reader)

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        return {
            "Host": self._host_header,
            "User-Agent": self._settings.user_agent,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **webhook_seal.headers(message_id, body, self._settings.keys, self._now()),
        }

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await self._connect(await self._addresses())
        try:
            yield reader, writer
        finally:
            writer.transport.abort()  # one request per connection: nothing of it is worth waiting for

    async def _connect(self, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Try the addresses in order; one that swallows packets must leave time for the next."""
        tls = (self._settings.tls or ssl.create_default_context()) if self._is_tls else None
        name = self._host if self._is_tls else None
        trouble: OSError = OSError("no address")
        for address in addresses:
            try:
                async with asyncio.timeout(self._settings.timeout_s / len(addresses)):
                    return await asyncio.open_connection(
                        address, self._port, ssl=tls, server_hostname=name, limit=_CHUNK
                    )
            except ssl.SSLError:
                raise
            except OSError as error:  # a time-out is one too
                trouble = error
        raise trouble

    async def _addresses(self) -> list[str]:
        """Return the addresses of the host, if we may reach them."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = addresses if self._settings.allow_private else _public(addresses)
        if not allowed:
            raise ChannelRefused("private_address")
        return allowed


def _public(addresses: Sequence[str]) -> list[str]:
    """Return the addresses, all or none: a name that is both inside and outside is not trusted."""
    return list(addresses) if all(is_public(address) for address in addresses) else []


def is_public(address: str) -> bool:
    """Return whether the internet reaches this address; forms of IPv6 that carry IPv4 are looked into."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        if found in ipaddress.ip_network("64:ff9b::/96"):  # RFC 6052: IPv4 behind a translator
            return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF).is_global
    return found.is_global and not found.is_multicast


async def _read_status(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, float | None]:
    """Return the status and what the server asks us to wait, s."""
    read = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_CHUNK)
            read += len(data)
            if not read:
                raise ChannelUnavailable("no_answer")
            if read > _MAX_ANSWER:
                raise ChannelUnavailable("answer_too_long")
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            return event.status_code, _retry_after_s(event)


def _retry_after_s(response: h11.Response) -> float | None:
    for name, value in response.headers:
        if name == b"retry-after" and value.isdigit():
            return float(value)
    return None
