"""Rubbish on every family of topics: counted by reason, nothing falls, and the next plug is seen as ever."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from workplace.codec import encode
from workplace.events import (
    Command,
    GatewayHealth,
    GatewayStatus,
    PlaceState,
    Request,
    SensorEvent,
    ZoneState,
)
from workplace.topics import Topics

NODE = "dsp1-0001000000000001"
ZIGBEE = "z2m-pir-1-O1"
STRANGER = "dsp1-00000000deadbeef"
TOPICS = Topics("klein")
BINARY = bytes(range(256))
#: More than any message of ours may be (`codec.MAX_MESSAGE_BYTES`), less than the broker's own limit.
OVERSIZE = b'{"type":"sensor_event","id":"' + b"x" * 70_000 + b'"}'
SHOWN_WITHIN_S = 2.0

#: (topic, payload, reason in quarantine)
Rubbish = tuple[str, bytes, str]


def other_version(message: msgspec.Struct) -> bytes:
    return encode(msgspec.structs.replace(message, v=99))  # type: ignore[arg-type]


def link_event(now: datetime, **changes: Any) -> SensorEvent:
    event = SensorEvent(
        id="rubbish-0001",
        site="klein",
        gateway="gw-1",
        device=NODE,
        kind="link",
        value=True,
        channel="0",
        measured_at=now,
        clock="device",
        uncertainty_ms=5,
        received_at=now,
    )
    return msgspec.structs.replace(event, **changes)


def event_rubbish(now: datetime) -> list[Rubbish]:
    """What a gateway that went mad could say about its devices."""
    fine = link_event(now)
    topic = TOPICS.event("f1", "gw-1", NODE)
    unknown = link_event(now, device=STRANGER)
    return [
        (topic, BINARY, "not_json"),
        (topic, b"", "not_json"),
        (topic, OVERSIZE, "oversize"),
        (topic, other_version(fine), "schema_version"),
        (topic, b'{"type":"sensor_event","v":1}', "schema"),
        (topic, encode(GatewayStatus(site="klein", gateway="gw-1", status="online")), "wrong_type"),
        (TOPICS.event("f1", "gw-1", STRANGER), encode(unknown), "unknown_device"),
        (topic, encode(link_event(now, value=7)), "impossible_value"),
        (topic, encode(link_event(now, measured_at=now + timedelta(hours=1))), "impossible_value"),
        (topic, encode(link_event(now, received_at=now + timedelta(hours=1))), "future_time"),
        (topic, encode(link_event(now, site="elders")), "wrong_site"),
        (TOPICS.event("f1", "gw-1", ZIGBEE), encode(fine), "topic_mismatch"),
        (f"plekvrij/v1/klein/99/event/gw-1/{NODE}", encode(fine), "unknown_topic"),
    ]


def gateway_rubbish(now: datetime) -> list[Rubbish]:
    """What a gateway that went mad could say about itself; none of it is retained."""
    status = GatewayStatus(site="klein", gateway="gw-1", status="online", at=now)
    health = GatewayHealth(
        site="klein", gateway="gw-1", at=now, uptime_s=1, outbox_rows=0, outbox_oldest_s=0, clock_synced=True
    )
    status_topic, health_topic = TOPICS.gateway_status("gw-1"), TOPICS.gateway_health("gw-1")
    other = msgspec.structs.replace(status, gateway="gw-9")
    return [
        (status_topic, BINARY, "not_json"),
        (status_topic, encode(other), "topic_mismatch"),
        (status_topic, other_version(status), "schema_version"),
        (health_topic, OVERSIZE, "oversize"),
        (health_topic, encode(msgspec.structs.replace(health, site="elders")), "wrong_site"),
        (health_topic, encode(msgspec.structs.replace(health, uptime_s=float("nan"))), "schema"),
        ("plekvrij/v1/klein/gateway/gw-1/nonsense", encode(status), "unknown_topic"),
    ]


def request_rubbish(now: datetime) -> list[Rubbish]:
    """What a page that went mad could ask for."""
    request = Request(
        id="rubbish-0002", site="klein", place="1-W1", action="release", role="staff", requested_at=now,
        reply_to="nobody",
    )  # fmt: skip
    topic = TOPICS.request(request.id)
    return [
        (topic, BINARY, "not_json"),
        (topic, other_version(request), "schema_version"),
        (topic, encode(msgspec.structs.replace(request, site="elders")), "wrong_site"),
        (topic, encode(msgspec.structs.replace(request, place="9-Z9")), "unknown_place"),
        (TOPICS.request("rubbish-0003"), encode(request), "topic_mismatch"),
        (topic, encode(request).replace(b'"release"', b'"dismiss"'), "schema"),
    ]


def state_rubbish(now: datetime) -> list[Rubbish]:
    """What an ingest that went mad could tell pages; these counts stand under `rejected`."""
    place = PlaceState(
        site="klein", floor="f9", zone="9-z", place="9-Z9", phase="free", occupancy="free", since=now,
        mode="active", as_of=now, expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    zone = ZoneState(
        site="klein", floor="f9", zone="9-z", free=99, reclaimable=0, in_use=0, unknown=0, exempt=0, capacity=99,
        scarce=False, calendar="work", mode="active", coverage_pct=100, as_of=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    return [
        (TOPICS.place_state("9-Z9"), encode(place), "unknown_place"),
        (TOPICS.zone_state("9-z"), encode(zone), "unknown_zone"),
        (TOPICS.place_state("1-W1"), BINARY, "not_json"),
        (TOPICS.zone_state("1-werken"), OVERSIZE, "oversize"),
        (TOPICS.zone_state("1-werken"), other_version(zone), "schema_version"),
        (TOPICS.zone_state("1-werken"), encode(zone), "topic_mismatch"),
        (TOPICS.place_state("9-Z9"), encode(msgspec.structs.replace(place, site="elders")), "wrong_site"),
        (TOPICS.decision("1-werken"), encode(zone), "wrong_type"),
        (TOPICS.ingest_health(), b'{"type":"ingest_health","v":1}', "schema"),
        ("plekvrij/v1/klein/state/nonsense/1-W1", BINARY, "unexpected_topic"),
    ]


def device_rubbish() -> list[tuple[str, bytes]]:
    """What Zigbee devices and their bridge could say; the gateway counts these for itself."""
    base = "zigbee2mqtt-1"
    payloads = [BINARY, OVERSIZE, b"[]", b'{"occupancy":"perhaps"}', b'{"occupancy":1e999}', b"{" * 5000]
    names = [
        "pir-1-O1",
        "pir-1-O1/availability",
        "bridge/state",
        "bridge/devices",
        "bridge/event",
        "stranger",
    ]
    return [(f"{base}/{name}", payload) for name in names for payload in payloads]


def command_rubbish(now: datetime) -> list[tuple[str, bytes]]:
    """What an ingest that went mad could tell a gateway."""
    command = Command(
        id="rubbish-0004", site="klein", gateway="gw-1", device=NODE, channel="0", light="free", issued_at=now,
        valid_until=now + timedelta(minutes=15),
    )  # fmt: skip
    topic = TOPICS.command("gw-1", NODE)
    changes: list[dict[str, Any]] = [
        {"channel": "99"}, {"channel": "first"}, {"channel": None}, {"device": STRANGER}, {"gateway": "gw-9"},
        {"site": "elders"}, {"valid_until": now - timedelta(hours=1)},
    ]  # fmt: skip
    mad = [encode(msgspec.structs.replace(command, **change)) for change in changes]
    return [(topic, payload) for payload in (BINARY, OVERSIZE, other_version(command), *mad)]


@pytest.mark.timeout(400)
def test_rubbish_is_counted_by_reason_and_stops_nobody(
    tmp_path: Path,
    small_plan_file: Path,
    free_port: int,
    desk_node: Callable[..., Any],
    site_api: Any,
    until: Callable[..., Any],
) -> None:
    node = desk_node(tmp_path / "site", NODE, 8)
    settings = SiteProcessSettings(
        site=wiring.read_site(small_plan_file, None),
        folder=tmp_path / "site",
        clock=clocks.scaled_clock(datetime.now(UTC), 1.0),
        port=free_port,
        building=False,
    )

    async def story() -> None:
        await node.start()
        try:
            async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
                await _survives(processes, settings, node, site_api, until)
        finally:
            await node.stop()

    asyncio.run(story())
    for log in (tmp_path / "site" / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text("utf-8"), log


async def _survives(
    processes: SiteProcesses, settings: SiteProcessSettings, node: Any, api: Any, until: Callable[..., Any]
) -> None:
    async def is_ok() -> bool:
        return bool((await api.get("health"))["status"] == "ok")

    await until(is_ok, within_s=60, what="the site is well")
    pids = {name: child.pid for name, child in processes.children.items()}
    wanted, refused = await _publish_all(processes, settings.clock.now())

    async def is_counted() -> bool:
        health = await api.get("health")
        return bool(health["quarantined"] == wanted and health["rejected"] == refused)

    await until(is_counted, within_s=60, what=f"quarantine of {wanted} and {refused}")

    async def is_in_use() -> bool:
        return bool((await api.phases())["1-W3"] == "in_use")

    assert not await is_in_use()
    await node.toggle(2)
    await until(is_in_use, within_s=SHOWN_WITHIN_S, what="the dock after the rubbish is shown")
    assert {name: child.pid for name, child in processes.children.items()} == pids
    assert all(child.restarts == 0 for child in processes.children.values())
    assert await is_ok(), await api.get("health")


async def _publish_all(processes: SiteProcesses, now: datetime) -> tuple[Counter[str], Counter[str]]:
    """Publish everything with the users that may; return what ingest and what the pages should have counted."""
    assert processes.broker is not None
    users = processes.broker.credentials
    told: dict[str, list[Rubbish]] = {
        "gw-1": event_rubbish(now) + gateway_rubbish(now),
        "dashboard": request_rubbish(now),
        "ingest": state_rubbish(now),
    }
    uncounted = {"devices": device_rubbish(), "ingest": command_rubbish(now)}
    async with AsyncExitStack() as stack:
        links: dict[str, MqttLink] = {}
        for user in ("gw-1", "dashboard", "ingest", "devices"):
            address = BrokerAddress(processes.broker_url, user, users[user].password)
            links[user] = await stack.enter_async_context(MqttLink(address, f"mad-{user}"))
        for user, rubbish in told.items():
            for topic, payload, _ in rubbish:
                await links[user].publish(topic, payload)
        for user, messages in uncounted.items():
            for topic, payload in messages:
                await links[user].publish(topic, payload)
    quarantined = Counter(reason for user in ("gw-1", "dashboard") for _, _, reason in told[user])
    # Pages read what gateways say of themselves too.
    rejected = Counter(reason for _, _, reason in [*told["ingest"], *gateway_rubbish(now)])
    del rejected["unknown_topic"]
    rejected["unexpected_topic"] += 1
    return quarantined, rejected
