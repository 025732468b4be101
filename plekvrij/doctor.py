"""`plekvrij doctor`: looks at everything a site stands on, and says of each what to do. It changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from plekvrij import __version__, sqlite_driver, wiring
from plekvrij.credentials import BrokerUrl
from plekvrij.preflight import check_broker
from workplace.errors import (
    BrokerRefused,
    BrokerUnreachable,
    DocumentInvalid,
    SettingInvalid,
    StoreUnavailable,
)
from workplace.topics import VERSION

#: A disk with less room than this cannot keep a day of a large site, bytes and share. Below the first it stops soon.
_LEAST_BYTES = 1 << 30
_LOW_SHARE = 0.10
#: A certificate is renewed in good time before this, days (ACME clients renew at 30).
_CERTIFICATE_DAYS = 21
#: No event for this long on a working day says that nothing arrives, hours.
_SILENT_H = 24.0
_CONNECT_S = 10.0

Grade = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` says what to do, empty when nothing is."""

    grade: Grade
    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        tail = f"\n       {self.advice}" if self.advice else ""
        return f"{self.grade:4}  {self.what}: {self.found}{tail}"


@dataclass(frozen=True, slots=True)
class Patient:
    """What to look at; None is not looked at."""

    plan: Path
    policy: Path | None = None
    data: Path | None = None
    broker: BrokerUrl | None = None
    channels: Path | None = None
    influx: str | None = None


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield the findings one by one, the cheap ones first."""
    yield from _versions()
    yield _clock()
    yield from _documents(patient)
    if patient.data is not None:
        yield from _disk(patient.data)
        yield from _store(patient.data)
    if patient.channels is not None:
        yield _channels(patient)
    if patient.influx is not None:
        yield _influx(patient.influx)
    if patient.broker is not None:
        certificate = _certificate(patient.broker) if patient.broker.tls else None
        if certificate is not None:
            yield certificate
        own = None if patient.broker.credential is None else patient.broker.credential.certificate_file
        if own is not None:  # of a gateway: it may not write where the broker is tried
            yield _own_certificate(own)
        elif certificate is None or certificate.grade != "bad":
            yield _broker(patient)


def run_doctor(patient: Patient, *, as_json: bool) -> int:
    """Print the findings; return 1 when one is bad, else 0."""
    worst = 0
    for finding in examine(patient):
        print(msgspec.json.encode(finding).decode() if as_json else finding, flush=True)
        worst = max(worst, int(finding.grade == "bad"))
    return worst


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "versions", f"plekvrij {__version__}, Python {python}")
    driver = sqlite_driver.driver()
    sound = driver.sqlite_version_info >= sqlite_driver.SOUND_SINCE
    wanted = ".".join(map(str, sqlite_driver.SOUND_SINCE))
    yield Finding(
        "ok" if sound else "warn",
        "SQLite",
        driver.sqlite_version,
        ""
        if sound
        else f"before {wanted} two checkpoints at one instant can lose data: pip install pysqlite3",
    )


def _clock() -> Finding:
    from gateway.wall_clock import is_clock_synced

    now = datetime.now(UTC)
    if is_clock_synced():
        return Finding("ok", "clock", f"follows a time server, {now:%Y-%m-%d %H:%M:%S} UTC")
    advice = "install chrony or systemd-timesyncd; without it the times of events drift"
    return Finding("warn", "clock", f"follows no time server, {now:%Y-%m-%d %H:%M:%S} UTC", advice)


def _documents(patient: Patient) -> Iterator[Finding]:
    try:
        site = wiring.read_site(patient.plan, patient.policy)
    except (DocumentInvalid, SettingInvalid) as error:
        yield Finding(
            "bad", "plan and policy", str(error), "plekvrij check names every mistake with file and line"
        )
        return
    plan = site.plan
    yield Finding(
        "ok", "plan", f"{len(plan.floors)} floors, {len(plan.zone)} zones, {len(plan.place)} places"
    )
    modes = sorted({site.policy.mode(zone) for zone in plan.zone.values()})
    yield Finding("ok", "policy", f"{', '.join(modes)}; version {site.policy.hash[:12]}")


def _disk(data: Path) -> Iterator[Finding]:
    folder = next((one for one in (data, *data.parents) if one.exists()), Path("/"))
    room = shutil.disk_usage(folder)
    found = f"{room.free / 2**30:.1f} GiB free of {room.total / 2**30:.1f} GiB at {data}"
    advice = "make room: when the disk is full gateways keep events for as long as their own disks last"
    if room.free < _LEAST_BYTES:
        yield Finding("bad", "disk", found, advice)
    else:
        is_low = room.free < _LOW_SHARE * room.total
        yield Finding("warn" if is_low else "ok", "disk", found, advice if is_low else "")
    if data.exists() and data.stat().st_mode & 0o007:
        yield Finding(
            "warn", "folder", f"{data} can be read by every user of this machine", f"chmod 700 {data}"
        )


def _store(data: Path) -> Iterator[Finding]:
    from ingest.stores.history import SqliteHistory
    from ingest.stores.schema import READABLE_VERSIONS, SCHEMA_VERSION

    file = data / "site.db"
    if not file.is_file():
        yield Finding("warn", "store", f"{file} does not exist yet", "plekvrij serve makes it")
        return
    try:
        counts = SqliteHistory(sqlite_driver.connect, file).counts()
        version, newest_ms, damage = _look_inside(file)
    except (StoreUnavailable, sqlite_driver.driver().Error) as error:
        yield Finding("bad", "store", f"{file} cannot be read: {error}", "restore a backup: plekvrij restore")
        return
    if damage:
        yield Finding(
            "bad", "store", f"{file} is damaged: {damage}", "stop the site; plekvrij restore a backup"
        )
        return
    if version not in READABLE_VERSIONS:
        advice = "run the version of plekvrij that wrote it, or restore a backup of this version"
        yield Finding(
            "bad", "store", f"{file} has schema {version}, this program writes {SCHEMA_VERSION}", advice
        )
        return
    size = f"{file.stat().st_size / 2**20:.0f} MiB"
    if version != SCHEMA_VERSION:
        advice = f"the next start of this program brings it to {SCHEMA_VERSION}: plekvrij backup first"
        yield Finding("warn", "store", f"sound, {size}, of an earlier release (schema {version})", advice)
        yield _newest(newest_ms)
        return
    yield Finding("ok", "store", f"sound, {size}, {counts.get('event', 0)} events")
    yield _newest(newest_ms)
    yield _lines(file)
    aside = sorted(data.glob("site.db.*damaged*"))
    if aside:
        yield Finding(
            "warn", "store", f"a damaged file lies at {aside[-1].name}", "keep it until its events are found"
        )
    set_aside = counts.get("quarantine", 0)
    if set_aside:
        advice = "GET /api/v1/health names the reasons; a device may speak another format than the plan says"
        yield Finding("warn", "quarantine", f"{set_aside} kinds of messages were set aside", advice)


def _look_inside(file: Path) -> tuple[int | None, int | None, str]:
    """Return schema version, time of the newest event in ms, and what is damaged."""
    reader = sqlite_driver.connect(file.resolve().as_uri() + "?mode=ro", uri=True, timeout=_CONNECT_S)
    try:
        damage = reader.execute("PRAGMA quick_check(1)").fetchone()[0]
        version = reader.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        newest = reader.execute("SELECT max(received_at) FROM event").fetchone()[0]
    finally:
        reader.close()
    return None if version is None else int(version[0]), newest, "" if damage == "ok" else damage


def _newest(newest_ms: int | None) -> Finding:
    if newest_ms is None:
        return Finding("warn", "events", "none yet", "plekvrij walk FLOOR shows which sensors are heard")
    hours = datetime.now(UTC).timestamp() / 3600 - newest_ms / 3_600_000
    if hours > _SILENT_H:
        advice = "look at the gateways on the staff page: power, network, broker"
        return Finding("warn", "events", f"the newest is {hours:.0f} h old", advice)
    return Finding("ok", "events", f"the newest is {max(0.0, hours) * 60:.0f} min old")


def _lines(file: Path) -> Finding:
    """Account for the last day of which gateways told."""
    from ingest.stores.loss_history import LossHistory

    history = LossHistory(sqlite_driver.connect, file)
    newest = history.newest_mark()
    if newest is None:
        return Finding("ok", "lines", "no gateway has told of its outbox yet")
    account = history.account(newest - timedelta(days=1), newest + timedelta(minutes=5))
    total = sum(outbox.lines for outbox in account.outboxes)
    lost = sum(sum(outbox.in_ledger.values()) for outbox in account.outboxes)
    found = f"{total} of the last day, {lost} of them on record as lost"
    if account.is_equal:
        return Finding("ok", "lines", found)
    missing = sum(outbox.missing_lines for outbox in account.outboxes)
    return Finding("bad", "lines", f"{found}, {missing} without a trace", "plekvrij account names them")


def _channels(patient: Patient) -> Finding:
    from plekvrij.notifier_process import read_channels, read_secrets

    assert patient.channels is not None  # noqa: S101 - asked only then
    try:
        found = read_channels(patient.channels, None)
        for channel in found:
            read_secrets(channel)
    except (SettingInvalid, DocumentInvalid) as error:
        return Finding("bad", "channels", str(error), "plekvrij check PLAN POLICY --channels FILE says more")
    advice = "" if found else "nobody is told anything outside the screens"
    return Finding("ok", "channels", f"{len(found)}, their secrets can be read", advice)


def _influx(url: str) -> Finding:
    from ingest.stores.influx_store import InfluxStore
    from ingest.stores.sink import SinkRefused, SinkUnavailable

    try:
        store = InfluxStore(url)
    except SettingInvalid as error:
        return Finding("bad", "InfluxDB", str(error))
    try:
        version = store.look()
    except (SinkUnavailable, SinkRefused) as error:
        advice = "ingest keeps what it could not send; is the server running, and is the address right?"
        return Finding("bad", "InfluxDB", f"{store.address.base}: {error}", advice)
    finally:
        store.close()
    names = {"v1": "InfluxDB 1", "v2": "InfluxDB 2", "v3": "InfluxDB 3", "vm": "VictoriaMetrics"}
    return Finding("ok", "InfluxDB", f"{names[store.flavour]} ({version}) at {store.address.base}")


def _own_certificate(file: str) -> Finding:
    """Look at the certificate of an enrolled gateway."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        return Finding(
            "bad", "own certificate", f"{file}: {error}", "join again: plekvrij enrol new, on the server"
        )
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - datetime.now(UTC)
    if left <= timedelta(0):
        advice = "join again with a new code: plekvrij enrol new, on the server"
        return Finding("bad", "own certificate", f"ran out on {end:%Y-%m-%d}", advice)
    late = left < (end - begin) / 4  # the gateway renews it when a third is left
    advice = "it should have renewed itself; plekvrij enrol renew FILE says why it did not" if late else ""
    return Finding("warn" if late else "ok", "own certificate", f"good for {left.days} days", advice)


