"""The code that an installer carries from the server to a gateway: a secret, and whom the gateway may trust. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from workplace.errors import SettingInvalid

#: 80 random bits: guessing is hopeless within the hour that a code is good for.
SECRET_BYTES = 10
#: Of the SHA-256 of the server's certificate. Another certificate with the same 112 bits is out of anybody's reach.
_PIN_BYTES = 14
_CHECK_BYTES = 1
_GROUP = 5
_LETTERS = 8 * (SECRET_BYTES + _PIN_BYTES + _CHECK_BYTES) // 5


@dataclass(frozen=True, slots=True)
class EnrolCode:
    """What stands in a code."""

    secret: bytes = field(repr=False)
    pin: bytes

    @property
    def text(self) -> str:
        """Return the code as it is written: eight groups of five letters and digits."""
        body = self.secret + self.pin
        letters = base64.b32encode(body + _check(body)).decode()
        return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))

    @property
    def digest(self) -> str:
        """Return what the server keeps of the secret."""
        return digest_of(self.secret)

    def fits(self, certificate_der: bytes) -> bool:
        """Return whether a server with this certificate is the one that made the code."""
        return pin_of(certificate_der) == self.pin


def digest_of(secret: bytes) -> str:
    """Return the SHA-256 of a secret in hex."""
    return hashlib.sha256(secret).hexdigest()


def pin_of(certificate_der: bytes) -> bytes:
    """Return the part of a certificate's fingerprint that codes carry."""
    return hashlib.sha256(certificate_der).digest()[:_PIN_BYTES]


def parse(text: str) -> EnrolCode:
    """Return the parts of a code; small letters, blanks and missing dashes do not matter.

    Raises:
        SettingInvalid: it is no code, or a letter of it is wrong.
    """
    letters = "".join(text.split()).replace("-", "").upper()
    if len(letters) != _LETTERS:
        raise SettingInvalid(
            f"this is no enrolment code: it has {len(letters)} letters and digits, a code has {_LETTERS}"
        )
    try:
        body = base64.b32decode(letters)
    except binascii.Error:
        raise SettingInvalid("this is no enrolment code: it holds other signs than A-Z and 2-7") from None
    if _check(body[:-_CHECK_BYTES]) != body[-_CHECK_BYTES:]:
        raise SettingInvalid("a letter of this enrolment code is wrong; write it as the server printed it")
    return EnrolCode(body[:SECRET_BYTES], body[SECRET_BYTES:-_CHECK_BYTES])


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"plekvrij-enrol" + body).digest()[:_CHECK_BYTES]
