"""Numbered changes of each floor to every open screen, as server-sent events.

Encoded once per floor, handed out as bytes. A screen that cannot keep up gets one fresh snapshot instead of
its backlog. Three events: `s` everything, `d` what changed since the version before, `h` still alive. Each
carries the site's time and the age of its data as this server knows it, so that no clock of a screen is
trusted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from dashboard.view_models import FloorView, ZoneView, policy_code, view_floor
from workplace.floor_plan import FloorPlan
from workplace.ports import Clock

#: Events that may wait for one screen: at 20 changes a second five seconds of a stuck network.
QUEUE_EVENTS = 100
#: Changes are gathered this long, real seconds: lower sends more and smaller events, higher is seen as a lag.
GATHER_S = 0.05

_END = b""


@dataclass(eq=False)
class _Client:
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(QUEUE_EVENTS))


@dataclass
class _FloorStream:
    version: int = 0
    letters: str = ""
    zones: list[dict[str, Any]] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)
    clients: set[_Client] = field(default_factory=set)


def zone_frame(view: ZoneView) -> dict[str, Any]:
    """Return one zone as it goes to a screen: `n` None means no number may be shown, `g` when it was true if it is old.

    `g` is 0 for a fresh zone, 1 for one that was never heard, else milliseconds of site time.
    """
    old = 1 if view.state is None else _milliseconds(view.state.as_of)
    frame: dict[str, Any] = {
        "n": view.free,
        "r": view.reclaimable,
        "u": view.in_use,
        "x": view.unknown,
        "c": view.open_capacity,
        "k": view.chip,
        "g": 0 if view.freshness == "live" else old,
    }
    if view.overflow is not None:
        frame["o"] = [view.overflow.floor, int(view.overflow.is_up), view.overflow.free]
    return frame


def head_frame(view: FloorView) -> dict[str, Any]:
    """Return what is said of the floor as a whole, without what changes by the second."""
    return {
        "m": [[other.floor.number, int(other.is_up), other.free] for other in view.others],
        "e": int(view.points_elsewhere),
        "ni": int(view.is_night),
        "p": policy_code(view),
    }


class LiveFeed:
    """Fans the changes of a `LiveSite` out to screens. `run` must be running; all on one event loop."""

    def __init__(
        self,
        plan: FloorPlan,
        live: LiveSite,
        clock: Clock,
        settings: DashboardSettings,
        build: str,
        *,
        gather_s: float = GATHER_S,
    ) -> None:
        self._plan = plan
        self._live = live
        self._clock = clock
        self._settings = settings
        self._build = build
        self._gather_s = gather_s
        self._changed = asyncio.Event()
        self._streams = {floor.id: _FloorStream() for floor in plan.floors}
        self.resynchronised = 0
        """How often a slow screen got a snapshot instead of its backlog."""
        live.on_change(self._changed.set)

    async def run(self) -> None:
        """Send changes as they come and a heartbeat every `heartbeat_s`, until cancelled."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._settings.heartbeat_s
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_at):
                        await self._changed.wait()
                await asyncio.sleep(self._gather_s)
                self._changed.clear()
                is_beat = loop.time() >= beat_at
                if is_beat:
                    beat_at = loop.time() + self._settings.heartbeat_s
                self._advance_all(beat=is_beat)
        finally:
            self.close()

    def close(self) -> None:
        """End every open stream; screens connect again by themselves."""
        for stream in self._streams.values():
            for client in list(stream.clients):
                _clear(client.queue)
                client.queue.put_nowait(_END)

    async def events(self, floor: str) -> AsyncIterator[bytes]:
        """Yield the events of one floor: a snapshot first, then what happens."""
        with self._join(floor) as client:
            while (event := await client.queue.get()) != _END:
                yield event

    @contextmanager
    def _join(self, floor: str) -> Iterator[_Client]:
        stream = self._streams[floor]
        client = _Client()
        if not stream.clients:
            self._refresh(floor, stream)
        client.queue.put_nowait(self._snapshot_event(floor, stream))
        stream.clients.add(client)
        try:
            yield client
        finally:
            stream.clients.discard(client)

    @property
    def screens(self) -> int:
        """How many streams are open now."""
        return sum(len(stream.clients) for stream in self._streams.values())

    def _advance_all(self, *, beat: bool) -> None:
        for floor, stream in self._streams.items():
            if not stream.clients:
                continue
            delta = self._advance(floor, stream)
            if delta is not None:
                self._send(floor, stream, _event("d", delta))
            elif beat:
                self._send(floor, stream, _event("h", {"v": stream.version, **self._now(self._view(floor))}))

    def _advance(self, floor: str, stream: _FloorStream) -> dict[str, Any] | None:
        """Bring a stream to the present; return what changed, None when nothing did."""
        letters, zones, head = stream.letters, stream.zones, stream.head
        view = self._refresh(floor, stream)
        delta: dict[str, Any] = {}
        changed = {
            i: new for i, (old, new) in enumerate(zip(letters, stream.letters, strict=True)) if old != new
        }
        if changed:
            delta["c"] = changed
        changed_zones = {
            i: new for i, (old, new) in enumerate(zip(zones, stream.zones, strict=True)) if old != new
        }
        if changed_zones:
            delta["z"] = changed_zones
        delta |= {key: value for key, value in stream.head.items() if head.get(key) != value}
        if not delta:
            return None
        stream.version += 1
        return {"v": stream.version, **delta, **self._now(view)}

    def _refresh(self, floor: str, stream: _FloorStream) -> FloorView:
        view = self._view(floor)
        stream.letters = "".join(view.letters)
        stream.zones = [zone_frame(zone) for zone in view.zones]
        stream.head = head_frame(view)
        return view

    def _view(self, floor: str) -> FloorView:
        return view_floor(
            self._plan, self._plan.floor[floor], self._live.snapshot(), self._clock.now(), self._settings
        )

    def _now(self, view: FloorView) -> dict[str, Any]:
        return {
            "t": _milliseconds(self._clock.now()),
            "a": round(self._shown_age_s(view), 1),
            "ao": None if view.as_of is None else _milliseconds(view.as_of),
        }

    def _shown_age_s(self, view: FloorView) -> float:
        """Never spoken live counts as old from the start, so a screen can treat it as any other age."""
        if view.freshness == "off":
            return max(view.age_s or 0.0, self._settings.off_after_s + 1)
        if view.age_s is None:
            return self._settings.stale_after_s + 1 + self._live.snapshot().waited_s
        return view.age_s

    def _snapshot_event(self, floor: str, stream: _FloorStream) -> bytes:
        body = {"v": stream.version, "d": stream.letters, "z": stream.zones, **stream.head}
        return _event(
            "s", {**body, **self._now(self._view(floor)), "sp": self._clock.speed, "b": self._build}
        )

    def _send(self, floor: str, stream: _FloorStream, event: bytes) -> None:
        for client in stream.clients:
            try:
                client.queue.put_nowait(event)
            except asyncio.QueueFull:
                _clear(client.queue)
                client.queue.put_nowait(self._snapshot_event(floor, stream))
                self.resynchronised += 1


def _event(name: str, body: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


def _clear(queue: asyncio.Queue[bytes]) -> None:
    while not queue.empty():
        queue.get_nowait()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
