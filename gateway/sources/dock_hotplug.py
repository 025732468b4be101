"""A USB dock that comes and goes, by its model. The only file that knows pyudev.

The kernel tells no carrier this way, but it tells every USB device; which are there is read anew after each word of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import pyudev

from gateway.intake import Intake
from gateway.sources.dock_link import DockSource
from workplace.ports import Clock

#: Look anyway after this long, s: a message of the kernel can be lost.
LOOK_S: Final = 60.0
#: A dock is a tree of hubs that comes in pieces within this time, s; one look at its end is enough.
_PIECES_S: Final = 0.2


class HotplugDockSource(DockSource):
    """A dock is there when a USB device of one of its models (`17ef:3082`, vendor and product) is.

    Serial numbers are never read: two docks of one model are one and the same here.
    """

    def __init__(self, name: str, models: Iterable[str], *, intake: Intake, clock: Clock) -> None:
        super().__init__(name, intake=intake, clock=clock)
        self._models = frozenset(models)

    async def watch(self) -> None:
        context = pyudev.Context()
        monitor = pyudev.Monitor.from_netlink(context, source="kernel")
        monitor.filter_by("usb", device_type="usb_device")
        monitor.start()
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(monitor.fileno(), self._drain, monitor, changed)
        try:
            while True:
                await self.tell([bool(self._models & models_of(context))])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await changed.wait()
                await asyncio.sleep(_PIECES_S)
                changed.clear()
        finally:
            loop.remove_reader(monitor.fileno())

    def _drain(self, monitor: pyudev.Monitor, changed: asyncio.Event) -> None:
        with contextlib.suppress(OSError):  # an overrun: there is news all the same
            while monitor.poll(0) is not None:
                self.counters["usb_changes"] += 1
        changed.set()


def models_of(context: pyudev.Context) -> frozenset[str]:
    """Return `vendor:product` of every USB device that is there."""
    found: set[str] = set()
    for device in context.list_devices(subsystem="usb", DEVTYPE="usb_device"):
        with contextlib.suppress(KeyError, UnicodeDecodeError, OSError):  # it left while we looked
            attributes = device.attributes
            found.add(f"{attributes.asstring('idVendor')}:{attributes.asstring('idProduct')}".lower())
    return frozenset(found)
