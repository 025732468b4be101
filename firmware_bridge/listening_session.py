"""The gateway's end of a wire on which a device only talks: MySensors lines, LD2410 and LD2450 reports. Pure.

Nothing is acknowledged here, and the devices have no clock that can be asked: what they say counts from its arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_bridge.formats.ld24xx import decode_ld2410, decode_ld2450
from firmware_bridge.formats.mysensors import MySensorsDecoder
from workplace.device_ids import device_id
from workplace.events import Command
from workplace.ports import SessionStep
from workplace.readings import Decoded, WireReading

#: What a splitter may leave for later; more without a whole message is noise.
MOST_REST_BYTES = 512

#: Takes what came so far, yields whole messages and cuts them off its front.
Splitter = Callable[[bytearray], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How to cut and read one kind of stream; a device that says nothing for `silent_after_ms` is lost."""

    family: str
    split: Splitter
    new_decoder: Callable[[], Callable[[bytes], Decoded]]
    silent_after_ms: float


class ListeningSession:
    """`workplace.ports.WireSession` for devices that only talk.

    Args:
        name: of the device, where its messages do not say; part of its id.
        boot_id: differs at each opening, so that no two sessions make the same event.
    """

    def __init__(self, stream: StreamFormat, name: str, boot_id: int) -> None:
        self._stream = stream
        self._name = name
        self._boot_id = boot_id
        self._decode = stream.new_decoder()
        self._rest = bytearray()
        self._heard_ms: dict[str, float] = {}
        self._counters: Counter[str] = Counter()

    def opened(self, link_ms: float, boot_ms: float) -> SessionStep:
        del boot_ms
        return self._step([], [], link_ms)

    def feed(self, data: bytes, link_ms: float, boot_ms: float) -> SessionStep:
        """Bytes came in, cut anyhow."""
        self._rest += data
        readings: list[WireReading] = []
        changes: list[tuple[str, str]] = []
        for message in self._stream.split(self._rest):
            self._take(message, link_ms, boot_ms, readings, changes)
        if len(self._rest) > MOST_REST_BYTES:
            self._counters["bytes_without_message"] += len(self._rest)
            self._rest.clear()
        return self._step(readings, changes, link_ms)

    def tick(self, link_ms: float, boot_ms: float) -> SessionStep:
        """Time went by: who has said nothing for too long is lost until it speaks again."""
        del boot_ms
        late = [
            device
            for device, heard_ms in self._heard_ms.items()
            if link_ms - heard_ms >= self._stream.silent_after_ms
        ]
        for device in late:
            del self._heard_ms[device]
        return self._step([], [("device_silent", device) for device in late], link_ms)

    def commit(self, tokens: Sequence[int], link_ms: float) -> SessionStep:
        del tokens
        return self._step([], [], link_ms)

    def command(self, command: Command, link_ms: float) -> SessionStep:
        del command
        self._counters["commands_unheard"] += 1
        return self._step([], [], link_ms)

    @property
    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def _take(
        self,
        message: bytes,
        link_ms: float,
        boot_ms: float,
        readings: list[WireReading],
        changes: list[tuple[str, str]],
    ) -> None:
        decoded = self._decode(message)
        if decoded.fault is not None:
            self._counters[f"rejected.{decoded.fault}"] += 1
            return
        self._counters["messages"] += 1
        name = self._name if decoded.device is None else f"{self._name}-{decoded.device}"
        device = device_id(self._stream.family, name)
        if device not in self._heard_ms:
            changes.append(("device_up", device))
        self._heard_ms[device] = link_ms
        readings += [
            WireReading(device, reading, self._boot_id, int(boot_ms), None)
            for reading in decoded.readings
            if reading.kind != "availability"  # that it speaks says as much
        ]

    def _step(
        self, readings: list[WireReading], changes: list[tuple[str, str]], link_ms: float
    ) -> SessionStep:
        first_ms = min(self._heard_ms.values(), default=None)
        wake_at_ms = None if first_ms is None else max(first_ms + self._stream.silent_after_ms, link_ms)
        return SessionStep(readings=tuple(readings), changes=tuple(changes), wake_at_ms=wake_at_ms)


def split_lines(rest: bytearray) -> Iterator[bytes]:
    """Yield whole lines; the first one after an opening may be the tail of one and is refused by its decoder."""
    while (end := rest.find(b"\n")) >= 0:
        line = bytes(rest[:end]).strip(b"\r")
        del rest[: end + 1]
        if line:
            yield line


def split_ld2410(rest: bytearray) -> Iterator[bytes]:
    """Yield reports between head and tail, their length in between."""
    return _split_framed(rest, b"\xf4\xf3\xf2\xf1", _ld2410_bytes)


def split_ld2450(rest: bytearray) -> Iterator[bytes]:
    return _split_framed(rest, b"\xaa\xff\x03\x00", lambda _rest: 30)


def _ld2410_bytes(rest: bytearray) -> int | None:
    """Return the length of the report that begins here; an engineering report has 45 bytes."""
    if len(rest) < 6:
        return None
    length = int.from_bytes(rest[4:6], "little")
    return 10 + length if length <= 64 else 0


def _split_framed(
    rest: bytearray, head: bytes, length_of: Callable[[bytearray], int | None]
) -> Iterator[bytes]:
    while True:
        start = rest.find(head)
        if start < 0:
            del rest[: max(0, len(rest) - len(head) + 1)]  # the head may be cut in the middle
            return
        del rest[:start]
        length = length_of(rest)
        if length is None or len(rest) < length:
            return
        taken = max(length, 1)  # an impossible length: this was no head, look on from the next byte
        frame = bytes(rest[:taken])
        del rest[:taken]
        if length:
            yield frame


#: Name in the settings of a serial port -> how to read it. Radars report ten times a second; MySensors nodes send a
#: heartbeat when their sketch does, once an hour here.
STREAMS: Final = {
    "mysensors": StreamFormat("mysensors", split_lines, lambda: MySensorsDecoder().decode, 3 * 3_600_000.0),
    "ld2410": StreamFormat("ld2410", split_ld2410, lambda: decode_ld2410, 5_000.0),
    "ld2450": StreamFormat("ld2450", split_ld2450, lambda: decode_ld2450, 5_000.0),
}
