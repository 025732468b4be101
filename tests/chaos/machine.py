"""A disk that can be filled and a wall clock that can be set, without a byte or a second of the machine's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

from simulators.native_node import find_compiler

_MOUNT, _UMOUNT = shutil.which("mount") or "/bin/mount", shutil.which("umount") or "/bin/umount"


class Disk:
    """A small file system of its own when we may make one; it can be filled and emptied.

    Size 0 makes none.
    """

    def __init__(self, folder: Path, size_mib: int, kept_in: Path | None) -> None:
        self.folder, self.kept_in = folder, kept_in
        self._filler = folder / "filler"
        folder.mkdir(parents=True)
        mount = [_MOUNT, "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        self.is_own = size_mib > 0 and (
            os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        )

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(65536))
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(512))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def set_read_only(self, is_read_only: bool) -> bool:
        """Return whether it worked: nobody may hold a file open for writing."""
        mode = "ro" if is_read_only else "rw"
        done = subprocess.run(
            [_MOUNT, "-o", f"remount,{mode}", str(self.folder)], capture_output=True, check=False
        )
        return done.returncode == 0

    def give_back(self) -> None:
        if self.is_own:
            if self.kept_in is not None:
                shutil.copytree(self.folder, self.kept_in)
            subprocess.run([_UMOUNT, "-l", str(self.folder)], check=False)


def _compiler() -> str:
    return find_compiler() or "cc"


class SteppedClock:
    """The wall clock of one process, to be set forward and back."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.clock"
        self.set(0.0)
        self.library = folder / "clock_step.so"
        if not self.library.exists():
            source = Path(__file__).with_name("clock_step.c")
            subprocess.run(
                [_compiler(), "-shared", "-fPIC", "-O2", "-o", self.library, source, "-ldl"], check=True
            )

    def set(self, offset_s: float) -> None:
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("<q", round(offset_s * 1e9)))

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK": str(self._file)}
