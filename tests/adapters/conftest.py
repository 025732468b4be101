"""The desk node in its other languages, driven step by step like its twin in Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from simulators import native_node

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MICROPYTHON = native_node.FIRMWARE / "micropython"

#: What a step leads to: bytes sent, and the changes of lights as (channel, code).
Outcome = tuple[bytes, list[tuple[int, int]]]


class CoreInC:
    """`core/dsp1_node.c` in a driver process that runs under the sanitizers of the compiler."""

    def __init__(self, program: Path, uid: bytes, channels: int, boot_id: int) -> None:
        numbers = map(str, (channels, boot_id, 30, 300, 10))
        self._process = subprocess.Popen(
            [program, uid.hex(), *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.next_real_ms = self.next_site_ms = 0

    def close(self) -> None:
        """The sanitizers report leaks and worse with the exit code."""
        self._process.communicate()
        assert self._process.returncode == 0

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        answer = self._process.stdout.readline()
        assert answer, f"the driver died of {line!r}"
        return answer.strip()

    def do(self, what: str, *arguments: object, at: int) -> Outcome:
        sent, lights, real_due, site_due = self.ask(" ".join(map(str, (what, *arguments, at, at)))).split()
        self.next_real_ms = int(real_due)
        self.next_site_ms = -1 if site_due == "-" else int(site_due)
        changes = [tuple(map(int, item.split(",")[:2])) for item in lights.split(";") if item.strip("-")]
        return bytes.fromhex(sent.strip("-")), [(channel, code) for channel, code in changes]


class Board:
    """Stands in for a board: pins, clock and wire of `micropython/dsp1_node.py`."""

    def __init__(self, channels: int = 0) -> None:
        self.sent = b""
        self.lights: list[tuple[int, int]] = []
        self.now = 0
        self.incoming = b""
        self.levels, self.moving = [False] * channels, [False] * channels
        self.shown: list[int] = []

    def send(self, data: bytes) -> None:
        self.sent += data

    def set_light(self, channel: int, code: int) -> None:
        self.lights.append((channel, code))

    def now_ms(self) -> int:
        return self.now

    def read(self) -> bytes:
        data, self.incoming = self.incoming, b""
        return data

    def docks(self) -> list[bool]:
        return self.levels

    def motions(self) -> list[bool]:
        return self.moving

    def show(self, uptime_ms: int) -> None:
        self.shown.append(uptime_ms)

    def take(self) -> Outcome:
        outcome = self.sent, self.lights
        self.sent, self.lights = b"", []
        return outcome


@pytest.fixture(scope="session")
def core_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver of the C core, compiled strictly; with the sanitizers where the compiler has them."""
    cache = tmp_path_factory.mktemp("firmware")
    plain = native_node.build(native_node.DRIVER, cache, native_node.STRICT_FLAGS)
    try:
        checked = native_node.build(native_node.DRIVER, cache, (*native_node.STRICT_FLAGS, *SANITIZERS))
    except native_node.NodeNotBuilt:
        return plain
    return checked


@pytest.fixture
def core_in_c(core_driver: Path) -> Iterator[Callable[[bytes, int, int], CoreInC]]:
    """`core_in_c(uid, channels, boot_id)`; ended, and its sanitizers asked, after the test."""
    made: list[CoreInC] = []

    def make(uid: bytes, channels: int, boot_id: int) -> CoreInC:
        made.append(CoreInC(core_driver, uid, channels, boot_id))
        return made[-1]

    yield make
    for core in made:
        core.close()


@pytest.fixture(scope="session")
def micropython() -> Iterator[ModuleType]:
    """The module `dsp1_node` as the board sees it: all files of the folder flat on the path."""
    sys.path.insert(0, str(MICROPYTHON))
    try:
        import dsp1_node  # type: ignore[import-not-found]

        yield dsp1_node
    finally:
        sys.path.remove(str(MICROPYTHON))
        for name in ("dsp1_node", "dsp1_wire", "light_codes"):
            sys.modules.pop(name, None)


@pytest.fixture
def board() -> type[Board]:
    return Board
