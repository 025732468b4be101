"""Too much, too slow, too many, and addresses that climb out of their folder: refused, counted, others served."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable
from statistics import median
from urllib.parse import quote

import httpx
import pytest

from tests.attacks.conftest import LIMITS, SECRET, Target, addresses

PATIENCE_S = 60.0
#: Another address of this machine: it is no web server in front, so its connections are counted.
ELSEWHERE = "127.0.0.9"
Eventually = Callable[..., None]


def wire(target: Target, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(
        ("127.0.0.1", target.port), timeout=PATIENCE_S, source_address=(source, 0)
    )


def read_all(stream: socket.socket) -> bytes:
    """Return what comes until the server ends the connection, in order or not."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := stream.recv(65_536):
            found += part
    return found


def is_served(target: Target) -> bool:
    return httpx.get(f"{target.url}/api/v1/health", timeout=PATIENCE_S).status_code == 200


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


# Too much


@pytest.mark.parametrize(
    "path", ["/login", "/api/v1/places/3-T01/requests", "/desk/3-T01/extend", "/council/switch"]
)
def test_a_body_that_says_it_is_huge_is_not_read(target: Target, path: str) -> None:
    before = target.refused("body")
    with wire(target) as stream:
        cookie = f"Cookie: {target.session('admin')}"
        stream.sendall(head(path, cookie, "Content-Type: application/json", "Content-Length: 10000000000"))
        assert b" 413 " in read_all(stream).partition(b"\r\n")[0]
    assert target.refused("body") == before + 1
    assert is_served(target)


@pytest.mark.parametrize("path", ["/login", "/api/v1/places/3-T01/requests"])
def test_a_body_that_never_ends_is_cut(target: Target, path: str) -> None:
    before, sent = target.refused("body"), 0
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    with wire(target) as stream:
        cookie = f"Cookie: {target.session('admin')}"
        kind = "Content-Type: application/x-www-form-urlencoded"
        stream.sendall(head(path, cookie, kind, "Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                stream.sendall(chunk)
                sent += len(chunk)
    assert target.refused("body") == before + 1
    assert sent < 1000 * len(chunk), "it was cut before the end"
    assert is_served(target)


def test_a_head_without_end_is_cut(target: Target) -> None:
    with wire(target) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(10_000):
                stream.sendall(b"x-%d: %s\r\n" % (number, b"a" * 8000))
            pytest.fail("80 MB of head were taken")
    assert is_served(target)


# Too slow


def dribble(stream: socket.socket, data: bytes) -> float:
    """Send a byte at a time until the server has had enough; return how long that took, s."""
    began = time.monotonic()
    stream.settimeout(0.05)
    for byte in data * 1000:
        try:
            stream.sendall(bytes((byte,)))
            if stream.recv(1000) == b"":
                break
        except TimeoutError:
            if time.monotonic() - began > PATIENCE_S:
                raise
        except ConnectionError:
            break
    return time.monotonic() - began


def test_a_head_that_drips_ends(target: Target) -> None:
    before = target.refused("slow")
    with wire(target) as stream:
        assert dribble(stream, b"GET / HTTP/1.1\r\nX: y") > LIMITS.head_s / 2
    assert target.refused("slow") == before + 1


def test_a_body_that_drips_ends(target: Target) -> None:
    before = target.refused("slow")
    with wire(target) as stream:
        kind = "Content-Type: application/x-www-form-urlencoded"
        stream.sendall(head("/login", kind, "Content-Length: 60000"))
        assert dribble(stream, b"name=") > LIMITS.body_s / 2
    assert target.refused("slow") == before + 1


def test_a_body_that_drips_after_it_was_refused_ends(target: Target) -> None:
    with wire(target) as stream:
        stream.sendall(head("/staff/plan/f3", "Content-Length: 60000"))
        assert dribble(stream, b"name=") < PATIENCE_S


def test_a_connection_that_says_nothing_ends(target: Target) -> None:
    before = target.refused("slow")
    with wire(target) as stream:
        assert read_all(stream) == b""
    assert target.refused("slow") == before + 1


def test_a_slow_reader_of_a_live_page_is_not_late(target: Target) -> None:
    with wire(target) as stream:
        stream.sendall(head(f"/s/{target.screen}/live", method="GET"))
        heard, end = b"", time.monotonic() + 2 * LIMITS.body_s
        while time.monotonic() < end:
            heard += stream.recv(65_536)
        assert heard.startswith(b"HTTP/1.1 200")
        assert stream.recv(65_536), "it goes on"


# Too many


def test_one_address_gets_its_share_of_connections_and_others_are_served_as_ever(
    target: Target, eventually: Eventually
) -> None:
    def look(source: str) -> float:
        transport = httpx.HTTPTransport(local_address=source)
        with httpx.Client(transport=transport, timeout=PATIENCE_S) as client:
            began = time.perf_counter()
            assert client.get(f"{target.url}/api/v1/health").status_code == 200
            return time.perf_counter() - began

    usual_s = median(look("127.0.0.1") for _ in range(15))
    before, streams = target.refused("connections"), []
    for _ in range(3 * LIMITS.most_per_address):
        streams.append(wire(target, ELSEWHERE))
        with contextlib.suppress(ConnectionError):
            streams[-1].sendall(b"GET / HTTP/1.1\r\n")
    eventually(lambda: target.refused("connections") - before >= 2 * LIMITS.most_per_address, what="refusals")
    under_fire_s = median(look("127.0.0.1") for _ in range(15))
    assert under_fire_s < max(5 * usual_s, 0.25), (usual_s, under_fire_s)  # `make attack` measures
    for stream in streams:
        stream.close()
    eventually(lambda: _answers(target, ELSEWHERE), what="room again")


def _answers(target: Target, source: str) -> bool:
    with wire(target, source) as stream:
        stream.sendall(head("/api/v1/health", "Connection: close", method="GET"))
        return b" 200 " in read_all(stream).partition(b"\r\n")[0]


def test_the_server_has_no_web_socket(target: Target) -> None:
    with wire(target) as stream:
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        stream.sendall(head("/staff/_dash-ws-callback", *upgrade, key, "Connection: close", method="GET"))
        assert b" 101 " not in read_all(stream)


# Addresses

CLIMBS = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "..%252fsecret.txt",
    "..\\secret.txt", "..%5csecret.txt", "....//secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "secret.txt",
    "secret.txt%00", "%00", "file:///etc/passwd", "..;/secret.txt",
    "%c0%ae%c0%ae/secret.txt", "../../../../../../../../etc/passwd",
)  # fmt: skip


def test_no_address_climbs_out_of_its_folder(target: Target) -> None:
    cookie = target.session("admin")
    asked = 0
    for method, path in addresses(target.made.app):
        if "{" not in path:
            continue
        for climb in CLIMBS:
            wanted = quote(re.sub(r"\{[^}]*\}", lambda _, part=climb: part, path), safe="/%:;.\\")
            lines = [f"Cookie: {cookie}", "Accept: text/html", "Connection: close"]
            if method == "POST":
                lines += ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"]
            with wire(target) as stream:
                stream.sendall(head(wanted, *lines, method=method))
                answer = read_all(stream)
            assert answer[:10] in {b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4"}, (method, wanted, answer[:99])
            assert SECRET.encode() not in answer, (method, wanted)
            assert b"root:" not in answer, (method, wanted)
            asked += 1
    assert asked > 30 * len(CLIMBS)
