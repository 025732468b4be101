"""What a process says of its health, for Prometheus to read: `GET /metrics` on a port of its own.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for what only grows. No place, no
person: counts per zone, gateway and channel.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workplace.errors import SettingInvalid
from workplace.events import ChannelHealth, GatewayHealth, IngestHealth, NotifierHealth, ZoneState

if TYPE_CHECKING:
    from dashboard.wall.screen_links import ScreenCounts

Health = GatewayHealth | IngestHealth | NotifierHealth
Tell = Callable[[Health], None]
LOOPBACK = "127.0.0.1"
#: Ways of the wall's numbers.
_ZONE_COUNTS = ("free", "in_use", "reclaimable", "unknown", "exempt")
_CHANNEL_ENDS = ("sent", "expired", "withheld", "refused", "withdrawn")


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `[HOST:]PORT`; the host is this machine alone unless given.

    Raises:
        SettingInvalid: it is no such address.
    """
    found = re.fullmatch(r"(?:(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):)?(?P<port>\d{1,5})", text)
    port = 0 if found is None else int(found["port"])
    if found is None or not 0 < port < 65536:
        raise SettingInvalid(f"--metrics {text!r}: write PORT or HOST:PORT, for instance 9100")
    return (found["host"] or LOOPBACK).strip("[]"), port


class Exposition(Collector):
    """Holds the newest health of this process; asked from the thread of the server."""

    def __init__(self) -> None:
        self._told: tuple[Health, float] | None = None
        self._zones: Callable[[], Iterable[ZoneState]] = tuple
        self._screens: Callable[[], ScreenCounts] | None = None
        self._refusals: Callable[[], dict[str, int]] | None = None

    def watch_zones(self, zones: Callable[[], Iterable[ZoneState]]) -> None:
        """Ask `zones` at each look, from another thread."""
        self._zones = zones

    def watch_screens(self, screens: Callable[[], ScreenCounts]) -> None:
        """Ask `screens` at each look, from another thread."""
        self._screens = screens

    def watch_refusals(self, refusals: Callable[[], dict[str, int]]) -> None:
        """Ask `refusals` at each look, from another thread."""
        self._refusals = refusals

    def tell(self, health: Health) -> None:
        self._told = (health, time.monotonic())

    def collect(self) -> Iterator[Metric]:
        yield from zone_metrics(self._zones())
        if self._screens is not None:
            yield from screen_metrics(self._screens())
        if self._refusals is not None:
            yield _counted(
                "plekvrij_pages_refused", "Calls that were refused, by reason.", "reason", self._refusals()
            )
        if self._told is None:
            return
        health, at = self._told
        yield _gauge(
            "plekvrij_health_age_seconds",
            "Since the process last looked at its health.",
            time.monotonic() - at,
        )
        if isinstance(health, GatewayHealth):
            yield from gateway_metrics(health)
        elif isinstance(health, IngestHealth):
            yield from ingest_metrics(health)
        else:
            yield from notifier_metrics(health)


