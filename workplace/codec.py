"""Message <-> JSON bytes. Unknown fields are tolerated, unknown versions and impossible values are not."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import msgspec

from workplace.errors import MessageRejected
from workplace.events import AnyMessage, SensorEvent
from workplace.message import SCHEMA_VERSION, Message

#: Larger messages are refused unread: our largest (gateway health of 100 devices) is under 20 kB.
MAX_MESSAGE_BYTES = 65_536

#: A sensor cannot know the future; past this its clock is wrong (`formats` research, section 9).
MAX_FUTURE = timedelta(minutes=5)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyMessage)


class _Version(msgspec.Struct):
    v: int


_version_decoder = msgspec.json.Decoder(_Version)

M = TypeVar("M", bound=Message)

#: Kinds whose value is true or false, and only they.
BOOLEAN_KINDS = frozenset({"motion", "occupancy", "presence", "link", "availability"})
#: kind -> lowest and highest possible number.
_NUMBER_RANGES = {"count": (0, 10_000), "battery": (0, 100)}


def encode(message: Message) -> bytes:
    """Return one message as JSON bytes, fields in declaration order, so equal messages are equal bytes."""
    return _encoder.encode(message)


def decode(payload: bytes, wanted: type[M]) -> M:
    """Return the message in `payload`.

    Raises:
        MessageRejected: with reason `oversize`, `not_json`, `schema_version`, `schema`, `wrong_type` or
            `impossible_value`; quarantine it and go on.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageRejected("oversize", f"{len(payload)} bytes, at most {MAX_MESSAGE_BYTES}")
    try:
        message = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise MessageRejected(*_why_invalid(payload, str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageRejected("not_json", str(error)) from error
    if message.v != SCHEMA_VERSION:
        raise MessageRejected("schema_version", f"version {message.v}, this program reads {SCHEMA_VERSION}")
    if not isinstance(message, wanted):
        raise MessageRejected("wrong_type", f"{type(message).__name__}, expected {wanted.__name__}")
    if isinstance(message, SensorEvent):
        _check_plausible(message)
    return message


def _why_invalid(payload: bytes, detail: str) -> tuple[str, str]:
    try:
        version = _version_decoder.decode(payload).v
    except msgspec.MsgspecError:
        return "schema", detail
    if version != SCHEMA_VERSION:
        return "schema_version", f"version {version}, this program reads {SCHEMA_VERSION}"
    return "schema", detail


def _check_plausible(event: SensorEvent) -> None:
    for name in ("measured_at", "received_at"):
        if getattr(event, name).tzinfo is None:
            raise MessageRejected("impossible_value", f"{name} has no time zone")
    if event.measured_at > event.received_at + MAX_FUTURE:
        raise MessageRejected("impossible_value", f"measured_at {event.measured_at} is after it was received")
    if event.kind in BOOLEAN_KINDS and not isinstance(event.value, bool):
        raise MessageRejected("impossible_value", f"{event.kind} is true or false, not {event.value!r}")
    limits = _NUMBER_RANGES.get(event.kind)
    if limits is not None:
        value = event.value
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not limits[0] <= value <= limits[1]
        ):
            raise MessageRejected("impossible_value", f"{event.kind} is a number in {limits}, not {value!r}")
