"""SNMP v3 notifications as a switch writes them: signed with HMAC-SHA-256, encrypted with AES-128.

User-based security of RFC 3414 with the hashes of RFC 7860 and the cipher of RFC 3826.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from simulators import snmp_ber
from simulators.snmp_ber import Cell, Oid

#: RFC 3414, A.2: a pass phrase is stretched to a mebibyte before it is hashed.
_STRETCHED: Final = 1024 * 1024
#: RFC 7860: HMAC-192-SHA-256 keeps 24 octets.
_SIGNATURE_BYTES: Final = 24
_KEY_BYTES: Final = 16
_SIGNED, _ENCRYPTED = 0x01, 0x02
_USM: Final = 3


@dataclass(frozen=True, slots=True)
class V3User:
    """A user on one engine, with keys that are made for it.

    Args:
        engine_id: of the switch that signs.
    """

    name: bytes
    engine_id: bytes
    auth_key: bytes
    priv_key: bytes

    @classmethod
    def of(cls, name: str, engine_id: bytes, auth_password: str, priv_password: str) -> V3User:
        return cls(
            name.encode(),
            engine_id,
            _key(auth_password, engine_id),
            _key(priv_password, engine_id)[:_KEY_BYTES],
        )


def trap(
    user: V3User, number: int, varbinds: Iterable[tuple[Oid, Cell]], *, boots: int, engine_time: int
) -> bytes:
    """Return a signed and encrypted trap.

    Args:
        number: message id and salt; never the same twice within one boot.
        boots, engine_time: how often the switch started, and seconds since.
    """
    scoped = snmp_ber.tlv(
        snmp_ber.SEQUENCE,
        snmp_ber.tlv(snmp_ber.OCTETS, user.engine_id)
        + snmp_ber.tlv(snmp_ber.OCTETS, b"")
        + snmp_ber.pdu(snmp_ber.TRAP, number, varbinds),
    )
    salt = number.to_bytes(8, "big")
    start = boots.to_bytes(4, "big") + engine_time.to_bytes(4, "big") + salt
    encryptor = Cipher(AES(user.priv_key), CFB(start)).encryptor()
    body = snmp_ber.tlv(snmp_ber.OCTETS, encryptor.update(scoped) + encryptor.finalize())
    unsigned = _message(user, number, bytes(_SIGNATURE_BYTES), salt, boots, engine_time, body)
    signature = hmac.digest(user.auth_key, unsigned, "sha256")[:_SIGNATURE_BYTES]
    return _message(user, number, signature, salt, boots, engine_time, body)


def _message(
    user: V3User, number: int, signature: bytes, salt: bytes, boots: int, engine_time: int, body: bytes
) -> bytes:
    octets, integer = snmp_ber.OCTETS, snmp_ber.integer
    head = snmp_ber.tlv(
        snmp_ber.SEQUENCE,
        integer(number)
        + integer(65_507)
        + snmp_ber.tlv(octets, bytes((_SIGNED | _ENCRYPTED,)))
        + integer(_USM),
    )
    security = snmp_ber.tlv(
        snmp_ber.SEQUENCE,
        snmp_ber.tlv(octets, user.engine_id)
        + integer(boots)
        + integer(engine_time)
        + snmp_ber.tlv(octets, user.name)
        + snmp_ber.tlv(octets, signature)
        + snmp_ber.tlv(octets, salt),
    )
    return snmp_ber.tlv(snmp_ber.SEQUENCE, integer(3) + head + snmp_ber.tlv(octets, security) + body)


def _key(password: str, engine_id: bytes) -> bytes:
    phrase = password.encode()
    stretched = (phrase * (_STRETCHED // len(phrase) + 1))[:_STRETCHED]
    key = hashlib.sha256(stretched).digest()
    return hashlib.sha256(key + engine_id + key).digest()
