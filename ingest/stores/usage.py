"""Sums over hours of working days, made by SQLite itself: a year of five-minute rows never crosses into Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from ingest.stores.history import SqliteHistory
from ingest.stores.schema import from_ms, to_ms
from workplace.usage_port import (
    HoldLength,
    LengthClass,
    LengthCounts,
    Moment,
    PlaceHour,
    Reclaimable,
    ZoneUse,
)
from workplace.working_time import Span

# CROSS JOIN keeps the order of the loops: per zone and span one short walk along the primary key. One value per walk:
# GROUP BY would sort all bins first, which makes a year of a floor a quarter dearer.
_ZONES = """
SELECT z.value, s.key, (
    SELECT json_array(COUNT(*), SUM(b.coverage_pct) / 100, SUM(b.in_use_avg), SUM(b.held_avg), SUM(b.free_avg),
        MAX(b.in_use_max), MIN(b.free_min), MIN(b.coverage_pct) / 100, MAX(b.capacity))
    FROM zone_5m b
    WHERE b.zone = z.value AND b.start >= json_extract(s.value, '$[0]') AND b.start < json_extract(s.value, '$[1]')
        AND b.coverage_pct > 0
)
FROM json_each(?1) z CROSS JOIN json_each(?2) s
"""
_BUSIEST = """
SELECT b.start, SUM(b.in_use_avg) AS used, SUM(b.capacity), SUM(b.in_use_avg + b.held_avg + b.free_avg)
FROM json_each(?2) s CROSS JOIN zone_5m b
    ON b.zone IN (SELECT value FROM json_each(?1))
    AND b.start >= json_extract(s.value, '$[0]') AND b.start < json_extract(s.value, '$[1]')
WHERE b.coverage_pct > 0
GROUP BY b.start ORDER BY used DESC, b.start LIMIT 1
"""
_PLACES = """
SELECT p.value, json_extract(s.value, '$[2]') AS hour, COUNT(*), SUM(h.coverage_pct) / 100,
    SUM(h.in_use_s) / 3600, SUM(h.held_s) / 3600
FROM json_each(?1) p CROSS JOIN json_each(?2) s CROSS JOIN desk_hour h
    ON h.place = p.value AND h.start >= json_extract(s.value, '$[0]') AND h.start < json_extract(s.value, '$[1]')
