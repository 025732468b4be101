"""What a walk test keeps: where the installer stands and what each place answered. Crosses a file; names nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from workplace.events import SensorEvent
from workplace.message import Name

RECORD_VERSION: Final = 1

#: Why a place is left without its signal; `no_sensor` is set by itself.
SkipReason = Literal["no_signal", "other_place", "not_mounted", "no_power", "in_use", "no_entry", "no_sensor"]
Outcome = Literal["passed", "skipped"]


class Tick(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sensor gave its signal.

    `wait_s` is from naming the place until the signal was here, `latency_s` from the happening until here (None when
    the device's clock cannot tell), both in real seconds; signal strength and battery as last said by the device.
    """

    device: Name
    channel: str | None
    kind: str
    kit: str
    heard_at: datetime
    wait_s: float
    latency_s: float | None = None
    rssi_dbm: int | None = None
    battery_pct: float | None = None


class OtherAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor that was not asked gave the signal that was asked for; `place` is None when the plan has no such."""

    place: Name | None
    device: Name
    kind: str
    heard_at: datetime


class PlaceResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one place ended."""

    outcome: Outcome
    done_at: datetime
    reason: SkipReason | None = None
    ticks: tuple[Tick, ...] = ()
    others: tuple[OtherAnswer, ...] = ()


class SensorMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sensor said last during this walk: whether it is on, and when it last came on."""

    is_on: bool
    on_at: datetime | None = None


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signal strength and battery as a device last told them."""

    rssi_dbm: int | None = None
    battery_pct: float | None = None


class Walk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One walk over one floor.

    Attributes:
        started_at: None until somebody begins.
        at: the place that is asked or was just ticked; None before the start and after the end.
        asked_at: since when we wait there.
        late_s: age of a signal of this place that was too old to count, s.
        ticks, others: what was heard at `at` so far.
        wiring: place -> marks of its sensors when it was tested; a result counts only while they stay the same.
    """

    v: int = RECORD_VERSION
    site: Name
    floor: Name
    started_at: datetime | None = None
    at: Name | None = None
    asked_at: datetime | None = None
    late_s: float | None = None
    ticks: tuple[Tick, ...] = ()
    others: tuple[OtherAnswer, ...] = ()
    results: dict[str, PlaceResult] = {}
    wiring: dict[str, tuple[str, ...]] = {}
    sensors: dict[str, SensorMemory] = {}
    devices: dict[str, DeviceMemory] = {}


def mark(device: str, channel: str | None, kind: str) -> str:
    """Return the key of one sensor."""
    return f"{device}/{channel or ''}/{kind}"


def remember(walk: Walk, event: SensorEvent) -> Walk:
    """Return the walk that knows the newest battery, signal strength and state of the event's sensor."""
    old = walk.devices.get(event.device, DeviceMemory())
    battery_pct = event.battery_pct
    if event.kind == "battery" and not isinstance(event.value, bool | str):
        battery_pct = float(event.value)
    device = DeviceMemory(
        rssi_dbm=old.rssi_dbm if event.rssi_dbm is None else event.rssi_dbm,
        battery_pct=old.battery_pct if battery_pct is None else battery_pct,
    )
    devices = walk.devices if device == DeviceMemory() else walk.devices | {event.device: device}
    if not isinstance(event.value, bool):
        return msgspec.structs.replace(walk, devices=devices)
    key = mark(event.device, event.channel, event.kind)
    before = walk.sensors.get(key)
    on_at = event.measured_at if event.value else (before.on_at if before else None)
    sensors = walk.sensors | {key: SensorMemory(is_on=event.value, on_at=on_at)}
    return msgspec.structs.replace(walk, devices=devices, sensors=sensors)


def forget(walk: Walk, before: datetime) -> Walk:
    """Return the walk without what it knows of the use of places before a moment; what was tested stays.

    A walk hears the sensors of a whole floor, also under people who sit there.
    """
    results = {
        place: msgspec.structs.replace(result, others=tuple(o for o in result.others if o.heard_at >= before))
        for place, result in walk.results.items()
    }
    sensors = walk.sensors
    if walk.started_at is not None and walk.started_at < before:
        sensors = {key: one for key, one in sensors.items() if one.on_at is not None and one.on_at >= before}
    others = tuple(other for other in walk.others if other.heard_at >= before)
    return msgspec.structs.replace(walk, results=results, sensors=sensors, others=others)


def encode(walk: Walk) -> bytes:
    return msgspec.json.encode(walk)


def decode(payload: bytes) -> Walk | None:
    """Return the walk of a file, None when it is not one of ours: then a walk starts afresh."""
    try:
        walk = msgspec.json.decode(payload, type=Walk)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    moments = (walk.started_at, walk.asked_at)
    if walk.v != RECORD_VERSION or any(at is not None and at.tzinfo is None for at in moments):
        return None
    return walk
