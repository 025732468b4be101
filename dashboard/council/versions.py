"""Which versions of the policy ran here, so that a council sees what changed since the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from workplace.policy import Policy
from workplace.policy_file import PolicyFile

log = structlog.get_logger(__name__)

#: Enough for years; older ones are no help in reading the newest change.
MOST_VERSIONS = 50


class Version(msgspec.Struct, frozen=True):
    """A policy and since when these pages have known it."""

    hash: str
    since: datetime
    settings: PolicyFile


class PolicyVersions(Protocol):
    """Where versions are kept."""

    def note(self, policy: Policy, now: datetime) -> None:
        """Keep a policy, unless it is the newest one already. Never raises: a page is no reason not to start."""

    def newest(self) -> list[Version]:
        """Return the versions, newest first."""


class MemoryVersions:
    """Keeps versions as long as this program runs."""

    def __init__(self) -> None:
        self._kept: list[Version] = []

    def note(self, policy: Policy, now: datetime) -> None:
        if not self._kept or self._kept[0].hash != policy.hash:
            self._kept.insert(0, Version(policy.hash, now, policy.settings))

    def newest(self) -> list[Version]:
        return list(self._kept)


class VersionFolder:
    """Keeps each version as one file, named by its number; a file that cannot be read is passed over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, policy: Policy, now: datetime) -> None:
        known = self.newest()
        if known and known[0].hash == policy.hash:
            return
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        file = self._folder / f"{number:06d}.json"
        draft = file.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with draft.open("wb") as opened:
                opened.write(msgspec.json.encode(Version(policy.hash, now, policy.settings)))
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
            for old in files[: -(MOST_VERSIONS - 1)]:
                old.unlink()
        except OSError as error:
            log.warning("policy_version_not_kept", error=str(error))

    def newest(self) -> list[Version]:
        return list(self._read())

    def _read(self) -> Iterator[Version]:
        for file in reversed(self._files()):
            try:
                yield msgspec.json.decode(file.read_bytes(), type=Version)
            except (OSError, msgspec.DecodeError):
                continue  # of a program that knew other settings

    def _files(self) -> list[Path]:
        return sorted(file for file in self._folder.glob("*.json") if file.stem.isdecimal())
