"""Pressac, Sparkplug B, Firmata, MySensors over MQTT, and the topic orders of Tasmota."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.firmata import decode_firmata
from firmware_bridge.formats.mysensors import MySensorsMqttDecoder
from firmware_bridge.formats.pressac import PressacDecoder
from firmware_bridge.formats.protobuf import ProtobufInvalid, fields
from firmware_bridge.formats.shelly import ShellyGen2Decoder
from firmware_bridge.formats.sparkplug import SparkplugDecoder
from firmware_bridge.formats.tasmota import TasmotaDecoder
from firmware_bridge.formats.zigbee2mqtt import Zigbee2MqttDecoder
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def decode(decoder: MessageDecoder, topic: str, payload: Any) -> Decoded:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decoder.decode(topic, raw, retained=False, now=NOW)


def shape(decoded: Decoded) -> list[tuple[object, object]]:
    return [(reading.kind, reading.value) for reading in decoded.readings]


@pytest.mark.parametrize(
    ("message", "device", "expected"),
    [
        pytest.param(
            {"deviceid": "050B1EE8", "devicename": "Desk01", "devicetype": "Under-Desk-Sensor",
             "motionDetected": "false", "supplyVoltage": "3.26"},
            "050B1EE8", [("motion", False), ("battery_voltage", 3.26)], id="2019: text and lower case",
        ),
        pytest.param(
            {"d2cMessage": {"deviceId": "050B4D4F", "motionDetected": True, "supplyVoltage": {"value": 3.24}},
             "deviceId": "SIPG-12-006"},
            "050B4D4F", [("motion", True), ("battery_voltage", 3.24)], id="2022: an envelope around it",
        ),
        pytest.param(
            {"deviceid": "05189BE4", "concentration": "1740", "temperature": "27.2", "humidity": "55"},
            "05189BE4", [("temperature", 27.2), ("humidity", 55), ("co2", 1740)], id="a room sensor",
        ),
        pytest.param({"deviceId": "1", "motionDetected": None}, "1", [], id="null is no news"),
        pytest.param({"deviceId": "1", "motionDetected": "perhaps"}, "1", [], id="a word that is no claim"),
    ],
)  # fmt: skip
def test_pressac(message: Any, device: str, expected: list[tuple[str, object]]) -> None:
    decoded = decode(PressacDecoder(), "pressac/gw", message)
    assert (decoded.device, shape(decoded), decoded.fault) == (device, expected, None)


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        pytest.param(b"{", "not_json", id="no JSON"),
        pytest.param(b"[]", "not_an_object", id="no object"),
        pytest.param(b'{"motionDetected":true}', "device_missing", id="from nobody"),
        pytest.param(b" " * 70_000, "oversize", id="too long"),
    ],
)
def test_pressac_faults(payload: bytes, fault: str) -> None:
    assert decode(PressacDecoder(), "pressac/gw", payload) == Decoded(fault=fault)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def part(number: int, told: int | bytes) -> bytes:
    if isinstance(told, int):
        return varint(number << 3) + varint(told)
    return varint(number << 3 | 2) + varint(len(told)) + told


def metric(**told: Any) -> bytes:
    numbers = {
        "name": 1,
        "alias": 2,
        "at_ms": 3,
        "type": 4,
        "old": 5,
        "null": 7,
        "int": 10,
        "long": 11,
        "bool": 14,
        "text": 15,
    }
    return part(2, b"".join(part(numbers[name], value) for name, value in told.items()))


AT_MS = 1_790_000_000_000
BIRTH = (
    part(1, AT_MS)
    + metric(name=b"bdSeq", type=8, long=3)
    + metric(name=b"seat", alias=7, type=11, bool=0)
    + metric(name=b"heat", alias=8, type=1, int=0xFB)
    + part(3, 0)
)
GROUP = "spBv1.0/hall/{}/edge"


def test_sparkplug_learns_names_and_types_at_birth() -> None:
    decoder = SparkplugDecoder()
    born = decode(decoder, GROUP.format("NBIRTH"), BIRTH)
    assert shape(born) == [("metric", 3), ("metric", False), ("metric", -5), ("availability", True)]
    assert (born.device, born.seq) == ("edge", 0)
    later = decode(
        decoder, GROUP.format("NDATA"), part(1, AT_MS) + metric(alias=7, bool=1) + metric(alias=8, int=4)
    )
    assert [(item.channel, item.value) for item in later.readings] == [("seat", True), ("heat", 4)]
    assert later.readings[0].measured_at == datetime.fromtimestamp(AT_MS / 1000, tz=UTC)


def test_sparkplug_does_not_guess_without_a_birth() -> None:
    decoded = decode(
        SparkplugDecoder(), GROUP.format("NDATA"), metric(alias=7, bool=1) + metric(name=b"heat", int=4)
    )
    assert (decoded.readings, decoded.fault) == ((), "birth_missing")


def test_sparkplug_nulls_are_no_news_and_history_is_marked() -> None:
    payload = (
        metric(name=b"a", null=1, bool=0)
        + metric(name=b"b", old=1, text=b"x")
        + metric(name=b"c", type=99, int=1)
    )
    decoded = decode(SparkplugDecoder(), GROUP.format("DDATA") + "/desk", payload)
    (reading,) = decoded.readings
    assert (reading.channel, reading.value, reading.historical, decoded.device) == ("b", "x", True, "desk")


def test_sparkplug_floats() -> None:
    parts = b"".join(
        part(2, part(1, name) + bytes([number << 3 | wire]) + raw)
        for name, number, wire, raw in [
            (b"f", 12, 5, struct.pack("<f", 0.5)),
            (b"d", 13, 1, struct.pack("<d", 0.25)),
            (b"n", 13, 1, struct.pack("<d", float("nan"))),
        ]
    )
    assert shape(decode(SparkplugDecoder(), GROUP.format("NDATA"), parts)) == [
        ("metric", 0.5),
        ("metric", 0.25),
    ]


def test_sparkplug_deaths() -> None:
    decoder = SparkplugDecoder()
    decode(decoder, GROUP.format("NBIRTH"), BIRTH)
    late = decode(decoder, GROUP.format("NDEATH"), metric(name=b"bdSeq", type=8, long=2))
    assert (late.readings, late.dropped) == ((), "older_packet")
    assert shape(decode(decoder, GROUP.format("NDEATH"), metric(name=b"bdSeq", type=8, long=3))) == [
        ("availability", False)
    ]
    dead = decode(decoder, GROUP.format("DDEATH") + "/desk", b"")
    assert [(item.value, item.device) for item in dead.readings] == [(False, "desk")]


@pytest.mark.parametrize(
    "topic", ["spBv1.0/STATE/host", "spBv1.0/g/NCMD/e", "spBv1.0/g/DDATA/e", "spBv1.0/g/NDATA/e/d", "x"]
)
def test_other_sparkplug_topics_say_nothing(topic: str) -> None:
    assert decode(SparkplugDecoder(), topic, BIRTH) == Decoded()


@pytest.mark.parametrize("data", ["00", "08", "0880", "12ff", "0b", "08" + "ff" * 11, "0d00"])
def test_damaged_protobuf(data: str) -> None:
    with pytest.raises(ProtobufInvalid):
        list(fields(bytes.fromhex(data)))
    assert decode(SparkplugDecoder(), GROUP.format("NDATA"), bytes.fromhex(data)).fault == "bad_frame"


def test_firmata() -> None:
    decoded = decode_firmata(bytes.fromhex("f9 02 05 f0 79 02 f7 91 01 00 e3 7f 07"))
    assert shape(decoded) == [("digital_port", 1), ("pins_high", (8,)), ("analog", 1023)]
    assert decoded.readings[0].extra == {"port": 1}


@pytest.mark.parametrize("data", ["9004", "900480", "f0 79 02", "c0 01 01", "04"])
def test_damaged_firmata(data: str) -> None:
    assert decode_firmata(bytes.fromhex(data)) == Decoded(fault="bad_frame")


def test_mysensors_over_mqtt_has_its_fields_in_the_topic() -> None:
    decoder = MySensorsMqttDecoder("mygateway1-out")
    decoded = decode(decoder, "mygateway1-out/12/6/1/0/16", b"1")
    assert (decoded.device, shape(decoded)) == ("12", [("motion", True)])
    assert decode(decoder, "mygateway1-in/12/6/1/0/16", b"1") == Decoded()
    assert decode(decoder, "mygateway1-out/12;1/6/1/0/16", b"1") == Decoded()
    assert decode(decoder, "mygateway1-out/a/6/1/0/16", b"1").fault == "bad_frame"


@pytest.mark.parametrize(
    ("topic", "device"),
    [
        pytest.param("tele/desk/SENSOR", "desk", id="default"),
        pytest.param("tasmota/floor2/desk/tele/SENSOR", "desk", id="prefix last"),
        pytest.param("desk/stat/SENSOR", "desk", id="prefix last, nothing before"),
        pytest.param("tele/floor2/desk/SENSOR", "desk", id="levels between"),
        pytest.param("site/tele/desk/SENSOR", "desk", id="levels before"),
        pytest.param("cmnd/desk/SENSOR", None, id="a command is no word of the device"),
        pytest.param("tele/SENSOR", None, id="no device"),
        pytest.param("SENSOR", None, id="nothing else"),
    ],
)
def test_tasmota_topic_orders(topic: str, device: str | None) -> None:
    decoded = decode(TasmotaDecoder(), topic, {"Switch1": "ON"})
    assert (decoded.device, shape(decoded)) == (device, [] if device is None else [("motion", True)])


def test_tasmota_more_words() -> None:
    decoder = TasmotaDecoder()
    assert shape(decode(decoder, "stat/d/STATUS10", {"StatusSNS": {"Switch1": "OFF"}})) == [("motion", False)]
    assert decode(decoder, "stat/d/STATUS8", {}).readings == ()
    assert shape(decode(decoder, "stat/d/MOTION", b"1")) == [("motion", True)]
    radar = decode(decoder, "tele/d/SENSOR", {"LD2410": {"Distance": [0.0, 0.0, 0.0], "Energy": [0, 0]}})
    assert {kind for kind, _ in shape(radar)} == {"distance"}


def test_shelly_counts_the_room_and_hears_buttons_behind_it() -> None:
    decoder = ShellyGen2Decoder()
    assert shape(decode(decoder, "s/status/presence", {"num_objects": 2})) == [("count", 2)]
    event = {"params": {"events": [{"component": "bthomedevice:200", "event": "single_push"}]}}
    assert shape(decode(decoder, "s/events/rpc", event)) == [("button", "press")]


@pytest.mark.parametrize("unset", [0, 12.5, 1_900_000_000, 1e300, "soon", None])
def test_shelly_times_before_its_clock_was_set_are_not_believed(unset: Any) -> None:
    event = {"component": "presencezone:200", "event": "presence", "value": True, "ts": unset}
    (reading,) = decode(
        ShellyGen2Decoder(), "s/events/rpc", {"params": {"ts": unset, "events": [event]}}
    ).readings
    assert (reading.value, reading.measured_at) == (True, None)


def test_zigbee_radars_are_known_by_what_only_radars_say() -> None:
    decoder = Zigbee2MqttDecoder()
    decoded = decode(decoder, "zigbee2mqtt/hall", {"occupancy": True, "occupancy_sensitivity": "medium"})
    assert shape(decoded) == [("occupancy", True)]
    assert shape(decode(decoder, "zigbee2mqtt/pir", {"occupancy": True})) == [("motion", True)]


@given(st.binary(max_size=80))
def test_random_bytes_are_never_raised(data: bytes) -> None:
    decode_firmata(data)
    decode(PressacDecoder(), "pressac/gw", data)
    decoder = SparkplugDecoder()
    for word in ("NBIRTH", "NDATA", "NDEATH"):
        decode(decoder, GROUP.format(word), data)
