"""What waits for the worker: messages from the broker, and short notes from everybody else."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ingest.batch_reader import RawMessage
from ingest.stores.night_rows import NightOrder


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one read, with the connection they came over."""

    messages: list[RawMessage]
    generation: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription stands (True) or the connection is lost (False)."""

    is_subscribed: bool


@dataclass(frozen=True, slots=True)
class Republish:
    """The publishing link is up again: tell it everything."""


@dataclass(frozen=True, slots=True)
class SinkProgress:
    """The sink has durably taken, or for ever refused, all outbox rows up to and including `upto_seq`.

    Attributes:
        dropped: points the server itself dropped out of accepted requests.
        dead: rows that no server will ever take, each with the server's reason.
    """

    upto_seq: int
    dropped: int = 0
    dead: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NightLived:
    """The process of a night has ended; its pieces lie in `file`, None when it failed."""

    order: NightOrder
    file: Path | None


Note = Subscribed | Republish | SinkProgress | NightLived


class Inbox:
    """Bounded by messages. When full the network thread waits, so the broker keeps what we cannot take.

    Notes are never refused: their writers send at most one each until it is read, or a few per second.
    """

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._batches: deque[Batch] = deque()
        self._notes: deque[Note] = deque()
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self.full_since: float | None = None
        """Real time (`time.monotonic`) since when the store is the bottleneck, None while it is not."""

    def put_batch(self, messages: list[RawMessage], generation: int) -> None:
        """Add messages; blocks while full (not once closed: what is dropped then is not acknowledged)."""
        with self._changed:
            while self._waiting >= self._max_messages and not self._closed:
                if self.full_since is None:
                    self.full_since = time.monotonic()
                self._changed.wait(1.0)
            self.full_since = None
            if not self._closed:
                self._batches.append(Batch(messages, generation))
                self._waiting += len(messages)
                self._changed.notify_all()

    def offer(self, messages: list[RawMessage], generation: int) -> None:
        """Add messages that may be lost: when full they are."""
        with self._changed:
            if self._waiting < self._max_messages and not self._closed:
                self._batches.append(Batch(messages, generation))
                self._waiting += len(messages)
                self._changed.notify_all()

    def put_note(self, note: Note) -> None:
        with self._changed:
            self._notes.append(note)
            self._changed.notify_all()

    def take(self, timeout_s: float, max_messages: int) -> tuple[list[Batch], list[Note]]:
        """Return what waits, about `max_messages` at most, oldest first; waits only for the first."""
        with self._changed:
            if not self._batches and not self._notes and not self._closed and timeout_s > 0:
                self._changed.wait(timeout_s)
            batches: list[Batch] = []
            taken = 0
            while self._batches and (not batches or taken + len(self._batches[0].messages) <= max_messages):
                batches.append(self._batches.popleft())
                taken += len(batches[-1].messages)
            self._waiting -= taken
            notes = list(self._notes)
            self._notes.clear()
            self._changed.notify_all()
        return batches, notes

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def is_empty(self) -> bool:
        return not self._batches
