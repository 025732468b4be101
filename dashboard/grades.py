"""How well the sensors of each place see, as the last night found it. Read seldom: it changes once a day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from workplace.errors import StoreUnavailable
from workplace.floor_plan import FloorPlan
from workplace.occupancy.interface import wiring_of
from workplace.ports import HistoryReader
from workplace.sensor_grades import SensorGrade

#: Read again after this long, real s.
_KEEP_S = 30.0


class Grades:
    """Place -> grade, from history. Without history, or before the first night, nothing is known."""

    def __init__(self, history: HistoryReader | None, plan: FloorPlan) -> None:
        self._history = history
        self._wiring = {place.id: wiring_of(place) for place in plan.place.values()}
        self._found: Mapping[str, SensorGrade] = {}
        self._read_at: float | None = None

    async def read(self) -> Mapping[str, SensorGrade]:
        """Return what is known, at most 30 s old; what was known before while history cannot be read."""
        now = time.monotonic()
        if self._history is not None and (self._read_at is None or now - self._read_at >= _KEEP_S):
            self._read_at = now
            with suppress(StoreUnavailable):
                found = await asyncio.to_thread(self._history.sensor_grades)
                # of sensors that were hung elsewhere since, the coming night will tell
                self._found = {
                    place: grade for place, grade in found.items() if self._wiring.get(place) == grade.wiring
                }
        return self._found
