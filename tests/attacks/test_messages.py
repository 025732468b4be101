"""A gateway that was taken over, against both brokers as we ship them: other topics, no password, too much."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import mosquitto_files
from plekvrij.credentials import read_credential
from plekvrij.embedded_broker import MAX_PAYLOAD_BYTES, EmbeddedBroker, free_port, rights
from workplace.codec import MAX_MESSAGE_BYTES
from workplace.floor_plan import FloorPlan
from workplace.topics import Topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
PATIENCE_S = 60.0
Eventually = Callable[..., None]


@dataclass
class Broker:
    """A running broker, and who may log in."""

    port: int
    ca: str | None
    passwords: dict[str, str]

    def enter(self, user: str | None, password: str | None = None, *, name: str = "") -> Visitor:
        """Connect; without a password with the right one."""
        visitor = Visitor(Client(CallbackAPIVersion.VERSION2, client_id=name or f"attack-{user}"))
        client = visitor.client
        if user is not None:
            client.username_pw_set(user, self.passwords[user] if password is None else password)
        if self.ca is not None:
            client.tls_set(self.ca)
        client.on_connect = lambda _client, _data, _flags, code, _more: visitor.connected(code.is_failure)
        client.on_disconnect = lambda *_: visitor.gone.set()
        client.on_message = lambda _client, _data, message: visitor.heard.append(message)
        client.on_subscribe = lambda _client, _data, _id, codes, _more: visitor.subscribed(
            codes[0].is_failure
        )
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert visitor.answered.wait(PATIENCE_S)
        return visitor


@dataclass
class Visitor:
    client: Client
    heard: list[MQTTMessage] = field(default_factory=list)
    answered: threading.Event = field(default_factory=threading.Event)
    granted: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    is_refused: bool = False
    is_deaf: bool = False

    def connected(self, is_refused: bool) -> None:
        self.is_refused = is_refused
        self.answered.set()

    def subscribed(self, is_refused: bool) -> None:
        self.is_deaf = is_refused
        self.granted.set()

    def listen(self, topic_filter: str) -> bool:
        """Subscribe; return whether the broker said yes."""
        self.granted.clear()
        self.client.subscribe(topic_filter, 1)
        assert self.granted.wait(PATIENCE_S)
        return not self.is_deaf

    def say(self, topic: str, payload: bytes = b"forged", *, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(PATIENCE_S)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def certificate(folder: Path, name: str, *, days: int = 1, address: str = "127.0.0.1") -> Path:
    """Make a certificate that signs itself, good until `days` from now; return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)
    return folder / f"{name}.crt"


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mixed_plan: FloorPlan,
    eventually: Eventually,
) -> Iterator[Broker]:  # fmt: skip
    folder = tmp_path_factory.mktemp(request.param)
    yield from (_mosquitto if request.param == "mosquitto" else _embedded)(folder, mixed_plan, eventually)


def _mosquitto(folder: Path, plan: FloorPlan, eventually: Eventually) -> Iterator[Broker]:
    port = free_port()
    mosquitto_files.write_files(plan, folder, reach=mosquitto_files.Reach((), port, free_port()))
    certificate(folder, "server")
    conf = folder / "mosquitto.conf"
    conf.write_text(conf.read_text() + "user root\n")  # else it drops rights and cannot read this folder
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually(lambda: listens(port), what="mosquitto")
    files = (folder / "credentials").glob("*.json")
    yield Broker(
        port, str(folder / "server.crt"), {file.stem: read_credential(file).password for file in files}
    )
    process.terminate()
    process.wait(20)


def _embedded(folder: Path, plan: FloorPlan, _eventually: Eventually) -> Iterator[Broker]:
    ready, end, found = threading.Event(), threading.Event(), list[EmbeddedBroker]()

    async def run() -> None:
        async with EmbeddedBroker(folder, plan) as running:
            found.append(running)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(PATIENCE_S)
    yield Broker(found[0].port, None, {user: known.password for user, known in found[0].credentials.items()})
    end.set()
    thread.join(PATIENCE_S)


def test_whoever_cannot_prove_who_he_is_stays_outside(broker: Broker) -> None:
    for user, password in (
        (None, None),
        ("gw-1", "x" * 43),
        ("gw-1", ""),
        ("nobody", "x" * 43),
        ("gw-1", broker.passwords["gw-2"]),
    ):
        visitor = broker.enter(user, password)
        assert visitor.is_refused, user
        visitor.leave()


