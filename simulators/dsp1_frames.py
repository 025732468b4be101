"""DSP/1 frames as a device writes and reads them, from the specification, not from the gateway's decoder.

Wire: `00 | COBS(frame) | 00`; frame = version u8, type u8, seq u16, payload, crc u16; little-endian.
Only light imports: one process per desk node runs this.
"""

from __future__ import annotations

import binascii
import struct

VERSION = 1
HELLO, EVENT, HEARTBEAT, ACK, NAK, PONG, STATE = range(0x01, 0x08)
HELLO_REQ, EVENT_ACK, PING, SET_LED, SET_CFG, SET_LIGHT = range(0x81, 0x87)

#: proto_min, proto_max, uid, boot_id, uptime_ms, fw_version, hw_model, max_frame, queue_len, reset_reason
HELLO_BODY = struct.Struct("<BB8sIQHHHBB")
#: boot_id, ev_seq, uptime_ms, kind, channel, value, oldest_seq
EVENT_BODY = struct.Struct("<IIQBBhI")
#: boot_id, uptime_ms, state, queued, dropped, rx_ok, rx_err, last_ev_seq
HEARTBEAT_BODY = struct.Struct("<IQBBHIHI")
ACK_BODY = struct.Struct("<HB")
NAK_BODY = struct.Struct("<HBB")
#: token, boot_id, uptime_ms
PONG_BODY = struct.Struct("<IIQ")
#: boot_id, uptime_ms, last_ev_seq, channels, docked, occupied
STATE_BODY = struct.Struct("<IQIBHH")
EVENT_ACK_BODY = struct.Struct("<II")
PING_BODY = struct.Struct("<I")
SET_LED_BODY = struct.Struct("<BBBH")
SET_CFG_BODY = struct.Struct("<BI")
SET_LIGHT_BODY = struct.Struct("<BBH")

#: Exact payload length of every message a device may receive, bytes.
COMMAND_LENGTH = {
    HELLO_REQ: 0,
    EVENT_ACK: EVENT_ACK_BODY.size,
    PING: PING_BODY.size,
    SET_LED: SET_LED_BODY.size,
    SET_CFG: SET_CFG_BODY.size,
    SET_LIGHT: SET_LIGHT_BODY.size,
}
MAX_FRAME = 64  # bytes before COBS, DSP/1
_MAX_ENCODED = 68
_MAX_BUFFER = 256


def crc16(data: bytes) -> int:
    """Return CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected; `123456789` gives 0x29B1."""
    return binascii.crc_hqx(data, 0xFFFF)


def cobs_encode(data: bytes) -> bytes:
    """Return `data` without zero bytes; for frames up to 253 bytes, which need one extra byte."""
    coded = bytearray()
    for run in data.split(b"\x00"):
        coded.append(len(run) + 1)
        coded += run
    return bytes(coded)


def cobs_decode(coded: bytes) -> bytes | None:
    """Return the original data, None when the code is broken."""
    data = bytearray()
    at = 0
    while at < len(coded):
        step = coded[at]
        if step == 0 or at + step > len(coded):
            return None
        data += coded[at + 1 : at + step]
        at += step
        if step < 0xFF and at < len(coded):
            data.append(0)
    return bytes(data)


def encode(kind: int, seq: int, body: bytes = b"") -> bytes:
    """Return one frame with its delimiters, ready for the wire."""
    frame = struct.pack("<BBH", VERSION, kind, seq & 0xFFFF) + body
    return b"\x00" + cobs_encode(frame + crc16(frame).to_bytes(2, "little")) + b"\x00"


class FrameReader:
    """Cuts a stream of bytes into frames. Damaged ones are counted in `bad` and never answered."""

    __slots__ = ("_buffer", "bad", "good")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.good = self.bad = 0

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return (type, seq, body) of every frame that is complete now."""
        self._buffer += data
        *parts, self._buffer = self._buffer.split(b"\x00")
        if len(self._buffer) > _MAX_BUFFER:
            self._buffer.clear()
            self.bad += 1
        found = []
        for part in parts:
            if part:
                frame = _open(bytes(part))
                if frame is None:
                    self.bad += 1
                else:
                    self.good += 1
                    found.append(frame)
        return found


def _open(coded: bytes) -> tuple[int, int, bytes] | None:
    frame = cobs_decode(coded) if len(coded) <= _MAX_ENCODED else None
    if frame is None or len(frame) < 6 or crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        return None
    version, kind, seq = struct.unpack_from("<BBH", frame)
    body = frame[4:-2]
    if version != VERSION or COMMAND_LENGTH.get(kind, len(body)) != len(body):
        return None
    return kind, seq, body
