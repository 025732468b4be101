"""The simulated node speaks DSP/1 as specified, byte by byte and over time."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import dsp1_frames as wire
from simulators.dsp1_device import QUEUE_LENGTH, Device

UID = bytes.fromhex("0003000000000001")
BOOT = 0x1A2B3C4D
#: Frames written from the specification by a script that shares no code with the programs under test.
FRAMES = json.loads((Path(__file__).parents[1] / "captures" / "dsp1_frames.json").read_text("utf-8"))[
    "frames"
]
BODIES = {
    "Hello": wire.HELLO_BODY,
    "Event": wire.EVENT_BODY,
    "Heartbeat": wire.HEARTBEAT_BODY,
    "Ack": wire.ACK_BODY,
    "Nak": wire.NAK_BODY,
    "Pong": wire.PONG_BODY,
    "State": wire.STATE_BODY,
}


class Host:
    """Takes a device's bytes apart with code of its own: slow, plain, by the letter of the specification."""

    def __init__(self) -> None:
        self._buffer = b""

    def read(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return (type, seq, payload) of the complete frames; a bad one is an error of the device."""
        self._buffer += data
        *parts, self._buffer = self._buffer.split(b"\x00")
        found = []
        for part in filter(None, parts):
            frame = _uncobs(part)
            assert len(frame) <= 64
            assert _crc_bit_by_bit(frame[:-2]) == frame[-2] | frame[-1] << 8
            assert frame[0] == 1
            found.append((frame[1], frame[2] | frame[3] << 8, frame[4:-2]))
        return found


def _uncobs(coded: bytes) -> bytes:
    data, left = bytearray(), 0
    for index, byte in enumerate(coded):
        if left == 0:
            if index:
                data.append(0)
            left = byte - 1
        else:
            data.append(byte)
            left -= 1
    return bytes(data)


def _crc_bit_by_bit(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def booted(**options: int) -> tuple[Device, Host]:
    """Return a node of four channels that a gateway has already greeted."""
    device, host = Device(UID, 4, BOOT, **options), Host()
    device.feed(wire.encode(wire.HELLO_REQ, 0), 0, 0)
    device.take_output()
    return device, host


def events(host: Host, output: bytes) -> list[tuple[int, ...]]:
    """Return (ev_seq, uptime_ms, kind, channel, value, oldest_seq) of the events in `output`."""
    return [struct.unpack("<IIQBBhI", body)[1:] for kind, _, body in host.read(output) if kind == wire.EVENT]


def kinds(host: Host, output: bytes) -> list[int]:
    return [kind for kind, _, _ in host.read(output)]


def test_crc_has_the_published_check_value() -> None:
    assert wire.crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize(
    ("data", "coded"),
    [
        pytest.param("", "01", id="nothing is one code byte"),
        pytest.param("00", "0101", id="a zero becomes two code bytes"),
        pytest.param("11220033", "0311220233", id="a zero in the middle is carried by the counts"),
        pytest.param("11000000", "0211010101", id="trailing zeros are kept"),
    ],
)
def test_cobs(data: str, coded: str) -> None:
    assert wire.cobs_encode(bytes.fromhex(data)).hex() == coded
    assert wire.cobs_decode(bytes.fromhex(coded)) == bytes.fromhex(data)


def test_a_hello_request_is_read_from_bytes_worked_out_by_hand() -> None:
    # ver 01, type 81, seq 0007; CRC-16 of 01 81 07 00, low byte first.
    crc = _crc_bit_by_bit(b"\x01\x81\x07\x00")
    coded = b"\x04\x01\x81\x07\x03" + bytes([crc & 0xFF, crc >> 8])
    assert wire.FrameReader().feed(b"\x00" + coded + b"\x00") == [(0x81, 7, b"")]


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in FRAMES])
def test_frame_vectors(vector: dict[str, object]) -> None:
    kind, seq, message = int(str(vector["type"])), int(str(vector["seq"])), str(vector["message"])
    on_wire = bytes.fromhex(str(vector["wire"]))
    if message in BODIES:
        fields = vector["fields"]
        assert isinstance(fields, dict)
        values = [bytes.fromhex(value) if isinstance(value, str) else value for value in fields.values()]
        assert wire.encode(kind, seq, BODIES[message].pack(*values)) == on_wire
    else:
        [(read_kind, read_seq, body)] = wire.FrameReader().feed(on_wire)
        assert (read_kind, read_seq) == (kind, seq)
        assert bytes.fromhex(str(vector["frame"]))[4:-2] == body


def test_hello_is_repeated_every_two_seconds_until_the_gateway_asks() -> None:
    device, host = Device(UID, 8, BOOT), Host()
    for now in (0, 1999, 2000, 4000):
        device.tick(now, now)
    assert kinds(host, device.take_output()) == [wire.HELLO] * 3
    device.feed(wire.encode(wire.HELLO_REQ, 1), 4100, 4100)
    frames = host.read(device.take_output())
    assert [kind for kind, _, _ in frames] == [wire.HELLO, wire.HEARTBEAT, wire.STATE]
    low, high, uid, boot, uptime, _, model, max_frame, queue, _ = struct.unpack("<BB8sIQHHHBB", frames[0][2])
    assert (low, high, uid, boot, uptime) == (1, 1, UID, BOOT, 4100)
    assert (model, max_frame, queue) == (0x0108, 64, 32)
    device.tick(9000, 9000)
    assert device.take_output() == b""


def test_a_replugged_node_says_hello_again() -> None:
    device, host = booted()
    device.attach(5000)
    device.tick(5000, 5000)
    assert kinds(host, device.take_output()) == [wire.HELLO]


def test_heartbeat_and_state_tell_the_levels() -> None:
    device, host = booted()
    device.dock(1, is_up=True, real_ms=100, site_ms=100)
    device.dock(3, is_up=True, real_ms=100, site_ms=100)
    device.motion(0, 200, 200)
    device.tick(10_000, 10_000)
    frames = {kind: body for kind, _, body in host.read(device.take_output())}
    boot, uptime, flags, queued, dropped, ok, bad, last = struct.unpack("<IQBBHIHI", frames[wire.HEARTBEAT])
    assert (boot, uptime, queued, dropped, ok, bad, last) == (BOOT, 10_000, 3, 0, 1, 0, 3)
    assert flags == 0b110011  # occupied, docked, no led, (unused), pir raw, dock raw
    assert struct.unpack("<IQIBHH", frames[wire.STATE]) == (BOOT, 10_000, 3, 4, 0b1010, 0b0001)


def test_motion_is_reported_when_armed_and_ends_after_the_hold() -> None:
    device, host = booted()
    for now in (1000, 5000, 11_000, 30_000):
        device.motion(2, 0, now)
    device.tick(0, 59_999)
    assert [(e[1], e[4]) for e in events(host, device.take_output())] == [(1000, 1), (11_000, 1), (30_000, 1)]
    device.tick(0, 60_000)
    assert [(e[1], e[3], e[4]) for e in events(host, device.take_output())] == [(60_000, 2, 0)]


@pytest.mark.parametrize(
    ("moves", "values"),
    [
        pytest.param([(0, True)], [1], id="a plug that stays is one event"),
        pytest.param([(0, True), (200, False)], [], id="a touch shorter than the debounce is none"),
        pytest.param([(0, True), (200, False), (250, True)], [1], id="bouncing contacts are one event"),
        pytest.param([(0, True), (1000, False)], [1, 0], id="in and out are two events"),
    ],
)
def test_dock_debounce(moves: list[tuple[int, bool]], values: list[int]) -> None:
    device, host = booted()
    for at, is_up in moves:
        device.dock(0, is_up, 0, at)
    device.tick(0, 5000)
    assert [event[4] for event in events(host, device.take_output())] == values


def test_unacknowledged_events_come_again_four_at_a_time_ever_slower() -> None:
    device, host = booted()
    for number in range(6):
        device.button(number % 4, 0, number)
    assert [event[0] for event in events(host, device.take_output())] == [1, 2, 3, 4, 5, 6]
    sent_at = []
    for now in range(0, 8001, 100):
        device.tick(now, now)
        again = [event[0] for event in events(host, device.take_output())]
        if again:
            assert again == [1, 2, 3, 4]
            sent_at.append(now)
    assert sent_at == [500, 1500, 3500, 5500, 7500]


def test_an_acknowledgement_is_cumulative_and_only_for_this_boot() -> None:
    device, host = booted()
    for number in range(3):
        device.button(0, 0, number)
    device.take_output()
    device.feed(wire.encode(wire.EVENT_ACK, 5, struct.pack("<II", BOOT + 1, 3)), 10, 10)
    device.feed(wire.encode(wire.EVENT_ACK, 6, struct.pack("<II", BOOT, 2)), 20, 20)
    device.tick(600, 600)
    assert [(event[0], event[5]) for event in events(host, device.take_output())] == [(3, 3)]
    device.feed(wire.encode(wire.EVENT_ACK, 7, struct.pack("<II", BOOT, 3)), 700, 700)
    device.tick(9000, 9000)
    assert device.take_output() == b""


def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    device, host = booted()
    for number in range(QUEUE_LENGTH + 5):
        device.button(0, 0, number)
    assert events(host, device.take_output())[-1][5] == 6
    device.feed(wire.encode(wire.HELLO_REQ, 1), 0, 100)
    beat = next(body for kind, _, body in host.read(device.take_output()) if kind == wire.HEARTBEAT)
    assert struct.unpack("<IQBBHIHI", beat)[3:5] == (QUEUE_LENGTH, 5)


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        pytest.param(
            wire.SET_LIGHT, "0104 0000", (wire.ACK, "09 00 86"), id="a light of a channel is obeyed"
        ),
        pytest.param(
            wire.SET_LIGHT, "0404 0000", (wire.NAK, "09 00 86 02"), id="a channel too many is refused"
        ),
        pytest.param(wire.SET_LIGHT, "0006 0000", (wire.NAK, "09 00 86 02"), id="an unknown code is refused"),
        pytest.param(wire.SET_LED, "102030 0000", (wire.ACK, "09 00 84"), id="a plain colour is obeyed"),
        pytest.param(wire.SET_CFG, "01 3c000000", (wire.ACK, "09 00 85"), id="a hold of 60 s is obeyed"),
        pytest.param(
            wire.SET_CFG, "01 110e0000", (wire.NAK, "09 00 85 02"), id="a hold of 3601 s is refused"
        ),
        pytest.param(
            wire.SET_CFG, "07 01000000", (wire.NAK, "09 00 85 02"), id="an unknown setting is refused"
        ),
        pytest.param(0x90, "", (wire.NAK, "09 00 90 01"), id="an unknown command is refused"),
    ],
)
def test_commands_are_answered(kind: int, body: str, answer: tuple[int, str]) -> None:
    device, host = booted()
    device.feed(wire.encode(kind, 9, bytes.fromhex(body)), 50, 50)
    [(answer_kind, _, answer_body)] = host.read(device.take_output())
    assert (answer_kind, answer_body) == (answer[0], bytes.fromhex(answer[1]))


def test_ping_is_answered_with_the_uptime() -> None:
    device, host = booted()
    device.feed(wire.encode(wire.PING, 2, struct.pack("<I", 77)), 50, 30_000)
    [(kind, _, body)] = host.read(device.take_output())
    assert kind == wire.PONG
    assert struct.unpack("<IIQ", body) == (77, BOOT, 30_000)


def test_a_light_changes_once_and_goes_dark_when_nobody_renews_it() -> None:
    device, _ = booted()
    for now in (1000, 2000):
        device.feed(wire.encode(wire.SET_LIGHT, 1, struct.pack("<BBH", 1, 4, 30)), now, now)
    assert device.take_lights() == [(1, 4, 1000)]
    device.tick(31_999, 31_999)
    assert device.take_lights() == []
    device.tick(32_000, 32_000)
    assert device.take_lights() == [(1, 0, 32_000)]


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=400), cut=st.integers(1, 40))
def test_noise_is_never_answered_and_the_next_frame_is_heard(noise: bytes, cut: int) -> None:
    device, host = booted()
    for start in range(0, len(noise), cut):
        device.feed(noise[start : start + cut], 0, 0)
    assert device.take_output() == b""
    device.feed(b"\x00" + wire.encode(wire.PING, 1, struct.pack("<I", 5)), 0, 0)
    assert kinds(host, device.take_output()) == [wire.PONG]


#: One step of a day on a bad wire: what happens, how long after the step before (ms), does the frame arrive.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["plug", "unplug", "move", "press", "wait", "acknowledge"]),
        st.integers(0, 3),
        st.integers(0, 4000),
        st.booleans(),
    ),
    max_size=80,
)


class BadWire:
    """A gateway behind a wire that loses what the test says; it stores, and acknowledges what is complete."""

    def __init__(self) -> None:
        self.device, self._host = booted()
        self.stored: dict[int, tuple[int, ...]] = {}
        self.raw = [False] * 4
        self.now = 0

    def do(self, what: str, channel: int, wait_ms: int, *, arrives: bool) -> None:
        self.now += wait_ms
        if what in ("plug", "unplug"):
            self.raw[channel] = what == "plug"
            self.device.dock(channel, self.raw[channel], self.now, self.now)
        elif what == "move":
            self.device.motion(channel, self.now, self.now)
        elif what == "press":
            self.device.button(channel, self.now, self.now)
        elif what == "acknowledge":
            self._acknowledge()
        self.device.tick(self.now, self.now)
        for event in events(self._host, self.device.take_output()):
            assert event[5] <= event[0]
            if arrives:
                assert self.stored.setdefault(event[0], event[1:5]) == event[1:5], "a repeat differs"

    def _acknowledge(self) -> None:
        queue = self.device._queue
        up_to = (queue[0][0] if queue else self.device.last_event_seq + 1) - 1
        while up_to + 1 in self.stored:
            up_to += 1
        self.device.feed(wire.encode(wire.EVENT_ACK, 0, struct.pack("<II", BOOT, up_to)), self.now, self.now)

    def state(self) -> tuple[int, int]:
        """Return the bit masks docked and occupied as the node tells them."""
        self.device.feed(wire.encode(wire.HELLO_REQ, 1), self.now, self.now)
        frames = self._host.read(self.device.take_output())
        docked, occupied = next(
            struct.unpack("<IQIBHH", body)[4:] for kind, _, body in frames if kind == wire.STATE
        )
        return docked, occupied


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_no_event_is_lost_unseen(steps: list[tuple[str, int, int, bool]]) -> None:
    """What a gateway stored and what the node counted as dropped is every event; STATE tells the levels."""
    line = BadWire()
    for what, channel, wait_ms, arrives in steps:
        line.do(what, channel, wait_ms, arrives=arrives)
        assert len(line.device._queue) <= QUEUE_LENGTH
    for _ in range(40):  # the wire is good again
        line.do("wait", 0, 2000, arrives=True)
        line.do("acknowledge", 0, 0, arrives=True)
    assert line.device._queue == []
    missing = set(range(1, line.device.last_event_seq + 1)) - line.stored.keys()
    assert len(missing) <= line.device.dropped
    assert line.state() == (sum(level << bit for bit, level in enumerate(line.raw)), 0)
    uptimes = [line.stored[seq][0] for seq in sorted(line.stored)]
    assert uptimes == sorted(uptimes)
