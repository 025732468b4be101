"""Stored facts -> line protocol, milliseconds. The escaped beginning of each series is made once and kept.

A point's identity at the server is measurement, tags and millisecond, so two facts of one series must never
share a millisecond; and a line is made once, when its row enters the outbox, so that sending it twice changes
nothing. How a field is written follows from its type in the table of measurements; a value of another type is
a mistake of ours and raises.
"""

from __future__ import annotations

import math
from datetime import datetime

from ingest.stores.measurements import MEASUREMENTS, OCCUPANCY_CODES, PHASE_CODES, Field
from ingest.stores.schema import (
    LONGER_S,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
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
#: A line break inside quotes is valid, but servers exist that end the line there.
_TEXT = str.maketrans({"\\": r"\\", '"': r"\"", "\n": " ", "\r": " "})

#: How many stretches of used milliseconds per series are remembered to keep late events apart. Lower: two events of
#: one millisecond that arrive far apart could merge. Higher: memory, 2,000 places x 2 sensors x this x 100 bytes.
_REMEMBERED = 16


def _tag(value: str) -> str:
    # A backslash at the very end would escape the separator behind it; the format has no way to write one.
    return value.rstrip("\\").translate(_TAG)


#: type of the field, type of the value -> how `%` writes it; `%.0s` writes nothing.
_WRITTEN: dict[tuple[str, type], str] = {
    ("int", int): "%di",
    ("int", bool): "%di",
    ("float", int): "%d.0",
    ("float", float): "%r",
    ("text", str): '"%s"',
}


class _Form:
    """One combination of types of one measurement's values: which fields have a value, and how it is written."""

    def __init__(self, fields: dict[str, Field], types: tuple[type, ...]) -> None:
        parts: list[str] = []
        self.texts: list[int] = []
        self.floats: list[int] = []
        nothing = ""
        for position, ((name, field), found) in enumerate(zip(fields.items(), types, strict=True)):
            if found is type(None):
                nothing += "%.0s"
                continue
            way = _WRITTEN.get((field.kind, found))
            if way is None:
                raise TypeError(f"field '{name}' is {field.kind}, not {found.__name__}")
            parts.append(f"{nothing}{name}={way}")
            nothing = ""
            if found is str:
                self.texts.append(position)
            elif found is float:
                self.floats.append(position)
        self.template = f"%s {','.join(parts)}{nothing} %d" if parts else ""

    def write(self, prefix: str, values: tuple[FieldValue, ...], ms: int) -> bytes:
        for position in self.texts:
            text = values[position]
            if not isinstance(text, str):
                raise TypeError(text)
            if '"' in text or "\\" in text or "\n" in text or "\r" in text:
                values = (*values[:position], text.translate(_TEXT), *values[position + 1 :])
        return (self.template % (prefix, *values, ms)).encode()


class LineWriter:
    """Writes the lines of one measurement from values in the order of its fields."""

    def __init__(self, name: str) -> None:
        measurement = MEASUREMENTS[name]
        self.retention = measurement.retention
        self._name = name
        self._fields = measurement.fields
        self._tags = measurement.tags
        self._forms: dict[tuple[type, ...], _Form] = {}

    def prefix(self, *tags: str) -> str:
        """Return the escaped beginning of a series; an empty tag is left out, as the format wants it."""
        pairs = zip(self._tags, tags, strict=True)
        return self._name.translate(_MEASUREMENT) + "".join(
            f",{tag}={_tag(value)}" for tag, value in pairs if _tag(value)
        )

    def line(self, prefix: str, ms: int, values: tuple[FieldValue, ...]) -> Line | None:
        """Return the line; None when no field has a value. A number that is not finite is none.

        Raises:
            TypeError: a value is of another type than its field.
        """
        types = tuple(map(type, values))
        form = self._forms.get(types)
        if form is None:
            form = self._forms[types] = _Form(self._fields, types)
        for position in form.floats:
            if not math.isfinite(values[position]):  # type: ignore[arg-type]  # the form says that it is a float
                return self.line(prefix, ms, (*values[:position], None, *values[position + 1 :]))
        return (self.retention, form.write(prefix, values, ms)) if form.template else None


class _Used:
    """The used milliseconds of one series: stretches [first, end), in the order in which they were begun."""

    __slots__ = ("end", "stretches")

    def __init__(self) -> None:
        self.end = 0
        self.stretches: list[list[int]] = []


class SeriesClock:
    """Gives every point of a series its own millisecond, also when many facts share one: a site that catches up
    decides a lot in one instant of its own time.
    """

    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}

    def unique(self, series: str, ms: int) -> int:
        """Return the first free millisecond at or after `ms`; late events keep their place in time."""
        used = self._used.get(series)
        if used is None:
            used = self._used[series] = _Used()
        stretches = used.stretches
        if ms < used.end:
            ms = _first_free(stretches, ms)
        for stretch in reversed(stretches):
            if stretch[1] == ms:
                stretch[1] = ms + 1
                break
        else:
            stretches.append([ms, ms + 1])
            if len(stretches) > _REMEMBERED:
                del stretches[0]
        used.end = max(used.end, ms + 1)
        return ms


def _first_free(stretches: list[list[int]], ms: int) -> int:
    is_free = False
    while not is_free:
        is_free = True
        for first, end in stretches:
            if first <= ms < end:
                ms, is_free = end, False
    return ms


