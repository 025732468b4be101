"""Which decoder reads which Bluetooth advert; a new format is a new row.

A sensor is known by the address that its advert names inside, else by that of the sender. Keys, replay counters
and the device's name all go by that one address, so that an advert cannot borrow the name of a sensor with a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from firmware_bridge.formats.bthome import BthomeDecoder, named_address
from workplace.ports import Advert
from workplace.readings import Decoded

#: The long form of a 16-bit UUID: the Bluetooth base UUID with the 16 bits put in (Core Specification, 3B 2.5.1).
_LONG_UUID: Final = "0000{:04x}-0000-1000-8000-00805f9b34fb"


class ServiceDataDecoder(Protocol):
    """Decodes the service data of one UUID for any number of devices."""

    def decode(
        self,
        service_data: bytes,
        *,
        address: str,
        bindkey: bytes | None = None,
        now_s: float,
        local_name: str | None = None,
    ) -> Decoded: ...

    def counters(self) -> dict[str, int]: ...

    def resume(self, counters: Mapping[str, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class ServiceFormat:
    """One sensor format in service data.

    Attributes:
        make: a decoder with empty memory.
        named_address: the address inside the data, where the format can carry one.
    """

    make: Callable[[], ServiceDataDecoder]
    named_address: Callable[[bytes], str | None] = lambda _data: None


def long_uuid(short: int) -> str:
    """Return the long form of a 16-bit UUID, lower case."""
    return _LONG_UUID.format(short)


#: UUID of the service data -> its format.
SERVICE_FORMATS: Final[dict[str, ServiceFormat]] = {
    long_uuid(0xFCD2): ServiceFormat(BthomeDecoder, named_address),  # bthome.io, version 2
}


class SensorAdverts:
    """Implements `workplace.ports.AdvertDecoder`.

    Args:
        bindkeys: address -> the 16-byte key of that sensor; upper or lower case, with or without colons.
    """

    def __init__(
        self,
        bindkeys: Mapping[str, bytes],
        formats: Mapping[str, ServiceFormat] = SERVICE_FORMATS,
    ) -> None:
        self._bindkeys = {plain_address(address): key for address, key in bindkeys.items()}
        self._formats = formats
        self._decoders = {uuid: entry.make() for uuid, entry in formats.items()}

    def counters(self) -> dict[str, int]:
        """Return device -> highest counter of its encrypted adverts, all formats together."""
        found: dict[str, int] = {}
        for decoder in self._decoders.values():
            found |= {plain_address(address): count for address, count in decoder.counters().items()}
        return found

    def resume(self, counters: Mapping[str, int]) -> None:
        """Take adverts of devices with a key up to these counters for old ones."""
        known = {_spelled(device): counters[device] for device in self._bindkeys if device in counters}
        for decoder in self._decoders.values():
            decoder.resume(known)

    def is_sensor(
        self,
        service_data: Mapping[str, bytes],
        manufacturer_data: Mapping[int, bytes],  # noqa: ARG002 - no format in manufacturer data yet
    ) -> bool:
        """Whether some data is of a format in the table; most adverts in the air are not."""
        return not self._formats.keys().isdisjoint(service_data)

    def decode(self, advert: Advert, *, now_s: float) -> Decoded:
        """Return what the first supported format in the advert says."""
        for uuid, entry in self._formats.items():
            data = advert.service_data.get(uuid)
            if data is None:
                continue
            address = entry.named_address(data) or advert.address
            decoded = self._decoders[uuid].decode(
                data,
                address=address,
                bindkey=self._bindkeys.get(plain_address(address)),
                now_s=now_s,
                local_name=advert.local_name,
            )
            return replace(decoded, device=plain_address(address))
        return Decoded(dropped="no_sensor_data", device=plain_address(advert.address))


def _spelled(plain: str) -> str:
    """Return an address as radios spell it, `AA:BB:CC:DD:EE:FF`."""
    return ":".join(plain[at : at + 2] for at in range(0, len(plain), 2)).upper()


def plain_address(address: str) -> str:
    """Return an address as its hex digits alone, lower case."""
    return address.replace(":", "").replace("-", "").lower()
