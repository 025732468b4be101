"""One received message -> a fact, or the reason why it cannot be one. Pure: no I/O, no clock of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from ingest.quarantine import Rejected
from workplace.codec import MAX_FUTURE, decode
from workplace.errors import MessageRejected
from workplace.events import GatewayConfig, GatewayHealth, GatewayStatus, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.loss_events import Canary, GapRecord
from workplace.message import Message
from workplace.topics import Topics

Fact = SensorEvent | GapRecord | Canary | GatewayStatus | GatewayHealth | GatewayConfig | Request


class Subscriber:
    """Knows which topics are ours and what may stand on each."""

    def __init__(self, plan: FloorPlan, topics: Topics) -> None:
        self._plan = plan
        self._topics = topics

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return self._topics.events(), self._topics.gateways(), self._topics.requests()

    def read(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Fact | Rejected:
        """Return the fact in one message, or why it was refused.

        Args:
            retained: the broker's flag: an event that the broker had kept says nothing about this moment.
            now: site time; an event from further than `MAX_FUTURE` ahead has a wrong clock.
        """
        try:
            return self._fact(topic, payload, retained, now)
        except MessageRejected as error:
            return Rejected(error.reason, error.detail, topic, payload)

    def _fact(self, topic: str, payload: bytes, retained: bool, now: datetime) -> Fact | Rejected:
        levels = topic.split("/")
        match self._topics.kind_of(topic):
            case "event" if levels[-1] == levels[-2]:
                return self._own(decode(payload, Message), levels)
            case "event":
                event = decode(payload, SensorEvent)
                gateway = self._check_event(event, levels, now)
                if gateway is None:
                    detail = f"device '{event.device}' is not in the floor plan"
                    return Rejected("unknown_device", detail, topic, payload, stranger=event)
                return msgspec.structs.replace(event, retained=True) if retained else event
            case "gateway_status":
                status = decode(payload, GatewayStatus)
                self._check_said(status, levels)
                return status
            case "gateway_health":
                health = decode(payload, GatewayHealth)
                self._check_said(health, levels)
                return health
            case (
                "gateway_config"
            ):  # for the gateway alone; read here only because the filter cannot leave it out
                config = decode(payload, GatewayConfig)
                self._check_site(config.site)
                return config
            case "request":
                request = decode(payload, Request)
                self._check_site(request.site)
                _check(request.id == levels[-1], "topic_mismatch", f"request {request.id} on {topic}")
                _check(
                    request.place is None or request.place in self._plan.place,
                    "unknown_place",
                    f"place '{request.place}' is not in the floor plan",
                )
                return request
            case _:
                raise MessageRejected("unknown_topic", "no message of ours belongs here")

    def _check_event(self, event: SensorEvent, levels: list[str], now: datetime) -> str | None:
        """Return the gateway that the plan names for the device, None when the plan does not know it."""
        self._check_site(event.site)
        gateway = self._plan.devices.get(event.device)
        # Written out: this runs for every event, and most sentences are never needed.
        if levels[-2:] != [event.gateway, event.device]:
            raise MessageRejected("topic_mismatch", f"event of {event.gateway}/{event.device}")
        if gateway is not None and gateway != event.gateway:
            raise MessageRejected("wrong_gateway", f"the device hangs on '{gateway}'")
        if event.received_at > now + MAX_FUTURE:
            raise MessageRejected("future_time", f"received at {event.received_at}, site time is {now}")
        return gateway

    def _own(self, message: Message, levels: list[str]) -> GapRecord | Canary:
        """A gateway speaks for itself under its own name: what is missing, and that it lives."""
        if not isinstance(message, GapRecord | Canary):
            raise MessageRejected("wrong_type", f"{type(message).__name__} under the gateway's own name")
        self._check_gateway(message.site, message.gateway, levels)
        times = (message.at,) if isinstance(message, Canary) else (message.from_at, message.to_at)
        _check(all(map(_is_aware, times)), "impossible_value", "a time without time zone")
        if isinstance(message, GapRecord):
            are_spans = all(first <= last for first, last in message.lines)
            _check(are_spans, "impossible_value", "a range of lines ends before it begins")
        return message

    def _check_said(self, message: GatewayStatus | GatewayHealth, levels: list[str]) -> None:
        self._check_gateway(message.site, message.gateway, levels)
        at = message.at
        _check(at is None or _is_aware(at), "impossible_value", "a time without time zone")

    def _check_gateway(self, site: str, gateway: str, levels: list[str]) -> None:
        self._check_site(site)
        _check(gateway == levels[-2], "topic_mismatch", f"message of gateway '{gateway}'")
        _check(gateway in self._plan.gateway, "unknown_gateway", f"'{gateway}' is not in the floor plan")

    def _check_site(self, site: str) -> None:
        _check(site == self._plan.site, "wrong_site", f"message of site '{site}'")


def _is_aware(at: datetime) -> bool:
    return at.utcoffset() is not None


def _check(is_fine: bool, reason: str, detail: str) -> None:
    if not is_fine:
        raise MessageRejected(reason, detail)


def is_too_late(request: Request, now: datetime, longest: timedelta) -> bool:
    """Return whether a wish about a place waited so long that it may hit another hold; the stop never is."""
    return request.place is not None and now - request.requested_at > longest
