"""What can be written in one transaction of the store. Made by `SqliteStore.transaction`, valid inside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

from ingest.quarantine import Rejected
from ingest.stores.event_rows import event_row
from ingest.stores.line_protocol import Line
from ingest.stores.loss_rows import LossRows
from ingest.stores.night_rows import NightRows
from ingest.stores.schema import (
    DESK_LEVEL_DAYS,
    EVENTS_DELETED_BEFORE,
    MAX_DEAD_LETTERS,
    MAX_QUARANTINE_ROWS,
    MAX_UNCLAIMED,
    MAX_UNCLAIMED_WORDS,
    RETENTION_DAYS,
    DeskHour,
    GatewayBin,
    HoldDay,
    HoldEnded,
    TransitionRow,
    ZoneOffer,
    from_ms,
    to_ms,
)
from workplace.codec import encode
from workplace.events import Decision, GatewayHealth, GatewayStatus, HoldPhase, Reply, Request, SensorEvent
from workplace.hold_outcomes import ZoneOutcome
from workplace.ports import ZoneBin

#: Parameters of one `IN (...)`: SQLite before 3.32 allows 999.
_CHUNK = 500
_DAY_MS = 86_400_000
#: The time at the end of a line, ms since 1970: 13 digits until the year 2286.
_LINE_MS = "CAST(CAST(substr(line, -13) AS TEXT) AS INTEGER)"

_INSERT_EVENT = (
    "INSERT OR IGNORE INTO event (id, gateway, device, kind, channel, value, measured_at, received_at, clock,"
    " uncertainty_ms, seq, historical, taken_at, rest_us, body, spool, line)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_TRANSITION = "INSERT OR REPLACE INTO place_transition VALUES (?,?,?,?,?,?,?,?,?)"
_INSERT_ZONE = "INSERT OR REPLACE INTO zone_5m VALUES (?,?,?,?,?,?,?,?,?)"
_INSERT_HOUR = "INSERT OR REPLACE INTO desk_hour VALUES (?,?,?,?,?,?,?)"
_INSERT_OUTCOME = "INSERT OR REPLACE INTO zone_outcome VALUES (?,?,?,?,?,?)"
_INSERT_OFFER = "INSERT OR REPLACE INTO zone_offer VALUES (?,?,?,?)"
_INSERT_HOLD_DAY = "INSERT OR REPLACE INTO hold_day VALUES (?,?,?,?,?,?,?)"
_INSERT_GATEWAY = "INSERT OR REPLACE INTO gw_health VALUES (?,?,?,?,?,?,?,?,?)"
_NOTE_HEALTH = (
    "INSERT INTO gw_health VALUES (?,?,?,?,0,0,?,?,?) ON CONFLICT (gateway, start) DO UPDATE SET"
    " outbox_rows = max(outbox_rows, excluded.outbox_rows),"
    " outbox_oldest_s = max(outbox_oldest_s, excluded.outbox_oldest_s), dropped = excluded.dropped,"
    " clock_synced = min(clock_synced, excluded.clock_synced),"
    " coverage_pct = min(coverage_pct + excluded.coverage_pct, 100)"
)
_NOTE_EVENTS = (
    "INSERT INTO gw_health VALUES (?,?,0,0,?,?,0,1,0) ON CONFLICT (gateway, start) DO UPDATE SET"
    " events = events + excluded.events, late = late + excluded.late"
)
#: Missing five minutes lower the coverage of their hour.
FOLD_HOURS = """
INSERT OR REPLACE INTO zone_hour
SELECT zone, start / 3600000 * 3600000 AS hour, count(*), avg(in_use_avg), max(in_use_max), avg(held_avg),
    avg(free_avg), min(free_min), max(capacity), sum(coverage_pct) / 12
