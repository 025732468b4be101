"""BTHome v2 adverts as small battery sensors send them: plain or encrypted, each said several times.

Written from the format page of bthome.io; the decoder has its own code. A node bumps its packet id at every event
and every heartbeat, since BlueZ holds unchanged adverts back. Pure: time goes in, adverts with their times come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

#: bthome.io: bit 0 encrypted, bit 2 the device speaks at events only, version 2 in bits 5-7.
ENCRYPTED, SLEEPY, VERSION_2 = 0x01, 0x04, 0x40
UUID_ON_AIR: Final = b"\xd2\xfc"
#: Flags that such sensors send: general discoverable, no BR/EDR (Core Specification Supplement, A 1.3).
FLAGS: Final = b"\x02\x01\x06"
_SERVICE_DATA_16, _TAG_BYTES = 0x16, 4
#: Size of a legacy advert (Core Specification, 6B 2.3.1.1).
MOST_BYTES = 31

#: Objects (bthome.io): id, bytes of the value, counts per unit.
PACKET_ID, BATTERY, LIGHT, MOTION, OCCUPANCY = 0x00, 0x01, 0x05, 0x21, 0x23
_WIDTHS: Final = {PACKET_ID: 1, BATTERY: 1, LIGHT: 3, MOTION: 1, OCCUPANCY: 1}
_SCALES: Final = {LIGHT: 100}

#: Shelly BLU Motion says each event several times; how often is not written down anywhere. Six times at the 100 ms
#: of its beacon survive a scan that listens half of the time.
REPEATS, REPEAT_EVERY = 6, timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Aired:
    """One advert on the air: what and when."""

    at: datetime
    address: str
    data: bytes


@dataclass(slots=True)
class BthomeNode:
    """The radio of one sensor.

    Attributes:
        address: `AA:BB:CC:DD:EE:FF`.
        key: 16 bytes; None sends plain adverts.
        info: device information besides the encryption bit.
        counter: of encrypted adverts; starts anew with a new battery.
    """

    address: str
    key: bytes | None = None
    info: int = VERSION_2 | SLEEPY
    packet_id: int = 0
    counter: int = 0

    def say(self, values: dict[int, float | bool]) -> bytes:
        """Return the advert of one event or heartbeat, with the next packet id and counter.

        Args:
            values: object id -> value in its unit; in order of id, as the format asks.
        """
        self.packet_id = (self.packet_id + 1) % 256
        objects = encode_objects({PACKET_ID: self.packet_id} | values)
        if self.key is None:
            return advert_of(bytes([self.info]) + objects)
        self.counter += 1
        return advert_of(seal(self.info | ENCRYPTED, objects, self.address, self.key, self.counter))


def encode_objects(values: dict[int, float | bool]) -> bytes:
    """Return objects in wire form, lowest id first."""
    parts = []
    for number, value in sorted(values.items()):
        count = round(value * _SCALES.get(number, 1))
        parts.append(bytes([number]) + count.to_bytes(_WIDTHS[number], "little"))
    return b"".join(parts)


def seal(info: int, objects: bytes, address: str, key: bytes, counter: int) -> bytes:
    """Return encrypted service data: info, ciphertext, counter, tag (bthome.io, encryption)."""
    count = counter.to_bytes(4, "little")
    nonce = bytes.fromhex(address.replace(":", "")) + UUID_ON_AIR + bytes([info]) + count
    box = AESCCM(key, tag_length=_TAG_BYTES).encrypt(nonce, objects, None)
    return bytes([info]) + box[:-_TAG_BYTES] + count + box[-_TAG_BYTES:]


def advert_of(service_data: bytes) -> bytes:
    """Return the whole advert: flags, then the service data.

    Raises:
        ValueError: longer than an advert may be.
    """
    body = bytes([_SERVICE_DATA_16]) + UUID_ON_AIR + service_data
    data = FLAGS + bytes([len(body)]) + body
    if len(data) > MOST_BYTES:
        raise ValueError(f"an advert of {len(data)} bytes; {MOST_BYTES} is the most")
    return data


def repeated(at: datetime, address: str, data: bytes) -> Iterator[Aired]:
    """Yield the same advert as often as the sensor sends it."""
    for number in range(REPEATS):
        yield Aired(at + number * REPEAT_EVERY, address, data)


@dataclass(slots=True)
class BlePir:
    """A motion sensor: says a hit, is deaf for `blind`, says the end then, and that it lives every `beat`.

    Attributes:
        wake_at: call `due` then at the latest.
    """

    node: BthomeNode
    started_at: datetime
    battery_pct: int = 90
    blind: timedelta = timedelta(seconds=30)
    beat: timedelta = timedelta(hours=1)
    wake_at: datetime = field(init=False)
    _clear_at: datetime | None = None
    _beat_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._beat_at = self.started_at + self.beat
        self.wake_at = self._beat_at

    def hit(self, at: datetime) -> Iterator[Aired]:
        """Somebody moved."""
        if self._clear_at is not None and at < self._clear_at:
            return
        self._clear_at = at + self.blind
        yield from self._say(at, is_moving=True)

    def due(self, now: datetime) -> Iterator[Aired]:
        """Yield what its own clock makes it say up to `now`."""
        while self.wake_at <= now:
            at, ends = self.wake_at, self._clear_at == self.wake_at
            if ends:
                self._clear_at = None
            yield from self._say(at, is_moving=self._clear_at is not None)

    def _say(self, at: datetime, *, is_moving: bool) -> Iterator[Aired]:
        self._beat_at = at + self.beat
        self.wake_at = self._beat_at if self._clear_at is None else min(self._beat_at, self._clear_at)
        values: dict[int, float | bool] = {BATTERY: self.battery_pct, MOTION: is_moving}
        yield from repeated(at, self.node.address, self.node.say(values))


@dataclass(slots=True)
class BleSeat:
    """A pressure pad or thermal sensor on one seat: says each change, and what holds every `beat`."""

    node: BthomeNode
    started_at: datetime
    battery_pct: int = 90
    beat: timedelta = timedelta(hours=1)
    is_taken: bool = False
    wake_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.wake_at = self.started_at + self.beat

    def change(self, at: datetime, *, is_taken: bool) -> Iterator[Aired]:
        """Somebody sat down or left."""
        if is_taken != self.is_taken:
            self.is_taken = is_taken
            yield from self._say(at)

    def due(self, now: datetime) -> Iterator[Aired]:
        """Yield the heartbeats up to `now`."""
        while self.wake_at <= now:
            yield from self._say(self.wake_at)

    def _say(self, at: datetime) -> Iterator[Aired]:
        self.wake_at = at + self.beat
        values: dict[int, float | bool] = {BATTERY: self.battery_pct, OCCUPANCY: self.is_taken}
        yield from repeated(at, self.node.address, self.node.say(values))
