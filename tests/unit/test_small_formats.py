"""The small device families: what single messages mean, and that no input makes any built format stumble."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.crc import VARIANTS, crc16
from firmware_bridge.formats.esphome import EsphomeDecoder
from firmware_bridge.formats.ld24xx import decode_ld2410, decode_ld2450
from firmware_bridge.formats.mysensors import MySensorsDecoder
from firmware_bridge.formats.shelly import ShellyGen1Decoder, ShellyGen2Decoder
from firmware_bridge.formats.slip import SlipInvalid, slip_decode
from firmware_bridge.formats.tasmota import TasmotaDecoder
from firmware_bridge.registry import FORMATS
from firmware_bridge.vector_input import VectorInput
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def decode(decoder: MessageDecoder, topic: str, payload: Any) -> Decoded:
    raw = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
    return decoder.decode(topic, raw, retained=False, now=NOW)


def shape(decoded: Decoded) -> list[tuple[str, object]]:
    return [(reading.kind, reading.value) for reading in decoded.readings]


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        pytest.param("desk/12/binary_sensor/pir/state", "OFF", [("motion", False)], id="a PIR by its name"),
        pytest.param(
            "desk/12/binary_sensor/dock_sense/state", "ON", [("link", True)], id="a dock by its name"
        ),
        pytest.param("desk/12/binary_sensor/window/state", "ON", [], id="a window says nothing of people"),
        pytest.param("desk/12/binary_sensor/pir/state", "", [], id="deleted"),
        pytest.param("desk/12/sensor/room_temperature/state", "21.5", [("temperature", 21.5)], id="a number"),
        pytest.param("desk/12/sensor/room_temperature/state", "nan", [], id="no number"),
        pytest.param("desk/12/light/led/state", '{"state":"ON"}', [], id="its own light"),
        pytest.param("desk/12/status", "online", [("availability", True)], id="birth"),
    ],
)
def test_esphome(topic: str, payload: str, expected: list[tuple[str, object]]) -> None:
    decoded = decode(EsphomeDecoder(), topic, payload)
    assert (decoded.device, shape(decoded)) == ("desk/12", expected)


def test_tasmota_gives_local_time_without_a_zone() -> None:
    decoder = TasmotaDecoder(ZoneInfo("Europe/Amsterdam"))
    (reading,) = decode(
        decoder, "tele/desk/SENSOR", {"Time": "2026-11-23T10:00:00", "Switch1": "OFF"}
    ).readings
    assert (reading.value, reading.measured_at) == (False, NOW)
    for unset in ("1970-01-01T00:00:09", "2026-11-23T10:06:00", None):
        (reading,) = decode(decoder, "tele/desk/SENSOR", {"Time": unset, "Switch1": "ON"}).readings
        assert reading.measured_at is None


def test_a_tasmota_radar_that_sees_nobody_says_nothing() -> None:
    assert decode(TasmotaDecoder(), "tele/desk/SENSOR", {"LD2410": {}}).readings == ()


def test_a_shelly_whose_detection_is_off_makes_no_claim() -> None:
    decoded = decode(ShellyGen1Decoder(), "shellies/x/status", {"motion": False, "active": False, "lux": 3})
    assert shape(decoded) == [("illuminance", 3)]


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        pytest.param(
            "s/events/rpc",
            {"method": "NotifyStatus", "params": {"ts": 1.0, "presencezone:200": {"num_objects": 0}}},
            [("count", 0)],
            id="a partial status: only the count is news",
        ),
        pytest.param(
            "s/events/rpc",
            {"params": {"events": [{"component": "presencezone:201", "event": "counter", "num_objects": 3}]}},
            [("count", 3)],
            id="a counter event",
        ),
        pytest.param(
            "s/events/rpc",
            {"params": {"events": [{"component": "input:0", "event": "double_push"}]}},
            [("button", "double_press")],
            id="a button",
        ),
        pytest.param("s/status/devicepower:0", {"battery": {"percent": 40}}, [("battery", 40)], id="battery"),
        pytest.param("s/online", "false", [("availability", False)], id="its last will"),
    ],
)
def test_shelly_gen2(topic: str, payload: Any, expected: list[tuple[str, object]]) -> None:
    assert shape(decode(ShellyGen2Decoder(), topic, payload)) == expected


BASIC = bytes.fromhex("f4f3f2f10d0002aa0251000000003b00005500f8f7f6f5")


@pytest.mark.parametrize("at", [0, 4, 6, 7, 17, 18, 22])
def test_a_radar_without_checksum_is_refused_for_any_wrong_fixed_byte(at: int) -> None:
    damaged = bytearray(BASIC)
    damaged[at] ^= 0x40
    assert decode_ld2410(BASIC).fault is None
    assert decode_ld2410(bytes(damaged)).fault == "bad_frame"


def test_an_empty_ld2450_report_counts_nobody() -> None:
    decoded = decode_ld2450(bytes.fromhex("aaff0300") + bytes(24) + bytes.fromhex("55cc"))
    assert shape(decoded) == [("occupancy", False), ("count", 0)]


def test_a_mysensors_door_that_trips_is_not_motion() -> None:
    decoder = MySensorsDecoder()
    assert shape(decoder.decode(b"12;6;1;0;16;1\n")) == [("motion", True)]
    decoder.decode(b"12;6;0;0;0;Front door\n")
    assert shape(decoder.decode(b"12;6;1;0;16;1\n")) == [("tripped", True)]


@pytest.mark.parametrize("line", ["", "1;2;3", "a;b;c;d;e;f", "999;1;1;0;16;1", "1;-1;1;0;16;1"])
def test_bad_mysensors_lines(line: str) -> None:
    assert MySensorsDecoder().decode(line.encode()).fault == "bad_frame"


@pytest.mark.parametrize("encoded", ["db", "dbc0", "db00", "11c022"])
def test_slip_refuses_broken_escapes(encoded: str) -> None:
    with pytest.raises(SlipInvalid):
        slip_decode(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    ("variant", "check"),
    [
        ("crc16-ccitt-false", 0x29B1),
        ("crc16-xmodem", 0x31C3),
        ("crc16-kermit", 0x2189),
        ("crc16-modbus", 0x4B37),
        ("crc16-x25", 0x906E),
        ("crc16-arc", 0xBB3D),
        ("crc16-aug-ccitt", 0xE5CC),
    ],
)
def test_checksums_of_the_usual_check_text(variant: str, check: int) -> None:
    assert crc16(b"123456789", VARIANTS[variant]) == check


KEYS = st.sampled_from(
    [
        *("Time", "Switch1", "Action", "LD2410", "Distance", "BH1750", "Illuminance"),
        *("motion", "active", "timestamp", "lux", "bat", "vibration", "pid", "button", "address"),
        *("params", "ts", "events", "component", "event", "value", "presencezone:200", "battery", "percent"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
TOPICS = st.sampled_from(
    [
        *(
            "tele/d/SENSOR",
            "stat/d/RESULT",
            "stat/d/PIR1",
            "tele/d/LWT",
            "d/binary_sensor/pir/state",
            "d/status",
        ),
        *("shellies/d/status", "shellies/d/online", "d/events/rpc", "d/status/presencezone:200", "d/online"),
        *("", "/", "d", "zigbee2mqtt/d", "zigbee2mqtt/bridge/event"),
    ]
)


@given(
    st.sampled_from(sorted(FORMATS)),
    TOPICS,
    st.binary(max_size=40) | JSON.map(lambda document: json.dumps(document).encode()),
)
def test_no_input_makes_any_format_raise(name: str, topic: str, payload: bytes) -> None:
    run = FORMATS[name]()
    for _ in range(2):
        decoded = run(VectorInput(payload, topic))
        assert all(reading.value is not None for reading in decoded.readings)


@given(st.binary(min_size=9, max_size=9), st.binary(min_size=24, max_size=24))
def test_any_radar_report_of_the_right_shape_decodes(target: bytes, slots: bytes) -> None:
    basic = bytes.fromhex("f4f3f2f10d0002aa") + target + bytes.fromhex("5500f8f7f6f5")
    assert decode_ld2410(basic).fault == (None if target[0] <= 3 else "unknown_value")
    decoded = decode_ld2450(bytes.fromhex("aaff0300") + slots + bytes.fromhex("55cc"))
    assert decoded.fault is None
