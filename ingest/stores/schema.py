"""Facts about what is stored in SQLite: tables, rows, and how long all of it lives.

Times in tables are integer milliseconds since 1970 UTC. Nothing here names a person or a laptop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workplace import retention
from workplace.events import HoldPhase, Occupancy, PolicyMode

#: Raised when a table changes shape; a database of another version is refused, never guessed at.
SCHEMA_VERSION = 2

#: Databases of these versions are brought up to date when they are opened: only tables and columns were added.
READABLE_VERSIONS = (1, 2)
#: Columns that a table had not from the beginning: (table, column, type).
LATER_COLUMNS = (
    ("event", "taken_at", "INTEGER"),
    ("event", "rest_us", "INTEGER"),
    ("event", "body", "BLOB"),
    ("hold", "coverage_pct", "REAL"),
    ("event", "spool", "TEXT"),
    ("event", "line", "INTEGER"),
)

#: `event.value` keeps the type of the reading: 0/1 for true and false, a number, or a text. `taken_at` is engine time,
#: `rest_us` what milliseconds leave out (of `measured_at` times 1000, of `received_at`), `body` the whole message where
#: the columns do not hold all that decides. Of rows of version 1 all three are null.
#: `spool` has the books of each outbox of a gateway, `line_range` which of its lines are settled, `line_note` what the
#: lines were that are no stored event, `line_mark` the last line that was given out by the end of each five minutes.
#: `said` holds what was taken in beside events: words about gateways, and requests. A night that is not done (`done_at`
#: is null) has no result: of `place_timeline` and `settled_state` only nights that are done may be read.
TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS engine_state (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY, gateway TEXT NOT NULL, device TEXT NOT NULL, kind TEXT NOT NULL, channel TEXT,
    value, measured_at INTEGER NOT NULL, received_at INTEGER NOT NULL, clock TEXT NOT NULL,
    uncertainty_ms INTEGER NOT NULL, seq INTEGER, historical INTEGER NOT NULL,
    taken_at INTEGER, rest_us INTEGER, body BLOB, spool TEXT, line INTEGER);
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

CREATE INDEX IF NOT EXISTS hold_ended ON hold (ended_at);
CREATE TABLE IF NOT EXISTS zone_hour (
    zone TEXT NOT NULL, start INTEGER NOT NULL, bins INTEGER NOT NULL, in_use_avg REAL NOT NULL,
    in_use_max INTEGER NOT NULL, held_avg REAL NOT NULL, free_avg REAL NOT NULL, free_min INTEGER NOT NULL,
    capacity INTEGER NOT NULL, coverage_pct REAL NOT NULL, PRIMARY KEY (zone, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS zone_hour_start ON zone_hour (start);
CREATE TABLE IF NOT EXISTS hold_day (
    zone TEXT NOT NULL, start INTEGER NOT NULL, outcome TEXT NOT NULL, le_s INTEGER NOT NULL,
    holds INTEGER NOT NULL, sum_s REAL NOT NULL, coverage_pct REAL NOT NULL,
    PRIMARY KEY (zone, start, outcome, le_s)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hold_day_start ON hold_day (start);
CREATE TABLE IF NOT EXISTS gw_health (
    gateway TEXT NOT NULL, start INTEGER NOT NULL, outbox_rows INTEGER NOT NULL, outbox_oldest_s REAL NOT NULL,
    events INTEGER NOT NULL, late INTEGER NOT NULL, dropped INTEGER NOT NULL, clock_synced INTEGER NOT NULL,
    coverage_pct REAL NOT NULL, PRIMARY KEY (gateway, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gw_health_start ON gw_health (start);

CREATE TABLE IF NOT EXISTS said (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, taken TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS said_at ON said (at);

CREATE TABLE IF NOT EXISTS night (
    day TEXT PRIMARY KEY, begin_at INTEGER NOT NULL, end_at INTEGER NOT NULL, opened_at INTEGER NOT NULL,
    upto_event INTEGER NOT NULL, upto_said INTEGER NOT NULL, done_at INTEGER, given_up_at INTEGER, policy_hash TEXT,
    settled_event INTEGER, settled_said INTEGER, facts INTEGER, too_late INTEGER, decisions INTEGER,
    digest TEXT, total TEXT, lessons BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS night_end ON night (end_at);

CREATE TABLE IF NOT EXISTS lesson (
    place TEXT PRIMARY KEY, until INTEGER NOT NULL, wiring TEXT NOT NULL, grade TEXT,
    body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lesson_until ON lesson (until);

CREATE TABLE IF NOT EXISTS place_timeline (
    place TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, p_occupied REAL NOT NULL,
    p_held REAL NOT NULL, p_free REAL NOT NULL, PRIMARY KEY (place, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS place_timeline_at ON place_timeline (at);

CREATE TABLE IF NOT EXISTS spool (
    id TEXT PRIMARY KEY, gateway TEXT NOT NULL, first_at INTEGER NOT NULL, base INTEGER, waits_from INTEGER NOT NULL,
    told_line INTEGER NOT NULL, is_closed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line_range (
    spool TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (spool, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line_note (
    spool TEXT NOT NULL, line INTEGER NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL, delay_s REAL,
    PRIMARY KEY (spool, line)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS line_note_at ON line_note (at);
CREATE TABLE IF NOT EXISTS line_mark (
    spool TEXT NOT NULL, start INTEGER NOT NULL, last_line INTEGER NOT NULL,
    PRIMARY KEY (spool, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS line_mark_start ON line_mark (start);

CREATE TABLE IF NOT EXISTS settled_state (
    day TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (day, key)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS zone_offer (
    zone TEXT NOT NULL, start INTEGER NOT NULL, le_min INTEGER NOT NULL, offers INTEGER NOT NULL,
    PRIMARY KEY (zone, start, le_min)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS zone_offer_start ON zone_offer (start);
"""

