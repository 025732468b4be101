"""What waits for the session of one serial port: bytes, bounded, and orders that must not be lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from workplace import events

#: Bytes waiting while the disk is busy; 1 MiB is 90 s of a saturated line at 115200 baud. More are dropped,
#: which the node sees as missing acknowledgements.
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Bytes:
    """Read from the port at these times, ms."""

    data: bytes
    link_ms: float
    boot_ms: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The port is gone."""

    why: str


@dataclass(frozen=True, slots=True)
class Committed:
    """These readings are on disk."""

    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class Command:
    """A command for the device."""

    command: events.Command


@dataclass(frozen=True, slots=True)
class Refresh:
    """Ask the device for its present state."""


Item = Bytes | Lost | Committed | Command | Refresh


@dataclass(slots=True)
class PortInbox:
    """First in, first out, on one event loop."""

    bytes_dropped: int = 0
    _items: deque[Item] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, item: Item) -> None:
        if isinstance(item, Bytes):
            if self._waiting_bytes + len(item.data) > MOST_BYTES:
                self.bytes_dropped += len(item.data)
                return
            self._waiting_bytes += len(item.data)
        self._items.append(item)
        self._filled.set()

    async def get(self, timeout_s: float | None) -> Item | None:
        """Return the next item, None after `timeout_s` real seconds without one."""
        if not self._items:
            self._filled.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return None
        item = self._items.popleft()
        if isinstance(item, Bytes):
            self._waiting_bytes -= len(item.data)
        return item
