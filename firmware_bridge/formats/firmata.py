"""Firmata over serial: levels of pins that a host has asked an Arduino to report. Source: firmata/protocol."""

from __future__ import annotations

from typing import Final

from workplace.readings import Decoded, Reading

_ANALOG, _DIGITAL = 0xE0, 0x90
_SYSEX, _END_SYSEX = 0xF0, 0xF7
#: Messages of two data bytes that say nothing about a pin: protocol version.
_SKIPPED: Final = frozenset({0xF9})
#: One read of a serial port; more is cut off and comes with the next call.
MAX_BYTES = 4096


def decode_firmata(data: bytes) -> Decoded:
    """Return what whole messages in `data` say; a message that is cut off or unknown ends it as `bad_frame`."""
    readings: list[Reading] = []
    at = 0
    while at < min(len(data), MAX_BYTES):
        command = data[at]
        if command == _SYSEX:  # names, capabilities, strings: skipped unread
            end = data.find(_END_SYSEX, at, MAX_BYTES)
            if end < 0:
                return Decoded(tuple(readings), fault="bad_frame")
            at = end + 1
            continue
        body = data[at + 1 : at + 3]
        if len(body) < 2 or max(body) > 0x7F:
            return Decoded(tuple(readings), fault="bad_frame")
        value = body[0] | body[1] << 7
        if command & 0xF0 == _DIGITAL:
            readings += _port(command & 0x0F, value)
        elif command & 0xF0 == _ANALOG:
            readings.append(Reading("analog", value, channel=command & 0x0F))
        elif command not in _SKIPPED:
            return Decoded(tuple(readings), fault="bad_frame")
        at += 3
    return Decoded(tuple(readings))


def _port(port: int, value: int) -> list[Reading]:
    """Eight pins at once; bit 0 of port 2 is pin 16."""
    high = tuple(8 * port + bit for bit in range(8) if value >> bit & 1)
    facts = {"port": port}
    return [
        Reading("digital_port", value & 0xFF, extra={**facts}),
        Reading("pins_high", high, extra={**facts}),
    ]
