"""What ingest of one partition gets from the cluster it works in; `ingest.cluster` makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.batch_reader import OnSubscribed
from ingest.inbox import Inbox
from workplace.ports import ConnectSqlite


class Reader(Protocol):
    """Brings messages into the inbox. `ingest.batch_reader.EventReader` reads a broker over MQTT."""

    refused: str | None
    is_subscribed: bool

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def ack(self, mids: Sequence[int], generation: int) -> bool: ...
    def ask_again(self) -> None: ...
    def prove_again(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PartTools:
    """One partition.

    Attributes:
        reader: (inbox, on_subscribed, on_proof) -> what reads its messages.
        connect: opens its database.
        committed: returns when a commit is safe outside this machine.
    """

    partition: int
    reader: Callable[[Inbox, OnSubscribed, Callable[[], None]], Reader]
    connect: ConnectSqlite
    committed: Callable[[], None]
