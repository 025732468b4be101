"""User and password of one broker connection, and where they come from."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workplace.errors import SettingInvalid

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_BINDKEY_BYTES = 16
DEFAULT_PORT = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Credential:
    """Who we are at a broker: a user name with its password (never printed) or with a certificate.

    Attributes:
        ca_file: certificates to trust with TLS, None for those that the machine trusts.
        certificate_file: PEM of certificate and key, for a gateway that was enrolled.
        broker: address that came with the credential.
    """

    user: str
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    broker: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """An MQTT address without credentials, and the credentials beside it.

    `url` names all servers of a cluster, with commas; host, port and tls are of the first.
    """

    url: str
    host: str
    port: int
    tls: bool
    credential: Credential | None

    @property
    def others(self) -> tuple[tuple[str, int], ...]:
        """Return host and port of the servers after the first."""
        return tuple((one.host, one.port) for one in map(_parse_one, self.url.split(",")[1:]))


def parse_broker(url: str) -> BrokerUrl:
    """Return the parts of `mqtt[s]://[user:password@]host[:port]`, or of several such with commas between.

    Raises:
        SettingInvalid: another scheme, no host, or an impossible port; or some with TLS and some without.
    """
    first, *others = map(_parse_one, url.split(","))
    if any(other.tls != first.tls for other in others):
        raise SettingInvalid(f"broker {url!r}: write all servers with mqtt:// or all with mqtts://")
    found = [one.credential for one in (first, *others) if one.credential is not None]
    together = ",".join(one.url for one in (first, *others))
    return BrokerUrl(together, first.host, first.port, first.tls, found[0] if found else None)


def _parse_one(url: str) -> BrokerUrl:
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORT or not parts.hostname:
        raise SettingInvalid(
            f"broker {url!r} is not an MQTT address; write mqtt://host:1883 or mqtts://host:8883"
        )
    try:
        port = parts.port or DEFAULT_PORT[parts.scheme]
    except ValueError as error:
        raise SettingInvalid(f"broker {url!r}: {error}") from error
    credential = (
        Credential(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    )
    return BrokerUrl(
        f"{parts.scheme}://{parts.hostname}:{port}", parts.hostname, port, parts.scheme == "mqtts", credential
    )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this user can read, from its first byte on."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def read_credential(path: Path) -> Credential:
    """Return the credential in a JSON file {user, password} or {user, certificate}; secrets come from files, not from
    arguments. Names of files in it (`ca`, `certificate`) are relative to its own folder.
    """

    def file(name: str) -> str | None:
        return str(path.absolute().parent / known[name]) if name in known else None

    try:
        known = json.loads(path.read_text())
        password = "" if "certificate" in known else known["password"]
        return Credential(known["user"], password, file("ca"), file("certificate"), known.get("broker"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingInvalid(f"cannot read user and password from {path}: {error}") from error


def read_password(path: Path) -> str:
    """Return the password in the first line of a text file.

    Raises:
        SettingInvalid: the file cannot be read, or the line is shorter than 8.
    """
    try:
        password = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read the password file {path}: {error}") from error
    if len(password) < 8:
        raise SettingInvalid(f"{path}: write a password of 8 or more in the first line")
    return password


def read_bindkeys(path: str | None) -> dict[str, bytes]:
    """Return address -> key from a JSON file {address: 32 hex digits}; without a file no sensor has a key.

    Raises:
        SettingInvalid: names the address whose key is unusable, never the key.
    """
    if path is None:
        return {}
    try:
        known = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        # the text of a JSON error may quote what stands in the file
        raise SettingInvalid(f"cannot read Bluetooth keys from {path}: {type(error).__name__}") from None
    if not isinstance(known, dict):
        raise SettingInvalid(f"{path}: Bluetooth keys are an object of address and key")
    return {address: _bindkey(path, address, text) for address, text in known.items()}


def _bindkey(path: str, address: str, text: object) -> bytes:
    if not _ADDRESS.fullmatch(address):
        raise SettingInvalid(f"{path}: {address!r} is not an address like AA:BB:CC:DD:EE:FF")
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) != _BINDKEY_BYTES:
        raise SettingInvalid(f"{path}: the key of {address} is not {2 * _BINDKEY_BYTES} hex digits")
    return key
