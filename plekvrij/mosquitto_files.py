"""Everything that Mosquitto needs to serve a site: who may log in, and what each may say and hear.

A gateway can publish under its own name only, so a stolen one cannot speak for another floor.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from plekvrij.credentials import Credential, read_credential, write_private
from plekvrij.embedded_broker import Rights, rights
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan

#: Rounds of PBKDF2-SHA512, as `mosquitto_passwd` of Debian 12 uses. The passwords have 256 random bits, so guessing
#: is hopeless whatever the rounds.
_ROUNDS = 101
_SALT_BYTES = 12
TLS_PORT = 8883

_CONF = """# Mosquitto for the site {site}. Made by `plekvrij broker-files`; put your own settings into another file.
per_listener_settings false
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rules

# TLS only. ca.crt signs server.crt; gateways trust it through `broker_ca_file`.
listener {port}
certfile {folder}/server.crt
keyfile {folder}/server.key
tls_version tlsv1.2

# Sessions outlive a restart. Gateways keep events until the site has them on disk, so a queue may be dropped.
persistence true
persistence_location {state}/
autosave_interval 60
max_queued_messages 100000
max_inflight_messages 1000
max_packet_size 131072
set_tcp_nodelay true
"""


def write_files(
    plan: FloorPlan, folder: Path, *, renew: Iterable[str] = (), state: Path | None = None
) -> list[str]:
    """Write configuration, rules and passwords into `folder`; return the users whose password is new.

    Users who have a credential already keep it, unless they are to be renewed: whoever has the old one is then locked
    out at the next start or reload (SIGHUP) of Mosquitto. Users that the plan has no more are removed.

    Args:
        renew: users that get a new password.
        state: where Mosquitto keeps its sessions; by default a folder beside the files.

    Raises:
        SettingInvalid: a user to renew is not known, or the folder cannot be written.
    """
    allowed = rights(plan)
    wanted = set(renew)
    if unknown := wanted - allowed.keys():
        known = ", ".join(sorted(allowed))
        raise SettingInvalid(f"{', '.join(sorted(unknown))}: no user of this site; there are {known}")
    home = folder.resolve()
    try:
        (home / "credentials").mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = state or home / "state"
        kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        credentials, fresh = keep_credentials(home / "credentials", allowed, wanted)
        write_private(home / "passwords", "".join(map(_password_line, credentials)).encode())
        write_private(home / "rules", _rules(allowed).encode())
        conf = _CONF.format(site=plan.site, folder=home, port=TLS_PORT, state=kept)
        (home / "mosquitto.conf").write_text(conf, "utf-8")
    except OSError as error:
        raise SettingInvalid(f"cannot write the files of the broker: {error}") from error
    return fresh


def keep_credentials(
    folder: Path, allowed: Iterable[str], renew: set[str]
) -> tuple[list[Credential], list[str]]:
    """Return the credential of each user, kept in `folder` or made, and the users whose password is new."""
    found: list[Credential] = []
    fresh: list[str] = []
    for user in sorted(allowed):
        file = folder / f"{user}.json"
        if file.exists() and user not in renew:
            found.append(read_credential(file))
            continue
        made = Credential(user, secrets.token_urlsafe(32))
        write_private(file, json.dumps({"user": made.user, "password": made.password}).encode())
        found.append(made)
        fresh.append(user)
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