FROM zone_5m WHERE start >= ? AND start < ? GROUP BY zone, hour
"""
_HOUR_MS = 3_600_000
_INSERT_REJECTED = (
    "INSERT INTO quarantine VALUES (?,?,?,?,?,?,?,1)"
    " ON CONFLICT (fingerprint) DO UPDATE SET times = times + 1, last_at = excluded.last_at"
)


class Transaction(NightRows, LossRows):
    """Thin: one method per fact, no decisions."""

    # Messages

    def known(self, table: str, ids: Sequence[str]) -> set[str]:
        """Return which of the ids of `event` or `request` are stored already."""
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            rows = self._connection.execute(f"SELECT id FROM {table} WHERE id IN ({marks})", chunk)
            found.update(row[0] for row in rows)
        return found

    def add_events(self, events: Iterable[SensorEvent], taken_at: Iterable[datetime] = ()) -> None:
        """Store events, with the engine times at which they were taken in where they are known."""
        rows = [event_row(event, at) for event, at in zip_longest(events, taken_at)]
        self._connection.executemany(_INSERT_EVENT, rows)

    def add_request(self, request: Request, reply: Reply | None) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO request VALUES (?,?,?,?,?,?,?)",
            (
                request.id,
                to_ms(request.requested_at),
                request.action,
                request.place,
                request.role,
                None if reply is None else int(reply.accepted),
                None if reply is None else reply.reason,
            ),
        )

    def answer_to(self, request_id: str) -> tuple[bool, str] | None:
        """Return how a stored request was answered: accepted or not, and why; None when it was not."""
        row = self._connection.execute(
            "SELECT accepted, reason FROM request WHERE id = ? AND accepted IS NOT NULL", (request_id,)
        ).fetchone()
        return None if row is None else (bool(row[0]), row[1])

    def add_gateway_status(self, status: GatewayStatus, at: datetime) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO gateway_status VALUES (?,?,?)", (status.gateway, to_ms(at), status.status)
        )

    def quarantine(self, rejected: Sequence[Rejected], at: datetime) -> None:
        """Keep refused messages, count them for ever, and drop the oldest rows past the limit."""
        if not rejected:
            return
        at_ms = to_ms(at)
        self._connection.executemany(_INSERT_REJECTED, [item.row(at_ms) for item in rejected])
        self._connection.executemany(
            "INSERT INTO quarantine_count VALUES (?,1) ON CONFLICT (reason) DO UPDATE SET total = total + 1",
            [(item.reason,) for item in rejected],
        )
        self._connection.execute(
            "DELETE FROM quarantine WHERE fingerprint IN"
            " (SELECT fingerprint FROM quarantine ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
            (MAX_QUARANTINE_ROWS,),
        )

    def add_strangers(self, events: Iterable[SensorEvent]) -> None:
        """Note devices that the plan does not know, as proposals for claiming; the longest unheard go first."""
        strangers: dict[tuple[str, str], list[SensorEvent]] = {}
        for event in events:
            if not event.retained and not event.historical:
                strangers.setdefault((event.device, event.gateway), []).append(event)
        for key, said in strangers.items():
            row = self._connection.execute(
                "SELECT kinds, channels, first_at, last_at, times FROM unclaimed"
                " WHERE device = ? AND gateway = ?",
                key,
            ).fetchone()
            self._connection.execute(
                "INSERT OR REPLACE INTO unclaimed VALUES (?,?,?,?,?,?,?)", (*key, *_stranger_row(row, said))
            )
        if strangers:
            self._connection.execute(
                "DELETE FROM unclaimed WHERE (device, gateway) IN"
                " (SELECT device, gateway FROM unclaimed ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
                (MAX_UNCLAIMED,),
            )

    def forget_strangers(self, devices: Iterable[str]) -> None:
        """Forget proposals for devices that have a place now."""
        self._connection.executemany("DELETE FROM unclaimed WHERE device = ?", [(name,) for name in devices])

    # What the engine decided

    def put_engine_records(self, records: Mapping[str, bytes]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO engine_state VALUES (?,?)", records.items())

    def add_transitions(self, rows: Iterable[TransitionRow]) -> None:
        self._connection.executemany(_INSERT_TRANSITION, [_transition_row(row) for row in rows])

    def begin_hold(self, hold_id: str, place: str, zone: str, started_at: datetime) -> None:
        """Begin a hold, or open again one that had ended: whoever comes back soon goes on with theirs (R19)."""
        self._connection.execute(
            "INSERT INTO hold (hold_id, place, zone, started_at) VALUES (?,?,?,?) ON CONFLICT (hold_id)"
            " DO UPDATE SET ended_at = NULL, outcome = NULL, coverage_pct = NULL",
            (hold_id, place, zone, to_ms(started_at)),
        )

    def end_hold(self, hold_id: str, ended_at: datetime, outcome: HoldPhase) -> HoldEnded | None:
        """Close a hold; return it whole, None when its start is not known (any more)."""
        row = self._connection.execute(
            "SELECT place, zone, started_at FROM hold WHERE hold_id = ?", (hold_id,)
        ).fetchone()
        if row is None:
            return None
        place, zone, started_ms = row
        coverage_pct = self._known_pct(place, started_ms, to_ms(ended_at))
        ended = HoldEnded(hold_id, place, zone, from_ms(started_ms), ended_at, outcome, coverage_pct)
        self.put_hold(ended)
        return ended

    def put_hold(self, hold: HoldEnded) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO hold"
            " (hold_id, place, zone, started_at, ended_at, outcome, coverage_pct) VALUES (?,?,?,?,?,?,?)",
            (
                hold.hold_id,
                hold.place,
                hold.zone,
                to_ms(hold.started_at),
                to_ms(hold.ended_at),
                hold.outcome,
                hold.coverage_pct,
            ),
        )

    def _known_pct(self, place: str, from_ms_: int, to_ms_: int) -> float:
        """Return the share of a stretch in which the state of a place was known, %."""
        rows = self._connection.execute(
            "SELECT at, occupancy FROM place_transition WHERE place = ?1 AND at < ?3 AND at >="
            " coalesce((SELECT max(at) FROM place_transition WHERE place = ?1 AND at <= ?2), ?2) ORDER BY at",
            (place, from_ms_, to_ms_),
        ).fetchall()
        if not rows or rows[0][0] > from_ms_:
            rows.insert(0, (from_ms_, "unknown"))
        ends = [at for at, _ in rows[1:]] + [to_ms_]
        unknown_ms = sum(
            end - max(at, from_ms_)
            for (at, occupancy), end in zip(rows, ends, strict=True)
            if occupancy == "unknown"
        )
        return 100.0 * (1 - unknown_ms / (to_ms_ - from_ms_)) if to_ms_ > from_ms_ else 100.0

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO decision (id, place, at, action, body) VALUES (?,?,?,?,?)",
            [(d.id, d.place, to_ms(d.at), d.action, encode(d)) for d in decisions],
        )

    # Rollups

    def put_zone_bins(self, rows: Iterable[ZoneBin]) -> None:
        self._connection.executemany(_INSERT_ZONE, [_zone_row(row) for row in rows])

    def put_zone_hours(self, from_at: datetime, to_at: datetime) -> None:
        """Make the hours again in which the range from_at <= start < to_at lies, from their five minutes."""
        begin = to_ms(from_at) // _HOUR_MS * _HOUR_MS
        self._connection.execute(FOLD_HOURS, (begin, -(-to_ms(to_at) // _HOUR_MS) * _HOUR_MS))

    def put_desk_hours(self, rows: Iterable[DeskHour]) -> None:
        self._connection.executemany(_INSERT_HOUR, [_hour_row(row) for row in rows])

    def put_zone_outcomes(self, start_ms: int, rows: Iterable[ZoneOutcome]) -> None:
        """Keep how holds ended on the day that begins at `start_ms`."""
        values = [(o.zone, start_ms, o.rule, int(o.acted), o.ended, o.back) for o in rows]
        self._connection.executemany(_INSERT_OUTCOME, values)

    def put_zone_offers(self, start_ms: int, rows: Iterable[ZoneOffer]) -> None:
        """Keep how soon places were offered again on the day that begins at `start_ms`."""
        values = [(row.zone, start_ms, row.le_min, row.offers) for row in rows]
        self._connection.executemany(_INSERT_OFFER, values)

    def put_hold_days(
        self, rows: Iterable[HoldDay], from_at: datetime | None = None, to_at: datetime | None = None
    ) -> None:
        """Write rows; with a range they are all there is of its days: a hold that went on has another length now."""
        if from_at is not None and to_at is not None:
            self._connection.execute(
                "DELETE FROM hold_day WHERE start >= ? AND start < ?", (to_ms(from_at), to_ms(to_at))
            )
        self._connection.executemany(
            _INSERT_HOLD_DAY,
            [
                (row.zone, to_ms(row.start), row.outcome, row.le_s, row.holds, row.sum_s, row.coverage_pct)
                for row in rows
            ],
        )

    def put_gateway_bin(self, row: GatewayBin) -> None:
        self._connection.execute(
            _INSERT_GATEWAY,
            (
                row.gateway,
                to_ms(row.start),
                row.outbox_rows,
                row.outbox_oldest_s,
                row.events,
                row.late,
                row.dropped,
                int(row.clock_synced),
                row.coverage_pct,
            ),
        )

    def note_health(self, health: GatewayHealth, start_ms: int, share_pct: float) -> None:
        """Add one health message to the five minutes from `start_ms`; it is `share_pct` of those that are due."""
        self._connection.execute(
            _NOTE_HEALTH,
            (
                health.gateway,
                start_ms,
                health.outbox_rows,
                health.outbox_oldest_s,
                health.counters.get("outbox_dropped", 0),
                int(health.clock_synced),
                min(share_pct, 100.0),
            ),
        )

    def note_events(self, gateway: str, start_ms: int, events: int, late: int) -> None:
        """Add events of a gateway to its five minutes from `start_ms`."""
        self._connection.execute(_NOTE_EVENTS, (gateway, start_ms, events, late))

    # Sink

    def add_lines(self, lines: Iterable[Line]) -> None:
        self._connection.executemany("INSERT INTO sink_outbox (retention, line) VALUES (?,?)", list(lines))

    def sink_has(self, upto_seq: int, dead: Iterable[tuple[int, str]]) -> int:
        """Forget outbox rows up to `upto_seq`, keep the dead ones with their reason; return how many went."""
        for seq, reason in dead:
            self._connection.execute(
                "INSERT OR IGNORE INTO sink_dead_letter SELECT seq, line, ? FROM sink_outbox WHERE seq = ?",
                (reason[:300], seq),
            )
        self._connection.execute(
            "DELETE FROM sink_dead_letter WHERE seq <= (SELECT max(seq) FROM sink_dead_letter) - ?"
            " AND (SELECT count(*) FROM sink_dead_letter) > ?",
            (MAX_DEAD_LETTERS, MAX_DEAD_LETTERS),
        )
        return self._changed("DELETE FROM sink_outbox WHERE seq <= ?", upto_seq)

    def shrink_outbox(self, rows: int) -> int:
        """Drop the oldest `rows` rows, raw ones first: rollups are smaller and worth more."""
        gone = 0
        for condition in ("WHERE retention = 'raw'", ""):
            if gone < rows:
                gone += self._changed(
                    f"DELETE FROM sink_outbox WHERE seq IN"
                    f" (SELECT seq FROM sink_outbox {condition} ORDER BY seq LIMIT ?)",
                    rows - gone,
                )
        return gone

    def forget_lines(self, now: datetime, *, at_most: int, desk_level_days: int = DESK_LEVEL_DAYS) -> int:
        """Delete lines about places that have lived long enough without a server; return how many went unsent.

        Looks at the `at_most` lines that have waited longest. The time of a point is the end of its line.
        """
        before = to_ms(now) - desk_level_days * _DAY_MS
        self._connection.execute(f"DELETE FROM sink_dead_letter WHERE {_LINE_MS} < ?", (before,))
        return self._changed(
            f"DELETE FROM sink_outbox WHERE seq IN (SELECT seq FROM sink_outbox WHERE retention = 'raw'"
            f" ORDER BY seq LIMIT ?) AND {_LINE_MS} < ?",
            at_most,
            before,
        )

    # Bookkeeping

    def set_meta(self, key: str, value: int | str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def count(self, name: str, more: int) -> None:
        """Add to a counter that survives restarts."""
        if more:
            self._connection.execute(
                "INSERT INTO meta VALUES (?,?)"
                " ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
                (f"count:{name}", more),
            )

    def prune(self, now: datetime, *, at_most: int, desk_level_days: int = DESK_LEVEL_DAYS) -> int:
        """Delete up to `at_most` rows per table that have lived long enough; return how many went.

        Small bites: a large one would keep acknowledgements waiting.
        """
        gone = 0
        for table, (column, days) in RETENTION_DAYS.items():
            days = desk_level_days if days == DESK_LEVEL_DAYS else days
            before = to_ms(now) - days * _DAY_MS
            # The last change of a place says what it is until the next one, whatever its age.
            keep = (
                "AND EXISTS (SELECT 1 FROM place_transition n WHERE n.place = t.place AND n.at > t.at)"
                if table == "place_transition"
                else ""
            )
            went = self._changed(
                f"DELETE FROM {table} AS t WHERE {column} <= (SELECT max(c) FROM (SELECT {column} AS c"
                f" FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT ?)) {keep}",
                before,
                at_most,
            )
            gone += went
            if table == "event" and went:
                self.set_meta(EVENTS_DELETED_BEFORE, before)
        return gone

    def _changed(self, statement: str, *parameters: object) -> int:
        return max(int(self._connection.execute(statement, parameters).rowcount), 0)


def _stranger_row(row: tuple[Any, ...] | None, said: Sequence[SensorEvent]) -> tuple[object, ...]:
    """Return kinds, channels, first and last time and count of a stranger, with what it said now added."""
    kinds, channels, first_at, last_at, times = row or ("", "[]", None, 0, 0)
    heard = [to_ms(event.received_at) for event in said]
    known = set(json.loads(channels)) | {event.channel for event in said if event.channel is not None}
    return (
        ",".join(sorted(set(filter(None, kinds.split(","))) | {event.kind for event in said})),
        json.dumps(sorted(known)[:MAX_UNCLAIMED_WORDS]),  # a channel may hold any sign, also a comma
        min(heard) if first_at is None else min(first_at, *heard),
        max(last_at, *heard),
        times + len(said),
    )


def _transition_row(row: TransitionRow) -> tuple[object, ...]:
    return (
        row.place,
        to_ms(row.at),
        row.zone,
        row.phase,
        row.occupancy,
        row.hold_id,
        row.mode,
        ",".join(row.reasons),
        to_ms(row.decided_at),
    )


def _zone_row(row: ZoneBin) -> tuple[object, ...]:
    return (
        row.zone,
        to_ms(row.start),
        row.in_use_avg,
        row.in_use_max,
        row.held_avg,
        row.free_avg,
        row.free_min,
        row.capacity,
        row.coverage_pct,
    )


def _hour_row(row: DeskHour) -> tuple[object, ...]:
    return (
        row.place,
        to_ms(row.start),
        row.zone,
        row.in_use_s,
        row.held_s,
        row.uses,
        row.coverage_pct,
    )
