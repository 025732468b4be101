"""Stored facts -> line protocol, milliseconds. The escaped beginning of each series is made once and kept.

A point's identity at the server is measurement, tags and millisecond, so two facts of one series must never
share a millisecond; and a line is made once, when its row enters the outbox, so that sending it twice changes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ingest.stores.schema import (
    MEASUREMENTS,
    OCCUPANCY_CODES,
    PHASE_CODES,
    DeskHour,
    FieldType,
    TransitionRow,
    to_ms,
)
from workplace.events import Decision, SensorEvent
from workplace.ports import ZoneBin

#: measurement's retention, and the line without its end.
Line = tuple[str, bytes]
FieldValue = bool | int | float | str | None

_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\ "})
_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ "})

#: How many used milliseconds per series are remembered to keep late events apart. Lower: two events of one
#: millisecond that arrive far apart could merge. Higher: memory, 2,000 places x 2 sensors x this x 60 bytes.
_REMEMBERED = 16


def _tag(value: str) -> str:
    # A backslash at the very end would escape the separator behind it; the format has no way to write one.
    return value.rstrip("\\").translate(_TAG)


def _text(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")


def _fields(values: Mapping[str, FieldValue], kinds: Mapping[str, FieldType]) -> str:
    """Return the fields that have a value; a number that is not finite is none."""
    # One loop without calls: this runs for every event, and most fields of a line are empty.
    written: list[str] = []
    for name, value in values.items():
        if value is None:
            continue
        kind = kinds[name]
        if kind == "int":
            written.append(f"{name}={int(value)}i")
        elif kind == "text":
            written.append(f'{name}="{_text(str(value))}"')
        elif math.isfinite(number := float(value)):
            written.append(f"{name}={number!r}")
    return ",".join(written)


class SeriesClock:
    """Gives every point of a series its own millisecond."""

    def __init__(self) -> None:
        self._used: dict[str, list[int]] = {}

    def unique(self, series: str, ms: int) -> int:
        """Return the first free millisecond at or after `ms`; late events keep their place in time."""
        used = self._used.setdefault(series, [])
        while ms in used:
            ms += 1
        used.append(ms)
        if len(used) > _REMEMBERED:
            used.pop(0)
        return ms

    def increasing(self, series: str, ms: int) -> int:
        """Return `ms`, or one more than the last of this series: for facts that come in order."""
        used = self._used.setdefault(series, [])
        ms = max(ms, used[-1] + 1) if used else ms
        used[:] = [ms]
        return ms


class LineEncoder:
    """Makes the lines of one site. Not thread-safe: one per writer."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._prefixes: dict[tuple[str, ...], str] = {}
        self._clock = SeriesClock()

    def sensor_event(self, event: SensorEvent, zone: str, place: str) -> Line | None:
        """Return the point of one event at one place it is wired to."""
        sensor = "/".join(filter(None, (event.device, event.channel, event.kind)))
        value = event.value
        prefix = self._prefix("sensor_event", self._site, zone, place, sensor)
        return self._line(
            "sensor_event",
            prefix,
            self._clock.unique(prefix, to_ms(event.measured_at)),
            {
                "occ": int(value) if isinstance(value, bool) else None,
                "value": value if isinstance(value, int | float) and not isinstance(value, bool) else None,
                "text": value if isinstance(value, str) else None,
                "batt": event.battery_pct,
                "seq": event.seq,
                "unc_ms": event.uncertainty_ms,
                "src": event.clock,
            },
        )

    def desk_state(self, row: TransitionRow, before: TransitionRow | None) -> Line | None:
        """Return the point of one change of a place."""
        prefix = self._prefix("desk_state", self._site, row.zone, row.place)
        return self._line(
            "desk_state",
            prefix,
            self._clock.increasing(prefix, to_ms(row.at)),
            {
                "state": PHASE_CODES[row.phase],
                "prev": None if before is None else PHASE_CODES[before.phase],
                "dur_s": None if before is None else int((row.at - before.at).total_seconds()),
                "occ": OCCUPANCY_CODES[row.occupancy],
                "cause": ",".join(row.reasons),
                "hold_id": row.hold_id,
            },
        )

    def zone_bin(self, row: ZoneBin) -> Line | None:
        """Return the point of one closed bin; it is sent once and never corrected (3.x forbids rewriting)."""
        return self._line(
            "zone_5m",
            self._prefix("zone_5m", self._site, row.zone),
            to_ms(row.start),
            {
                "occ_avg": row.in_use_avg,
                "occ_max": row.in_use_max,
                "held_avg": row.held_avg,
                "free_avg": row.free_avg,
                "free_min": row.free_min,
                "cap": row.capacity,
                "coverage_pct": row.coverage_pct,
            },
        )

    def desk_hour(self, row: DeskHour) -> Line | None:
        return self._line(
            "desk_hour",
            self._prefix("desk_hour", self._site, row.zone, row.place),
            to_ms(row.start),
            {"occ_s": row.in_use_s, "held_s": row.held_s, "n": row.uses, "coverage_pct": row.coverage_pct},
        )

    def decision(self, decision: Decision) -> Line | None:
        prefix = self._prefix("enforcement", self._site, decision.zone, decision.place)
        return self._line(
            "enforcement",
            prefix,
            self._clock.increasing(prefix, to_ms(decision.at)),
            {
                "action": decision.action,
                "rule": decision.rule,
                "result": "acted" if decision.acted else "recorded",
                "mode": decision.mode,
                "hold_id": decision.hold_id,
            },
        )

    def _prefix(self, name: str, *tags: str) -> str:
        key = (name, *tags)
        prefix = self._prefixes.get(key)
        if prefix is None:
            pairs = zip(MEASUREMENTS[name].tags, tags, strict=True)
            written = "".join(f",{tag}={_tag(value)}" for tag, value in pairs if _tag(value))
            prefix = self._prefixes[key] = name.translate(_MEASUREMENT) + written
        return prefix

    @staticmethod
    def _line(name: str, prefix: str, ms: int, values: Mapping[str, FieldValue]) -> Line | None:
        measurement = MEASUREMENTS[name]
        written = _fields(values, measurement.fields)
        return (measurement.retention, f"{prefix} {written} {ms}".encode()) if written else None
