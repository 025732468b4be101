"""An ESPHome node for a few desks: PIR and dock contact of each, and a light. Pure.

Topics and retention as in esphome-docs, components/mqtt.rst: states are retained, `status` is the last will.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from simulators.sensors import SensorInput
from simulators.speaker import Agenda, Input, Publication, as_json

#: The output of the PIR module stays high this long after the last movement (HC-SR501: 2.5 s + what is set).
PIR_HOLD = timedelta(seconds=15)
#: `interval: 60s` in the node's configuration; ESPHome itself publishes changes only.
REPUBLISH = timedelta(seconds=60)


class _LightCommand(msgspec.Struct):
    """What we read of a command for an ESPHome light; its `effect` carries our code."""

    state: str = "ON"
    effect: str | None = None


def _nobody_looks(_light: str, _code: str) -> None:
    return


@dataclass(slots=True)
class EsphomeNode:
    """One node.

    Attributes:
        prefix: its topic prefix.
        inputs: input of the building -> object id of the binary sensor, which must name what it senses.
        lights: object ids of its lights.
        on_light: gets object id and code (`off`, or the effect that the command named).
    """

    prefix: str
    inputs: Mapping[Input, str]
    seed: int
    started_at: datetime
    lights: Iterable[str] = ()
    on_light: Callable[[str, str], None] = _nobody_looks
    republish: timedelta | None = REPUBLISH
    _states: dict[str, bool] = field(init=False)
    _agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self._states = dict.fromkeys(self.inputs.values(), False)
        self._agenda = Agenda()
        if self.republish is not None:
            phase = random.Random(f"{self.seed}:{self.prefix}").random()
            self._agenda.put("republish", self.started_at + self.republish * phase)

    @property
    def hears(self) -> tuple[Input, ...]:
        return tuple(self.inputs)

    @property
    def wake_at(self) -> datetime:
        return self._agenda.wake_at

    @property
    def will(self) -> tuple[str, bytes]:
        return f"{self.prefix}/status", b"offline"

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}/light/{light}/command" for light in self.lights)

    def opening(self) -> list[Publication]:
        """Return what is retained: that it is there, and every state."""
        status = Publication(f"{self.prefix}/status", b"online", retain=True, qos=0)
        return [status, *map(self._state, self._states)]

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """A PIR was hit, or a contact changed."""
        name = self.inputs[entry.place, entry.sensor]
        if entry.sensor == "motion":
            if not entry.value:
                return []
            self._agenda.put(f"hold {name}", now + PIR_HOLD)
        if self._states[name] == entry.value:
            return []
        self._states[name] = entry.value
        return [self._state(name)]

    def due(self, now: datetime) -> list[Publication]:
        """Return ends of hits, and all states again."""
        found: list[Publication] = []
        for _, key in self._agenda.due(now):
            what, _, name = key.partition(" ")
            if what == "hold":
                self._states[name] = False
                found.append(self._state(name))
            elif self.republish is not None:
                self._agenda.put("republish", now + self.republish)
                found += map(self._state, self._states)
        return found

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """Set a light; a command that is none changes nothing."""
        light = topic.split("/")[-2]
        try:
            command = msgspec.json.decode(payload, type=_LightCommand)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        is_on = command.state.upper() == "ON"
        self.on_light(light, (command.effect or "on") if is_on else "off")
        state: dict[str, Any] = {"state": "ON" if is_on else "OFF"}
        if is_on and command.effect is not None:
            state["effect"] = command.effect
        return [Publication(f"{self.prefix}/light/{light}/state", as_json(state), retain=True, qos=0)]

    def _state(self, name: str) -> Publication:
        payload = b"ON" if self._states[name] else b"OFF"
        return Publication(f"{self.prefix}/binary_sensor/{name}/state", payload, retain=True, qos=0)
