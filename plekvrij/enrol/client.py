"""The gateway's end of enrolment. The key is made here and never leaves this machine."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plekvrij.credentials import write_private
from plekvrij.enrol.authority import RequestRefused, key_bytes
from plekvrij.enrol.code import parse
from plekvrij.enrol.messages import Join, Renew, Welcome
from workplace.errors import ServerUnreachable, SettingInvalid

_TIMEOUT_S = 20.0
_MOST_BYTES = 65_536

_SETTINGS = """# Gateway {gateway} of floor {floor}. Its sources follow: docs/how-to/connect-sensors.md
site = "{site}"
gateway = "{gateway}"
floor = "{floor}"
outbox = {outbox}
"""


class CredentialFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The credential of an enrolled gateway, as it lies beside its certificate; names of files are relative to it."""

    user: str
    certificate: str
    ca: str | None = None
    broker: str
    enrol: str
    authority: str


def join(url: str, code_text: str, folder: Path) -> list[Path]:
    """Enrol this gateway and write its files; return them, the credential first.

    Raises:
        SettingInvalid: the address or code is no good, or the server is not the one that made the code.
        RequestRefused: the server said no.
        ServerUnreachable: it does not answer.
    """
    code = parse(code_text)
    try:  # a code is good once: what can go wrong here should go wrong before it is used
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(folder / ".plekvrij-enrol", b"")
        (folder / ".plekvrij-enrol").unlink()
    except OSError as error:
        raise SettingInvalid(f"cannot write into {folder}: {error.strerror}") from error

    def check(certificate_der: bytes) -> None:
        if not code.fits(certificate_der):
            raise SettingInvalid(
                f"{url} is not the server that made this code: its certificate is another one. Nothing was sent. "
                "Check the address; if it is right, somebody answers in its place"
            )

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE  # the code says which certificate is right, before anything is sent
    key, request = _new_request()
    asked = Join(secret=code.secret.hex(), request=request)
    welcome = _ask(f"{url.rstrip('/')}/enrol/join", trust, msgspec.json.encode(asked), check)
    return _write(welcome, key, url, folder)


def renew(file: Path) -> datetime:
    """Get the next certificate for the credential in `file`; return until when it is good.

    Raises:
        SettingInvalid: the file is not one of an enrolled gateway.
        RequestRefused: the server said no.
        ServerUnreachable: it does not answer.
    """
    known, folder = read_enrolled(file), file.parent
    pem = _read(folder / known.certificate)
    old_key = serialization.load_pem_private_key(pem, None)
    if not isinstance(old_key, ec.EllipticCurvePrivateKey):
        raise SettingInvalid(f"{folder / known.certificate} holds no key of ours")
    key, request = _new_request()
    asked = Renew(
        request=request,
        certificate=x509.load_pem_x509_certificate(pem)
        .public_bytes(serialization.Encoding.PEM)
        .decode("ascii"),
        proof=old_key.sign(request.encode(), ec.ECDSA(hashes.SHA256())).hex(),
    )
    trust = ssl.create_default_context(cadata=_read(folder / known.authority).decode("ascii"))
    welcome = _ask(f"{known.enrol.rstrip('/')}/enrol/renew", trust, msgspec.json.encode(asked), None)
    _replace(folder / known.certificate, welcome.certificate.encode() + key)
    if known.ca is not None and welcome.broker_authority is not None:
        _replace(folder / known.ca, welcome.broker_authority.encode())
    return x509.load_pem_x509_certificate(welcome.certificate.encode()).not_valid_after_utc


def read_enrolled(file: Path) -> CredentialFile:
    """Return the credential in `file`.

    Raises:
        SettingInvalid: it cannot be read, or is one with a password.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=CredentialFile)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingInvalid(f"{file} is no credential of an enrolled gateway: {error}") from error


def validity(file: Path) -> tuple[datetime, datetime]:
    """Return from when until when the certificate of the credential in `file` is good.

    Raises:
        SettingInvalid: a file cannot be read.
    """
    known = read_enrolled(file)
    try:
        certificate = x509.load_pem_x509_certificate(_read(file.parent / known.certificate))
    except ValueError as error:
        raise SettingInvalid(f"{file.parent / known.certificate} holds no certificate: {error}") from error
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _new_request() -> tuple[bytes, str]:
    """Return a new key and a request for a certificate of it; the server knows the name that goes into it."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return key_bytes(key), request.public_bytes(serialization.Encoding.PEM).decode()


def _ask(url: str, trust: ssl.SSLContext, body: bytes, check: Callable[[bytes], None] | None) -> Welcome:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise SettingInvalid(
            f"{url!r} is no address of an enrolment server; write https://broker.example:8885"
        )
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port or 443, timeout=_TIMEOUT_S, context=trust
    )
    try:
        connection.connect()
        if check is not None:
            sealed = connection.sock
            check(sealed.getpeercert(binary_form=True) or b"" if isinstance(sealed, ssl.SSLSocket) else b"")
        connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise ServerUnreachable(f"the enrolment server at {url} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise RequestRefused(f"the enrolment server refused: {text[:300].decode(errors='replace').strip()}")
    try:
        return msgspec.json.decode(text, type=Welcome)
    except msgspec.MsgspecError as error:
        raise ServerUnreachable(f"{url} answers something else than an enrolment server: {error}") from error


def _write(welcome: Welcome, key: bytes, url: str, folder: Path) -> list[Path]:
    name = welcome.gateway
    credential = CredentialFile(
        user=name,
        certificate=f"{name}.pem",
        ca=None if welcome.broker_authority is None else f"{name}.broker-ca.crt",
        broker=welcome.broker,
        enrol=url,
        authority=f"{name}.authority.crt",
    )
    home = folder.resolve()
    outbox = msgspec.json.encode(str(home / f"{name}.db")).decode()
    settings = _SETTINGS.format(gateway=name, floor=welcome.floor, site=welcome.site, outbox=outbox)
    environment = f"PLEKVRIJ_BROKER={welcome.broker}\nPLEKVRIJ_CREDENTIAL={home / f'{name}.json'}\n"
    files = {
        f"{name}.json": msgspec.json.format(msgspec.json.encode(credential)) + b"\n",
        credential.certificate: welcome.certificate.encode() + key,
        credential.authority: welcome.authority.encode(),
        f"{name}.env": f"{environment}PLEKVRIJ_CONFIG={home / f'{name}.toml'}\n".encode(),
    }
    if credential.ca is not None and welcome.broker_authority is not None:
        files[credential.ca] = welcome.broker_authority.encode()
    if not (home / f"{name}.toml").exists():  # settings that somebody wrote stay
        files[f"{name}.toml"] = settings.encode()
    try:
        for file, content in files.items():
            _replace(home / file, content)
    except OSError as error:
        raise SettingInvalid(
            f"cannot write the files of the gateway: {error}; join again with a new code"
        ) from error
    return [home / file for file in files]


def _replace(path: Path, data: bytes) -> None:
    """Write a private file whole or not at all: a gateway that connects meanwhile reads the old or the new one."""
    aside = path.with_name(f".{path.name}.new")
    write_private(aside, data)
    aside.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingInvalid(f"cannot read {path}: {error.strerror}") from error