WHERE h.coverage_pct > 0
GROUP BY p.key, hour
"""
_HOLDS = """
SELECT (ended_at - started_at) / 60000 AS minutes, outcome IS NOT 'unknown' AS is_seen, COUNT(*)
FROM hold
WHERE started_at >= ?2 AND started_at < ?3 AND ended_at IS NOT NULL AND place IN (SELECT value FROM json_each(?1))
GROUP BY minutes, is_seen ORDER BY minutes, is_seen
"""
# A hold may be reclaimable several times with nothing but a sensor's word in between: the first counts.
_RECLAIMABLE = """
SELECT r.place, r.at, n.at, n.phase, n.hold_id IS r.hold_id
FROM (
    SELECT t.place, MIN(t.at) AS at, t.hold_id FROM json_each(?1) p CROSS JOIN place_transition t ON t.place = p.value
    WHERE t.at >= ?2 AND t.at < ?3 AND t.phase = 'reclaimable' GROUP BY t.place, t.hold_id
) r LEFT JOIN place_transition n ON n.place = r.place AND n.at = (
    SELECT x.at FROM place_transition x
    WHERE x.place = r.place AND x.at > r.at AND x.phase IN ('in_use', 'unknown', 'exempt') ORDER BY x.at LIMIT 1
)
ORDER BY r.place, r.at
"""
# `le` is in minutes; 0 stands for what is longer than all classes, and comes last.
_HOLD_CLASSES = """
SELECT zone, le_s / 60 AS le, outcome IS NOT 'unknown' AS is_seen, SUM(holds), group_concat(DISTINCT start)
FROM hold_day
WHERE start >= ?2 AND start < ?3 AND zone IN (SELECT value FROM json_each(?1))
GROUP BY zone, le, is_seen ORDER BY zone, le = 0, le, is_seen
"""
_OFFER_CLASSES = """
SELECT zone, le_min AS le, 1, SUM(offers), group_concat(DISTINCT start)
FROM zone_offer
WHERE start >= ?2 AND start < ?3 AND zone IN (SELECT value FROM json_each(?1))
GROUP BY zone, le ORDER BY zone, le = 0, le
"""


class SqliteUsage(SqliteHistory):
    """A `UsageReader`. One short read-only connection per question, so any thread may ask.

    A database that does not exist yet has no history; that is an answer, not an error.
    """

    def zone_use(self, zones: Sequence[str], spans: Sequence[Span]) -> list[ZoneUse]:
        """Return the zones' sums in those spans that have any trusted input."""
        found = self._ask(_ZONES, _listed(zones), _edges(spans))
        sums = json.loads(f"[{','.join(text for _, _, text in found)}]")
        return [
            ZoneUse(zone, span, *values)
            for (zone, span, _), values in zip(found, sums, strict=True)
            if values[0]
        ]

    def place_hours(self, places: Sequence[str], spans: Sequence[Span]) -> list[PlaceHour]:
        """Return the places' sums by place and hour of the day; rows are of whole hours of UTC."""
        return [PlaceHour(*row) for row in self._ask(_PLACES, _listed(places), _edges(spans))]

    def busiest(self, zones: Sequence[str], spans: Sequence[Span]) -> Moment | None:
        """Return the five minutes in which most places of these zones together were in use; the first of equals."""
        found = self._ask(_BUSIEST, _listed(zones), _edges(spans))
        return Moment(from_ms(found[0][0]), *found[0][1:]) if found else None

    def hold_lengths(self, places: Sequence[str], from_at: datetime, to_at: datetime) -> list[HoldLength]:
        """Return the lengths of ended holds that began with from_at <= start < to_at, shortest first."""
        found = self._ask(_HOLDS, _listed(places), to_ms(from_at), to_ms(to_at))
        return [HoldLength(minutes, bool(is_seen), count) for minutes, is_seen, count in found]

    def reclaimable(self, places: Sequence[str], from_at: datetime, to_at: datetime) -> list[Reclaimable]:
        """Return when places turned reclaimable, from_at <= at < to_at, once per hold, by place and time."""
        found = self._ask(_RECLAIMABLE, _listed(places), to_ms(from_at), to_ms(to_at))
        return [
            Reclaimable(
                place,
                from_ms(at),
                None if then is None else from_ms(then),
                phase,
                then is not None and bool(same),
            )
            for place, at, then, phase, same in found
        ]

    def hold_classes(self, zones: Sequence[str], first: date, last: date) -> LengthCounts:
        """Return how long the holds lasted that ended on these days (UTC), both included."""
        return _classes(self._ask(_HOLD_CLASSES, _listed(zones), *_range(first, last)))

    def offer_classes(self, zones: Sequence[str], first: date, last: date) -> LengthCounts:
        """Return how soon after the last use screens offered a place, on these days (UTC), both included."""
        return _classes(self._ask(_OFFER_CLASSES, _listed(zones), *_range(first, last)))


def _range(first: date, last: date) -> tuple[int, int]:
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    return to_ms(begin), to_ms(end)


def _classes(rows: Sequence[tuple[str, int, int, int, str]]) -> LengthCounts:
    return LengthCounts(
        tuple(LengthClass(zone, le or None, bool(is_seen), count) for zone, le, is_seen, count, _ in rows),
        frozenset(from_ms(int(start)).date() for *_, starts in rows for start in starts.split(",")),
    )


def _listed(names: Sequence[str]) -> str:
    return json.dumps(list(names))


def _edges(spans: Sequence[Span]) -> str:
    return json.dumps([(to_ms(span.start), to_ms(span.end), span.hour) for span in spans])
