"""The history of a site as a port: what is written for good, and the questions of the pages about it.

SQLite and InfluxDB answer alike; one suite of tests asks both. VictoriaMetrics only takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ingest.stores.schema import LONGER_S, DeskHour, GatewayBin, HoldDay, HoldEnded, TransitionRow, from_ms
from workplace.errors import WorkplaceError
from workplace.events import Decision, HoldPhase, Occupancy
from workplace.ports import ZoneBin

Record = TransitionRow | HoldEnded | Decision | ZoneBin | DeskHour | HoldDay | GatewayBin

#: Zones of the question; None is the whole site.
Scope = Sequence[str] | None


class RecordsRefused(WorkplaceError):
    """Some records can never be stored here; the others of the batch are. Do not send these again."""

    def __init__(self, records: tuple[Record, ...], why: str) -> None:
        super().__init__(f"{len(records)} records can never be stored: {why}")
        self.records = records


class Unsupported(WorkplaceError):
    """This server cannot answer that; read from SQLite."""


@dataclass(frozen=True, slots=True)
class LastState:
    """What a place is since `since`."""

    place: str
    zone: str
    since: datetime
    phase: HoldPhase
    occupancy: Occupancy
    hold_id: str | None


@dataclass(frozen=True, slots=True)
class HoldBucket:
    """Holds of one outcome and length in a range; `coverage_pct` is the mean of their rows."""

    outcome: HoldPhase
    le_s: int
    holds: int
    sum_s: float
    coverage_pct: float

    def order(self) -> tuple[str, float]:
        """Return what buckets are ordered by: outcome, then length with the open end last."""
        return self.outcome, self.le_s if self.le_s != LONGER_S else float("inf")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What a store is and holds.

    Attributes:
        waiting_rows: on their way to another store.
        size_bytes: None where the store does not tell.
    """

    flavour: str
    version: str
    waiting_rows: int = 0
    size_bytes: int | None = None


class HistoryStore(Protocol):
    """One site's history. All ranges: from_at <= time < to_at, aware UTC."""

    def append(self, batch: Sequence[Record]) -> None:
        """Store all of it; the same again changes nothing. Durable on return.

        Raises:
            StoreUnavailable: not now; nothing or some of it was stored, send all of it again.
            SinkRefused: password or rights; a person must act.
            RecordsRefused: some can never be stored.
        """

    def last_states(self, scope: Scope, now: datetime) -> dict[str, LastState]:
        """Return the newest state of each place that changed within the life of desk-level rows."""

    def zone_series(self, scope: Scope, from_at: datetime, to_at: datetime, step: timedelta) -> list[ZoneBin]:
        """Return bins of `step`, a multiple of five minutes (above a day: of a day) counted from 1970 UTC.

        Means and extremes are those of the five minutes within the range; missing ones lower the coverage.
        Ordered by zone and start.
        """

    def desk_heatmap(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[DeskHour]:
        """Return the hours (UTC) of places, ordered by place and start."""

    def hold_histogram(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[HoldBucket]:
        """Return the holds of the days (UTC) that start in the range, ordered by outcome and length."""

    def prune(self, now: datetime) -> int:
        """Delete what has lived long enough, or see to it that the server does; return how many rows went."""

    def health(self) -> StoreHealth:
        """Return what the store is.

        Raises:
            StoreUnavailable: it does not answer.
        """

    def close(self) -> None:
        """Close; may be called twice."""


_BIN = timedelta(minutes=5)


def bins_due(start: datetime, step: timedelta, from_at: datetime, to_at: datetime) -> int:
    """Return how many whole five minutes of the step from `start` lie in the range."""
    return max((min(start + step, to_at) - max(start, from_at)) // _BIN, 0)


class SeriesFold:
    """Adds up parts of bins into bins of one step, for servers that give them in parts."""

    def __init__(self, from_at: datetime, to_at: datetime, step: timedelta) -> None:
        self._range = from_at, to_at
        self._step = step
        self._parts: dict[tuple[str, datetime], list[tuple[ZoneBin, int]]] = {}

    def add(self, part: ZoneBin, bins: int) -> None:
        """Add a stretch of `bins` five minutes; its `coverage_pct` is their sum."""
        start = part.start - (part.start - from_ms(0)) % self._step
        self._parts.setdefault((part.zone, start), []).append((part, bins))

    def result(self) -> list[ZoneBin]:
        """Return the bins, ordered by zone and start."""
        return [self._bin(zone, start, parts) for (zone, start), parts in sorted(self._parts.items())]

    def _bin(self, zone: str, start: datetime, parts: list[tuple[ZoneBin, int]]) -> ZoneBin:
        total = sum(bins for _, bins in parts)
        return ZoneBin(
            zone=zone,
            start=start,
            in_use_avg=sum(part.in_use_avg * bins for part, bins in parts) / total,
            in_use_max=max(part.in_use_max for part, _ in parts),
            held_avg=sum(part.held_avg * bins for part, bins in parts) / total,
            free_avg=sum(part.free_avg * bins for part, bins in parts) / total,
            free_min=min(part.free_min for part, _ in parts),
            capacity=max(part.capacity for part, _ in parts),
            coverage_pct=sum(part.coverage_pct for part, _ in parts)
            / max(bins_due(start, self._step, *self._range), total),
        )
