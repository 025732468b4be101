"""Receives from the broker: one large read, one list per read, and acknowledgements only after the commit.

paho reads a packet in five system calls and wakes up once per message; at thousands of events per second that
is where the time goes. `BatchReader` replaces only its reading half: it takes what the socket has, walks the
frames, and hands over one list. Connecting, TLS, keep-alive and subscribing stay paho's. Where a paho release
lacks a private name that this needs, plain paho does the reading, one message per list.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MQTTException

from workplace.mqtt_frames import PUBACK, FrameBuffer, is_simple_publish, pubacks, read_publish

log = structlog.get_logger()

#: topic, payload, message id (0: not to be acknowledged), retained flag, duplicate flag.
RawMessage = tuple[str, bytes, int, bool, bool]
OnBatch = Callable[[list[RawMessage], int], None]


class OnSubscribed(Protocol):
    def __call__(self, *, is_subscribed: bool) -> None: ...


#: What `loop_read` uses of paho beside its public names; `tests/contracts` checks them against the pinned
#: release.
PRIVATE_NAMES = ("_sock", "_sock_recv", "_in_packet", "_packet_handle", "_packet_queue", "_loop_rc_handle")

#: One read. Lower costs system calls under load; higher only memory.
READ_BYTES = 256 * 1024
#: Lower: more pings. Higher: a dead link is noticed later (1.5 times this by the broker).
KEEPALIVE_S = 20
#: Longest pause between two attempts to connect, s, before jitter.
MAX_BACKOFF_S = 8.0


class BatchReader(paho.Client):
    """A paho client (MQTT 3.1.1, persistent session, manual acknowledgement) that receives in lists.

    `on_batch(messages, generation)` runs on paho's network thread. `generation` counts connections: message
    ids are only valid within one, so an acknowledgement held over a reconnect would hit another message.
    """

    def __init__(self, client_id: str, on_batch: OnBatch, *, fast: bool = True) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=True
        )
        self.generation = 0
        self.is_fast = fast and all(hasattr(self, name) for name in PRIVATE_NAMES)
        self._on_batch = on_batch
        self._generation_lock = threading.Lock()
        self._frames = FrameBuffer()
        if not self.is_fast:
            self.on_message = self._on_single

    def reconnect(self) -> MQTTErrorCode:
        # The generation moves before paho empties its send queue, so no stale acknowledgement can slip in
        # after.
        with self._generation_lock:
            self.generation += 1
        self._frames.clear()
        return super().reconnect()

    def ack_batch(self, mids: Sequence[int], generation: int) -> bool:
        """Acknowledge messages of one connection, from any thread; False when that connection is gone."""
        wanted = [mid for mid in mids if mid]
        with self._generation_lock:
            if generation != self.generation:
                return False
            if not wanted:
                return True
            if self.is_fast:
                self._packet_queue(PUBACK, pubacks(wanted), 0, 0)
            else:
                for mid in wanted:
                    self.ack(mid, 1)
        return True

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        if not self.is_fast:
            return super().loop_read(max_packets)
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            data = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        result = self._walk(data)
        return self._loop_rc_handle(result) if result else result

    def _walk(self, data: bytes) -> MQTTErrorCode:
        """Hand over every frame that is whole now."""
        messages: list[RawMessage] = []
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            for command, body in self._frames.add(data):
                if is_simple_publish(command):
                    messages.append(read_publish(command, body))
                elif result := self._hand_to_paho(command, body):
                    break
        except (ValueError, MQTTException) as error:
            log.warning("broker_sent_nonsense", why=str(error))
            result = MQTTErrorCode.MQTT_ERR_PROTOCOL
        if messages:
            self._on_batch(messages, self.generation)
        return result

    def _hand_to_paho(self, command: int, body: bytes) -> MQTTErrorCode:
        self._in_packet = {
            "command": command,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        return self._packet_handle()

    def _on_single(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "topic-not-utf8"
        self._on_batch(
            [(topic, bytes(message.payload), message.mid, message.retain, message.dup)], self.generation
        )


class EventReader:
    """Keeps one `BatchReader` subscribed: start, stop, jittered back-off, and a look at every SUBACK.

    `on_subscribed` runs on the network thread, when a connection's subscription is first confirmed and at each
    loss; `on_proof` whenever `is_subscribed` may have changed.

    Attributes:
        is_subscribed: the broker confirmed the subscription since the connection began and since
            `prove_again`.
        refused: what the broker refused, None when all is well.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        filters: Sequence[str],
        on_batch: OnBatch,
        on_subscribed: OnSubscribed,
        on_proof: Callable[[], None] = lambda: None,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        ca_file: str | None = None,
        fast: bool = True,
        others: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._host, self._port = host, port
        self._servers = [(host, port), *others]  # of one cluster: when one is lost the next is tried
        self._filters = list(filters)
        self._on_subscribed = on_subscribed
        self._on_proof = on_proof
        # Answers come on the network thread, and may come before the asking thread has noted its number.
        self._asking = threading.Lock()
        self._is_told = False
        self.is_subscribed = False
        self._failures = 0
        self._is_stopping = False
        self._waiting_for: dict[int, str] = {}
        self.refused: str | None = None
        self.client = BatchReader(client_id, on_batch, fast=fast)
        if username is not None:
            self.client.username_pw_set(username, password)
        if tls:
            self.client.tls_set(ca_certs=ca_file)

    def start(self) -> None:
        """Begin to connect in the background; returns at once."""
        client = self.client
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.suppress_exceptions = True  # an exception in a callback must not end the network thread
        if not client.is_fast:
            log.warning("batch_reading_unavailable", why="this paho release lacks a private name")
        self._back_off()
        client.connect_async(self._host, self._port, keepalive=KEEPALIVE_S)
        client.loop_start()

    def stop(self) -> None:
        """Disconnect and wait for the network thread; the session with its queue stays at the broker."""
        self._is_stopping = True
        self.client.disconnect()
        self.client.loop_stop()

    def ack(self, mids: Sequence[int], generation: int) -> bool:
        return self.client.ack_batch(mids, generation)

    def ask_again(self) -> None:
        """Subscribe again when the broker refused a filter: rights may have been repaired meanwhile."""
        if self.refused is not None and self.client.is_connected():
            self._subscribe()

    def prove_again(self) -> None:
        """Doubt the subscription until the broker confirms it once more; from any thread.

        Another connection to the broker is new. So the broker may be, while ours still looks alive.
        """
        self._subscribe()  # without a connection nothing is asked, and the next one asks by itself

    def _subscribe(self) -> None:
        # One SUBSCRIBE per filter: NATS refuses a whole packet for one bad filter, and we want to name it.
        with self._asking:
            self.is_subscribed = False
            self._waiting_for.clear()
            self.refused = None
            for topic_filter in self._filters:
                _, mid = self.client.subscribe(topic_filter, qos=1)
                if mid is not None:
                    self._waiting_for[mid] = topic_filter

    def _connected(
        self, _client: object, _userdata: object, _flags: object, code: Any, _props: object
    ) -> None:
        if code.is_failure:
            self.refused = f"connection refused: {code}"
            log.error("broker_refused", why=str(code))
            return
        self._failures = 0
        self._back_off()
        self._subscribe()

    def _subscribed(
        self, _client: object, _userdata: object, mid: int, codes: Sequence[Any], _props: object
    ) -> None:
        with self._asking:
            topic_filter = self._waiting_for.pop(mid, None)
            if topic_filter is None:
                return
            if any(code.is_failure for code in codes):
                self.refused = f"subscription refused: {topic_filter}"
                log.error("subscription_refused", topic_filter=topic_filter)
                return
            if self._waiting_for or self.refused is not None:
                return
            self.is_subscribed = True
        if not self._is_told:
            self._is_told = True
            self._on_subscribed(is_subscribed=True)
        self._on_proof()

    def _disconnected(
        self, _client: object, _userdata: object, _flags: object, code: Any, _props: object
    ) -> None:
        with self._asking:
            self.is_subscribed = False
            self._waiting_for.clear()
        if self._is_stopping:
            return
        self._is_told = False
        self._failures += 1
        self._back_off()
        self._turn_to_next()
        if self._failures == 1:
            log.warning("broker_lost", why=str(code))
        self._on_subscribed(is_subscribed=False)
        self._on_proof()

    def _connect_failed(self, _client: object, _userdata: object) -> None:
        self._failures += 1
        self._back_off()
        self._turn_to_next()
        if self._failures == 1:
            log.warning("broker_unreachable", host=self._host, port=self._port)

    def _turn_to_next(self) -> None:
        if len(self._servers) > 1 and not self._is_stopping:
            host, port = self._servers[self._failures % len(self._servers)]
            self.client.connect_async(
                host, port, keepalive=KEEPALIVE_S
            )  # only notes them for the next attempt

    def _back_off(self) -> None:
        """Set the next pause: doubling, capped, and spread so that many clients do not come back at once."""
        longest = min(MAX_BACKOFF_S, 0.25 * 2 ** min(self._failures, 10))
        pause = random.uniform(longest / 2, longest)
        self.client.reconnect_delay_set(pause, pause)  # type: ignore[arg-type]
