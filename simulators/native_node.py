"""The desk node's real firmware, compiled for this machine: it stands in for `simulators.desk_node`.

The C sources lie in `firmware_bridge/firmware`; they are compiled once per version of them, into a cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

import simulators
from workplace.errors import WorkplaceError

log = structlog.get_logger(__name__)

ROOT = Path(simulators.__file__).parent.parent
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
CORE = ("core/dsp1_wire.c", "core/dsp1_node.c", "core/light_codes.c")
NODE = (*CORE, "posix/port.c", "posix/desk_node.c")
DRIVER = (*CORE, "posix/core_driver.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2")
#: What the sources must bear without a word; tests compile with these, users' compilers may know more warnings.
STRICT_FLAGS = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
COMPILE_WITHIN_S = 120.0  # it takes one; higher keeps a demo waiting for a compiler that hangs

_lock = threading.Lock()
_found: dict[Path, list[str]] = {}


class NodeNotBuilt(WorkplaceError):
    """No program came out of the C sources; use the twin in Python, which behaves the same."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the desk node in C was not built: {reason}")
        self.reason = reason


def find_compiler() -> str | None:
    """Return the path of a C compiler, None when there is none."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


def build(parts: Iterable[str], cache: Path, flags: Iterable[str] = FLAGS) -> Path:
    """Return the program made of these sources; compiled only when the cache does not have it.

    Raises:
        NodeNotBuilt: no compiler, or it refused.
    """
    compiler = find_compiler()
    if compiler is None:
        raise NodeNotBuilt(f"none of {', '.join(COMPILERS)} is installed")
    sources, options = [FIRMWARE / part for part in parts], list(flags)
    try:
        program = cache / _fingerprint([compiler, *options, *map(str, parts)]) / sources[-1].stem
        if not program.exists():
            program.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = program.with_name(f"{program.name}.{os.getpid()}")
            _run([compiler, *options, "-o", str(fresh), *map(str, sources)])
            fresh.replace(program)  # in one step: other processes may build the same
    except OSError as error:
        raise NodeNotBuilt(str(error)) from error
    return program


def node_command(run_dir: Path) -> list[str]:
    """Return the start of the command line of a desk node: the firmware, or else its twin in Python.

    Blocks for about a second when the firmware must be compiled first. Call it from any thread.
    """
    with _lock:
        if run_dir not in _found:
            _found[run_dir] = _choose(run_dir)
        return _found[run_dir]


def python_command() -> list[str]:
    """Return the start of the command line of the twin; `-S`: it needs the standard library only."""
    return [sys.executable, "-S", "-m", "simulators.desk_node"]


def _choose(run_dir: Path) -> list[str]:
    reason = "no folder to compile into"
    for cache in (_user_cache(), run_dir / "firmware"):
        if cache is None:
            continue
        try:
            program = str(build(NODE, cache))
            _check(program)
            return [program]
        except NodeNotBuilt as error:
            reason = error.reason
    log.warning("desk_node_in_python", reason=reason)
    return python_command()


def _user_cache() -> Path | None:
    """Return the folder of this user for what can be made again; None when it cannot be told or is not ours."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    if not os.path.isabs(home):  # noqa: PTH117 - no home folder is known
        return None
    folder = Path(home) / "plekvrij" / "firmware"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_ours = folder.stat().st_uid == os.getuid()
    except OSError:
        return None
    return folder if is_ours else None


def _fingerprint(words: list[str]) -> str:
    """Return a name for everything that goes into a program."""
    digest = hashlib.sha256("\n".join(words).encode())
    for file in sorted((*FIRMWARE.glob("core/*.[ch]"), *FIRMWARE.glob("posix/*.[ch]"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=COMPILE_WITHIN_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NodeNotBuilt(f"{command[0]} did not end") from error
    if done.returncode != 0:
        raise NodeNotBuilt(done.stderr[:2000].decode(errors="replace").strip())


def _check(program: str) -> None:
    """A cache on a disk mounted without leave to execute holds a program that cannot run."""
    try:
        done = subprocess.run([program], capture_output=True, timeout=COMPILE_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeNotBuilt(str(error)) from error
    if b"usage:" not in done.stderr:
        raise NodeNotBuilt(f"{program} does not run here")
