"""Takes commands from the site's broker and sees to it that their devices get them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence

from gateway.command_book import CommandBook
from gateway.normalise import Origin
from gateway.sources.source import Source
from workplace.codec import decode
from workplace.errors import MessageRejected
from workplace.events import Command
from workplace.ports import Clock, Received


class CommandDesk:
    """`take` is the handler of the topic, `run` tries until cancelled.

    Attributes:
        book: what is under way; sources tell it what their devices confirm.
        counters: what came in, and why it was refused.
    """

    def __init__(
        self,
        origin: Origin,
        clock: Clock,
        sources: Sequence[Source],
        book: CommandBook,
        *,
        now_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self.book = book
        self.counters: Counter[str] = Counter()
        self._origin = origin
        self._clock = clock
        self._sources = sources
        self._now_ms = now_ms
        self._placed = asyncio.Event()

    def all_counters(self) -> Counter[str]:
        return self.counters + self.book.counters

    def take(self, message: Received) -> None:
        """Take one message."""
        try:
            command = decode(message.payload, Command)
        except MessageRejected as error:
            self.counters[f"commands_rejected.{error.reason}"] += 1
            return
        self.counters["commands"] += 1
        if (command.site, command.gateway) != (self._origin.site, self._origin.gateway):
            self.counters["commands_rejected.not_for_us"] += 1
            return
        verdict = self.book.place(command, self._clock.now(), self._now_ms())
        if verdict == "new":
            self._placed.set()
        else:
            self.counters[f"commands_{verdict}"] += 1

    async def run(self) -> None:
        """Try what is due, again and again."""
        while True:
            self._placed.clear()
            for command in self.book.take_due(self._clock.now(), self._now_ms()):
                self._send(command)
            due_ms = self.book.next_due_ms()
            wait_s = None if due_ms is None else max(0.0, (due_ms - self._now_ms()) / 1000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._placed.wait()

    def _send(self, command: Command) -> None:
        for source in self._sources:
            if source.reaches(command.device):
                source.command(command)
                return
        self.counters["commands_unreachable"] += 1
