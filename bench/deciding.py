"""Figures of deciding and keeping: the engine alone, and the outbox of a gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, compare, each_us, rate, within
from bench.sites import Building, big_plan_text, example_site, greetings
from gateway.outbox_schema import Bounds
from gateway.outbox_table import OutboxTable, open_table
from plekvrij import sqlite_driver, wiring
from simulators.feed import feed
from workplace.events import SensorEvent
from workplace.holds.engine import SiteEngine
from workplace.holds.wiring import Wiring
from workplace.occupancy.generator import Motion, Setting, silence
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import Evidence
from workplace.occupancy.rates import DAY, UNHEARD
from workplace.occupancy.vectors import Vector, led

_TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
_FACTS = 3000
_GROUP = 100
_NEED_FACTS_PER_S = 1000
#: How much of one core deciding may take of it, percent; the rest is for the broker and the database.
_CORE_PCT = 100.0
_PLACES_WATCHED = 16
_FILTER_BUDGET_US = 150.0
_STEPS = 20_000


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
    return Figure("facts_decided", per_s, "facts/s", against, per_s / _NEED_FACTS_PER_S, 1.5)


def deciding_of_a_big_site() -> Figure:
    """Share of one core that 1,000 facts/s of a site of 2,000 places take: filter, hold engine and wake-ups."""
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder:
        file = Path(folder) / "groot.plan.yaml"
        file.write_text(big_plan_text(), "utf-8")
        site = wiring.read_site(file, None)
    events = Building(site.plan).facts(2 * _FACTS, _TEN, _NEED_FACTS_PER_S)
    online, there = greetings(site.plan, _TEN)

    def decide() -> float:
        engine = SiteEngine(site.plan, site.policy)
        engine.start(_TEN)
        for status in online:
            engine.apply(status, _TEN)
        _apply(engine, there)
        return each_us(lambda: _apply(engine, events))

    share_pct = min(decide() for _ in range(4)) * _NEED_FACTS_PER_S / 1e4
    return within("deciding_of_a_big_site", share_pct, "% of a core", _CORE_PCT)


def filter_per_event() -> Figure:
    """CPU per event of the occupancy filter alone on a simulated workday, against its own model asked each second."""
    ours, other = _filter_costs()
    against = f"the same model stepped second by second, {other:,.0f} us"
    return Figure("filter_per_event", ours, "CPU us", against, other / ours, 3.5)


def filter_in_its_budget() -> Figure:
    """The same cost in microseconds, the best of several rounds: a neighbour can only make it longer."""
    return within("filter_in_its_budget", _filter_costs()[0], "CPU us", _FILTER_BUDGET_US)


@cache
def _filter_costs() -> tuple[float, float]:
    """Return CPU us per event of the filter, and of stepping its model each second of that day; best of several."""
    site = example_site()
    places = [p for p in site.plan.place.values() if {"link", "motion"} <= {s.kind for s in p.sensors}]
    places = places[:: max(len(places) // _PLACES_WATCHED, 1)]
    day = next(iter(feed(site.plan, 1, 1)))
    wires = Wiring(site.plan)
    told: dict[str, list[tuple[datetime, Evidence]]] = {place.id: [] for place in places}
    for event in day.events:
        for name, evidence in wires.read(event):
            if name in told:
                told[name].append((event.received_at, evidence))
    count = sum(map(len, told.values()))

    def lived() -> int:
        model = HiddenMarkov.of(site.policy, site.plan.tz)
        for place in places:
            state = model.start(place, told[place.id][0][0])
            for now, evidence in told[place.id]:
                state = model.observe(place, state, evidence, now)
                model.belief(place, state, now)
        return count

    def stepped() -> int:
        matrix = silence(Setting(DAY, has_dock=True, link=True, motions=(Motion(),)))[0][0]
        belief: Vector = UNHEARD[DAY]
        for _ in range(_STEPS):
            belief = led(belief, matrix)
        return _STEPS

    ours = min(each_us(lived) for _ in range(5))
    a_second = min(each_us(stepped) for _ in range(5))
    return ours, a_second * 86_400 * len(places) / count


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
