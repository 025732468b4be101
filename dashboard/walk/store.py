"""Keeps walks in a folder, one small file per floor: whole or not at all, also when the power goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from workplace import walk_record
from workplace.errors import StoreUnavailable
from workplace.walk_record import Walk


class WalkStore(Protocol):
    """Where walks are kept. `save` may block for the time of one small write."""

    def load(self, floor: str) -> Walk | None: ...

    def save(self, walk: Walk) -> None:
        """Keep the walk of its floor.

        Raises:
            StoreUnavailable: not kept; say so, and go on.
        """


class MemoryWalks:
    """Keeps walks as long as this program runs."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load(self, floor: str) -> Walk | None:
        return walk_record.decode(self._kept.get(floor, b""))

    def save(self, walk: Walk) -> None:
        self._kept[walk.floor] = walk_record.encode(walk)


class WalkFolder:
    """Keeps each walk as `<floor>.json`. A file that is no walk is left alone until the next save."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, floor: str) -> Walk | None:
        try:
            return walk_record.decode((self._folder / f"{floor}.json").read_bytes())
        except OSError:
            return None

    def save(self, walk: Walk) -> None:
        file = self._folder / f"{walk.floor}.json"
        draft = file.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with draft.open("wb") as opened:
                opened.write(walk_record.encode(walk))
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
        except OSError as error:
            raise StoreUnavailable(f"cannot keep the walk in {file}: {error}") from error
