"""The carrier of a dock's network card, told by the Linux kernel (rtnetlink)."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from gateway.intake import Intake
from gateway.netlink_links import GROUP_LINKS, CarrierWatch, dump_request
from gateway.sources.dock_link import DockSource
from workplace.ports import Clock

#: One read takes whole messages; the kernel sends dumps in pieces of up to 32 KiB (linux/netlink.h).
_READ_BYTES: Final = 65_536


class NetlinkDockSource(DockSource):
    """A dock is there when an interface whose name fits `interface` (`enx*`) has a carrier."""

    def __init__(self, name: str, interface: str, *, intake: Intake, clock: Clock) -> None:
        super().__init__(name, intake=intake, clock=clock)
        self._watch = CarrierWatch(interface)
        self._sequence = 0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.setblocking(False)  # noqa: FBT003
            kernel.bind((0, GROUP_LINKS))
            self._ask(kernel)
            while True:
                try:
                    data = await loop.sock_recv(kernel, _READ_BYTES)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    self.counters["overruns"] += 1  # something was lost: ask for everything
                    self._ask(kernel)
                    continue
                levels = self._watch.feed(data)
                if levels:
                    await self.tell(levels)

    def _ask(self, kernel: socket.socket) -> None:
        self._watch.begin()
        self._sequence += 1
        kernel.send(dump_request(self._sequence))
