"""Messages that may wait: bounded, in order, and of a retained topic only the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool

    def __post_init__(self) -> None:
        """Refuse here, at the caller's line, what would otherwise stop a sender far away from it."""
        if not self.topic or set("+#\0") & set(self.topic) or self.qos not in {0, 1}:
            raise ValueError(f"cannot publish to topic {self.topic!r} with QoS {self.qos}")


@dataclass(slots=True)
class SoonQueue:
    """First in, first out; a newer retained message takes the place of an older one on its topic.

    So it would on the broker, and an outage costs one entry per topic, not one per change.

    Attributes:
        most: entries held; lower drops more in an outage, higher delays fresh state after it.
        dropped: messages refused because the queue was full.
    """

    most: int
    dropped: int = 0
    _waiting: dict[str | int, Outgoing] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, message: Outgoing) -> bool:
        """Take `message`; False when there is no room."""
        key = self._key(message)
        if key not in self._waiting and len(self._waiting) >= self.most:
            self.dropped += 1
            return False
        self._waiting[key] = message
        return True

    def pop(self) -> Outgoing:
        """Return the oldest entry and forget it.

        Raises:
            KeyError: the queue is empty.
        """
        if not self._waiting:
            raise KeyError("empty")
        return self._waiting.pop(next(iter(self._waiting)))

    def give_back(self, messages: Iterable[Outgoing]) -> None:
        """Put messages, oldest first, in front again; one that was overtaken on its topic stays away."""
        older: dict[str | int, Outgoing] = {}
        for message in messages:
            key = self._key(message)
            if key not in self._waiting:
                older[key] = message
        self._waiting = {**older, **self._waiting}
        while len(self._waiting) > self.most:
            self._waiting.popitem()
            self.dropped += 1

    def _key(self, message: Outgoing) -> str | int:
        return message.topic if message.retain else next(self._numbers)
