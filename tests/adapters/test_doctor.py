"""What the doctor says of stores, disks and brokers that are really so."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingest.stores.influx_store import InfluxStore
from ingest.stores.sqlite_store import SqliteStore
from plekvrij import preflight
from plekvrij.credentials import parse_broker
from plekvrij.doctor import Finding, Patient, examine
from plekvrij.sqlite_driver import connect
from plekvrij.wiring import DEMO_PLAN, DEMO_POLICY
from tests.time_servers import Influx
from workplace.events import SensorEvent

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def findings(**more: object) -> dict[str, Finding]:
    """Return the last finding about each thing."""
    patient = Patient(**{"plan": DEMO_PLAN, "policy": DEMO_POLICY} | more)  # type: ignore[arg-type]
    return {finding.what: finding for finding in examine(patient)}


def make_store(data: Path, *, newest: datetime | None = None) -> Path:
    store = SqliteStore(connect, data / "site.db")
    store.open(datetime.now(UTC))
    if newest is not None:
        with store.transaction() as writing:
            writing.add_events(
                [
                    SensorEvent(
                        id="event-000001", site="hq", gateway="gw-1", device="d1", kind="motion", value=True,
                        measured_at=newest, clock="device", uncertainty_ms=5, received_at=newest,
                    )
                ]
            )  # fmt: skip
    store.close()
    data.chmod(0o700)
    return data / "site.db"


def test_a_sound_site(tmp_path: Path) -> None:
    make_store(tmp_path, newest=datetime.now(UTC) - timedelta(minutes=3))
    found = findings(data=tmp_path)
    assert {one.grade for what, one in found.items() if what not in {"clock", "disk"}} == {"ok"}
    assert found["events"].found == "the newest is 3 min old"
    assert found["plan"].found == "5 floors, 15 zones, 321 places"


def test_a_site_that_nothing_reaches(tmp_path: Path) -> None:
    make_store(tmp_path, newest=datetime.now(UTC) - timedelta(hours=30))
    assert (findings(data=tmp_path)["events"].grade, findings(data=tmp_path)["store"].grade) == ("warn", "ok")


@pytest.mark.parametrize(
    ("harm", "grade", "says"),
    [
        ("away", "warn", "does not exist yet"),
        ("bytes", "bad", "site.db"),
        ("empty", "bad", "cannot be read"),
        ("schema", "bad", "has schema 99"),
    ],
)
def test_a_store_that_is_not_right(tmp_path: Path, harm: str, grade: str, says: str) -> None:
    file = make_store(tmp_path, newest=datetime.now(UTC))
    if harm == "away":
        file.unlink()
    elif harm == "bytes":
        size = file.stat().st_size
        with file.open("r+b") as stream:
            stream.seek(100)
            stream.write(b"\xff" * (size - 100))
    elif harm == "empty":
        file.write_bytes(b"")
    else:
        writer = sqlite3.connect(file)
        writer.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
        writer.commit()
        writer.close()
    finding = findings(data=tmp_path)["store"]
    assert finding.grade == grade
    assert says in finding.found
    assert finding.advice


def test_a_folder_that_everybody_reads(tmp_path: Path) -> None:
    make_store(tmp_path)
    tmp_path.chmod(0o755)
    assert findings(data=tmp_path)["folder"].advice == f"chmod 700 {tmp_path}"


def test_a_plan_with_mistakes_is_bad_and_ends_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "town.plan.yaml"
    plan.write_text("site: UPPER\n")
    found = findings(plan=plan, policy=None, data=tmp_path)
    assert found["plan and policy"].grade == "bad"
    assert "store" in found


def certificate(folder: Path, days: float) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "broker.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "broker.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "broker.crt", folder / "broker.key"


@pytest.fixture
def broker(tmp_path: Path, eventually: Callable[..., None]) -> Iterator[tuple[int, int, Path]]:
    """A real Mosquitto: plain port, TLS port, and the certificate of the latter, which ends in ten days."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        plain, sealed = one.getsockname()[1], other.getsockname()[1]
    trusted, key = certificate(tmp_path, 10)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"per_listener_settings true\nlistener {plain} 127.0.0.1\nallow_anonymous true\n"
        f"listener {sealed} 127.0.0.1\nallow_anonymous true\ncertfile {trusted}\nkeyfile {key}\nuser root\n"
    )

    def answers(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with subprocess.Popen([MOSQUITTO, "-c", config], stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: answers(plain) and answers(sealed), what="the broker")
            yield plain, sealed, trusted
        finally:
            process.terminate()


def test_a_broker_and_its_certificate(broker: tuple[int, int, Path]) -> None:
    plain, sealed, trusted = broker
    assert findings(broker=parse_broker(f"mqtt://127.0.0.1:{plain}"))["broker"].grade == "ok"
    unknown = findings(broker=parse_broker(f"mqtts://127.0.0.1:{plain}"))["certificate of 127.0.0.1"]
    assert (unknown.grade, "TLS port" in unknown.advice) == ("bad", True)
    distrusted = findings(broker=parse_broker(f"mqtts://127.0.0.1:{sealed}"))
    assert distrusted["certificate of 127.0.0.1"].grade == "bad"
    assert "self-signed" in distrusted["certificate of 127.0.0.1"].found
    assert "broker" not in distrusted  # one finding per cause

    command = [
        sys.executable,
        "-m",
        "plekvrij",
        "doctor",
        "--broker",
        f"mqtts://127.0.0.1:{sealed}",
        "--json",
    ]
    done = subprocess.run(
        command, env=os.environ | {"SSL_CERT_FILE": str(trusted)}, capture_output=True, check=True
    )
    told = {line["what"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert told["certificate of 127.0.0.1"]["grade"] == "warn"
    assert told["certificate of 127.0.0.1"]["found"] == "good for 10 days"
    assert told["broker"]["grade"] == "ok"


def test_a_broker_that_is_away(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LIMIT_S", 1.0)
    found = findings(broker=parse_broker(f"mqtt://127.0.0.1:{free_port}"))["broker"]
    assert (found.grade, "cannot reach" in found.found) == ("bad", True)


def test_a_server_of_history_is_looked_at_and_left_as_it_was(tmp_path: Path) -> None:
    server = Influx(tmp_path / "influx", auth=False)
    server.start()
    try:
        found = findings(influx=server.url("occ"))["InfluxDB"]
        databases = InfluxStore(server.url("occ"))
        assert databases.look().startswith("1.")
        names = {row["name"] for row in databases.query("SHOW DATABASES")}
        databases.close()
    finally:
        server.stop()
    assert (found.grade, found.found.split(" (")[0]) == ("ok", "InfluxDB 1")
    assert "occ" not in names
    gone = findings(influx=server.url("occ"))["InfluxDB"]
    assert (gone.grade, "keeps what it could not send" in gone.advice) == ("bad", True)


def test_something_bad_fails_the_command(tmp_path: Path) -> None:
    make_store(tmp_path).write_bytes(b"")
    command = [sys.executable, "-m", "plekvrij", "doctor", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "\nbad   store: " in done.stdout
