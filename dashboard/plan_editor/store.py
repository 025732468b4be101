"""The plan file as pages change it: whole or not at all, never over somebody else's change, one step back kept."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from workplace.documents import Mistake
from workplace.errors import DocumentInvalid, WorkplaceError

#: Enough to find what somebody broke a month ago; each is as large as the plan.
MOST_VERSIONS = 50


class PlanChangedMeanwhile(WorkplaceError):
    """The plan is another one than the change was made for; show both to the person and overwrite nothing."""

    def __init__(self) -> None:
        super().__init__("the floor plan was changed meanwhile; nothing was written")


class PlanNotWritable(WorkplaceError):
    """The plan file or the data folder cannot be written; tell the person, who can tell the administrator."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the floor plan cannot be written: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class PlanText:
    """The plan as it stands in its file; `version` changes with every letter."""

    text: str
    version: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The plan before its last change, and when that was."""

    text: str
    until: datetime


class PlanStore(Protocol):
    """Where the plan stands. All methods block for a file's time: call them in a thread."""

    file: str
    """Name for messages."""

    def read(self) -> PlanText:
        """Return the plan.

        Raises:
            PlanNotWritable: it cannot even be read.
        """

    def check(self, text: str) -> list[Mistake]:
        """Return everything that is wrong with a plan, also with what the policy says of it."""

    def save(self, text: str, *, based_on: str) -> str:
        """Write a plan and return its version; the one before is kept.

        Raises:
            PlanChangedMeanwhile: the plan is no longer the version `based_on`.
            DocumentInvalid: the text has mistakes; nothing is written.
            PlanNotWritable: nothing is written.
        """

    def previous(self) -> Previous | None:
        """Return the plan before the last change that was made here."""


def version_of(text: str) -> str:
    """Return the mark of a plan's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class PlanFolder:
    """A plan file, with its older versions in a folder of the site's data."""

    def __init__(
        self,
        plan_file: Path,
        folder: Path,
        *,
        check: Callable[[str], list[Mistake]],
        replace: Callable[[Path, str], None],
    ) -> None:
        """Args:

        check: the linter of plan and policy.
        replace: puts a text in the place of a file at once; raises a `WorkplaceError` when it cannot.
        """
        self.file = plan_file.name
        self._plan_file = plan_file
        self._folder = folder
        self._check = check
        self._replace = replace
        self._lock = threading.Lock()

    def read(self) -> PlanText:
        try:
            with self._plan_file.open(encoding="utf-8", newline="") as file:  # ends of lines stay as they are
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise PlanNotWritable(str(error)) from error
        return PlanText(text, version_of(text))

    def check(self, text: str) -> list[Mistake]:
        return self._check(text)

    def save(self, text: str, *, based_on: str) -> str:
        mistakes = self._check(text)
        if mistakes:
            raise DocumentInvalid(tuple(mistakes))
        with self._lock:
            present = self.read()
            if present.version != based_on:
                raise PlanChangedMeanwhile
            if text != present.text:
                self._keep(present.text)
                try:
                    self._replace(self._plan_file, text)
                except WorkplaceError as error:
                    raise PlanNotWritable(str(error)) from error
        return version_of(text)

    def previous(self) -> Previous | None:
        files = self._files()
        if not files:
            return None
        try:
            with files[-1].open(encoding="utf-8", newline="") as file:
                return Previous(file.read(), datetime.fromtimestamp(files[-1].stat().st_mtime, UTC))
        except (OSError, UnicodeDecodeError):
            return None

    def _keep(self, text: str) -> None:
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        draft = self._folder / f"{number:06d}.new"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(draft.with_suffix(".yaml"))
            for old in files[: -(MOST_VERSIONS - 1)]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise PlanNotWritable(f"no room for the version before: {error}") from error

    def _files(self) -> list[Path]:
        return sorted(file for file in self._folder.glob("*.yaml") if file.stem.isdecimal())
