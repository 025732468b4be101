"""The head of an SNMP message: which version, and for v1 and v2c the community. Pure.

What comes after it is decoded only when these are right.
"""

from __future__ import annotations

import hmac
from typing import Final

_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
#: Value of the version field (RFC 1157, RFC 1901, RFC 3412).
VERSIONS: Final = {0: "v1", 1: "v2c", 3: "v3"}


def version_of(datagram: bytes) -> str | None:
    """Return `v1`, `v2c` or `v3`, None for what is no SNMP message."""
    version = _field(_field(datagram, _SEQUENCE)[0], _INTEGER)[0]
    return VERSIONS.get(version[0]) if len(version) == 1 else None


def has_community(datagram: bytes, community: bytes) -> bool:
    """Whether a v1 or v2c message bears this community; takes as long for a wrong one as for the right one."""
    _, after_version = _field(_field(datagram, _SEQUENCE)[0], _INTEGER)
    return hmac.compare_digest(_field(after_version, _OCTETS)[0], community)


def _field(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return contents of the first field and what follows it; both empty when it is not of this tag or cut off."""
    if len(data) < 2 or data[0] != tag:
        return b"", b""
    size, at = data[1], 2
    if size & 0x80:
        at += size & 0x7F
        if not 2 < at <= 6:
            return b"", b""
        size = int.from_bytes(data[2:at], "big")
    return (data[at : at + size], data[at + size :]) if at + size <= len(data) else (b"", b"")
