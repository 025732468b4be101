"""Reading -> SensorEvent: an id that a redelivery repeats, and a time that says how sure it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import cast, get_args

from gateway.ids import stable_id
from gateway.uptime_clock import Stamp
from workplace.events import ClockSource, SensorEvent, SensorKind
from workplace.readings import Decoded, Reading, WireReading

KINDS = frozenset(get_args(SensorKind))
#: Quantities for reports, forwarded as `environment` with their name as channel. Everything else (distances,
#: targets, energies) stays here: nobody decides on it, and paths of people are nobody's business.
ENVIRONMENT = frozenset(
    {"temperature", "humidity", "illuminance", "co2", "pressure", "sound_level", "tvoc", "pm25", "pm10"}
)
_CLAIMS = frozenset({"motion", "occupancy", "presence", "link", "availability"})
_RANGES = {"count": (0, 10_000), "battery": (0, 100)}

#: Times that a network (a Zigbee bridge, a LoRaWAN server) puts on a message: its own clock plus radio delay.
NETWORK_UNCERTAINTY_MS = 1_000
#: A message whose only time is its arrival: stalls of up to 2 s were seen on a healthy site.
ARRIVAL_UNCERTAINTY_MS = 2_000
#: What a broker had kept, without a time of its own: nobody knows how old it is.
RETAINED_UNCERTAINTY_MS = 24 * 3_600_000
#: A live message that claims to be older than this repeats a cached time (Koenkk/zigbee2mqtt issue 19805).
CREDIBLE_AGE = timedelta(seconds=60)
#: Counters of small radios wrap after 256 messages; inside this, s, one number means one message.
SEQUENCE_BUCKET_S = 600


@dataclass(frozen=True, slots=True)
class Origin:
    """Who forwards."""

    site: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a reading is not forwarded.

    One of `kind_not_forwarded`, `no_value`, `impossible_value`, `cached_motion`.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class _Said:
    kind: SensorKind
    channel: str | None
    value: bool | int | float | str


def event_of_wire(
    wire: WireReading, stamp: Stamp, *, origin: Origin, measured_at: datetime, received_at: datetime
) -> SensorEvent | Refused:
    """Return the event of a wired reading.

    Args:
        stamp: the same moment on the boot clock; says whose clock it was and how wide it is.
        measured_at: that moment in site time, not after `received_at`.
    """
    said = _said(wire.reading)
    if isinstance(said, Refused):
        return said
    # A numbered event is unique by its number; a level report by the device's own time of it.
    key = ("event", wire.seq) if wire.seq is not None else ("level", wire.uptime_ms, said.value)
    return SensorEvent(
        id=stable_id(wire.device, wire.boot_id, said.kind, said.channel, *key),
        site=origin.site,
        gateway=origin.gateway,
        device=wire.device,
        kind=said.kind,
        value=said.value,
        channel=said.channel,
        measured_at=min(measured_at, received_at),
        clock="device" if stamp.from_device else "arrival",
        uncertainty_ms=round(stamp.uncertainty_ms),
        received_at=received_at,
        seq=wire.seq,
        historical=wire.reading.historical,
    )


def event_of_message(
    reading: Reading,
    decoded: Decoded,
    *,
    origin: Origin,
    device: str,
    payload: bytes,
    retained: bool,
    received_at: datetime,
    rssi_dbm: int | None = None,
) -> SensorEvent | Refused:
    """Return the event of one reading of a device's message.

    Args:
        device: topic-safe id of the device that the reading is about.
        payload: the message, for the id of what has neither number nor time.
    """
    said = _said(reading)
    if isinstance(said, Refused):
        return said
    measured_at, clock, uncertainty_ms = _when(reading, retained, received_at)
    return SensorEvent(
        id=stable_id(device, said.kind, said.channel, *_key(reading, decoded, payload, received_at)),
        site=origin.site,
        gateway=origin.gateway,
        device=device,
        kind=said.kind,
        value=said.value,
        channel=said.channel,
        measured_at=measured_at,
        clock=clock,
        uncertainty_ms=uncertainty_ms,
        received_at=received_at,
        seq=decoded.seq,
        retained=retained,
        historical=reading.historical,
        rssi_dbm=rssi_dbm,
    )


def _said(reading: Reading) -> _Said | Refused:
    value = reading.value
    if value is None:
        return Refused("no_value")
    if reading.kind not in KINDS and reading.kind not in ENVIRONMENT:
        return Refused("kind_not_forwarded")
    if not isinstance(value, bool | int | float | str) or not _is_possible(reading.kind, value):
        return Refused("impossible_value")
    if reading.kind == "motion" and reading.extra.get("cached") is True:
        return Refused("cached_motion")  # the bridge repeats its memory: nobody moved
    parts = [str(part) for part in (reading.channel, reading.zone) if part is not None]
    if reading.kind in ENVIRONMENT:
        return _Said("environment", "/".join([*parts, reading.kind])[:64], value)
    return _Said(cast("SensorKind", reading.kind), "/".join(parts)[:64] or None, value)


def _is_possible(kind: str, value: bool | int | float | str) -> bool:
    if kind in _CLAIMS:
        return isinstance(value, bool)
    if kind in ENVIRONMENT or kind in _RANGES:
        low, high = _RANGES.get(kind, (float("-inf"), float("inf")))
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    return True


def _when(reading: Reading, retained: bool, received_at: datetime) -> tuple[datetime, ClockSource, int]:
    told = reading.measured_at
    may_be_old = reading.historical or retained
    if told is not None and told <= received_at and (may_be_old or received_at - told <= CREDIBLE_AGE):
        return told, "network", NETWORK_UNCERTAINTY_MS
    return received_at, "arrival", RETAINED_UNCERTAINTY_MS if retained else ARRIVAL_UNCERTAINTY_MS


def _key(reading: Reading, decoded: Decoded, payload: bytes, received_at: datetime) -> tuple[object, ...]:
    content = blake2b(payload, digest_size=16).hexdigest()
    if reading.measured_at is not None:
        return ("time", reading.measured_at.timestamp(), reading.value)
    if decoded.seq is not None:
        return ("seq", decoded.seq, content, int(received_at.timestamp()) // SEQUENCE_BUCKET_S)
    return ("content", content, int(received_at.timestamp()))
