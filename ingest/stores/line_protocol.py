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
from workplace.loss_events import Canary
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


#: type of the field, type of the value -> how `%` writes it; `%.0a` writes nothing.
_WRITTEN: dict[tuple[str, type], str] = {
    ("int", int): "%di",
    ("int", bool): "%di",
    ("float", int): "%d.0",
    ("float", float): "%r",
    ("text", str): '"%s"',
}
#: How many escaped texts are kept: reasons come again and again, a hold has a few lines.
_TEXTS = 4096


class _Form:
    """One combination of types of one measurement's values: which fields have a value, and how it is written."""

    def __init__(self, fields: dict[str, Field], types: tuple[type, ...]) -> None:
        parts: list[str] = []
        texts: list[int] = []
        self.floats: list[int] = []
        nothing = ""
        for position, ((name, field), found) in enumerate(zip(fields.items(), types, strict=True)):
            if found is type(None):
                nothing += "%.0a"
                continue
            way = _WRITTEN.get((field.kind, found))
            if way is None:
                raise TypeError(f"field '{name}' is {field.kind}, not {found.__name__}")
            parts.append(f"{nothing}{name}={way}")
            nothing = ""
            if found is str:
                texts.append(position + 1)
            elif found is float:
                self.floats.append(position)
        self.is_empty = not parts
        self._template = f"%s {','.join(parts)}{nothing} %d".encode()
        self._texts = tuple(texts)
        self._escaped: dict[str, bytes] = {}

    def write(self, prefix: bytes, values: tuple[FieldValue, ...], ms: int) -> bytes:
        arguments: list[FieldValue | bytes] = [prefix, *values, ms]
        for position in self._texts:
            text: str = arguments[position]  # type: ignore[assignment]  # the form says that it is a text
            escaped = self._escaped.get(text)
            if escaped is None:
                if len(self._escaped) >= _TEXTS:
                    self._escaped.clear()
                escaped = self._escaped[text] = text.translate(_TEXT).encode()
            arguments[position] = escaped
        return self._template % tuple(arguments)


class LineWriter:
    """Writes the lines of one measurement from values in the order of its fields."""

    def __init__(self, name: str) -> None:
        measurement = MEASUREMENTS[name]
        self.retention = measurement.retention
        self._name = name
        self._fields = measurement.fields
        self._tags = measurement.tags
        self._forms: dict[tuple[type, ...], _Form] = {}

    def prefix(self, *tags: str) -> bytes:
        """Return the escaped beginning of a series; an empty tag is left out, as the format wants it."""
        pairs = zip(self._tags, tags, strict=True)
        written = "".join(f",{tag}={_tag(value)}" for tag, value in pairs if _tag(value))
        return (self._name.translate(_MEASUREMENT) + written).encode()

    def line(self, prefix: bytes, ms: int, values: tuple[FieldValue, ...]) -> Line | None:
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
        return None if form.is_empty else (self.retention, form.write(prefix, values, ms))


class SeriesClock:
    """Gives every point of a series its own millisecond, also when many facts share one: a site that catches up
    decides a lot in one instant of its own time.
    """

    def __init__(self) -> None:
        # Stretches [first, end) of used milliseconds; the one that ends last stands last.
        self._used: dict[bytes, list[list[int]]] = {}

    def unique(self, series: bytes, ms: int) -> int:
        """Return the first free millisecond at or after `ms`; late events keep their place in time."""
        used = self._used.get(series)
        if used is None:
            self._used[series] = [[ms, ms + 1]]
            return ms
        newest = used[-1]
        if ms > newest[1]:  # nearly always
            used.append([ms, ms + 1])
            if len(used) > _REMEMBERED:
                del used[0]
            return ms
        ms = _first_free(used, ms)
        for stretch in reversed(used):
            if stretch[1] == ms:
                stretch[1] = ms + 1
                break
        else:
            used.insert(0, [ms, ms + 1])
            if len(used) > _REMEMBERED:
                del used[1]
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
        self._prefixes: dict[tuple[str | None, ...], bytes] = {}
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
            self._canary,
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
                "canary",
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
        lasted = None if before is None else row.at - before.at
        return self._state.line(
            prefix,
            self._clock.unique(prefix, since_ms),
            (
                PHASE_CODES[row.phase],
                OCCUPANCY_CODES[row.occupancy],
                since_ms,
                None if before is None else PHASE_CODES[before.phase],
                None if lasted is None else lasted.days * 86_400 + lasted.seconds,
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

    def canary(self, canary: Canary, delay_s: float) -> Line | None:
        """Return the point of one canary."""
        prefix = self._series(self._canary, "canary", canary.gateway)
        return self._canary.line(prefix, self._clock.unique(prefix, to_ms(canary.at)), (delay_s,))

    def _series(self, writer: LineWriter, *key: str) -> bytes:
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = writer.prefix(self._site, *key[1:])
        return prefix
