"""Enrolment with a real enrolment server and a real Mosquitto: who is let in, and who never is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from plekvrij import wiring
from plekvrij.cli import main
from plekvrij.credentials import read_credential
from plekvrij.embedded_broker import free_port as any_port
from plekvrij.enrol import client
from plekvrij.enrol.authority import Authority, RequestRefused
from plekvrij.enrol.book import EnrolBook
from plekvrij.enrol.code import EnrolCode, parse, pin_of
from plekvrij.enrol.keeper import is_due, keep_certificate
from plekvrij.enrol.server import serve, server_certificate
from plekvrij.lifecycle import READY_LINE
from plekvrij.mosquitto_files import Reach, write_files
from workplace import floor_plan
from workplace.errors import ServerUnreachable, SettingInvalid
from workplace.ports import Received
from workplace.topics import Topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Server:
    """One server: enrolment and Mosquitto, both running."""

    folder: Path
    plan_file: Path
    url: str
    mosquitto: subprocess.Popen[bytes]

    @property
    def book(self) -> EnrolBook:
        return EnrolBook(self.folder / "authority" / "enrol.db")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, small_plan_text: str, eventually: Callable[..., None]
) -> Iterator[Server]:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed")
    home = tmp_path_factory.mktemp("server")
    plan_file, folder = home / "plan.yaml", home / "broker"
    plan_file.write_text(
        small_plan_text.replace("gateways:", "gateways:\n  - {id: gw-2, floor: f1}"), "utf-8"
    )
    ports = Reach(("127.0.0.1",), any_port(), any_port(), any_port())
    write_files(floor_plan.load(plan_file.read_text("utf-8"), "plan.yaml"), folder, reach=ports)
    conf = folder / "mosquitto.conf"
    conf.write_text(conf.read_text() + "user root\n")  # else it drops rights and cannot read this folder
    mosquitto = subprocess.Popen(
        [MOSQUITTO, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    enrol = subprocess.Popen(
        [sys.executable, "-m", "plekvrij", "enrol", "serve", "--broker-folder", str(folder), "--host", "127.0.0.1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert enrol.stdout is not None
    try:
        assert enrol.stdout.readline().strip() == READY_LINE
        eventually(lambda: _listens(ports.gateway_port), what="mosquitto")
        yield Server(folder, plan_file, f"https://127.0.0.1:{ports.enrol_port}", mosquitto)
    finally:
        for process in (enrol, mosquitto):
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def new_code(server: Server, gateway: str, capsys: pytest.CaptureFixture[str]) -> str:
    where = ["--plan", str(server.plan_file), "--broker-folder", str(server.folder)]
    assert main(["enrol", "new", gateway, *where]) == 0
    words = capsys.readouterr().out.split()
    assert words[:4] == ["plekvrij", "enrol", "join", server.url]
    return words[4]


def enrolled(server: Server, gateway: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    code = new_code(server, gateway, capsys)
    assert main(["enrol", "join", server.url, code, "--out", str(folder)]) == 0
    return Path(capsys.readouterr().out.splitlines()[0])


def speaks(server: Server, credential: Path, gateway: str) -> list[str]:
    """Let a gateway say one thing of its own and one of another; return what ingest hears."""
    site = wiring.broker_of(
        f"mqtts://127.0.0.1:{_password_port(server)}", server.folder / "credentials" / "ingest.json"
    )
    topics, heard = Topics("klein"), list[Received]()

    async def story() -> None:
        async with (
            wiring.link_opener(site)("test-ingest") as ingest,
            wiring.link_opener(wiring.broker_of(None, credential))("test-gateway") as link,
        ):
            async with asyncio.timeout(60):
                await ingest.wait_connected()
                await link.wait_connected()
            await ingest.subscribe(topics.gateways(), heard.append)
            await link.publish(topics.gateway_health("gw-9"), b"forged")
            await link.publish(topics.gateway_health(gateway), b"own")
            async with asyncio.timeout(60):
                while not heard:
                    await asyncio.sleep(0.01)

    asyncio.run(story())
    return [message.topic for message in heard]


def key_of(credential: Path) -> str:
    pem = credential.with_suffix(".pem").read_text()
    return pem[pem.index("-----BEGIN PRIVATE KEY-----") :]


def _password_port(server: Server) -> int:
    return Authority(server.folder / "authority").address().broker_port


def is_taken(server: Server, credential: Path) -> bool:
    """Return whether Mosquitto lets somebody in with this certificate: a CONNECT, and what comes back."""
    known = read_credential(credential)
    trust = ssl.create_default_context(cafile=known.ca_file)
    trust.load_cert_chain(str(known.certificate_file))
    port = Authority(server.folder / "authority").address().gateway_port
    # MQTT 3.1.1, 3.1: protocol name, level 4, clean session, keepalive 60 s, client id "t"
    connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01t"
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
            trust.wrap_socket(plain, server_hostname="127.0.0.1") as sealed,
        ):
            sealed.sendall(connect)
            return sealed.recv(4) == b"\x20\x02\x00\x00"
    except OSError:  # in TLS 1.3 the refusal of a certificate comes after the handshake
        return False


def test_a_gateway_joins_with_a_code_and_speaks_for_itself_alone(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "edge"
    credential = enrolled(server, "gw-1", folder, capsys)
    assert credential == folder / "gw-1.json"
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}
    assert "PRIVATE KEY" in (folder / "gw-1.pem").read_text()
    assert main(["check", str(folder / "gw-1.toml")]) == 0
    assert speaks(server, credential, "gw-1") == [Topics("klein").gateway_health("gw-1")]
    assert main(["enrol", "list", "--broker-folder", str(server.folder)]) == 0
    assert "gw-1: in force" in capsys.readouterr().out


def test_the_key_never_leaves_the_gateway_and_the_code_is_not_kept(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = new_code(server, "gw-1", capsys)
    client.join(server.url, code, tmp_path)
    key = key_of(tmp_path / "gw-1.json").splitlines()[1]
    secret = parse(code).secret
    for file in server.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert key.encode() not in content, file
            assert code.encode() not in content, file
            assert secret not in content, file
            assert secret.hex().encode() not in content, file


def test_a_used_code_is_refused(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = new_code(server, "gw-1", capsys)
    client.join(server.url, code, tmp_path / "first")
    with pytest.raises(RequestRefused, match="was used already"):
        client.join(server.url, code, tmp_path / "second")
    assert list((tmp_path / "second").iterdir()) == []


def test_a_code_that_has_run_out_is_refused(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = parse(new_code(server, "gw-1", capsys))
    now = datetime.now(UTC)
    server.book.add_code(code.digest, "gw-1", "f1", now - timedelta(seconds=1), now - timedelta(hours=1))
    with pytest.raises(RequestRefused, match="has run out"):
        client.join(server.url, code.text, tmp_path)


def test_a_newer_code_replaces_an_older_one(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = new_code(server, "gw-1", capsys)
    new_code(server, "gw-1", capsys)
    with pytest.raises(RequestRefused, match="is not known"):
        client.join(server.url, older, tmp_path)


def test_a_server_that_did_not_make_the_code_is_told_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server in the middle has another certificate, even one that a public authority signed."""
    right = parse(new_code(server, "gw-1", capsys))
    forged = EnrolCode(right.secret, bytes(reversed(right.pin)))
    assert main(["enrol", "join", server.url, forged.text, "--out", str(tmp_path)]) == 2
    assert "not the server that made this code" in capsys.readouterr().err
    assert client.join(server.url, right.text, tmp_path), "the code was not used up"


