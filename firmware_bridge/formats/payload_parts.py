"""Words for tables of binary payloads: what some bytes mean, without a loop or an offset.

A `Part` reads a fixed number of bytes. Readings that the device marks as disabled or broken do not come out
at all, and neither do claims that are neither yes nor no: absent is no news.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from firmware_bridge.formats.json_values import EARLIEST
from workplace.readings import Decoded, Reading, Value

Readings = tuple[Reading, ...]
Order = Literal["little", "big"]
#: What turns the bytes of an uplink into readings: (bytes, LoRaWAN port or None when nobody knows it).
PayloadDecoder = Callable[[bytes, int | None], Decoded]

_FLAG: Final = {0: False, 1: True}
_TIME_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes and what they say. `read` gets exactly `size_bytes` bytes."""

    size_bytes: int
    read: Callable[[bytes], Readings]


@dataclass(frozen=True, slots=True)
class Choice:
    """Bytes whose length depends on the one at `offset`: which value it has selects the part (from byte 0)."""

    offset: int
    parts: Mapping[int, Part]


def number(
    kind: str,
    size_bytes: int = 1,
    *,
    per: int = 1,
    add: int = 0,
    unit: str | None = None,
    signed: bool = False,
    order: Order = "little",
    most: int | None = None,
    mask: int | None = None,
    zone: str | None = None,
    channel: str | int | None = None,
    **extra: Value,
) -> Part:
    """Return a part for a number.

    Args:
        per: counts for one `unit`.
        add: added to the count before it is divided.
        most: counts above this mean a fault or a disabled sensor, and give no reading.
        mask: bits that count.
    """

    def read(data: bytes) -> Readings:
        raw = int.from_bytes(data, order, signed=signed)
        raw = raw if mask is None else raw & mask
        if most is not None and raw > most:
            return ()
        value = raw + add if per == 1 else (raw + add) / per
        return (Reading(kind, value, unit, channel, zone, extra=dict(extra)),)

    return Part(size_bytes, read)


def claim(
    kind: str,
    *,
    bit: int | None = None,
    zone: str | None = None,
    words: Mapping[int, bool] = _FLAG,
    **extra: Value,
) -> Part:
    """Return a part for a byte that is yes or no; with `bit`, only that bit of it counts."""

    def read(data: bytes) -> Readings:
        value = words.get(data[0] if bit is None else data[0] >> bit & 1)
        return () if value is None else (Reading(kind, value, zone=zone, extra=dict(extra)),)

    return Part(1, read)


def word(kind: str, words: Mapping[int, str], **extra: Value) -> Part:
    """Return a part for a byte that stands for a word; unknown ones give no reading."""

    def read(data: bytes) -> Readings:
        value = words.get(data[0])
        return () if value is None else (Reading(kind, value, extra=dict(extra)),)

    return Part(1, read)


def hexes(kind: str, size_bytes: int) -> Part:
    """Return a part for an identifier, written in hexadecimal."""
    return Part(size_bytes, lambda data: (Reading(kind, data.hex()),))


def skip(size_bytes: int) -> Part:
    """Return a part for bytes that say nothing that anybody here needs."""
    return Part(size_bytes, lambda _: ())


def flag_bits(*parts: Part) -> Part:
    """Return a part that reads one byte several times, for its single bits."""
    return Part(1, lambda data: tuple(reading for part in parts for reading in part.read(data)))


def row(*parts: Part) -> Part:
    """Return the parts one after another as one."""

    def read(data: bytes) -> Readings:
        found: list[Reading] = []
        at = 0
        for part in parts:
            found += part.read(data[at : at + part.size_bytes])
            at += part.size_bytes
        return tuple(found)

    return Part(sum(part.size_bytes for part in parts), read)


def record(*parts: Part) -> Part:
    """Return a stored record: a Unix time of 4 bytes, then the parts; without a credible time, a fault."""
    inner = row(*parts)

    def read(data: bytes) -> Readings:
        at = moment(int.from_bytes(data[:_TIME_BYTES], "little"))
        if at is None:
            return (Reading("fault", "record_without_time", historical=True),)
        readings = inner.read(data[_TIME_BYTES:])
        return tuple(replace(reading, measured_at=at, historical=True) for reading in readings)

    return Part(_TIME_BYTES + inner.size_bytes, read)


def moment(unix_s: int) -> datetime | None:
    """Return the time, or None when the device's clock was not set."""
    at = datetime.fromtimestamp(unix_s, tz=UTC)
    return at if at >= EARLIEST else None


def read_fixed(layout: Part, data: bytes) -> Decoded:
    """Return what a payload of one fixed layout says; bytes after it belong to newer firmware and are ignored."""
    if len(data) < layout.size_bytes:
        return Decoded(fault="bad_frame")
    return Decoded(layout.read(data[: layout.size_bytes]))


def read_tagged(table: Mapping[bytes, Part | Choice], tag_bytes: int, data: bytes) -> Decoded:
    """Return what a payload of tagged values says, up to the first that is unknown or cut off.

    Args:
        table: tag -> what follows it. The length of an unknown one is unknown too, so reading ends there.
        tag_bytes: length of each tag.
    """
    readings: list[Reading] = []
    at = 0
    while at < len(data):
        part: Part | Choice | None = table.get(data[at : at + tag_bytes])
        at += tag_bytes
        if isinstance(part, Choice):
            if at + part.offset >= len(data):
                return Decoded(tuple(readings), fault="bad_frame")
            part = part.parts.get(data[at + part.offset])
        if part is None:
            return Decoded(tuple(readings), fault="bad_frame" if at > len(data) else "unknown_channel")
        if at + part.size_bytes > len(data):
            return Decoded(tuple(readings), fault="bad_frame")
        readings += part.read(data[at : at + part.size_bytes])
        at += part.size_bytes
    return Decoded(tuple(readings))


def by_port(layouts: Mapping[int, Part], data: bytes, port: int | None) -> Decoded:
    """Return what a payload says whose layout the port tells."""
    layout = None if port is None else layouts.get(port)
    return Decoded(fault="unknown_port") if layout is None else read_fixed(layout, data)


def numbered(make: Callable[[int], Part], numbers: Sequence[int]) -> Part:
    """Return `make(n)` for each number, one after another."""
    return row(*(make(n) for n in numbers))
