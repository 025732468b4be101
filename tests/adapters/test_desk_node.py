"""A desk node as a real process on a real pseudo-terminal: its twin in Python, and the firmware in C."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from simulators import dsp1_frames as wire
from simulators import native_node

UID = "0003000000000001"
PATIENCE_S = 20.0


class RunningNode:
    """The process, its port and its lines. Every wait has a deadline."""

    def __init__(self, command: list[str], tty: Path, *options: str) -> None:
        self.tty = tty
        arguments = ["--uid", UID, "--channels", "8", "--tty", str(tty), *options]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._fd: int | None = None
        self._port, self._text = bytearray(), bytearray()
        self._frames: deque[tuple[int, bytes]] = deque()
        assert self.process.stdout is not None
        self._out = self.process.stdout.fileno()

    def __enter__(self) -> RunningNode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_port()
        self.process.kill()
        self.process.communicate()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def line(self) -> dict[str, Any]:
        """Return the next line of standard output."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self._text:
            assert select.select([self._out], [], [], deadline - time.monotonic())[0], "no line in time"
            data = os.read(self._out, 4096)
            assert data, "the node ended"
            self._text += data
        line, _, rest = self._text.partition(b"\n")
        self._text = bytearray(rest)
        parsed: dict[str, Any] = json.loads(line)
        return parsed

    def open_port(self) -> None:
        self._fd = os.open(self.tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close_port(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def send(self, kind: int, seq: int, body: bytes = b"") -> None:
        assert self._fd is not None
        os.write(self._fd, wire.encode(kind, seq, body))

    def await_frame(self, kind: int) -> bytes:
        """Return the payload of the next frame of this type; earlier ones of other types are passed over."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            while self._frames:
                found, body = self._frames.popleft()
                if found == kind:
                    return body
            assert self._fd is not None
            ready = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, "no frame in time"
            self._port += os.read(self._fd, 4096)
            *parts, self._port = self._port.split(b"\x00")
            for part in filter(None, parts):
                frame = wire.cobs_decode(bytes(part))
                assert frame is not None
                assert wire.crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")
                self._frames.append((frame[1], frame[4:-2]))

    def await_event(self) -> tuple[int, ...]:
        """Return (boot_id, ev_seq, uptime_ms, kind, channel, value, oldest_seq) of the next event."""
        return struct.unpack("<IIQBBhI", self.await_frame(wire.EVENT))


@pytest.fixture(params=["python", "c"])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if request.param == "python":
        return [sys.executable, "-m", "simulators.desk_node"]
    cache = tmp_path_factory.getbasetemp() / "firmware-node"
    return [str(native_node.build(native_node.NODE, cache, native_node.STRICT_FLAGS))]


@pytest.fixture
def node(command: list[str], tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(command, tmp_path / "ttyNode") as running:
        assert running.line() == {"ready": str(running.tty)}
        running.open_port()
        yield running


def test_it_introduces_itself(node: RunningNode) -> None:
    node.send(wire.HELLO_REQ, 1)
    hello = struct.unpack("<BB8sIQHHHBB", node.await_frame(wire.HELLO))
    assert hello[2].hex() == UID
    assert hello[6] == 0x0108
    assert struct.unpack("<IQIBHH", node.await_frame(wire.STATE))[2:] == (0, 8, 0, 0)


def test_an_event_is_sent_again_until_it_is_acknowledged(node: RunningNode) -> None:
    node.send(wire.HELLO_REQ, 1)
    node.tell("pir 5")
    first = node.await_event()
    again = node.await_event()
    assert first[3:6] == (1, 5, 1)
    assert again == first
    node.send(wire.EVENT_ACK, 2, struct.pack("<II", first[0], first[1]))
    node.send(wire.PING, 3, struct.pack("<I", 9))
    node.await_frame(wire.PONG)  # the acknowledgement was read before the ping
    node.tell("button 2")
    assert node.await_event()[1:] != first[1:]


def test_a_dock_is_reported_after_its_debounce(node: RunningNode) -> None:
    node.tell("dock 7 1")
    assert node.await_event()[3:6] == (2, 7, 1)


def test_a_light_is_acknowledged_and_told_once(node: RunningNode) -> None:
    for seq in (1, 2):
        node.send(wire.SET_LIGHT, seq, struct.pack("<BBH", 3, 4, 0))
        assert struct.unpack("<HB", node.await_frame(wire.ACK)) == (seq, wire.SET_LIGHT)
    node.send(wire.SET_LIGHT, 3, struct.pack("<BBH", 3, 1, 0))
    lines = [node.line(), node.line()]
    assert [(line["channel"], line["code"]) for line in lines] == [(3, 4), (3, 1)]
    assert all(line["at_ms"] >= 0 for line in lines)


def test_the_twin_writes_down_edges_before_they_leave_and_acknowledgements(tmp_path: Path) -> None:
    journal = tmp_path / "journal.txt"
    command = [sys.executable, "-m", "simulators.desk_node"]
    with RunningNode(command, tmp_path / "ttyNode", "--journal", str(journal), "--boot-id", "7") as node:
        node.line()
        node.open_port()
        node.send(wire.HELLO_REQ, 1)
        node.tell("dock 3 1")
        event = node.await_event()
        assert journal.read_text().split()[:5] == ["made", "7", str(event[1]), "3", "1"]
        node.send(wire.EVENT_ACK, 2, struct.pack("<II", event[0], event[1]))
        node.send(wire.PING, 3, struct.pack("<I", 9))
        node.await_frame(wire.PONG)  # the acknowledgement was read before the ping
        assert journal.read_text().splitlines()[1:] == [f"acked 7 {event[1]}"]


def test_it_survives_being_unplugged(node: RunningNode) -> None:
    node.tell("unplug")
    deadline = time.monotonic() + PATIENCE_S
    while node.tty.is_symlink():
        assert time.monotonic() < deadline
    node.tell("button 1")  # nobody can hear it: it waits in the queue
    node.close_port()
    node.tell("replug")
    assert node.line() == {"ready": str(node.tty)}
    node.open_port()
    node.await_frame(wire.HELLO)
    assert node.await_event()[3:6] == (3, 1, 1)


def test_site_time_runs_faster_than_the_protocol(command: list[str], tmp_path: Path) -> None:
    with RunningNode(command, tmp_path / "ttyFast", "--speed", "600") as node:
        node.line()
        node.open_port()
        node.tell("pir 0")
        # 30 s of hold are 50 ms here; the repeats of the protocol keep their real 500 ms.
        first = node.await_event()
        second = node.await_event()
        assert [first[5], second[5]] == [1, 0]
        assert 30_000 <= second[2] - first[2] < 30_000 * 600 / 2


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("quit", id="a quit line ends it"),
        pytest.param(
            "nonsense\ndock 99 1\npir x\ndock 1\nquit", id="nonsense does not end it before quit does"
        ),
    ],
)
def test_it_ends_and_takes_its_port_along(node: RunningNode, lines: str) -> None:
    node.tell(lines)
    assert node.process.wait(PATIENCE_S) == 0
    assert not node.tty.is_symlink()


def test_the_end_of_its_input_ends_it(node: RunningNode) -> None:
    assert node.process.stdin is not None
    node.process.stdin.close()
    assert node.process.wait(PATIENCE_S) == 0
    node.process.stdin = None


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--uid", "12"], id="too few"),
        pytest.param(["--uid", UID, "--channels", "17", "--tty", "x"], id="too many channels"),
        pytest.param(["--uid", UID[1:], "--channels", "1", "--tty", "x"], id="a uid that is too short"),
        pytest.param(["--uid", UID, "--channels", "1", "--tty", "x", "--colour", "1"], id="an unknown one"),
        pytest.param(["--uid", UID, "--channels", "1", "--tty"], id="one without its value"),
    ],
)
def test_wrong_options_are_explained(command: list[str], options: list[str]) -> None:
    done = subprocess.run([*command, *options], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"usage:" in done.stderr


def test_without_a_compiler_the_building_runs_the_twin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(native_node, "find_compiler", lambda: None)
    assert native_node.node_command(tmp_path) == native_node.python_command()


def test_a_program_is_compiled_once_per_version_of_its_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    [program] = native_node.node_command(tmp_path)
    made_at = Path(program).stat().st_mtime_ns
    assert native_node.build(native_node.NODE, tmp_path / "cache" / "plekvrij" / "firmware") == Path(program)
    assert Path(program).stat().st_mtime_ns == made_at