def test_a_revoked_certificate_is_refused_after_a_reload(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], eventually: Callable[..., None]
) -> None:
    stolen = enrolled(server, "gw-2", tmp_path / "stolen", capsys)
    kept = enrolled(server, "gw-1", tmp_path / "kept", capsys)
    assert is_taken(server, stolen)
    assert main(["enrol", "revoke", "gw-2", "--broker-folder", str(server.folder)]) == 0
    os.kill(server.mosquitto.pid, signal.SIGHUP)
    eventually(lambda: not is_taken(server, stolen), what="the stolen certificate is refused")
    assert is_taken(server, kept)
    with pytest.raises(RequestRefused, match="revoked"):
        client.renew(stolen)
    assert main(["enrol", "list", "--broker-folder", str(server.folder)]) == 0
    assert "gw-2: revoked" in capsys.readouterr().out
    again = enrolled(server, "gw-2", tmp_path / "again", capsys)
    assert is_taken(server, again), "the gateway itself can come back"


def aged(server: Server, credential: Path, life: timedelta) -> None:
    """Give a gateway a certificate of an earlier day, signed by the right authority for its own key."""
    pem = credential.with_suffix(".pem")
    key = client.serialization.load_pem_private_key(pem.read_bytes(), None)
    assert isinstance(key, client.ec.EllipticCurvePrivateKey)
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, client.hashes.SHA256())
    )
    begin = datetime.now(UTC) - 80 * DAY
    issued = Authority(server.folder / "authority").sign_gateway(request, credential.stem, begin, life)
    server.book.note(credential.stem, issued, begin)
    pem.write_bytes(issued.pem + client.key_bytes(key))