@contextmanager
def exposed(address: str | None, exposition: Exposition) -> Iterator[None]:
    """Answer `/metrics` on `address` until the block ends; None answers nobody.

    Raises:
        SettingInvalid: the address cannot be read or is taken.
    """
    if address is None:
        yield
        return
    host, port = parse_address(address)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exposition)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingInvalid(
            f"--metrics {address}: cannot listen there ({error.strerror}); give another port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def gateway_metrics(health: GatewayHealth) -> Iterator[Metric]:
    """Return outbox, sources, devices by state and every counter of a gateway."""
    yield _gauge("plekvrij_uptime_seconds", "Since the process started.", health.uptime_s)
    if health.outbox_rows >= 0:
        yield _gauge("plekvrij_gateway_outbox_rows", "Events not yet acknowledged.", health.outbox_rows)
        yield _gauge(
            "plekvrij_gateway_outbox_oldest_seconds", "Age of the oldest of them.", health.outbox_oldest_s
        )
    yield _gauge("plekvrij_gateway_clock_synced", "1: the clock is synchronised.", health.clock_synced)
    sources = GaugeMetricFamily("plekvrij_gateway_source_up", "1: in order.", labels=["source", "status"])
    for source in health.sources:
        sources.add_metric([source.name, source.status], float(source.status == "ok"))
    yield sources
    states = Counter(
        "available" if device.available else "lost" if device.is_lost else "not_heard_yet"
        for device in health.devices
    )
    yield _by("plekvrij_gateway_devices", "Devices by state.", "state", states)
    yield _counted(
        "plekvrij_gateway_counter", "What was read, rejected, dropped and sent.", "counter", health.counters
    )


def ingest_metrics(health: IngestHealth) -> Iterator[Metric]:
    """Return events, store, sink and pauses of ingest."""
    yield _gauge("plekvrij_uptime_seconds", "Since the process started.", health.uptime_s)
    for name, value in (
        ("events", health.events_total),
        ("duplicates", health.duplicates_total),
        ("late", health.late_total),
    ):
        yield CounterMetricFamily(f"plekvrij_ingest_{name}", "Events taken in.", value=value)
    yield _counted(
        "plekvrij_ingest_quarantined", "Messages set aside, by reason.", "reason", health.quarantined
    )
    for name, text, numbers in (
        ("lost_events", "Events known to be lost, by cause.", health.lost_events),
        ("loss_records", "Records of losses, by cause.", health.loss_records),
    ):
        yield _counted(f"plekvrij_ingest_{name}", text, "cause", numbers)
    if health.last_event_age_s is not None:
        yield _gauge(
            "plekvrij_ingest_last_event_age_seconds",
            "Since the last event was stored.",
            health.last_event_age_s,
        )
    yield _gauge("plekvrij_ingest_subscribed", "1: the broker keeps events for us.", health.is_subscribed)
    yield _gauge("plekvrij_ingest_paused", "1: enforcement pauses.", health.paused)
    yield from _facts("plekvrij_ingest_store", health.store)
    if health.sink is not None:
        yield from _facts("plekvrij_ingest_sink", health.sink)


def notifier_metrics(health: NotifierHealth) -> Iterator[Metric]:
    """Return what each channel outside the screens did."""
    yield _gauge("plekvrij_notifier_reads_decisions", "1: decisions can be read.", health.reads_decisions)
    up = GaugeMetricFamily("plekvrij_channel_up", "1: in order.", labels=["channel", "state"])
    waiting = GaugeMetricFamily("plekvrij_channel_waiting", "Messages that wait.", labels=["channel"])
    oldest = GaugeMetricFamily(
        "plekvrij_channel_oldest_seconds", "Age of the oldest that waits.", labels=["channel"]
    )
    ended = CounterMetricFamily(
        "plekvrij_channel_messages", "Messages by how they ended.", labels=["channel", "end"]
    )
    for channel in health.channels:
        up.add_metric([channel.name, channel.state], float(channel.state == "ok"))
        waiting.add_metric([channel.name], channel.waiting)
        oldest.add_metric([channel.name], channel.oldest_s)
        for end, number in _ends(channel):
            ended.add_metric([channel.name, end], number)
    yield from (up, waiting, oldest, ended)


def screen_metrics(counts: ScreenCounts) -> Iterator[Metric]:
    """Return links, open screens and what bad links were answered."""
    yield _gauge("plekvrij_screens_links", "Links of wall screens in force.", counts.links)
    yield _gauge("plekvrij_screens_open", "Wall screens with a link that are open now.", counts.open)
    refused = dict(counts.refused)
    yield _counted("plekvrij_screens_refused", "Calls with a bad link, by reason.", "reason", refused)


def zone_metrics(zones: Iterable[ZoneState]) -> Iterator[Metric]:
    """Return the numbers of the walls: places of each zone by what they are shown as."""
    places = GaugeMetricFamily(
        "plekvrij_zone_places", "Places by what is shown.", labels=["zone", "shown_as"]
    )
    coverage = GaugeMetricFamily(
        "plekvrij_zone_coverage_ratio", "Share of places with trusted inputs.", labels=["zone"]
    )
    for zone in zones:
        for name in _ZONE_COUNTS:
            places.add_metric([zone.zone, name], getattr(zone, name))
        coverage.add_metric([zone.zone], zone.coverage_pct / 100)
    if places.samples:
        yield from (places, coverage)


def _ends(channel: ChannelHealth) -> list[tuple[str, int]]:
    return [(end, getattr(channel, end)) for end in _CHANNEL_ENDS]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _by(name: str, text: str, label: str, numbers: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, number in sorted(numbers.items()):
        family.add_metric([key], number)
    return family


def _counted(name: str, text: str, label: str, numbers: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, number in sorted(numbers.items()):
        family.add_metric([key], number)
    return family


def _facts(prefix: str, facts: dict[str, str | int | float | bool]) -> Iterator[Metric]:
    """Return numbers as one family each, and texts as one family whose value is 1."""
    texts = GaugeMetricFamily(f"{prefix}_state", "What holds now.", labels=["fact", "value"])
    for name, value in sorted(facts.items()):
        if isinstance(value, str):
            texts.add_metric([name, value], 1.0)
        elif name.endswith("_total"):
            yield CounterMetricFamily(
                f"{prefix}_{name.removesuffix('_total')}", "Since the start.", value=value
            )
        elif name.endswith("_ms"):
            yield _gauge(f"{prefix}_{name.removesuffix('_ms')}_seconds", "Duration.", value / 1000)
        elif name.endswith("_s"):
            yield _gauge(f"{prefix}_{name.removesuffix('_s')}_seconds", "Duration.", value)
        else:
            yield _gauge(f"{prefix}_{name}", "Now.", value)
    yield texts
