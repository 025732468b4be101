"""The messages of DSP/1: one dataclass each, fields in wire order, and one table with their layouts.

Everything is little-endian. `docs/reference/dsp1.md` says what each field means and when it is sent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Any, Final

from firmware_bridge.dsp1.framing import Frame, encode_frame


class EventKind(IntEnum):
    """DSP/1, "Event kinds". From 128 on the vendor decides."""

    PIR = 1
    DOCK = 2
    BUTTON = 3
    BOOT = 4


class NakReason(IntEnum):
    """DSP/1, NAK."""

    UNKNOWN_TYPE = 1
    BAD_VALUE = 2
    BUSY = 3


class StateBit(IntFlag):
    """DSP/1, HEARTBEAT, field `state`: the levels of a node with one channel."""

    OCCUPIED = 1
    DOCKED = 2
    LED_TTL_ACTIVE = 4
    PIR_RAW = 16
    DOCK_RAW = 32


@dataclass(frozen=True, slots=True)
class Hello:
    """Who the device is. The layout is the same in every version of the protocol."""

    proto_min: int
    proto_max: int
    uid: bytes
    boot_id: int
    uptime_ms: int
    fw_version: int
    hw_model: int
    max_frame: int
    queue_len: int
    reset_reason: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `uptime_ms`; kept and repeated by the device until it is acknowledged.

    `oldest_seq` is the oldest event that the device still keeps, this one included.
    """

    boot_id: int
    ev_seq: int
    uptime_ms: int
    kind: int
    channel: int
    value: int
    oldest_seq: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How the device is. `dropped` is what a full queue cost since boot, `last_ev_seq` the newest event."""

    boot_id: int
    uptime_ms: int
    state: int
    queued: int
    dropped: int
    rx_ok: int
    rx_err: int
    last_ev_seq: int


@dataclass(frozen=True, slots=True)
class Ack:
    """The device did what frame `seq` of type `type_code` asked."""

    seq: int
    type_code: int


@dataclass(frozen=True, slots=True)
class Nak:
    """The device will not do what frame `seq` asked; `reason` is a `NakReason`."""

    seq: int
    type_code: int
    reason: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a ping, with the device's uptime at the answer."""

    token: int
    boot_id: int
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class State:
    """Levels of all channels of a node: bit n of `docked` and `occupied` is channel n."""

    boot_id: int
    uptime_ms: int
    last_ev_seq: int
    channels: int
    docked: int
    occupied: int


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """Asks for HELLO, HEARTBEAT and, from a node with several channels, STATE."""


@dataclass(frozen=True, slots=True)
class EventAck:
    """Everything up to `up_to_ev_seq` is durable here; the device may forget it."""

    boot_id: int
    up_to_ev_seq: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the device's uptime."""

    token: int


@dataclass(frozen=True, slots=True)
class SetLed:
    """Colour of the only light of a node; `ttl_s` 0 keeps it until changed."""

    red: int
    green: int
    blue: int
    ttl_s: int


@dataclass(frozen=True, slots=True)
class SetConfig:
    """Key 1: PIR hold, s (0-3600). Key 2: dock debounce, ms (0-10000). Key 3: heartbeat, s (1-300)."""

    key: int
    value: int


@dataclass(frozen=True, slots=True)
class SetLight:
    """Meaning of the light at one channel (see `LIGHT_CODES`); `ttl_s` 0 keeps it until changed."""

    channel: int
    code: int
    ttl_s: int


FromDevice = Hello | Event | Heartbeat | Ack | Nak | Pong | State
ToDevice = HelloRequest | EventAck | Ping | SetLed | SetConfig | SetLight
AnyMessage = FromDevice | ToDevice

#: DSP/1, SET_LIGHT, field `code`, by the word that commands use.
LIGHT_CODES: Final = {"off": 0, "free": 1, "in_use": 2, "note": 3, "reclaimable": 4, "unknown": 5}

#: DSP/1, message table: type byte -> message and payload layout.
LAYOUTS: Final[dict[int, tuple[type[Any], struct.Struct]]] = {
    0x01: (Hello, struct.Struct("<BB8sIQHHHBB")),
    0x02: (Event, struct.Struct("<IIQBBhI")),
    0x03: (Heartbeat, struct.Struct("<IQBBHIHI")),
    0x04: (Ack, struct.Struct("<HB")),
    0x05: (Nak, struct.Struct("<HBB")),
    0x06: (Pong, struct.Struct("<IIQ")),
    0x07: (State, struct.Struct("<IQIBHH")),
    0x81: (HelloRequest, struct.Struct("<")),
    0x82: (EventAck, struct.Struct("<II")),
    0x83: (Ping, struct.Struct("<I")),
    0x84: (SetLed, struct.Struct("<BBBH")),
    0x85: (SetConfig, struct.Struct("<BI")),
    0x86: (SetLight, struct.Struct("<BBH")),
}

#: Exact payload length of each known type, for `FrameReader`.
PAYLOAD_BYTES: Final = {code: layout.size for code, (_, layout) in LAYOUTS.items()}

TYPE_CODES: Final[dict[type[Any], int]] = {kind: code for code, (kind, _) in LAYOUTS.items()}


def encode_message(message: AnyMessage, seq: int) -> bytes:
    """Return the wire bytes of one message; `seq` is taken modulo 65536.

    Raises:
        struct.error: a field does not fit its width; the caller made an impossible message.
    """
    code = TYPE_CODES[type(message)]
    values = [getattr(message, field.name) for field in fields(message)]
    return encode_frame(Frame(code, seq, LAYOUTS[code][1].pack(*values)))


def decode_message(frame: Frame) -> AnyMessage | None:
    """Return the message in a frame, or None for a type that this version does not know."""
    known = LAYOUTS.get(frame.type_code)
    if known is None:
        return None
    kind, layout = known
    message: AnyMessage = kind(*layout.unpack(frame.payload))
    return message
