"""The few MQTT 3.1.1 packets that a load generator and a pretend broker need, and no client library."""

from __future__ import annotations

PUBLISH, SUBACK = 0x30, 0x90  # MQTT 3.1.1, section 2.2.1
CONNACK_OK = b"\x20\x02\x00\x00"


def connect(client_id: str, user: str, password: str) -> bytes:
    """Return a CONNECT with a clean session, user and password, and no keep-alive."""
    body = _text("MQTT") + b"\x04\xc2\x00\x00" + _text(client_id) + _text(user) + _text(password)
    return _packet(0x10, body)


def publish(topic: str, payload: bytes, mid: int) -> bytes:
    """Return a PUBLISH of QoS 1, not retained."""
    return _packet(0x32, _text(topic) + mid.to_bytes(2, "big") + payload)


def subscribe(filters: list[str], mid: int) -> bytes:
    """Return a SUBSCRIBE of QoS 0 for each filter."""
    return _packet(0x82, mid.to_bytes(2, "big") + b"".join(_text(one) + b"\x00" for one in filters))


def split(buffer: bytes) -> tuple[int, bytes, bytes] | None:
    """Return the first byte and the body of the first packet and what follows it; None when it is not whole yet."""
    length, index = 0, 1
    while index < len(buffer):
        byte = buffer[index]
        length |= (byte & 0x7F) << 7 * (index - 1)
        index += 1
        if byte < 0x80:
            end = index + length
            return None if end > len(buffer) else (buffer[0], buffer[index:end], buffer[end:])
    return None


def topic_and_payload(body: bytes) -> tuple[str, bytes]:
    """Return what a PUBLISH of QoS 0 says."""
    start = 2 + int.from_bytes(body[:2], "big")
    return body[2:start].decode(), body[start:]


def suback(mid: bytes) -> bytes:
    """Return the SUBACK that grants one filter QoS 1."""
    return b"\x90\x03" + mid + b"\x01"


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(kind: int, body: bytes) -> bytes:
    length, written = len(body), bytearray()
    while True:
        length, byte = divmod(length, 128)
        written.append(byte | (0x80 if length else 0))
        if not length:
            return bytes([kind]) + bytes(written) + body
