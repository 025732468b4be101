"""What every stage may rely on from `MessageLink`, on both reference brokers: real processes and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import joining_client
from gateway.joining_client import JoiningClient
from gateway.mqtt_link import BrokerAddress, MqttLink
from workplace.errors import BrokerRefused, BrokerUnreachable, SettingInvalid
from workplace.ports import Received

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
RIGHT = "right"
NATS = Path(sys.executable).parent / "nats-server"


class Broker:
    """A broker process on a free port; `kill` is -9, `start` again keeps the port and the data."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.argv = self._mosquitto() if kind == "mosquitto" else self._nats()

    def _mosquitto(self) -> list[str]:
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run([MOSQUITTO_PASSWD, "-b", passwords, "gw", RIGHT], check=True, capture_output=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"user root\npersistence false\nset_tcp_nodelay true\n"
        )
        return [MOSQUITTO, "-c", str(config)]

    def _nats(self) -> list[str]:
        config = self.folder / "nats.conf"
        config.write_text(
            f'server_name: n1\nlisten: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{self.folder}/js" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}" }}\n'
            "accounts { A { jetstream: enabled, users: [\n"
            '  {user: gw, password: "right", permissions: {subscribe: {deny: ["secret.>"]}}} ] } }\n'
        )
        return [str(NATS), "-c", str(config)]

    def start(self) -> None:
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            assert time.monotonic() < deadline, f"{self.kind} does not listen"
            assert self.process.poll() is None, f"{self.kind} ended with {self.process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def hold_still(self) -> None:
        """Stop every thread of it: a signal is asked for, not yet obeyed, when the call returns."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        threads = Path(f"/proc/{self.process.pid}/task")
        while any(thread_state(thread) != "T" for thread in threads.iterdir()):
            assert time.monotonic() < deadline, f"{self.kind} does not stand still"
            time.sleep(0.002)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def link(self, client_id: str, *, password: str = RIGHT, **more: Any) -> MqttLink:
        return MqttLink(BrokerAddress(f"mqtt://127.0.0.1:{self.port}", "gw", password), client_id, **more)


def thread_state(thread: Path) -> str:
    """One letter of proc(5): T is stopped, as is a thread that has gone."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["mosquitto", "nats"])
