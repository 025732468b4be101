"""Reads the durable history beside the writer, for pages, reports and evaluation. Never blocks ingest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.stores.history_store import HoldBucket, LastState, Scope, bins_due
from ingest.stores.schema import LAST_TABLE, OUTCOMES_UNTIL, DeskHour, TransitionRow, from_ms, to_ms
from ingest.stores.sqlite_store import TRANSITION_COLUMNS, read_told, transition_of
from workplace.codec import decode
from workplace.errors import StoreUnavailable
from workplace.events import Decision
from workplace.hold_outcomes import LOOK_BACK, ZoneOutcome, added_up, zone_outcomes
from workplace.ports import ConnectSqlite, PlaceTurn, UnclaimedDevice, ZoneBin, ZoneCoverage
from workplace.sensor_grades import SensorGrade

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
#: From this length on, going through a table in its order is faster than fetching its rows one by one through the
#: index of their times; a `+` before the column keeps SQLite from the index.
_WHOLE = timedelta(days=30)
#: The bins of a range from whole hours, where there are some, and from five minutes at its ends.
_SERIES = """
SELECT zone, start / :step * :step AS begin, sum(bins), sum(in_use_avg * bins) / sum(bins), max(in_use_max),
    sum(held_avg * bins) / sum(bins), sum(free_avg * bins) / sum(bins), min(free_min), max(capacity),
    sum(coverage_pct * share)
FROM (
    SELECT zone, start, bins, in_use_avg, in_use_max, held_avg, free_avg, free_min, capacity, coverage_pct,
        12 AS share FROM zone_hour WHERE {start} >= :from_hour AND {start} < :to_hour {zones}
    UNION ALL
    SELECT zone, start, 1, in_use_avg, in_use_max, held_avg, free_avg, free_min, capacity, coverage_pct, 1
        FROM zone_5m WHERE start >= :from AND start < :from_hour {zones}
    UNION ALL
    SELECT zone, start, 1, in_use_avg, in_use_max, held_avg, free_avg, free_min, capacity, coverage_pct, 1
        FROM zone_5m WHERE start >= :to_hour AND start < :to {zones})
