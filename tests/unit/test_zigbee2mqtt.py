"""Zigbee2MQTT: what messages mean, what is only repeated, and that no message makes the decoder stumble."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.zigbee2mqtt import MAX_DEVICES, Zigbee2MqttDecoder
from workplace.ports import MessageDecoder
from workplace.readings import Decoded, Reading

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Bridge:
    """A decoder and the messages of one bridge."""

    def __init__(self, base: str = "zigbee2mqtt") -> None:
        self.base = base
        self.decoder: MessageDecoder = Zigbee2MqttDecoder(base)

    def raw(self, name: str, payload: bytes, *, retained: bool = False) -> Decoded:
        return self.decoder.decode(f"{self.base}/{name}", payload, retained=retained, now=NOW)

    def says(self, name: str, *, retained: bool = False, **message: Any) -> list[Reading]:
        decoded = self.raw(name, json.dumps(message).encode(), retained=retained)
        assert (decoded.fault, decoded.device) == (None, name)
        return list(decoded.readings)

    def knows(self, name: str, **definition: Any) -> None:
        devices = [{"friendly_name": "Coordinator"}, {"friendly_name": name, "definition": definition}]
        self.raw("bridge/devices", json.dumps(devices).encode(), retained=True)


def of(readings: list[Reading], kind: str) -> list[Any]:
    return [reading.value for reading in readings if reading.kind == kind]


def is_cached(readings: list[Reading]) -> bool:
    (reading,) = [reading for reading in readings if reading.kind == "motion"]
    return bool(reading.extra.get("cached"))


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        pytest.param({"exposes": [{"property": "occupancy"}]}, "motion", id="a PIR"),
        pytest.param(
            {"exposes": [{"property": "occupancy"}, {"property": "target_distance"}]},
            "occupancy",
            id="a device that measures distance is a radar",
        ),
        pytest.param(
            {"description": "24 GHz human presence sensor", "exposes": [{"property": "occupancy"}]},
            "occupancy",
            id="a presence sensor by its description",
        ),
        pytest.param({"model": "SNZB-06P"}, "occupancy", id="a radar by its model"),
        pytest.param({"exposes": None}, "motion", id="a device that exposes nothing"),
    ],
)
def test_the_bridge_tells_pir_from_radar(definition: dict[str, Any], kind: str) -> None:
    bridge = Bridge()
    bridge.knows("hall", **definition)
    (reading,) = bridge.says("hall", occupancy=True)
    assert (reading.kind, reading.value) == (kind, True)


def test_a_radar_with_its_own_pir_says_both() -> None:
    readings = Bridge().says("fp300", presence=True, pir_detection=False)
    assert (of(readings, "occupancy"), of(readings, "motion")) == ([True], [False])


@pytest.mark.parametrize(
    ("first", "second", "cached"),
    [
        pytest.param(
            {"occupancy": True}, {"occupancy": True}, False, id="the same again is the sensor again"
        ),
        pytest.param(
            {"occupancy": True, "illuminance": 5},
            {"occupancy": True, "illuminance": 6},
            True,
            id="light changed",
        ),
        pytest.param(
            {"occupancy": False, "illuminance": 5},
            {"occupancy": True, "illuminance": 6},
            False,
            id="motion after no motion, light or not",
        ),
        pytest.param(
            {"battery": 9}, {"battery": 9, "occupancy": True}, False, id="motion after no word of it"
        ),
        pytest.param(
            {"occupancy": True, "linkquality": 5},
            {"occupancy": True, "linkquality": 9},
            False,
            id="another signal strength is no other news",
        ),
        pytest.param(
            {"occupancy": True, "last_seen": "2026-11-23T08:59:00Z"},
            {"occupancy": True, "last_seen": "2026-11-23T08:59:00Z"},
            True,
            id="not heard since: the bridge repeats",
        ),
        pytest.param(
            {"occupancy": True, "last_seen": "2026-11-23T08:58:00Z"},
            {"occupancy": True, "last_seen": "2026-11-23T08:59:00Z"},
            False,
            id="heard again: the sensor repeats",
        ),
        pytest.param(
            {"occupancy": "true", "illuminance": 5},
            {"occupancy": True, "illuminance": 5},
            True,
            id="true as text is true too",
        ),
    ],
)
def test_cached_motion_is_marked(first: dict[str, Any], second: dict[str, Any], cached: bool) -> None:
    bridge = Bridge()
    bridge.says("pir", **first)
    assert is_cached(bridge.says("pir", **second)) is cached


def test_a_retained_message_is_marked_and_known_when_it_is_repeated() -> None:
    bridge = Bridge()
    (reading, _) = bridge.says("pir", retained=True, occupancy=True, illuminance=5)
    assert reading.extra == {"retained": True}
    assert is_cached(bridge.says("pir", occupancy=True, illuminance=6))


def test_a_missing_or_empty_key_is_no_news() -> None:
    readings = Bridge().says("pir", occupancy=None, presence=None, battery=None, voltage="", state=None)
    assert readings == []


def test_numbers_as_text_from_old_installations() -> None:
    readings = Bridge().says("pir", battery="97", voltage="3015", temperature="21.5", occupancy="false")
    assert [(reading.kind, reading.value) for reading in readings] == [
        ("motion", False),
        ("battery_voltage", 3.015),
        ("battery", 97),
        ("temperature", 21.5),
    ]


@pytest.mark.parametrize(
    ("last_seen", "expected"),
    [
        pytest.param("2026-11-23T08:59:58.500Z", "2026-11-23T08:59:58.500000+00:00", id="ISO 8601"),
        pytest.param("2026-11-23T09:59:58+01:00", "2026-11-23T08:59:58+00:00", id="ISO 8601 with local time"),
        pytest.param(1795424398500, "2026-11-23T08:59:58.500000+00:00", id="milliseconds"),
        pytest.param("2026-11-23T08:59:58", None, id="without a zone nobody knows when"),
        pytest.param("1970-01-01T00:00:10Z", None, id="a clock that was never set"),
        pytest.param("2026-11-23T09:05:01Z", None, id="the future"),
        pytest.param("yesterday", None, id="nonsense"),
        pytest.param(1e300, None, id="a number out of this world"),
    ],
)
def test_last_seen_is_when_it_was_measured(last_seen: Any, expected: str | None) -> None:
    (reading,) = Bridge().says("pir", occupancy=True, last_seen=last_seen)
    assert (reading.measured_at.isoformat() if reading.measured_at else None) == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        pytest.param("region_3_occupied", ("occupancy", True, "region_3"), id="a region is surely occupied"),
        pytest.param(
            "region_10_unoccupied", ("occupancy", False, "region_10"), id="a region is surely empty"
        ),
        pytest.param("region_3_enter", ("region_event", "enter", "region_3"), id="entering is only a hint"),
        pytest.param("single", ("button", "single", None), id="a button"),
    ],
)
def test_actions(action: str, expected: tuple[str, object, str | None]) -> None:
    (reading,) = Bridge().says("fp1", action=action)
    assert (reading.kind, reading.value, reading.zone) == expected


def test_a_lamp_that_is_on_is_no_radar_that_moves() -> None:
    assert Bridge().says("lamp", state="ON", brightness=3) == []
    assert of(Bridge().says("zy", state="presence", presence=True), "radar_state") == ["presence"]


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        pytest.param("pir/availability", b"online", [("pir", "device", True)], id="as text"),
        pytest.param("pir/availability", b'{"state":"offline"}', [("pir", "device", False)], id="as JSON"),
        pytest.param(
            "hal 2/links/availability", b"offline", [("hal 2/links", "device", False)], id="odd name"
        ),
        pytest.param("pir/availability", b"", [], id="deleted"),
        pytest.param("bridge/state", b"online", [("zigbee2mqtt", "bridge", True)], id="the bridge is there"),
        pytest.param(
            "bridge/state",
            b'{"state":"offline"}',
            [("zigbee2mqtt", "bridge", False)],
            id="the bridge is gone",
        ),
        pytest.param(
            "bridge/event",
            b'{"type":"device_leave","data":{"friendly_name":"pir"}}',
            [("pir", "device", False)],
            id="a device left the network",
        ),
        pytest.param("bridge/event", b'{"type":"device_announce","data":{}}', [], id="a device said hello"),
        pytest.param("bridge/info", b'{"version":"2"}', [], id="other words of the bridge"),
    ],
)
def test_availability(name: str, payload: bytes, expected: list[tuple[str, str, bool]]) -> None:
    decoded = Bridge().raw(name, payload, retained=True)
    assert decoded.fault is None
    assert [(item.device, item.scope, item.value) for item in decoded.readings] == expected


@pytest.mark.parametrize(
    "name", ["floor 3/pir by the window", "0x00158d0002006aa6", "Büro/3", "availability pir", "settings"]
)
def test_names_may_hold_blanks_and_slashes(name: str) -> None:
    bridge = Bridge("gebouw/z2m")
    assert of(bridge.says(name, occupancy=True), "motion") == [True]


@pytest.mark.parametrize(
    ("name", "payload", "fault"),
    [
        pytest.param("pir", b"{", "not_json", id="cut JSON"),
        pytest.param("pir", b'{"battery": NaN}', "not_json", id="NaN is not JSON"),
        pytest.param("pir", b"\xff\xfe", "not_json", id="no text"),
        pytest.param("pir", b"[" * 100_000, "oversize", id="very deep and very long"),
        pytest.param("pir", b"[" * 60_000, "not_json", id="very deep"),
        pytest.param("pir", b"true", "not_an_object", id="one attribute per topic"),
        pytest.param("pir/availability", b"maybe", "unknown_availability", id="an unknown word"),
        pytest.param("pir/availability", b"{]", "not_json", id="cut availability"),
        pytest.param("bridge/devices", b"[{", "not_json", id="cut list of devices"),
    ],
)
def test_bad_messages_are_faults(name: str, payload: bytes, fault: str) -> None:
    decoded = Bridge().raw(name, payload)
    assert (decoded.fault, decoded.readings) == (fault, ())


@pytest.mark.parametrize("topic", ["other/pir", "zigbee2mqtt", "zigbee2mqttx/pir", "zigbee2mqtt/pir/set"])
def test_topics_of_others_and_commands_say_nothing(topic: str) -> None:
    decoded = Zigbee2MqttDecoder().decode(topic, b'{"occupancy":true}', retained=False, now=NOW)
    assert decoded == Decoded()


def test_invented_topics_take_bounded_memory() -> None:
    decoder = Zigbee2MqttDecoder()
    for number in range(MAX_DEVICES + 10):
        decoder.decode(f"zigbee2mqtt/{number}", b'{"occupancy":true}', retained=False, now=NOW)
    assert len(decoder._devices) == MAX_DEVICES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
DEFINITION = st.fixed_dictionaries({}, optional={"model": JSON, "description": JSON, "exposes": JSON})
KEYS = st.sampled_from(
    ["occupancy", "presence", "action", "state", "voltage", "battery", "last_seen", "illuminance", "contact"]
)


@given(
    st.sampled_from(["pir", "pir/availability", "bridge/state", "bridge/devices", "bridge/event"]),
    JSON
    | st.dictionaries(KEYS, JSON)
    | st.lists(st.fixed_dictionaries({"friendly_name": JSON, "definition": DEFINITION})),
)
def test_no_document_makes_the_decoder_raise(name: str, document: Any) -> None:
    bridge = Bridge()
    for _ in range(2):
        decoded = bridge.raw(name, json.dumps(document).encode())
        assert all(reading.value is not None for reading in decoded.readings)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_raise(payload: bytes) -> None:
    for name in ("pir", "pir/availability", "bridge/state", "bridge/devices"):
        Bridge().raw(name, payload)
