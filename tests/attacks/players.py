"""Attackers of `make attack`: each in a process of its own, against this machine alone, bounded in time and number."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from urllib.parse import urlencode

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from workplace.codec import encode
from workplace.events import SensorEvent
from workplace.topics import Topics

#: Another address of this machine, so that it is counted as a caller of its own.
SOURCE = "127.0.0.9"
#: No attack does more steps than this, whatever it is told.
MOST_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Aim:
    """What an attacker knows: addresses, and the password and a device of one gateway that was taken over."""

    pages: int
    broker: int
    site: str
    gateway: str
    password: str
    floor: str
    device: str
    channel: str | None
    account: str


def steps(stop: Event) -> Iterator[int]:
    for number in range(MOST_STEPS):
        if stop.is_set():
            return
        yield number


def _wire(aim: Aim) -> socket.socket:
    return socket.create_connection(("127.0.0.1", aim.pages), timeout=5, source_address=(SOURCE, 0))


def drips(aim: Aim, stop: Event) -> None:
    """200 connections whose heads come a byte at a time."""
    streams: list[socket.socket] = []
    for number in steps(stop):
        with contextlib.suppress(OSError):
            if len(streams) < 200:
                streams.append(_wire(aim))
        if streams:
            stream = streams[number % len(streams)]
            try:
                stream.sendall(b"G" if number % 7 else b"ET / HTTP/1.1\r\nX: ")
            except OSError:
                streams.remove(stream)
        time.sleep(0.002)


def connections(aim: Aim, stop: Event) -> None:
    """New connections, 200 a second, that say nothing and are never closed by us."""
    streams: list[socket.socket] = []
    for _ in steps(stop):
        with contextlib.suppress(OSError):
            streams.append(_wire(aim))
        if len(streams) > 600:
            streams.pop(0).close()
        time.sleep(0.005)


def bodies(aim: Aim, stop: Event) -> None:
    """Bodies of the log-in form that never end."""
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    for _ in steps(stop):
        with contextlib.suppress(OSError), _wire(aim) as stream:
            stream.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(100):
                stream.sendall(chunk)
        time.sleep(0.005)


def guesses(aim: Aim, stop: Event) -> None:
    """Passwords of one account, as fast as answers come over one connection."""
    stream = None
    for number in steps(stop):
        body = urlencode({"name": aim.account, "password": f"een gok van {number}"}).encode()
        head = (
            f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        try:
            stream = stream or _wire(aim)
            stream.sendall(head.encode() + body)
            _read_answer(stream)
        except OSError:
            stream = None


def _read_answer(stream: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += _some(stream)


def _some(stream: socket.socket) -> bytes:
    part = stream.recv(65_536)
    if not part:
        raise ConnectionResetError
    return part


def _gateway(aim: Aim) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"thief-{time.monotonic_ns()}")
    client.username_pw_set(aim.gateway, aim.password)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", aim.broker)
    client.loop_start()
    return client


def _flood(aim: Aim, stop: Event, payload: Callable[[int], bytes]) -> None:
    client, topic = _gateway(aim), Topics(aim.site).event(aim.floor, aim.gateway, aim.device)
    for number in steps(stop):
        told = client.publish(topic, payload(number), 1)
        if number % 200 == 199:
            with contextlib.suppress(RuntimeError, ValueError):
                told.wait_for_publish(5)
    client.loop_stop()


def rubbish(aim: Aim, stop: Event) -> None:
    """Messages that are none, each another."""
    _flood(aim, stop, lambda number: b'{"type":"sensor_event","v":1,"x":%d' % number)


def events(aim: Aim, stop: Event) -> None:
    """Sound events of a device of its own."""

    def payload(number: int) -> bytes:
        now = datetime.now(UTC)
        return encode(
            SensorEvent(
                id=f"flood-{now.timestamp():.6f}-{number}", site=aim.site, gateway=aim.gateway, device=aim.device,
                kind="link", value=bool(number % 2), channel=aim.channel, measured_at=now, clock="device",
                uncertainty_ms=5, received_at=now,
            )
        )  # fmt: skip

    _flood(aim, stop, payload)


def oversize(aim: Aim, stop: Event) -> None:
    """Messages of half a megabyte, each for a connection."""
    topic = Topics(aim.site).event(aim.floor, aim.gateway, aim.device)
    for _ in steps(stop):
        with contextlib.suppress(OSError):
            client = _gateway(aim)
            client.publish(topic, b"x" * 500_000, 1)
            time.sleep(0.02)
            client.disconnect()
            client.loop_stop()


PLAYERS: dict[str, Callable[[Aim, Event], None]] = {
    player.__name__: player for player in (drips, connections, bodies, guesses, rubbish, oversize, events)
}


def play(name: str, aim: Aim, stop: Event) -> None:
    """Play one attack. An attacker has a machine of his own; here he shares one, so he waits for whom he attacks."""
    os.nice(10)
    PLAYERS[name](aim, stop)
