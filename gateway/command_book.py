"""Commands on their way to devices: the newest per channel, tried until confirmed or expired. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workplace.events import Command

#: Pause before a command is tried again, ms: at first (a wired session has repeated it four times by then) and at most.
FIRST_RETRY_MS, LAST_RETRY_MS = 2_000.0, 60_000.0
#: Channels remembered; more than any gateway has. The longest unused go first.
MOST_CHANNELS = 5_000

Channel = tuple[str, str | None]


@dataclass(slots=True)
class _Order:
    """The newest command of one channel; `pause_ms` is None once it was confirmed, or has expired."""

    command: Command
    due_ms: float
    pause_ms: float | None = FIRST_RETRY_MS
    failures: int = 0


class CommandBook:
    """Times: `now` is site time, for what expires; `now_ms` is any even clock that runs in real time.

    Attributes:
        counters: `commands_confirmed`, `commands_expired`, `commands_retried`.
    """

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self._orders: dict[Channel, _Order] = {}

    def place(
        self, command: Command, now: datetime, now_ms: float
    ) -> Literal["new", "repeated", "superseded", "expired"]:
        """Take a command. What is under way already, is older than the newest, or comes too late, changes nothing."""
        if command.valid_until <= now:
            return "expired"
        key = (command.device, command.channel)
        order = self._orders.pop(key, None)
        if order is not None and order.command.issued_at > command.issued_at:
            self._orders[key] = order
            return "superseded"
        if order is not None and order.command.id == command.id and order.pause_ms is not None:
            self._orders[key] = order
            return "repeated"
        self._orders[key] = _Order(command, now_ms)
        if len(self._orders) > MOST_CHANNELS:
            del self._orders[next(iter(self._orders))]
        return "new"

    def take_due(self, now: datetime, now_ms: float) -> list[Command]:
        """Return what is to be tried now; counts as tried."""
        found: list[Command] = []
        for order in self._orders.values():
            if order.pause_ms is None:
                continue
            if order.command.valid_until <= now:
                order.pause_ms = None
                self.counters["commands_expired"] += 1
            elif now_ms >= order.due_ms:
                self.counters["commands_retried"] += order.pause_ms > FIRST_RETRY_MS
                order.due_ms = now_ms + order.pause_ms
                order.pause_ms = min(order.pause_ms * 2, LAST_RETRY_MS)
                found.append(order.command)
        return found

    def next_due_ms(self) -> float | None:
        """When `take_due` has something to do again; None for never."""
        return min(
            (order.due_ms for order in self._orders.values() if order.pause_ms is not None), default=None
        )

    def confirmed(self, command_id: str) -> None:
        """The device shows it."""
        order = self._find(command_id)
        if order is not None and order.pause_ms is not None:
            order.pause_ms = None
            self.counters["commands_confirmed"] += 1

    def failed(self, command_id: str) -> bool:
        """The device did not take it; it will be tried again. True when that is news."""
        order = self._find(command_id)
        if order is None:
            return True
        order.failures += 1
        return order.failures == 1

    def shown(self, device: str, channel: str | None, light: str) -> None:
        """A device says what it shows: that confirms a command for just this."""
        order = self._orders.get((device, channel))
        if order is not None and order.command.light == light:
            self.confirmed(order.command.id)

    def _find(self, command_id: str) -> _Order | None:
        return next((order for order in self._orders.values() if order.command.id == command_id), None)