def test_nobody_says_what_is_for_others_to_say(broker: Broker, mixed_plan: FloorPlan) -> None:
    """Every user says everything that another may say; whoever may hear all hears none of it."""
    allowed = rights(mixed_plan)
    site = Topics(mixed_plan.site)
    ingest = broker.enter("ingest", name="listener")
    assert ingest.listen(f"plekvrij/v1/{mixed_plan.site}/#")
    said = {user: {_made(one) for one in right.publish if "/v1/" in one} for user, right in allowed.items()}
    tried = 0
    for user in ("gw-1", "gw-2", "dashboard", "notifier", "devices"):
        visitor = broker.enter(user)
        for topic in sorted(set().union(*said.values()) - said[user]):
            if not any(_fits(own, topic) for own in allowed[user].publish):
                visitor.say(topic)
                tried += 1
        visitor.leave()
    assert tried > 50
    own = broker.enter("gw-1")
    own.say(site.gateway_status("gw-1"), b"own")
    _wait(lambda: [one for one in ingest.heard if one.payload == b"own"])
    assert [(one.topic, one.payload) for one in ingest.heard if one.payload == b"forged"] == []
    own.leave()
    ingest.leave()


def test_a_gateway_hears_nothing_that_is_not_for_it(broker: Broker, mixed_plan: FloorPlan) -> None:
    site = Topics(mixed_plan.site)
    gateway, other, ingest = broker.enter("gw-1"), broker.enter("gw-2"), broker.enter("ingest")
    filters = (site.events(), site.states(), site.requests(), site.commands("gw-2"), site.receipt("gw-2"),
               site.gateway_config("gw-2"), "#", f"plekvrij/v1/{mixed_plan.site}/#", "$SYS/#")  # fmt: skip
    for wanted in filters:
        gateway.listen(wanted)  # Mosquitto says yes and delivers nothing
    assert other.listen(site.receipt("gw-2"))
    assert gateway.listen(site.receipt("gw-1"))
    ingest.say(site.command("gw-2", "d"), b"secret")
    ingest.say(site.place_state("M01"), b"secret")
    ingest.say(site.receipt("gw-2"), b"secret")
    _wait(lambda: other.heard)
    ingest.say(site.receipt("gw-1"), b"own")
    _wait(lambda: [one for one in gateway.heard if one.payload == b"own"])
    assert {one.payload for one in gateway.heard} == {b"own"}
    for visitor in (gateway, other, ingest):
        visitor.leave()


def test_what_is_larger_than_any_message_costs_its_sender_the_connection(
    broker: Broker, mixed_plan: FloorPlan
) -> None:
    site = Topics(mixed_plan.site)
    ingest, thief, other = broker.enter("ingest", name="large"), broker.enter("gw-1"), broker.enter("gw-2")
    assert ingest.listen(site.gateways())
    thief.client.publish(site.gateway_health("gw-1"), b"x" * (2 * MAX_PAYLOAD_BYTES), 1)
    assert thief.gone.wait(PATIENCE_S)
    other.say(site.gateway_health("gw-2"), b"y" * MAX_MESSAGE_BYTES)
    _wait(lambda: ingest.heard)
    assert {len(one.payload) for one in ingest.heard if not one.retain} == {MAX_MESSAGE_BYTES}
    for visitor in (ingest, thief, other):
        visitor.leave()


@pytest.mark.parametrize("fault", ["another_authority", "expired", "another_name"])
def test_a_gateway_does_not_tell_its_password_to_whoever_stands_there(fault: str, tmp_path: Path) -> None:
    """A server in the middle, with a certificate that is not the broker's, is left before the password is sent."""
    trusted = certificate(tmp_path, "trusted")
    shown = {
        "another_authority": lambda: certificate(tmp_path, "other"),
        "expired": lambda: certificate(tmp_path, "trusted", days=-1),
        "another_name": lambda: certificate(tmp_path, "trusted", address="192.0.2.1"),
    }[fault]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, shown.with_suffix(".key"))
    heard: list[bytes] = []

    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        address = BrokerAddress(f"mqtts://127.0.0.1:{port}", "gw-1", "geheim-geheim", str(trusted))
        async with MqttLink(address, "gw-1") as link, asyncio.timeout(PATIENCE_S):
            while link.error is None:
                await asyncio.sleep(0.01)
            assert not link.is_connected
        server.close()

    asyncio.run(story())
    assert b"geheim" not in b"".join(heard)


def _made(topic_filter: str) -> str:
    """Return a topic that a filter takes."""
    return topic_filter.replace("+", "7").replace("#", "x")


def _fits(topic_filter: str, topic: str) -> bool:
    return bool(topic_matches_sub(topic_filter, topic))


def _wait(condition: Callable[[], object]) -> None:
    pause, steps = threading.Event(), int(PATIENCE_S / 0.02)
    for _ in range(steps):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come")
