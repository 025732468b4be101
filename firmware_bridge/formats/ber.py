"""As much of BER (ITU-T X.690) as an SNMP message needs: definite lengths, one level at a time, never recursive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from workplace.errors import WorkplaceError

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_ID: Final = 0x06
SEQUENCE: Final = 0x30
IP_ADDRESS: Final = 0x40
#: Counter32, Gauge32, TimeTicks, Counter64 (RFC 2578): unsigned integers with tags of their own.
UNSIGNED: Final = frozenset({0x41, 0x42, 0x43, 0x46})

#: A 64-bit counter needs nine octets. More is an attempt to make us compute with huge numbers.
_MAX_INTEGER_BYTES = 9
#: RFC 2578: at most 128 sub-identifiers, each below 2^32.
_MAX_ARCS = 128
_MAX_ARC = 2**32 - 1


class BerInvalid(WorkplaceError):
    """The bytes are not BER as SNMP allows it; count the message as damaged."""


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, contents) of each field in `data`.

    Raises:
        BerInvalid: a field does not end inside `data`, or its length is written in an unsupported way.
    """
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise BerInvalid("a field ends in its head")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            width = length & 0x7F
            if not 1 <= width <= 4 or at + width > len(data):
                raise BerInvalid("unsupported length")
            length = int.from_bytes(data[at : at + width], "big")
            at += width
        if at + length > len(data):
            raise BerInvalid("a field is longer than what holds it")
        yield tag, data[at : at + length]
        at += length


def only(data: bytes, tag: int) -> bytes:
    """Return the contents of the single field in `data`.

    Raises:
        BerInvalid: there is no field, another one, or more than one.
    """
    found = list(fields(data))
    if len(found) != 1 or found[0][0] != tag:
        raise BerInvalid(f"expected one field of tag {tag:#04x}")
    return found[0][1]


def integer(contents: bytes, *, signed: bool = True) -> int:
    """Return a number.

    Raises:
        BerInvalid: it is empty or too long.
    """
    if not 1 <= len(contents) <= _MAX_INTEGER_BYTES:
        raise BerInvalid("integer of unsupported size")
    return int.from_bytes(contents, "big", signed=signed)


def object_id(contents: bytes) -> str:
    """Return an object identifier as `1.3.6.1...`.

    Raises:
        BerInvalid: it is empty, too long or cut off.
    """
    arcs: list[int] = []
    arc = 0
    for octet in contents:
        arc = arc << 7 | octet & 0x7F
        if arc > _MAX_ARC:
            raise BerInvalid("sub-identifier too large")
        if octet & 0x80:
            continue
        if not arcs:  # the first octets hold two arcs
            first = min(arc // 40, 2)
            arcs, arc = [first], arc - 40 * first
        arcs.append(arc)
        arc = 0
        if len(arcs) > _MAX_ARCS:
            raise BerInvalid("object identifier too long")
    if not arcs or contents[-1] & 0x80:
        raise BerInvalid("object identifier cut off")
    return ".".join(str(number) for number in arcs)
