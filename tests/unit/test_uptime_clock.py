"""The uptime clock against simulated devices whose true time is known."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uptime_clock import ARRIVAL_UNCERTAINTY_MS, UptimeClock
from workplace.readings import ClockSample

HOUR_MS = 3_600_000


@dataclass
class Link:
    """A device that drifts, behind a transport that takes 1-17 ms and now and then stalls up to 2 s."""

    seed: int
    drift_ppm: float
    stall_share: float

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def delay_ms(self) -> float:
        if self._random.random() < self.stall_share:
            return self._random.uniform(100, 2000)
        return self._random.uniform(1, 17)

    def uptime_ms(self, true_ms: float) -> int:
        return round(true_ms * (1 + self.drift_ppm * 1e-6)) + 5_000

    def ping(self, true_ms: float) -> ClockSample:
        there = true_ms + self.delay_ms()
        return ClockSample("node", 7, true_ms, there + self.delay_ms(), self.uptime_ms(there))


def errors_ms(link: Link, ping_every_s: float, hours: float) -> tuple[list[float], float]:
    """Return the sorted errors of one event per 20 s, and the share within the stated uncertainty."""
    clock = UptimeClock()
    timeline = [(float(n * 100), True) for n in range(8)]
    timeline += [(ping_every_s * 1000 * n, True) for n in range(1, int(hours * 3600 / ping_every_s))]
    timeline += [(20_000.0 * n + 3_333, False) for n in range(int(hours * 180))]
    found: list[float] = []
    kept = 0
    for true_ms, is_ping in sorted(timeline):
        if is_ping:
            clock.add(link.ping(true_ms))
            continue
        stamp = clock.stamp("node", 7, link.uptime_ms(true_ms), true_ms + link.delay_ms())
        found.append(abs(stamp.boot_ms - true_ms))
        kept += found[-1] <= stamp.uncertainty_ms
    return sorted(found), kept / len(found)


@pytest.mark.parametrize(
    ("drift_ppm", "ping_every_s", "stall_share", "half_ms", "most_ms"),
    [
        pytest.param(40, 10, 0.02, 3, 12, id="a crystal at 40 ppm, pinged every 10 s"),
        pytest.param(-80, 10, 0.02, 3, 12, id="a cold crystal at -80 ppm"),
        pytest.param(40, 60, 0.02, 4, 20, id="pinged once a minute only"),
        pytest.param(40, 10, 0.30, 4, 20, id="a third of all messages stalls"),
        pytest.param(3000, 10, 0.02, 4, 100, id="an RC oscillator; its first minutes are not fitted yet"),
    ],
)
def test_events_are_placed_within_milliseconds(
    drift_ppm: float, ping_every_s: float, stall_share: float, half_ms: float, most_ms: float
) -> None:
    found, kept = errors_ms(Link(11, drift_ppm, stall_share), ping_every_s, hours=1.5)
    assert found[len(found) // 2] <= half_ms
    assert found[int(len(found) * 0.95)] <= most_ms
    if abs(drift_ppm) <= 100:
        assert kept >= 0.97


def test_without_a_round_trip_the_arrival_is_all_there_is() -> None:
    stamp = UptimeClock().stamp("node", 7, uptime_ms=123, arrival_ms=1000.0)
    assert (stamp.boot_ms, stamp.uncertainty_ms, stamp.from_device) == (1000.0, ARRIVAL_UNCERTAINTY_MS, False)


def test_a_new_boot_never_uses_the_line_of_the_old_one() -> None:
    clock = UptimeClock()
    clock.add(ClockSample("node", 1, 0, 10, 90_000))
    assert clock.stamp("node", 1, 90_000, 50).from_device
    assert not clock.stamp("node", 2, 100, 50).from_device


def test_a_broken_clock_is_not_extrapolated() -> None:
    clock = UptimeClock()
    for n in range(60):
        clock.add(ClockSample("node", 1, n * 10_000, n * 10_000 + 4, n * 20_000))  # runs twice too fast
    stamp = clock.stamp("node", 1, 60 * 20_000, 600_100)
    assert stamp.boot_ms <= 600_100


def test_an_answer_before_its_question_is_ignored() -> None:
    clock = UptimeClock()
    clock.add(ClockSample("node", 1, 100, 50, 0))
    assert not clock.stamp("node", 1, 0, 200).from_device


times = st.integers(min_value=0, max_value=12 * HOUR_MS)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(-4000, 4000),
    st.lists(times, min_size=1, max_size=30, unique=True),
    st.lists(times, max_size=30),
)
def test_events_of_one_boot_keep_their_order_and_never_come_from_the_future(
    seed: int, drift_ppm: float, events: list[int], pings: list[int]
) -> None:
    link, clock = Link(seed, drift_ppm, 0.1), UptimeClock()
    steps = sorted([(t, False) for t in events] + [(t, True) for t in pings])
    arrival_ms, stamps = 0.0, []
    for true_ms, is_ping in steps:
        if is_ping:
            clock.add(link.ping(true_ms))
        else:
            arrival_ms = max(arrival_ms, true_ms + link.delay_ms())  # a wire does not reorder
            stamps.append(clock.stamp("node", 7, link.uptime_ms(true_ms), arrival_ms))
            assert stamps[-1].boot_ms <= arrival_ms
            assert stamps[-1].uncertainty_ms >= 0
    ours = [stamp.boot_ms for stamp in stamps if stamp.from_device]
    assert all(earlier <= later for earlier, later in pairwise(ours))
