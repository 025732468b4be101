"""A Tasmota board with PIR modules on its switch inputs. Pure.

Telemetry every 300 s (TelePeriod), a change at once as `stat/<topic>/RESULT` (SetOption114) or, with the rule of the
PIR page, as `stat/<topic>/PIR<n>` (tasmota/docs: MQTT.md, Buttons-and-Switches.md, PIR-Motion-Sensors.md).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.sensors import SensorInput
from simulators.speaker import Agenda, Input, Publication, as_json

TELE_PERIOD = timedelta(seconds=300)  # tasmota/docs: TelePeriod, as shipped
PIR_HOLD = timedelta(seconds=15)  # as set on the module (HC-SR501: 2.5 s + what is set)


@dataclass(slots=True)
class TasmotaBoard:
    """One board.

    Attributes:
        topic: its %topic%, with the default FullTopic `%prefix%/%topic%/`.
        inputs: input of the building -> `Switch<n>`, or `PIR<n>` for a board with the rule.
    """

    topic: str
    inputs: Mapping[Input, str]
    seed: int
    started_at: datetime
    commands: tuple[str, ...] = ()
    _states: dict[str, bool] = field(init=False)
    _agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self._states = dict.fromkeys(self.inputs.values(), False)
        self._agenda = Agenda()
        phase = random.Random(f"{self.seed}:{self.topic}").random()
        self._agenda.put("tele", self.started_at + TELE_PERIOD * phase)

    @property
    def hears(self) -> tuple[Input, ...]:
        return tuple(self.inputs)

    @property
    def wake_at(self) -> datetime:
        return self._agenda.wake_at

    @property
    def will(self) -> tuple[str, bytes]:
        return f"tele/{self.topic}/LWT", b"Offline"

    def opening(self) -> list[Publication]:
        return [Publication(f"tele/{self.topic}/LWT", b"Online", retain=True, qos=0)]

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """A board with inputs only has nothing to obey."""
        del topic, payload
        return []

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """A PIR was hit."""
        if not entry.value:
            return []
        name = self.inputs[entry.place, entry.sensor]
        self._agenda.put(f"hold {name}", now + PIR_HOLD)
        if self._states[name]:
            return []
        self._states[name] = True
        return [self._change(name)]

    def due(self, now: datetime) -> list[Publication]:
        """Return ends of hits, and telemetry."""
        found: list[Publication] = []
        for at, key in self._agenda.due(now):
            what, _, name = key.partition(" ")
            if what == "hold":
                self._states[name] = False
                found.append(self._change(name))
            else:
                self._agenda.put("tele", at + TELE_PERIOD)
                found.append(self._telemetry(at))
        return found

    def _change(self, name: str) -> Publication:
        word = _word(self._states[name])
        if name.startswith("PIR"):
            return Publication(f"stat/{self.topic}/{name}", word.encode(), qos=0)
        return Publication(f"stat/{self.topic}/RESULT", as_json({name: {"Action": word}}), qos=0)

    def _telemetry(self, at: datetime) -> Publication:
        said: dict[str, Any] = {"Time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")}
        said |= {name: _word(is_on) for name, is_on in self._states.items()}
        return Publication(f"tele/{self.topic}/SENSOR", as_json(said), qos=0)


def _word(is_on: bool) -> str:
    return "ON" if is_on else "OFF"
