"""Which events are news. Pure: time comes with the events.

Devices resend, brokers redeliver, heartbeats repeat what is known. Nothing that could change a decision is
held back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from workplace.events import SensorEvent

#: Ids remembered; lower lets an old redelivery through (ingest removes it then), higher costs 100 bytes each.
WINDOW = 20_000
#: Two hits of one PIR inside this are one: some modules re-publish every few 100 ms while somebody moves.
MOTION_BURST = timedelta(seconds=1)
#: A quantity for reports is forwarded this often at most; radars flood with several messages per second.
ENVIRONMENT_PAUSE = timedelta(seconds=60)
#: A battery is news when it moved this much, %, or after this long.
BATTERY_STEP_PCT = 1.0
BATTERY_PAUSE = timedelta(days=1)
#: What a radio device repeats unchanged is forwarded this often at most, as a sign of life: a seat that says "free"
#: once an hour must not be taken for silent. Lower: radars flood the site; higher than the shortest beat of a kit
#: (Tasmota, 300 s) makes devices look silent that live.
UNCHANGED_PAUSE = timedelta(minutes=4)

LEVELS = frozenset({"link", "occupancy", "presence", "availability"})

Stream = tuple[str, str | None, str]


@dataclass(slots=True)
class DuplicateFilter:
    """Remembers what was forwarded, per (device, channel, kind)."""

    window: int = WINDOW
    _ids: dict[str, None] = field(default_factory=dict)
    _last: dict[Stream, SensorEvent] = field(default_factory=dict)
    _due: set[Stream] = field(default_factory=set)

    def why_not(
        self, event: SensorEvent, *, is_state_report: bool = False, is_edge: bool = False
    ) -> str | None:
        """Return None and remember the event when it is to be forwarded, else the reason not to.

        One of `repeated_id`, `unchanged_level`, `motion_burst`, `report_too_soon`.

        Args:
            is_state_report: the device says what holds, not what happened: a PIR still on is no new hit.
            is_edge: the device numbers its changes, and ids tell repeats apart. One that repeats the last value
                is news: on a wire with bit errors the change between the two may still be on its way.
        """
        if event.id in self._ids:
            return "repeated_id"
        reason = (
            None
            if event.historical or (is_edge and event.kind in LEVELS)
            else self._why_old(event, is_state_report)
        )
        if reason is None:
            self.remember(event)
        return reason

    def known_levels(self) -> list[SensorEvent]:
        """Return the last forwarded level of every input; sent again it has its old id and time."""
        return [event for event in self._last.values() if event.kind in LEVELS]

    def expect_again(self, device: str | None = None) -> None:
        """Let the next report of each level through although it is unchanged; of one device, or of all."""
        for stream, event in self._last.items():
            if event.kind in LEVELS and device in (None, event.device):
                self._due.add(stream)

    def clock_stepped(self, by: timedelta, now: datetime) -> None:
        """Move the times of all that is known with the wall clock, never past `now`: a level keeps its moment.

        What was heard while the clock was ahead would else stay newer than everything that is heard after.
        """
        for stream, event in self._last.items():
            received_at = min(event.received_at + by, now)
            # what a bridge or a network put on it came from a clock of its own
            measured_at = event.measured_at if event.clock == "network" else event.measured_at + by
            self._last[stream] = msgspec.structs.replace(
                event, received_at=received_at, measured_at=min(measured_at, received_at)
            )

    def _why_old(self, event: SensorEvent, is_state_report: bool) -> str | None:
        last = self._last.get(_stream(event))
        if last is None:
            return None
        if event.kind == "motion" and is_state_report and event.value == last.value:
            return "unchanged_level"
        if event.kind in LEVELS:
            return self._why_old_level(event, last, is_state_report)
        if event.kind == "motion" and event.value is False and last.value is False:
            return "unchanged_level" if _is_soon(event, last) else None
        age = event.measured_at - last.measured_at
        if event.kind == "motion" and event.value is True and last.value is True:
            return "motion_burst" if timedelta(0) <= age < MOTION_BURST else None
        pause = event.received_at - last.received_at
        if event.kind == "environment" and timedelta(0) <= pause < ENVIRONMENT_PAUSE:
            return "report_too_soon"
        if event.kind == "battery" and timedelta(0) <= pause < BATTERY_PAUSE:
            return (
                None if abs(float(event.value) - float(last.value)) >= BATTERY_STEP_PCT else "report_too_soon"
            )
        return None

    def _why_old_level(self, event: SensorEvent, last: SensorEvent, is_state_report: bool) -> str | None:
        if event.value != last.value or _stream(event) in self._due:
            return None
        # A wired node beats every few seconds, and its gateway itself says when it does not.
        if not (is_state_report or event.retained or event.kind == "availability" or _is_soon(event, last)):
            return None
        # The first live report after a kept one is news: only now the value is known to hold.
        return None if last.retained and not event.retained else "unchanged_level"

    def remember(self, event: SensorEvent) -> None:
        """Note an event that is forwarded."""
        self._ids[event.id] = None
        if len(self._ids) > self.window:
            del self._ids[next(iter(self._ids))]
        if event.historical:
            return
        stream = _stream(event)
        last = self._last.get(stream)
        if event.retained and last is not None and not last.retained:
            return  # what the broker had kept may be older than what the device itself said
        if last is not None and event.clock == "device" and event.measured_at < last.measured_at:
            return  # a change that came late does not undo the one after it
        self._due.discard(stream)
        self._last[stream] = event


def _is_soon(event: SensorEvent, last: SensorEvent) -> bool:
    return timedelta(0) <= event.received_at - last.received_at < UNCHANGED_PAUSE


def _stream(event: SensorEvent) -> Stream:
    return event.device, event.channel, event.kind
