"""Taps on "is this wrong?": what somebody at a place says of it, kept as truth for `plekvrij evaluate`.

A line says place, moment and state, and until when that may be believed; there is nothing in it of who tapped, and
nothing else reads it. A file holds one day (UTC) and goes whole, before its oldest line is older than allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from workplace.errors import StoreUnavailable
from workplace.events import PlaceState
from workplace.metrics import TruthChange, TruthState
from workplace.retention import DESK_LEVEL_DAYS

#: A tap tells of its own moment. Longer would call somebody there who left, shorter would weigh nothing.
BELIEVED_FOR = timedelta(minutes=1)


def tap_of(place: str, *, is_there: bool, state: PlaceState | None, now: datetime) -> TruthChange:
    """Return what a tap says, to the second. An empty place with a laptop in its dock is held, as the truth has it."""
    found: TruthState = "free"
    if is_there:
        found = "occupied"
    elif state is not None and "link_up" in state.reasons:
        found = "held"
    at = now.replace(microsecond=0)
    return TruthChange(place, at, found, at + BELIEVED_FOR)


class TapStore(Protocol):
    """Where taps are kept. Both may block for the time of one small write."""

    def keep(self, tap: TruthChange) -> None:
        """Keep a tap, durably.

        Raises:
            StoreUnavailable: not kept; say so.
        """

    def forget(self, now: datetime) -> int:
        """Delete what has lived long enough; return how much went."""


class MemoryTaps:
    """Keeps taps in memory, for `days`."""

    def __init__(self, days: int = DESK_LEVEL_DAYS) -> None:
        self.kept: list[TruthChange] = []
        self._lives = timedelta(days=days)

    def keep(self, tap: TruthChange) -> None:
        self.kept.append(tap)

    def forget(self, now: datetime) -> int:
        before = len(self.kept)
        self.kept = [tap for tap in self.kept if tap.at > now - self._lives]
        return before - len(self.kept)


class TapFolder:
    """One file of JSON lines per day. `days` is how long anything about a single place may live (R29)."""

    def __init__(self, folder: Path, days: int) -> None:
        self._folder, self._days = folder, days

    def keep(self, tap: TruthChange) -> None:
        file = self._folder / f"{tap.at.astimezone(UTC):%Y-%m-%d}.ndjson"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file.open("ab") as opened:
                # a line torn by a power cut must not swallow this one
                torn = opened.tell() > 0 and not _ends_whole(file)
                opened.write((b"\n" if torn else b"") + msgspec.json.encode(tap) + b"\n")
                opened.flush()
                os.fsync(opened.fileno())
        except OSError as error:
            raise StoreUnavailable(f"cannot keep a tap in {file}: {error}") from error

    def forget(self, now: datetime) -> int:
        last = (now.astimezone(UTC) - timedelta(days=self._days)).date()
        old = [file for day, file in self._files() if day <= last]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> Iterator[tuple[date, Path]]:
        for file in self._folder.glob("*.ndjson"):
            try:
                yield date.fromisoformat(file.stem), file
            except ValueError:
                continue  # not one of ours


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(-1, os.SEEK_END)
        return opened.read(1) == b"\n"
