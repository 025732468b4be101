"""The few MQTT 3.1.1 packets that a load generator and a pretend broker need, and no client library."""

from __future__ import annotations

CONNACK_OK = b"\x20\x02\x00\x00"


def connect(client_id: str, user: str, password: str) -> bytes:
    """Return a CONNECT with a clean session, user and password, and no keep-alive."""
    body = _text("MQTT") + b"\x04\xc2\x00\x00" + _text(client_id) + _text(user) + _text(password)
    return _packet(0x10, body)


def publish(topic: str, payload: bytes, mid: int) -> bytes:
    """Return a PUBLISH of QoS 1, not retained."""
    return _packet(0x32, _text(topic) + mid.to_bytes(2, "big") + payload)


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
