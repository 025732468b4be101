"""What bluetoothd makes of an advert: the properties of a device, and which of them it says anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dbus_fast import Variant

#: AD types (Assigned Numbers, 2.3).
FLAGS, COMPLETE_NAME, SERVICE_DATA_16, MANUFACTURER = 0x01, 0x09, 0x16, 0xFF
_LONG_UUID: Final = "0000{:04x}-0000-1000-8000-00805f9b34fb"

#: First byte, AD type, content; as a monitor asks for them.
Pattern = tuple[int, int, bytes]


def ad_structures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each part of an advert, up to the first that is cut."""
    at = 0
    while at < len(data) and data[at] and at + 1 + data[at] <= len(data):
        yield data[at + 1], data[at + 2 : at + 1 + data[at]]
        at += 1 + data[at]


def matches(data: bytes, patterns: Sequence[Pattern]) -> bool:
    """Whether one of the patterns is in the advert (org.bluez.AdvertisementMonitor, or_patterns)."""
    return any(
        kind == wanted and content[start : start + len(bytes(part))] == bytes(part)
        for kind, content in ad_structures(data)
        for start, wanted, part in patterns
    )


@dataclass(slots=True)
class BluezDevice:
    """One device in the cache of bluetoothd: all that it ever said, with the latest of each."""

    address: str
    adapter_path: str
    rssi_dbm: int | None = None
    name: str | None = None
    service_data: dict[str, bytes] = field(default_factory=dict)
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{self.adapter_path}/dev_{self.address.replace(':', '_')}"

    def properties(self) -> dict[str, Variant]:
        """Return everything, as in GetManagedObjects and InterfacesAdded."""
        found = {
            "Address": Variant("s", self.address),
            "AddressType": Variant("s", "random"),
            "Alias": Variant("s", self.name or self.address.replace(":", "-")),
            "Adapter": Variant("o", self.adapter_path),
            "Paired": Variant("b", value=False),
            "Connected": Variant("b", value=False),
        }
        if self.name is not None:
            found["Name"] = Variant("s", self.name)
        if self.rssi_dbm is not None:
            found["RSSI"] = Variant("n", self.rssi_dbm)
        return found | self._data()

    def hear(
        self, data: bytes, rssi_dbm: int, *, rssi_step_db: int, tells_duplicates: bool
    ) -> dict[str, Variant]:
        """Take one advert; return the properties that change, which may be none.

        Args:
            rssi_step_db: a signal strength that differs less is not told.
            tells_duplicates: data is told although it did not change.
        """
        before = (dict(self.service_data), dict(self.manufacturer_data), self.name)
        for kind, content in ad_structures(data):
            if kind == SERVICE_DATA_16:
                self.service_data[_LONG_UUID.format(int.from_bytes(content[:2], "little"))] = content[2:]
            elif kind == MANUFACTURER:
                self.manufacturer_data[int.from_bytes(content[:2], "little")] = content[2:]
            elif kind == COMPLETE_NAME:
                self.name = content.decode("utf-8", errors="replace")
        changed: dict[str, Variant] = {}
        if self.rssi_dbm is None or abs(self.rssi_dbm - rssi_dbm) >= rssi_step_db:
            self.rssi_dbm = rssi_dbm
            changed["RSSI"] = Variant("n", rssi_dbm)
        if tells_duplicates or before[:2] != (self.service_data, self.manufacturer_data):
            changed |= self._data()
        if self.name is not None and self.name != before[2]:
            changed |= {"Name": Variant("s", self.name), "Alias": Variant("s", self.name)}
        return changed

    def _data(self) -> dict[str, Variant]:
        found: dict[str, Any] = {}
        if self.service_data:
            bodies = {uuid: Variant("ay", data) for uuid, data in self.service_data.items()}
            found["ServiceData"] = Variant("a{sv}", bodies)
        if self.manufacturer_data:
            numbers = {company: Variant("ay", data) for company, data in self.manufacturer_data.items()}
            found["ManufacturerData"] = Variant("a{qv}", numbers)
        return found
