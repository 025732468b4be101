"""DSP/1 on the wire: `00 | COBS(frame) | 00`, a frame being version, type, sequence, payload and CRC.

No I/O and no clock: bytes in, frames out. A damaged frame is counted and forgotten; the delimiter on both
sides keeps damage from spreading to its neighbours.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from workplace.errors import WorkplaceError

#: DSP/1, "Wire": version byte of every frame that this program reads and writes.
PROTOCOL_VERSION = 1
#: DSP/1, "Wire": longest decoded frame, so that COBS costs exactly one byte.
MAX_FRAME_BYTES = 64
#: DSP/1, rule 8: anything longer between two delimiters is dropped unread.
MAX_ENCODED_BYTES = 68
#: A run this long without a delimiter is no frame of ours: wrong speed, or a boot loader talking.
MAX_RUN_BYTES = 256

_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<H")
_EMPTY_FRAME_BYTES = _HEADER.size + _CRC.size
_COBS_BLOCK_BYTES = 254


class CobsInvalid(WorkplaceError):
    """The bytes are not COBS; count the frame as damaged and go on with the next."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One intact frame. `seq` counts frames of one direction and only ties an answer to its question."""

    type_code: int
    seq: int
    payload: bytes


def cobs_encode(data: bytes) -> bytes:
    """Return `data` without any zero byte, at most one byte longer per 254."""
    out = bytearray()
    # Every group of bytes between zeros becomes one block; the zero itself is implied by the next code byte.
    for group in data.split(b"\0"):
        start = 0
        while len(group) - start >= _COBS_BLOCK_BYTES:
            out.append(_COBS_BLOCK_BYTES + 1)
            out += group[start : start + _COBS_BLOCK_BYTES]
            start += _COBS_BLOCK_BYTES
        out.append(len(group) - start + 1)
        out += group[start:]
    return bytes(out)


def cobs_decode(encoded: bytes) -> bytes:
    """Return what `cobs_encode` was given; empty for empty.

    Raises:
        CobsInvalid: a code byte is zero, or points past the end.
    """
    out = bytearray()
    at, end = 0, len(encoded)
    while at < end:
        code = encoded[at]
        block = encoded[at + 1 : at + code]
        if code == 0 or len(block) != code - 1 or 0 in block:
            raise CobsInvalid(f"code byte {code} at offset {at} of {end} bytes")
        out += block
        at += code
        if code <= _COBS_BLOCK_BYTES and at < end:
            out.append(0)
    return bytes(out)


def crc16(data: bytes) -> int:
    """Return CRC-16/CCITT-FALSE: poly 0x1021, start 0xFFFF, not reflected (`123456789` gives 0x29B1)."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode_frame(frame: Frame) -> bytes:
    """Return the frame as it goes over the wire, delimiters on both sides."""
    body = _HEADER.pack(PROTOCOL_VERSION, frame.type_code, frame.seq & 0xFFFF) + frame.payload
    return b"\0" + cobs_encode(body + _CRC.pack(crc16(body))) + b"\0"


class FrameReader:
    """Finds intact frames in a stream of bytes, however it is cut, in at most 68 bytes of memory.

    Args:
        payload_bytes: exact payload length per known type. Without it half of all undetected errors would be
            fragments that happen to carry a right checksum. Unknown types pass, so that they can be refused.
    """

    def __init__(self, payload_bytes: Mapping[int, int]) -> None:
        self._payload_bytes = payload_bytes
        self._pending = bytearray()
        self._run_bytes = 0
        self.counters: dict[str, int] = dict.fromkeys(
            ("frames", "bad_cobs", "bad_crc", "bad_length", "oversize", "other_version", "overrun"), 0
        )

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames completed by `data`, in order; how the bytes are cut makes no difference."""
        frames: list[Frame] = []
        first, *rest = data.split(b"\0")
        self._extend(first)
        for piece in rest:
            frame = self._close_run()
            if frame is not None:
                frames.append(frame)
            self._extend(piece)
        return frames

    def _extend(self, piece: bytes) -> None:
        before, after = self._run_bytes, self._run_bytes + len(piece)
        self._run_bytes = after
        if after <= MAX_ENCODED_BYTES:
            self._pending += piece
            return
        self._pending.clear()
        self.counters["oversize"] += before <= MAX_ENCODED_BYTES
        self.counters["overrun"] += before <= MAX_RUN_BYTES < after

    def _close_run(self) -> Frame | None:
        encoded, run_bytes = bytes(self._pending), self._run_bytes
        self._pending.clear()
        self._run_bytes = 0
        if run_bytes == 0 or run_bytes > MAX_ENCODED_BYTES:
            return None
        frame, verdict = self._open(encoded)
        self.counters[verdict] += 1
        return frame

    def _open(self, encoded: bytes) -> tuple[Frame | None, str]:
        try:
            body = cobs_decode(encoded)
        except CobsInvalid:
            return None, "bad_cobs"
        if not _EMPTY_FRAME_BYTES <= len(body) <= MAX_FRAME_BYTES:
            return None, "bad_length"
        content, payload = body[: -_CRC.size], body[_HEADER.size : -_CRC.size]
        if _CRC.unpack(body[-_CRC.size :])[0] != crc16(content):
            return None, "bad_crc"
        version, type_code, seq = _HEADER.unpack_from(body)
        if version != PROTOCOL_VERSION:
            return None, "other_version"
        if self._payload_bytes.get(type_code, len(payload)) != len(payload):
            return None, "bad_length"
        return Frame(type_code, seq, payload), "frames"
