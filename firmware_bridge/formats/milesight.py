"""Milesight's sensors: channels of id, type and data, in any order, on any port (85 unless it was changed).

What each channel means is in the tables of `milesight_rooms`, `milesight_counters` and `milesight_air`. An answer
to an order may follow telemetry in one frame; one of unknown length ends the reading and costs nothing that came
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from firmware_bridge.formats import milesight_air as air
from firmware_bridge.formats import milesight_counters as counters
from firmware_bridge.formats import milesight_rooms as rooms
from firmware_bridge.formats.milesight_channels import ANSWERS, ATTRIBUTES, Channels
from firmware_bridge.formats.payload_parts import PayloadDecoder, moment, read_tagged, skip
from workplace.readings import Decoded, Reading

_CHANNEL_BYTES = 2
_ANSWERS: Final[Channels] = {
    bytes((identity, kind)): skip(size) for identity in (0xFE, 0xFF) for kind, size in ANSWERS.items()
}
#: What a camera that cannot see says about people is no finding.
_SEEN_KINDS: Final = frozenset({"count", "occupancy"})


def decoder_of(channels: Channels) -> PayloadDecoder:
    """Return the decoder of a model from its table."""
    known = {**_ANSWERS, **ATTRIBUTES, **channels}

    def decode(data: bytes, port: int | None) -> Decoded:
        del port  # it can be changed, and all models use the same one
        decoded = read_tagged(known, _CHANNEL_BYTES, data)
        return replace(decoded, readings=_at_their_time(decoded.readings))

    return decode


def _at_their_time(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """A frame may say when it was measured: that holds for all that is live in it."""
    told = next((item.value for item in readings if item.kind == "timestamp"), None)
    at = moment(told) if isinstance(told, int) else None
    if at is None:
        return readings
    return tuple(item if item.historical else replace(item, measured_at=at) for item in readings)


def _unless_blind(decode: PayloadDecoder) -> Callable[[bytes, int | None], Decoded]:
    """Leave out what is said about people in a frame that calls the detection unavailable."""

    def decode_seen(data: bytes, port: int | None) -> Decoded:
        decoded = decode(data, port)
        if not any(
            item.kind == "detection_status" and item.value == "unavailable" for item in decoded.readings
        ):
            return decoded
        seen = (item for item in decoded.readings if item.historical or item.kind not in _SEEN_KINDS)
        return replace(decoded, readings=tuple(seen))

    return decode_seen


#: Model -> decoder.
MODELS: Final[Mapping[str, PayloadDecoder]] = {
    "vs121": decoder_of(counters.VS121),
    "vs132": decoder_of(counters.VS132),
    "vs133": decoder_of(counters.VS133),
    "vs135": decoder_of(counters.VS133),
    "vs321": _unless_blind(decoder_of(rooms.VS321)),
    "vs330": decoder_of(rooms.VS330),
    "vs340": decoder_of(rooms.VS340),
    "vs341": decoder_of(rooms.VS340),
    "vs350": decoder_of(counters.VS350),
    "vs351": decoder_of(counters.VS350),
    "vs360": decoder_of(counters.VS360),
    "vs370": decoder_of(rooms.VS370),
    "vs373": decoder_of(rooms.VS373),
    "ws202": decoder_of(rooms.WS202),
    "ws203": decoder_of(rooms.WS203),
    "am103": decoder_of(air.AM103),
    "am104": decoder_of(air.AM104),
    "am107": decoder_of(air.AM107),
    "am307": decoder_of(air.AM307),
    "am308": decoder_of(air.AM308),
    "am319": decoder_of(air.AM319),
    "am319-hcho": decoder_of(air.AM319_HCHO),
    "am319-o3": decoder_of(air.AM319_O3),
}
