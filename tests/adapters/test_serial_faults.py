"""A bad cable as a process, and what it does to bytes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.desk_node import Port
from simulators.serial_faults import Damage

PATIENCE_S = 20.0


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    [
        pytest.param(0, 0, 0, id="a good cable flips nothing"),
        pytest.param(1e-3, 7_500, 8_500, id="one bit in a thousand"),
        pytest.param(0.1, 790_000, 810_000, id="one bit in ten"),
    ],
)
def test_bits_are_flipped_at_the_rate(rate: float, low: int, high: int) -> None:
    damage, sent = Damage("seed", rate), bytes(1000)
    got = b"".join(damage.spoil(sent) for _ in range(1000))
    assert low <= int.from_bytes(got, "big").bit_count() == damage.flipped_bits <= high


def test_the_same_seed_does_the_same_however_the_bytes_are_cut() -> None:
    sent = os.urandom(20_000)
    whole = Damage("seed", 1e-3, 1e-2).spoil(sent)
    cut = Damage("seed", 1e-3, 1e-2)
    assert b"".join(cut.spoil(sent[at : at + 7]) for at in range(0, len(sent), 7)) == whole
    assert Damage("other", 1e-3, 1e-2).spoil(sent) != whole
    assert 100 <= cut.dropped_bytes == len(sent) - len(whole) <= 300


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Damage("seed", rate)


class Laid:
    """A cable between a device that the test plays and a gateway that the test plays."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.device = Port(str(folder / "device"))
        self.device.plug()
        self.path = folder / "gateway"
        arguments = ["--device", self.device.path, "--tty", str(self.path), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators.serial_faults", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.gateway = -1

    def line(self) -> dict[str, object]:
        assert self.process.stdout is not None
        parsed: dict[str, object] = json.loads(self.process.stdout.readline())
        return parsed

    def open(self) -> None:
        assert self.line() == {"ready": str(self.path)}
        self.gateway = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.gateway)
        self.device.unplug()


def arrive(fd: int, wanted: int) -> bytes:
    """Return `wanted` bytes from `fd`."""
    data, deadline = b"", time.monotonic() + PATIENCE_S
    while len(data) < wanted:
        assert select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0], "nothing arrived"
        data += os.read(fd, 4096)
    return data


@pytest.fixture
def laid(tmp_path: Path) -> Iterator[Laid]:
    cable = Laid(tmp_path)
    cable.open()
    yield cable
    cable.close()


def near(cable: Laid) -> int:
    assert cable.device.fd is not None
    return cable.device.fd


def test_a_good_cable_carries_both_ways_and_counts(laid: Laid) -> None:
    laid.device.write(b"up\x00")
    assert arrive(laid.gateway, 3) == b"up\x00"
    os.write(laid.gateway, b"down")
    assert arrive(near(laid), 4) == b"down"
    laid.tell("quit")
    assert laid.line() == {"carried_bytes": 7, "flipped_bits": 0, "dropped_bytes": 0}
    assert laid.process.wait(PATIENCE_S) == 0
    assert not laid.path.is_symlink()


def test_a_stalled_cable_keeps_its_bytes(laid: Laid) -> None:
    laid.tell("stall 0.3")
    laid.tell("nonsense")
    began = time.monotonic()
    laid.device.write(b"late")
    assert arrive(laid.gateway, 4) == b"late"
    assert time.monotonic() - began < PATIENCE_S


def test_a_pulled_cable_comes_back_under_the_same_name(laid: Laid) -> None:
    laid.tell("unplug")
    deadline = time.monotonic() + PATIENCE_S
    while laid.path.is_symlink():
        assert time.monotonic() < deadline
    os.close(laid.gateway)
    laid.tell("replug")
    laid.open()
    laid.device.write(b"again")
    assert arrive(laid.gateway, 5) == b"again"


def test_a_device_that_was_away_is_found_again(laid: Laid) -> None:
    laid.device.unplug()
    laid.device.plug()
    received, deadline = b"", time.monotonic() + PATIENCE_S
    while not received:
        assert time.monotonic() < deadline
        laid.device.write(b"x")
        if select.select([laid.gateway], [], [], 0.05)[0]:
            received = os.read(laid.gateway, 4096)
    assert set(received) == {ord("x")}


def test_wrong_options_are_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulators.serial_faults", "--device", "x"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"usage:" in done.stderr
