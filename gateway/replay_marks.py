"""How far each encrypted sensor has counted, kept over a restart: an advert recorded yesterday stays old.

Written at most every `WRITE_S` and at the end; a power cut leaves the adverts of that long open to be played again.
A file that cannot be read is no reason to hear nothing: counting starts anew and the log says so.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)

#: Real seconds between two writes. Lower wears the flash card, higher leaves more open after a power cut.
WRITE_S = 10.0


class ReplayMarks:
    """One small JSON file: device -> its highest counter."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, int] = {}
        self._written_s = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written_s >= WRITE_S

    async def load(self) -> dict[str, int]:
        """Return what was kept; nothing where there is no readable file."""
        try:
            self._kept = msgspec.json.decode(
                await asyncio.to_thread(self._file.read_bytes), type=dict[str, int]
            )
        except FileNotFoundError:
            self._kept = {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("replay_marks_unreadable", file=str(self._file), why=str(error))
            self._kept = {}
        return dict(self._kept)

    async def keep(self, counters: Mapping[str, int], *, now: bool = False) -> None:
        """Keep what changed, when it is time or `now`. A full disk costs the marks, not the events."""
        if counters == self._kept or not (now or self.is_due):
            return
        self._written_s = time.monotonic()
        kept = dict(counters)
        try:
            await asyncio.to_thread(self._write, msgspec.json.encode(kept))
        except OSError as error:
            log.warning("replay_marks_not_written", file=str(self._file), why=str(error))
        else:
            self._kept = kept

    def _write(self, data: bytes) -> None:
        """Replace the file in one go, so that a power cut leaves the old one or the new one."""
        new = self._file.with_name(self._file.name + ".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
