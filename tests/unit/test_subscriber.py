"""Whatever stands on a topic becomes a fact or a reason, never an exception."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quarantine import Rejected
from ingest.stores.schema import MAX_QUARANTINE_PAYLOAD_BYTES
from ingest.subscriber import Subscriber, is_too_late
from workplace.codec import encode
from workplace.events import GatewayHealth, GatewayStatus, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.loss_events import GapRecord
from workplace.message import Message
from workplace.topics import Topics

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOPICS = Topics("klein")
NODE = "dsp1-0001000000000001"
EVENT_TOPIC = TOPICS.event("f1", "gw-1", NODE)
STATUS_TOPIC = TOPICS.gateway_status("gw-1")

EVENT = SensorEvent(
    id="event-0001",
    site="klein",
    gateway="gw-1",
    device=NODE,
    kind="link",
    channel="0",
    value=True,
    measured_at=NINE,
    clock="device",
    uncertainty_ms=5,
    received_at=NINE,
)
STATUS = GatewayStatus(site="klein", gateway="gw-1", status="online", at=NINE)
GAP = GapRecord(
    id="gap-1", site="klein", gateway="gw-1", cause="outbox_full", count=7, from_at=NINE, to_at=NINE
)
REQUEST = Request(
    id="request-1",
    site="klein",
    place="1-W1",
    action="extend",
    role="desk",
    requested_at=NINE,
    reply_to="page-1",
)


def changed(message: Message, **fields: object) -> bytes:
    return encode(msgspec.structs.replace(message, **fields))


@pytest.fixture
def subscriber(small_plan: FloorPlan) -> Subscriber:
    return Subscriber(small_plan, TOPICS)


def test_good_messages_become_facts(subscriber: Subscriber) -> None:
    health = GatewayHealth(
        site="klein",
        gateway="gw-1",
        at=NINE,
        uptime_s=1,
        outbox_rows=0,
        outbox_oldest_s=0,
        clock_synced=True,
    )
    for topic, message in (
        (EVENT_TOPIC, EVENT),
        (STATUS_TOPIC, STATUS),
        (TOPICS.gateway_health("gw-1"), health),
        (TOPICS.request("request-1"), REQUEST),
        (TOPICS.event("f1", "gw-1", "gw-1"), GAP),
    ):
        assert subscriber.read(topic, encode(message), retained=False, now=NINE) == message


def test_an_event_that_the_broker_had_kept_says_so(subscriber: Subscriber) -> None:
    fact = subscriber.read(EVENT_TOPIC, encode(EVENT), retained=True, now=NINE)
    assert isinstance(fact, SensorEvent)
    assert fact.retained


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        pytest.param(EVENT_TOPIC, b"\x00\xff", "not_json", id="noise is no message"),
        pytest.param(EVENT_TOPIC, b"{}", "schema", id="an empty object is no message"),
        pytest.param(EVENT_TOPIC, changed(EVENT, v=9), "schema_version", id="a message of another version"),
        pytest.param(EVENT_TOPIC, encode(STATUS), "wrong_type", id="a status where an event belongs"),
        pytest.param(EVENT_TOPIC, b" " * 70_000, "oversize", id="a message that is far too long"),
        pytest.param(EVENT_TOPIC, changed(EVENT, value=3), "impossible_value", id="a link that is 3"),
        pytest.param(
            EVENT_TOPIC,
            changed(EVENT, received_at=NINE + timedelta(hours=2)),
            "future_time",
            id="a gateway whose clock runs two hours ahead",
        ),
        pytest.param(EVENT_TOPIC, changed(EVENT, site="other"), "wrong_site", id="another site's event"),
        pytest.param(
            EVENT_TOPIC,
            changed(EVENT, gateway="gw-2"),
            "topic_mismatch",
            id="topic and event name two gateways",
        ),
        pytest.param(
            TOPICS.event("f1", "gw-1", "dsp1-ffff"),
            changed(EVENT, device="dsp1-ffff"),
            "unknown_device",
            id="a device that is not in the floor plan",
        ),
        pytest.param(
            TOPICS.event("f1", "gw-9", NODE),
            changed(EVENT, gateway="gw-9"),
            "wrong_gateway",
            id="a device behind a gateway it does not hang on",
        ),
        pytest.param(
            TOPICS.gateway_status("gw-9"),
            changed(STATUS, gateway="gw-9"),
            "unknown_gateway",
            id="a stray gateway",
        ),
        pytest.param(
            TOPICS.request("request-2"), encode(REQUEST), "topic_mismatch", id="a request on another's topic"
        ),
        pytest.param(
            TOPICS.request("request-1"),
            changed(REQUEST, place="9-X1"),
            "unknown_place",
            id="a wish for no place",
        ),
        pytest.param(TOPICS.ingest_health(), encode(STATUS), "unknown_topic", id="what is only for others"),
        pytest.param("elsewhere/at/all", encode(EVENT), "unknown_topic", id="a topic of another system"),
    ],
)
def test_refusals_say_why(subscriber: Subscriber, topic: str, payload: bytes, reason: str) -> None:
    refused = subscriber.read(topic, payload, retained=False, now=NINE)
    assert isinstance(refused, Rejected)
    assert refused.reason == reason
    assert refused.payload == payload


topics = st.one_of(
    st.sampled_from([EVENT_TOPIC, STATUS_TOPIC, TOPICS.request("request-1")]),
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["plekvrij", "v1", "klein", "3", "event", "gateway", "status", "+", "#", ""])
    ).map("/".join),
)
payloads = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    ).map(msgspec.json.encode),
    st.dictionaries(
        st.sampled_from(["v", "type", "id", "site", "gateway", "value", "measured_at", "at", "status"]),
        st.sampled_from([1, "sensor_event", "gateway_status", "klein", "gw-1", None, "2026-11-23T09:00:00"]),
    ).map(msgspec.json.encode),
)


@given(topic=topics, payload=payloads, retained=st.booleans())
def test_no_garbage_raises(topic: str, payload: bytes, retained: bool, small_plan: FloorPlan) -> None:
    Subscriber(small_plan, TOPICS).read(topic, payload, retained=retained, now=NINE)


def test_long_rubbish_is_cut_and_the_same_rubbish_is_known_again() -> None:
    rubbish = Rejected("not_json", "x" * 9000, "t" * 9000, b"y" * 9000)
    fingerprint, _, detail, topic, payload, _, _ = rubbish.row(0)
    assert len(payload) == MAX_QUARANTINE_PAYLOAD_BYTES
    assert max(len(detail), len(topic)) < 1000
    assert fingerprint == Rejected("not_json", "other words", "t" * 9000, b"y" * 9000).fingerprint
    assert fingerprint != Rejected("not_json", "x", "t" * 9000, b"y" * 9001).fingerprint


@pytest.mark.parametrize(
    ("place", "waited_s", "late"),
    [
        pytest.param("1-W1", 59, False, id="a wish of a minute ago still counts"),
        pytest.param("1-W1", 61, True, id="an older one may hit somebody else"),
        pytest.param(None, 86_400, False, id="the stop switch never expires"),
    ],
)
def test_late_requests(place: str | None, waited_s: int, late: bool) -> None:
    request = msgspec.structs.replace(REQUEST, place=place)
    assert is_too_late(request, NINE + timedelta(seconds=waited_s), timedelta(seconds=60)) is late
