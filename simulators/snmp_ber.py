"""SNMP v2c messages as a switch writes and reads them (RFC 3416), with an encoder of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
TIME_TICKS, END_OF_MIB, NO_SUCH_OBJECT = 0x43, 0x82, 0x80
GET, GET_NEXT, RESPONSE, GET_BULK, INFORM, TRAP = 0xA0, 0xA1, 0xA2, 0xA5, 0xA6, 0xA7
_VERSION_2C: Final = 1

Oid = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value with its tag, for instance `Cell(INTEGER, 1)`."""

    tag: int
    value: int | bytes | Oid | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a manager asks; the two numbers are error status and index, or the two of a GETBULK."""

    community: bytes
    kind: int
    request_id: int
    numbers: tuple[int, int]
    oids: tuple[Oid, ...]


def oid(text: str) -> Oid:
    return tuple(int(arc) for arc in text.split("."))


def tlv(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    if size < 0x80:
        return bytes((tag, size)) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + contents


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Two's complement in as few octets as can be; unsigned types get a leading zero where needed."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def cell(what: Cell) -> bytes:
    match what.value:
        case int():
            return integer(what.value, what.tag)
        case bytes():
            return tlv(what.tag, what.value)
        case None:
            return tlv(what.tag, b"")
    return tlv(what.tag, _arcs(what.value))


def message(community: bytes, kind: int, request_id: int, varbinds: Iterable[tuple[Oid, Cell]]) -> bytes:
    """Return a whole v2c message without errors."""
    head = integer(_VERSION_2C) + tlv(OCTETS, community)
    return tlv(SEQUENCE, head + pdu(kind, request_id, varbinds))


def pdu(kind: int, request_id: int, varbinds: Iterable[tuple[Oid, Cell]]) -> bytes:
    pairs = b"".join(tlv(SEQUENCE, tlv(OID, _arcs(name)) + cell(value)) for name, value in varbinds)
    return tlv(kind, integer(request_id) + integer(0) + integer(0) + tlv(SEQUENCE, pairs))


def read_request(datagram: bytes) -> Request | None:
    """Return what a manager asks, None for what is no v2c request."""
    try:
        version, community, (kind, contents) = list(_fields(next(_fields(datagram))[1]))
        request_id, first, second, (_, pairs) = list(_fields(contents))
        oids = tuple(_read_oid(next(_fields(pair))[1]) for _, pair in _fields(pairs))
    except (ValueError, IndexError, StopIteration):
        return None
    if _read_int(version[1]) != _VERSION_2C:
        return None
    numbers = (_read_int(first[1]), _read_int(second[1]))
    return Request(community[1], kind, _read_int(request_id[1]), numbers, oids)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise ValueError("shorter than it says")
        yield tag, data[at : at + size]
        at += size


def _read_int(contents: bytes) -> int:
    return int.from_bytes(contents, "big", signed=True)


def _read_oid(contents: bytes) -> Oid:
    arcs: list[int] = []
    arc = 0
    for octet in contents:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


def _arcs(name: Sequence[int]) -> bytes:
    found = bytearray()
    for arc in (name[0] * 40 + name[1], *name[2:]):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        found += bytes(reversed(septets))
    return bytes(found)
