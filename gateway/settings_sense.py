"""What settings of the right shape may still get wrong: one list for the start, `check` and settings from afar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings, Switch

#: Tables of the file -> what may stand in only one entry of each: two readers of one port take each other's bytes.
ONLY_ONCE: Final = (("serial", "port"), ("mqtt", "base"), ("switch", "name"), ("switch", "address"))


class Nonsense(NamedTuple):
    """One mistake: where (keys and indices), what, and what to write instead."""

    path: tuple[str | int, ...]
    what: str
    instead: str


def nonsense(settings: GatewaySettings) -> Iterator[Nonsense]:
    """Yield every mistake."""
    for table, key in ONLY_ONCE:
        seen: set[object] = set()
        for index, entry in enumerate(getattr(settings, table)):
            value = getattr(entry, key)
            if value in seen:
                what = f"two entries of [[{table}]] have the same {key} {value!r}"
                yield Nonsense((table, index, key), what, "keep one of them")
            seen.add(value)
    for index, serial in enumerate(settings.serial):
        if serial.format != "dsp1" and serial.device is None:
            what = f"{serial.port} speaks {serial.format}, which names no device"
            yield Nonsense(("serial", index), what, "name its 'device'")
    for index, switch in enumerate(settings.switch):
        yield from _of_switch(index, switch, has_secrets=settings.switch_credentials is not None)
    dock = settings.laptop_dock
    if dock is not None and (dock.interface is None) == (not dock.usb):
        yield Nonsense(
            ("laptop_dock",), "laptop_dock is found in one way", "write either 'interface' or 'usb'"
        )


def _of_switch(index: int, switch: Switch, *, has_secrets: bool) -> Iterator[Nonsense]:
    if {"poll", "traps"} & set(switch.transports) and (switch.credential is None or not has_secrets):
        yield Nonsense(
            ("switch", index),
            f"switch {switch.name} needs 'credential'",
            "write the name of an entry in the file of 'switch_credentials', and name that file",
        )
    if "traps" in switch.transports and switch.version == "v3" and switch.engine_id is None:
        yield Nonsense(
            ("switch", index),
            f"switch {switch.name} needs 'engine_id' for v3 traps",
            "the switch shows it with its SNMP settings",
        )
