"""Hi-Link radars on a UART: LD2410 (one zone, moving and still energy) and LD2450 (three moving targets).

Neither protocol has a checksum, so every fixed byte is checked. Sources: the protocol manuals of HLK-LD2410C
and HLK-LD2450.
"""

from __future__ import annotations

import struct
from typing import Final

from workplace.readings import Decoded, Reading

_HEAD_2410, _TAIL_2410 = bytes.fromhex("f4f3f2f1"), bytes.fromhex("f8f7f6f5")
_HEAD_2450, _TAIL_2450 = bytes.fromhex("aaff0300"), bytes.fromhex("55cc")
#: Engineering and basic reports.
_TYPES: Final = (0x01, 0x02)
#: state, moving cm, moving energy, still cm, still energy, detection cm
_TARGET = struct.Struct("<BHBHBH")
#: Values of `state`.
_STATES: Final = ("none", "moving", "stationary", "both")
_BAD = Decoded(fault="bad_frame")


def decode_ld2410(frame: bytes) -> Decoded:
    """Return what one report says, from head to tail."""
    if len(frame) < 12 + _TARGET.size or frame[:4] != _HEAD_2410 or frame[-4:] != _TAIL_2410:
        return _BAD
    body = frame[6:-4]
    if int.from_bytes(frame[4:6], "little") != len(body) or body[0] not in _TYPES:
        return _BAD
    if body[1] != 0xAA or body[-2:] != b"\x55\x00":
        return _BAD
    state, moving_cm, moving_energy, still_cm, still_energy, detection_cm = _TARGET.unpack_from(body, 2)
    if state >= len(_STATES):
        return Decoded(fault="unknown_value")
    return Decoded(
        (
            Reading("occupancy", value=state != 0, extra={"state": _STATES[state]}),
            Reading("distance", moving_cm, "cm", channel="moving"),
            Reading("energy", moving_energy, channel="moving"),
            Reading("distance", still_cm, "cm", channel="static"),
            Reading("energy", still_energy, channel="static"),
            Reading("distance", detection_cm, "cm", channel="detection"),
        )
    )


def decode_ld2450(frame: bytes) -> Decoded:
    """Return what one report of three slots says. A slot of zeros is empty; a target is not yet a person."""
    if len(frame) != 30 or frame[:4] != _HEAD_2450 or frame[-2:] != _TAIL_2450:
        return _BAD
    slots = [frame[at : at + 8] for at in range(4, 28, 8)]
    targets = [
        Reading("target", _target(slot), channel=number) for number, slot in enumerate(slots, 1) if any(slot)
    ]
    return Decoded((Reading("occupancy", value=bool(targets)), Reading("count", len(targets)), *targets))


def _target(slot: bytes) -> dict[str, int]:
    x, y, speed, resolution = struct.unpack("<HHHH", slot)
    return {
        "x_mm": _signed(x),
        "y_mm": _signed(y),
        "speed_cm_s": _signed(speed),
        "resolution_mm": resolution,
    }


def _signed(raw: int) -> int:
    """The top bit set means positive here, unlike everywhere else."""
    return raw & 0x7FFF if raw & 0x8000 else -raw
