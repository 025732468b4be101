"""Site clocks. One machine shares one scaled clock through a short text, so that all processes agree."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workplace.errors import SettingInvalid

MAX_SPEED = 3600.0


@dataclass(frozen=True, slots=True)
class SiteClock:
    """Site time = `origin` + elapsed boot time x `speed`; implements `workplace.ports.Clock`.

    Attributes:
        speed: site seconds per real second, 1 in production.
        origin: site time at `origin_boot_s`, aware UTC.
        origin_boot_s: reading of CLOCK_BOOTTIME, s; it goes on during suspend and is one for all processes.
    """

    speed: float
    origin: datetime
    origin_boot_s: float

    def now(self) -> datetime:
        if self.speed == 1.0 and self.origin_boot_s == 0.0:
            return datetime.now(UTC)
        return self.origin + timedelta(seconds=self._elapsed_s() * self.speed)

    def boot_ms(self) -> float:
        return self._elapsed_s() * self.speed * 1000.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed

    def _elapsed_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.origin_boot_s

    def to_text(self) -> str:
        """Return the clock as one word for a child process."""
        return f"{self.speed:g}@{self.origin_boot_s:.6f}@{self.origin.isoformat()}"


def wall_clock() -> SiteClock:
    """Return the clock of a real site: wall time, speed 1."""
    return SiteClock(1.0, datetime.fromtimestamp(0, UTC), 0.0)


def scaled_clock(start_at: datetime, speed: float) -> SiteClock:
    """Return a clock that shows `start_at` now and runs `speed` times as fast as the wall.

    Raises:
        SettingInvalid: speed outside 1-3600.
    """
    if not 1.0 <= speed <= MAX_SPEED:
        raise SettingInvalid(f"speed is {speed:g}; write a number from 1 to {MAX_SPEED:g}")
    return SiteClock(speed, start_at.astimezone(UTC), time.clock_gettime(time.CLOCK_BOOTTIME))


def from_text(text: str) -> SiteClock:
    """Return the clock that `SiteClock.to_text` described."""
    speed, boot, origin = text.split("@", 2)
    return SiteClock(float(speed), datetime.fromisoformat(origin), float(boot))