def stopped_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if not Path(MOSQUITTO if request.param == "mosquitto" else NATS).exists():
        pytest.skip(f"{request.param} is not installed")
    broker = Broker(request.param, tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def broker(stopped_broker: Broker) -> Broker:
    stopped_broker.start()
    return stopped_broker


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(bounded())


def test_a_published_message_is_acknowledged_and_arrives(broker: Broker) -> None:
    async def story() -> None:
        got: list[Received] = []
        async with broker.link("reader") as reader, broker.link("writer") as writer:
            await reader.subscribe("site/+/event", got.append)
            await writer.publish("site/a/event", b"1")
            await writer.publish("site/b/event", b"2", qos=0)
            assert writer.publish_soon("site/c/event", b"3")
            await writer.publish("other/a/event", b"not wanted")
            await until(lambda: len(got) == 3, "three messages")
        assert sorted((m.topic, m.payload, m.retained) for m in got) == [
            ("site/a/event", b"1", False),
            ("site/b/event", b"2", False),
            ("site/c/event", b"3", False),
        ]

    run(story())


def test_messages_of_one_sender_arrive_in_order_under_a_narrow_window(broker: Broker) -> None:
    async def story() -> None:
        got: list[bytes] = []
        async with broker.link("reader") as reader, broker.link("writer", window=7) as writer:
            await reader.subscribe("n", lambda message: got.append(message.payload))
            await asyncio.gather(*(writer.publish("n", b"%d" % n) for n in range(500)))
            await until(lambda: len(got) >= 500, "all messages")
        assert got == [b"%d" % n for n in range(500)]

    run(story())


def test_a_late_subscriber_gets_the_retained_state_marked_as_such(broker: Broker) -> None:
    async def story() -> None:
        got: list[Received] = []
        async with broker.link("writer") as writer:
            await writer.publish("state/a", b"old", retain=True)
            await writer.publish("state/a", b"new", retain=True)
            for _ in range(60):  # NATS acknowledges before it can hand out what it keeps
                got.clear()
                async with broker.link("reader") as reader:
                    await reader.subscribe("state/#", got.append)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await until(lambda: got, "the retained message")
                if got and got[0].payload == b"new":
                    break
        assert [(one.payload, one.retained) for one in got] == [(b"new", True)]

    run(story())


VANISH = """
import asyncio, os, signal, sys
from gateway import joining_client
from gateway.joining_client import JoiningClient
from gateway.mqtt_link import BrokerAddress, MqttLink
async def main():
    address = BrokerAddress(sys.argv[1], "gw", "right")
    async with MqttLink(address, "victim", will=("gw/status", b"offline")) as link:
        await link.publish("gw/status", b"online", retain=True)
        if sys.argv[2] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("how", "last"),
    [
        pytest.param("die", b"offline", id="a killed client leaves its last will"),
        pytest.param("leave", b"online", id="a client that says goodbye leaves no will"),
    ],
)
def test_last_will(broker: Broker, how: str, last: bytes) -> None:
    async def story() -> None:
        got: list[bytes] = []
        async with broker.link("reader") as reader:
            await reader.subscribe("gw/status", lambda message: got.append(message.payload))
            victim = await asyncio.create_subprocess_exec(
                sys.executable, "-c", VANISH, f"mqtt://127.0.0.1:{broker.port}", how
            )
            await victim.wait()
            await until(lambda: got, "the first status")
            if how == "die":
                await until(lambda: got[-1] == b"offline", "the will")
            else:  # nothing more may come: give a wrong will the time to arrive before this answer
                await reader.publish("gw/status", b"end")
                await until(lambda: got[-1] == b"end", "the end mark")
                got.pop()
        assert got[-1] == last

    run(story())


def test_after_a_broker_restart_it_subscribes_and_publishes_again(broker: Broker) -> None:
    async def story() -> None:
        got: list[bytes] = []
        states: list[bool] = []
        async with broker.link("reader") as reader, broker.link("writer", timeout_s=20) as writer:
            reader.on_connection(states.append)
            await reader.subscribe("a/#", lambda message: got.append(message.payload))
            await writer.publish("a/1", b"before")
            await until(lambda: got == [b"before"], "the first message")
            broker.kill()
            await until(lambda: not reader.is_connected and not writer.is_connected, "both see the loss")
            broker.start()
            await until(lambda: reader.is_connected, "the reader is back")
            await until(lambda: states == [True, False, True] or states == [False, True], "listeners know")
            # Retained, so that it also comes when the writer was quicker than the reader's new subscription.
            await writer.publish("a/2", b"after", retain=True)
            await until(lambda: got == [b"before", b"after"], "the second message")

    run(story())


def test_without_a_broker_entering_is_immediate_and_publish_says_so(stopped_broker: Broker) -> None:
    async def story() -> None:
        started = time.monotonic()
        async with stopped_broker.link("early", timeout_s=0.5) as link:
            assert time.monotonic() - started < 0.5
            assert link.publish_soon("state/x", b"1", retain=True)
            assert link.publish_soon("state/x", b"2", retain=True)
            with pytest.raises(BrokerUnreachable):
                await link.publish("state/y", b"1")
            got: list[Received] = []
            await link.subscribe("state/#", got.append)
            stopped_broker.start()
            await until(lambda: [m.payload for m in got] == [b"2"], "the newest waiting state, once")

    run(story())


def test_an_unacknowledged_publish_fails_when_the_broker_dies(broker: Broker) -> None:
    async def story() -> None:
        async with broker.link("writer", timeout_s=5) as writer:
            await writer.publish("a", b"1")
            broker.hold_still()
            waiting = asyncio.ensure_future(writer.publish("a", b"2"))
            await asyncio.sleep(0)
            broker.kill()
            with pytest.raises(BrokerUnreachable):
                await waiting

    run(story())


def test_a_broker_that_hangs_is_given_up_after_the_time_out(broker: Broker) -> None:
    async def story() -> None:
        async with broker.link("writer", timeout_s=1) as writer:
            await writer.publish("a", b"1")
            broker.hold_still()
            with pytest.raises(BrokerUnreachable):
                await writer.publish("a", b"2")
            await until(lambda: not writer.is_connected, "the dead connection is dropped", within_s=60)
            broker.process.send_signal(signal.SIGCONT)
            await until(lambda: writer.is_connected, "a new connection")
            await writer.publish("a", b"3")

    run(story())


def test_many_messages_at_once_are_acknowledged_together_and_arrive_in_order(broker: Broker) -> None:
    async def story() -> None:
        async with broker.link("many-listener") as listener, broker.link("many", window=5) as link:
            heard: list[Received] = []
            await listener.subscribe("many/+", heard.append)
            await link.wait_connected()
            told = [(f"many/{number % 7}", str(number).encode(), number == 0) for number in range(40)]
            assert await link.publish_all(told) == [True] * 40
            assert await link.publish_all([]) == []
            await until(lambda: len(heard) == 40, "all being heard")
            assert [message.payload for message in heard] == [payload for _, payload, _ in told]

    run(story())


def test_the_pinned_paho_has_every_private_name() -> None:
    client = JoiningClient("x", clean_session=True, on_acknowledged=lambda _mids: None)
    assert [name for name in joining_client.PRIVATE_NAMES if not hasattr(client, name)] == []
    assert client.is_fast


def test_a_paho_without_a_private_name_does_everything_itself(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining_client, "PRIVATE_NAMES", ("_gone_in_the_next_release",))

    async def story() -> None:
        heard: list[Received] = []
        async with broker.link("many") as link, broker.link("listener") as listener:
            await listener.subscribe("many/+", heard.append)
            await link.wait_connected()
            told = [(f"many/{number % 7}", str(number).encode(), False) for number in range(40)]
            assert await link.publish_all(told) == [True] * 40
            await link.publish("many/last", b"last")
            await until(lambda: len(heard) == 41, "all being heard")
            assert [message.payload for message in heard] == [*(payload for _, payload, _ in told), b"last"]

    run(story())


def test_of_many_messages_those_without_an_answer_are_named_and_the_window_is_whole_again(
    broker: Broker,
) -> None:
    async def story() -> None:
        async with broker.link("many", window=4) as link:
            await link.wait_connected()
            assert await link.publish_all([("many/a", b"1", False)]) == [True]
            broker.hold_still()
            sending = asyncio.create_task(link.publish_all([("many/a", b"2", False)] * 10))
            await asyncio.sleep(0)  # so that it has begun
            broker.kill()
            assert await sending == [False] * 10
            assert await link.publish_all([("many/a", b"3", False)] * 2) == [False] * 2, "no connection"
            broker.start()
            await link.wait_connected()
            assert await link.publish_all([("many/a", b"4", False)] * 12) == [True] * 12

    run(story())


def test_many_messages_to_a_broker_that_hangs_are_given_up_after_the_time_out(broker: Broker) -> None:
    async def story() -> None:
        async with broker.link("many", timeout_s=1.0, window=4) as link:
            await link.wait_connected()
            broker.hold_still()
            assert await link.publish_all([("many/a", b"1", False)] * 9) == [False] * 9
            await until(lambda: not link.is_connected, "the connection being given up")
            assert broker.process is not None
            broker.process.send_signal(signal.SIGCONT)
            while (
                await link.publish_all([("many/a", b"2", False)] * 9) != [True] * 9
            ):  # a second may be short
                await link.wait_connected()

    run(story())


def test_a_wrong_password_is_told_as_a_refusal(broker: Broker) -> None:
    async def story() -> None:
        async with broker.link("intruder", password="wrong", timeout_s=10) as link:
            with pytest.raises(BrokerRefused, match="user, password"):
                await link.subscribe("a", lambda _message: None)
            assert isinstance(link.error, BrokerRefused)
            assert not link.is_connected

    run(story())


def test_a_refused_filter_is_told_to_the_first_caller(tmp_path: Path) -> None:
    broker = Broker("nats", tmp_path)  # Mosquitto grants every filter and delivers nothing
    broker.start()

    async def story() -> None:
        async with broker.link("curious") as link:
            with pytest.raises(BrokerRefused, match="secret"):
                await link.subscribe("secret/#", lambda _message: None)
            await link.publish("a", b"the link itself still works")

    try:
        run(story())
    finally:
        broker.kill()


def test_a_failing_handler_harms_neither_the_link_nor_other_handlers(broker: Broker) -> None:
    async def story() -> None:
        got: list[bytes] = []

        def fail(_message: Received) -> None:
            raise RuntimeError("a bug in a page")

        async with broker.link("reader") as link:
            await link.subscribe("a", fail)
            await link.subscribe("b", lambda message: got.append(message.payload))
            await link.publish("a", b"1")
            await link.publish("b", b"2")
            await until(lambda: got == [b"2"], "the healthy handler")
            assert link.counters["handler_failed"] == 1
            assert link.is_connected

    run(story())


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a self-signed certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "broker.crt", folder / "broker.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.mark.parametrize(
    "is_trusted",
    [
        pytest.param(True, id="a broker with a trusted certificate is spoken to"),
        pytest.param(False, id="a broker with an unknown certificate is not"),
    ],
)
def test_tls(tmp_path: Path, is_trusted: bool) -> None:
    certificate, key = make_certificate(tmp_path)
    broker = Broker("mosquitto", tmp_path)
    with (tmp_path / "mosquitto.conf").open("a") as config:
        config.write(f"certfile {certificate}\nkeyfile {key}\n")
    broker.start()

    async def story() -> None:
        ca_file = str(certificate) if is_trusted else None
        address = BrokerAddress(f"mqtts://127.0.0.1:{broker.port}", "gw", RIGHT, ca_file)
        async with MqttLink(address, "careful", timeout_s=5 if is_trusted else 0.7) as link:
            if is_trusted:
                await link.publish("a", b"1")
            else:
                with pytest.raises(BrokerUnreachable):
                    await link.publish("a", b"1")
            assert link.is_connected is is_trusted

    try:
        run(story())
    finally:
        broker.kill()


def test_an_error_of_the_caller_leaves_the_link_as_it_is(stopped_broker: Broker) -> None:
    async def story() -> None:
        with pytest.raises(KeyError):
            async with stopped_broker.link("short"):
                raise KeyError("not wrapped in a group")

    run(story())


def test_a_cancelled_caller_stays_cancelled_and_is_soon_gone(broker: Broker) -> None:
    async def story() -> None:
        async def hold() -> None:
            async with broker.link("short") as link:
                await link.wait_connected()
                entered.set()
                await asyncio.Event().wait()

        entered = asyncio.Event()
        task = asyncio.ensure_future(hold())
        await entered.wait()
        task.cancel()
        async with asyncio.timeout(3):
            with pytest.raises(asyncio.CancelledError):
                await task

    run(story())


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(BrokerAddress("http://host:1883"), id="another protocol is refused"),
        pytest.param(BrokerAddress("mqtt://:1883"), id="an address without a host is refused"),
        pytest.param(BrokerAddress("mqtt://host:99999"), id="an impossible port is refused"),
        pytest.param(BrokerAddress("mqtt://u:p@host"), id="a password in the address is refused"),
    ],
)
def test_impossible_addresses(address: BrokerAddress) -> None:
    with pytest.raises(SettingInvalid):
        address.parts()


def test_a_client_id_that_nats_would_refuse_is_refused_here() -> None:
    async def story() -> None:
        with pytest.raises(SettingInvalid):
            async with MqttLink(BrokerAddress("mqtt://localhost"), "has a.dot"):
                pass

    run(story())


def test_the_password_never_shows_in_a_representation() -> None:
    assert "geheim" not in repr(BrokerAddress("mqtt://host", "gw", "geheim"))
