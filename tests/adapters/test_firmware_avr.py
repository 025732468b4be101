"""The Arduino sketch of a desk node, run instruction by instruction in simavr, in talk with the gateway's session."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware_bridge.dsp1.host_session import HostSession
from simulators.native_node import FIRMWARE
from workplace.events import Command
from workplace.ports import SessionStep
from workplace.readings import WireReading

PATIENCE_S = 60.0
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
AVR = ("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os", "-Wall", "-Wextra", "-Werror")
FLASH_BYTES, RAM_BYTES = 32_256, 2048  # ATmega328P with the boot loader of an Arduino
STACK_BYTES = 512  # a frame on the way out with the frame that asked for it, and an interrupt: about 300


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sketch_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sketch as the Arduino tools build it: C sources, the `.ino` as C++, and a `main` that calls both."""
    folder = tmp_path_factory.mktemp("sketch")
    sketch = Path(run(FIRMWARE / "avr" / "make_sketch.sh", folder).strip())
    (sketch / "main.cpp").write_text(
        "void setup();\nvoid loop();\nint main() { setup(); for (;;) loop(); }\n", "utf-8"
    )
    objects = []
    for source in sorted(sketch.glob("*.c")):
        objects.append(source.with_suffix(".o"))
        run("avr-gcc", *AVR, "-std=gnu11", "-c", source, "-o", objects[-1])
    for source in (sketch / "desk_node.ino", sketch / "main.cpp"):
        objects.append(source.with_suffix(".oo"))
        run("avr-g++", *AVR, "-x", "c++", "-c", source, "-o", objects[-1])
    run("avr-g++", *AVR, *objects, "-o", sketch / "desk_node.elf")
    return sketch / "desk_node.elf"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("simavr") / "simulate"
    sources = (FIRMWARE / "avr" / "simulate.c", FIRMWARE / "posix" / "port.c")
    # simavr needs libelf, whose development files it does not bring along
    run("cc", "-std=c99", "-O2", *sources, "-o", program, "-lsimavr", "-l:libelf.so.1")
    return program


class Bench:
    """The simulated board on one end of the wire, a session of the gateway on the other."""

    def __init__(self, process: subprocess.Popen[bytes], tty: Path) -> None:
        self.process = process
        self.readings: list[WireReading] = []
        self.changes: list[str] = []
        self.lamps: list[tuple[float, int]] = []
        self._said, self.is_ready = b"", False
        assert process.stdout is not None
        self._out = process.stdout.fileno()
        os.set_blocking(self._out, False)
        self.until(lambda: self.is_ready, "the port", talk=False)
        self._fd = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.session = HostSession()
        self._take(self.session.opened(self._now(), self._now()))

    def pin(self, port: str, bit: int, level: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"pin {port} {bit} {level}\n".encode())
        self.process.stdin.flush()

    def light(self, device: str, code: str) -> None:
        command = Command(
            id="light-1", site="raadhuis", gateway="gw-1", device=device, channel="2", light=code,
            issued_at=NINE, valid_until=NINE + timedelta(minutes=1),
        )  # fmt: skip
        self._take(self.session.command(command, self._now()))

    def until(self, condition: Callable[[], object], what: str, *, talk: bool = True) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come: {self.changes} {self.readings}"
            assert self.process.poll() is None, "the board stopped"
            ends = [self._out, self._fd] if talk else [self._out]
            readable = select.select(ends, [], [], 0.05)[0]
            if self._out in readable:
                self._hear(os.read(self._out, 65536))
            if talk:
                data = os.read(self._fd, 4096) if self._fd in readable else b""
                self._take(self.session.feed(data, self._now(), self._now()))

    def said(self) -> list[tuple[str, str, object]]:
        """(kind, channel, value) of each event, once."""
        found = {item.seq: item.reading for item in self.readings if item.seq is not None}
        return [(item.kind, str(item.channel), item.value) for _, item in sorted(found.items())]

    def _hear(self, data: bytes) -> None:
        self._said += data
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            self.is_ready |= b'"ready"' in line
            if b'"port"' in line:
                self.lamps.append((time.monotonic(), int(line.split()[-1].rstrip(b"}"))))

    def _take(self, step: SessionStep) -> None:
        if step.to_send:
            os.write(self._fd, step.to_send)
        self.readings += step.readings
        self.changes += [code for code, _ in step.changes]
        tokens = [item.token for item in step.readings if item.token]
        if tokens:
            self._take(self.session.commit(tokens, self._now()))

    def _now(self) -> float:
        return time.monotonic() * 1000

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._fd)


@pytest.fixture
def bench(sketch_program: Path, simulator: Path, tmp_path: Path) -> Iterator[Bench]:
    tty = tmp_path / "ttyUno"
    process = subprocess.Popen(
        [simulator, sketch_program, tty],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    running = Bench(process, tty)
    yield running
    running.close()


def test_it_fits_on_the_chip(sketch_program: Path) -> None:
    text, data, bss = map(int, run("avr-size", sketch_program).splitlines()[1].split()[:3])
    print(f"flash {text + data} bytes, memory {data + bss} bytes")
    assert text + data <= FLASH_BYTES
    assert data + bss + STACK_BYTES <= RAM_BYTES


def test_it_builds_without_the_arduino_tools(tmp_path: Path) -> None:
    sources = (*(FIRMWARE / "core").glob("*.c"), FIRMWARE / "avr" / "dsp1_avr.c", FIRMWARE / "avr" / "main.c")
    flags = (*AVR, "-std=gnu99", "-DDSP1_MAX_CHANNELS=4", "-I", FIRMWARE / "core")
    run("avr-gcc", *flags, *sources, "-o", tmp_path / "node.elf")


def test_a_board_says_who_it_is_reports_a_dock_and_a_move_and_shows_a_light(bench: Bench) -> None:
    bench.until(lambda: "device_up" in bench.changes, "HELLO")
    bench.until(lambda: any(item.seq is None for item in bench.readings), "the levels")
    device = bench.readings[0].device
    bench.pin("D", 3, 0)  # channel 1: the contact closes to ground
    bench.until(lambda: ("link", "1", True) in bench.said(), "the dock")
    bench.pin("C", 0, 1)
    bench.until(lambda: ("motion", "0", True) in bench.said(), "the move")
    bench.pin("C", 0, 0)
    bench.light(device, "reclaimable")
    bench.until(lambda: bench.session.counters.get("commands_done") == 1, "the acknowledgement of the light")
    bench.until(lambda: len([value for _, value in bench.lamps if value & 4]) >= 2, "a blinking lamp")
    assert {value & ~4 for _, value in bench.lamps} == {0}, "only the lamp of channel 2"
    assert bench.said() == [("link", "1", True), ("motion", "0", True)]


def test_acknowledged_events_are_not_sent_again(bench: Bench) -> None:
    bench.until(lambda: "device_up" in bench.changes, "HELLO")
    bench.pin("D", 2, 0)
    bench.until(lambda: ("link", "0", True) in bench.said(), "the dock")
    beats = bench.session.counters.get("heartbeats", 0)
    bench.until(
        lambda: bench.session.counters.get("heartbeats", 0) > beats, "a heartbeat after the acknowledgement"
    )
    assert bench.session.counters.get("events_repeated", 0) <= 1  # one may have crossed the acknowledgement
    assert [code for code in bench.changes if code.startswith("gap")] == []
