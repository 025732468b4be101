"""What the pages believe: the newest message wins, only live words are a sign of life, screens get no gap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dashboard.live_feed import QUEUE_EVENTS, LiveFeed
from dashboard.live_site import DECISIONS_PER_PLACE, LiveSite
from dashboard.requests import RequestClient, RequestUnanswered, new_request_id
from dashboard.settings import DashboardSettings
from workplace import codec, floor_plan
from workplace.events import Decision, GatewayHealth, GatewayStatus, PlaceState, Reply, Request, ZoneState
from workplace.message import Message
from workplace.ports import Received
from workplace.topics import Topics

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
TOPICS = Topics(PLAN.site)
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class StandingClock:
    speed = 1.0

    def __init__(self) -> None:
        self.at = NINE

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Seconds:
    """A monotonic clock that tests push."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


def place_state(place: str = "3-S01", phase: str = "free", **more: Any) -> PlaceState:
    found = PLAN.place[place]
    fields: dict[str, Any] = {
        "site": PLAN.site,
        "floor": found.floor,
        "zone": found.zone,
        "place": place,
        "phase": phase,
        "occupancy": "free",
        "since": NINE,
        "mode": "active",
        "as_of": NINE,
        "expires_at": NINE + timedelta(hours=1),
    }
    return PlaceState(**(fields | more))


def zone_state(zone: str = "3-stilte", free: int = 5, **more: Any) -> ZoneState:
    capacity = len(PLAN.zone[zone].places)
    fields: dict[str, Any] = {
        "site": PLAN.site,
        "floor": PLAN.zone[zone].floor,
        "zone": zone,
        "free": free,
        "reclaimable": 0,
        "in_use": capacity - free,
        "unknown": 0,
        "exempt": 0,
        "capacity": capacity,
        "scarce": False,
        "calendar": "work",
        "mode": "active",
        "coverage_pct": 98.0,
        "as_of": NINE,
        "expires_at": NINE + timedelta(minutes=1),
    }
    return ZoneState(**(fields | more))


def tell(live: LiveSite, message: Message, *, retained: bool = False) -> None:
    topic = {
        PlaceState: lambda m: TOPICS.place_state(m.place),
        ZoneState: lambda m: TOPICS.zone_state(m.zone),
        GatewayStatus: lambda m: TOPICS.gateway_status(m.gateway),
        GatewayHealth: lambda m: TOPICS.gateway_health(m.gateway),
        Decision: lambda m: TOPICS.decision(m.zone),
    }[type(message)](message)
    live.feed(Received(topic, codec.encode(message), retained))


def make_live(seconds: Callable[[], float] | None = None) -> LiveSite:
    return LiveSite(PLAN, StandingClock(), monotonic=seconds or Seconds())


def test_the_newest_state_wins() -> None:
    live = make_live()
    tell(live, place_state(phase="free"))
    tell(live, place_state(phase="in_use"))
    assert live.snapshot().places["3-S01"].phase == "in_use"


def test_a_retained_state_fills_the_picture_but_is_no_sign_of_life() -> None:
    seconds = Seconds()
    live = make_live(seconds)
    tell(live, zone_state(), retained=True)
    assert live.snapshot().zones["3-stilte"].free == 5
    assert "3-stilte" not in live.snapshot().zone_age_s
    tell(live, zone_state())
    seconds.value += 7
    tell(live, zone_state(), retained=True)  # a reconnect brings the retained one again
    assert live.snapshot().zone_age_s["3-stilte"] == 7


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        pytest.param(TOPICS.zone_state("3-stilte"), b"{", "not_json", id="broken JSON is counted"),
        pytest.param(
            TOPICS.zone_state("3-stilte"),
            codec.encode(place_state()),
            "wrong_type",
            id="another type is counted",
        ),
        pytest.param("elsewhere/x", b"{}", "unexpected_topic", id="a foreign topic is counted"),
        pytest.param(
            TOPICS.place_state("3-S01"),
            codec.encode(place_state(site="elders")),
            "wrong_site",
            id="a place of another site is counted",
        ),
        pytest.param(
            TOPICS.place_state("3-S02"),
            codec.encode(place_state("3-S01")),
            "topic_mismatch",
            id="a place on the topic of another is counted",
        ),
        pytest.param(
            TOPICS.zone_state("3-stilte"),
            codec.encode(zone_state("3-samenwerken")),
            "topic_mismatch",
            id="a zone on the topic of another is counted",
        ),
        pytest.param(
            TOPICS.gateway_status("gw-4"),
            codec.encode(GatewayStatus(site=PLAN.site, gateway="gw-3", status="offline")),
            "topic_mismatch",
            id="a gateway cannot speak for another",
        ),
        pytest.param(
            TOPICS.gateway_status("gw-9"),
            codec.encode(GatewayStatus(site=PLAN.site, gateway="gw-9", status="offline")),
            "unknown_gateway",
            id="a gateway that is not on the plan is counted",
        ),
    ],
)
def test_bad_messages_are_counted_and_survived(topic: str, payload: bytes, reason: str) -> None:
    live = make_live()
    live.feed(Received(topic, payload, retained=False))
    assert live.rejected == {reason: 1}


