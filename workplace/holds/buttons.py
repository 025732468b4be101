"""Which place a button speaks for, and whether a press is a new one (R18). No button knows who pressed it."""

from __future__ import annotations

from datetime import datetime

from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan

#: What the families call one press; a release, a hold or a double press means nothing here.
PRESSES = frozenset(
    {"press", "single", "single_press", "short", "short_press", "button_short_press", "push", "on", "toggle"}
)


class Buttons:
    """A button speaks for the place whose sensors share its device and channel, or else for the only place of its
    device. Of another button on a node with several places nobody knows whose it is.
    """

    def __init__(self, plan: FloorPlan) -> None:
        self.pressed: dict[str, datetime] = {}
        self._of: dict[tuple[str, str | None], str] = {}
        places: dict[str, set[str]] = {}
        for place in plan.place.values():
            for sensor in place.sensors:
                self._of[sensor.device, sensor.channel] = place.id
                places.setdefault(sensor.device, set()).add(place.id)
        self._only = {device: min(its) for device, its in places.items() if len(its) == 1}

    def press(self, event: SensorEvent) -> list[str]:
        """Return the place of a new press, nothing for a repeated one and for what is no press."""
        place = self._of.get((event.device, event.channel), self._only.get(event.device))
        if place is None or not _is_press(event.value):
            return []
        known = self.pressed.get(place)
        if known is not None and event.measured_at <= known:
            return []
        self.pressed[place] = event.measured_at
        return [place]


def _is_press(value: bool | int | float | str) -> bool:
    return value in PRESSES if isinstance(value, str) else value is True or value == 1
