-- The tables of schema 1, as the program wrote them before it had nights, with a few rows of a Monday morning.
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

INSERT INTO meta VALUES ('schema_version', 1), ('closed_well', 1);
INSERT INTO event VALUES
    ('e1', 'gw-1', 'dsp1-0001000000000001', 'link', '0', 1, 1795420800000, 1795420800200, 'device', 5, 1, 0),
    ('e2', 'gw-1', 'dsp1-0001000000000001', 'motion', '0', 1, 1795420860000, 1795420860200, 'device', 5, 2, 0);
INSERT INTO place_transition VALUES
    ('1-W1', 1795420800000, '1-werken', 'in_use', 'occupied', 'h1', 'shadow', '[]', 1795420800300);
INSERT INTO hold VALUES ('h1', '1-W1', '1-werken', 1795420800000, 1795428000000, 'released');
INSERT INTO zone_5m VALUES ('1-werken', 1795420800000, 1.0, 1, 1.0, 7.0, 7, 8, 100.0);
INSERT INTO gap VALUES ('g1', 1795420000000, 1795420100000, x'7b7d');
