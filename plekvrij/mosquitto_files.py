"""Everything that Mosquitto needs to serve a site: who may log in, and what each may say and hear.

A gateway can publish under its own name only, so a stolen one cannot speak for another floor.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pwd
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plekvrij.credentials import Credential, read_credential, write_private
from plekvrij.embedded_broker import MAX_PAYLOAD_BYTES, Rights, rights
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan

#: Rounds of PBKDF2-SHA512, as `mosquitto_passwd` of Debian 12 uses. The passwords have 256 random bits, so guessing
#: is hopeless whatever the rounds.
_ROUNDS = 101
_SALT_BYTES = 12
TLS_PORT, GATEWAY_PORT, ENROL_PORT = 8883, 8884, 8885

_CONF = """# Mosquitto for the site {site}. Made by `plekvrij broker-files`; put your own settings into another file.
per_listener_settings false
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rules

# TLS only. The processes of the site, devices and gateways with a password:
listener {port}
certfile {folder}/server.crt
keyfile {folder}/server.key
tls_version tlsv1.2

# Gateways with a certificate of the site's own authority (`plekvrij enrol`); its name is their user.
listener {gateway_port}
certfile {folder}/server.crt
keyfile {folder}/server.key
tls_version tlsv1.2
cafile {folder}/authority.crt
crlfile {folder}/crl.pem
require_certificate true
use_identity_as_username true

# Sessions outlive a restart. Gateways keep events until the site has them on disk, so a queue may be dropped.
persistence true
persistence_location {state}/
autosave_interval 60
max_queued_messages 100000
max_inflight_messages 1000
max_packet_size {most_bytes}
set_tcp_nodelay true
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """By which names and ports gateways reach this machine.

    Attributes:
        names: with names the broker gets a certificate of the site's own authority; without, it is for the
            administrator to put one there.
    """

    names: tuple[str, ...] = ()
    broker_port: int = TLS_PORT
    gateway_port: int = GATEWAY_PORT
    enrol_port: int = ENROL_PORT


def write_files(
    plan: FloorPlan,
    folder: Path,
    *,
    renew: Iterable[str] = (),
    state: Path | None = None,
    reach: Reach | None = None,
) -> list[str]:
    """Write configuration, rules, passwords and the site's authority into `folder`; return whose password is new.

    Users who have a credential already keep it, unless they are to be renewed: whoever has the old one is then locked
    out at the next start or reload (SIGHUP) of Mosquitto. Users that the plan has no more are removed.

    Args:
        renew: users that get a new password.
        state: where Mosquitto keeps its sessions; by default a folder beside the files.

    Raises:
        SettingInvalid: a user to renew is not known, or the folder cannot be written.
    """
    reach = reach or Reach()
    allowed = rights(plan)
    wanted = users_to_renew(renew, allowed)
    home = folder.resolve()
    try:
        (home / "credentials").mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = state or home / "state"
        kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        trusted = _certificates(home, plan.site, reach)
        credentials, fresh = keep_credentials(home / "credentials", allowed, wanted, trusted)
        write_private(home / "passwords", "".join(map(_password_line, credentials)).encode())
        write_private(home / "rules", _rules(allowed).encode())
        conf = _CONF.format(
            site=plan.site,
            folder=home,
            port=reach.broker_port,
            gateway_port=reach.gateway_port,
            state=kept,
            most_bytes=MAX_PAYLOAD_BYTES,
        )
        (home / "mosquitto.conf").write_text(conf, "utf-8")
        give_to_mosquitto(home, kept)
    except OSError as error:
        raise SettingInvalid(f"cannot write the files of the broker: {error}") from error
    return fresh


