"""Shape of the outbox: its table, what a row is, how much may wait, and what is worth least."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.wall_time import WallState
from workplace.events import SensorEvent
from workplace.loss_events import Canary, GapRecord

#: What may wait in an outbox.
Waiting = SensorEvent | GapRecord | Canary

#: Quantities for reports: the first to go. States: an older one is worth nothing once a newer one is here.
_FOR_REPORTS = frozenset({"environment", "battery"})
_STATES = frozenset({"link", "occupancy", "presence", "count", "availability"})
#: How the encoding of a message ends that is on no line yet. Older programs leave it out.
_NO_WAYBILL = b',"spool":null,"line":null}'
RANK_REPORT, RANK_STATE, RANK_EVENT, RANK_GAP = range(4)

SCHEMA = """CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    stream TEXT NOT NULL,
    rank INTEGER NOT NULL,
    happened_at TEXT NOT NULL,
    queued_s REAL NOT NULL,
    body BLOB NOT NULL
)"""
#: One row: the id of this file, and the last time (site time) at which its gateway is known to have listened.
SPOOL = "CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL, alive_at TEXT)"
#: Columns that came later: name -> definition. An outbox of an older program gains them when it is opened.
ADDED = {
    "boot": "TEXT NOT NULL DEFAULT ''",
    "boot_ms": "REAL NOT NULL DEFAULT 0",
    "offset_ms": "REAL NOT NULL DEFAULT 0",
    "is_trusted": "INTEGER NOT NULL DEFAULT 1",
}
INSERT = (
    "INSERT INTO outbox (number, event_id, device, stream, rank, happened_at, queued_s, body, boot, boot_ms, offset_ms,"
    " is_trusted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
)
SELECT = (
    "SELECT number, device, body, boot, boot_ms, offset_ms, is_trusted FROM outbox WHERE number > ?"
    " ORDER BY number LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait. Lower loses events in a shorter outage, higher needs more disk and time to drain.

    The defaults hold 72 h of a full floor at its busiest: one event per place in half a minute (the need that
    docs/reference/bench.md measures ingest against) during 12 of 24 h, 1,440 a day, is 4,320 rows per place; 500,000
    rows are 115 such places on one gateway. 192 MiB are 400 bytes a row; an event has 390.
    """

    rows: int = 500_000
    payload_bytes: int = 192 * 1024 * 1024
    age_s: float = 14 * 86_400.0
    """Older rows are of no use: what they are about is deleted after 14 days (ingest, desk level)."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that waits: its line, the device whose topic it goes to, the JSON, and the clock then."""

    number: int
    device: str
    body: bytes
    wall: WallState = field(default_factory=WallState)


def row_of(columns: tuple[Any, ...]) -> OutboxRow:
    """Return the row in one result of `SELECT`."""
    number, device, body, boot, boot_ms, offset_ms, is_trusted = columns
    return OutboxRow(number, device, bytes(body), WallState(boot, boot_ms, offset_ms, bool(is_trusted)))


def wall_columns(wall: WallState) -> tuple[object, ...]:
    """Return the last columns of `INSERT`."""
    return wall.boot, wall.boot_ms, wall.offset_ms, int(wall.is_trusted)


def with_waybill(body: bytes, spool: str, line: int) -> bytes:
    """Return a waiting message with the outbox and the line that it comes from; these are its last two fields."""
    rest = body[: -len(_NO_WAYBILL)] if body.endswith(_NO_WAYBILL) else body[:-1]
    return b'%s,"spool":"%s","line":%d}' % (rest, spool.encode(), line)


def rank_of(event: Waiting) -> int:
    """Return how much an event is worth when there is no room; the lowest go first."""
    if isinstance(event, GapRecord):
        return RANK_GAP
    if isinstance(event, Canary):
        return RANK_REPORT
    if event.kind in _FOR_REPORTS:
        return RANK_REPORT
    return RANK_STATE if event.kind in _STATES else RANK_EVENT
