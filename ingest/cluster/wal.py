"""SQLite's write-ahead log as bytes: where whole transactions end, and the records that carry it elsewhere.

Format: https://www.sqlite.org/fileformat2.html, section 4 (the WAL file).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

#: Section 4.1: 32 bytes, of which 8:12 the page size and 16:24 the salts, big endian.
HEADER_BYTES = 32
#: Section 4.2: 24 bytes, of which 4:8 the size of the database after a commit (0: not the last frame of one) and 8:16
#: the salts of the log it belongs to.
FRAME_HEADER_BYTES = 24
#: Of one record before it is packed. Lower: more messages in a big commit. Higher: past a message's 1 MiB.
MAX_RECORD_BYTES = 768 * 1024
#: A commit of one event touches 35 KiB of pages, which pack into 3.9 KiB at this level (the example town hall).
_LEVEL = 1
_HEAD = struct.Struct(">BQQ")


class Kind(IntEnum):
    """What a record says."""

    TAKEN = 0
    """A new owner begins: from here on nobody else's records count. The body is his name."""
    WRITTEN = 1
    """Bytes of the write-ahead log, from `offset` on."""
    BASE = 2
    """The whole database as it was when this generation began lies elsewhere, in `offset` pieces."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the log of a partition.

    Attributes:
        generation: counts write-ahead logs: each begins where all before it are in the database itself.
    """

    kind: Kind
    generation: int
    offset: int
    body: bytes = b""

    def pack(self) -> bytes:
        return _HEAD.pack(self.kind, self.generation, self.offset) + zlib.compress(self.body, _LEVEL)


def unpack(data: bytes) -> Record:
    """Return the record in one message.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        kind, generation, offset = _HEAD.unpack_from(data)
        return Record(Kind(kind), generation, offset, zlib.decompress(data[_HEAD.size :]))
    except (struct.error, zlib.error) as error:
        raise ValueError(f"no record of a partition: {error}") from error


def salts_of(header: bytes) -> bytes:
    """Return what tells one write-ahead log from the next; empty while there is none."""
    return header[16:24] if len(header) >= HEADER_BYTES else b""


def committed_end(header: bytes, data: bytes, start: int) -> int:
    """Return the offset in the file behind the last whole transaction.

    Behind it may lie frames of a transaction that was rolled back, or of the log before this one.

    Args:
        header: the first 32 bytes of the file.
        data: its bytes from `start` on.
        start: offset of a frame, or 0.
    """
    page_bytes = int.from_bytes(header[8:12], "big")
    salts = salts_of(header)
    end = start
    position = HEADER_BYTES if start == 0 else 0
    while position + FRAME_HEADER_BYTES + page_bytes <= len(data):
        if data[position + 8 : position + 16] != salts:
            break
        is_last_of_commit = data[position + 4 : position + 8] != b"\0\0\0\0"
        position += FRAME_HEADER_BYTES + page_bytes
        if is_last_of_commit:
            end = start + position
    return end


def split(generation: int, start: int, data: bytes) -> list[Record]:
    """Return the records that carry `data`, which lies at `start` in the log of this generation."""
    return [
        Record(Kind.WRITTEN, generation, start + at, data[at : at + MAX_RECORD_BYTES])
        for at in range(0, len(data), MAX_RECORD_BYTES)
    ]
