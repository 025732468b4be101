"""What the engine writes down so that a restart is no restart. JSON, readable in an emergency."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from workplace.floor_plan import Place
from workplace.holds.hold import Hold
from workplace.holds.scarcity import Scarcity
from workplace.occupancy.interface import wiring_of

SITE = "site"
BREAKER = "breaker"
LESSONS = "lessons"

RecordT = TypeVar("RecordT")


class SiteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The engine as a whole.

    Attributes:
        now: engine time when the records were taken.
        exempt: what staff changed about exempt places, over the policy.
        gateway_at: newest dated status per gateway, so that an older one changes nothing.
        answered: the newest requests and their answers, so that a repeated request is done once.
        decisions: how many were recorded of the whole site; digest: see `workplace.holds.digest`.
        pressed: newest press of each button, so that a repeated one is done once.
    """

    now: datetime
    is_paused: bool
    policy_hash: str
    exempt: dict[str, bool]
    gateway_at: dict[str, datetime]
    answered: dict[str, tuple[bool, str]]
    decisions: int = 0
    digest: str = ""
    pressed: dict[str, datetime] = {}


def place_key(place: str) -> str:
    return f"place:{place}"


def group_key(group: str) -> str:
    return f"group:{group}"


def links_key(device: str) -> str:
    return f"links:{device}"


def write(record: object) -> bytes:
    return msgspec.json.encode(record)


class PlaceRecord(NamedTuple):
    """One place: what its sensors were, memory of the model, hold, next wake-up."""

    wiring: str
    memory: Any
    hold: Hold
    wake_at: datetime | None


class PlaceReader:
    """Reads place records; one that no longer fits (other sensors, other program) counts as none."""

    def __init__(self, memory_type: Any) -> None:
        self._decoder = msgspec.json.Decoder(tuple[str, memory_type, Hold, datetime | None])

    def read(self, record: bytes | None, place: Place) -> PlaceRecord | None:
        if record is None:
            return None
        try:
            found = PlaceRecord(*self._decoder.decode(record))
        except msgspec.MsgspecError:
            return None
        return found if found.wiring == wiring_of(place) else None


def read_as(record: bytes | None, what: type[RecordT]) -> RecordT | None:
    """Return the record, None when there is none that this program can read."""
    try:
        return None if record is None else msgspec.json.decode(record, type=what)
    except msgspec.MsgspecError:
        return None


def read_site(record: bytes | None) -> SiteRecord | None:
    return read_as(record, SiteRecord)


def read_group(record: bytes | None) -> Scarcity:
    """Return the state of a group, a fresh one when there is none that this program can read."""
    return read_as(record, Scarcity) or Scarcity()
