"""The settled record: every decision once more, when no late event can change it any longer. Pure.

What a screen shows is decided at once, from what has arrived; an event that comes late changes what is shown from then
on, never what was said. The settled record decides over the same facts in the order in which they happened, one
horizon later. It is a function of the set of facts alone: whoever plays the same facts, in whatever order within the
horizon, however often, with whatever stops in between, gets the same decisions and the same digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from workplace.codec import encode
from workplace.events import AnyMessage, Decision, GatewayStatus, NightLessons, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.holds.outcome import Outcome
from workplace.occupancy.interface import OccupancyModel
from workplace.policy import Policy

Fact = SensorEvent | GatewayStatus | Request | NightLessons

#: How late a fact may come. The occupancy filter reaches back as far; what is older is stored, never decided upon.
HORIZON: Final = timedelta(minutes=50)
_WAITING, _UNTIL = "settled:waiting", "settled:until"


def happened_at(fact: Fact, arrived_at: datetime) -> datetime:
    """Return when a fact was the case; of a last will, which has no time, when it came."""
    match fact:
        case SensorEvent():
            return fact.measured_at
        case GatewayStatus():
            return fact.at or arrived_at
        case Request():
            return fact.requested_at
        case NightLessons():
            return fact.from_at


def id_of(fact: Fact, at: datetime) -> str:
    """Return what tells a fact from others: a redelivery has the same."""
    match fact:
        case GatewayStatus():
            return f"{fact.gateway} {fact.status} {at.isoformat()}"
        case NightLessons():
            return f"night {fact.day}"
        case _:
            return fact.id


class SettledSite:
    """One site, one horizon ago."""

    def __init__(self, plan: FloorPlan, policy: Policy, model: OccupancyModel[Any] | None = None) -> None:
        self.engine = SiteEngine(plan, policy, model)
        self._waiting: dict[str, tuple[datetime, Fact]] = {}
        self._until: datetime | None = None
        self._horizon: datetime | None = None
        self.too_late = 0
        """Facts that came after their time was settled: a repeat, or more than the horizon late."""

    @property
    def digest(self) -> str:
        return self.engine.digest

    @property
    def until(self) -> datetime | None:
        """Up to when everything is settled."""
        return self._until

    def take(self, fact: Fact, arrived_at: datetime) -> None:
        """Keep a fact until it is settled; whether it is too late follows from arrivals alone."""
        at = happened_at(fact, arrived_at)
        self._horizon = max(self._horizon or arrived_at - HORIZON, arrived_at - HORIZON)
        if at <= self._horizon or (self._until is not None and at <= self._until):
            self.too_late += 1
        else:
            self._waiting.setdefault(id_of(fact, at), (at, fact))

    def settle(self, now: datetime) -> list[Decision]:
        """Decide about everything that happened up to one horizon before `now`; return the decisions."""
        return self.settle_until(now - HORIZON)

    def settle_until(self, until: datetime) -> list[Decision]:
        """Decide about everything that happened up to `until`; whatever comes of that time later is too late."""
        if self._until is not None and until <= self._until:
            return []
        due = sorted((at, id_) for id_, (at, _) in self._waiting.items() if at <= until)
        outcomes: list[Outcome] = []
        if self.engine.now is None:
            if not due:
                return []
            outcomes.append(self.engine.start(due[0][0]))
        for at, id_ in due:
            outcomes.append(self.engine.apply(self._waiting.pop(id_)[1], at))
        outcomes.append(self.engine.advance(until))
        self._until = until
        return [decision for outcome in outcomes for decision in outcome.decisions]

    # --- memory

    def take_changes(self) -> dict[str, bytes]:
        """Return what must be kept for `restore`."""
        waiting = [(at, encode(fact)) for at, fact in self._waiting.values()]
        return self.engine.take_changes() | {
            _WAITING: msgspec.json.encode([(at, body.decode()) for at, body in waiting]),
            _UNTIL: msgspec.json.encode(self._until),
        }

    def restore(self, stored: Mapping[str, bytes]) -> None:
        """Go on where the records ended."""
        self._until = msgspec.json.decode(stored[_UNTIL], type=datetime | None)
        if self._until is not None:
            self.engine.restore(stored, self._until)
        for at, body in msgspec.json.decode(stored[_WAITING], type=list[tuple[datetime, str]]):
            fact = msgspec.json.decode(body, type=AnyMessage)
            if isinstance(fact, SensorEvent | GatewayStatus | Request | NightLessons):
                self._waiting[id_of(fact, at)] = (at, fact)


def settled_digest(site: SettledSite, facts: Iterable[tuple[datetime, Fact]], until: datetime) -> str:
    """Return the digest of a whole recording, `facts` with the times at which they came."""
    for arrived_at, fact in facts:
        site.take(fact, arrived_at)
        site.settle(arrived_at)
    site.settle_until(until)
    return site.digest
