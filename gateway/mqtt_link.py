"""An MQTT connection that heals itself; with `joining_client` the only file of this stage that knows paho.

MQTT 3.1.1 on purpose: every broker we support speaks it. Each connection gets a fresh paho client, so nothing
of a lost one (packet ids, half-sent messages) leaks into the next; who needs a message to arrive keeps it
until `publish` returns. How the connection is kept and mended is in `healing_link`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from gateway.healing_link import HealingLink
from gateway.joining_client import JoiningClient
from gateway.link_session import WireEvents
from gateway.soon_queue import Outgoing
from workplace.errors import BrokerRefused, BrokerUnreachable, SettingInvalid, WorkplaceError
from workplace.ports import Received

#: A silent broker is noticed after 1.5 times this, s, and so is a silent gateway by the broker, which then
#: sends the will. Lower calls a gateway lost whose machine was busy, higher shows its places as free for longer
#: although somebody sat down since.
KEEPALIVE_S = 10
#: Messages between paho and the event loop, which takes all in one go: only a blocked loop fills this.
INBOUND_MOST = 10_000
#: Longest wait for a goodbye that the broker does not read, s.
GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and who we are there: `mqtt://host:port` or, with TLS, `mqtts://host:port`.

    Several with commas between are servers of one cluster: when one is lost the next is tried. `ca_file` names the
    certificates to trust with TLS; None trusts what the system trusts. `certificate_file` holds a certificate and key
    of our own, PEM, for a broker that knows us by it; it is read anew for each connection.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None

    @property
    def each(self) -> tuple[BrokerAddress, ...]:
        """Return one address per server."""
        return tuple(replace(self, url=url) for url in self.url.split(","))

    def parts(self) -> tuple[str, int, bool]:
        """Return host, port and whether TLS is used.

        Raises:
            SettingInvalid: the URL is none of ours.
        """
        split = urlsplit(self.url)
        try:
            port = split.port
        except ValueError as error:
            raise SettingInvalid(f"the broker URL {self.url!r} has an impossible port") from error
        if split.scheme not in {"mqtt", "mqtts"} or not split.hostname or split.username is not None:
            raise SettingInvalid(
                "the broker URL is not usable: write mqtt://host:1883 or mqtts://host:8883, "
                "with user and password in their own settings"
            )
        tls = split.scheme == "mqtts"
        return split.hostname, port or (8883 if tls else 1883), tls


class MqttLink(HealingLink):
    """`workplace.ports.MessageLink` over paho, an async context manager.

    Args:
        address: the broker.
        client_id: `[A-Za-z0-9_-]`, 1 to 64 long: NATS refuses blanks and dots.
        will: topic and payload that the broker publishes, retained, when we vanish.
        clean_session: False keeps QoS 1 messages for this client id while it is away.
        window: most messages without an acknowledgement; lower costs throughput, higher costs paho time per
            acknowledgement (105 us instead of 44 us at 1,000).
        timeout_s: real seconds that `publish` waits for its acknowledgement and `subscribe` for its answer.
        is_quiet: do not log connections.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        *,
        will: tuple[str, bytes] | None = None,
        clean_session: bool = True,
        window: int = 50,
        timeout_s: float = 10.0,
        is_quiet: bool = False,
    ) -> None:
        super().__init__(address.url, client_id, window=window, timeout_s=timeout_s, is_quiet=is_quiet)
        self._addresses = address.each
        # Not all gateways of a building at the same server.
        self._turn = zlib.crc32(client_id.encode())
        self._will = will
        self._clean_session = clean_session

    def check(self) -> None:
        super().check()
        for address in self._addresses:
            address.parts()

    def new_wire(self, events: WireEvents) -> _PahoWire:
        address = self._addresses[self._turn % len(self._addresses)]
        self._turn += 1
        wire = _PahoWire(address, events, asyncio.get_running_loop())
        client = wire.client = JoiningClient(
            self.client_id, clean_session=self._clean_session, on_acknowledged=wire.acknowledged
        )
        # Our window is the narrower one, so paho never keeps a queue of its own.
        client.max_inflight_messages_set(2 * self.window)
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        trouble: str | None = None
        if address.parts()[2]:
            own = address.certificate_file
            try:
                client.tls_set(ca_certs=address.ca_file, certfile=own, keyfile=own)
            except OSError as error:  # ssl.SSLError is one, too
                trouble = f"cannot use the certificates in {own or address.ca_file}: {error}"
        if self._will is not None:
            client.will_set(self._will[0], self._will[1], qos=1, retain=True)
        wire.trouble = trouble
        return wire


