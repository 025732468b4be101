"""Facts about what is stored: tables, measurements, fields with types and units, and how long all of it
lives.

Times in tables and lines are integer milliseconds since 1970 UTC. Nothing here names a person or a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from workplace.events import HoldPhase, Occupancy, PolicyMode
from workplace.retention import DESK_LEVEL_DAYS, SINK_ZONE_LEVEL_DAYS, ZONE_LEVEL_DAYS

#: Raised when a table changes shape; a database of another version is refused, never guessed at.
SCHEMA_VERSION = 1

#: `event.value` keeps the type of the reading: 0/1 for true and false, a number, or a text.
TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS engine_state (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY, gateway TEXT NOT NULL, device TEXT NOT NULL, kind TEXT NOT NULL, channel TEXT,
    value, measured_at INTEGER NOT NULL, received_at INTEGER NOT NULL, clock TEXT NOT NULL,
    uncertainty_ms INTEGER NOT NULL, seq INTEGER, historical INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS event_received ON event (received_at);

CREATE TABLE IF NOT EXISTS gateway_status (
    gateway TEXT NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL,
    PRIMARY KEY (gateway, at)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS place_transition (
    place TEXT NOT NULL, at INTEGER NOT NULL, zone TEXT NOT NULL, phase TEXT NOT NULL,
    occupancy TEXT NOT NULL, hold_id TEXT, mode TEXT NOT NULL, reasons TEXT NOT NULL,
    decided_at INTEGER NOT NULL, PRIMARY KEY (place, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS place_transition_at ON place_transition (at);

CREATE TABLE IF NOT EXISTS hold (
    hold_id TEXT PRIMARY KEY, place TEXT NOT NULL, zone TEXT NOT NULL, started_at INTEGER NOT NULL,
    ended_at INTEGER, outcome TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hold_started ON hold (started_at);

CREATE TABLE IF NOT EXISTS decision (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, place TEXT NOT NULL, at INTEGER NOT NULL,
    action TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS decision_place ON decision (place, number);
CREATE INDEX IF NOT EXISTS decision_at ON decision (at);

CREATE TABLE IF NOT EXISTS zone_5m (
    zone TEXT NOT NULL, start INTEGER NOT NULL, in_use_avg REAL NOT NULL, in_use_max INTEGER NOT NULL,
    held_avg REAL NOT NULL, free_avg REAL NOT NULL, free_min INTEGER NOT NULL, capacity INTEGER NOT NULL,
    coverage_pct REAL NOT NULL, PRIMARY KEY (zone, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS zone_5m_start ON zone_5m (start);

CREATE TABLE IF NOT EXISTS zone_outcome (
    zone TEXT NOT NULL, start INTEGER NOT NULL, rule TEXT NOT NULL, acted INTEGER NOT NULL,
    ended INTEGER NOT NULL, back INTEGER NOT NULL, PRIMARY KEY (zone, start, rule, acted)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS zone_outcome_start ON zone_outcome (start);

CREATE TABLE IF NOT EXISTS desk_hour (
    place TEXT NOT NULL, start INTEGER NOT NULL, zone TEXT NOT NULL, in_use_s REAL NOT NULL,
    held_s REAL NOT NULL, uses INTEGER NOT NULL, coverage_pct REAL NOT NULL,
    PRIMARY KEY (place, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS desk_hour_start ON desk_hour (start);

CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY, requested_at INTEGER NOT NULL, action TEXT NOT NULL, place TEXT,
    role TEXT NOT NULL, accepted INTEGER, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (
    id TEXT PRIMARY KEY, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL,
    body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS quarantine (
    fingerprint BLOB PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    times INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS quarantine_last ON quarantine (last_at);
CREATE TABLE IF NOT EXISTS quarantine_count (
    reason TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS unclaimed (
    device TEXT NOT NULL, gateway TEXT NOT NULL, kinds TEXT NOT NULL, channels TEXT NOT NULL,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (device, gateway)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unclaimed_last ON unclaimed (last_at);

CREATE TABLE IF NOT EXISTS sink_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, retention TEXT NOT NULL, line BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sink_dead_letter (
    seq INTEGER PRIMARY KEY, line BLOB NOT NULL, reason TEXT NOT NULL);
"""

#: Where this one is, all are: the script above runs in order.
LAST_TABLE = "sink_dead_letter"

