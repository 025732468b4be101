"""Webhooks against a real server that takes, fails, hangs, drips and lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ingest.channels import webhook
from ingest.channels.webhook import WebhookChannel, WebhookSettings, is_public
from workplace.channels import Telling
from workplace.errors import ChannelRefused, ChannelUnavailable, MessageRejected
from workplace.ports import Parcel
from workplace.webhook_seal import check_signature

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
NEW, OLD = b"n" * 64, b"o" * 64
TELLING = Telling(
    id="f00d" * 8, kind="reclaimable", cause="reclaimable", site="klein", floor="f1", zone="1-werken", place="1-W1",
    at=TEN, expires_at=TEN + timedelta(minutes=30), rule="R7", mode="active", decision="d1",
)  # fmt: skip


@dataclass
class Hook:
    """A server on loopback; `answer` is written as it stands, `act` may do something else with the connection."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    act: Callable[[socket.socket], None] | None = None
    tls: ssl.SSLContext | None = None
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(raw,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(20)
        with contextlib.suppress(OSError), raw:
            peer = raw if self.tls is None else self.tls.wrap_socket(raw, server_side=True)
            with peer:
                self.got.append(self._read(peer))
                if self.act is not None:
                    self.act(peer)
                else:
                    peer.sendall(self.answer)

    @staticmethod
    def _read(peer: socket.socket) -> tuple[str, dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += peer.recv(65_536)
        return first, headers, body

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


def post(
    port: int, *, host: str = "127.0.0.1", timeout_s: float = 10.0, private: bool = True, **more: Any
) -> None:
    settings: dict[str, Any] = {"keys": (NEW,), "url": f"http://{host}:{port}/in?floor=1"} | more
    channel = WebhookChannel(
        WebhookSettings(timeout_s=timeout_s, allow_private=private, **settings), lambda: datetime.now(UTC)
    )
    asyncio.run(channel.send(Parcel(TELLING.id, (TELLING,))))


def test_what_arrives_is_one_signed_telling(hook: Hook) -> None:
    post(hook.port, keys=(NEW, OLD))
    ((first, headers, body),) = hook.got
    assert first == "POST /in?floor=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{hook.port}"
    assert headers["content-type"] == "application/json"
    assert headers["plekvrij-id"] == TELLING.id
    for key in (NEW, OLD):
        stamp, signature = headers["plekvrij-timestamp"], headers["plekvrij-signature"]
        check_signature(body, stamp, signature, [key], datetime.now(UTC))
        with pytest.raises(MessageRejected):
            check_signature(body + b" ", stamp, signature, [key], datetime.now(UTC))
    assert json.loads(body) == {
        "v": 1, "id": TELLING.id, "kind": "reclaimable", "cause": "reclaimable", "site": "klein", "floor": "f1",
        "zone": "1-werken", "place": "1-W1", "gateway": None, "at": "2026-11-24T09:00:00Z",
        "expires_at": "2026-11-24T09:30:00Z", "due_at": None, "rule": "R7", "mode": "active", "decision": "d1",
        "takes_back": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "reason", "pause_s"),
    [
        pytest.param(b"HTTP/1.1 500 Oops\r\n\r\n", "http_500", None, id="500: later"),
        pytest.param(
            b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", "http_503", 7.0, id="503 with a pause asked for"
        ),
        pytest.param(b"HTTP/1.1 429 Slow\r\nRetry-After: 30\r\n\r\n", "http_429", 30.0, id="429: too many"),
        pytest.param(
            b"HTTP/1.1 429 Slow\r\nRetry-After: soon\r\n\r\n",
            "http_429",
            None,
            id="a pause that is no number",
        ),
        pytest.param(b"", "no_answer", None, id="hangs up without a word"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not_http", None, id="another service lives there"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "not_http", None, id="a header without an end"
        ),
    ],
)
def test_what_may_go_well_later(hook: Hook, answer: bytes, reason: str, pause_s: float | None) -> None:
    hook.answer = answer
    with pytest.raises(ChannelUnavailable) as failed:
        post(hook.port)
    assert (failed.value.reason, failed.value.retry_after_s) == (reason, pause_s)


@pytest.mark.parametrize(
    ("status", "for_good"),
    [
        pytest.param(400, False, id="400: they do not understand it, and never will"),
        pytest.param(401, False, id="401: our key is not theirs"),
        pytest.param(404, False, id="404: nothing lives there"),
        pytest.param(410, True, id="410: gone for good"),
    ],
)
def test_what_will_never_go_well(hook: Hook, status: int, for_good: bool) -> None:
    hook.answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(ChannelRefused) as refused:
        post(hook.port)
    assert (refused.value.reason, refused.value.is_for_good) == (f"http_{status}", for_good)


def test_no_redirect_is_followed(hook: Hook) -> None:
    other = Hook()
    try:
        for status in (301, 302, 307, 308):
            hook.answer = (
                f"HTTP/1.1 {status} There\r\nLocation: http://127.0.0.1:{other.port}/\r\n\r\n".encode()
            )
            with pytest.raises(ChannelRefused, match=f"http_{status}"):
                post(hook.port)
        assert other.connections == 0
    finally:
        other.close()


def test_a_server_that_hangs_is_given_up_in_time(hook: Hook) -> None:
    hook.act = lambda _: print(hook.closing.wait(30))
    began = time.monotonic()
    with pytest.raises(ChannelUnavailable, match="timeout"):
        post(hook.port, timeout_s=1.0)
    assert time.monotonic() - began < 8


def test_a_server_that_drips_is_given_up_in_time(hook: Hook) -> None:
    def drip(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not hook.closing.wait(0.1):
            peer.sendall(b"z")

    hook.act = drip
    with pytest.raises(ChannelUnavailable, match="timeout"):
        post(hook.port, timeout_s=1.0)


def test_nobody_at_the_port_is_a_matter_of_the_network(free_port: int) -> None:
    with pytest.raises(ChannelUnavailable, match="network"):
        post(free_port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_inside_is_not_even_connected_to_unless_allowed(hook: Hook, host: str) -> None:
    with pytest.raises(ChannelRefused, match="private_address"):
        post(hook.port, host=host, private=False)
    assert hook.connections == 0


def test_a_name_that_is_both_inside_and_outside_is_not_trusted(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("93.184.215.14", 80)), (2, 1, 6, "", ("127.0.0.1", hook.port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", both)
    with pytest.raises(ChannelRefused, match="private_address"):
        post(hook.port, host="hook.example", private=False)
    assert hook.connections == 0


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(*_: Any, **__: Any) -> list[Any]:
        return [(10, 1, 6, "", ("::1", hook.port)), (2, 1, 6, "", ("127.0.0.1", hook.port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", two)
    post(hook.port, host="hook.example")
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("address", "then"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.0.0.1", False),
        ("172.16.9.9", False),
        ("192.168.1.1", False),
        ("127.8.8.8", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("2002:0a00:0001::1", False),
    ],
)
def test_which_addresses_the_internet_reaches(address: str, then: bool) -> None:
    assert is_public(address) == then


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_https_is_believed_only_with_a_certificate_that_is_trusted_and_fits(
    hook: Hook, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    hook.tls.load_cert_chain(certificate)
    url = f"https://localhost:{hook.port}/in"
    with pytest.raises(ChannelUnavailable, match="tls"):
        post(hook.port, url=url)
    assert hook.got == []
    trusting = ssl.create_default_context(cafile=str(certificate))
    post(hook.port, url=url, tls=trusting)
    assert len(hook.got) == 1
    with pytest.raises(ChannelUnavailable, match="tls"):
        post(hook.port, url=f"https://127.0.0.1:{hook.port}/in", tls=trusting)
    assert len(hook.got) == 1


def test_keys_and_addresses_do_not_show_when_settings_are_printed() -> None:
    settings = WebhookSettings("http://x", (NEW,), 1.0, allow_private=True)
    assert NEW.decode() not in repr(settings)
    assert webhook.WebhookChannel.__repr__ is object.__repr__
