"""Payloads of LoRaWAN sensors, as their makers document them. Pure; written from documents, not from our decoders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MILESIGHT_PORT = 85  # Milesight-IoT/SensorDecoders, all models
TBMS100_PORT = 102  # TheThingsNetwork/lorawan-devices, vendor/browan/tbms100.js


@dataclass(frozen=True, slots=True)
class Model:
    """How one kind of sensor speaks.

    Attributes:
        profile: name of its device profile at the network server.
        beat_on, beat_off: it reports at least this often while it senses somebody, and while it does not.
        blind: deaf this long after a hit, for one that reports hits.
        idle_after: says that a hit is over this long after the last one; None for one that reports levels.
    """

    profile: str
    port: int
    beat_on: timedelta
    beat_off: timedelta
    blind: timedelta = timedelta()
    idle_after: timedelta | None = None


_HOUR = timedelta(hours=1)
#: Kit of the plan -> model. Reports every 60 min as shipped (vs340-encoder.js: 1-1440 min); TBMS100 every 10 min while
#: occupied (reference manual); blind and idle time of the WS202 are those of its kit.
MODELS: dict[str, Model] = {
    "lora_seat": Model("Milesight VS340", MILESIGHT_PORT, _HOUR, _HOUR),
    "lora_desk": Model("Browan TBMS100", TBMS100_PORT, timedelta(minutes=10), _HOUR),
    "lora_pir": Model(
        "Milesight WS202",
        MILESIGHT_PORT,
        _HOUR,
        _HOUR,
        blind=timedelta(seconds=60),
        idle_after=timedelta(seconds=60),
    ),
}


def milesight_seat(*, occupied: bool, battery_pct: int | None = None) -> bytes:
    """Return a frame of VS340 or VS341: channel 03 type 00, in a heartbeat after the battery (01 75)."""
    return _battery(battery_pct) + bytes((0x03, 0x00, int(occupied)))


def milesight_pir(*, triggered: bool, is_bright: bool, battery_pct: int | None = None) -> bytes:
    """Return a frame of WS202: channel 03 type 00 the PIR, channel 04 type 00 the light."""
    return _battery(battery_pct) + bytes((0x03, 0x00, int(triggered), 0x04, 0x00, int(is_bright)))


def milesight_join(serial: bytes) -> bytes:
    """Return what a Milesight sensor tells about itself when it joins: no telemetry.

    Raises:
        ValueError: the serial number has not 8 bytes.
    """
    if len(serial) != 8:
        raise ValueError(f"a serial number has 8 bytes, not {len(serial)}")
    return b"\xff\x0b\xff\xff\x01\x01\xff\x16" + serial + b"\xff\x09\x03\x10\xff\x0a\x01\x01\xff\x0f\x00"


def tbms100(*, occupied: bool, battery_v: float, board_c: int, since_event_min: int, events: int) -> bytes:
    """Return the 8 bytes of a TBMS100; time and count wrap as on the device, `battery_v` is 2.5-4.0."""
    volts = min(max(round(battery_v * 10) - 25, 0), 15)
    time_part = (since_event_min & 0xFFFF).to_bytes(2, "little")
    count_part = (events & 0xFFFFFF).to_bytes(3, "little")
    # The upper half of byte 1 is not documented; the vendor's example has 0xB there.
    return bytes((int(occupied), 0xB0 | volts, (board_c + 32) & 0x7F)) + time_part + count_part


def _battery(battery_pct: int | None) -> bytes:
    return b"" if battery_pct is None else bytes((0x01, 0x75, battery_pct))
