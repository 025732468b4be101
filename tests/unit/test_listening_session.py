"""Wires on which devices only talk: cut anyhow, damaged, silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.listening_session import STREAMS, ListeningSession
from workplace.readings import WireReading

VECTORS = Path(__file__).parent.parent / "captures" / "vectors" / "serial.json"
LD2410, LD2450 = (
    next(
        bytes.fromhex(vector["input"]["payload"])
        for vector in json.loads(VECTORS.read_text())
        if vector["format"] == f"serial.{name}" and "expect_error" not in vector
    )
    for name in ("ld2410", "ld2450")
)
SAID = {
    "ld2410": (LD2410, "ld2410-hal"),
    "ld2450": (LD2450, "ld2450-hal"),
    "mysensors": (b"12;1;1;0;16;1\n", "mys-hal-12"),
}


def hear(name: str, pieces: list[bytes]) -> tuple[list[WireReading], list[tuple[str, str]], ListeningSession]:
    session = ListeningSession(STREAMS[name], "hal", 7)
    session.opened(0, 0)
    readings: list[WireReading] = []
    changes: list[tuple[str, str]] = []
    for number, piece in enumerate(pieces):
        step = session.feed(piece, number, number)
        readings += step.readings
        changes += step.changes
    return readings, changes, session


@pytest.mark.parametrize("name", sorted(STREAMS))
@given(cuts=st.lists(st.integers(1, 40), max_size=12), noise=st.binary(max_size=60))
def test_messages_come_out_however_they_are_cut_and_whatever_stands_before_them(
    name: str, cuts: list[int], noise: bytes
) -> None:
    message, device = SAID[name]
    stream = noise + (b"\n" if name == "mysensors" else b"") + message * 3
    pieces: list[bytes] = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    readings, _, session = hear(name, [*pieces, stream])
    if name == "mysensors" or (b"\xf4" not in noise + b"\xaa" and b"\xaa" not in noise):
        kinds = [reading.reading.kind for reading in readings if reading.device == device]
        assert kinds.count("motion" if name == "mysensors" else "occupancy") == 3
    assert session.counters.get("messages", 0) >= 1


@pytest.mark.parametrize("name", sorted(STREAMS))
@given(data=st.binary(max_size=2000))
def test_noise_is_bounded_and_never_says_that_nobody_is_there(name: str, data: bytes) -> None:
    readings, _, session = hear(name, [data])
    assert len(session._rest) <= 512
    if not session.counters.get("messages"):
        assert readings == []


def test_a_silent_radar_is_lost_and_found_again() -> None:
    session = ListeningSession(STREAMS["ld2410"], "hal", 7)
    assert session.opened(0, 0).wake_at_ms is None
    up = session.feed(LD2410, 100, 100)
    assert up.changes == (("device_up", "ld2410-hal"),)
    assert up.wake_at_ms == 5_100
    assert session.tick(5_099, 5_099).changes == ()
    lost = session.tick(5_100, 5_100)
    assert (lost.changes, lost.wake_at_ms) == ((("device_silent", "ld2410-hal"),), None)
    assert session.feed(LD2410, 9_000, 9_000).changes == (("device_up", "ld2410-hal"),)


def test_two_openings_make_different_events() -> None:
    first = ListeningSession(STREAMS["mysensors"], "hal", 1).feed(SAID["mysensors"][0], 5, 5)
    second = ListeningSession(STREAMS["mysensors"], "hal", 2).feed(SAID["mysensors"][0], 5, 5)
    assert first.readings[0].boot_id != second.readings[0].boot_id
