"""`HistoryStore` on a time-series server: one encoder, one transport, one reader of InfluxQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.stores import influx_reading as reading
from ingest.stores.history_store import (
    HoldBucket,
    LastState,
    Record,
    RecordsRefused,
    Scope,
    SeriesFold,
    StoreHealth,
    Unsupported,
)
from ingest.stores.influx_store import InfluxStore
from ingest.stores.line_protocol import Line, LineEncoder
from ingest.stores.measurements import MEASUREMENTS, OCCUPANCY_CODES, PHASE_CODES
from ingest.stores.schema import (
    LONGER_S,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
    TransitionRow,
    from_ms,
)
from ingest.stores.sink import LinesDropped, LinesRefused
from workplace.events import Decision
from workplace.ports import ZoneBin

_PHASES = {code: phase for phase, code in PHASE_CODES.items()}
_OCCUPANCIES = {code: occupancy for occupancy, code in OCCUPANCY_CODES.items()}
#: The state of every place is repeated each hour, so two hours have all of a site that runs.
_LOOK_BACK = timedelta(hours=2)


class InfluxHistory:
    """A `HistoryStore`. Not thread-safe: one per thread, one request at a time."""

    def __init__(self, store: InfluxStore, site: str) -> None:
        self._store = store
        self._site = site

    def append(self, batch: Sequence[Record]) -> None:
        refused: list[Record] = []
        why = ""
        # One encoder per batch: the same batch again must become the same milliseconds.
        encoder = LineEncoder(self._site)
        by_retention: dict[str, list[tuple[Record, bytes]]] = {}
        for record in batch:
            line = _line(encoder, record)
            if line is not None:
                by_retention.setdefault(line[0], []).append((record, line[1]))
        for retention, rows in by_retention.items():
            for record, reason in self._write(retention, rows):
                refused.append(record)
                why = reason
        if refused:
            raise RecordsRefused(tuple(refused), why)

    def _write(self, retention: str, rows: list[tuple[Record, bytes]]) -> list[tuple[Record, str]]:
        """Return the records that can never be stored; the same points again change nothing, so halve freely."""
        try:
            self._store.write(retention, b"\n".join(line for _, line in rows))
        except (LinesRefused, LinesDropped) as error:
            if len(rows) == 1:
                return [(rows[0][0], str(error))]
            middle = len(rows) // 2
            return self._write(retention, rows[:middle]) + self._write(retention, rows[middle:])
        return []

    def last_states(self, scope: Scope, now: datetime) -> dict[str, LastState]:
        found: dict[str, LastState] = {}
        after = now + timedelta(milliseconds=1)
        earliest = now - timedelta(days=self._store.kept["raw"])
        # The rest of its life is asked for only where the site stood still for hours.
        for begin, end in ((now - _LOOK_BACK, after), (earliest, now - _LOOK_BACK)):
            rows = self._rows("desk_state", scope, begin, end, reading.last_states)
            for row in rows:
                state = _state(row)
                known = found.get(state.place)
                if known is None or known.since < state.since:
                    found[state.place] = state
            if found:
                break
        return found

    def zone_series(self, scope: Scope, from_at: datetime, to_at: datetime, step: timedelta) -> list[ZoneBin]:
        inner = reading.inner_step(self._store.known_flavour(), "zone_5m", step)
        rows = self._rows(
            "zone_5m",
            scope,
            from_at,
            to_at,
            lambda condition: reading.zone_series(condition, inner),
            step=inner,
        )
        fold = SeriesFold(from_at, to_at, step)
        for row in rows:
            part = ZoneBin(
                zone=row["zone"],
                start=from_ms(row["time"]),
                in_use_avg=row["occ_avg"],
                in_use_max=row["occ_max"],
                held_avg=row["held_avg"],
                free_avg=row["free_avg"],
                free_min=row["free_min"],
                capacity=row["cap"],
                coverage_pct=row["coverage_pct"],
            )
            fold.add(part, row["bins"])
        return fold.result()

    def desk_heatmap(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[DeskHour]:
        rows = self._rows("desk_hour", scope, from_at, to_at, reading.desk_hours)
        hours = [
            DeskHour(
                place=row["desk"],
                zone=row["zone"],
                start=from_ms(row["time"]),
                in_use_s=row["occ_s"],
                held_s=row["held_s"],
                uses=row["n"],
                coverage_pct=row["coverage_pct"],
            )
            for row in rows
        ]
        return sorted(hours, key=lambda hour: (hour.place, hour.start))

    def hold_histogram(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[HoldBucket]:
        sums: dict[tuple[Any, int], list[float]] = {}
        for row in self._rows("hold_day", scope, from_at, to_at, reading.hold_buckets):
            key = row["outcome"], LONGER_S if row["le"] == "inf" else int(row["le"])
            numbers = row["n"], row["sum_s"], row["coverage_pct"], row["rows"]
            before = sums.setdefault(key, [0, 0.0, 0.0, 0])
            sums[key] = [old + new for old, new in zip(before, numbers, strict=True)]
        buckets = [
            HoldBucket(outcome, le_s, int(holds), sum_s, coverage / rows)
            for (outcome, le_s), (holds, sum_s, coverage, rows) in sums.items()
        ]
        return sorted(buckets, key=HoldBucket.order)

    def prune(self, now: datetime) -> int:  # noqa: ARG002 - the server has a clock of its own
        """See to it that the server deletes what has lived long enough; it does so by itself."""
        self._store.prepare()
        return 0

    def health(self) -> StoreHealth:
        version = self._store.prepare()
        return StoreHealth(flavour=self._store.flavour, version=version)

    def close(self) -> None:
        self._store.close()

    def _rows(
        self,
        measurement: str,
        scope: Scope,
        from_at: datetime,
        to_at: datetime,
        statement: Any,
        *,
        step: timedelta | None = None,
    ) -> list[dict[str, Any]]:
        """Ask for a range, in as many questions as the server needs."""
        flavour = self._store.known_flavour()
        if flavour == "vm":
            raise Unsupported("VictoriaMetrics has no InfluxQL; the history is read from SQLite")
        if scope is not None and not scope:
            return []
        retention = MEASUREMENTS[measurement].retention
        rows: list[dict[str, Any]] = []
        for begin, end in reading.stretches(flavour, measurement, from_at, to_at, step):
            condition = reading.where(self._site, scope, begin, end)
            rows += self._store.query(statement(condition), retention)
        return rows


def _line(encoder: LineEncoder, record: Record) -> Line | None:
    match record:
        case TransitionRow():
            return encoder.desk_state(record, None)
        case HoldEnded():
            return encoder.hold(record)
        case Decision():
            return encoder.decision(record)
        case ZoneBin():
            return encoder.zone_bin(record)
        case DeskHour():
            return encoder.desk_hour(record)
        case HoldDay():
            return encoder.hold_day(record)
        case GatewayBin():
            return encoder.gateway_bin(record)


def _state(row: dict[str, Any]) -> LastState:
    return LastState(
        place=row["desk"],
        zone=row["zone"],
        since=from_ms(row["since_ms"]),
        phase=_PHASES[row["state"]],  # type: ignore[arg-type]  # the codes are those of the phases
        occupancy=_OCCUPANCIES[row["occ"]],  # type: ignore[arg-type]
        hold_id=row.get("hold_id"),
    )