#: table -> (time column, days it lives). `place_transition` keeps the newest row of each place whatever its
#: age.
RETENTION_DAYS: dict[str, tuple[str, int]] = {
    "event": ("received_at", DESK_LEVEL_DAYS),
    "gateway_status": ("at", DESK_LEVEL_DAYS),
    "place_transition": ("at", DESK_LEVEL_DAYS),
    "hold": ("started_at", DESK_LEVEL_DAYS),
    "decision": ("at", DESK_LEVEL_DAYS),
    "desk_hour": ("start", DESK_LEVEL_DAYS),
    "request": ("requested_at", DESK_LEVEL_DAYS),
    "quarantine": ("last_at", DESK_LEVEL_DAYS),
    "unclaimed": ("last_at", DESK_LEVEL_DAYS),
    "gap": ("to_at", ZONE_LEVEL_DAYS),
    "zone_5m": ("start", ZONE_LEVEL_DAYS),
    "zone_outcome": ("start", ZONE_LEVEL_DAYS),
}

#: `meta` key: up to where the ends of holds have been counted per zone and day (UTC), ms since 1970.
OUTCOMES_UNTIL = "rolled_outcomes_until"

MAX_QUARANTINE_ROWS = 10_000
MAX_QUARANTINE_PAYLOAD_BYTES = 4096
#: Devices proposed for claiming, and kinds and channels kept of each: a radio may hear a whole street.
MAX_UNCLAIMED = 500
MAX_UNCLAIMED_WORDS = 32
MAX_DEAD_LETTERS = 1000

Retention = Literal["raw", "agg"]
FieldType = Literal["int", "float", "text"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of the sink. Tags and field types are for ever: a server refuses a change."""

    name: str
    retention: Retention
    tags: tuple[str, ...]
    fields: dict[str, FieldType]


MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "sensor_event",
            "raw",
            ("site", "zone", "desk", "sensor"),
            # occ 0/1, value in the unit of its kind, batt %, unc_ms half width of the time in ms, src whose
            # clock
            {
                "occ": "int",
                "value": "float",
                "text": "text",
                "batt": "float",
                "seq": "int",
                "unc_ms": "int",
                "src": "text",
            },
        ),
        Measurement(
            "desk_state",
            "raw",
            ("site", "zone", "desk"),
            # state and prev: PHASE_CODES, occ: OCCUPANCY_CODES, dur_s: length of the phase that ended
            {
                "state": "int",
                "prev": "int",
                "dur_s": "int",
                "occ": "int",
                "cause": "text",
                "hold_id": "text",
            },
        ),
        Measurement(
            "zone_5m",
            "agg",
            ("site", "zone"),
            {
                "occ_avg": "float",
                "occ_max": "int",
                "held_avg": "float",
                "free_avg": "float",
                "free_min": "int",
                "cap": "int",
                "coverage_pct": "float",
            },
        ),
        Measurement(
            "desk_hour",
            "raw",  # about single places, so it lives no longer than they do (R29)
            ("site", "zone", "desk"),
            {"occ_s": "float", "held_s": "float", "n": "int", "coverage_pct": "float"},
        ),
        Measurement(
            "enforcement",
            "raw",
            ("site", "zone", "desk"),
            {"action": "text", "rule": "text", "result": "text", "mode": "text", "hold_id": "text"},
        ),
    )
}

#: Never renumber: the numbers are in people's databases.
PHASE_CODES = {"free": 0, "in_use": 1, "just_left": 2, "reclaimable": 3, "unknown": 4, "exempt": 5}
OCCUPANCY_CODES = {"free": 0, "occupied": 1, "held": 2, "unknown": 3}

#: What the sink keeps: name -> (duration, shard duration), InfluxQL spelling.
SINK_RETENTION: dict[Retention, tuple[str, str]] = {
    "raw": (f"{DESK_LEVEL_DAYS}d", "1d"),
    "agg": (f"{SINK_ZONE_LEVEL_DAYS}d", "30d"),
}


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One change of a place, as stored and as read back for evaluation."""

    place: str
    zone: str
    at: datetime
    phase: HoldPhase
    occupancy: Occupancy
    hold_id: str | None
    mode: PolicyMode
    reasons: tuple[str, ...]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class DeskHour:
    """One hour of one place: seconds in use and held, how often a use began, share of trusted time."""

    place: str
    zone: str
    start: datetime
    in_use_s: float
    held_s: float
    uses: int
    coverage_pct: float


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """Return whole milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    return _EPOCH + ms * _MS