def test_a_place_that_is_not_on_the_plan_is_counted() -> None:
    live = make_live()
    tell(live, msgspec.structs.replace(place_state(), place="9-X99"))
    assert live.rejected == {"unknown_place": 1}


def test_gateways_keep_the_order_of_the_plan_and_know_how_old_their_health_is() -> None:
    seconds = Seconds()
    live = make_live(seconds)
    tell(live, GatewayStatus(site=PLAN.site, gateway="gw-3", status="offline"))
    health = GatewayHealth(
        site=PLAN.site,
        gateway="gw-1",
        at=NINE,
        uptime_s=5,
        outbox_rows=2,
        outbox_oldest_s=1,
        clock_synced=True,
    )
    tell(live, health)
    seconds.value += 40
    views = {view.id: view for view in live.gateways()}
    assert list(views) == [gateway.id for gateway in PLAN.gateways]
    assert views["gw-1"].health_age_s == 40
    assert views["gw-3"].status is not None
    assert views["gw-0"].status is None


def test_decisions_are_kept_newest_first_without_doubles_and_bounded() -> None:
    live = make_live()
    for number in [*range(DECISIONS_PER_PLACE + 5), 24]:
        tell(
            live,
            Decision(
                id=f"decision-{number:03d}",
                site=PLAN.site,
                zone="3-samenwerken",
                place="3-S01",
                hold_id=None,
                at=NINE,
                rule="R3",
                action="hold_started",
                mode="active",
                acted=True,
                policy_hash="x",
            ),
        )
    kept = live.decisions("3-S01")
    assert len(kept) == DECISIONS_PER_PLACE
    assert kept[0].id == "decision-024"


# --- the numbered stream


def make_feed(live: LiveSite, **settings: Any) -> LiveFeed:
    return LiveFeed(PLAN, live, StandingClock(), DashboardSettings(**settings), "build-1", gather_s=0.0)


def parse(event: bytes) -> tuple[str, dict[str, Any]]:
    name, data = event.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def with_feed(feed: LiveFeed, body: Any) -> None:
    running = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(60):
            await body
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_screen_gets_a_snapshot_then_numbered_changes() -> None:
    live = make_live()
    feed = make_feed(live)
    seen: list[tuple[str, dict[str, Any]]] = []

    async def body() -> None:
        tell(live, zone_state())
        events = feed.events("f3")
        seen.append(parse(await anext(events)))
        tell(live, place_state("3-S02", "in_use"))
        seen.append(parse(await anext(events)))
        tell(live, zone_state(free=4))
        seen.append(parse(await anext(events)))
        await events.aclose()

    asyncio.run(with_feed(feed, body()))
    (first, snapshot), (second, change), (third, zone) = seen
    assert (first, second, third) == ("s", "d", "d")
    assert len(snapshot["d"]) == 65
    assert set(snapshot["d"]) == {"x"}, "what was never heard is unknown, not free"
    assert snapshot["b"] == "build-1"
    assert change["v"] == snapshot["v"] + 1
    assert change["c"] == {"1": "u"}
    assert zone["v"] == change["v"] + 1
    assert zone["z"]["2"]["n"] == 4
    assert feed.screens == 0


def test_late_screens_get_a_snapshot_of_the_same_version() -> None:
    live = make_live()
    feed = make_feed(live)

    async def body() -> None:
        first = feed.events("f3")
        await anext(first)
        tell(live, place_state("3-S01", "reclaimable"))
        _, change = parse(await anext(first))
        second = feed.events("f3")
        name, snapshot = parse(await anext(second))
        assert (name, snapshot["v"]) == ("s", change["v"])
        assert snapshot["d"][0] == "r"

    asyncio.run(with_feed(feed, body()))


