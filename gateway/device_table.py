"""What this gateway knows of each device behind it: there or not, its rhythm, how full its battery. Pure.

Two clocks: `heard_s` is real monotonic seconds, for ages that people read; `beat` times are site seconds on the boot
clock, since the heartbeats of sensors belong to the site.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.beats import Rhythm, expected_beat_s, silent_after_s
from workplace.battery import Level, days_left, with_level
from workplace.events import DeviceHealth


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What is kept of a device over restarts of the gateway.

    Attributes:
        family: a key of `workplace.device_ids.PREFIXES`, or the prefix of a wired device.
        source: name of the source that heard it last.
        silences_s: its latest silences, from which its beat is learned, s.
        levels: battery levels with their times, oldest first.
    """

    device: str
    family: str
    source: str
    first_seen: datetime
    last_seen: datetime
    silences_s: tuple[float, ...] = ()
    firmware: str | None = None
    model: str | None = None
    battery_pct: float | None = None
    battery_at: datetime | None = None
    levels: tuple[Level, ...] = ()


@dataclass(slots=True)
class _Device:
    source: str
    is_available: bool | None = None
    reason: str | None = None
    heard_s: float | None = None
    rhythm: Rhythm = field(default_factory=Rhythm)
    quiet_since_s: float | None = None
    """Site seconds of the last sign of life, or of the moment from which it could have given one."""
    is_told: bool = False
    """Its own source says when it is silent: a wired session, an availability topic."""
    known: KnownDevice | None = None
    is_dirty: bool = False


