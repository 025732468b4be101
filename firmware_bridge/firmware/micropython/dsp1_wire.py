# mypy: ignore-errors
# MicroPython: modules lie flat on the board, and neither it nor this repository has stubs for it.
"""DSP/1 frames for MicroPython: `00 | COBS(frame) | 00`, little-endian. Copied flat onto the board.

Only what MicroPython 1.20 and CPython share: no dataclasses, no typing, no third-party modules.
"""

import struct

VERSION = 1
HELLO, EVENT, HEARTBEAT, ACK, NAK, PONG, STATE = 1, 2, 3, 4, 5, 6, 7
HELLO_REQ, EVENT_ACK, PING, SET_LED, SET_CFG, SET_LIGHT = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86
MAX_FRAME = 64
MAX_ENCODED = 68  # rule 8: a longer run between two delimiters is dropped unread
OVERHEAD = 6

#: Payload layout of every message, in wire order (docs/reference/dsp1.md, 2).
LAYOUTS = {
    HELLO: "<BB8sIQHHHBB",
    EVENT: "<IIQBBhI",
    HEARTBEAT: "<IQBBHIHI",
    ACK: "<HB",
    NAK: "<HBB",
    PONG: "<IIQ",
    STATE: "<IQIBHH",
    HELLO_REQ: "<",
    EVENT_ACK: "<II",
    PING: "<I",
    SET_LED: "<BBBH",
    SET_CFG: "<BI",
    SET_LIGHT: "<BBH",
}


def crc16(data: bytes) -> int:
    """Return CRC-16/CCITT-FALSE; `123456789` gives 0x29B1."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def encode(kind: int, seq: int, *values: object) -> bytes:
    """Return one message with its delimiters, ready for the wire."""
    frame = struct.pack("<BBH", VERSION, kind, seq & 0xFFFF) + struct.pack(LAYOUTS[kind], *values)
    frame += struct.pack("<H", crc16(frame))
    coded = b"".join(bytes((len(run) + 1,)) + run for run in frame.split(b"\x00"))
    return b"\x00" + coded + b"\x00"


def uncobs(coded: bytes) -> bytes:
    """Return the original data; nothing when the code is broken."""
    data = b""
    at = 0
    while at < len(coded):
        step = coded[at]
        if step == 0 or at + step > len(coded):
            return b""
        data += coded[at + 1 : at + step]
        at += step
        if at < len(coded):
            data += b"\x00"
    return data


class Reader:
    """Cuts a stream into frames in at most 69 bytes of memory. Damaged ones are counted, never answered."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._run = b""

    def feed(self, data: bytes) -> list:
        """Return (type, seq, payload) of every frame that is complete now."""
        found = []
        parts = data.split(b"\x00")
        for index, part in enumerate(parts):
            self._run = (self._run + part)[: MAX_ENCODED + 1]
            if index == len(parts) - 1 or not self._run:
                continue
            frame = self._open(self._run)
            self._run = b""
            if frame is None:
                self.bad += 1
            else:
                self.good += 1
                found.append(frame)
        return found

    def _open(self, coded: bytes):
        frame = uncobs(coded) if len(coded) <= MAX_ENCODED else b""
        if not OVERHEAD <= len(frame) <= MAX_FRAME or crc16(frame[:-2]) != frame[-2] | frame[-1] << 8:
            return None
        version, kind, seq = struct.unpack("<BBH", frame[:4])
        body = frame[4:-2]
        wanted = struct.calcsize(LAYOUTS[kind]) if kind in LAYOUTS and kind & 0x80 else len(body)
        return (kind, seq, body) if version == VERSION and len(body) == wanted else None
