"""The site's own certificate authority: a key and a certificate in one folder, and what is signed with them.

Beside it lies `site.json`: the names and ports by which gateways reach the broker and this machine.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from plekvrij.credentials import write_private
from workplace.errors import SettingInvalid, WorkplaceError

#: The authority outlives the hardware; changing it means enrolling every gateway again.
_AUTHORITY_LIFE = timedelta(days=20 * 365)
_SERVER_LIFE = timedelta(days=730)
#: Lower: more renewals, and a gateway in a drawer for a season must be enrolled again. Higher: a stolen certificate
#: that nobody missed is good for longer.
GATEWAY_LIFE = timedelta(days=90)
#: Clocks of gateways without a battery are late at first.
_EARLIER = timedelta(hours=1)


class RequestRefused(WorkplaceError):
    """A request for a certificate that cannot be answered; tell the caller why."""


class SiteAddress(msgspec.Struct, frozen=True, kw_only=True):
    """By which names and ports gateways reach this site."""

    site: str
    names: tuple[str, ...] = ()
    broker_port: int = 8883
    gateway_port: int = 8884
    enrol_port: int = 8885


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was signed."""

    serial: int
    pem: bytes
    expires_at: datetime


class Authority:
    """The key and certificate in `folder`; made by `make`, used everywhere else."""

    def __init__(self, folder: Path) -> None:
        """Read them.

        Raises:
            SettingInvalid: they are not there or cannot be read.
        """
        self.folder = folder
        try:
            self.pem = (folder / "ca.crt").read_bytes()
            self.certificate = x509.load_pem_x509_certificate(self.pem)
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except (OSError, ValueError) as error:
            raise SettingInvalid(
                f"cannot read the authority of the site in {folder}: {error}; `plekvrij broker-files` makes it"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SettingInvalid(f"{folder / 'ca.key'} holds no key of ours")
        self._key = key

    def address(self) -> SiteAddress:
        """Return the names and ports of the site.

        Raises:
            SettingInvalid: the file is not there or has another shape.
        """
        return read_address(self.folder)

    def sign_gateway(
        self, request: x509.CertificateSigningRequest, gateway: str, now: datetime, life: timedelta
    ) -> Issued:
        """Return a certificate that lets its holder log in as `gateway`; whatever name the request says is ignored.

        Raises:
            RequestRefused: the request is not signed by its own key, or the key is of a kind that is not taken.
        """
        key = request.public_key()
        if not request.is_signature_valid:
            raise RequestRefused("the request is not signed by its own key")
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise RequestRefused("the key must be one of curve P-256")
        builder = self._builder(gateway, key, now, life).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True
        )
        return _issued(builder.sign(self._key, hashes.SHA256()))

    def server_files(self, names: Iterable[str], now: datetime) -> tuple[bytes, bytes]:
        """Return certificate and key, PEM, of a server that is called by `names`.

        Raises:
            SettingInvalid: there are no names.
        """
        called = list(names)
        if not called:
            raise SettingInvalid(
                "a certificate needs the name by which gateways call this server; see --names"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(called[0], key.public_key(), now, _SERVER_LIFE)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in called]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), key_bytes(
            key
        )

    def is_fresh(self, pem: bytes, names: Iterable[str], now: datetime) -> bool:
        """Return whether a server's certificate is ours, for these names, and good for a third of its life yet."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            return False
        known = {str(name.value) for name in told}
        left = certificate.not_valid_after_utc - now
        return self.signed(certificate) and known == set(names) and left > _SERVER_LIFE / 3

    def signed(self, certificate: x509.Certificate) -> bool:
        """Return whether we signed it, whatever its dates."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def signed_pem(self, pem: bytes) -> bool:
        """Return whether we signed the first certificate in a file."""
        try:
            return self.signed(x509.load_pem_x509_certificate(pem))
        except ValueError:
            return False

    def revocation_list(self, serials: Iterable[tuple[int, datetime]], now: datetime) -> bytes:
        """Return the list of revoked certificates, PEM. It does not run out: brokers get it as a file."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        )
        for serial, revoked_at in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked_at).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )


def make(folder: Path, address: SiteAddress, now: datetime) -> Authority:
    """Return the authority in `folder`, new when there is none; `address` is noted beside it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "ca.key").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named(f"Plekvrij {address.site}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_as_folder(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))
        write_as_folder(folder / "ca.key", key_bytes(key))
    write_as_folder(folder / "site.json", msgspec.json.format(msgspec.json.encode(address)) + b"\n")
    return Authority(folder)


def read_address(folder: Path) -> SiteAddress:
    """Return the names and ports noted in the folder of an authority.

    Raises:
        SettingInvalid: the file is not there or has another shape.
    """
    try:
        return msgspec.json.decode((folder / "site.json").read_bytes(), type=SiteAddress)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingInvalid(f"cannot read {folder / 'site.json'}: {error}") from error


def write_as_folder(path: Path, data: bytes) -> None:
    """Write a private file that belongs to whom its folder belongs to: root prepares, a service without rights uses."""
    write_private(path, data)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, without a password: who reads the file may use it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _issued(certificate: x509.Certificate) -> Issued:
    return Issued(
        certificate.serial_number,
        certificate.public_bytes(serialization.Encoding.PEM),
        certificate.not_valid_after_utc,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
