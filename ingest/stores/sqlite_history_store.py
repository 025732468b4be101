"""`HistoryStore` on the durable store itself: the writer's transactions, and readers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ingest.stores.history import SqliteHistory
from ingest.stores.history_store import HoldBucket, LastState, Record, Scope, StoreHealth
from ingest.stores.schema import (
    DESK_LEVEL_DAYS,
    SCHEMA_VERSION,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
    TransitionRow,
)
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.transaction import Transaction
from workplace.events import Decision
from workplace.ports import ConnectSqlite, ZoneBin

_PRUNE_ROWS = 5000


class SqliteHistoryStore:
    """A `HistoryStore` over an open `SqliteStore`; used by the thread that owns it."""

    def __init__(
        self, store: SqliteStore, connect: ConnectSqlite, path: Path, desk_level_days: int = DESK_LEVEL_DAYS
    ) -> None:
        self._store = store
        self._reader = SqliteHistory(connect, path)
        self._desk_level_days = desk_level_days

    def append(self, batch: Sequence[Record]) -> None:
        with self._store.transaction() as transaction:
            for record in batch:
                _put(transaction, record)

    def last_states(self, scope: Scope, now: datetime) -> dict[str, LastState]:
        """Return the newest state of each place; this store keeps it whatever its age."""
        found = self._reader.last_states(scope)
        return {place: state for place, state in found.items() if state.since <= now}

    def zone_series(self, scope: Scope, from_at: datetime, to_at: datetime, step: timedelta) -> list[ZoneBin]:
        return self._reader.zone_series(scope, from_at, to_at, step)

    def desk_heatmap(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[DeskHour]:
        return self._reader.desk_heatmap(scope, from_at, to_at)

    def hold_histogram(self, scope: Scope, from_at: datetime, to_at: datetime) -> list[HoldBucket]:
        return self._reader.hold_histogram(scope, from_at, to_at)

    def prune(self, now: datetime) -> int:
        """Delete all that has lived long enough, in bites; the writer of a site takes one bite a minute."""
        gone = 0
        while True:
            with self._store.transaction() as transaction:
                how = {"at_most": _PRUNE_ROWS, "desk_level_days": self._desk_level_days}
                bite = transaction.prune(now, **how) + transaction.forget_lines(now, **how)
            gone += bite
            if bite == 0:
                return gone

    def health(self) -> StoreHealth:
        return StoreHealth(
            flavour="sqlite",
            version=f"schema {SCHEMA_VERSION}",
            waiting_rows=self._store.outbox_rows(),
            size_bytes=self._store.size_bytes(),
        )

    def close(self) -> None:
        self._store.close()


def _put(transaction: Transaction, record: Record) -> None:
    match record:
        case TransitionRow():
            transaction.add_transitions([record])
        case HoldEnded():
            transaction.put_hold(record)
        case Decision():
            transaction.add_decisions([record])
        case ZoneBin():
            transaction.put_zone_bins([record])
            transaction.put_zone_hours(record.start, record.start + timedelta(minutes=5))
        case DeskHour():
            transaction.put_desk_hours([record])
        case HoldDay():
            transaction.put_hold_days([record])
        case GatewayBin():
            transaction.put_gateway_bin(record)
