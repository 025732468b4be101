"""Figures of deciding and keeping: the engine alone, and the outbox of a gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, compare, each_us, rate
from bench.sites import Building, example_site, greetings
from gateway.outbox_schema import Bounds
from gateway.outbox_table import OutboxTable, open_table
from plekvrij import sqlite_driver
from workplace.events import SensorEvent
from workplace.holds.engine import SiteEngine

_TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
_FACTS = 3000
_GROUP = 100
_NEED_FACTS_PER_S = 1000


def facts_decided() -> Figure:
    """Facts per second of CPU through `SiteEngine.apply` on the example plan, wake-ups included."""
    site = example_site()
    events = Building(site.plan).facts(_FACTS, _TEN, 20)

    def decide() -> float:
        engine = SiteEngine(site.plan, site.policy)
        engine.start(_TEN)
        online, there = greetings(site.plan, _TEN)
        for status in online:
            engine.apply(status, _TEN)
        _apply(engine, there)
        return each_us(lambda: _apply(engine, events))

    per_s = rate(decide)
    against = f"a need of {_NEED_FACTS_PER_S:,} facts/s"
    return Figure("facts_decided", per_s, "facts/s", against, per_s / _NEED_FACTS_PER_S, 1.2)


def _apply(engine: SiteEngine, events: list[SensorEvent]) -> int:
    for event in events:
        engine.apply(event, event.received_at)
    return len(events)


def events_kept_in_outbox() -> Figure:
    """Durable events per second of real time: groups of 100, as under load, against one commit each."""
    plan = example_site().plan
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder:
        table = open_table(
            Path(folder) / "outbox.db",
            connect=sqlite_driver.connect,
            bounds=Bounds(),
            now=lambda: _TEN,
            gateway=(plan.site, "gw-3"),
        )
        building = Building(plan)
        grouped = _kept(table, building, count=5000, group=_GROUP)
        single = _kept(table, building, count=300, group=1)
        mine, ratio = compare(grouped, single)
        table.close()
    return Figure("events_kept_in_outbox", 1e6 / mine, "events/s", "one commit per event", ratio, 5.0)


def _kept(table: OutboxTable, building: Building, *, count: int, group: int) -> Callable[[], float]:
    at = _TEN

    def measure() -> float:
        nonlocal at
        at += timedelta(minutes=1)
        events = building.facts(count, at, 70)
        return each_us(lambda: _insert(table, events, group), time.perf_counter)

    return measure


def _insert(table: OutboxTable, events: list[SensorEvent], group: int) -> int:
    for start in range(0, len(events), group):
        table.commit([partial(OutboxTable.insert, events=events[start : start + group])])
    return len(events)
