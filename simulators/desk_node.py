"""A simulated desk node: a process with a pseudo-terminal, standing in for a microcontroller on USB.

    python -m simulators.desk_node --uid 0003000000000001 --channels 8 --tty run/tty/dsp1-0003000000000001

Standard input, one line per happening: `dock <channel> 0|1`, `pir <channel>`, `button <channel>`, `unplug`,
`replug`, `quit`; its end ends the node. Standard output, JSON lines: `{"ready": "<tty>"}` when the port is
there (again), `{"channel": .., "code": .., "at_ms": ..}` for each change of a light, `at_ms` being the uptime
in site time. With `--journal FILE` it writes down, before the wire carries it, every edge of a dock that it made and
everything that was acknowledged to it: what a test holds against the store after it has killed both.
Only light imports (no argparse, json, pathlib): start time and memory count 27 times.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import tty

from simulators.dsp1_device import KIND_DOCK, QUEUE_LENGTH, Device

USAGE = (
    "usage: python -m simulators.desk_node --uid HEX16 --channels 1-16 --tty PATH [--speed N] "
    "[--hold-s N] [--debounce-ms N] [--heartbeat-s N] [--boot-id N] [--journal FILE]"
)
_MAX_LINE_BYTES = 256
_MAX_BACKLOG_BYTES = 65536


class Port:
    """The device's end of a pseudo-terminal that a symbolic link names, as udev names a USB port."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd: int | None = None
        self._far_end = -1
        self.lost_bytes = 0

    def plug(self) -> None:
        """Make the pair and point the link at it, in one step."""
        near, far = os.openpty()
        for end in (near, far):
            tty.setraw(end)
        os.set_blocking(near, False)
        # With no far end open at all the near end reports an error; a wire without a reader does not.
        self.fd, self._far_end = near, far
        fresh = f"{self.path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)  # noqa: PTH108
        os.symlink(os.ttyname(far), fresh)  # noqa: PTH211
        os.replace(fresh, self.path)  # noqa: PTH105

    def unplug(self) -> None:
        """Close both ends: whoever reads the port sees it vanish."""
        if self.fd is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108
            os.close(self.fd)
            os.close(self._far_end)
            self.fd = None

    def read(self) -> bytes:
        try:
            return b"" if self.fd is None else os.read(self.fd, 4096)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> None:
        """Send without waiting: what does not fit is lost, as on a wire."""
        written = 0
        if self.fd is not None and data:
            with contextlib.suppress(OSError):
                written = os.write(self.fd, data)
            self.lost_bytes += len(data) - written


