"""What staff changed, and when: append-only, by role, never by person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import structlog

from dashboard.accounts.roles import Role
from workplace.events import RequestAction
from workplace.retention import ZONE_LEVEL_DAYS

log = structlog.get_logger(__name__)

ActionName = Literal[
    "plan_saved",
    "plan_restored",
    "places_imported",
    "background_set",
    "background_removed",
    "device_claimed",
    "device_replaced",
    "device_unclaimed",
    "rules_stopped",
    "rules_resumed",
    "place_reminded",
    "place_extended",
    "place_released",
    "place_exempted",
    "place_unexempted",
    "place_quiet",
    "action_undone",
]
#: What staff asks of the engine -> how it stands in the record.
ASKED: dict[RequestAction, ActionName] = {
    "pause": "rules_stopped",
    "resume": "rules_resumed",
    "remind": "place_reminded",
    "extend": "place_extended",
    "release": "place_released",
    "exempt": "place_exempted",
    "unexempt": "place_unexempted",
    "quiet": "place_quiet",
    "undo": "action_undone",
}


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One change; `what` names floors and devices, of a wish about a place its zone alone: this outlives such rows."""

    at: datetime
    role: Role
    action: ActionName
    what: str


class ActionLog(Protocol):
    """Where actions are kept."""

    def note(self, action: Action) -> None:
        """Keep an action, durably. Never raises: the change it tells of was made already."""

    def newest(self, most: int) -> list[Action]:
        """Return the newest actions, newest first."""

    def forget(self, now: datetime) -> None:
        """Delete what is older than `ZONE_LEVEL_DAYS`."""


class MemoryActions:
    """Keeps actions as long as this program runs."""

    def __init__(self) -> None:
        self._kept: list[Action] = []

    def note(self, action: Action) -> None:
        self._kept.append(action)

    def newest(self, most: int) -> list[Action]:
        return self._kept[: -most - 1 : -1]

    def forget(self, now: datetime) -> None:
        self._kept = [one for one in self._kept if one.at >= now - timedelta(days=ZONE_LEVEL_DAYS)]


class ActionFolder:
    """Keeps a file per month, a line per action: lines are only ever added, and whole months go when they are old."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, action: Action) -> None:
        file = self._folder / f"actions-{action.at:%Y-%m}.ndjson"
        line = msgspec.json.encode(action) + b"\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("action_not_kept", action=action.action, what=action.what, error=str(error))

    def newest(self, most: int) -> list[Action]:
        found: list[Action] = []
        for file in reversed(self._files()):
            found += reversed(list(_read(file)))
            if len(found) >= most:
                break
        return found[:most]

    def forget(self, now: datetime) -> None:
        oldest = f"actions-{now - timedelta(days=ZONE_LEVEL_DAYS):%Y-%m}.ndjson"
        for file in self._files():
            if file.name < oldest:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("actions-????-??.ndjson"))


def _read(file: Path) -> Iterator[Action]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Action)
        except msgspec.DecodeError:
            continue  # a line that a power cut left half
