"""DSP/1 frames: the codec against its own rules, hand-checked bytes, and streams of rubbish."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dsp1.framing import (
    MAX_ENCODED_BYTES,
    CobsInvalid,
    Frame,
    FrameReader,
    cobs_decode,
    cobs_encode,
    crc16,
    encode_frame,
)
from firmware_bridge.dsp1.messages import (
    LAYOUTS,
    PAYLOAD_BYTES,
    TYPE_CODES,
    AnyMessage,
    Heartbeat,
    HelloRequest,
    Ping,
    decode_message,
    encode_message,
)

CAPTURES = Path(__file__).parents[1] / "captures" / "dsp1_frames.json"
VECTORS: list[dict[str, Any]] = json.loads(CAPTURES.read_text(encoding="utf-8"))["frames"]


def reader() -> FrameReader:
    return FrameReader(PAYLOAD_BYTES)


def crc_bit_by_bit(data: bytes) -> int:
    """The checksum as its definition reads, to check the fast one."""
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ 0x1021 if register & 0x8000 else register << 1
            register &= 0xFFFF
    return register


@given(st.binary(max_size=1200))
def test_cobs_round_trip_holds_no_zero_and_costs_one_byte_in_254(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + 1 + len(data) // 254
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("encoded", "data"),
    [
        pytest.param("0631323334350536373839", "31323334350036373839", id="a zero in the middle"),
        pytest.param("010101", "0000", id="two zeros only"),
        pytest.param("01", "", id="nothing"),
        pytest.param("ff" + "11" * 254, "11" * 254, id="a full block without a zero after it"),
        pytest.param("ff" + "11" * 254 + "01", "11" * 254, id="a full block closed by an empty one"),
        pytest.param("ff" + "11" * 254 + "0211", "11" * 255, id="a full block that goes on"),
    ],
)
def test_cobs_decodes(encoded: str, data: str) -> None:
    assert cobs_decode(bytes.fromhex(encoded)).hex() == data


@pytest.mark.parametrize("encoded", ["00", "05313233", "0300ff", "0211" + "00"])
def test_cobs_refuses_what_cannot_be_right(encoded: str) -> None:
    with pytest.raises(CobsInvalid):
        cobs_decode(bytes.fromhex(encoded))


@given(st.binary(max_size=80))
def test_checksum_is_the_one_of_the_specification(data: bytes) -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc16(data) == crc_bit_by_bit(data)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_shared_frames_mean_what_they_say(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["wire"])
    (frame,) = reader().feed(wire)
    assert (frame.type_code, frame.seq) == (vector["type"], vector["seq"])
    message = decode_message(frame)
    assert message is not None
    assert type(message).__name__ == vector["message"]
    values = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in dataclasses.asdict(message).items()
    }
    assert values == vector["fields"]
    assert encode_message(message, vector["seq"]) == wire


def test_every_message_type_has_a_shared_frame() -> None:
    assert {vector["type"] for vector in VECTORS} == set(LAYOUTS)


def test_field_counts_match_the_layouts() -> None:
    for kind, layout in LAYOUTS.values():
        assert len(dataclasses.fields(kind)) == len(layout.unpack(bytes(layout.size)))


@st.composite
def messages(draw: st.DrawFn) -> AnyMessage:
    kind, layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    raw = draw(st.binary(min_size=layout.size, max_size=layout.size))
    message: AnyMessage = kind(*layout.unpack(raw))
    return message


@given(st.lists(st.tuples(messages(), st.integers(0, 0xFFFF)), max_size=12), st.data())
def test_any_stream_of_messages_survives_any_cutting(
    sent: list[tuple[AnyMessage, int]], data: st.DataObject
) -> None:
    wire = b"".join(encode_message(message, seq) for message, seq in sent)
    stream, got = reader(), []
    while wire:
        size = data.draw(st.integers(1, max(1, len(wire))))
        piece, wire = wire[:size], wire[size:]
        got += [(decode_message(frame), frame.seq) for frame in stream.feed(piece)]
    assert got == sent
    assert stream.counters["frames"] == len(sent)
    assert sum(stream.counters.values()) == len(sent)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_rubbish_yields_nothing_and_counts_the_same_however_it_is_cut(noise: bytes, size: int) -> None:
    whole, cut = reader(), reader()
    first = whole.feed(noise)
    second = [frame for at in range(0, len(noise), size) for frame in cut.feed(noise[at : at + size])]
    assert first == second == []
    assert whole.counters == cut.counters


def test_boot_text_before_a_frame_costs_no_frame() -> None:
    stream = reader()
    assert stream.feed(b"ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)") == []
    assert stream.feed(encode_message(Ping(7), 3)) == [Frame(0x83, 3, b"\x07\0\0\0")]


def test_a_flood_without_delimiter_needs_no_memory_and_the_next_frame_is_intact() -> None:
    stream = reader()
    for _ in range(1000):
        assert stream.feed(b"\x55" * 1000) == []
    assert len(stream._pending) <= MAX_ENCODED_BYTES
    assert stream.feed(encode_message(HelloRequest(), 1)) == [Frame(0x81, 1, b"")]
    assert (stream.counters["oversize"], stream.counters["overrun"]) == (1, 1)


def wire_of(body: bytes) -> bytes:
    return b"\0" + cobs_encode(body + crc16(body).to_bytes(2, "little")) + b"\0"


@pytest.mark.parametrize(
    ("wire", "counter"),
    [
        pytest.param(b"\0\x09\x01\0", "bad_cobs", id="a block longer than the frame is bad COBS"),
        pytest.param(wire_of(b"\x02\x83\0\0" + bytes(4)), "other_version", id="version 2 is ignored"),
        pytest.param(wire_of(b"\x01\x83\0\0" + bytes(5)), "bad_length", id="a ping has 4 bytes, not 5"),
        pytest.param(wire_of(b"\x01"), "bad_length", id="shorter than a header"),
        pytest.param(
            wire_of(b"\x01\x70\0\0" + bytes(59)), "bad_length", id="a frame of 65 bytes is too long"
        ),
        pytest.param(b"\0" + b"\x11" * 69 + b"\0", "oversize", id="69 encoded bytes are dropped unread"),
        pytest.param(b"\0\x05\x01\x83\x01\x01\x02\x07\x01\x01\x03\xaa\xbb\0", "bad_crc", id="wrong checksum"),
    ],
)
def test_faults_are_counted_by_name(wire: bytes, counter: str) -> None:
    stream = reader()
    assert stream.feed(wire) == []
    assert stream.counters[counter] == 1
    assert sum(stream.counters.values()) == 1


def test_unknown_types_pass_so_that_they_can_be_refused() -> None:
    (frame,) = reader().feed(encode_frame(Frame(0x70, 9, b"abc")))
    assert frame == Frame(0x70, 9, b"abc")
    assert decode_message(frame) is None


@given(messages(), st.integers(0, 0xFFFF), st.data())
def test_any_one_flipped_bit_is_noticed_and_spares_the_neighbours(
    message: AnyMessage, seq: int, data: st.DataObject
) -> None:
    before, hit, after = Ping(1), bytearray(encode_message(message, seq)), Ping(2)
    bit = data.draw(st.integers(8, len(hit) * 8 - 9))
    hit[bit // 8] ^= 1 << bit % 8
    stream = reader()
    frames = stream.feed(encode_message(before, 0) + bytes(hit) + encode_message(after, 1))
    assert [decode_message(frame) for frame in frames] == [before, after]


def test_payload_sizes_are_those_of_the_table() -> None:
    sizes = {0x01: 30, 0x02: 24, 0x03: 26, 0x04: 3, 0x05: 4, 0x06: 16, 0x07: 21}
    sizes |= {0x81: 0, 0x82: 8, 0x83: 4, 0x84: 5, 0x85: 5, 0x86: 4}
    assert sizes == PAYLOAD_BYTES
    assert TYPE_CODES[Heartbeat] == 0x03
