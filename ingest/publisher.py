"""Tells the world what was committed. A slow broker gets fewer and newer states, never a backlog."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from workplace.codec import encode
from workplace.errors import BrokerUnreachable
from workplace.events import Command
from workplace.ports import Clock, MessageLink
from workplace.topics import Topics

#: Publishes waiting for their acknowledgement at a time; paho's cost per message grows with it past about
#: 100.
_WINDOW = 64
#: Decisions and replies that wait at most. All of them are in the store; here the oldest go first.
_MAX_SAID = 5000
#: Pause after a failed publish, s of real time: the link reconnects by itself.
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Outbound:
    """Made by the worker after a commit.

    Attributes:
        states: topic -> retained state; a newer one replaces what still waits.
        said: topic and payload, not retained, in order: decisions and replies.
        commands: to devices; per device and channel the newest wins.
        receipts: topic -> what is on disk of a gateway's outbox, not retained and not acknowledged, because it is
            repeated; a newer one replaces what still waits.
    """

    states: dict[str, bytes] = field(default_factory=dict)
    said: tuple[tuple[str, bytes], ...] = ()
    commands: tuple[Command, ...] = ()
    receipts: dict[str, bytes] = field(default_factory=dict)


class Publisher:
    """Lives on the event loop. `offer` never blocks; `run` publishes while the link is up."""

    def __init__(self, link: MessageLink, topics: Topics, clock: Clock) -> None:
        self._link = link
        self._topics = topics
        self._clock = clock
        self._states: OrderedDict[str, bytes] = OrderedDict()
        self._said: deque[tuple[str, bytes]] = deque()
        self._commands: OrderedDict[tuple[str, str | None], Command] = OrderedDict()
        self._receipts: OrderedDict[str, bytes] = OrderedDict()
        self._wake = asyncio.Event()
        self.counters = {"published": 0, "failed": 0, "dropped": 0, "expired": 0}

    def offer(self, outbound: Outbound) -> None:
        """Take what is to be told; called on the event loop."""
        self._states.update(outbound.states)
        self._receipts.update(outbound.receipts)
        for item in outbound.said:
            if len(self._said) >= _MAX_SAID:
                self._said.popleft()
                self.counters["dropped"] += 1
            self._said.append(item)
        for command in outbound.commands:
            self._commands[command.device, command.channel] = command
        self._wake.set()

    def wake(self) -> None:
        """Look again: the link has come up."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        return len(self._states) + len(self._said) + len(self._commands) + len(self._receipts)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.waiting and self._link.is_connected:
                if not await self._publish_some():
                    await asyncio.sleep(_PAUSE_S)

    async def _publish_some(self) -> bool:
        """Publish up to a window of messages; put back what failed, and return whether all went."""
        said = [self._said.popleft() for _ in range(min(len(self._said), _WINDOW))]
        commands = [self._commands.popitem(last=False) for _ in range(min(len(self._commands), _WINDOW))]
        states = [self._states.popitem(last=False) for _ in range(min(len(self._states), _WINDOW))]
        receipts = [self._receipts.popitem(last=False) for _ in range(min(len(self._receipts), _WINDOW))]
        now = self._clock.now()
        alive = [(key, command) for key, command in commands if command.valid_until > now]
        self.counters["expired"] += len(commands) - len(alive)
        fine = await asyncio.gather(
            *(self._publish(topic, payload, retain=False) for topic, payload in said),
            *(self._publish(self._command_topic(c), encode(c), retain=False) for _, c in alive),
            *(self._publish(topic, payload, retain=True) for topic, payload in states),
            *(self._publish(topic, payload, retain=False, qos=0) for topic, payload in receipts),
        )
        results = iter(fine)
        self._said.extendleft(reversed([item for item in said if not next(results)]))
        for key, command in alive:
            if not next(results):
                self._commands.setdefault(key, command)
        for topic, payload in states:
            if not next(results):
                self._states.setdefault(topic, payload)
        for topic, payload in receipts:
            if not next(results):
                self._receipts.setdefault(topic, payload)
        return all(fine)

    def _command_topic(self, command: Command) -> str:
        return self._topics.command(command.gateway, command.device)

    async def _publish(self, topic: str, payload: bytes, *, retain: bool, qos: int = 1) -> bool:
        try:
            await self._link.publish(topic, payload, qos=qos, retain=retain)
        except BrokerUnreachable:
            self.counters["failed"] += 1
            return False
        self.counters["published"] += 1
        return True