class Journal:
    """Lines for who looks on; one `write` each, so that the kernel has a line whatever kills this process next.

    `made <boot> <seq> <channel> <value> <monotonic s>`, `acked <boot> <up to seq>`, `dropped <boot> <seq>`.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, *words: object) -> None:
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())


class WitnessedDevice(Device):
    """A device that writes down what it promises and what it is promised."""

    journal: Journal | None = None

    def _event(self, kind: int, channel: int, value: int, real_ms: int, site_ms: int) -> None:
        if self.journal is not None:
            if len(self._queue) == QUEUE_LENGTH:
                self.journal.note("dropped", self.boot_id, self._queue[0][0])
            if kind == KIND_DOCK:
                made_at = f"{time.monotonic():.3f}"
                self.journal.note("made", self.boot_id, self.last_event_seq + 1, channel, value, made_at)
        super()._event(kind, channel, value, real_ms, site_ms)

    def _forget(self, up_to: int, real_ms: int) -> None:
        if self.journal is not None:
            self.journal.note("acked", self.boot_id, up_to)
        super()._forget(up_to, real_ms)


class Node:
    """Carries bytes, lines and time between the world and a `Device`."""

    def __init__(self, device: Device, channels: int, port: Port, speed: float) -> None:
        self._device, self._channels, self._port, self._speed = device, channels, port, speed
        self._booted = time.monotonic()
        self._lines = b""
        self._backlog = b""
        self._is_running = True

    def run(self) -> None:
        """Run until standard input ends, or until nobody reads standard output any more."""
        self._plug()
        try:
            with contextlib.suppress(BrokenPipeError):
                while self._is_running:
                    self._turn()
        finally:
            self._port.unplug()

    def _now(self) -> tuple[int, int]:
        elapsed_ms = (time.monotonic() - self._booted) * 1000
        return int(elapsed_ms), int(elapsed_ms * self._speed)

    def _turn(self) -> None:
        watched = [0] if self._port.fd is None else [0, self._port.fd]
        readable, writable, _ = select.select(watched, [1] if self._backlog else [], [], self._patience_s())
        if writable:
            # A pipe that select calls writable takes PIPE_BUF bytes without blocking.
            self._backlog = self._backlog[os.write(1, self._backlog[: select.PIPE_BUF]) :]
        if 0 in readable:
            self._read_lines()
        if self._port.fd is not None and self._port.fd in readable:
            self._device.feed(self._port.read(), *self._now())
        self._device.tick(*self._now())
        self._deliver()

    def _patience_s(self) -> float:
        """How long nothing is due, at least 1 ms so that rounding cannot spin."""
        real_ms, site_ms = self._now()
        wait_ms: float = self._device.next_real_ms() - real_ms
        site_due = self._device.next_site_ms()
        if site_due is not None:
            wait_ms = min(wait_ms, (site_due - site_ms) / self._speed)
        return max(wait_ms, 1.0) / 1000

    def _deliver(self) -> None:
        self._port.write(self._device.take_output())
        for channel, code, at_ms in self._device.take_lights():
            self._say(f'{{"channel": {channel}, "code": {code}, "at_ms": {at_ms}}}\n')

    def _say(self, line: str) -> None:
        # Nobody reads? Then the oldest lines are the ones least missed; whole lines only.
        self._backlog += line.encode()
        while len(self._backlog) > _MAX_BACKLOG_BYTES:
            self._backlog = self._backlog[self._backlog.index(b"\n") + 1 :]

    def _read_lines(self) -> None:
        data = os.read(0, 65536)
        if not data:
            self._is_running = False
            return
        *lines, self._lines = (self._lines + data).split(b"\n")
        self._lines = self._lines[-_MAX_LINE_BYTES:]
        for line in lines:
            try:
                self._obey(line.decode().split())
            except (ValueError, IndexError):
                sys.stderr.write(f"desk_node: cannot read line {line!r}\n")

    def _obey(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["dock", channel, ("0" | "1") as level]:
                self._device.dock(self._channel(channel), level == "1", *self._now())
            case ["pir", channel]:
                self._device.motion(self._channel(channel), *self._now())
            case ["button", channel]:
                self._device.button(self._channel(channel), *self._now())
            case ["unplug"]:
                self._deliver()
                self._port.unplug()
            case ["replug"]:
                self._deliver()
                self._port.unplug()
                self._plug()
            case ["quit"]:
                self._is_running = False
            case _:
                raise ValueError("unknown word")

    def _channel(self, text: str) -> int:
        channel = int(text)
        if not 0 <= channel < self._channels:
            raise IndexError(channel)
        return channel

    def _plug(self) -> None:
        self._port.plug()
        self._device.attach(self._now()[0])
        path = self._port.path.replace("\\", "\\\\").replace('"', '\\"')
        self._say(f'{{"ready": "{path}"}}\n')


def _options(arguments: list[str]) -> dict[str, str]:
    """Return the options by name. argparse would double the start time and the memory of the process."""
    known = {
        "--uid",
        "--channels",
        "--tty",
        "--speed",
        "--hold-s",
        "--debounce-ms",
        "--heartbeat-s",
        "--boot-id",
        "--journal",
    }
    names, values = arguments[::2], arguments[1::2]
    if (
        len(names) != len(values)
        or not set(names) <= known
        or not {"--uid", "--channels", "--tty"} <= set(names)
    ):
        raise ValueError("options are missing or unknown")
    return dict(zip(names, values, strict=True))


def main(arguments: list[str]) -> int:
    """Run a node; exit code 2 for wrong options."""
    try:
        options = _options(arguments)
        channels = int(options["--channels"])
        boot_id = int(options.get("--boot-id", int.from_bytes(os.urandom(4), "little")))
        device = WitnessedDevice(
            bytes.fromhex(options["--uid"]),
            channels,
            boot_id,
            pir_hold_s=int(options.get("--hold-s", "30")),
            dock_debounce_ms=int(options.get("--debounce-ms", "300")),
            heartbeat_s=int(options.get("--heartbeat-s", "10")),
        )
        speed = float(options.get("--speed", "1"))
        if "--journal" in options:
            device.journal = Journal(options["--journal"])
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n{USAGE}\n")
        return 2
    # Ctrl-C reaches the whole process group; the end of standard input is what ends a node.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Node(device, channels, Port(options["--tty"]), speed).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
