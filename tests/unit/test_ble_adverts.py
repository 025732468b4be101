"""BLE adverts of small sensors and beacons: what single adverts mean, repeats and fakes, and damaged bytes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats import mibeacon
from firmware_bridge.formats.ble_beacons import decode_eddystone, decode_ibeacon
from firmware_bridge.formats.ble_sensors import (
    decode_minew_info,
    decode_qingping,
    decode_ruuvi_df5,
    decode_switchbot_motion,
)
from firmware_bridge.formats.mibeacon import MAX_DEVICES, REPEAT_MEMORY_S, MibeaconDecoder
from workplace.readings import Decoded

NEGATIVES = {"motion", "occupancy", "presence", "link"}


def shape(decoded: Decoded) -> list[tuple[object, object]]:
    return [(reading.kind, reading.value) for reading in decoded.readings]


def test_switchbot_sees_motion() -> None:
    decoded = decode_switchbot_motion(bytes.fromhex("7340d50000f2"))
    assert shape(decoded) == [("motion", True), ("battery", 85), ("illumination", "bright")]


@pytest.mark.parametrize(
    ("data", "fault", "dropped"),
    [
        pytest.param("", None, "other_device", id="nothing"),
        pytest.param("64c05c010000000000", None, "other_device", id="a contact of the same vendor"),
        pytest.param("7340d50000", "bad_frame", None, id="cut off"),
        pytest.param("7340ff0000f2", "bad_frame", None, id="a battery of 127 percent"),
    ],
)
def test_switchbot_refuses(data: str, fault: str | None, dropped: str | None) -> None:
    assert decode_switchbot_motion(bytes.fromhex(data)) == Decoded(fault=fault, dropped=dropped)


@pytest.mark.parametrize(
    ("data", "expected", "seq"),
    [
        pytest.param("4812ffeeddccbbaa0804000300000f0150", [("motion", False), ("illuminance", 3)], 0x50, id="clear"),
        pytest.param("c812ffeeddccbbaa1101010f015f", [("motion", True)], 0x5F, id="motion without light"),
        pytest.param("8812ffeeddccbbaa0201640f01c4090405020000",
            [("battery", 100), ("illuminance", 517)], 0xC4, id="no motion key"),
        pytest.param("080eaabbccddeeff010422014c011204710072001302ed03",
            [("temperature", 29.0), ("humidity", 33.2), ("pm25", 113), ("pm10", 114), ("co2", 1005)], None, id="air"),
        pytest.param("0812ffeeddccbbaa110107", [], None, id="a motion value that nobody knows"),
        pytest.param("0812ffeeddccbbaa7f0107", [], None, id="a type that nobody knows"),
        pytest.param("0804ffeeddccbbaa0201600f012b0401000702102a",
            [("battery", 96), ("contact_open", True), ("pressure", 1076.8)], 0x2B, id="door and pressure"),
    ],
)  # fmt: skip
def test_qingping(data: str, expected: list[tuple[str, object]], seq: int | None) -> None:
    decoded = decode_qingping(bytes.fromhex(data))
    assert (shape(decoded), decoded.seq, decoded.fault) == (expected, seq, None)


def test_qingping_keeps_what_came_before_the_cut() -> None:
    decoded = decode_qingping(bytes.fromhex("4812ffeeddccbbaa020164110400"))
    assert (shape(decoded), decoded.fault) == ([("battery", 100)], "truncated")
    assert decoded.device == "AA:BB:CC:DD:EE:FF"
    assert decode_qingping(b"\x48\x12").fault == "bad_frame"


def test_ruuvi_says_nothing_where_it_has_no_value() -> None:
    nothing = decode_ruuvi_df5(bytes.fromhex("058000ffffffff800080008000ffffffffffffffffffffff"))
    assert (nothing.readings, nothing.device, nothing.seq, nothing.fault) == ((), None, None, None)


def test_ruuvi_largest_and_smallest() -> None:
    largest = dict(shape(decode_ruuvi_df5(bytes.fromhex("057ffffffefffe7fff7fff7fffffdefefffecbb8334c884f"))))
    assert largest == {
        "temperature": 163.835, "humidity": 163.835, "pressure": 1155.34, "battery_voltage": 3.646,
        "tx_power": 20, "movement_counter": 254, "sequence": 65534, "acceleration": 32.767,
    }  # fmt: skip
    smallest = dict(
        shape(decode_ruuvi_df5(bytes.fromhex("058001000000008001800180010000000000cbb8334c884f")))
    )
    assert smallest["temperature"] == -163.835
    assert smallest["pressure"] == 500
    assert decode_ruuvi_df5(bytes(24)).fault == "unsupported_version"
    assert decode_ruuvi_df5(bytes(23)).fault == "bad_frame"


def test_minew() -> None:
    assert decode_minew_info(bytes.fromhex("e108")).dropped == "other_device"
    assert decode_minew_info(bytes.fromhex("a108")).fault == "bad_frame"
    assert decode_minew_info(bytes.fromhex("a10364001302e4cdab")).fault == "unsupported_version"
    decoded = decode_minew_info(bytes.fromhex("a108ff001302e4cdab00"))
    assert shape(decoded) == [("device_mac", "AB:CD:E4:02:13:00")]


EDDYSTONE = "0201060303aafe"


@pytest.mark.parametrize(
    ("advert", "expected"),
    [
        pytest.param("0303aafe1316aafe10f803676974687562006369747275 7a",
            {"type": "eddystone-url", "url": "https://github.com/citruz", "tx_power": -8}, id="address of a page"),
        pytest.param(EDDYSTONE + "0d16aafe30e34549445f74657374",
            {"type": "eddystone-eid", "eid": "4549445f74657374", "tx_power": -29}, id="changing name"),
        pytest.param(EDDYSTONE + "1516aafe00e3123456789012346789010000000000 01",
            {"type": "eddystone-uid", "namespace": "12345678901234678901", "instance": "000000000001", "tx_power": -29},
            id="without the reserved bytes"),
        pytest.param(EDDYSTONE + "1116aafe2001414141414141414141414141deadbeef",
            {"type": "eddystone-tlm-encrypted"}, id="sealed"),
    ],
)  # fmt: skip
def test_eddystone(advert: str, expected: dict[str, object]) -> None:
    assert shape(decode_eddystone(bytes.fromhex(advert))) == [("beacon", expected)]


def test_eddystone_telemetry() -> None:
    decoded = decode_eddystone(bytes.fromhex(EDDYSTONE + "1116aafe20000b1813000000146700002ac4"))
    beacon, *rest = shape(decoded)
    assert beacon == (
        "beacon",
        {"type": "eddystone-tlm", "advertising_count": 5223, "seconds_since_boot": 1094},
    )
    assert rest == [("battery_voltage", 2.84), ("temperature", 19.0)]
    unknown = decode_eddystone(bytes.fromhex(EDDYSTONE + "1116aafe20000000800000001467 00002ac4"))
    assert len(unknown.readings) == 1


@pytest.mark.parametrize(
    ("advert", "fault", "dropped"),
    [
        pytest.param("", None, "not_a_beacon", id="nothing"),
        pytest.param("020106000000", None, "not_a_beacon", id="flags and padding"),
        pytest.param("0201", "bad_frame", None, id="cut off"),
        pytest.param("04ff4c0010", None, "not_a_beacon", id="another message of the same company"),
    ],
)
def test_no_beacon(advert: str, fault: str | None, dropped: str | None) -> None:
    for decode in (decode_ibeacon, decode_eddystone):
        assert decode(bytes.fromhex(advert)) == Decoded(fault=fault, dropped=dropped)


def test_beacons_of_a_wrong_size_are_faults() -> None:
    assert decode_ibeacon(bytes.fromhex("05ff4c000215")).fault == "bad_frame"
    assert decode_eddystone(bytes.fromhex("0716aafe00e31234")).fault == "bad_frame"
    assert decode_eddystone(bytes.fromhex("0716aafe99e31234")).fault == "bad_frame"


@given(st.binary(max_size=64))
def test_random_adverts_are_never_raised(data: bytes) -> None:
    for decode in (decode_ibeacon, decode_eddystone, decode_qingping, decode_ruuvi_df5, decode_minew_info):
        decode(data)
    # A SwitchBot advert has no checksum: only its first byte and its size tell it from others.
    if not (len(data) == 6 and data[0] & 0x7F == 0x73):
        assert decode_switchbot_motion(data).readings == ()


KEY = "7475a4a77584401780ffc3ee62dd353c"
ADDRESS = "A4:C1:38:05:8E:E9"
NO_MOTION = "5859eb2ac1e98e0538c1a40759530f8d380000b77a70f8"
MOTION_LUX = "4859eb2ac2fce02ca0b43af2380000a2d9f05f"
BATTERY = "5859eb2a9ee98e0538c1a4d07ad3e338000033635d10"


class Room:
    """A decoder with one device in reach."""

    def __init__(self, key: str | None = KEY, address: str = ADDRESS) -> None:
        pytest.importorskip("xiaomi_ble")
        self.decoder = MibeaconDecoder()
        self.key, self.address = key, address

    def hears(self, data: str, at_s: float = 0.0, **changes: Any) -> Decoded:
        key = changes.get("key", self.key)
        return self.decoder.decode(
            bytes.fromhex(data),
            address=changes.get("address", self.address),
            bindkey=None if key is None else bytes.fromhex(key),
            now_s=at_s,
        )


def test_mibeacon_says_only_what_this_advert_says() -> None:
    room = Room()
    assert shape(room.hears(MOTION_LUX)) == [("motion", True), ("illuminance", 228.0)]
    later = room.hears(BATTERY, 60)
    assert (shape(later), later.sleepy, later.seq) == ([("battery", 100)], True, 0x9E)


@pytest.mark.parametrize(
    ("key", "address", "data", "expected"),
    [
        pytest.param("068a081b4e5aa7295ebf263585adf4f1", "E8:B5:27:74:91:EE",
            "58590f6a14ee917427b5e8f139cdae1c00001bd88863", ("occupancy", True, "close_range"), id="close range"),
        pytest.param("8b72476b60fe2a0b63bf58d588fe4ea1", "A4:C1:38:BE:EF:12",
            "59584c3f2012efbe38c1a4bbacc927535b030000004cdc48fd",
            ("pressure_present_duration", 7800, None), id="seat pad"),
        pytest.param("068a081b4e5aa7295ebf263585adf4f1", "E8:B5:27:74:91:EE",
            "58590f6ac1ee917427b5e8bb7b2c201c0000f252a862", ("duration_cleared", 1, None), id="how long it was clear"),
    ],
)  # fmt: skip
def test_mibeacon_models(key: str, address: str, data: str, expected: tuple[object, ...]) -> None:
    (reading,) = Room(key, address).hears(data).readings
    assert (reading.kind, reading.value, reading.channel) == expected


def test_mibeacon_repeats_are_dropped_for_a_while() -> None:
    room = Room()
    assert room.hears(NO_MOTION).readings
    assert room.hears(NO_MOTION, 1).dropped == "duplicate"
    assert room.hears(NO_MOTION, 2 * REPEAT_MEMORY_S).readings


@pytest.mark.parametrize(
    ("data", "changes", "fault", "dropped"),
    [
        pytest.param(NO_MOTION, {"key": None}, "key_missing", None, id="no key"),
        pytest.param(NO_MOTION, {"key": "00" * 16}, "decryption_failed", None, id="another key"),
        pytest.param(NO_MOTION, {"key": "00" * 5}, "key_invalid", None, id="no key of any version"),
        pytest.param(NO_MOTION, {"address": "A4:C1:38:05:8E:E8"}, "address_differs", None, id="another sender"),
        pytest.param(NO_MOTION, {"address": "nobody"}, "address_missing", None, id="no sender"),
        pytest.param(NO_MOTION[:-2], {}, "decryption_failed", None, id="cut off"),
        pytest.param("5859", {}, "bad_frame", None, id="hardly anything"),
        pytest.param("4030dd032403000101", {}, None, "unencrypted_after_encrypted", id="plain although there is a key"),
        pytest.param("4030ffff2403000101", {"key": None}, "unsupported_device", None, id="a model that nobody knows"),
        pytest.param("1030dd0324e98e0538c1a4", {"key": None}, None, None, id="it only shows itself"),
    ],
)  # fmt: skip
def test_mibeacon_refuses(data: str, changes: dict[str, Any], fault: str | None, dropped: str | None) -> None:
    decoded = Room().hears(data, **changes)
    assert (decoded.readings, decoded.fault, decoded.dropped) == ((), fault, dropped)


def test_mibeacon_plain_is_refused_once_it_spoke_with_a_key() -> None:
    room = Room()
    assert room.hears(MOTION_LUX).readings
    assert room.hears("4030dd032403000101", 1, key=None).dropped == "unencrypted_after_encrypted"


def test_mibeacon_memory_is_bounded() -> None:
    room = Room(None)
    for number in range(MAX_DEVICES + 3):
        room.hears("0030dd0324", address=number.to_bytes(6, "big").hex(":"))
    assert len(room.decoder._devices) == MAX_DEVICES


def test_without_the_extra_the_fault_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xiaomi_ble", None)
    mibeacon._library.cache_clear()
    decoded = MibeaconDecoder().decode(bytes.fromhex(NO_MOTION), address=ADDRESS, bindkey=None, now_s=0)
    mibeacon._library.cache_clear()
    assert (decoded.readings, decoded.fault) == ((), "extra_missing")


@given(st.binary(max_size=40), st.booleans())
def test_random_mibeacon_adverts_invent_nothing(data: bytes, has_key: bool) -> None:
    decoder = MibeaconDecoder()
    decoded = decoder.decode(data, address=ADDRESS, bindkey=bytes(16) if has_key else None, now_s=0)
    assert not [item for item in decoded.readings if item.kind in NEGATIVES and item.value is False]
