"""As much of protocol buffers' wire format as Sparkplug B needs: fields of one message, without a schema."""

from __future__ import annotations

from collections.abc import Iterator

from workplace.errors import WorkplaceError

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class ProtobufInvalid(WorkplaceError):
    """The bytes are not a protobuf message; count it as damaged."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (number, wire type, value): an unsigned int for varints, else the raw bytes.

    Raises:
        ProtobufInvalid: a field is cut off, numbered 0 or of a group type, which nothing uses any more.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ProtobufInvalid("field number 0")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = _varint(data, at)
        elif wire in (FIXED_32, FIXED_64):
            size = 4 if wire == FIXED_32 else 8
        else:
            raise ProtobufInvalid(f"wire type {wire}")
        if at + size > len(data):
            raise ProtobufInvalid("a field is cut off")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if at + place >= len(data):
            raise ProtobufInvalid("a number is cut off")
        octet = data[at + place]
        value |= (octet & 0x7F) << 7 * place
        if not octet & 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + place + 1
    raise ProtobufInvalid("a number is too long")
