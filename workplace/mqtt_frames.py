"""MQTT 3.1.1 on the wire, as far as it is read and written in bulk: frames, PUBLISH, PUBACK. Pure: bytes in, bytes out.

Sections named below are those of the MQTT 3.1.1 standard (OASIS, 2014).
"""

from __future__ import annotations

from collections.abc import Iterable

#: First byte of a frame, upper half: section 2.2.1.
PUBLISH, PUBACK = 0x30, 0x40

#: First byte and body of one frame.
Frame = tuple[int, bytes]


class FrameBuffer:
    """Cuts what a connection brings into frames, however it was cut before."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._have = 0
        self._needed = 2

    def clear(self) -> None:
        """Forget the rest of a connection that is gone."""
        self._keep(b"", 2)

    def add(self, data: bytes) -> list[Frame]:
        """Return every frame that is whole now, in order.

        Raises:
            ValueError: what came cannot be MQTT.
        """
        self._chunks.append(data)
        self._have += len(data)
        if self._have < self._needed:
            return []
        buffer = b"".join(self._chunks)
        frames: list[Frame] = []
        position, needed = 0, 2
        while True:
            start, end = _bounds(buffer, position)
            if end > len(buffer):
                needed = end - position
                break
            frames.append((buffer[position], buffer[start:end]))
            position = end
        self._keep(buffer[position:], needed)
        return frames

    def _keep(self, rest: bytes, needed: int) -> None:
        self._chunks = [rest] if rest else []
        self._have, self._needed = len(rest), needed


def _bounds(buffer: bytes, position: int) -> tuple[int, int]:
    """Return where the body of the frame at `position` starts and ends; an end past the buffer means: read on.

    Raises:
        ValueError: the length has more than the four bytes that section 2.2.3 allows.
    """
    index = position + 1
    if index < len(buffer) and (length := buffer[index]) < 0x80:
        return index + 1, index + 1 + length
    length, shift = 0, 0
    while index < len(buffer):
        byte = buffer[index]
        length |= (byte & 0x7F) << shift
        index += 1
        if byte < 0x80:
            return index, index + length
        shift += 7
        if shift > 21:
            raise ValueError("frame length has more than four bytes")
    return index, index + 1


def is_simple_publish(command: int) -> bool:
    """Return whether a first byte begins a PUBLISH of QoS 0 or 1: one step, no memory."""
    return command & 0xF0 == PUBLISH and command & 0x06 != 0x04


def read_publish(command: int, body: bytes) -> tuple[str, bytes, int, bool, bool]:
    """Return topic, payload, message id (0 for QoS 0), retained flag and duplicate flag of a PUBLISH.

    Raises:
        ValueError: its topic is longer than the frame.
    """
    end = 2 + int.from_bytes(body[:2], "big")
    after = end + 2 if command & 0x06 else end
    if after > len(body):
        raise ValueError("topic is longer than its frame")
    mid = int.from_bytes(body[end:after], "big") if after > end else 0
    return body[2:end].decode("utf-8", "replace"), body[after:], mid, bool(command & 1), bool(command & 8)


def publish(topic: str, payload: bytes, mid: int, *, retain: bool) -> bytes:
    """Return a PUBLISH of QoS 1."""
    name = topic.encode()
    length, lengths = len(name) + 4 + len(payload), bytearray()
    while length > 0x7F:
        lengths.append(length & 0x7F | 0x80)
        length >>= 7
    lengths.append(length)
    first = PUBLISH | 0x02 | retain
    return b"%c%b%b%b%b%b" % (
        first,
        bytes(lengths),
        len(name).to_bytes(2, "big"),
        name,
        mid.to_bytes(2, "big"),
        payload,
    )


def pubacks(mids: Iterable[int]) -> bytes:
    """Return acknowledgements of messages of QoS 1, joined."""
    return b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)


def read_puback(body: bytes) -> int:
    """Return the message id that a PUBACK acknowledges."""
    return int.from_bytes(body[:2], "big")
