"""The gateway and the simulated node write DSP/1 independently of each other; here they check each other."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.dsp1.host_session import HostSession
from simulators import dsp1_frames
from simulators.dsp1_device import Device
from workplace.events import Command, LightCode
from workplace.ports import SessionStep
from workplace.readings import ClockSample, WireReading

FRAMES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "captures" / "dsp1_frames.json").read_text(encoding="utf-8")
)["frames"]
UID = bytes.fromhex("0001000000000002")
NODE = "dsp1-0001000000000002"
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("vector", FRAMES, ids=[vector["id"] for vector in FRAMES])
def test_the_node_writes_the_shared_frames(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["frame"])
    assert dsp1_frames.encode(vector["type"], vector["seq"], frame[4:-2]).hex() == vector["wire"]


class Wire:
    """A session and a node of eight channels, 10 ms a step, one clock for all."""

    def __init__(self, spoil: Callable[[bytes], bytes] = bytes) -> None:
        self.spoil = spoil
        self.now = 1000
        self.node = Device(UID, 8, boot_id=0xB007, dock_debounce_ms=300, pir_hold_s=5)
        self.session = HostSession()
        self.events: list[WireReading] = []
        self.levels: dict[tuple[str, str], object] = {}
        self.samples: list[ClockSample] = []
        self.changes: list[str] = []
        self._to_node = b""
        self.take(self.session.opened(self.now, self.now))

    def take(self, step: SessionStep) -> None:
        self._to_node += step.to_send
        self.samples += step.samples
        self.changes += [code for code, _ in step.changes]
        tokens = [item.token for item in step.readings if item.token]
        for item in step.readings:
            if item.seq is None:
                self.levels[item.reading.kind, str(item.reading.channel)] = item.reading.value
            else:
                self.events.append(item)
        if tokens:
            self.take(self.session.commit(tokens, self.now))

    def run(self, ms: int) -> None:
        for _ in range(ms // 10):
            self.now += 10
            data, self._to_node = self._to_node, b""
            self.node.feed(self.spoil(data), self.now, self.now)
            self.take(self.session.feed(self.spoil(self.node.take_output()), self.now, self.now))

    def light(self, code: LightCode, channel: str) -> None:
        command = Command(
            id=f"light-{channel}-{code}",
            site="raadhuis",
            gateway="gw-1",
            device=NODE,
            channel=channel,
            light=code,
            issued_at=NINE,
            valid_until=NINE + timedelta(minutes=1),
        )
        self.take(self.session.command(command, self.now))

    def said(self, kind: str) -> list[tuple[str, object]]:
        """(channel, value) in the order of the node's own numbers."""
        found = sorted(
            (item for item in self.events if item.reading.kind == kind), key=lambda item: item.seq or 0
        )
        return [(str(item.reading.channel), item.reading.value) for item in found]


def test_a_morning_at_eight_desks() -> None:
    wire = Wire()
    wire.run(1000)
    wire.node.dock(3, is_up=True, real_ms=wire.now, site_ms=wire.now)
    wire.node.motion(3, wire.now, wire.now)
    wire.node.button(7, wire.now, wire.now)
    wire.run(8000)
    wire.node.dock(3, is_up=False, real_ms=wire.now, site_ms=wire.now)
    wire.run(1000)
    assert wire.said("link") == [("3", True), ("3", False)]
    assert wire.said("motion") == [("3", True), ("3", False)]
    assert wire.said("button") == [("7", True)]
    assert wire.changes == ["device_up"]
    assert "events_repeated" not in wire.session.counters


def test_levels_of_all_channels_come_with_the_heartbeat() -> None:
    wire = Wire()
    wire.node.dock(5, is_up=True, real_ms=wire.now, site_ms=wire.now)
    wire.run(12_000)
    assert len(wire.levels) == 16
    assert {key for key, value in wire.levels.items() if value} == {("link", "5")}


def test_pings_sample_the_clock_exactly_on_an_ideal_wire() -> None:
    wire = Wire()
    wire.run(2000)
    assert len(wire.samples) == 8
    assert all(sample.sent_ms <= sample.uptime_ms <= sample.received_ms for sample in wire.samples)


def test_lights_are_shown_once_per_order_and_impossible_channels_are_reported() -> None:
    wire = Wire()
    wire.run(200)
    wire.light("reclaimable", "6")
    wire.light("free", "8")
    wire.run(200)
    assert [(channel, code) for channel, code, _ in wire.node.take_lights()] == [(6, 4)]
    assert wire.changes == ["device_up", "command_failed:light-8-free"]


@pytest.mark.parametrize("seed", range(8))
def test_a_wire_at_its_limit_loses_nothing(seed: int) -> None:
    """One byte in 250 is damaged or lost: about one bit error in 2000, half of what the wire must bear."""
    chance = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        kept = (byte for byte in data if chance.random() > 0.001)
        return bytes(byte ^ (1 << chance.randrange(8)) if chance.random() < 0.003 else byte for byte in kept)

    wire, truth = Wire(spoil), []
    wire.run(2000)
    for turn in range(40):
        channel, is_up = turn % 4, turn // 4 % 2 == 0
        wire.node.dock(channel, is_up=is_up, real_ms=wire.now, site_ms=wire.now)
        truth.append((str(channel), is_up))
        wire.run(600)
    wire.spoil = bytes
    wire.run(15_000)
    assert wire.said("link") == truth
    assert len({item.seq for item in wire.events}) == len(wire.events)
    assert not [code for code in wire.changes if code.startswith("gap")]
    assert {key for key, value in wire.levels.items() if value} == set()