GROUP BY zone, begin ORDER BY zone, begin
"""

_COUNTED = ("event", "place_transition", "hold", "decision", "zone_5m", "desk_hour", "request", "quarantine")


class SqliteHistory:
    """A `HistoryReader`. One short read-only connection per question, so any thread may ask.

    A database that does not exist yet has no history; that is an answer, not an error.
    """

    def __init__(self, connect: ConnectSqlite, path: Path) -> None:
        self._connect = connect
        self._path = path

    def zone_bins(self, zones: Sequence[str], from_at: datetime, to_at: datetime) -> list[ZoneBin]:
        """Return the bins with from_at <= start < to_at, ordered by zone and start."""
        marks = ",".join("?" * len(zones))
        rows = self._ask(
            "SELECT zone, start, in_use_avg, in_use_max, held_avg, free_avg, free_min, capacity,"
            f" coverage_pct FROM zone_5m WHERE zone IN ({marks}) AND start >= ? AND start < ?"
            " ORDER BY zone, start",
            *zones,
            to_ms(from_at),
            to_ms(to_at),
        )
        return [ZoneBin(zone, from_ms(start), *numbers) for zone, start, *numbers in rows]

    def zone_series(self, scope: Scope, from_at: datetime, to_at: datetime, step: timedelta) -> list[ZoneBin]:
        """Return bins of `step`, as `HistoryStore.zone_series` says; long ranges come from whole hours."""
        begin, end = to_ms(from_at), max(to_ms(to_at), to_ms(from_at))
        from_hour, to_hour = -(-begin // _HOUR_MS) * _HOUR_MS, end // _HOUR_MS * _HOUR_MS
        if step % timedelta(hours=1) or from_hour > to_hour:
            from_hour = to_hour = begin
        zones, named = _zones(scope)
        rows = self._ask(
            _SERIES.format(zones=zones, start="+start" if to_at - from_at > _WHOLE else "start"),
            {
                "step": int(step.total_seconds()) * 1000,
                "from": begin,
                "to": end,
                "from_hour": from_hour,
                "to_hour": to_hour,
                **named,
            },
        )
        due = {start: bins_due(from_ms(start), step, from_at, to_at) for start in {row[1] for row in rows}}
        return [
            ZoneBin(
                zone,
                from_ms(start),
                in_use_avg,
                in_use_max,
                held_avg,
                free_avg,
                free_min,
                capacity,
                coverage / max(due[start], bins),
            )
            for (
                zone,
                start,
                bins,
                in_use_avg,
                in_use_max,
                held_avg,
                free_avg,
                free_min,
                capacity,
                coverage,
            ) in rows
        ]

    def last_states(self, scope: Scope) -> dict[str, LastState]:
        """Return the newest state of each place, whatever its age."""
        zones, named = _zones(scope)
        rows = self._ask(
            "SELECT place, zone, max(at), phase, occupancy, hold_id FROM place_transition"
            f" WHERE 1 {zones} GROUP BY place",
            named,
        )
        return {
            place: LastState(place, zone, from_ms(at), phase, occupancy, hold_id)
            for place, zone, at, phase, occupancy, hold_id in rows
        }

    def desk_heatmap(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[DeskHour]:
        """Return the hours (UTC) of places, ordered by place and start."""
        zones, named = _zones(scope)
        rows = self._ask(
            "SELECT place, zone, start, in_use_s, held_s, uses, coverage_pct FROM desk_hour"
            f" WHERE +start >= :from AND +start < :to {zones} ORDER BY place, start",
            {"from": to_ms(from_at), "to": to_ms(to_at), **named},
        )
        return [DeskHour(place, zone, from_ms(start), *rest) for place, zone, start, *rest in rows]

    def hold_histogram(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[HoldBucket]:
        """Return the holds of the days (UTC) that start in the range, ordered by outcome and length."""
        zones, named = _zones(scope)
        rows = self._ask(
            "SELECT outcome, le_s, sum(holds), sum(sum_s), avg(coverage_pct) FROM hold_day"
            f" WHERE start >= :from AND start < :to {zones} GROUP BY outcome, le_s",
            {"from": to_ms(from_at), "to": to_ms(to_at), **named},
        )
        return sorted((HoldBucket(*row) for row in rows), key=HoldBucket.order)

    def decisions(self, *, place: str | None, limit: int) -> list[Decision]:
        """Return the newest decisions, newest first."""
        where, parameters = ("WHERE place = ? ", (place,)) if place is not None else ("", ())
        rows = self._ask(
            f"SELECT body FROM decision {where}ORDER BY number DESC LIMIT ?", *parameters, max(limit, 0)
        )
        return [decode(bytes(body), Decision) for (body,) in rows]

    def decision(self, id_: str) -> Decision | None:
        """Return one decision, None when it is not or no longer kept."""
        rows = self._ask("SELECT body FROM decision WHERE id = ?", id_)
        return decode(bytes(rows[0][0]), Decision) if rows else None

    def story(self, place: str, from_at: datetime, to_at: datetime) -> tuple[list[Decision], list[PlaceTurn]]:
        """Return what was decided about a place and what it was shown as, from_at <= at <= to_at, oldest first."""
        window = (place, to_ms(from_at), to_ms(to_at))
        made = self._ask(
            "SELECT body FROM decision WHERE place = ? AND at >= ? AND at <= ? ORDER BY number", *window
        )
        turns = self._ask(
            f"SELECT {TRANSITION_COLUMNS} FROM place_transition WHERE place = ? AND at >= ? AND at <= ? ORDER BY at",
            *window,
        )
        rows = [transition_of(row) for row in turns]
        return (
            [decode(bytes(body), Decision) for (body,) in made],
            [PlaceTurn(row.at, row.phase, row.occupancy, row.reasons) for row in rows],
        )

    def zone_outcomes(self, from_at: datetime, to_at: datetime) -> list[ZoneOutcome]:
        """Return by which rule holds ended: counts of zones, nothing about a place.

        Days (UTC) that have been counted come whole, from the one of `from_at` on; the time after them up to `to_at` is
        counted now.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            first = to_ms(from_at) // _DAY_MS * _DAY_MS
            until = connection.execute("SELECT value FROM meta WHERE key = ?", (OUTCOMES_UNTIL,)).fetchone()
            counted = max(first, min(until[0], to_ms(to_at) // _DAY_MS * _DAY_MS)) if until else first
            rows = connection.execute(
                "SELECT zone, rule, acted, sum(ended), sum(back) FROM zone_outcome"
                " WHERE start >= ? AND start < ? GROUP BY zone, rule, acted",
                (first, counted),
            ).fetchall()
            live_from = from_ms(counted)
            told = read_told(connection, to_ms(live_from - LOOK_BACK), to_ms(to_at))
            live = zone_outcomes(told, live_from, to_at)
        return added_up([ZoneOutcome(zone, rule, bool(acted), *n) for zone, rule, acted, *n in rows] + live)

    def zone_coverage(self, from_at: datetime, to_at: datetime) -> list[ZoneCoverage]:
        """Return how well each zone was measured, from_at <= start < to_at; zones without any bin are left out."""
        rows = self._ask(
            f"SELECT zone, avg(coverage_pct), count(DISTINCT start / {_DAY_MS}) FROM zone_5m"
            " WHERE start >= ? AND start < ? GROUP BY zone ORDER BY zone",
            to_ms(from_at),
            to_ms(to_at),
        )
        return [ZoneCoverage(*row) for row in rows]

    def place_transitions(self, from_at: datetime, to_at: datetime) -> list[TransitionRow]:
        """Return all changes of places with from_at <= at < to_at, in order of time."""
        rows = self._ask(
            f"SELECT {TRANSITION_COLUMNS} FROM place_transition WHERE at >= ? AND at < ? ORDER BY at, place",
            to_ms(from_at),
            to_ms(to_at),
        )
        return [transition_of(row) for row in rows]

    def desk_hours(self, from_at: datetime, to_at: datetime) -> list[DeskHour]:
        """Return the hours of places with from_at <= start < to_at, ordered by place and start."""
        return self.desk_heatmap(None, from_at, to_at)

    def quarantined(self, limit: int = 100) -> list[tuple[str, str, str, bytes, datetime, int]]:
        """Return the newest refused messages: reason, detail, topic, payload, last time, how often."""
        rows = self._ask(
            "SELECT reason, detail, topic, payload, last_at, times FROM quarantine"
            " ORDER BY last_at DESC LIMIT ?",
            limit,
        )
        return [(*texts, bytes(payload), from_ms(at), times) for *texts, payload, at, times in rows]

    def unclaimed(self) -> list[UnclaimedDevice]:
        """Return the devices that wait for a place, last heard first."""
        rows = self._ask(
            "SELECT device, gateway, kinds, channels, first_at, last_at, times FROM unclaimed"
            " ORDER BY last_at DESC, device"
        )
        return [
            UnclaimedDevice(
                device,
                gateway,
                tuple(kinds.split(",")),
                tuple(json.loads(channels)),
                from_ms(first_at),
                from_ms(last_at),
                times,
            )
            for device, gateway, kinds, channels, first_at, last_at, times in rows
        ]

    def sensor_grades(self) -> dict[str, SensorGrade]:
        """Return place -> how well its motion sensors see; of places that no night could grade, nothing."""
        rows = self._ask("SELECT place, grade, until, wiring FROM lesson WHERE grade IS NOT NULL")
        return {place: SensorGrade(grade, from_ms(until), wiring) for place, grade, until, wiring in rows}

    def counts(self) -> dict[str, int]:
        """Return rows per table, and the counters that ingest keeps (`count:events`, ...)."""
        with self._reading() as connection:
            if connection is None:
                return dict.fromkeys(_COUNTED, 0)
            counts = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED
            }
            counts.update(connection.execute("SELECT key, value FROM meta WHERE key GLOB 'count:*'"))
            return counts

    def waiting_lines(self, after_seq: int, limit: int) -> list[tuple[int, str, bytes]]:
        """Return up to `limit` lines for the sink with seq > after_seq: seq, retention, line."""
        return self._ask(
            "SELECT seq, retention, line FROM sink_outbox WHERE seq > ? ORDER BY seq LIMIT ?",
            after_seq,
            limit,
        )

    def _ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return the rows; parameters one by one, or one mapping of names."""
        bound = parameters[0] if parameters and isinstance(parameters[0], dict) else parameters
        with self._reading() as connection:
            return [] if connection is None else list(connection.execute(statement, bound))

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        if not self._path.exists():
            yield None
            return
        connection: Any = None
        try:
            connection = self._connect(f"file:{self._path}?mode=ro", uri=True, timeout=30.0)
            connection.execute("PRAGMA query_only = 1")
            is_complete = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (LAST_TABLE,))
            yield connection if is_complete.fetchone() else None
        except Exception as error:
            # The driver is handed in; PEP 249 fixes the names of its exceptions.
            if type(error).__name__ in ("OperationalError", "DatabaseError"):
                raise StoreUnavailable(f"history cannot be read now: {error}") from error
            raise
        finally:
            if connection is not None:
                connection.close()


def _zones(scope: Scope) -> tuple[str, dict[str, str]]:
    """Return the end of a condition for some zones, and its parameters; nothing for the whole site."""
    if scope is None:
        return "", {}
    named = {f"zone{number}": zone for number, zone in enumerate(scope)}
    return f"AND zone IN ({','.join(f':{name}' for name in named)})", named
