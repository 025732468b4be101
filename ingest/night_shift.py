"""The worker's part of a night: begins it when it is due, and takes its result in bites between the messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import structlog

from ingest.inbox import NightLived
from ingest.night_book import Bite
from ingest.place_runtime import Changes
from ingest.site_book import SiteBook
from ingest.stores.night_rows import NightOrder

log = structlog.get_logger()

#: Pause after a night that failed, s of real time: first and longest. Its cause seldom goes away by itself.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 30.0, 3600.0
#: After so many failures in a row, about six hours, a night is left: otherwise none after it would be lived.
GIVE_UP_AFTER = 12
OrderNight = Callable[[NightOrder], None]
#: Does a piece of work until the store takes it; None when we are asked to stop first.
UntilStored = Callable[[Callable[[], Changes]], Changes | None]


class NightShift:
    """Owned by the worker thread. Whatever ends it in the middle, the night is begun again with the same facts."""

    def __init__(self, book: SiteBook, order: OrderNight, until_stored: UntilStored) -> None:
        self._book, self._order, self._until_stored = book, order, until_stored
        self._night: NightOrder | None = None
        self._bites: Iterator[Bite] | None = None
        self._file: Path | None = None
        self._not_before = 0.0
        self._failures = 0

    @property
    def is_writing(self) -> bool:
        """Whether there is something to write at once."""
        return self._bites is not None

    def step(self, now: float) -> Changes | None:
        """Do one small thing when there is one; return what it changed. `now` is real time."""
        if self._bites is not None:
            return self._take_bite(self._bites, now)
        if self._night is None and now >= self._not_before and self._book.is_night_due:
            self._until_stored(self._begin)
        return None

    def lived(self, note: NightLived, now: float) -> None:
        """Take note that the process of the night has ended."""
        if note.file is None:
            self._fail(now)
        elif self._night is not None:
            self._file, self._bites = note.file, self._book.night_bites(note.order, note.file)

    def _begin(self) -> Changes:
        self._night = self._book.open_night()
        if self._night is not None:
            log.info("night_begun", day=str(self._night.day))
            self._order(self._night)
        return Changes()

    def _take_bite(self, bites: Iterator[Bite], now: float) -> Changes | None:
        try:
            bite = next(bites, None)
        except (OSError, msgspec.MsgspecError) as error:
            log.error("night_unreadable", why=str(error))
            bite = None
        if bite is None:
            self._fail(now)
            return None
        changes = self._until_stored(lambda: self._book.write_night(bite))
        if bite.result is not None and changes is not None:
            self._failures = 0
            self._end()
        return changes

    def _fail(self, now: float) -> None:
        self._not_before = now + min(_FIRST_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
        self._failures += 1
        night = self._night
        self._end()
        if night is not None and self._failures >= GIVE_UP_AFTER:
            log.error("night_given_up", day=str(night.day))
            self._failures = 0
            self._until_stored(lambda: self._book.give_up_night(night))

    def _end(self) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        self._night = self._bites = self._file = None
