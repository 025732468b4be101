"""A bad cable: a process between a device's port and the gateway's, with bit errors, lost bytes and pauses.

    python -m simulators.serial_faults --device run/wire/dsp1-1 --tty run/tty/dsp1-1 --ber 1e-3 --seed 7

Standard input, one line per happening: `ber <rate>`, `drop <rate>`, `stall <seconds>`, `unplug`, `replug`,
`quit`; its end ends the cable. Standard output, JSON lines: `{"ready": "<tty>"}` when the gateway's port is
there (again), and one with the counters at the end. The same seed damages the same bits of the same bytes.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import select
import signal
import sys
import termios
import time
import tty

from simulators.desk_node import Port

USAGE = (
    "usage: python -m simulators.serial_faults --device PATH --tty PATH [--ber RATE] [--drop RATE] [--seed N]"
)
#: How often to look whether an unplugged device is back, s. Lower costs CPU, higher keeps its events waiting.
RETRY_S = 0.05
_MAX_LINE_BYTES = 256


class Damage:
    """What one direction of a cable does to its bytes. Pure: the same seed and bytes give the same result.

    Args:
        bit_error_rate: chance of each bit to be flipped.
        drop_rate: chance of each byte to be lost.
    """

    def __init__(self, seed: str, bit_error_rate: float = 0.0, drop_rate: float = 0.0) -> None:
        # one stream each: how the bytes are cut must not change the order of draws
        self._bit_chance, self._byte_chance = random.Random(f"{seed}:bits"), random.Random(f"{seed}:bytes")
        self.flipped_bits = self.dropped_bytes = self.carried_bytes = 0
        self.set_rates(bit_error_rate, drop_rate)

    def set_rates(self, bit_error_rate: float, drop_rate: float) -> None:
        if not (0 <= bit_error_rate < 1 and 0 <= drop_rate < 1):
            raise ValueError("rates are at least 0 and less than 1")
        self.bit_error_rate, self.drop_rate = bit_error_rate, drop_rate
        self._bits_left, self._bytes_left = (
            _distance(self._bit_chance, bit_error_rate),
            _distance(self._byte_chance, drop_rate),
        )

    def spoil(self, data: bytes) -> bytes:
        """Return what comes out at the other end."""
        self.carried_bytes += len(data)
        spoiled = bytearray(data)
        while self._bits_left < 8 * len(data):
            spoiled[self._bits_left // 8] ^= 1 << self._bits_left % 8
            self.flipped_bits += 1
            self._bits_left += 1 + _distance(self._bit_chance, self.bit_error_rate)
        self._bits_left -= 8 * len(data)
        lost = set()
        while self._bytes_left < len(data):
            lost.add(self._bytes_left)
            self._bytes_left += 1 + _distance(self._byte_chance, self.drop_rate)
        self._bytes_left -= len(data)
        self.dropped_bytes += len(lost)
        return bytes(byte for at, byte in enumerate(spoiled) if at not in lost) if lost else bytes(spoiled)


def _distance(chance: random.Random, rate: float) -> int:
    """Return how many go well before the next that does not (a geometric distribution)."""
    if rate == 0:
        return 1 << 62
    return int(math.log(1.0 - chance.random()) / math.log(1.0 - rate))


class Cable:
    """Carries bytes both ways between the device's port and a port of its own."""

    def __init__(self, device: str, port: Port, damages: tuple[Damage, Damage]) -> None:
        self._device_path, self._port = device, port
        self._to_gateway, self._to_device = damages
        self._device: int | None = None
        self._stalled_until = 0.0
        self._lines = b""
        self._is_running = True

    def run(self) -> None:
        """Run until standard input ends."""
        self._find_device()
        self._plug()
        try:
            while self._is_running:
                self._turn()
        finally:
            self._port.unplug()
            self._lose_device()
        names = ("carried_bytes", "flipped_bits", "dropped_bytes")
        counts = ", ".join(
            f'"{name}": {getattr(self._to_gateway, name) + getattr(self._to_device, name)}' for name in names
        )
        _say(f"{{{counts}}}")

    def _turn(self) -> None:
        if self._device is None:
            self._find_device()
        stall_s = self._stalled_until - time.monotonic()
        watched = [0]
        if stall_s <= 0:
            watched += [end for end in (self._device, self._port.fd) if end is not None]
        wait_s = stall_s if stall_s > 0 else RETRY_S if self._device is None else None
        readable = select.select(watched, [], [], wait_s)[0]
        if 0 in readable:
            self._read_lines()
        if self._device in readable:
            self._carry_from_device()
        if self._port.fd is not None and self._port.fd in readable:
            self._carry_to_device(self._to_device.spoil(self._port.read()))

    def _carry_from_device(self) -> None:
        data = b""
        if self._device is not None:
            with contextlib.suppress(OSError):
                data = os.read(self._device, 4096)
        if data:
            self._port.write(self._to_gateway.spoil(data))
        else:
            self._lose_device()

    def _carry_to_device(self, data: bytes) -> None:
        if self._device is not None and data:
            with contextlib.suppress(OSError):
                os.write(self._device, data)

    def _find_device(self) -> None:
        with contextlib.suppress(OSError):
            self._device = os.open(self._device_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(self._device, termios.TCSANOW)  # what has come in stays

    def _lose_device(self) -> None:
        if self._device is not None:
            os.close(self._device)
            self._device = None

    def _plug(self) -> None:
        self._port.plug()
        path = self._port.path.replace("\\", "\\\\").replace('"', '\\"')
        _say(f'{{"ready": "{path}"}}')

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
            except ValueError:
                sys.stderr.write(f"serial_faults: cannot read line {line!r}\n")

    def _obey(self, words: list[str]) -> None:
        both = (self._to_gateway, self._to_device)
        match words:
            case []:
                pass
            case ["ber", rate]:
                for damage in both:
                    damage.set_rates(float(rate), damage.drop_rate)
            case ["drop", rate]:
                for damage in both:
                    damage.set_rates(damage.bit_error_rate, float(rate))
            case ["stall", seconds]:
                self._stalled_until = time.monotonic() + float(seconds)
            case ["unplug"]:
                self._port.unplug()
            case ["replug"]:
                self._port.unplug()
                self._plug()
            case ["quit"]:
                self._is_running = False
            case _:
                raise ValueError("unknown word")


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run a cable; exit code 2 for wrong options."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        if len(arguments) % 2 or not {"--device", "--tty"} <= set(options) <= _OPTIONS:
            raise ValueError("options are missing or unknown")
        ber, drop = float(options.get("--ber", "0")), float(options.get("--drop", "0"))
        seed = options.get("--seed", "1")
        damages = Damage(f"{seed}:to gateway", ber, drop), Damage(f"{seed}:to device", ber, drop)
    except ValueError as error:
        sys.stderr.write(f"{error}\n{USAGE}\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Cable(options["--device"], Port(options["--tty"]), damages).run()
    return 0


_OPTIONS = {"--device", "--tty", "--ber", "--drop", "--seed"}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
