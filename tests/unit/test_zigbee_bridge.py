"""The simulated Zigbee2MQTT bridge says what a real one says, when a real one says it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from simulators.zigbee import Publication, ZigbeeBridge

EIGHT = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
NAMES = ["pir-1-O01", "pir-1-O02"]


@pytest.fixture
def bridge() -> ZigbeeBridge:
    return ZigbeeBridge("zigbee2mqtt-1", NAMES, 3, EIGHT)


def after(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def news(publications: list[Publication]) -> list[tuple[str, Any]]:
    """Return (topic, occupancy or None when the key is absent)."""
    return [(p.topic, json.loads(p.payload).get("occupancy")) for p in publications]


def play(bridge: ZigbeeBridge, until: datetime) -> Iterator[tuple[datetime, Publication]]:
    while bridge.wake_at <= until:
        at = bridge.wake_at
        for publication in bridge.due(at):
            yield at, publication


def test_what_is_retained_tells_who_is_there(bridge: ZigbeeBridge) -> None:
    opening = {p.topic: json.loads(p.payload) for p in bridge.opening()}
    assert all(p.retain for p in bridge.opening())
    assert opening["zigbee2mqtt-1/bridge/state"] == {"state": "online"}
    assert opening["zigbee2mqtt-1/pir-1-O01/availability"] == {"state": "online"}
    assert bridge.will == ("zigbee2mqtt-1/bridge/state", b'{"state":"offline"}')
    coordinator, first, second = opening["zigbee2mqtt-1/bridge/devices"]
    assert coordinator["type"] == "Coordinator"
    assert [first["friendly_name"], second["friendly_name"]] == NAMES
    assert first["ieee_address"] != second["ieee_address"]
    exposes = {entry["property"]: entry for entry in first["definition"]["exposes"]}
    assert first["definition"]["model"] == "RTCGQ11LM"
    assert exposes["occupancy"]["value_on"] is True
    assert set(exposes) == {"occupancy", "illuminance", "battery", "voltage", "linkquality"}


def test_a_hit_is_a_report_with_all_its_keys(bridge: ZigbeeBridge) -> None:
    [report] = bridge.hit("pir-1-O02", after(1.5))
    assert report.topic == "zigbee2mqtt-1/pir-1-O02"
    assert not report.retain
    payload = json.loads(report.payload)
    assert payload["occupancy"] is True
    assert payload["last_seen"] == "2026-09-15T08:00:01.500Z"
    assert 0 <= payload["battery"] <= 100
    assert 1 <= payload["linkquality"] <= 255
    assert payload["illuminance"] > 0


@pytest.mark.parametrize(
    ("hits_s", "told_s"),
    [
        pytest.param([0], [(0, True), (90, False)], id="one hit ends after 90 s"),
        pytest.param([0, 59.9], [(0, True), (90, False)], id="a hit within 60 s is not heard"),
        pytest.param([0, 60], [(0, True), (60, True), (150, False)], id="a later one prolongs"),
        pytest.param(
            [0, 200],
            [(0, True), (90, False), (200, True), (290, False)],
            id="two far apart are two occupancies",
        ),
    ],
)
def test_blind_time_and_clearing(
    bridge: ZigbeeBridge, hits_s: list[float], told_s: list[tuple[float, bool]]
) -> None:
    told: list[tuple[float, bool]] = []

    def note(at: datetime, publications: list[Publication]) -> None:
        told.extend(
            ((at - EIGHT).total_seconds(), value)
            for topic, value in news(publications)
            if topic.endswith("O01") and value is not None
        )

    for hit_s in hits_s:
        for at, publication in play(bridge, after(hit_s)):
            note(at, [publication])
        note(after(hit_s), bridge.hit("pir-1-O01", after(hit_s)))
    assert bridge.has_open_occupancy
    for at, publication in play(bridge, after(400)):
        note(at, [publication])
    assert told == told_s
    assert not bridge.has_open_occupancy


def test_a_heartbeat_comes_about_every_hour_and_says_nothing_of_occupancy(bridge: ZigbeeBridge) -> None:
    beats = [
        (at, publication)
        for at, publication in play(bridge, EIGHT + timedelta(hours=24))
        if publication.topic.endswith("O01")
    ]
    assert 24 <= len(beats) <= 30  # every 50-60 min (zigbee2mqtt.io, RTCGQ11LM)
    assert all("occupancy" not in json.loads(publication.payload) for _, publication in beats)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(beats)]
    assert min(gaps) >= timedelta(minutes=50)
    assert max(gaps) <= timedelta(minutes=60)


def test_a_late_turn_sends_everything_once(bridge: ZigbeeBridge) -> None:
    bridge.hit("pir-1-O01", EIGHT)
    late = bridge.due(EIGHT + timedelta(hours=5))
    assert Counter(news(late)) == {
        ("zigbee2mqtt-1/pir-1-O01", False): 1,
        ("zigbee2mqtt-1/pir-1-O01", None): 1,
        ("zigbee2mqtt-1/pir-1-O02", None): 1,
    }
    assert bridge.due(EIGHT + timedelta(hours=5)) == []


def test_a_bridge_without_devices_sleeps() -> None:
    empty = ZigbeeBridge("z", [], 0, EIGHT)
    assert empty.wake_at > EIGHT + timedelta(days=365)
    assert [p.topic for p in empty.opening()] == ["z/bridge/state", "z/bridge/devices"]
