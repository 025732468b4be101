"""What is said so that nothing gets lost without a word: gaps, receipts, canaries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from workplace.message import Message, Name

#: Id of one outbox file, and a line in it. Lines begin at 1 and leave no number out.
Spool = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}$")]
Line = Annotated[int, msgspec.Meta(ge=1)]

GapCause = Literal[
    "device_queue",
    "radio",
    "gateway_down",
    "outbox_full",
    "outbox_lost",
    "broker",
    "store_lost",
    "quarantine",
    "clock_unsynced",
]


class GapRecord(Message, frozen=True, kw_only=True, tag="gap_record"):
    """What is known to be missing: how many events, of what, between when and when, and why.

    `count` 0: nobody knows how many; nothing could be heard. `lines` are the lines of `lost_of` that will never come,
    first and last of each range; they are `count` lines in all. `spool` and `line` are where the record itself waited.
    """

    id: str
    site: Name
    gateway: Name
    device: Name | None = None
    cause: GapCause
    count: Annotated[int, msgspec.Meta(ge=0)]
    from_at: datetime
    to_at: datetime
    lost_of: Spool | None = None
    lines: tuple[tuple[Line, Line], ...] = ()
    spool: Spool | None = None
    line: Line | None = None


class Canary(Message, frozen=True, kw_only=True, tag="canary"):
    """Once a minute from each gateway, through all that an event goes through: it shows that the way is open."""

    id: str
    site: Name
    gateway: Name
    at: datetime
    spool: Spool | None = None
    line: Line | None = None


class Receipt(Message, frozen=True, kw_only=True, tag="receipt"):
    """What ingest has on disk of one outbox: every line up to `upto` but for the ranges in `missing`.

    A gateway lets go of these lines, and of these alone: a broker that acknowledged may forget.
    """

    site: Name
    gateway: Name
    spool: Spool
    upto: Annotated[int, msgspec.Meta(ge=0)]
    missing: tuple[tuple[Line, Line], ...] = ()
