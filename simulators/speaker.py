"""What a simulated MQTT client says and hears. Pure: values in, publications out; `mqtt_player` carries them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from simulators.sensors import Sense, SensorInput

#: One input of the building: place and sense.
Input = tuple[str, Sense]
FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Publication:
    """One message for the broker."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1


class Speaker(Protocol):
    """One client of the device broker: a bridge with many devices, or a single device.

    A new family implements this and gets a row in `simulators.families`.
    """

    @property
    def hears(self) -> tuple[Input, ...]:
        """The inputs of the building that lead to it."""

    @property
    def will(self) -> tuple[str, bytes] | None:
        """What the broker says when it is gone; retained."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Topic filters of what it obeys."""

    @property
    def wake_at(self) -> datetime:
        """Call `due` then at the latest."""

    def opening(self) -> list[Publication]:
        """Return what it says after each connect."""

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        """Return what it says when one of its inputs changes."""

    def due(self, now: datetime) -> list[Publication]:
        """Return what time has brought."""

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        """Return the answer to a command."""


@dataclass(slots=True)
class Agenda:
    """What is to happen when. A later `put` under the same key moves it; `drop` takes it off."""

    _at: dict[str, datetime] = field(default_factory=dict)
    _heap: list[tuple[datetime, str]] = field(default_factory=list)

    def put(self, key: str, at: datetime) -> None:
        self._at[key] = at
        heapq.heappush(self._heap, (at, key))

    def drop(self, key: str) -> None:
        self._at.pop(key, None)

    def __contains__(self, key: str) -> bool:
        return key in self._at

    @property
    def wake_at(self) -> datetime:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else FAR

    def due(self, now: datetime) -> Iterator[tuple[datetime, str]]:
        """Yield what fell due until `now`, in order, and forget it; it may be put again meanwhile."""
        while (at := self.wake_at) <= now:
            _, key = heapq.heappop(self._heap)
            del self._at[key]
            yield at, key


def as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def text_time(at: datetime) -> str:
    """Return UTC with milliseconds, as many devices write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
