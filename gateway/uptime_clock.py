"""A device's uptime -> the gateway's boot clock. Pure.

A device has no wall clock worth trusting, but its uptime runs evenly. Ping round trips tie the two clocks
together: the fastest fifth were hardly delayed, and a line through them gives offset and skew. In a simulated
6 h with 2 % stalls of up to 2 s and a crystal off by 80 ppm, 99 % of events were within 6 ms; their arrival
says more than a second. `tests/unit/test_uptime_clock.py` has the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workplace.readings import ClockSample

#: Round trips older than this, device ms, are forgotten. Lower fits fewer points, higher follows a change of
#: temperature late.
MEMORY_MS = 3_600_000
MOST_SAMPLES = 512
#: Fewer points or less spread (sum of squares, ms2) than this give no trustworthy skew.
FIT_POINTS = 8
FIT_SPREAD_MS2 = 60_000.0**2
#: Crystals stay within 100 ppm, RC oscillators within 3,000; past 5,000 a clock is broken: no extrapolation.
CRYSTAL_PPM = 100e-6
BROKEN_PPM = 5_000e-6
#: What temperature does to a fitted line between samples, ms.
WANDER_MS = 2.0
#: Without any round trip only the arrival is known; stalls of up to 2 s were seen.
ARRIVAL_UNCERTAINTY_MS = 2_000.0
#: Boots kept per device: the present one, and the one before for what is still on its way.
BOOTS = 2


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time on the gateway's boot clock, ms, its half width, ms, and whether the device's clock gave it."""

    boot_ms: float
    uncertainty_ms: float
    from_device: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """boot_ms = mid_boot_ms + slope * (uptime_ms - mid_uptime_ms); `best_*` is the fastest round trip."""

    mid_uptime_ms: float
    mid_boot_ms: float
    slope: float
    is_fitted: bool
    best_uptime_ms: float
    best_rtt_ms: float


@dataclass(slots=True)
class _Boot:
    samples: list[ClockSample] = field(default_factory=list)
    line: _Line | None = None
    last: tuple[int, float] | None = None

    def add(self, sample: ClockSample) -> None:
        oldest = sample.uptime_ms - MEMORY_MS
        kept = [old for old in self.samples if old.uptime_ms >= oldest]
        self.samples = [*kept[1 - MOST_SAMPLES :], sample]
        self.line = _fit(self.samples)

    def stamp(self, uptime_ms: int, arrival_ms: float) -> Stamp:
        line = self.line
        if line is None:
            return Stamp(arrival_ms, ARRIVAL_UNCERTAINTY_MS, from_device=False)
        at_ms = line.mid_boot_ms + line.slope * (uptime_ms - line.mid_uptime_ms)
        at_ms = min(at_ms, arrival_ms)  # nothing arrives before it happened
        if self.last is not None and uptime_ms >= self.last[0]:
            at_ms = max(at_ms, min(self.last[1], arrival_ms))  # a better fit never swaps two events
        if self.last is None or uptime_ms >= self.last[0]:
            self.last = (uptime_ms, at_ms)
        away_ms = abs(uptime_ms - line.best_uptime_ms)
        spread_ms = WANDER_MS if line.is_fitted else away_ms * CRYSTAL_PPM
        return Stamp(at_ms, line.best_rtt_ms / 2 + spread_ms, from_device=True)


class UptimeClock:
    """The time lines of all devices, one per boot: a new boot never inherits from an old one."""

    def __init__(self) -> None:
        self._boots: dict[str, dict[int, _Boot]] = {}

    def add(self, sample: ClockSample) -> None:
        """Learn from one round trip. One that ends before it began is no round trip and is ignored."""
        if sample.received_ms >= sample.sent_ms:
            self._boot(sample.device, sample.boot_id).add(sample)

    def stamp(self, device: str, boot_id: int, uptime_ms: int, arrival_ms: float) -> Stamp:
        """Return when `uptime_ms` was: never after `arrival_ms`, nor before an earlier event of that boot."""
        return self._boot(device, boot_id).stamp(uptime_ms, arrival_ms)

    def _boot(self, device: str, boot_id: int) -> _Boot:
        boots = self._boots.setdefault(device, {})
        if boot_id not in boots:
            boots[boot_id] = _Boot()
            while len(boots) > BOOTS:
                del boots[next(iter(boots))]
        return boots[boot_id]


def _rtt_ms(sample: ClockSample) -> float:
    return sample.received_ms - sample.sent_ms


def _fit(samples: list[ClockSample]) -> _Line:
    """Return the least-squares line through the fastest fifth; slope 1 while that says too little."""
    fastest = sorted(samples, key=_rtt_ms)[: max(3, len(samples) // 5)]
    uptimes = [float(sample.uptime_ms) for sample in fastest]
    middles = [(sample.sent_ms + sample.received_ms) / 2 for sample in fastest]
    mid_uptime, mid_boot = sum(uptimes) / len(uptimes), sum(middles) / len(middles)
    spread = sum((uptime - mid_uptime) ** 2 for uptime in uptimes)
    slope, is_fitted = 1.0, False
    if len(fastest) >= FIT_POINTS and spread > FIT_SPREAD_MS2:
        both = sum((u - mid_uptime) * (m - mid_boot) for u, m in zip(uptimes, middles, strict=True))
        if abs(both / spread - 1) <= BROKEN_PPM:
            slope, is_fitted = both / spread, True
    return _Line(mid_uptime, mid_boot, slope, is_fitted, uptimes[0], _rtt_ms(fastest[0]))