class LineEncoder:
    """Makes the lines of one site. Not thread-safe: one per writer."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._prefixes: dict[tuple[str | None, ...], str] = {}
        self._clock = SeriesClock()
        (
            self._event,
            self._state,
            self._bin,
            self._hour,
            self._hold,
            self._hold_day,
            self._decision,
            self._gateway,
        ) = (
            LineWriter(name)
            for name in (
                "sensor_event",
                "desk_state",
                "zone_5m",
                "desk_hour",
                "hold",
                "hold_day",
                "enforcement",
                "gw_health",
            )
        )

    def sensor_event(self, event: SensorEvent, zone: str, place: str) -> Line | None:
        """Return the point of one event at one place it is wired to."""
        key = (place, zone, event.device, event.channel, event.kind)
        prefix = self._prefixes.get(key)
        if prefix is None:
            sensor = "/".join(filter(None, (event.device, event.channel, event.kind)))
            prefix = self._prefixes[key] = self._event.prefix(self._site, zone, place, sensor)
        value = event.value
        kind = type(value)
        return self._event.line(
            prefix,
            self._clock.unique(prefix, to_ms(event.measured_at)),
            (
                value if kind is bool else None,
                value if kind is float or kind is int else None,
                value if kind is str else None,
                event.battery_pct,
                event.seq,
                event.uncertainty_ms,
                event.clock,
            ),
        )

    def desk_state(self, row: TransitionRow, before: TransitionRow | None) -> Line | None:
        """Return the point of one change of a place. Times of one place strictly increase already."""
        prefix = self._series(self._state, "desk_state", row.zone, row.place)
        since_ms = to_ms(row.at)
        return self._state.line(
            prefix,
            self._clock.unique(prefix, since_ms),
            (
                PHASE_CODES[row.phase],
                OCCUPANCY_CODES[row.occupancy],
                since_ms,
                None if before is None else PHASE_CODES[before.phase],
                None if before is None else (row.at - before.at).days * 86_400 + (row.at - before.at).seconds,
                ",".join(row.reasons),
                row.hold_id,
            ),
        )

    def state_again(self, row: TransitionRow, at: datetime) -> Line | None:
        """Return the point that repeats the state of a place, so that a reader need not look far back."""
        prefix = self._series(self._state, "desk_state", row.zone, row.place)
        return self._state.line(
            prefix,
            self._clock.unique(prefix, to_ms(at)),
            (
                PHASE_CODES[row.phase],
                OCCUPANCY_CODES[row.occupancy],
                to_ms(row.at),
                None,
                None,
                None,
                row.hold_id,
            ),
        )

    def zone_bin(self, row: ZoneBin) -> Line | None:
        """Return the point of one closed bin; it is sent once and never corrected (3.x forbids rewriting)."""
        return self._bin.line(
            self._series(self._bin, "zone_5m", row.zone),
            to_ms(row.start),
            (
                row.in_use_avg,
                row.in_use_max,
                row.held_avg,
                row.free_avg,
                row.free_min,
                row.capacity,
                row.coverage_pct,
            ),
        )

    def desk_hour(self, row: DeskHour) -> Line | None:
        """Return the point of one closed hour; sent once."""
        return self._hour.line(
            self._series(self._hour, "desk_hour", row.zone, row.place),
            to_ms(row.start),
            (row.in_use_s, row.held_s, row.uses, row.coverage_pct),
        )

    def hold(self, row: HoldEnded) -> Line | None:
        """Return the point of one hold that ended."""
        prefix = self._series(self._hold, "hold", row.zone, row.place)
        return self._hold.line(
            prefix,
            self._clock.unique(prefix, to_ms(row.ended_at)),
            (
                (row.ended_at - row.started_at).total_seconds(),
                to_ms(row.started_at),
                row.outcome,
                row.hold_id,
                row.coverage_pct,
            ),
        )

    def hold_day(self, row: HoldDay) -> Line | None:
        """Return the point of one closed day; sent once."""
        length = "inf" if row.le_s == LONGER_S else str(row.le_s)
        return self._hold_day.line(
            self._series(self._hold_day, "hold_day", row.zone, row.outcome, length),
            to_ms(row.start),
            (row.holds, row.sum_s, row.coverage_pct),
        )

    def decision(self, decision: Decision) -> Line | None:
        """Return the point of one decision."""
        prefix = self._series(self._decision, "enforcement", decision.zone, decision.place)
        return self._decision.line(
            prefix,
            self._clock.unique(prefix, to_ms(decision.at)),
            (
                decision.action,
                decision.rule,
                "acted" if decision.acted else "recorded",
                decision.mode,
                decision.hold_id,
            ),
        )

    def gateway_bin(self, row: GatewayBin) -> Line | None:
        """Return the point of five closed minutes of a gateway; sent once."""
        return self._gateway.line(
            self._series(self._gateway, "gw_health", row.gateway),
            to_ms(row.start),
            (
                row.outbox_rows,
                row.outbox_oldest_s,
                row.events,
                row.late,
                row.dropped,
                row.clock_synced,
                row.coverage_pct,
            ),
        )

    def _series(self, writer: LineWriter, *key: str) -> str:
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = writer.prefix(self._site, *key[1:])
        return prefix
