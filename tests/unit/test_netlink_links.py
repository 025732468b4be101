"""Messages of the kernel about interfaces, made here octet by octet."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.netlink_links import CarrierWatch, dump_request

NEW, GONE, DONE = 16, 17, 3


def message(kind: int, index: int = 1, name: str = "enx0", *, up: bool = False) -> bytes:
    attributes = b""
    for number, value in ((1, b"\x02\x00\x00\x00\x00\x01"), (3, name.encode() + b"\0")):
        attributes += struct.pack("=HH", 4 + len(value), number) + value + b"\0" * (-len(value) % 4)
    body = struct.pack("=BxHiII", 0, 1, index, 0x10000 if up else 0, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


END = struct.pack("=IHHII", 20, DONE, 0, 0, 0) + b"\0" * 4


def test_nothing_is_said_before_all_interfaces_were_told() -> None:
    watch = CarrierWatch("enx*")
    assert watch.feed(message(NEW, up=True)) == []
    assert watch.feed(message(NEW, 2, "lo", up=True) + END) == [True]


def test_a_dock_that_comes_and_goes() -> None:
    watch = CarrierWatch("enx*")
    watch.feed(message(NEW, 2, "wlan0", up=True) + END)
    assert watch.feed(message(NEW, up=False)) == [False]
    assert watch.feed(message(NEW, up=True)) == [True]
    assert watch.feed(message(NEW, up=False) + message(NEW, up=True)) == [False, True]
    assert watch.feed(message(GONE)) == [False]


def test_other_interfaces_are_nobodys_dock() -> None:
    watch = CarrierWatch("enx*")
    watch.feed(END)
    assert watch.feed(message(NEW, 2, "wlan0", up=True)) == []


def test_an_interface_that_gets_another_name_is_no_dock_any_more() -> None:
    watch = CarrierWatch("enx*")
    watch.feed(message(NEW, up=True) + END)
    assert watch.feed(message(NEW, 1, "lan0", up=True)) == [False]


def test_after_an_overrun_everything_is_asked_again() -> None:
    watch = CarrierWatch("enx*")
    watch.feed(message(NEW, up=True) + END)
    watch.begin()
    assert watch.feed(message(NEW, 2, "lo", up=True)) == []
    assert watch.feed(END) == [False]
    assert struct.unpack_from("=IHHII", dump_request(7)) == (32, 18, 0x301, 7, 0)


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300))
def test_garbage_and_cut_messages_are_stepped_over(garbage: bytes, cut: int) -> None:
    CarrierWatch("*").feed(garbage)
    CarrierWatch("*").feed((message(NEW, up=True) * 4)[:cut])
