"""What a machine without power leaves of its files: what was flushed, and any part of what was not.

`recorded` makes the environment in which a process writes down all that it does to its files (`disk_record.c`); `Disk`
plays that record and gives, for any moment of it, folders as a power cut may leave them: of each write since the last
flush of its file none, all or some 512-byte sectors, in no order; a truncation or a new or deleted name is there or not
until its folder is flushed. What is left out: disks that lie about a flush, and damage to what was flushed.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from simulators.native_node import find_compiler

_HEAD = struct.Struct("<BIQQ")
_SECTOR_BYTES = 512

#: What becomes of writes that were not flushed.
Fate = Literal["lost", "kept", "torn"]


class NoCompiler(Exception):
    """There is no C compiler; nothing can be recorded here."""


def build_recorder(folder: Path) -> Path:
    """Return the library.

    Raises:
        NoCompiler: see there.
    """
    compiler = find_compiler()
    if compiler is None:
        raise NoCompiler("no C compiler is installed")
    library = folder / "disk_record.so"
    source = Path(__file__).with_name("disk_record.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, source, "-lpthread"],
        check=True,
    )
    return library


def recorded(library: Path, root: Path, log: Path) -> dict[str, str]:
    """Return the environment of a process whose writes below `root` shall stand in `log`."""
    return {"LD_PRELOAD": str(library), "DISK_ROOT": str(root), "DISK_LOG": str(log)}


@dataclass(frozen=True, slots=True)
class Op:
    """One record, see `disk_record.c`."""

    op: str
    path: str
    offset: int
    data: bytes


def read_log(log: Path) -> Iterator[Op]:
    """Yield what was recorded, oldest first; a record that is not whole ends it."""
    data = log.read_bytes()
    at = 0
    while at + _HEAD.size <= len(data):
        op, path_bytes, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        end = at + path_bytes + size
        if end > len(data):
            return
        yield Op(chr(op), data[at : at + path_bytes].decode(), offset, data[at + path_bytes : end])
        at = end


@dataclass(slots=True)
class _File:
    """`safe`: what was flushed; `open`: writes and truncations since, oldest first."""

    safe: bytearray = field(default_factory=bytearray)
    open: list[Op] = field(default_factory=list)
    has_safe_name: bool = False

    def flush(self) -> None:
        for op in self.open:
            _apply(self.safe, op)
        self.open.clear()

    def image(self, fate: Fate, chance: random.Random) -> bytes:
        content = bytearray(self.safe)
        for op in self.open if fate != "lost" else ():
            if fate == "kept":
                _apply(content, op)
            elif op.op == "T":
                if chance.random() < 0.5:
                    _apply(content, op)
            else:
                _tear(content, op, chance)
        return bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    if op.op == "T":
        del content[op.offset :]
        content.extend(bytes(op.offset - len(content)))
        return
    if len(content) < op.offset:
        content.extend(bytes(op.offset - len(content)))
    content[op.offset : op.offset + len(op.data)] = op.data


def _tear(content: bytearray, op: Op, chance: random.Random) -> None:
    """Keep all, nothing or some sectors of one write."""
    share = chance.choice((0.0, 0.5, 1.0))
    at = 0
    while at < len(op.data):
        size = min(len(op.data) - at, _SECTOR_BYTES - (op.offset + at) % _SECTOR_BYTES)
        if chance.random() < share:
            _apply(content, Op("W", op.path, op.offset + at, op.data[at : at + size]))
        at += size


class Disk:
    """The files below `root` as the record has them up to now."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._files: dict[str, _File] = {}
        self._gone: dict[str, _File] = {}  # deleted, and the folder was not flushed since

    def play(self, op: Op) -> None:
        """Go one record further."""
        if op.path.endswith("-shm"):  # lives in memory; SQLite makes it anew
            return
        if op.op == "S":
            if op.path in self._files:
                self._files[op.path].flush()
            else:
                self._flush_folder(op.path)
        elif op.op == "U":
            file = self._files.pop(op.path, None)
            if file is not None and file.has_safe_name:
                self._gone[op.path] = file
        elif op.op == "R":
            self._files[op.data.decode()] = self._files.pop(op.path)
        else:
            self._files.setdefault(op.path, _File()).open.append(op)

    def _flush_folder(self, folder: str) -> None:
        for path, file in self._files.items():
            if path.rpartition("/")[0] == folder:
                file.has_safe_name = True
        self._gone = {path: file for path, file in self._gone.items() if path.rpartition("/")[0] != folder}

    def leave(self, into: Path, part: str, fate: Fate, chance: random.Random) -> None:
        """Write the files below the folder `part` into `into`, as a power cut at this moment leaves them."""
        into.mkdir(parents=True)
        start = f"{self._root}/{part}/"
        for path, file in [*self._gone.items(), *self._files.items()]:
            is_there = fate == "kept" if path in self._gone and path not in self._files else True
            if not file.has_safe_name:
                is_there = fate == "kept" or (fate == "torn" and chance.random() < 0.5)
            if path.startswith(start) and is_there:
                (into / path.removeprefix(start)).write_bytes(file.image(fate, chance))
