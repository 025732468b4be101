"""What the simulated Bluetooth sensors send is what our decoder reads, and what it must refuse it refuses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.adverts import SensorAdverts, long_uuid
from plekvrij.credentials import read_bindkeys
from simulators.bluez_devices import ad_structures, matches
from simulators.bthome_adverts import (
    BATTERY,
    LIGHT,
    MOST_BYTES,
    MOTION,
    OCCUPANCY,
    REPEATS,
    Aired,
    BlePir,
    BleSeat,
    BthomeNode,
    advert_of,
)
from workplace.errors import SettingInvalid
from workplace.ports import Advert
from workplace.readings import Decoded

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADDRESS, OTHER, KEY = "00:00:5E:00:53:01", "00:00:5E:00:53:02", bytes(range(16))
NAME = "00005e005301"
BTHOME = long_uuid(0xFCD2)


def heard(data: bytes, address: str = ADDRESS) -> Advert:
    """Take an advert apart as a radio does."""
    parts = dict(ad_structures(data))
    return Advert(address, {BTHOME: parts[0x16][2:]}, {})


def values(decoded: Decoded) -> dict[str, object]:
    return {reading.kind: reading.value for reading in decoded.readings}


@given(
    motion=st.booleans(),
    battery=st.integers(0, 100),
    light_lx=st.integers(0, 160_000),
    key=st.none() | st.binary(min_size=16, max_size=16),
    packet_id=st.integers(0, 255),
    counter=st.integers(0, 2**32 - 2),
)
def test_whatever_a_sensor_says_is_read_back(
    motion: bool, battery: int, light_lx: int, key: bytes | None, packet_id: int, counter: int
) -> None:
    node = BthomeNode(ADDRESS, key, packet_id=packet_id, counter=counter)
    data = node.say({MOTION: motion, BATTERY: battery, LIGHT: light_lx})
    decoded = SensorAdverts({} if key is None else {ADDRESS: key}).decode(heard(data), now_s=0)
    assert values(decoded) == {
        "packet_id": (packet_id + 1) % 256,
        "battery": battery,
        "illuminance": light_lx,
        "motion": motion,
    }
    assert (decoded.device, decoded.sleepy, decoded.fault, decoded.dropped) == (NAME, True, None, None)
    assert len(data) <= MOST_BYTES


def test_a_passive_scan_sees_it_by_its_flags_and_by_its_service() -> None:
    data = BthomeNode(ADDRESS).say({MOTION: True})
    assert matches(data, [(0, 0x01, b"\x06")])
    assert matches(data, [(0, 0x16, b"\xd2\xfc")])
    assert not matches(data, [(0, 0x16, b"\x95\xfe")])


def test_an_advert_too_long_for_the_air_is_not_made() -> None:
    with pytest.raises(ValueError, match="31 is the most"):
        advert_of(bytes(25))


def test_only_sensors_are_taken() -> None:
    adverts = SensorAdverts({})
    assert adverts.is_sensor({BTHOME: b"\x40"}, {})
    assert not adverts.is_sensor({}, {0x004C: b"\x10\x02"})
    assert not adverts.is_sensor({long_uuid(0xFD6F): b"\x00"}, {})


def test_a_listed_device_that_says_nothing_of_ours_is_no_fault() -> None:
    assert SensorAdverts({}).decode(Advert(ADDRESS, {}, {}), now_s=0) == Decoded(
        dropped="no_sensor_data", device=NAME
    )


@pytest.mark.parametrize(
    ("fake", "refused"),
    [
        pytest.param(
            BthomeNode(ADDRESS, bytes(16), counter=900).say({MOTION: True}),
            "decryption_failed",
            id="a wrong key",
        ),
        pytest.param(
            BthomeNode(ADDRESS).say({MOTION: True}), "unencrypted_after_encrypted", id="without encryption"
        ),
        pytest.param(
            BthomeNode(ADDRESS, KEY, counter=499).say({MOTION: True}),
            "duplicate",
            id="the same counter again",
        ),
        pytest.param(
            BthomeNode(ADDRESS, KEY, counter=300).say({MOTION: True}), "older_packet", id="an older counter"
        ),
    ],
)
def test_a_sensor_with_a_key_cannot_be_faked(fake: bytes, refused: str) -> None:
    adverts = SensorAdverts({ADDRESS: KEY})
    assert adverts.decode(heard(BthomeNode(ADDRESS, KEY, counter=499).say({MOTION: False})), now_s=0).readings
    decoded = adverts.decode(heard(fake), now_s=60)
    assert (decoded.readings, decoded.fault or decoded.dropped) == ((), refused)


def test_nobody_borrows_the_address_of_a_sensor_with_a_key() -> None:
    named = bytes([0x42]) + bytes.fromhex(NAME)[::-1] + bytes([MOTION, 1])
    decoded = SensorAdverts({ADDRESS: KEY}).decode(heard(advert_of(named), OTHER), now_s=0)
    assert (decoded.readings, decoded.dropped) == ((), "unencrypted_after_encrypted")
    without_key = SensorAdverts({}).decode(heard(advert_of(named), OTHER), now_s=0)
    assert without_key.device == NAME


@given(st.binary(max_size=40))
def test_no_bytes_make_it_raise_or_move_somebody(data: bytes) -> None:
    decoded = SensorAdverts({ADDRESS: KEY}).decode(Advert(ADDRESS, {BTHOME: data}, {}), now_s=0)
    assert not decoded.readings or data[0] & 0x02, "without the key nothing is believed of this address"


def said(aired: Iterable[Aired]) -> list[tuple[int, dict[str, object]]]:
    adverts = SensorAdverts({})
    found = [(a, adverts.decode(heard(a.data), now_s=(a.at - NINE).total_seconds())) for a in aired]
    return [((a.at - NINE).seconds, values(d)) for a, d in found if d.readings]


def test_a_pir_says_a_hit_is_deaf_and_says_the_end() -> None:
    pir = BlePir(BthomeNode(ADDRESS), NINE)
    hit = list(pir.hit(NINE))
    assert len(hit) == REPEATS
    assert not list(pir.hit(NINE + timedelta(seconds=29)))
    assert pir.wake_at == NINE + timedelta(seconds=30)
    later = list(pir.due(NINE + timedelta(seconds=3630)))
    assert [(at, v["motion"], v["packet_id"]) for at, v in said([*hit, *later])] == [
        (0, True, 1),
        (30, False, 2),
        (3630, False, 3),
    ]


def test_a_seat_says_changes_and_that_it_lives() -> None:
    seat = BleSeat(BthomeNode(ADDRESS), NINE)
    aired = [*seat.change(NINE, is_taken=True), *seat.change(NINE, is_taken=True)]
    aired += seat.due(NINE + timedelta(hours=2))
    assert [(at, v["occupancy"]) for at, v in said(aired)] == [(0, True), (3600, True), (7200, True)]
    assert said(seat.change(NINE, is_taken=False))[0][1]["occupancy"] is False
    assert OCCUPANCY == 0x23


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('{"AA:BB:CC:DD:EE:FF": "SECRET"}', "the key of AA:BB:CC:DD:EE:FF", id="no hex"),
        pytest.param('{"AA:BB:CC:DD:EE:FF": "00ff"}', "32 hex digits", id="too short"),
        pytest.param('{"AA-BB": "00"}', "'AA-BB' is not an address", id="no address"),
        pytest.param('["SECRET"]', "an object", id="a list"),
        pytest.param('{"SECRET', "cannot read", id="no JSON"),
    ],
)
def test_a_bad_key_file_is_refused_without_showing_keys(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text, "utf-8")
    with pytest.raises(SettingInvalid, match=complaint) as caught:
        read_bindkeys(str(file))
    assert "SECRET" not in str(caught.value)


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"aa:bb:cc:dd:ee:ff": "' + KEY.hex() + '"}', "utf-8")
    assert read_bindkeys(str(file)) == {"aa:bb:cc:dd:ee:ff": KEY}
    assert read_bindkeys(None) == {}
