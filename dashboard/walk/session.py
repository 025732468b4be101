"""The walks of a site while they go on: hears events only while somebody walks, and keeps each step.

Events are read over a link of their own, opened when a page looks at an unfinished walk and closed when none has
for a while: the pages of a site need states, not every movement.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

import structlog

from dashboard.walk.store import WalkStore
from workplace import codec
from workplace.errors import BrokerRefused, MessageRejected, StoreUnavailable
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.ports import Clock, MessageLink, OpenLink, Received
from workplace.topics import Topics, partition
from workplace.walk_record import forget
from workplace.walk_test import Happening, Heard, is_open, open_walk, route_of, step
from workplace.walk_view import WalkView, view

log = structlog.get_logger(__name__)

#: Events stay wanted so long after a page last looked, real seconds: a phone in a pocket sleeps. Lower: the first
#: signal after a pause is missed. Higher: events are read for nobody.
WANTED_S = 120.0
#: A stream looks again this often, real seconds: time alone changes what is worth saying.
BEAT_S = 1.0
#: A refused subscription is tried again this often, real seconds: somebody may be mending the rights.
_AGAIN_S = 15.0

Listening = Literal["connecting", "on", "refused"]


class FloorWalk:
    """One floor's walk: the newest record, and who waits for a change."""

    def __init__(self, plan: FloorPlan, floor: str, clock: Clock, store: WalkStore) -> None:
        self.floor = plan.floor[floor]
        self.route = route_of(plan, floor)
        self.walk = open_walk(plan, floor, store.load(floor), clock.now())
        self.is_kept = True
        self.turn = 0
        """Counts the changes, so that a page can tell an older answer from a newer one."""
        self.wanted_until = 0.0
        self._clock = clock
        self._store = store
        self._saving = asyncio.Lock()
        self._waiting: set[asyncio.Event] = set()

    def view(self) -> WalkView:
        return view(self.walk, self.route, self._clock.now())

    def take(self, happening: Happening) -> bool:
        """Make one step; return whether there is anything new to show and to keep."""
        now = self._clock.now()
        before = self.walk
        self.walk = step(before, self.route, happening, now)
        if view(before, self.route, now) == view(self.walk, self.route, now):
            return False
        self.turn += 1
        self.wake()
        return True

    async def save(self) -> None:
        """Keep the newest record; a disk that refuses is shown on the page."""
        async with self._saving:
            try:
                await asyncio.to_thread(self._store.save, self.walk)
            except StoreUnavailable as error:
                log.error("walk_not_kept", floor=self.floor.id, error=str(error))
                self.is_kept = False
            else:
                self.is_kept = True

    def wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            yield changed
        finally:
            self._waiting.discard(changed)


