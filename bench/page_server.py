"""The pages of the example site from a real uvicorn on a thread of its own, fed by hand."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import uvicorn

from bench.sites import example_site
from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from plekvrij.clocks import wall_clock
from plekvrij.embedded_broker import free_port
from workplace.codec import encode
from workplace.events import HoldPhase, PlaceState, Reply, Request, ZoneState
from workplace.floor_plan import Place, Zone
from workplace.message import Message
from workplace.ports import Received
from workplace.topics import Topics


class PageServer:
    """Every zone has spoken and every place is free at first; `change` moves one place."""

    def __init__(self) -> None:
        self.plan = example_site().plan
        self.port = free_port()
        self.in_use: set[str] = set()
        self._clock = wall_clock()
        self._topics = Topics(self.plan.site)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="pages")

    def cpu_s(self) -> float:
        """Return the CPU time of the server's thread so far, the kernel's work on its sockets included."""
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident or 0))

    def change(self, place: Place, phase: HoldPhase) -> None:
        """Let the server hear that a place has changed, as its broker link would."""
        zone = self.plan.zone[place.zone]
        (self.in_use.add if phase == "in_use" else self.in_use.discard)(place.id)
        in_use = sum(other.id in self.in_use for other in zone.places)
        self._loop.call_soon_threadsafe(
            self._feed,
            (self._topics.place_state(place.id), self._place_state(place, phase)),
            (self._topics.zone_state(zone.id), self._zone_state(zone, in_use)),
        )

    def _feed(self, *messages: tuple[str, Message]) -> None:
        for topic, message in messages:
            self._live.feed(Received(topic, encode(message), retained=False))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._live = LiveSite(self.plan, self._clock)
        app = create_app(
            self.plan,
            live=self._live,
            history=None,
            send_request=self._refuse,
            clock=self._clock,
            version="bench",
            settings=DashboardSettings(),
        )
        for zone in self.plan.zone.values():
            self._feed((self._topics.zone_state(zone.id), self._zone_state(zone, 0)))
        for place in self.plan.place.values():
            self._feed((self._topics.place_state(place.id), self._place_state(place, "free")))
        self._close_streams = app.state.live_feed.close
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_level="warning", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._ready.set()
        await self._server.serve()

    async def _refuse(self, request: Request) -> Reply:
        return Reply(request_id=request.id, accepted=False, reason="bench", at=self._clock.now())

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline or not self._thread.is_alive():
                    raise
                self._ready.wait(0.05)
            else:
                return

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._close_streams)
        self._server.should_exit = True
        self._thread.join(20)

    def _place_state(self, place: Place, phase: HoldPhase) -> PlaceState:
        now = datetime.now(UTC)
        return PlaceState(
            site=self.plan.site,
            floor=place.floor,
            zone=place.zone,
            place=place.id,
            phase="exempt" if place.fixed else phase,
            occupancy="occupied" if phase == "in_use" else "free",
            since=now,
            mode="active",
            as_of=now,
            expires_at=now + timedelta(hours=1),
        )

    def _zone_state(self, zone: Zone, in_use: int) -> ZoneState:
        now = datetime.now(UTC)
        fixed = sum(place.fixed for place in zone.places)
        return ZoneState(
            site=self.plan.site,
            floor=zone.floor,
            zone=zone.id,
            free=len(zone.places) - fixed - in_use,
            reclaimable=0,
            in_use=in_use,
            unknown=0,
            exempt=fixed,
            capacity=len(zone.places),
            scarce=False,
            calendar="work",
            mode="active",
            coverage_pct=99.0,
            as_of=now,
            expires_at=now + timedelta(hours=1),
        )


@contextmanager
def serve_pages() -> Iterator[PageServer]:
    """Serve until the block ends."""
    server = PageServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