def give_to_mosquitto(folder: Path, state: Path) -> None:
    """Let the user `mosquitto` read and keep what is its own, where we are root and there is one.

    It starts as root and drops its rights; what it cannot read then is missing at its first reload.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam("mosquitto")
        for name in ("passwords", "rules", "server.crt", "server.key", "authority.crt", "crl.pem"):
            if (folder / name).exists():
                os.chown(folder / name, user.pw_uid, user.pw_gid)
        os.chown(state, user.pw_uid, user.pw_gid)


def write_revocations(folder: Path) -> None:
    """Write the certificates that are revoked to where Mosquitto reads them at its next start or reload."""
    from plekvrij.enrol.authority import Authority
    from plekvrij.enrol.book import EnrolBook

    now = datetime.now(UTC)
    authority = Authority(folder / "authority")
    revoked = [
        (known.serial, known.revoked_at)
        for known in EnrolBook(folder / "authority" / "enrol.db").certificates()
        if known.revoked_at is not None and known.expires_at > now
    ]
    write_private(folder / "crl.pem", authority.revocation_list(revoked, now))


def _certificates(home: Path, site: str, reach: Reach) -> Path | None:
    """Write what Mosquitto needs of the site's authority; return whom clients trust, None when it is not ours."""
    from plekvrij.enrol import authority as authorities

    now = datetime.now(UTC)
    address = authorities.SiteAddress(
        site=site,
        names=reach.names or _names_before(home / "authority"),
        broker_port=reach.broker_port,
        gateway_port=reach.gateway_port,
        enrol_port=reach.enrol_port,
    )
    authority = authorities.make(home / "authority", address, now)
    _write_public(home / "authority.crt", authority.pem)
    write_revocations(home)
    file, key_file = home / "server.crt", home / "server.key"
    is_ours = not file.exists() or authority.signed_pem(file.read_bytes())
    if address.names and is_ours:
        if not file.exists() or not authority.is_fresh(file.read_bytes(), address.names, now):
            certificate, key = authority.server_files(address.names, now)
            write_private(key_file, key)
            _write_public(file, certificate)
        return home / "authority.crt"
    return None


def _write_public(path: Path, certificate: bytes) -> None:
    """Write a certificate, which is no secret: the enrolment server and the processes of the site read it, too."""
    path.write_bytes(certificate)
    path.chmod(0o644)


def _names_before(folder: Path) -> tuple[str, ...]:
    """Return the names that an earlier run was given."""
    from plekvrij.enrol.authority import read_address

    return read_address(folder).names if (folder / "site.json").exists() else ()


def users_to_renew(renew: Iterable[str], allowed: Collection[str]) -> set[str]:
    """Return whose password is to be new.

    Raises:
        SettingInvalid: one of them is no user of the site.
    """
    wanted = set(renew)
    if unknown := wanted.difference(allowed):
        known = ", ".join(sorted(allowed))
        raise SettingInvalid(f"{', '.join(sorted(unknown))}: no user of this site; there are {known}")
    return wanted


def keep_credentials(
    folder: Path, allowed: Iterable[str], renew: set[str], trusted: Path | None
) -> tuple[list[Credential], list[str]]:
    """Return all credentials, and the users whose password is new."""
    trust = {} if trusted is None else {"ca": str(trusted)}
    found: list[Credential] = []
    fresh: list[str] = []
    for user in sorted(allowed):
        file = folder / f"{user}.json"
        if file.exists() and user not in renew:
            made = read_credential(file)
        else:
            made = Credential(user, secrets.token_urlsafe(32))
            fresh.append(user)
        told = json.dumps({"user": made.user, "password": made.password, **trust}).encode()
        if not file.exists() or file.read_bytes() != told:
            write_private(file, told)
        found.append(made)
    for file in folder.glob("*.json"):
        if file.stem not in {credential.user for credential in found}:
            file.unlink()
    return found, fresh


def _password_line(credential: Credential) -> str:
    """Return a line of a Mosquitto password file, form `$7$` (PBKDF2-SHA512)."""
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", credential.password.encode(), salt, _ROUNDS)
    salt_text, digest_text = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{credential.user}:$7${_ROUNDS}${salt_text}${digest_text}\n"


def _rules(allowed: dict[str, Rights]) -> str:
    """Return a Mosquitto ACL file: what is not named is refused."""
    parts: list[str] = []
    for user, right in sorted(allowed.items()):
        parts.append(f"user {user}\n")
        parts += [f"topic write {topic}\n" for topic in right.publish]
        parts += [f"topic read {topic}\n" for topic in right.subscribe]
        parts.append("\n")
    return "".join(parts)