class _PahoWire:
    """One connection of one paho client. `acknowledged` and `_on_*` run on paho's thread: they hand over and leave."""

    client: JoiningClient
    trouble: str | None = None
    """Why the wire cannot even be started; it is closed at once then."""

    def __init__(self, address: BrokerAddress, events: WireEvents, loop: asyncio.AbstractEventLoop) -> None:
        self._address = address
        self._events = events
        self._loop = loop
        self._acknowledged: deque[int] = deque()
        self._inbound: deque[Received] = deque()
        self._inbound_dropped = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        if self.trouble is not None:
            self._closed(BrokerUnreachable(self._address.url, self.trouble))
            return
        client = self.client
        client.suppress_exceptions = True  # else one exception in a callback ends the thread without a word
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        host, port, _ = self._address.parts()
        client.connect_async(host, port, keepalive=KEEPALIVE_S)
        client.loop_start()

    async def stop(self) -> None:
        """Say goodbye, so that the broker keeps the will to itself, and wait for paho's thread."""
        self.client.disconnect()
        goodbye = self._loop.call_later(GOODBYE_S, self.cut)
        try:
            await asyncio.shield(asyncio.to_thread(self._join))
        finally:
            goodbye.cancel()

    def _join(self) -> None:
        with contextlib.suppress(AttributeError):  # paho forgets its thread when that ends while we look
            self.client.loop_stop()

    def cut(self) -> None:
        """Drop a connection that looks alive but does not answer."""
        sock: Any = self.client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def send(self, message: Outgoing) -> int | None:
        """Hand one message over; return the number its acknowledgement will carry, None for QoS 0."""
        if message.qos and self.client.is_fast:
            return self.send_all([message])[0]
        info = self.client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        return info.mid if message.qos else None

    def send_all(self, messages: Sequence[Outgoing]) -> list[int | None]:
        """Hand several messages of QoS 1 over in one go; return the numbers their acknowledgements will carry."""
        if not self.client.is_fast:
            return [self.send(message) for message in messages]
        return [*self.client.send_joined([(one.topic, one.payload, one.retain) for one in messages])]

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        """Return the number the answer will carry, None when the connection is gone."""
        code, mid = self.client.subscribe(topic_filter, qos)
        return mid if code is MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to care
            self._loop.call_soon_threadsafe(callback, *args)

    def _closed(self, why: WorkplaceError) -> None:
        self._post(self._events.closed, why)

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._closed(BrokerRefused(self._address.url, str(reason)))
        else:
            self._post(self._events.opened)

    def _on_connect_fail(self, client: Client, _data: Any) -> None:
        client.disconnect()  # without this paho tries again by itself
        self._closed(BrokerUnreachable(self._address.url, "no connection"))

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._closed(BrokerUnreachable(self._address.url, f"connection lost ({reason})"))

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self.acknowledged([mid])

    def acknowledged(self, numbers: list[int]) -> None:
        with self._lock:
            first = not self._acknowledged
            self._acknowledged.extend(numbers)
        if first:  # waking the loop is a system call: once for all that came before it looked
            self._post(self._take_acknowledged)

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        self._post(self._events.subscribed, mid, any(reason.is_failure for reason in reasons))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        received = Received(message.topic, bytes(message.payload), message.retain)
        with self._lock:
            if len(self._inbound) >= INBOUND_MOST:
                self._inbound_dropped += 1
                return
            self._inbound.append(received)
            first = len(self._inbound) == 1
        if first:
            self._post(self._take_inbound)

    def _take_acknowledged(self) -> None:
        with self._lock:
            numbers, self._acknowledged = self._acknowledged, deque()
        for number in numbers:
            self._events.acknowledged(number)

    def _take_inbound(self) -> None:
        with self._lock:
            messages, self._inbound = self._inbound, deque()
            dropped, self._inbound_dropped = self._inbound_dropped, 0
        self._events.received(messages, dropped)