#: Where this one is, all are: the script above runs in order.
LAST_TABLE = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", TABLES)[-1]

DESK_LEVEL_DAYS, ZONE_LEVEL_DAYS = retention.DESK_LEVEL_DAYS, retention.ZONE_LEVEL_DAYS
NIGHT_DAYS = retention.NIGHT_DAYS

#: The books of lines outlive the events a little, so that deletion is never taken for loss.
LINE_DAYS = DESK_LEVEL_DAYS + 2

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
    "said": ("at", DESK_LEVEL_DAYS),
    "night": ("end_at", NIGHT_DAYS),
    "lesson": ("until", NIGHT_DAYS),
    "place_timeline": ("at", DESK_LEVEL_DAYS),
    "line_note": ("at", LINE_DAYS),
    "line_mark": ("start", LINE_DAYS),
    "gap": ("to_at", ZONE_LEVEL_DAYS),
    "zone_5m": ("start", ZONE_LEVEL_DAYS),
    "zone_outcome": ("start", ZONE_LEVEL_DAYS),
    "zone_offer": ("start", ZONE_LEVEL_DAYS),
    "zone_hour": ("start", ZONE_LEVEL_DAYS),
    "hold_day": ("start", ZONE_LEVEL_DAYS),
    "gw_health": ("start", ZONE_LEVEL_DAYS),
}

#: `meta` key: up to where the ends of holds have been counted per zone and day (UTC), ms since 1970.
OUTCOMES_UNTIL = "rolled_outcomes_until"

#: `meta` key: events received before this have lived their time, ms since 1970.
EVENTS_DELETED_BEFORE = "events_deleted_before"

MAX_QUARANTINE_ROWS = 10_000
MAX_QUARANTINE_PAYLOAD_BYTES = 4096
#: Devices proposed for claiming, and kinds and channels kept of each: a radio may hear a whole street.
MAX_UNCLAIMED = 500
MAX_UNCLAIMED_WORDS = 32
MAX_DEAD_LETTERS = 1000


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


#: Upper ends of the lengths of holds that are counted apart, s; the last one is open.
HOLD_LENGTHS_S = (300, 900, 1800, 3600, 7200, 14_400, 28_800)
LONGER_S = 0
"""Stands in `le_s` for the open end."""


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """One hold from start to end; `outcome` is the phase of its place when it ended."""

    hold_id: str
    place: str
    zone: str
    started_at: datetime
    ended_at: datetime
    outcome: HoldPhase
    coverage_pct: float


@dataclass(frozen=True, slots=True)
class HoldDay:
    """Holds of one zone that ended on one day (UTC) with one outcome and were at most `le_s` long, but longer
    than the next shorter length of `HOLD_LENGTHS_S`; `LONGER_S` is the rest.
    """

    zone: str
    start: datetime
    outcome: HoldPhase
    le_s: int
    holds: int
    sum_s: float
    coverage_pct: float


#: Upper ends of the times from last use to offered that are counted apart, min; the last one is open. Finer: a row of a
#: quiet day tells of one departure. Coarser: the median jumps.
OFFER_LENGTHS_MIN = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 75, 90, 120, 180)


@dataclass(frozen=True, slots=True)
class ZoneOffer:
    """How often screens offered a place of a zone on one day (UTC), at most `le_min` after somebody was last there and
    longer than the next shorter time of `OFFER_LENGTHS_MIN`; 0 is the rest.
    """

    zone: str
    le_min: int
    offers: int


@dataclass(frozen=True, slots=True)
class GatewayBin:
    """Five minutes of one gateway.

    Attributes:
        outbox_rows, outbox_oldest_s: the highest that it told; -1 when it could not look.
        events, late: stored from it, and of these measured more than the grace of a rollup earlier.
        dropped: events that it dropped since its start.
        coverage_pct: share of the health messages due that came.
    """

    gateway: str
    start: datetime
    outbox_rows: int
    outbox_oldest_s: float
    events: int
    late: int
    dropped: int
    clock_synced: bool
    coverage_pct: float


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """Return whole milliseconds since 1970, rounded down."""
    since = (
        at - _EPOCH
    )  # taken apart: a division of durations costs a third more, and this runs for every line
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def from_ms(ms: int) -> datetime:
    return _EPOCH + ms * _MS
