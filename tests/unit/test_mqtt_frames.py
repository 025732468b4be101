"""MQTT frames: however a stream is cut, the same frames come out; what is written is what is read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import mqtt_wire
from workplace import mqtt_frames
from workplace.mqtt_frames import FrameBuffer

TOPICS = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
MIDS = st.integers(1, 65_535)
FRAMES = st.lists(
    st.tuples(st.integers(0, 255), st.one_of(st.binary(max_size=40), st.binary(min_size=120, max_size=300)))
)


def frame(first: int, body: bytes) -> bytes:
    length, lengths = len(body), b""
    while length > 127:
        lengths, length = lengths + bytes([length % 128 + 128]), length // 128
    return bytes([first]) + lengths + bytes([length]) + body


@given(FRAMES, st.lists(st.integers(0, 400)))
def test_however_a_stream_is_cut_the_same_frames_come_out(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frame(first, body) for first, body in frames)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    buffer = FrameBuffer()
    found = [one for begin, end in pairwise(places) for one in buffer.add(stream[begin:end])]
    assert found == frames


def test_what_was_begun_on_a_lost_connection_is_forgotten() -> None:
    buffer = FrameBuffer()
    assert buffer.add(frame(0x32, b"x" * 50)[:20]) == []
    buffer.clear()
    assert buffer.add(frame(0xD0, b"")) == [(0xD0, b"")]


def test_a_length_of_five_bytes_is_not_mqtt() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        FrameBuffer().add(b"\x30\xff\xff\xff\xff\x01")


@given(
    TOPICS,
    st.one_of(st.binary(max_size=60), st.binary(min_size=16_000, max_size=17_000)),
    MIDS,
    st.booleans(),
)
def test_a_message_is_read_as_it_was_written(topic: str, payload: bytes, mid: int, retain: bool) -> None:
    [(first, body)] = FrameBuffer().add(mqtt_frames.publish(topic, payload, mid, retain=retain))
    assert mqtt_frames.is_simple_publish(first)
    assert mqtt_frames.read_publish(first, body) == (topic, payload, mid, retain, False)
    if not retain:
        assert mqtt_wire.publish(topic, payload, mid) == frame(first, body)


@given(st.lists(MIDS, max_size=9))
def test_acknowledgements_are_read_as_they_were_written(mids: list[int]) -> None:
    frames = FrameBuffer().add(mqtt_frames.pubacks(mids))
    assert [first for first, _ in frames] == [mqtt_frames.PUBACK] * len(mids)
    assert [mqtt_frames.read_puback(body) for _, body in frames] == mids


def test_a_message_of_qos_0_has_no_number_and_one_of_qos_2_is_not_simple() -> None:
    assert mqtt_frames.read_publish(0x30, b"\x00\x01ahello") == ("a", b"hello", 0, False, False)
    assert mqtt_frames.read_publish(0x3B, b"\x00\x01a\x00\x07hello") == ("a", b"hello", 7, True, True)
    assert not mqtt_frames.is_simple_publish(0x34)
    assert not mqtt_frames.is_simple_publish(0x40)


def test_a_topic_that_is_longer_than_its_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        mqtt_frames.read_publish(0x32, b"\x00\x09a\x00\x01")
