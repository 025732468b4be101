"""Figures of the live stream: what one more screen costs, and how late the last of 200 hears of a change."""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import cache

from bench.figure import Figure
from bench.page_server import PageServer, serve_pages
from workplace.events import HoldPhase

_SCREENS = 200
#: p99 is the median of so many rounds: one hiccup of a shared machine is not ours.
_ROUNDS = 3
_CHANGES = 20
_FLOOR = "f3"
_LATEST_MS = 150.0


def screens_on_one_change() -> Figure:
    """CPU of the server per change with 200 screens, against 200 times what one screen costs."""
    alone_ms, all_ms, _ = _measured()
    against = f"{_SCREENS} x the first screen, {_SCREENS * alone_ms:.0f} ms"
    return Figure("screens_on_one_change", all_ms, "CPU ms", against, _SCREENS * alone_ms / all_ms, 10.0)


def change_on_200_screens() -> Figure:
    """p99 from the state at the server to its bytes at a screen; 50 ms of it gather changes on purpose."""
    _, _, p99_ms = _measured()
    return Figure("change_on_200_screens", p99_ms, "ms p99", f"{_LATEST_MS:g} ms", _LATEST_MS / p99_ms, 1.0)


@cache
def _measured() -> tuple[float, float, float]:
    """Return (CPU ms per change with one screen, with all, p99 ms with all)."""
    with serve_pages() as server:
        return asyncio.run(_measure(server))


async def _measure(server: PageServer) -> tuple[float, float, float]:
    costs: dict[int, list[float]] = {1: [], _SCREENS: []}
    p99s_ms: list[float] = []
    for _ in range(_ROUNDS):
        for count, found in costs.items():
            screens = [await Screen.open(server.port) for _ in range(count)]
            cost_ms, delays = await _change_often(server, screens)
            found.append(cost_ms)
            if count == _SCREENS:
                p99s_ms.append(statistics.quantiles(delays, n=100)[-1])
            for screen in screens:
                screen.close()
    return statistics.median(costs[1]), statistics.median(costs[_SCREENS]), statistics.median(p99s_ms)


async def _change_often(server: PageServer, screens: list[Screen]) -> tuple[float, list[float]]:
    """Return the server's CPU ms per change, and each screen's delay of each change in ms."""
    floor = server.plan.floor[_FLOOR]
    places = [place for zone in floor.zones for place in zone.places if not place.fixed]
    delays_ms: list[float] = []
    before_s = 0.0
    for number in range(_CHANGES + 1):
        if number == 1:  # the first change only warms up
            before_s = server.cpu_s()
        heard = [screen.wait_for_delta() for screen in screens]
        phase: HoldPhase = "free" if places[number].id in server.in_use else "in_use"
        told_s = time.perf_counter()
        server.change(places[number], phase)
        heard_s = await asyncio.wait_for(asyncio.gather(*heard), 10)
        if number:
            delays_ms += [(at_s - told_s) * 1000 for at_s in heard_s]
    return (server.cpu_s() - before_s) * 1000 / _CHANGES, delays_ms


class Screen(asyncio.Protocol):
    """A stream of server-sent events as bytes; notes when the next delta comes."""

    def __init__(self, floor: str) -> None:
        self._floor = floor
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        self._delta: asyncio.Future[float] = loop.create_future()
        self.heard_bytes = 0

    @classmethod
    async def open(cls, port: int, floor: str = _FLOOR) -> Screen:
        """Connect and return when the snapshot has come."""
        loop = asyncio.get_running_loop()
        _, screen = await loop.create_connection(lambda: cls(floor), "127.0.0.1", port)
        await asyncio.wait_for(screen.greeted, 10)
        return screen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream was asked for")
        self._transport = transport
        transport.write(f"GET /live?floor={self._floor} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def wait_for_delta(self) -> asyncio.Future[float]:
        """Return a future of the moment, `perf_counter` s, at which the next delta is here."""
        self._delta = asyncio.get_running_loop().create_future()
        return self._delta

    def data_received(self, data: bytes) -> None:
        at_s = time.perf_counter()
        self.heard_bytes += len(data)
        if b"event: s" in data and not self.greeted.done():
            self.greeted.set_result(None)
        elif b"event: d" in data and not self._delta.done():
            self._delta.set_result(at_s)

    def close(self) -> None:
        self._transport.close()