def test_an_expired_certificate_is_refused_and_cannot_renew_itself(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credential = enrolled(server, "gw-1", tmp_path, capsys)
    aged(server, credential, 79 * DAY)
    assert not is_taken(server, credential)
    with pytest.raises(RequestRefused, match="has run out"):
        client.renew(credential)


def test_doctor_looks_at_the_certificate_of_a_gateway(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credential = enrolled(server, "gw-1", tmp_path, capsys)
    where = ["doctor", "--plan", str(server.plan_file), "--credential", str(credential)]
    main(where)
    told = capsys.readouterr().out
    assert "ok    certificate of 127.0.0.1: good for" in told
    assert "own certificate: good for 89 days" in told
    for life, says in (
        (90 * DAY, "own certificate: good for 9 days"),
        (79 * DAY, "own certificate: ran out on"),
    ):
        aged(server, credential, life)
        main(where)
        assert says in capsys.readouterr().out


def test_a_gateway_renews_in_time_by_itself_and_by_command(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credential = enrolled(server, "gw-1", tmp_path, capsys)
    aged(server, credential, 90 * DAY)
    before = key_of(credential)

    async def until_renewed() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(keep_certificate(credential, 0.05))
            while client.validity(credential)[1] < datetime.now(UTC) + 80 * DAY:
                await asyncio.sleep(0.02)
            keeping.cancel()

    asyncio.run(until_renewed())
    assert key_of(credential) != before, "each certificate has a key of its own"
    assert is_taken(server, credential)
    assert main(["enrol", "renew", str(credential)]) == 0
    assert is_taken(server, credential)


def test_only_the_holder_of_the_key_renews(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who copied a certificate without its key, from the wire for instance, gets nothing."""
    mine = enrolled(server, "gw-1", tmp_path / "mine", capsys)
    other = enrolled(server, "gw-2", tmp_path / "other", capsys)
    certificate = mine.with_suffix(".pem").read_text().removesuffix(key_of(mine))
    other.with_suffix(".pem").write_text(certificate + key_of(other))
    with pytest.raises(RequestRefused, match="the proof is not of the key"):
        client.renew(other)


def test_a_server_that_runs_changes_its_certificate_and_codes_follow(
    tmp_path: Path, small_plan: floor_plan.FloorPlan
) -> None:
    """With another name, as with an old certificate: who connects then sees the new one, and codes carry its pin."""
    ports = [any_port(), any_port(), any_port()]
    folder = tmp_path / "broker"
    write_files(small_plan, folder, reach=Reach(("127.0.0.1",), *ports))

    async def story() -> None:
        ready = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(folder, "127.0.0.1", ready.set, look_s=0.05))
            await ready.wait()
            first = await asyncio.to_thread(_certificate_at, ports[2])
            assert pin_of(first) == pin_of(_der(server_certificate(folder, datetime.now(UTC), keep=True)))
            write_files(small_plan, folder, reach=Reach(("127.0.0.1", "broker.example"), *ports))
            while (second := await asyncio.to_thread(_certificate_at, ports[2])) == first:
                await asyncio.sleep(0.02)
            assert pin_of(second) == pin_of(_der(server_certificate(folder, datetime.now(UTC), keep=True)))
            serving.cancel()

    asyncio.run(story())


def _certificate_at(port: int) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=60))


def _der(file: Path) -> bytes:
    return x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(client.serialization.Encoding.DER)


def test_what_is_no_request_is_refused(server: Server, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cafile=str(server.folder / "authority.crt"))
    for body in (b"", b"{}", b"[" * 1000, b'{"secret":"zz","request":""}', b"x" * 20_000):
        with pytest.raises(RequestRefused):
            client._ask(f"{server.url}/enrol/join", trust, body, None)
    with pytest.raises(ServerUnreachable):
        client._ask(f"https://127.0.0.1:{any_port()}/enrol/join", trust, b"", None)
    with pytest.raises(SettingInvalid, match="https://"):
        client._ask("http://127.0.0.1/enrol/join", trust, b"", None)


@given(
    st.binary(min_size=10, max_size=10),
    st.binary(min_size=14, max_size=14),
    st.integers(0, 39),
    st.integers(1, 31),
)
def test_a_mistyped_code_says_so(secret: bytes, pin: bytes, at: int, by: int) -> None:
    code = EnrolCode(secret, pin)
    assert parse(code.text.lower().replace("-", " ")) == code
    letters = code.text.replace("-", "")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    wrong = letters[:at] + alphabet[(alphabet.index(letters[at]) + by) % 32] + letters[at + 1 :]
    with contextlib.suppress(SettingInvalid):  # one byte of check: 255 of 256 mistakes are seen
        assert parse(wrong) != code


def test_a_certificate_is_due_in_its_last_third() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert not is_due(begin, begin + 90 * DAY, begin + 60 * DAY)
    assert is_due(begin, begin + 90 * DAY, begin + 60 * DAY + timedelta(seconds=1))
