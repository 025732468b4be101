"""Figures of a gateway as a whole: its real process between devices and the real embedded broker."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import processes
from bench.edge_rig import EVENTS_PER_NODE, MESSAGES, NODES, PORTS, ROUNDS, SWITCHES_PER_ROUND, Rig, running
from bench.figure import Figure, within
from bench.sites import NEED_EVENTS_PER_S


@dataclass(frozen=True, slots=True)
class Sustained:
    """Medians of several rounds: events per second from device to broker, CPU of the gateway; memory after them."""

    events_per_s: float
    cpu_us: float
    rss_mb: float


def gateway_from_mqtt() -> Figure:
    """500 Zigbee sensors through decoder, filter, clock, durable outbox and publisher, acknowledged by the broker."""
    return _against_need("gateway_from_mqtt", _from_mqtt())


def gateway_cpu_from_mqtt() -> Figure:
    return _cpu("gateway_cpu_from_mqtt", _from_mqtt())


def gateway_from_serial() -> Figure:
    """Six wired nodes on pseudo-terminals, each event acknowledged to its node only after the commit."""
    return _against_need("gateway_from_serial", _from_serial())


def gateway_cpu_from_serial() -> Figure:
    return _cpu("gateway_cpu_from_serial", _from_serial())


def gateway_from_snmp() -> Figure:
    """Ten switches whose ports come up: v2c traps from the socket through the durable outbox to the broker."""
    return _against_need("gateway_from_snmp", _from_snmp())


def gateway_cpu_from_snmp() -> Figure:
    return _cpu("gateway_cpu_from_snmp", _from_snmp())


def memory_of_a_gateway_of_500() -> Figure:
    """With 500 devices behind it a gateway still fits on the smallest board."""
    return within("memory_of_a_gateway_of_500", _from_mqtt().rss_mb, "MB", 100)


def _against_need(name: str, measured: Sustained) -> Figure:
    against = f"2,000 places on one gateway, {NEED_EVENTS_PER_S:g} events/s"
    rate = measured.events_per_s
    return Figure(name, rate, "events/s", against, rate / NEED_EVENTS_PER_S, 5.0)


def _cpu(name: str, measured: Sustained) -> Figure:
    budget_us = 0.1 * 1e6 / NEED_EVENTS_PER_S
    against = f"10 % of a core at that need, {budget_us:,.0f} us"
    return Figure(name, measured.cpu_us, "CPU us", against, budget_us / measured.cpu_us, 1.0)


@cache
def _from_mqtt() -> Sustained:
    return _measure(lambda rig: rig.flood_mqtt(), MESSAGES)


@cache
def _from_serial() -> Sustained:
    return _measure(lambda rig: rig.flood_serial(), NODES * EVENTS_PER_NODE)


@cache
def _from_snmp() -> Sustained:
    return _measure(lambda rig: rig.flood_snmp(), SWITCHES_PER_ROUND * PORTS)


def _measure(flood: Callable[[Rig], Awaitable[None]], count: int) -> Sustained:
    async def body() -> Sustained:
        rounds: list[tuple[float, float]] = []
        with TemporaryDirectory(prefix="plekvrij-bench-", ignore_cleanup_errors=True) as folder:
            async with running(Path(folder)) as rig:
                for _ in range(ROUNDS):
                    before_s, began, heard = processes.cpu_s(rig.pid), time.perf_counter(), rig.heard
                    await flood(rig)
                    await rig.until_heard(heard + count)
                    took_s = time.perf_counter() - began
                    rounds.append((count / took_s, (processes.cpu_s(rig.pid) - before_s) * 1e6 / count))
                rss_mb = processes.rss_mb(rig.pid)
        return Sustained(
            statistics.median(rate for rate, _ in rounds),
            statistics.median(cost for _, cost in rounds),
            rss_mb,
        )

    return asyncio.run(body())
