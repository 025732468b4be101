"""What is the same for every LoRaWAN network server: counters, models, times and the payload itself.

Servers differ in how they wrap an uplink; `chirpstack` and `things_stack` unwrap it into an `Uplink`. What a
server decoded itself is not used: its key names and words change with the version of its codecs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from firmware_bridge.formats.json_values import (
    MAX_FUTURE,
    as_moment,
)
from firmware_bridge.formats.lorawan_models import ModelTable
from workplace.readings import Decoded, Reading, Value

#: Past this many devices somebody invents dev EUIs; those that were silent longest are forgotten first.
MAX_DEVICES = 5000
#: Uplinks remembered per device. Lower lets a late redelivery through, higher costs 200 bytes each.
REMEMBERED_UPLINKS = 32


@dataclass(frozen=True, slots=True)
class Uplink:
    """One data message of one device.

    Attributes:
        device: dev EUI, lower case.
        session: changes when the device joins again; counters of two sessions do not compare.
        counter: frame counter, 0 when the server leaves it out.
        message_id: the server's own id of this reception; None if it gives none.
        port: None when the server leaves it open whether it was 0.
        payload_text: base64 as written.
        time: as written.
        names: what the server says about the kind of device, the surest first.
        rssi: dBm at the gateway that heard it best; None if unknown.
        facts: the parts as the server writes them, for a device that nobody knows yet.
    """

    device: str
    session: str
    counter: int
    message_id: str | None
    port: int | None
    payload_text: str
    time: Any
    names: tuple[str, ...]
    rssi: int | float | None
    snr: int | float | None
    facts: Mapping[str, int | float | str | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Heard:
    """What was heard of a device in its session: its newest uplink, and the last counters and ids."""

    session: str
    newest: int = -1
    at: datetime | None = None
    counters: dict[int, None] = field(default_factory=dict)
    message_ids: dict[str, None] = field(default_factory=dict)


class UplinkReader:
    """Reads uplinks of any number of devices and drops those that came before."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        self._models = ModelTable(models)
        self._heard: dict[str, _Heard] = {}

    def forget(self, device: str) -> None:
        """Start counting anew: the device joined."""
        self._heard.pop(device, None)

    def read(self, uplink: Uplink, now: datetime) -> Decoded:
        """Return what an uplink says."""
        payload = _bytes_of(uplink.payload_text)
        if payload is None:
            return Decoded(fault="bad_base64", device=uplink.device, seq=uplink.counter)
        dropped = self._why_not(uplink, as_moment(uplink.time, now))
        if dropped is not None:
            return Decoded(dropped=dropped, device=uplink.device, seq=uplink.counter)
        decode = self._models.decoder_for(uplink.device, uplink.names)
        if decode is None:
            # Who sets a site up needs to see what arrives.
            value = {**uplink.facts, "payload_hex": payload.hex(), "rssi": uplink.rssi, "snr": uplink.snr}
            return Decoded(
                (Reading("uplink", value),), "unknown_model", device=uplink.device, seq=uplink.counter
            )
        decoded = decode(payload, uplink.port) if payload else Decoded()
        readings = tuple(_received(decoded.readings, uplink, now))
        return replace(decoded, readings=readings, device=uplink.device, seq=uplink.counter)

    def _why_not(self, uplink: Uplink, at: datetime | None) -> str | None:
        """Return None and remember a new uplink; else `duplicate` (sent or delivered again) or `older_packet`."""
        heard = self._heard.pop(uplink.device, None)
        if heard is None or heard.session != uplink.session:
            heard = _Heard(uplink.session)
        self._heard[uplink.device] = heard
        if len(self._heard) > MAX_DEVICES:
            del self._heard[next(iter(self._heard))]
        if uplink.counter == heard.newest or uplink.message_id in heard.message_ids:
            return "duplicate"
        if uplink.counter < heard.newest:
            if at is not None and heard.at is not None and at <= heard.at:
                return "duplicate" if uplink.counter in heard.counters else "older_packet"
            heard.counters.clear()  # a lower counter at a later time: the device counts from 0 again
        heard.newest, heard.at = uplink.counter, at
        _remember(heard.counters, uplink.counter)
        if uplink.message_id is not None:
            _remember(heard.message_ids, uplink.message_id)
        return None


def _remember(memory: dict[Any, None], key: int | str) -> None:
    memory[key] = None
    if len(memory) > REMEMBERED_UPLINKS:
        del memory[next(iter(memory))]


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _received(readings: Iterable[Reading], uplink: Uplink, now: datetime) -> Iterator[Reading]:
    """Add what the network knows: when live readings arrived, how well they were heard."""
    signal: dict[str, Value] = {
        name: value for name, value in (("rssi", uplink.rssi), ("snr", uplink.snr)) if value is not None
    }
    network_time = as_moment(uplink.time, now)
    for reading in readings:
        told = reading.measured_at
        if told is not None and told > now + MAX_FUTURE:
            if reading.historical:
                yield Reading("fault", "record_of_the_future", historical=True)
                continue
            told = None
        if told is None and not reading.historical:
            told = network_time
        yield replace(reading, measured_at=told, extra={**reading.extra, **signal})
