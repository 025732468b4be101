"""Reading in lists: paho's private names, both reference brokers, order, acknowledgements, reconnects."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ingest.batch_reader import PRIVATE_NAMES, BatchReader, EventReader, RawMessage

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
NATS = Path(sys.executable).parent / "nats-server"
Eventually = Callable[..., None]


class Broker:
    """A broker process on a free port, which it keeps over a restart."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.port = _free_port()
        config = folder / "broker.conf"
        if kind == "mosquitto":
            config.write_text(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
                f"persistence_location {folder}/\nmax_inflight_messages 1000\nmax_queued_messages 0\n"
            )
            self._argv = [MOSQUITTO, "-c", str(config)]
        else:
            config.write_text(
                f'server_name: n1\nlisten: "127.0.0.1:{_free_port()}"\n'
                f'jetstream {{ store_dir: "{folder}/js" }}\n'
                f'mqtt {{ listen: "127.0.0.1:{self.port}", max_ack_pending: 10000, ack_wait: "2s" }}\n'
                "accounts { A { jetstream: enabled, users: [\n"
                '  {user: u, password: p, permissions: {subscribe: {deny: ["secret.>"]}}} ] } }\n'
            )
            self._argv = [str(NATS), "-c", str(config)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            assert time.monotonic() < deadline, f"{self.kind} does not listen"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                threading.Event().wait(0.02)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(15)
            self.process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["mosquitto", "nats"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if not Path(MOSQUITTO if request.param == "mosquitto" else NATS).exists():
        pytest.skip(f"{request.param} is not installed")
    made = Broker(request.param, tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Desk:
    """Collects what a reader hands over, and acknowledges on request."""

    def __init__(self, broker: Broker, *, fast: bool = True, filters: tuple[str, ...] = ("site/#",)) -> None:
        self.batches: list[tuple[list[RawMessage], int]] = []
        self.subscribed: list[bool] = []
        self.proofs: list[bool] = []
        self.reader = EventReader(
            host="127.0.0.1",
            port=broker.port,
            client_id="desk",
            filters=filters,
            on_batch=lambda messages, generation: self.batches.append((messages, generation)),
            on_subscribed=self._on_subscribed,
            on_proof=lambda: self.proofs.append(self.reader.is_subscribed),
            username="u",
            password="p",
            fast=fast,
        )

    def _on_subscribed(self, *, is_subscribed: bool) -> None:
        self.subscribed.append(is_subscribed)

    def messages(self) -> list[RawMessage]:
        return [message for batch, _ in list(self.batches) for message in batch]

    def payloads(self) -> list[bytes]:
        return [message[1] for message in self.messages()]

    def ack_all(self) -> None:
        for batch, generation in self.batches:
            self.reader.ack([message[2] for message in batch], generation)


@pytest.fixture
def desks(broker: Broker, eventually: Eventually) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def make(**more: object) -> Desk:
        desk = Desk(broker, **more)  # type: ignore[arg-type]
        opened.append(desk)
        desk.reader.start()
        return desk

    yield make
    for desk in opened:
        desk.reader.stop()


@pytest.fixture
def writer(broker: Broker) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="writer")
    client.username_pw_set("u", "p")
    client.max_inflight_messages_set(100)
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def say(writer: paho.Client, *payloads: bytes, qos: int = 1) -> None:
    told = [writer.publish("site/a", payload, qos=qos) for payload in payloads]
    for one in told:
        one.wait_for_publish(10)


def keep(writer: paho.Client, topic: str, payload: bytes) -> None:
    """Publish a retained message; return when new subscribers get it. NATS acknowledges before it can hand it out."""
    came = threading.Event()

    def compare(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        if message.retain and message.payload == payload:
            came.set()

    writer.message_callback_add(topic, compare)
    writer.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)
    for _ in range(60):
        writer.unsubscribe(topic)
        writer.subscribe(topic, 1)
        if came.wait(1):
            break
    assert came.is_set()
    writer.unsubscribe(topic)


def test_the_pinned_paho_has_every_private_name() -> None:
    reader = BatchReader("x", lambda _messages, _generation: None)
    missing = [name for name in PRIVATE_NAMES if not hasattr(reader, name)]
    assert missing == []
    assert reader.is_fast
    assert set(reader._in_packet) == {
        "command",
        "have_remaining",
        "remaining_count",
        "remaining_mult",
        "remaining_length",
        "packet",
        "to_process",
        "pos",
    }


@pytest.mark.parametrize(
    "fast", [pytest.param(True, id="lists"), pytest.param(False, id="plain paho, one by one")]
)
def test_messages_arrive_whole_and_in_order(
    fast: bool, desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    desk = desks(fast=fast)
    eventually(lambda: desk.subscribed == [True], what="the subscription")
    sent = [b"%d:" % n + b"x" * (n * 37 % 5000) for n in range(400)] + [b"y" * 700_000, b""]
    say(writer, *sent)
    eventually(lambda: len(desk.messages()) >= len(sent), what="all messages")
    assert desk.payloads() == sent
    assert {(topic, retained, dup) for topic, _, _, retained, dup in desk.messages()} == {
        ("site/a", False, False)
    }
    assert all(message[2] > 0 for message in desk.messages())
    desk.ack_all()


@pytest.mark.parametrize(
    "fast", [pytest.param(True, id="lists"), pytest.param(False, id="plain paho, one by one")]
)
def test_what_was_not_acknowledged_comes_again_and_nothing_else(
    fast: bool, desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    first = desks(fast=fast)
    eventually(lambda: first.subscribed == [True])
    say(writer, *(b"%d" % n for n in range(10)))
    eventually(lambda: len(first.messages()) == 10)
    mids = [message[2] for message in first.messages()]
    assert first.reader.ack(mids[:4], first.batches[-1][1])
    # A broker handles the packets of one connection in order: once it has answered this, it has the acknowledgements.
    first.reader.client.publish("elsewhere", b"", qos=1).wait_for_publish(20)
    say(writer, b"last")
    eventually(lambda: b"last" in first.payloads())
    first.reader.stop()
    second = desks(fast=fast)
    eventually(lambda: len(second.messages()) >= 7, within_s=60, what="what was not acknowledged")
    assert set(second.payloads()) == {b"4", b"5", b"6", b"7", b"8", b"9", b"last"}
    second.ack_all()


def test_an_acknowledgement_from_before_a_reconnect_is_dropped(
    broker: Broker, desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    desk = desks()
    eventually(lambda: desk.subscribed == [True])
    say(writer, b"before")
    eventually(lambda: desk.payloads() == [b"before"])
    _, old = desk.batches[0]
    broker.stop()
    eventually(lambda: desk.subscribed[-1] is False, what="the loss")
    broker.start()
    eventually(lambda: desk.subscribed[-1] is True, within_s=60, what="the way back")
    assert desk.reader.ack([desk.messages()[0][2]], old) is False
    assert desk.reader.client.generation > old
    eventually(lambda: desk.payloads().count(b"before") >= 2, within_s=60, what="the redelivery")
    eventually(writer.is_connected, what="the writer's way back")
    say(writer, b"after")
    eventually(lambda: b"after" in desk.payloads(), within_s=60)
    newest = desk.batches[-1]
    assert desk.reader.ack([message[2] for message in newest[0]], newest[1])


def test_messages_of_quality_0_need_no_acknowledgement(
    desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    desk = desks()
    eventually(lambda: desk.subscribed == [True])
    say(writer, b"light", qos=0)
    eventually(lambda: desk.payloads() == [b"light"])
    assert desk.messages()[0][2] == 0
    assert desk.reader.ack([0], desk.batches[0][1])


def test_what_the_broker_had_kept_is_marked(
    desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    keep(writer, "site/kept", b"1")
    desk = desks()
    eventually(lambda: desk.payloads() == [b"1"])
    assert desk.messages()[0][3] is True
    desk.ack_all()


def test_a_subscription_in_doubt_is_proved_by_a_new_answer_of_the_broker(
    desks: Callable[..., Desk], broker: Broker, eventually: Eventually
) -> None:
    desk = desks(filters=("site/a", "site/b"))
    eventually(lambda: desk.reader.is_subscribed, what="the subscription")
    proofs = len(desk.proofs)
    desk.reader.prove_again()
    eventually(lambda: desk.proofs[proofs:] == [True], what="the new proof")
    assert desk.subscribed == [True], "what waits at the broker is told once for each connection"
    broker.stop()
    eventually(lambda: desk.proofs[-1] is False, what="the loss")
    desk.reader.prove_again()
    assert not desk.reader.is_subscribed
    broker.start()
    eventually(lambda: desk.reader.is_subscribed, what="the next connection")
    assert desk.subscribed == [True, False, True]


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
def test_a_refused_filter_is_named_and_the_others_work(
    desks: Callable[..., Desk], writer: paho.Client, eventually: Eventually
) -> None:
    desk = desks(filters=("secret/a", "site/#"))
    eventually(lambda: desk.reader.refused == "subscription refused: secret/a", what="the refusal")
    say(writer, b"1")
    eventually(lambda: desk.payloads() == [b"1"])
    assert True not in desk.subscribed
    desk.ack_all()


class Scripted(BatchReader):
    """A reader fed from a list of byte strings instead of a socket."""

    def __init__(self, reads: list[bytes]) -> None:
        self.got: list[RawMessage] = []
        super().__init__("scripted", lambda messages, _generation: self.got.extend(messages))
        self._reads = reads
        self._sock = object()  # type: ignore[assignment]
        self.closed_with: MQTTErrorCode | None = None

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._reads:
            raise BlockingIOError
        return self._reads.pop(0)

    def _loop_rc_handle(self, rc: MQTTErrorCode) -> MQTTErrorCode:
        self.closed_with = rc
        return rc

    def __del__(self) -> None:
        self._sock = None


def frame(topic: bytes, payload: bytes, mid: int) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + payload
    length, written = len(body), b""
    while True:
        length, byte = divmod(length, 128)
        written += bytes([byte | (0x80 if length else 0)])
        if not length:
            return b"\x32" + written + body


@settings(deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 5000), max_size=20),
)
def test_it_does_not_matter_how_the_network_cuts_the_stream(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(b"site/a", payload, mid) for mid, payload in enumerate(payloads, 1))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = Scripted([stream[a:b] for a, b in pairwise(edges)])
    while reader._reads:
        assert reader.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert [(m[1], m[2]) for m in reader.got] == [(p, n) for n, p in enumerate(payloads, 1)]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x32\xff\xff\xff\xff\x01", id="a length of more than four bytes"),
        pytest.param(b"\x32\x04\xff\xffab", id="a topic longer than its frame"),
        pytest.param(b"\xf0\x00", id="a packet type that does not exist"),
    ],
)
def test_nonsense_ends_the_connection(stream: bytes) -> None:
    reader = Scripted([stream])
    reader.loop_read()
    assert reader.closed_with == MQTTErrorCode.MQTT_ERR_PROTOCOL
