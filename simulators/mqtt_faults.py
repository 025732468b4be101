"""Faults between a simulated MQTT client and its broker: what Wi-Fi, radios and clocks do to messages. Pure, seeded.

`FaultySpeaker` stands in for the speaker it wraps, so any family can be played with any faults.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulators.sensors import SensorInput
from simulators.speaker import Agenda, Input, Publication, Speaker

#: What other programs leave behind on a broker: no JSON, the wrong kind of JSON, broken text, nothing at all.
RUBBISH: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[1,2",
    b'{"occupancy":"perhaps","motion":[],"Switch1":{}}',
    b"\xff\xfe\x00ON",
    b'{"data":"!!!!","fPort":"x"}',
    b"nan",
)


@dataclass(frozen=True, slots=True)
class MqttFaults:
    """How often what goes wrong; shares of messages, 0-1.

    Attributes:
        lost: never arrive.
        doubled: arrive twice.
        late: arrive up to `late_s` later, so that they overtake each other.
        stalls_per_h: how often nothing passes for `stall_s`; then all of it comes at once.
        rubbish: per connect, so many retained messages that say nothing stand on the client's own topics.
        clock_step_s: the device's clock jumps to a random offset up to this, before or after, about once an hour.
    """

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    stalls_per_h: float = 0.0
    stall_s: float = 60.0
    rubbish: int = 0
    clock_step_s: float = 0.0

    def __post_init__(self) -> None:
        if any(not 0 <= share <= 1 for share in (self.lost, self.doubled, self.late)):
            raise ValueError("shares of faults must be 0-1")
        if min(self.late_s, self.stalls_per_h, self.stall_s, self.rubbish, self.clock_step_s) < 0:
            raise ValueError("times and rates of faults must not be negative")


@dataclass(slots=True)
class FaultySpeaker:
    """A speaker behind a bad connection and with a bad clock.

    Attributes:
        counts: what was done to messages, by name of the fault.
    """

    inner: Speaker
    faults: MqttFaults
    seed: int
    started_at: datetime
    counts: dict[str, int] = field(default_factory=dict)
    _rng: random.Random = field(init=False)
    _clock: random.Random = field(init=False)
    _topics: list[str] = field(default_factory=list)
    _waiting: list[tuple[datetime, int, Publication]] = field(default_factory=list)
    _numbers: int = 0
    _offset: timedelta = timedelta()
    _stalled_until: datetime | None = None
    _agenda: Agenda = field(default_factory=Agenda)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{self.seed}:faults")
        self._clock = random.Random(f"{self.seed}:clock")
        if self.faults.stalls_per_h > 0:
            self._plan_next("stall", self.started_at, self.faults.stalls_per_h)
        if self.faults.clock_step_s > 0:
            self._plan_next("step", self.started_at, 1.0)

    @property
    def hears(self) -> tuple[Input, ...]:
        return self.inner.hears

    @property
    def will(self) -> tuple[str, bytes] | None:
        return self.inner.will

    @property
    def commands(self) -> tuple[str, ...]:
        return self.inner.commands

    @property
    def wake_at(self) -> datetime:
        due = [self._agenda.wake_at, self._outside(self.inner.wake_at)]
        return min([*due, self._waiting[0][0]] if self._waiting else due)

    def opening(self) -> list[Publication]:
        """Return what the speaker says, and the rubbish that is retained beside it."""
        said = self.inner.opening()
        self._learn(said)
        topics = sorted({entry.topic for entry in said} | set(self._topics))
        for _ in range(self.faults.rubbish if topics else 0):
            self._count("rubbish")
            topic = f"{self._rng.choice(topics)}{self._rng.choice(('', '/x', '/set'))}"
            said.append(Publication(topic, self._rng.choice(RUBBISH), retain=True, qos=0))
        return said

    def take(self, entry: SensorInput, now: datetime) -> list[Publication]:
        return self._pass(self.inner.take(entry, now + self._offset), now)

    def obey(self, topic: str, payload: bytes) -> list[Publication]:
        return self.inner.obey(topic, payload)

    def due(self, now: datetime) -> list[Publication]:
        """Return what time has brought, what was late, and what a stall has let go."""
        for at, key in self._agenda.due(now):
            if key == "stall":
                self._count("stalls")
                self._stalled_until = at + timedelta(seconds=self.faults.stall_s)
                self._plan_next("stall", self._stalled_until, self.faults.stalls_per_h)
            else:
                self._count("clock_steps")
                most_s = self.faults.clock_step_s
                self._offset = timedelta(seconds=self._clock.uniform(-most_s, most_s))
                self._plan_next("step", at, 1.0)
        fresh = self._pass(self.inner.due(now + self._offset), now)
        return [*self._ripe(now), *fresh]

    def _pass(self, said: Sequence[Publication], now: datetime) -> list[Publication]:
        """Return what of `said` comes through now; the rest is lost or waits."""
        self._learn(said)
        passed: list[Publication] = []
        for entry in said:
            if self._rng.random() < self.faults.lost:
                self._count("lost")
                continue
            copies = 1 + (self._rng.random() < self.faults.doubled)
            if copies > 1:
                self._count("doubled")
            for _ in range(copies):
                arrives_at = self._arrival(now)
                if arrives_at <= now:
                    passed.append(entry)
                else:
                    self._numbers += 1
                    heapq.heappush(self._waiting, (arrives_at, self._numbers, entry))
        return passed

    def _arrival(self, now: datetime) -> datetime:
        if self._stalled_until is not None and now < self._stalled_until:
            return self._stalled_until
        if self._rng.random() < self.faults.late:
            self._count("late")
            return now + timedelta(seconds=self._rng.uniform(0.001, max(self.faults.late_s, 0.001)))
        return now

    def _ripe(self, now: datetime) -> list[Publication]:
        found: list[Publication] = []
        while self._waiting and self._waiting[0][0] <= now:
            found.append(heapq.heappop(self._waiting)[2])
        return found

    def _outside(self, at: datetime) -> datetime:
        """Return the moment at which the speaker's own clock shows `at`."""
        try:
            return at - self._offset
        except OverflowError:
            return at

    def _plan_next(self, key: str, after: datetime, per_h: float) -> None:
        self._agenda.put(key, after + timedelta(hours=self._clock.expovariate(per_h)))

    def _learn(self, said: Iterable[Publication]) -> None:
        self._topics += [entry.topic for entry in said if entry.topic not in self._topics]

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
