"""BTHome v2 advertisements (service data of UUID 0xFCD2), plain and encrypted.

Byte 0 says how to read the rest: bit 0 encrypted, bit 1 a MAC follows, bit 2 the device sleeps between
events, bits 5-7 the version. Then come objects, an id byte and a value each, little-endian.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware_bridge.formats.bthome_objects import (
    BUTTON_EVENTS,
    DIMMER_EVENTS,
    OBJECTS,
    BthomeObject,
    Form,
)
from workplace.readings import Decoded, Reading, Value

_ENCRYPTED, _WITH_MAC, _SLEEPY = 0x01, 0x02, 0x04
_VERSION = 2
#: 16-bit UUID 0xFCD2 in wire order, part of the nonce.
_UUID = bytes.fromhex("d2fc")
_MAC_BYTES, _COUNTER_BYTES, _MIC_BYTES, _KEY_BYTES = 6, 4, 4, 16

#: A packet id counts as repeated or old only this soon after the device was last heard: an id byte wraps.
PACKET_MEMORY_S = 4.0
#: Ids this far ahead, modulo 256, are newer; farther means older.
NEWEST_STEP = 63
#: A counter below this after a higher one is a restart with a fresh battery, not a replay.
RESTART_BELOW = 100
#: Strangers' radios pass by all day and change their addresses; devices with a key are not among these.
MAX_STRANGERS = 4096


@dataclass(slots=True)
class _Device:
    """What must be remembered of one address."""

    packet_id: int | None = None
    heard_s: float = float("-inf")
    counter: int | None = None
    is_verified: bool = False


@dataclass(frozen=True, slots=True)
class _Advert:
    """The parts of one service data element."""

    info: int
    mac: bytes | None
    names_mac: bool
    body: bytes


class BthomeDecoder:
    """Decodes adverts of any number of devices and keeps what it needs against repeats and fakes."""

    def __init__(self) -> None:
        self._keyed: dict[str, _Device] = {}
        self._strangers: OrderedDict[str, _Device] = OrderedDict()

    def decode(
        self,
        service_data: bytes,
        *,
        address: str,
        bindkey: bytes | None = None,
        now_s: float,
        local_name: str | None = None,
    ) -> Decoded:
        """Return what one advert says.

        Args:
            service_data: the service data without its UUID.
            address: the sender's MAC as `AA:BB:CC:DD:EE:FF`; anything else works for plain adverts only.
            bindkey: the device's 16-byte key; a device that has one is believed only when it encrypts.
            now_s: monotonic seconds, for the 4 s in which a packet id counts as repeated.
            local_name: ignored. It may hold a person's name, and nothing depends on it.
        """
        del local_name
        if not service_data:
            return Decoded(fault="bad_frame")
        info = service_data[0]
        if info >> 5 != _VERSION:
            return Decoded(fault="unsupported_version")
        advert = _split(info, service_data[1:], address)
        if advert is None:
            return Decoded(fault="bad_frame")
        device = self._remember(address, has_key=bindkey is not None)
        decoded = self._decode_known(advert, device, bindkey, now_s)
        device.heard_s = now_s
        named = _mac_text(advert.mac) if advert.names_mac and advert.mac else None
        return replace(decoded, sleepy=bool(info & _SLEEPY), device=named)

    def counters(self) -> dict[str, int]:
        """Return address -> highest counter of every device that proved its key."""
        return {
            address: device.counter for address, device in self._keyed.items() if device.counter is not None
        }

    def resume(self, counters: Mapping[str, int]) -> None:
        """Take adverts up to these counters for old ones; `counters` as returned before a restart."""
        for address, counter in counters.items():
            self._keyed[address] = _Device(counter=counter, is_verified=True)

    def _decode_known(self, advert: _Advert, device: _Device, bindkey: bytes | None, now_s: float) -> Decoded:
        if not advert.info & _ENCRYPTED:
            if bindkey is not None or device.is_verified:
                return Decoded(dropped="unencrypted_after_encrypted")
            return _once(advert.body, device, now_s)
        if bindkey is None:
            return Decoded(fault="key_missing")
        if len(bindkey) != _KEY_BYTES:
            return Decoded(fault="key_invalid")
        if advert.mac is None:
            return Decoded(fault="address_missing")
        if len(advert.body) < _COUNTER_BYTES + _MIC_BYTES + 1:
            return Decoded(fault="bad_frame")
        return _open_and_decode(advert, advert.mac, device, bindkey, now_s)

    def _remember(self, address: str, *, has_key: bool) -> _Device:
        known = self._keyed.get(address)
        if known is not None:
            return known
        known = self._strangers.pop(address, None) or _Device()
        if has_key:  # kept apart, so that no crowd of invented addresses can push out a replay counter
            self._keyed[address] = known
            return known
        self._strangers[address] = known
        if len(self._strangers) > MAX_STRANGERS:
            self._strangers.popitem(last=False)
        return known


def named_address(service_data: bytes) -> str | None:
    """Return the address that an advert names inside, `AA:BB:CC:DD:EE:FF`; None when it names none."""
    if not service_data or not service_data[0] & _WITH_MAC or len(service_data) <= _MAC_BYTES:
        return None
    return _mac_text(service_data[_MAC_BYTES:0:-1])


def _split(info: int, rest: bytes, address: str) -> _Advert | None:
    if not info & _WITH_MAC:
        return _Advert(info, _mac_bytes(address), names_mac=False, body=rest)
    if len(rest) < _MAC_BYTES:
        return None
    return _Advert(info, rest[_MAC_BYTES - 1 :: -1], names_mac=True, body=rest[_MAC_BYTES:])


def _open_and_decode(advert: _Advert, mac: bytes, device: _Device, bindkey: bytes, now_s: float) -> Decoded:
    sealed = advert.body[: -_COUNTER_BYTES - _MIC_BYTES]
    counter_bytes = advert.body[-_COUNTER_BYTES - _MIC_BYTES : -_MIC_BYTES]
    nonce = mac + _UUID + bytes([advert.info]) + counter_bytes
    cipher = AESCCM(bindkey, tag_length=_MIC_BYTES)
    try:
        body = cipher.decrypt(nonce, sealed + advert.body[-_MIC_BYTES:], None)
    except InvalidTag:
        return Decoded(fault="decryption_failed")
    counter, last = int.from_bytes(counter_bytes, "little"), device.counter
    if last is not None and counter == last:
        return Decoded(dropped="duplicate", seq=counter)
    if last is not None and RESTART_BELOW <= counter < last:
        return Decoded(dropped="older_packet", seq=counter)
    device.counter, device.is_verified = counter, True
    decoded = _once(body, device, now_s)
    return decoded if decoded.seq is not None else replace(decoded, seq=counter)


def _once(body: bytes, device: _Device, now_s: float) -> Decoded:
    """Decode the objects, unless their packet id says that they were here before."""
    decoded = _decode_objects(body)
    packet_id = decoded.seq
    if packet_id is None:
        return decoded
    if device.packet_id is not None and now_s - device.heard_s <= PACKET_MEMORY_S:
        ahead = (packet_id - device.packet_id) % 256
        if ahead == 0:
            return Decoded(dropped="duplicate", seq=packet_id)
        if ahead > NEWEST_STEP:
            return Decoded(dropped="older_packet", seq=packet_id)
    device.packet_id = packet_id
    return decoded


def _decode_objects(body: bytes) -> Decoded:
    found, fault = [], None
    for item in _objects(body):
        if isinstance(item, str):
            fault = item
        else:
            found.append(item)
    several = {name for name, count in Counter(kind.name for kind, _ in found).items() if count > 1}
    measured_at = next((_moment(raw) for kind, raw in found if kind.name == "timestamp"), None)
    seq = next((raw[0] for kind, raw in found if kind.name == "packet_id"), None)
    numbers: Counter[str] = Counter()
    readings: list[Reading] = []
    for kind, raw in found:
        numbers[kind.name] += 1
        value, extra = _value(kind, raw)
        if value is not None:
            channel = numbers[kind.name] if kind.name in several else None
            readings.append(
                Reading(
                    kind.kind or kind.name, value, kind.unit, channel, measured_at=measured_at, extra=extra
                )
            )
    return Decoded(tuple(readings), fault=fault, seq=seq)


def _objects(body: bytes) -> Iterator[tuple[BthomeObject, bytes] | str]:
    """Yield objects in order; last, a fault when the rest cannot be read."""
    at = 0
    while at < len(body):
        kind = OBJECTS.get(body[at])
        if kind is None:
            yield "unknown_object"  # its length is unknown, so nothing after it can be found
            return
        at += 1
        size = kind.size_bytes
        if size == 0:
            size = body[at] if at < len(body) else 1
            at += 1
        if at + size > len(body):
            yield "truncated"
            return
        yield kind, body[at : at + size]
        at += size


def _value(kind: BthomeObject, raw: bytes) -> tuple[Value, dict[str, Value]]:
    """Return the value of one object, None when it says nothing, and what else it says."""
    if kind.form is Form.BOOLEAN:
        return raw[0] != 0, {}
    if kind.form is Form.BUTTON:
        return BUTTON_EVENTS.get(raw[0]), {}
    if kind.form is Form.DIMMER:
        return DIMMER_EVENTS.get(raw[0]), {"steps": raw[1]}
    if kind.form is Form.TEXT:
        return raw.decode("utf-8", errors="replace"), {}
    if kind.form is Form.RAW:
        return raw.hex(), {}
    if kind.form is Form.VERSION:
        return ".".join(str(part) for part in reversed(raw)), {}
    count = int.from_bytes(raw, "little", signed=kind.signed)
    # Six decimals are the finest scale of the table; rounding removes the tail of binary fractions.
    return (count, {}) if kind.scale == 1 else (round(count * kind.scale, 6), {})


def _moment(raw: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(raw, "little"), tz=UTC)


def _mac_bytes(address: str) -> bytes | None:
    try:
        mac = bytes.fromhex(address.replace(":", "").replace("-", ""))
    except ValueError:
        return None
    return mac if len(mac) == _MAC_BYTES else None


def _mac_text(mac: bytes) -> str:
    return mac.hex(":").upper()
