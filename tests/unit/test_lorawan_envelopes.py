"""ChirpStack and The Things Stack: what is left out, what came before, what the server says besides."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.chirpstack import ChirpstackDecoder
from firmware_bridge.formats.lorawan_models import ANY
from firmware_bridge.formats.lorawan_uplink import MAX_DEVICES, REMEMBERED_UPLINKS
from firmware_bridge.formats.things_stack import ThingsStackDecoder
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
EUI = "24e124535c400001"
OCCUPIED, FREE = "017564030001", "017564030000"


def b64(payload: str) -> str:
    return base64.b64encode(bytes.fromhex(payload)).decode()


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def chirpstack_up(
    payload: str = OCCUPIED, counter: int = 0, seconds: float = 0, **more: Any
) -> dict[str, Any]:
    message = {
        "deduplicationId": f"id-{counter}-{seconds}",
        "time": at(seconds),
        "deviceInfo": {"devEui": EUI, "deviceProfileName": "Milesight VS340"},
        "devAddr": "00189440",
        "fPort": 85,
        "data": b64(payload),
        "rxInfo": [{"rssi": -97, "snr": -3.2}, {"rssi": -60}],
    }
    return message | ({"fCnt": counter} if counter else {}) | more


def tts_up(payload: str = OCCUPIED, counter: int = 0, seconds: float = 0, **more: Any) -> dict[str, Any]:
    uplink = {
        "session_key_id": "AXA50tHUGUucuzS/bCGMNw==",
        "f_port": 85,
        "frm_payload": b64(payload),
        "rx_metadata": [{"rssi": -35, "snr": 5, "time": at(seconds - 1)}],
        "version_ids": {"brand_id": "milesight-iot", "model_id": "vs340"},
    }
    return {
        "end_device_ids": {"device_id": "desk-12", "dev_eui": EUI.upper()},
        "received_at": at(seconds),
        "uplink_message": uplink | ({"f_cnt": counter} if counter else {}) | more,
    }


class Server:
    """One server with one decoder: sends an event of the device and returns what came out."""

    def __init__(self, decoder: MessageDecoder, topic: str, up: Any) -> None:
        self.decoder, self.topic, self.up = decoder, topic, up

    def send(self, message: Any, event: str = "up", seconds: float = 0) -> Decoded:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.decoder.decode(
            self.topic + event, payload, retained=False, now=NOW + timedelta(seconds=seconds)
        )


def chirpstack(models: dict[str, str] | None = None) -> Server:
    return Server(ChirpstackDecoder(models), f"application/1/device/{EUI}/event/", chirpstack_up)


def tts(models: dict[str, str] | None = None) -> Server:
    return Server(ThingsStackDecoder(models), "v3/desks@town/devices/desk-12/", tts_up)


SERVERS = [pytest.param(chirpstack, id="ChirpStack"), pytest.param(tts, id="The Things Stack")]


def shape(decoded: Decoded) -> list[tuple[str, object]]:
    return [(reading.kind, reading.value) for reading in decoded.readings]


@pytest.mark.parametrize("make", SERVERS)
def test_an_uplink_names_device_counter_time_and_signal(make: Any) -> None:
    server = make()
    decoded = server.send(server.up(counter=7, seconds=-2))
    assert (decoded.device, decoded.seq, decoded.fault) == (EUI, 7, None)
    assert shape(decoded) == [("battery", 100), ("occupancy", True)]
    for reading in decoded.readings:
        assert reading.measured_at == NOW - timedelta(seconds=2)
        assert (reading.extra["rssi"], reading.extra["snr"]) == ((-60, 0) if make is chirpstack else (-35, 5))


@pytest.mark.parametrize("make", SERVERS)
def test_a_counter_that_is_left_out_is_zero(make: Any) -> None:
    assert make().send(make().up()).seq == 0


@pytest.mark.parametrize("make", SERVERS)
def test_what_is_sent_or_delivered_again_is_dropped(make: Any) -> None:
    server = make()
    assert server.send(server.up(counter=5)).dropped is None
    assert server.send(server.up(counter=5)) == Decoded(dropped="duplicate", device=EUI, seq=5)
    assert server.send(server.up(counter=5, seconds=3), seconds=3).dropped == "duplicate"
    assert server.send(server.up(counter=6, seconds=9), seconds=9).dropped is None
    assert server.send(server.up(counter=5), seconds=9).dropped == "duplicate"
    assert server.send(server.up(counter=4, seconds=-60), seconds=9).dropped == "older_packet"


@pytest.mark.parametrize("make", SERVERS)
def test_a_device_that_counts_from_zero_again_is_heard(make: Any) -> None:
    server = make()
    for counter in range(3):
        server.send(server.up(counter=counter, seconds=counter))
    assert server.send(server.up(FREE, counter=0, seconds=60), seconds=60).dropped is None
    assert server.send(server.up(FREE, counter=1, seconds=61), seconds=61).dropped is None
    assert server.send(server.up(FREE, counter=1, seconds=62), seconds=62).dropped == "duplicate"


@pytest.mark.parametrize("make", SERVERS)
def test_a_join_starts_the_counting_anew(make: Any) -> None:
    server = make()
    server.send(server.up(counter=0))
    joined = server.up() | {"join_accept": {}}
    assert server.send(joined, "join") == Decoded(device=EUI)
    assert server.send(server.up(FREE, counter=0)).dropped is None


def test_a_new_session_starts_the_counting_anew_although_the_join_was_not_heard() -> None:
    server = chirpstack()
    server.send(chirpstack_up(counter=9, seconds=9))
    assert server.send(chirpstack_up(counter=3, deduplicationId="x", devAddr="01")).dropped is None
    server = tts()
    server.send(tts_up(counter=9, seconds=9))
    assert server.send(tts_up(counter=3, session_key_id="other")).dropped is None


def test_only_the_last_uplinks_are_remembered() -> None:
    server = tts()
    for counter in range(1, REMEMBERED_UPLINKS + 2):
        server.send(tts_up(counter=counter))
    assert server.send(tts_up(counter=2)).dropped == "duplicate"
    assert server.send(tts_up(counter=1)).dropped == "older_packet"


def test_invented_devices_do_not_fill_the_memory() -> None:
    server = chirpstack()
    for number in range(MAX_DEVICES + 50):
        server.send(chirpstack_up(deviceInfo={"devEui": f"{number:016x}"}))
    assert len(server.decoder._reader._heard) == MAX_DEVICES  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", SERVERS)
def test_two_devices_do_not_share_counters(make: Any) -> None:
    server, other = (
        make(),
        json.loads(json.dumps(make().up(counter=5)).replace(EUI, "aa").replace(EUI.upper(), "aa")),
    )
    server.send(server.up(counter=5))
    assert server.send(other).dropped is None


@pytest.mark.parametrize("make", SERVERS)
def test_what_the_server_decoded_is_not_believed(make: Any) -> None:
    server = make()
    message = json.loads(json.dumps(server.up(FREE)))
    message["object"] = {"occupancy": "occupied"}
    message.setdefault("uplink_message", {})["decoded_payload"] = {"occupancy": "occupied"}
    assert ("occupancy", False) in shape(server.send(message))


@pytest.mark.parametrize("make", SERVERS)
def test_a_model_that_nobody_knows_is_a_fault_that_shows_what_came(make: Any) -> None:
    server = make()
    text = json.dumps(server.up()).replace("VS340", "thing").replace("vs340", "thing")
    decoded = server.send(json.loads(text))
    assert decoded.fault == "unknown_model"
    ((kind, value),) = shape(decoded)
    assert kind == "uplink"
    assert isinstance(value, dict)
    assert (value["payload_hex"], value["f_port"]) == (OCCUPIED, 85)


@pytest.mark.parametrize("key", [EUI, EUI.upper(), ANY, "desk-12", "Desk type 7"])
def test_a_site_can_say_what_a_device_is(key: str) -> None:
    message = tts_up("1102", version_ids={}, attributes={"kind": "Desk type 7"})
    assert ("occupancy", True) in shape(tts({key: "elsys"}).send(message))


def test_what_is_surest_about_a_model_comes_first() -> None:
    info = {"devEui": EUI, "deviceProfileName": "Milesight VS340", "tags": {"room": "ems", "floor": "3"}}
    assert ("occupancy", True) in shape(chirpstack().send(chirpstack_up(deviceInfo=info)))
    up = tts_up()
    up["end_device_ids"]["device_id"] = "ems-desk-4"
    assert ("occupancy", True) in shape(tts().send(up))


def test_a_tag_or_a_profile_can_say_what_a_device_is() -> None:
    info = {
        "devEui": EUI,
        "deviceProfileName": "Class A",
        "deviceProfileId": "p1",
        "tags": {"model": "elsys"},
    }
    for models in ({"Class A": "elsys"}, {"p1": "elsys"}, {}):
        assert ("occupancy", True) in shape(chirpstack(models).send(chirpstack_up("1102", deviceInfo=info)))


@pytest.mark.parametrize("data", ["%%%", "AXVkAwA", "é", "AXVk AwAB"])
@pytest.mark.parametrize("make", SERVERS)
def test_wrong_base64_is_a_fault(make: Any, data: str) -> None:
    server = make()
    message = server.up()
    message.get("uplink_message", message)["data" if make is chirpstack else "frm_payload"] = data
    assert server.send(message) == Decoded(fault="bad_base64", device=EUI, seq=0)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"[]", "not_an_object"),
        (b'{"fCnt": "x", "uplink_message": {"f_cnt": "x"}}', "bad_envelope"),
        (b'{"fPort": -1, "uplink_message": {"f_port": -1}}', "bad_envelope"),
        (b'{"a": "' + b"x" * 70_000 + b'"}', "oversize"),
    ],
)
@pytest.mark.parametrize("make", SERVERS)
def test_an_envelope_that_cannot_be_read_is_a_fault(make: Any, message: bytes, fault: str) -> None:
    decoded = make().send(message)
    assert (decoded.fault, decoded.readings) == (fault, ())


@pytest.mark.parametrize("make", SERVERS)
def test_other_events_and_topics_say_nothing(make: Any) -> None:
    server = make()
    for event in ("ack", "txack", "log", "location", "down/ack", "service/data", "up/normalized"):
        assert server.send(server.up(), event).readings == ()
    for topic in ("", "x", "application/1/device", "v3/a/devices", "zigbee2mqtt/desk"):
        assert server.decoder.decode(topic, b"{}", retained=False, now=NOW) == Decoded()


@pytest.mark.parametrize(
    ("status", "then"),
    [
        pytest.param({"margin": 10, "batteryLevel": 88.3}, [("battery", 88.3)], id="a level"),
        pytest.param({"margin": 10}, [("battery", 0)], id="zero is left out"),
        pytest.param({"batteryLevelUnavailable": True}, [], id="unavailable"),
        pytest.param({"externalPowerSource": True}, [], id="mains"),
        pytest.param({"batteryLevel": "full"}, [], id="no number"),
        pytest.param({"batteryLevel": 254}, [], id="more than full"),
    ],
)
def test_chirpstack_tells_the_battery_apart(status: dict[str, Any], then: list[Any]) -> None:
    decoded = chirpstack().send({"deviceInfo": {"devEui": EUI}, "time": at(-1), **status}, "status")
    assert (decoded.device, shape(decoded)) == (EUI, then)
    assert all(reading.measured_at == NOW - timedelta(seconds=1) for reading in decoded.readings)


def test_the_things_stack_repeats_the_last_battery() -> None:
    last = {"value": 57.5, "received_at": at(-3600), "f_cnt": 3}
    up = tts_up("030001", last_battery_percentage=last)
    battery = tts().send(up).readings[-1]
    assert (battery.kind, battery.value, battery.measured_at) == ("battery", 57.5, NOW - timedelta(hours=1))
    own = tts().send(tts_up(OCCUPIED, last_battery_percentage=last))
    assert shape(own) == [("battery", 100), ("occupancy", True)]
    assert shape(tts().send(tts_up("030001", last_battery_percentage={}))) == [("occupancy", True)]


def test_times_of_the_device_are_believed_when_they_are_possible() -> None:
    def stored(unix_s: float) -> Decoded:
        record = f"20ce{int(unix_s).to_bytes(4, 'little').hex()}0401340165"
        return chirpstack({ANY: "milesight.ws203"}).send(chirpstack_up("050001" + record))

    yesterday = NOW - timedelta(days=1)
    live, record, *_ = stored(yesterday.timestamp()).readings
    assert (live.historical, live.measured_at) == (False, NOW)
    assert (record.historical, record.measured_at) == (True, yesterday)
    for wrong, fault in (
        (0, "record_without_time"),
        ((NOW + timedelta(days=1)).timestamp(), "record_of_the_future"),
    ):
        live, *refused = stored(wrong).readings
        assert (live.kind, live.historical) == ("occupancy", False)
        assert {(r.kind, r.value, r.historical, r.measured_at) for r in refused} == {
            ("fault", fault, True, None)
        }


def test_without_any_time_an_uplink_has_none() -> None:
    up = tts_up()
    up["received_at"] = ""
    assert tts().send(up).readings[0].measured_at == NOW - timedelta(seconds=1)
    up["uplink_message"]["rx_metadata"] = "none"
    reading = tts().send(up).readings[0]
    assert (reading.measured_at, "rssi" in reading.extra) == (None, False)


def test_a_payload_without_a_port_still_reaches_a_model_that_needs_none() -> None:
    up = tts_up("1102")
    del up["uplink_message"]["f_port"]
    assert ("occupancy", True) in shape(tts({ANY: "elsys"}).send(up))
    assert tts({ANY: "browan.tbms100"}).send(up).fault == "unknown_port"


def test_an_empty_payload_is_no_fault() -> None:
    assert chirpstack().send(chirpstack_up("")) == Decoded(device=EUI, seq=0)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("make", SERVERS)
@given(data=st.data())
def test_no_envelope_raises_or_frees_a_desk(make: Any, data: st.DataObject) -> None:
    server = make({ANY: "milesight.vs340"})
    message = server.up(OCCUPIED, counter=3)
    for _ in range(data.draw(st.integers(1, 3))):  # one value somewhere in it becomes anything
        target: Any = message
        key = data.draw(st.sampled_from(sorted(target)))
        while isinstance(target[key], dict) and target[key] and data.draw(st.booleans()):
            target = target[key]
            key = data.draw(st.sampled_from(sorted(target)))
        target[key] = data.draw(JSON_VALUES)
    event = data.draw(st.sampled_from(["up", "join", "status", "log"]))
    for _ in range(2):
        decoded = server.send(json.dumps(message).encode(), event)
        assert ("occupancy", False) not in shape(decoded)
        assert all(reading.value is not None for reading in decoded.readings)


@pytest.mark.parametrize("make", SERVERS)
@given(raw=st.binary(max_size=60), topic=st.text(max_size=30))
def test_no_bytes_make_an_envelope_raise(make: Any, raw: bytes, topic: str) -> None:
    server = make()
    server.send(raw)
    server.decoder.decode(topic, raw, retained=True, now=NOW)