def _trust(broker: BrokerUrl) -> ssl.SSLContext:
    """Return whom this client trusts, and its own certificate where it has one."""
    known = broker.credential
    trust = ssl.create_default_context(cafile=None if known is None else known.ca_file)
    if known is not None and known.certificate_file is not None:
        trust.load_cert_chain(known.certificate_file)
    return trust


def _certificate(broker: BrokerUrl) -> Finding:
    what = f"certificate of {broker.host}"
    try:
        with (
            socket.create_connection((broker.host, broker.port), _CONNECT_S) as plain,
            _trust(broker).wrap_socket(plain, server_hostname=broker.host) as sealed,
        ):
            told = sealed.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        advice = "give the broker a certificate that this machine trusts, for the name in --broker"
        return Finding("bad", what, error.verify_message or str(error), advice)
    except OSError as error:  # also a file of ours that cannot be read
        return Finding("bad", what, f"cannot be asked for: {error}", "is this the TLS port of the broker?")
    days = (ssl.cert_time_to_seconds(str(told["notAfter"])) - datetime.now(UTC).timestamp()) / 86_400
    soon = days < _CERTIFICATE_DAYS
    return Finding(
        "warn" if soon else "ok", what, f"good for {days:.0f} days", "renew it now" if soon else ""
    )


def _broker(patient: Patient) -> Finding:
    assert patient.broker is not None  # noqa: S101 - asked only then
    url = patient.broker.url
    try:
        site = wiring.read_site(patient.plan, patient.policy).plan.site
        asyncio.run(check_broker(wiring.link_opener(patient.broker), url, f"plekvrij/{VERSION}/{site}"))
    except (DocumentInvalid, SettingInvalid):
        return Finding("warn", "broker", f"{url} was not asked: the plan has mistakes")
    except BrokerUnreachable as error:
        return Finding("bad", "broker", str(error))
    except BrokerRefused as error:
        return Finding("bad", "broker", str(error), "give this user the right to read and write plekvrij/#")
    return Finding("ok", "broker", f"{url} keeps and returns a retained message at QoS 1")
