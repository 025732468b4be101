"""The site as the newest messages tell it, and how old each part of that is."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dashboard.steady import NOTHING, Standing, followed
from workplace import codec
from workplace.errors import MessageRejected
from workplace.events import (
    Decision,
    GatewayHealth,
    GatewayStatus,
    IngestHealth,
    NotifierHealth,
    PlaceState,
    ZoneState,
)
from workplace.floor_plan import FloorPlan
from workplace.ports import Clock, MessageLink, Received
from workplace.topics import Topics

#: Decisions kept in memory per place: enough for a why-card; history holds the rest.
DECISIONS_PER_PLACE = 20


@dataclass(frozen=True, slots=True)
class SiteSnapshot:
    """One look at the site. The mappings are live views: read them now, do not keep them.

    Attributes:
        zone_age_s: real seconds since each zone last spoke live; a zone that never did is missing.
        waited_s: real seconds since we began to listen.
        standing: what screens call few (`dashboard.steady`).
    """

    places: Mapping[str, PlaceState]
    zones: Mapping[str, ZoneState]
    zone_age_s: Mapping[str, float]
    waited_s: float
    standing: Standing = NOTHING


@dataclass(frozen=True, slots=True)
class GatewayView:
    """What is known of one gateway; ages in real seconds, None when it never spoke live."""

    id: str
    status: GatewayStatus | None
    health: GatewayHealth | None
    health_age_s: float | None


class LiveSite:
    """Newest state by place, zone and gateway. Feed it on the event loop; read it from there too.

    A retained message says what was, not when it was last true: it fills in the picture but never counts as a
    sign of life.
    """

    def __init__(
        self, plan: FloorPlan, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._places: dict[str, PlaceState] = {}
        self._zones: dict[str, ZoneState] = {}
        self._standing = NOTHING
        self._zone_spoke_at: dict[str, float] = {}
        self._gateway_status: dict[str, GatewayStatus] = {}
        self._gateway_health: dict[str, GatewayHealth] = {}
        self._gateway_spoke_at: dict[str, float] = {}
        self._ingest: IngestHealth | None = None
        self._ingest_spoke_at: float | None = None
        self._notifier: NotifierHealth | None = None
        self._notifier_spoke_at: float | None = None
        self._decisions: dict[str, deque[Decision]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._link: MessageLink | None = None
        self.rejected: Counter[str] = Counter()
        """Messages that could not be used, by reason."""

    async def follow(self, link: MessageLink, topics: Topics) -> None:
        """Subscribe to everything that pages show and return; the link subscribes again after each reconnect.

        Raises:
            BrokerRefused: the broker does not let this client read.
        """
        self._link = link
        link.on_connection(self._connection_changed)

        def receive(received: Received) -> None:
            self.feed(received, kind=topics.kind_of(received.topic))

        filters: tuple[str, ...] = (topics.states(), topics.gateways(), topics.decisions())
        filters += (topics.ingest_health(), topics.ingest_health("+"), topics.notifier_health())
        for topic_filter in filters:
            await link.subscribe(topic_filter, receive)

    def _connection_changed(self, is_connected: bool) -> None:
        """What was true before a connection was lost is not known after it, until the broker says it again.

        Zones speak by themselves within seconds, and would vouch for places of which the newest word is still to come.
        """
        if is_connected:
            self._places.clear()

    def feed(self, received: Received, *, kind: str | None = None) -> None:
        """Take in one message; an unusable one is counted by reason in `rejected`."""
        family = kind or Topics(self._plan.site).kind_of(received.topic)
        if family == "gateway_config":
            return  # for the gateway alone
        take = self._takers.get(family or "")
        if take is None:
            self.rejected["unexpected_topic"] += 1
            return
        try:
            take(self, received)
        except MessageRejected as error:
            self.rejected[error.reason] += 1
            return
        for listener in self._listeners:
            listener()

    def _take_place(self, received: Received) -> None:
        state = codec.decode(received.payload, PlaceState)
        self._check_origin(state.site, state.place, received.topic, -1)
        if state.place not in self._plan.place:
            raise MessageRejected("unknown_place", state.place)
        self._places[state.place] = state

    def _take_zone(self, received: Received) -> None:
        state = codec.decode(received.payload, ZoneState)
        self._check_origin(state.site, state.zone, received.topic, -1)
        if state.zone not in self._plan.zone:
            raise MessageRejected("unknown_zone", state.zone)
        self._zones[state.zone] = state
        self._standing = followed(self._plan, self._zones, state.zone, self._standing)
        if not received.retained:
            self._zone_spoke_at[state.zone] = self._monotonic()

    def _take_gateway_status(self, received: Received) -> None:
        status = codec.decode(received.payload, GatewayStatus)
        self._check_gateway(status.site, status.gateway, received.topic)
        self._gateway_status[status.gateway] = status

    def _take_gateway_health(self, received: Received) -> None:
        health = codec.decode(received.payload, GatewayHealth)
        self._check_gateway(health.site, health.gateway, received.topic)
        self._gateway_health[health.gateway] = health
        if not received.retained:
            self._gateway_spoke_at[health.gateway] = self._monotonic()

    def _take_decision(self, received: Received) -> None:
        decision = codec.decode(received.payload, Decision)
        self._check_origin(decision.site, decision.zone, received.topic, -1)
        if decision.place not in self._plan.place:
            raise MessageRejected("unknown_place", decision.place)
        kept = self._decisions.setdefault(decision.place, deque(maxlen=DECISIONS_PER_PLACE))
        if all(decision.id != other.id for other in kept):
            kept.appendleft(decision)

    def _take_ingest(self, received: Received) -> None:
        health = codec.decode(received.payload, IngestHealth)
        self._check_site(health.site)
        self._ingest = health
        if not received.retained:
            self._ingest_spoke_at = self._monotonic()

    def _take_notifier(self, received: Received) -> None:
        if not received.payload:  # it stopped on purpose
            self._notifier = self._notifier_spoke_at = None
            return
        health = codec.decode(received.payload, NotifierHealth)
        self._check_site(health.site)
        self._notifier = health
        if not received.retained:
            self._notifier_spoke_at = self._monotonic()

    def _check_gateway(self, site: str, gateway: str, topic: str) -> None:
        """A broker gives each gateway its own topics: what a message says must not reach beyond them."""
        self._check_origin(site, gateway, topic, -2)
        if gateway not in self._plan.gateway:
            raise MessageRejected("unknown_gateway", gateway)

    def _check_origin(self, site: str, name: str, topic: str, level: int) -> None:
        self._check_site(site)
        if topic.split("/")[level] != name:
            raise MessageRejected("topic_mismatch", f"message of {name} on {topic}")

    def _check_site(self, site: str) -> None:
        if site != self._plan.site:
            raise MessageRejected("wrong_site", site)

    _takers: Mapping[str, Callable[[LiveSite, Received], None]] = {
        "place_state": _take_place,
        "zone_state": _take_zone,
        "gateway_status": _take_gateway_status,
        "gateway_health": _take_gateway_health,
        "decision": _take_decision,
        "ingest_health": _take_ingest,
        "notifier_health": _take_notifier,
    }

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after each message that was taken in; it must not block."""
        self._listeners.append(listener)

    def snapshot(self) -> SiteSnapshot:
        now = self._monotonic()
        ages = {zone: now - spoke_at for zone, spoke_at in self._zone_spoke_at.items()}
        return SiteSnapshot(self._places, self._zones, ages, now - self._started_at, self._standing)

    def gateways(self) -> tuple[GatewayView, ...]:
        """Return the gateways of the plan, in its order."""
        now = self._monotonic()
        return tuple(
            GatewayView(
                gateway.id,
                self._gateway_status.get(gateway.id),
                self._gateway_health.get(gateway.id),
                now - self._gateway_spoke_at[gateway.id] if gateway.id in self._gateway_spoke_at else None,
            )
            for gateway in self._plan.gateways
        )

    def ingest(self) -> tuple[IngestHealth | None, float | None]:
        """Return ingest's newest words about itself and their age in real seconds."""
        if self._ingest_spoke_at is None:
            return self._ingest, None
        return self._ingest, self._monotonic() - self._ingest_spoke_at

    def notifier(self) -> tuple[NotifierHealth | None, float | None]:
        """Return what is known of the channels outside the screens (None: there are none), and its age in real seconds.

        One that only left its word at the broker is as old as our listening: it never spoke to us.
        """
        now = self._monotonic()
        spoke_at = self._started_at if self._notifier_spoke_at is None else self._notifier_spoke_at
        return self._notifier, None if self._notifier is None else now - spoke_at

    def decisions(self, place: str) -> tuple[Decision, ...]:
        """Return the decisions of a place heard since the start, newest first."""
        return tuple(self._decisions.get(place, ()))

    def decision(self, id_: str) -> Decision | None:
        """Return a decision heard since the start, None when it is not or no longer kept."""
        return next((one for kept in self._decisions.values() for one in kept if one.id == id_), None)

    @property
    def is_broker_connected(self) -> bool | None:
        """None when this site is fed by hand."""
        return None if self._link is None else self._link.is_connected
