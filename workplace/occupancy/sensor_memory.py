"""What is remembered of one sensor: its newest word, can it be trusted, since when does it listen. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from workplace.floor_plan import Sensor
from workplace.occupancy.interface import DeviceHeard, GatewayHeard, Sensed

#: R26: silent for more than this many beats is lost.
BEATS = 3

#: A gap in hearing up to this long does not restart the count of silence. Lower: every hiccup of a broker
#: blanks the screens for a vacancy time; higher: somebody who sat down in the gap may be missed.
SHORT_GAP = timedelta(minutes=2)

#: A hit without an end counts this long. Lower: a wired PIR that stays high while somebody moves is cut
#: short; higher: a lost end of hit holds a place.
LONGEST_HIT = timedelta(minutes=5)

#: A seat or radar that never lets go is believed this long: it may be a bag.
LONGEST_LEVEL = timedelta(hours=4)

#: The same for a sensor whose bridge ends the hit by a timer: as long as hits go on, the end stays away. Lower: who
#: moves without a pause is lost; higher: a lost end holds a place (a bridge that hangs: zigbee2mqtt issue 31712).
LONGEST_TIMED_HIT = timedelta(minutes=30)

#: Kinds of sensors that say what holds when it changes, and otherwise little.
LEVELS = ("occupancy", "presence", "count")

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class SensorMemory(msgspec.Struct, frozen=True, array_like=True):
    """Memory of one sensor.

    Attributes:
        newest_at, newest_seq: measuring time and number of the newest reading; older ones change nothing.
        is_on: link up, hit not ended, level present.
        on_at: start of the newest stretch (for a link: flaps joined); off_at: its end, None while on.
        heard_at: newest sign of life; live: it once said something itself.
        available, gateway_online: None while nobody said; device_at: when that was last said of the device.
        listening_since: since when its silence is evidence; lost_at: when it was lost.
    """

    newest_at: datetime | None = None
    newest_seq: int = -1
    is_on: bool = False
    on_at: datetime | None = None
    off_at: datetime | None = None
    heard_at: datetime | None = None
    live: bool = False
    available: bool | None = None
    device_at: datetime | None = None
    gateway_online: bool | None = None
    listening_since: datetime | None = None
    lost_at: datetime | None = None
    expires_s: float | None = None


def fault_of(sensor: Sensor, memory: SensorMemory, now: datetime) -> str | None:
    """Return why the sensor cannot be trusted now, None when it can."""
    if memory.gateway_online is False:
        return "gateway_down"
    if memory.available is False:
        return "device_down"
    if not memory.live and not (memory.gateway_online and memory.available):
        return "not_heard"
    if sensor.kind in LEVELS and not _has_said(memory, now):
        return "not_heard"
    stale = stale_at(sensor, memory)
    return "silent" if stale is not None and now >= stale else None


def _has_said(memory: SensorMemory, now: datetime) -> bool:
    """Return whether a level that speaks only when it changes has said what holds, since it was last lost.

    The silence of a PIR that is back is evidence; that of a seat is not: somebody may have sat down unheard.
    """
    if memory.newest_at is None:
        return False
    return memory.lost_at is None or memory.newest_at > memory.lost_at or now - memory.lost_at <= SHORT_GAP


def stale_at(sensor: Sensor, memory: SensorMemory) -> datetime | None:
    """Return when the sensor has missed its beats, None for one whose gateway reports a loss."""
    if sensor.beat_s is None or memory.heard_at is None:
        return None
    return memory.heard_at + timedelta(seconds=BEATS * sensor.beat_s)


def sign_of(sensor: Sensor, memory: SensorMemory, now: datetime) -> datetime | None:
    """Return the newest sign of a person this presence sensor gave until `now`."""
    if memory.on_at is None:
        return None
    if sensor.kind == "motion":
        longest = LONGEST_TIMED_HIT if sensor.end_timer_s else LONGEST_HIT
    else:
        longest = LONGEST_LEVEL if memory.expires_s is None else timedelta(seconds=memory.expires_s)
    if sensor.end_timer_s:
        return _sign_of_timed(memory, memory.on_at, timedelta(seconds=sensor.end_timer_s), longest, now)
    return max(memory.on_at, min(memory.off_at or now, memory.on_at + longest))


def _sign_of_timed(
    memory: SensorMemory, on_at: datetime, timer: timedelta, longest: timedelta, now: datetime
) -> datetime:
    """Return the last hit of a sensor whose end comes from a timer that every hit starts again.

    Such a bridge repeats `true` with each report, moved or not, so repeats say nothing; but as long as the end stays
    away, hits go on, and when it comes the last one was one timer ago.
    """
    if memory.off_at is not None:
        return max(on_at, memory.off_at - timer)
    return max(on_at, min(now, on_at + longest))


def after_reading(
    sensor: Sensor,
    memory: SensorMemory,
    sensed: Sensed,
    now: datetime,
    link_up: timedelta,
    link_down: timedelta,
) -> SensorMemory:
    """Return the memory after a live reading; what is not newer than the newest changes nothing."""
    is_on = sensed.value if isinstance(sensed.value, bool) else _is_positive(sensed.value)
    newest = _key(memory.newest_at, memory.newest_seq, memory.is_on)
    if _key(sensed.at, sensed.seq, is_on) <= newest:
        return memory
    # A clock that runs ahead may not claim a sign in the future.
    at = min(sensed.at, now)
    if sensor.kind == "link":
        on_at, off_at = _link(memory, is_on, at, link_up, link_down)
    else:
        # A level that is said again goes on; only a new one, or one that expires, begins anew.
        goes_on = sensor.kind != "motion" and memory.is_on and sensed.expires_s is None
        on_at, off_at = _hit(memory, is_on, at, goes_on=goes_on)
    # A reading from before the loss, come late, is evidence but no proof that the device lives.
    lives = memory.available is not False or memory.device_at is None or sensed.at > memory.device_at
    changed = msgspec.structs.replace(
        memory,
        newest_at=sensed.at,
        newest_seq=-1 if sensed.seq is None else sensed.seq,
        is_on=is_on,
        on_at=on_at,
        off_at=off_at,
        expires_s=sensed.expires_s,
        live=True,
        heard_at=_latest(memory.heard_at, at),
        available=True if lives else memory.available,
    )
    return _judged(sensor, memory, changed, now)


def after_device(sensor: Sensor, memory: SensorMemory, heard: DeviceHeard, now: datetime) -> SensorMemory:
    """Return the memory after somebody said that the device is there or lost; the newest statement counts."""
    if heard.available and heard.is_repeat and memory.available is not None:
        return memory
    known = memory.device_at
    if known is not None and (heard.at < known or (heard.at == known and heard.available)):
        return memory
    changed = msgspec.structs.replace(memory, available=heard.available, device_at=heard.at)
    if heard.available:
        heard_at = _latest(memory.heard_at, min(heard.at, now))
        changed = msgspec.structs.replace(changed, heard_at=heard_at)
    return _judged(sensor, memory, changed, now)


def after_gateway(sensor: Sensor, memory: SensorMemory, heard: GatewayHeard, now: datetime) -> SensorMemory:
    """Return the memory after the gateway came or went."""
    if heard.online == memory.gateway_online:
        return memory
    return _judged(sensor, memory, msgspec.structs.replace(memory, gateway_online=heard.online), now)


def after_interruption(memory: SensorMemory, now: datetime) -> SensorMemory:
    """Return the memory after nobody listened until `now`."""
    if memory.listening_since is None:
        return memory
    heard_at = None if memory.heard_at is None else now
    return msgspec.structs.replace(memory, listening_since=now, heard_at=heard_at)


def _judged(sensor: Sensor, before: SensorMemory, after: SensorMemory, now: datetime) -> SensorMemory:
    """Keep `listening_since` and `lost_at` in step with whether the sensor can be trusted."""
    fault, is_well = fault_of(sensor, before, now), fault_of(sensor, after, now) is None
    if fault is None and not is_well:
        return msgspec.structs.replace(after, lost_at=now)
    if fault is not None and is_well:
        is_hiccup = fault != "silent" and after.lost_at is not None and now - after.lost_at <= SHORT_GAP
        kept = after.listening_since if is_hiccup else None
        return msgspec.structs.replace(after, listening_since=kept or now, lost_at=None)
    return after


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other > one else one


def _key(at: datetime | None, seq: int | None, is_on: bool) -> tuple[datetime, int, bool]:
    """Order of readings of one sensor; of two that cannot be told apart the one with somebody there wins."""
    return at or _NEVER, -1 if seq is None else seq, is_on


def _is_positive(value: int | float | str) -> bool:
    return not isinstance(value, str) and value > 0


def _link(
    memory: SensorMemory, is_on: bool, at: datetime, link_up: timedelta, link_down: timedelta
) -> tuple[datetime | None, datetime | None]:
    """Return start and end of the link's stretch: a short drop of a confirmed link belongs to it (R1)."""
    if not is_on:
        return memory.on_at, at if memory.is_on or memory.off_at is None else memory.off_at
    if memory.is_on:
        return memory.on_at, None
    is_flap = (
        memory.on_at is not None
        and memory.off_at is not None
        and memory.off_at - memory.on_at >= link_up
        and at - memory.off_at < link_down
    )
    return (memory.on_at if is_flap else at), None


def _hit(
    memory: SensorMemory, is_on: bool, at: datetime, *, goes_on: bool
) -> tuple[datetime | None, datetime | None]:
    """Return start and end of the newest hit; `false` only ends a hit, it proves no absence."""
    if is_on:
        return memory.on_at if goes_on else at, None
    return memory.on_at, at if memory.is_on else memory.off_at
