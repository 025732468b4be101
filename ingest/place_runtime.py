"""Feeds the deciding core: what time it is for it, when it must wake up, and which gateways are still there.

Two kinds of time meet here. The core lives in site time and moves with the facts; whether a gateway is alive
and whether the backlog has been drained is measured in real time (`monotonic`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from workplace.events import (
    Command,
    Decision,
    GatewayHealth,
    GatewayStatus,
    NightLessons,
    PlaceState,
    Reply,
    Request,
    SensorEvent,
    ZoneState,
)
from workplace.ports import Clock

#: Quiet for this long after the subscription stands: the broker has no backlog for us, s of real time.
#: Lower: wake-ups may fire before older events arrive. Higher: the first decision comes later.
QUIET_S = 1.0
#: An event younger than this, s of real time, is live traffic and not backlog. Lower: a busy site catches up
#: for ever. Higher: it is live while the last seconds of its backlog still come in.
FRESH_S = 2.0
#: Longest wait for quiet, s of real time: a building that never is quiet must be decided about too.
LONGEST_CATCH_UP_S = 30.0
#: Longest wait for lines of gateways that are missing in between, s of real time: NATS sends what is new at once, and
#: again what was under way on a lost connection after its `ack_wait` of 10 s. Lower: places come back as they were
#: before the cut. Higher: a line that is lost holds up the start.
LONGEST_REDELIVERY_S = 12.0
#: Longest stop that is lived through afterwards instead of being forgotten, s of real time. Lower: a reboot
#: costs knowledge. Higher: a broker that dropped messages meanwhile (Mosquitto keeps 1,000 as shipped) makes
#: us release places on silence that was none.
LONGEST_REPLAY_S = 900.0


class Outcome(Protocol):
    """What changed by one step of the core; each only if it did."""

    @property
    def place_states(self) -> tuple[PlaceState, ...]: ...
    @property
    def zone_states(self) -> tuple[ZoneState, ...]: ...
    @property
    def decisions(self) -> tuple[Decision, ...]: ...
    @property
    def commands(self) -> tuple[Command, ...]: ...
    @property
    def replies(self) -> tuple[Reply, ...]: ...


class DecidingCore(Protocol):
    """The engine of one site: deterministic, no I/O. `workplace.holds.engine.SiteEngine` is the real one."""

    @property
    def now(self) -> datetime | None: ...
    @property
    def next_wake_at(self) -> datetime | None: ...
    @property
    def digest(self) -> str: ...

    def start(self, now: datetime, /) -> Outcome: ...
    def apply(
        self, fact: SensorEvent | GatewayStatus | Request | NightLessons, now: datetime, /
    ) -> Outcome: ...
    def advance(self, now: datetime, /) -> Outcome: ...
    def restore(self, records: Mapping[str, bytes], now: datetime, /) -> object: ...
    def take_changes(self) -> dict[str, bytes]: ...
    def place_state(self, place: str, /) -> PlaceState: ...
    def zone_state(self, zone: str, /) -> ZoneState: ...
    def lights(self, devices: set[str] | None = None, /) -> Iterable[Command]: ...


@dataclass(slots=True)
class Changes:
    """Everything several steps brought about, in order; not yet durable.

    `reply_to`: request id -> where its reply goes.
    """

    place_states: list[PlaceState] = field(default_factory=list)
    zone_states: dict[str, ZoneState] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    reply_to: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.place_states.extend(outcome.place_states)
        self.zone_states.update((state.zone, state) for state in outcome.zone_states)
        self.decisions.extend(outcome.decisions)
        self.commands.extend(outcome.commands)
        self.replies.extend(outcome.replies)

    def merge(self, later: Changes) -> None:
        """Add what a later commit brought about."""
        self.place_states += later.place_states
        self.zone_states |= later.zone_states
        self.decisions += later.decisions
        self.commands += later.commands
        self.replies += later.replies
        self.reply_to |= later.reply_to


class CatchUp:
    """Whether the backlog at the broker is drained, so that the core may follow the clock again."""

    def __init__(self) -> None:
        self.is_live = False
        self._subscribed_at: float | None = None
        self._busy_at = 0.0

    def subscribed(self, at: float) -> None:
        """The subscription stands; what waited for us comes now."""
        self._subscribed_at = self._busy_at = at
        self.is_live = False

    def busy(self, at: float) -> None:
        """Messages came that had waited for us."""
        self._busy_at = at

    def ended(self, at: float, *, is_whole: bool) -> bool:
        """Return True once: at the moment when catching up is over.

        Args:
            is_whole: no line of a gateway is missing before one that is here: nothing older is still under way.
        """
        if self.is_live or self._subscribed_at is None:
            return False
        waited_s = at - self._subscribed_at
        is_quiet = at - self._busy_at >= QUIET_S and (is_whole or waited_s >= LONGEST_REDELIVERY_S)
        is_over = is_quiet or waited_s >= LONGEST_CATCH_UP_S
        self.is_live = is_over
        return is_over


class GatewayWatch:
    """Which gateways are gone: they said so, or said nothing for `silence_s` of real time.

    Silence means unknown, never free. A gateway that comes back is gone until what it kept meanwhile is here: its
    places would show what was true before it went.
    """

    def __init__(self, gateways: Iterable[str], silence_s: float) -> None:
        self._silence_s = silence_s
        self._heard: dict[str, float | None] = dict.fromkeys(gateways)
        self._offline: set[str] = set()
        #: Of gateways that come back: outbox and last line of what they kept.
        self._kept: dict[str, tuple[str, int]] = {}

    def begin(self, at: float) -> None:
        """Start measuring now: nothing could be heard before."""
        for gateway in self._heard:
            self._heard[gateway] = at

    def heard(self, fact: SensorEvent | GatewayHealth, at: float, lag_s: float) -> bool:
        """Note a sign of life; True when its gateway was gone and is back with all that it kept.

        Args:
            lag_s: how long the fact was under way, s of real time.
        """
        self._heard[fact.gateway] = at
        if fact.gateway not in self._offline or not self._is_all_here(fact, lag_s):
            return False
        self._offline.discard(fact.gateway)
        self._kept.pop(fact.gateway, None)
        return True

    def _is_all_here(self, fact: SensorEvent | GatewayHealth, lag_s: float) -> bool:
        """Return whether nothing older is under way: an outbox empties in its order."""
        if isinstance(fact, GatewayHealth):
            if fact.spool is None or fact.last_line is None or fact.outbox_rows <= 0:
                return True
            self._kept.setdefault(fact.gateway, (fact.spool, fact.last_line))
            return False
        spool, last_line = self._kept.get(fact.gateway, (None, 0))
        return lag_s < FRESH_S or (fact.spool == spool and fact.line is not None and fact.line >= last_line)

    def said(self, status: GatewayStatus, at: float) -> bool:
        """Note what a gateway, or the broker in its name, says; False when it is back and must first be `heard`."""
        self._heard[status.gateway] = at
        self._kept.pop(status.gateway, None)
        if status.status == "online":
            return status.gateway not in self._offline
        self._offline.add(status.gateway)
        return True

    def newly_silent(self, at: float) -> list[str]:
        """Return the gateways that have become silent since the last call."""
        silent = [
            gateway
            for gateway, heard in self._heard.items()
            if heard is not None and gateway not in self._offline and at - heard >= self._silence_s
        ]
        self._offline.update(silent)
        return silent

    @property
    def offline(self) -> Set[str]:
        return self._offline


class PlaceRuntime:
    """The core with its time. Rebuilt from stored records whenever a commit failed."""

    def __init__(self, make_engine: Callable[[], DecidingCore], clock: Clock, site: str) -> None:
        self._make_engine = make_engine
        self._clock = clock
        self._site = site
        self.engine = make_engine()

    @property
    def now(self) -> datetime:
        """Engine time; before the start, site time."""
        return self.engine.now or self._clock.now()

    def boot(self, records: Mapping[str, bytes], engine_now: datetime | None, changes: Changes) -> None:
        """Begin where the stored records end, or at this moment when there are none.

        After a short stop the broker and the gateways have kept everything for us: the core goes on at its
        own time and lives through it. After a long one they may not have, so nothing is made of the silence.
        """
        self.engine = self._make_engine()
        now = self._clock.now()
        if records and engine_now is not None:
            stopped_s = self._clock.real_seconds((now - engine_now).total_seconds())
            now = engine_now if stopped_s <= LONGEST_REPLAY_S else max(now, engine_now)
            self.engine.restore(records, now)
        changes.add(self.engine.start(now))

    def apply(self, fact: SensorEvent | GatewayStatus | Request, changes: Changes) -> None:
        """Let the core have one fact at the time when the site had it."""
        if isinstance(fact, SensorEvent):
            at: datetime | None = fact.received_at
        else:
            at = fact.at if isinstance(fact, GatewayStatus) else fact.requested_at
        now = self._clock.now()
        # A sender whose clock runs ahead must not drag the whole site into its future.
        happened = now if at is None else min(at, now)
        changes.add(self.engine.apply(fact, max(self.now, happened)))

    def learn(self, night: NightLessons, changes: Changes) -> None:
        """Let the core know what a night taught; it decides by it from the night's own moment on."""
        changes.add(self.engine.apply(night, self.now))

    def gateway_is(self, gateway: str, status: str, changes: Changes) -> GatewayStatus:
        """Tell the core what silence, or the end of it, says of a gateway.

        Undated, as a last will is: the core orders dated words by the gateway's own clock, and with ours among them
        a gateway whose clock runs behind would be gone for good.
        """
        fact = GatewayStatus(
            site=self._site, gateway=gateway, status="online" if status == "online" else "offline"
        )
        self.apply(fact, changes)
        return fact

    def advance(self, changes: Changes) -> None:
        """Let the core follow the clock."""
        changes.add(self.engine.advance(max(self.now, self._clock.now())))

    def lag_s(self, facts: Iterable[object]) -> float:
        """Return how long the oldest event of a batch was under way, s of real time; 0 without events."""
        now = self._clock.now()
        waited = [now - fact.received_at for fact in facts if isinstance(fact, SensorEvent)]
        return self._clock.real_seconds(max(waited).total_seconds()) if waited else 0.0

    def wake_in_s(self) -> float | None:
        """Return in how many seconds of real time the core wants to wake up; None for never."""
        wake_at = self.engine.next_wake_at
        if wake_at is None:
            return None
        return self._clock.real_seconds(max((wake_at - self._clock.now()).total_seconds(), 0.0))


def is_sign_of_life(fact: object) -> bool:
    """Events of the past prove nothing about now."""
    return isinstance(fact, GatewayHealth) or (
        isinstance(fact, SensorEvent) and not fact.retained and not fact.historical
    )
