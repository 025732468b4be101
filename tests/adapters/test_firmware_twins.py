"""The node in C, in MicroPython and its twin in Python are one device: the same bytes for the same happenings."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators import dsp1_frames as wire
from simulators.dsp1_device import Device

UID = bytes.fromhex("0003000000000001")
BOOT = 0x1A2B3C4D
CHANNELS = 4
FRAMES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "captures" / "dsp1_frames.json").read_text("utf-8")
)["frames"]
FROM_DEVICE = [vector for vector in FRAMES if vector["type"] < 0x80]
TO_DEVICE = [vector for vector in FRAMES if vector["type"] >= 0x80]

COMMANDS = st.one_of(
    st.builds(lambda boot, up_to: (wire.EVENT_ACK, struct.pack("<II", boot, up_to)),
              st.sampled_from([BOOT, BOOT + 1]), st.integers(0, 50)),
    st.builds(lambda token: (wire.PING, struct.pack("<I", token)), st.integers(0, 2**32 - 1)),
    st.builds(lambda *body: (wire.SET_LIGHT, struct.pack("<BBH", *body)),
              st.integers(0, CHANNELS), st.integers(0, 6), st.sampled_from([0, 1, 30])),
    st.builds(lambda key, value: (wire.SET_CFG, struct.pack("<BI", key, value)),
              st.integers(0, 4), st.sampled_from([0, 1, 2, 300, 301, 3600, 3601, 10_000, 10_001, 2**32 - 1])),
    st.builds(lambda ttl: (wire.SET_LED, struct.pack("<BBBH", 1, 2, 3, ttl)), st.integers(0, 65_535)),
    st.builds(lambda body: (0x90, body), st.binary(max_size=40)),
    st.just((wire.HELLO_REQ, b"")),
    st.just((wire.HELLO_REQ, b"\x00")),  # a wrong length, with a right checksum
)  # fmt: skip
#: One step: what happens, at which channel, how long after the step before, ms.
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(["dock 1", "dock 0", "motion", "button", "tick", "attach"]),
            COMMANDS,
            st.binary(max_size=90),
        ),
        st.integers(0, CHANNELS - 1),
        st.sampled_from([0, 1, 50, 299, 300, 499, 500, 1000, 2500, 10_000, 30_000]),
    ),
    max_size=60,
)


class Trio:
    """Three nodes that get the same, and must answer the same."""

    def __init__(self, core: Any, micropython: ModuleType, board: Any) -> None:
        self.core, self.board = core, board
        self.upy = micropython.DeskNode(board, UID, CHANNELS, BOOT)
        self.twin = Device(UID, CHANNELS, BOOT)
        self.now = self.count = 0

    def do(self, what: str | bytes | tuple[int, bytes], channel: int, wait_ms: int) -> None:
        self.now += wait_ms
        now = self.now
        if isinstance(what, tuple):
            self.count += 1
            what = wire.encode(what[0], self.count, what[1])
        if isinstance(what, bytes):
            self.twin.feed(what, now, now)
            self.upy.feed(what, now)
            from_c = self.core.do("feed", what.hex() or "-", at=now)
        elif what.startswith("dock"):
            is_up = what.endswith("1")
            self.twin.dock(channel, is_up, now, now)
            self.upy.dock(channel, is_up, now)
            from_c = self.core.do("dock", channel, int(is_up), at=now)
        else:
            from_c = self._plain(what, channel, now)
        twin = self.twin.take_output(), [(at, code) for at, code, _ in self.twin.take_lights()]
        assert from_c == twin, "the C core differs from the twin"
        assert self.board.take() == twin, "MicroPython differs from the twin"
        site_due = self.twin.next_site_ms()
        due = self.twin.next_real_ms(), -1 if site_due is None else site_due
        assert (self.core.next_real_ms, self.core.next_site_ms) == due

    def _plain(self, what: str, channel: int, now: int) -> Any:
        if what == "tick":
            self.twin.tick(now, now)
            self.upy.tick(now)
            return self.core.do("tick", at=now)
        if what == "attach":
            self.twin.attach(now)
            self.upy.attach(now)
            return self.core.do("attach", at=now)
        getattr(self.twin, what)(channel, now, now)
        getattr(self.upy, what)(channel, now)
        return self.core.do(what, channel, at=now)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_the_three_answer_alike(
    core_in_c: Callable[..., Any], micropython: ModuleType, board: Callable[..., Any], steps: list[Any]
) -> None:
    trio = Trio(core_in_c(UID, CHANNELS, BOOT), micropython, board())
    for step in steps:
        trio.do(*step)
    trio.do((wire.HELLO_REQ, b""), 0, 100)  # tells all counters
    trio.core.close()


def test_a_long_day_with_a_full_queue_and_late_acknowledgements(
    core_in_c: Callable[..., Any], micropython: ModuleType, board: Callable[..., Any]
) -> None:
    trio = Trio(core_in_c(UID, CHANNELS, BOOT), micropython, board())
    for turn in range(200):
        trio.do(("button", "motion", "dock 1", "dock 0")[turn % 4], turn // 4 % CHANNELS, 700)
        if turn % 90 == 89:
            trio.do((wire.EVENT_ACK, struct.pack("<II", BOOT, trio.twin.last_event_seq - 3)), 0, 10)
    assert trio.twin.dropped > 0


@pytest.mark.parametrize("vector", FROM_DEVICE, ids=[vector["id"] for vector in FROM_DEVICE])
def test_c_and_micropython_write_the_shared_frames(
    core_in_c: Callable[..., Any], micropython: ModuleType, vector: dict[str, Any]
) -> None:
    body = bytes.fromhex(vector["frame"])[4:-2]
    core = core_in_c(UID, 1, BOOT)
    assert core.ask(f"encode {vector['type']} {vector['seq']} {body.hex()}") == vector["wire"]
    values = [
        bytes.fromhex(value) if isinstance(value, str) else value for value in vector["fields"].values()
    ]
    assert micropython.wire.encode(vector["type"], vector["seq"], *values).hex() == vector["wire"]


@pytest.mark.parametrize("vector", TO_DEVICE, ids=[vector["id"] for vector in TO_DEVICE])
def test_c_and_micropython_read_the_shared_frames(
    core_in_c: Callable[..., Any], micropython: ModuleType, board: Callable[..., Any], vector: dict[str, Any]
) -> None:
    on_wire = bytes.fromhex(vector["wire"])
    body = bytes.fromhex(vector["frame"])[4:-2]
    assert micropython.wire.Reader().feed(on_wire) == [(vector["type"], vector["seq"], body)]
    trio = Trio(core_in_c(UID, CHANNELS, BOOT), micropython, board())
    trio.do("button", 0, 10)
    trio.do(on_wire, 0, 10)


def test_a_board_reads_its_pins_and_lets_its_lamps_blink(
    micropython: ModuleType, board: Callable[..., Any]
) -> None:
    hal = board(2)
    node = micropython.DeskNode(hal, UID, 2, BOOT)
    hal.incoming = wire.encode(wire.HELLO_REQ, 1) + wire.encode(
        wire.SET_LIGHT, 2, struct.pack("<BBH", 1, 4, 0)
    )
    hal.levels[1] = hal.moving[0] = True
    for hal.now in range(0, 1000, 10):
        micropython.turn(node, hal)
    kinds = [coded[1 + 1] for coded in hal.sent.split(b"\0") if coded]
    assert kinds.count(wire.HELLO) == 2  # at start, and when asked
    assert kinds.count(wire.EVENT) >= 2
    assert (node.channels[0].occupied, node.channels[1].docked, node.channels[1].light) == (True, True, 4)
    assert hal.lights == [(1, 4)]
    assert hal.shown == list(range(0, 1000, 10))


def test_c_and_micropython_blink_alike(core_in_c: Callable[..., Any], micropython: ModuleType) -> None:
    core = core_in_c(UID, 1, BOOT)
    for code in range(6):
        for uptime_ms in range(0, 8000, 10):
            lit = micropython.light_codes.is_lit(code, uptime_ms)
            assert core.ask(f"lit {code} {uptime_ms}") == str(int(lit)), (code, uptime_ms)