def test_a_quiet_floor_still_beats_and_tells_the_age_the_server_knows() -> None:
    seconds = Seconds()
    live = make_live(seconds)
    feed = make_feed(live, heartbeat_s=0.05)

    async def body() -> None:
        tell(live, zone_state())
        events = feed.events("f3")
        await anext(events)
        seconds.value += 12
        while (beat := parse(await anext(events)))[0] != "h":
            pass
        assert beat[1]["a"] == 12.0

    asyncio.run(with_feed(feed, body()))


def test_numbers_turn_grey_and_then_vanish_without_any_message() -> None:
    seconds = Seconds()
    live = make_live(seconds)
    feed = make_feed(live, heartbeat_s=0.02)

    async def body() -> None:
        tell(live, zone_state())
        events = feed.events("f3")
        _, snapshot = parse(await anext(events))
        assert (snapshot["z"][2]["n"], snapshot["z"][2]["g"]) == (5, 0)
        seconds.value += 30
        while "z" not in (change := parse(await anext(events))[1]):
            pass
        assert (change["z"]["2"]["n"], change["z"]["2"]["g"]) == (5, round(NINE.timestamp() * 1000))
        seconds.value += 100
        while "z" not in (change := parse(await anext(events))[1]):
            pass
        assert change["z"]["2"]["n"] is None

    asyncio.run(with_feed(feed, body()))


def test_a_screen_that_cannot_keep_up_gets_a_snapshot_instead_of_its_backlog() -> None:
    live = make_live()
    feed = make_feed(live)

    async def body() -> None:
        events = feed.events("f3")
        await anext(events)
        for number in range(QUEUE_EVENTS + 20):
            tell(live, place_state("3-S01", "in_use" if number % 2 else "free"))
            await asyncio.sleep(0.001)
        received = [parse(await anext(events))]
        assert received[0][0] == "s"
        version = received[0][1]["v"]
        while version < QUEUE_EVENTS:
            name, data = parse(await anext(events))
            assert name == "d"
            assert data["v"] == version + 1
            version = data["v"]

    asyncio.run(with_feed(feed, body()))
    assert feed.resynchronised >= 1


def test_open_streams_end_when_the_feed_stops() -> None:
    live = make_live()
    feed = make_feed(live)

    async def scenario() -> int:
        running = asyncio.create_task(feed.run())
        await asyncio.sleep(0)
        events = feed.events("f3")
        await anext(events)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with asyncio.timeout(60):
            return len([event async for event in events])

    assert asyncio.run(scenario()) == 0


# --- wishes


class LoopLink:
    """A message link that answers each request after looking at it."""

    is_connected = True

    def __init__(self, answer: Callable[[Request], list[Message]]) -> None:
        self._answer = answer
        self._handlers: dict[str, Callable[[Received], None]] = {}
        self.sent: list[str] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.sent.append(topic)
        request = codec.decode(payload, Request)
        for reply in self._answer(request):
            self._handlers[TOPICS.reply(request.reply_to)](Received("", codec.encode(reply), retained=False))

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        raise NotImplementedError

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        self._handlers[topic_filter] = handler

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        raise NotImplementedError


def wish() -> Request:
    return Request(
        id=new_request_id(),
        site=PLAN.site,
        place="3-S01",
        action="extend",
        role="desk",
        requested_at=NINE,
        reply_to="x",
    )


def ask(answer: Callable[[Request], list[Message]]) -> Reply:
    async def scenario() -> Reply:
        client = RequestClient(LoopLink(answer), TOPICS, "dashboard-1", timeout_s=0.05)
        await client.listen()
        return await client.send(wish())

    return asyncio.run(scenario())


def test_a_wish_gets_its_own_answer() -> None:
    def answer(request: Request) -> list[Message]:
        assert request.reply_to == "dashboard-1"
        stranger = Reply(request_id="rq-somebody-else", accepted=False, reason="mode", at=NINE)
        return [stranger, Reply(request_id=request.id, accepted=True, reason="ok", at=NINE)]

    assert ask(answer).accepted


def test_a_silent_engine_is_told_not_hidden() -> None:
    with pytest.raises(RequestUnanswered, match=r"no answer to request rq-\w+ within 0.05 s"):
        ask(lambda _: [])


def test_an_unreadable_answer_is_survived() -> None:
    with pytest.raises(RequestUnanswered):
        ask(lambda _: [zone_state()])
