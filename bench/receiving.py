"""The figure of the receive path: lists of messages against plain paho, from a broker that costs nothing."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime

from bench import mqtt_wire
from bench.figure import Figure, compare
from bench.sites import Building, example_site
from ingest.batch_reader import BatchReader, RawMessage
from workplace.codec import encode
from workplace.topics import Topics

_COUNT = 12_000
_TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)


def message_received() -> Figure:
    flood = _flood()
    mine, ratio = compare(lambda: _cost_us(flood, fast=True), lambda: _cost_us(flood, fast=False), rounds=5)
    return Figure("message_received", mine, "CPU us", "plain paho, same class", ratio, 5.0)


def _flood() -> bytes:
    site = example_site().plan
    topics = Topics(site.site)
    floor_of = {gateway.id: gateway.floor for gateway in site.gateways}
    events = Building(site).facts(_COUNT, _TEN, 70)
    return b"".join(
        mqtt_wire.publish(
            topics.event(floor_of[event.gateway], event.gateway, event.device), encode(event), mid
        )
        for mid, event in enumerate(events, 1)
    )


def _cost_us(flood: bytes, *, fast: bool) -> float:
    """Return the CPU of paho's thread per message that it received and acknowledged."""
    counted: Future[float] = Future()
    received = 0
    began_s = 0.0

    def on_batch(messages: list[RawMessage], generation: int) -> None:
        nonlocal received, began_s
        reader.ack_batch([message[2] for message in messages], generation)
        if received == 0:
            began_s = time.thread_time()
        received += len(messages)
        if received == _COUNT:  # far more than one read, so the first one that is not timed hardly counts
            counted.set_result((time.thread_time() - began_s) * 1e6 / _COUNT)

    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = threading.Thread(target=_serve, args=(server, flood), name="pretend-broker")
        broker.start()
        reader = BatchReader("bench", on_batch, fast=fast)
        reader.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        reader.connect("127.0.0.1", server.getsockname()[1])
        reader.loop_start()
        try:
            return counted.result(30)
        finally:
            reader.disconnect()
            reader.loop_stop()
            broker.join(30)


def _serve(server: socket.socket, flood: bytes) -> None:
    """Greet one client, send it everything, and only then read its acknowledgements: no thread competes."""
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        connection.recv(1024)
        connection.sendall(mqtt_wire.CONNACK_OK)
        subscribe = connection.recv(1024)
        connection.sendall(mqtt_wire.suback(subscribe[2:4]))
        connection.sendall(flood)
        while connection.recv(1 << 16):
            pass
