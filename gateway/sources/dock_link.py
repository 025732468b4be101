"""What the two ways to see a dock from the laptop itself have in common: one link, told with a configured name.

No host name, no hardware address and no serial number is read; the name in the settings is all that leaves.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence

from gateway.intake import DeviceMessage, Intake
from gateway.sources.source import Source
from workplace.events import SourceHealth
from workplace.ports import Clock
from workplace.readings import Decoded, Reading

FAMILY = "laptop_dock"


class DockSource(Source):
    """One dock. Short drops are left to the policy (R1)."""

    def __init__(self, name: str, *, intake: Intake, clock: Clock) -> None:
        self.name = f"laptop_dock:{name}"
        self.counters = Counter()
        self._dock = name
        self._intake = intake
        self._clock = clock
        self._heard_s: float | None = None
        self._why = "not started yet"

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            await self.watch()
        except OSError as error:
            self._why = str(error)
            await self._intake.lose_source(self.name, "link_lost")
            raise
        finally:
            self._heard_s = None

    @abstractmethod
    async def watch(self) -> None:
        """Tell levels until cancelled; an OSError starts it again."""

    def health(self) -> SourceHealth:
        if self._heard_s is None:
            return SourceHealth(name=self.name, status="down", detail=self._why)
        return SourceHealth(
            name=self.name, status="ok", last_data_age_s=round(time.monotonic() - self._heard_s, 1)
        )

    async def tell(self, levels: Sequence[bool]) -> None:
        """Pass on levels, oldest first; repeats are free."""
        self._heard_s = time.monotonic()
        self.counters["levels"] += len(levels)
        now = self._clock.now()
        readings = tuple(Reading("link", is_up, measured_at=now) for is_up in levels)
        message = DeviceMessage(
            decoded=Decoded(readings, device=self._dock),
            payload=b"",
            retained=False,
            received_at=now,
            family=FAMILY,
        )
        await self._intake.take_messages(self.name, [message])