class Walks:
    """All walks of a site. `run` must be running for signals to be heard; all on one event loop.

    Args:
        open_link: opens the link that events are read over; None when a test feeds `receive` itself.
    """

    def __init__(
        self, plan: FloorPlan, clock: Clock, store: WalkStore, open_link: OpenLink | None = None
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._store = store
        self._open_link = open_link
        self._topics = Topics(plan.site)
        self._floors: dict[str, FloorWalk] = {}
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._is_closed = False
        self._link: MessageLink | None = None
        self._subscribed: set[int] = set()
        self._is_refused = False
        self.run_id = secrets.token_hex(4)
        """Names this run of the program: turns are counted anew in each."""
        self.rejected: Counter[str] = Counter()
        """Messages that could not be used, by reason."""

    def of(self, floor: str) -> FloorWalk:
        """Return the walk of a floor of the plan, read from its file the first time."""
        if floor not in self._floors:
            self._floors[floor] = FloorWalk(self._plan, floor, self._clock, self._store)
        return self._floors[floor]

    def look(self, floor: str) -> FloorWalk:
        """Return the walk of a floor and go on listening for it: somebody looks."""
        walk = self.of(floor)
        walk.wanted_until = time.monotonic() + WANTED_S
        self._wake.set()
        return walk

    def listening(self, floor: str) -> Listening:
        if self._open_link is None:
            return "on"
        if self._is_refused:
            return "refused"
        link = self._link
        is_on = link is not None and link.is_connected and partition(floor) in self._subscribed
        return "on" if is_on else "connecting"

    async def press(self, floor: str, happening: Happening) -> None:
        """Take what a person chose; kept when this returns."""
        walk = self.look(floor)
        if walk.take(happening):
            await walk.save()

    def receive(self, received: Received) -> None:
        """Take one message of the broker; what is no event of a walked floor is counted and dropped."""
        try:
            event = codec.decode(received.payload, SensorEvent)
        except MessageRejected as error:
            self.rejected[error.reason] += 1
            return
        gateway = self._plan.gateway.get(event.gateway)
        if gateway is None or received.topic != self._topics.event(
            gateway.floor, event.gateway, event.device
        ):
            self.rejected["topic_mismatch"] += 1
            return
        walk = self._floors.get(gateway.floor)
        if walk is not None and is_open(walk.walk) and walk.take(Heard(event, self._clock.speed)):
            self._dirty.add(gateway.floor)
            self._wake.set()

    async def beats(self, floor: str) -> AsyncIterator[FloorWalk]:
        """Yield at each change and every `BEAT_S`, until the site stops."""
        walk = self.look(floor)
        with walk.watched() as changed:
            while not self._is_closed:
                yield self.look(floor)
                try:
                    async with asyncio.timeout(BEAT_S):
                        await changed.wait()
                except TimeoutError:
                    continue
                changed.clear()

    async def forget(self, before: datetime) -> None:
        """Delete what walks heard of the use of places before a moment."""
        for floor in self._plan.floor:
            walk = self.of(floor)
            kept = forget(walk.walk, before)
            if kept != walk.walk:
                walk.walk = kept
                await walk.save()

    def close(self) -> None:
        """End every open stream."""
        self._is_closed = True
        for walk in self._floors.values():
            walk.wake()

    async def run(self) -> None:
        """Listen while a walk is looked at, and keep what was heard, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_heard(), name="walk-files")
                if self._open_link is not None:
                    tasks.create_task(self._keep_listening(self._open_link), name="walk-events")
        finally:
            self.close()

    async def _keep_heard(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._dirty:
                await self._floors[self._dirty.pop()].save()

    def _wanted(self) -> list[str]:
        now = time.monotonic()
        return [f for f, walk in self._floors.items() if is_open(walk.walk) and walk.wanted_until > now]

    async def _keep_listening(self, open_link: OpenLink) -> None:
        while True:
            if self._wanted():
                await self._listen(open_link)
            await asyncio.sleep(BEAT_S / 5)

    async def _listen(self, open_link: OpenLink) -> None:
        """Hold one link until no walk is looked at any more."""
        async with open_link(f"walk-{secrets.token_hex(4)}") as link:
            self._link, self._subscribed = link, set()
            link.on_connection(lambda _: self._wake_all())
            log.info("walk_listening")
            try:
                while wanted := self._wanted():
                    await self._subscribe(link, {partition(floor) for floor in wanted} - self._subscribed)
                    await asyncio.sleep(_AGAIN_S if self._is_refused else BEAT_S / 5)
            finally:
                self._link, self._is_refused = None, False
        log.info("walk_stopped_listening")

    async def _subscribe(self, link: MessageLink, missing: set[int]) -> None:
        for number in missing:
            try:
                await link.subscribe(self._topics.events(number), self.receive)
            except BrokerRefused as error:
                log.error("walk_events_refused", error=str(error))
                self._is_refused = True
            else:
                self._is_refused = False
                self._subscribed.add(number)
            self._wake_all()

    def _wake_all(self) -> None:
        for walk in self._floors.values():
            walk.wake()
