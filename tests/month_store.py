"""A store with a month in it, and the weeks around: a busy floor, one small zone, one measured on too few days."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ingest.stores.schema import HoldDay, ZoneOffer, to_ms
from ingest.stores.sqlite_store import SqliteStore
from workplace.floor_plan import FloorPlan, Zone
from workplace.ports import ZoneBin

#: October 2026 in Amsterdam, summer time up to the 25th; the 14th was dark everywhere.
FIRST, LAST, DARK = date(2026, 9, 28), date(2026, 11, 6), date(2026, 10, 14)
#: The tightest moment: one place free of the zone `3-stilte`.
TIGHT = datetime(2026, 10, 20, 8, 30, tzinfo=UTC)
#: Zones of which there is anything; of the last one on four days only.
ZONES, FEW_DAYS = ("3-ontmoeten", "3-samenwerken", "3-stilte", "2-stilte"), "1-stilte"


def make_store(path: Path, plan: FloorPlan) -> Path:
    """Write the store and return its path."""
    store = SqliteStore(sqlite3.connect, path)
    store.open(datetime(2026, 11, 7, tzinfo=UTC))
    chance = random.Random(5)
    with store.transaction() as writing:
        for zone in [plan.zone[name] for name in (*ZONES, FEW_DAYS)]:
            capacity = sum(not place.fixed for place in zone.places)
            for day in _days(zone.id):
                writing.put_zone_bins(list(_bins(zone, capacity, day, chance)))
                start = datetime.combine(day, time(), UTC)
                writing.put_hold_days(
                    [
                        HoldDay(zone.id, start, "free", 3600, 6, 6 * 3000.0, 97.0),
                        HoldDay(zone.id, start, "free", 14_400, 9, 9 * 12_000.0, 97.0),
                        HoldDay(zone.id, start, "free", 0, 1, 31_000.0, 97.0),
                        HoldDay(zone.id, start, "unknown", 3600, 1, 3000.0, 40.0),
                    ]
                )
                writing.put_zone_offers(
                    to_ms(start),
                    [ZoneOffer(zone.id, 20, 5), ZoneOffer(zone.id, 55, 9), ZoneOffer(zone.id, 90, 2)],
                )
    store.close()
    return path


def _days(zone: str) -> Iterator[date]:
    day = date(2026, 10, 5) if zone == FEW_DAYS else FIRST
    last = date(2026, 10, 8) if zone == FEW_DAYS else LAST
    while day <= last:
        if day != DARK and day.weekday() < 5:
            yield day
        day += timedelta(days=1)


def _bins(zone: Zone, capacity: int, day: date, chance: random.Random) -> Iterator[ZoneBin]:
    full = {0: 0.65, 1: 0.9, 2: 0.6, 3: 0.85, 4: 0.35}[day.weekday()]
    at = datetime.combine(day, time(6, 0), UTC)
    while at < datetime.combine(day, time(16, 0), UTC):
        shape = max(0.0, 1 - abs(at.hour + at.minute / 60 - 11) / 7)
        used = min(capacity - 3.0, capacity * max(0.0, full * shape + chance.uniform(-0.06, 0.06)))
        held, least = 0.12 * used, 2
        if at == TIGHT and zone.id == "3-stilte":
            least = 1
        seen = 0.97
        free = capacity - used - min(held, capacity - used)
        yield ZoneBin(
            zone.id, at, used * seen, int(used) + 1, min(held, capacity - used) * seen, free * seen,
            least, capacity, 100 * seen,
        )  # fmt: skip
        at += timedelta(minutes=5)
