"""Changes -> topics and bytes. States get a lifetime that fits the speed of the site's clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from ingest.place_runtime import Changes, PlaceRuntime
from ingest.publisher import Outbound
from workplace.codec import encode
from workplace.events import PlaceState, ZoneState
from workplace.floor_plan import FloorPlan
from workplace.loss_events import Receipt
from workplace.ports import Clock
from workplace.topics import Topics

#: A told state lives at least this long in real time, s: six repeats. Lower: a hiccup of the broker makes a
#: wall show unknown. Higher: a dead ingest is noticed later. Only matters where site time runs fast.
SHORTEST_LIFE_S = 30.0


class OutboundMaker:
    """Remembers until when each told place state lives, to repeat it in time."""

    def __init__(self, plan: FloorPlan, topics: Topics, clock: Clock) -> None:
        self._plan = plan
        self._topics = topics
        self._clock = clock
        self._repeat_at: dict[str, datetime] = {}

    def of(self, changes: Changes, *, is_live: bool) -> Outbound:
        """Return what one commit has to tell; while not live only answers and the record of decisions."""
        said = [(self._topics.decision(made.zone), encode(made)) for made in changes.decisions]
        said += [
            (self._topics.reply(changes.reply_to[reply.request_id]), encode(reply))
            for reply in changes.replies
            if reply.request_id in changes.reply_to
        ]
        if not is_live:
            return Outbound(said=tuple(said))
        states = self._places({state.place: state for state in changes.place_states}.values())
        states |= self._zones(changes.zone_states.values())
        return Outbound(states, tuple(said), tuple(changes.commands))

    def repeat(self, runtime: PlaceRuntime) -> Outbound:
        """Return all zone states as of now, and the place states in the second half of their life."""
        now = runtime.now
        due = [place for place, at in self._repeat_at.items() if at <= now]
        states = self._zones(runtime.engine.zone_state(zone) for zone in self._plan.zone)
        states |= self._places(runtime.engine.place_state(place) for place in due)
        return Outbound(states)

    def everything(self, runtime: PlaceRuntime) -> Outbound:
        """Return all states and all lights, for a broker that may have forgotten them."""
        engine = runtime.engine
        states = self._zones(engine.zone_state(zone) for zone in self._plan.zone)
        states |= self._places(engine.place_state(place) for place in self._plan.place)
        return Outbound(states, commands=tuple(engine.lights()))

    def receipts(self, receipts: Iterable[Receipt]) -> Outbound:
        """Return what gateways may let go of."""
        return Outbound(receipts={self._topics.receipt(r.gateway): encode(r) for r in receipts})

    def _places(self, states: Iterable[PlaceState]) -> dict[str, bytes]:
        told: dict[str, bytes] = {}
        for state in states:
            expires_at = self._expires_at(state)
            self._repeat_at[state.place] = state.as_of + (expires_at - state.as_of) / 2
            lasting = msgspec.structs.replace(state, expires_at=expires_at)
            told[self._topics.place_state(state.place)] = encode(lasting)
        return told

    def _zones(self, states: Iterable[ZoneState]) -> dict[str, bytes]:
        return {
            self._topics.zone_state(state.zone): encode(
                msgspec.structs.replace(state, expires_at=self._expires_at(state))
            )
            for state in states
        }

    def _expires_at(self, state: PlaceState | ZoneState) -> datetime:
        shortest = timedelta(seconds=SHORTEST_LIFE_S * self._clock.speed)
        return max(state.expires_at, state.as_of + shortest)