class DeviceTable:
    """Methods that change availability return whether that is news.

    Args:
        beats_s: device -> its beat as configured, s; goes before the learned one.
        most: devices remembered; a radio hears more than anybody owns, the longest unheard go first.
    """

    def __init__(self, beats_s: Mapping[str, float] | None = None, *, most: int = 2_000) -> None:
        self._beats_s = dict(beats_s or {})
        self._most = most
        self._devices: dict[str, _Device] = {}
        self._forgotten: list[str] = []

    def expect(self, beats_s: Mapping[str, float]) -> None:
        """Take other beats as configured."""
        self._beats_s = dict(beats_s)

    def restore(self, known: Iterable[KnownDevice], beat_s: float) -> None:
        """Take back what an earlier run knew; whether the devices are there now is not known yet."""
        for device in known:
            entry = _Device(device.source, known=device, quiet_since_s=beat_s)
            entry.rhythm = Rhythm(device.silences_s)
            self._devices.setdefault(device.device, entry)

    def found(self, device: str, source: str, heard_s: float | None, beat_s: float = 0.0) -> bool:
        """The device is there; it was heard now, unless `heard_s` is None. True when that is news."""
        entry = self._entry(device, source)
        entry.heard_s = entry.heard_s if heard_s is None else heard_s
        if heard_s is None and entry.is_available is not True:
            entry.rhythm = entry.rhythm.interrupted()
        if heard_s is not None:
            entry.rhythm = entry.rhythm.heard(beat_s)
        if heard_s is not None or entry.is_available is not True:
            entry.quiet_since_s = beat_s
        return self._set(entry, is_available=True, reason=None)

    def lost(self, device: str, source: str, reason: str) -> bool:
        """The device, or the way to it, is gone; True when that is news."""
        return self._set(self._entry(device, source), is_available=False, reason=reason)

    def tells_itself(self, device: str, source: str) -> None:
        """The source of this device says when it is silent; nobody else must."""
        self._entry(device, source).is_told = True

    # --- the registry ---

    def seen(self, device: str, family: str, at: datetime) -> None:
        """Note when a device was heard, for the registry; `found` must have been called before."""
        entry = self._devices.get(device)
        if entry is None:
            return
        known = entry.known or KnownDevice(device, family, entry.source, at, at)
        entry.known = replace(known, source=entry.source, last_seen=at, silences_s=entry.rhythm.silences_s)
        entry.is_dirty = True

    def last_seen(self, device: str) -> datetime | None:
        """Return when a device was heard last, None when it never was."""
        entry = self._devices.get(device)
        return None if entry is None or entry.known is None else entry.known.last_seen

    def described(self, device: str, *, firmware: str | None = None, model: str | None = None) -> None:
        """Note what a device says it is."""
        entry = self._devices.get(device)
        if entry is not None and entry.known is not None:
            known = entry.known
            entry.known = replace(known, firmware=firmware or known.firmware, model=model or known.model)
            entry.is_dirty = True

    def set_battery(self, device: str, battery_pct: float, at: datetime) -> None:
        entry = self._devices.get(device)
        if entry is not None and entry.known is not None:
            levels = with_level(entry.known.levels, at, battery_pct)
            entry.known = replace(entry.known, battery_pct=battery_pct, battery_at=at, levels=levels)
            entry.is_dirty = True

    def take_changes(self) -> tuple[list[KnownDevice], list[str]]:
        """Return what changed since the last call, and which devices were forgotten."""
        changed = [entry.known for entry in self._devices.values() if entry.is_dirty and entry.known]
        for entry in self._devices.values():
            entry.is_dirty = False
        forgotten, self._forgotten = self._forgotten, []
        return changed, forgotten

    def give_back(self, changed: Iterable[KnownDevice], forgotten: Iterable[str]) -> None:
        """Take back changes that could not be written."""
        for known in changed:
            if known.device in self._devices:
                self._devices[known.device].is_dirty = True
        self._forgotten += forgotten

    # --- silence ---

    def beat_s(self, device: str) -> float | None:
        """Return the longest normal silence of a device, s; None while it is not known."""
        configured = self._beats_s.get(device)
        if configured is not None or device not in self._devices:
            return configured
        return expected_beat_s(self._devices[device].rhythm.silences_s)

    def silent(
        self, beat_s: float, *, slack_s: float = 0.0, deaf_sources: Collection[str] = ()
    ) -> list[tuple[str, str]]:
        """Return (device, source) of those that missed their beats by now and were not called lost.

        Args:
            beat_s: now, site seconds on the boot clock.
            slack_s: site seconds that a message may be under way to us.
            deaf_sources: sources that cannot hear now; the silence of their devices counts from later.
        """
        found: list[tuple[str, str]] = []
        for name, entry in self._devices.items():
            if entry.is_told or entry.is_available is False:
                continue
            if entry.source in deaf_sources or entry.quiet_since_s is None:
                entry.quiet_since_s = beat_s
                entry.rhythm = entry.rhythm.interrupted()
                continue
            beat = self.beat_s(name)
            if beat is not None and beat_s - entry.quiet_since_s > silent_after_s(beat) + slack_s:
                found.append((name, entry.source))
        return found

    def excuse_all(self, beat_s: float) -> None:
        """Nobody could be heard until now: the gateway slept, or its disk was full."""
        for entry in self._devices.values():
            entry.quiet_since_s = beat_s
            entry.rhythm = entry.rhythm.interrupted()

    # --- looking ---

    def behind(self, source: str, *, lost_for: str | None = None) -> list[str]:
        """Return the devices of a source; with `lost_for`, those that are unavailable for that reason."""
        return [
            name
            for name, entry in self._devices.items()
            if entry.source == source and (lost_for is None or entry.reason == lost_for)
        ]

    def available_behind(self, source: str) -> list[str]:
        """Return those not called lost; one that was not heard since our start is lost with its source, too."""
        return [name for name in self.behind(source) if self._devices[name].is_available is not False]

    def health(self, now_s: float, now: datetime) -> Iterable[DeviceHealth]:
        for name, entry in sorted(self._devices.items()):
            if entry.is_available is None and entry.known is None:
                continue
            known = entry.known
            yield DeviceHealth(
                device=name,
                available=entry.is_available is True,
                reason=entry.reason if entry.is_available is not None else "unknown",
                last_seen_age_s=_age_s(entry, now_s, now),
                battery_pct=None if known is None else known.battery_pct,
                battery_days_left=None if known is None else days_left(known.levels, now),
                beat_s=self.beat_s(name),
                firmware=None if known is None else known.firmware,
                model=None if known is None else known.model,
            )

    def _entry(self, device: str, source: str) -> _Device:
        entry = self._devices.get(device)
        if entry is None:
            self._make_room()
            entry = self._devices[device] = _Device(source)
        entry.source = source  # a node may be plugged into another port
        return entry

    def _make_room(self) -> None:
        while len(self._devices) >= self._most:
            oldest = min(self._devices, key=lambda name: self._devices[name].heard_s or float("-inf"))
            del self._devices[oldest]
            self._forgotten.append(oldest)

    @staticmethod
    def _set(entry: _Device, *, is_available: bool, reason: str | None) -> bool:
        is_news = (entry.is_available, entry.reason) != (is_available, reason)
        entry.is_available, entry.reason = is_available, reason
        return is_news


def _age_s(entry: _Device, now_s: float, now: datetime) -> float | None:
    if entry.heard_s is not None:
        return round(now_s - entry.heard_s, 1)
    return None if entry.known is None else round(max(0.0, (now - entry.known.last_seen).total_seconds()), 1)
