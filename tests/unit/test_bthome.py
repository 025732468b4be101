"""BTHome v2: what adverts mean, which are believed, and that no bytes make the decoder stumble."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.bthome import MAX_STRANGERS, BthomeDecoder
from firmware_bridge.formats.bthome_objects import OBJECTS, Form
from workplace.readings import Decoded

ADDRESS = "54:48:E6:8F:80:A5"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
MOTION, CLEAR = bytes.fromhex("2101"), bytes.fromhex("2100")


def plain(objects: bytes, *, info: int = 0x40) -> bytes:
    return bytes([info]) + objects


def sealed(objects: bytes, counter: int, *, key: bytes = KEY, address: str = ADDRESS) -> bytes:
    mac, count = bytes.fromhex(address.replace(":", "")), counter.to_bytes(4, "little")
    box = AESCCM(key, tag_length=4).encrypt(mac + b"\xd2\xfc\x41" + count, objects, None)
    return b"\x41" + box[:-4] + count + box[-4:]


def decode(
    data: bytes, *, key: bytes | None = None, decoder: BthomeDecoder | None = None, at: float = 0
) -> Decoded:
    return (decoder or BthomeDecoder()).decode(data, address=ADDRESS, bindkey=key, now_s=at)


def values(decoded: Decoded) -> list[tuple[str, object]]:
    return [(reading.kind, reading.value) for reading in decoded.readings]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param("0202ff", ("temperature", -2.54), id="temperatures below zero"),
        pytest.param("45f6ff", ("temperature", -1.0), id="temperature in tenths"),
        pytest.param("5801", ("temperature", 0.35), id="temperature in steps of 0.35"),
        pytest.param("57ea", ("temperature", -22), id="temperature in whole degrees"),
        pytest.param("05138a14", ("illuminance", 13460.67), id="illuminance"),
        pytest.param("2301", ("occupancy", True), id="occupancy"),
        pytest.param("2500", ("presence", False), id="presence"),
        pytest.param("1a01", ("contact_open", True), id="a door is open"),
        pytest.param("3a80", ("button", "hold_press"), id="a button is held"),
        pytest.param("3e2a2c0960", ("counter", 1611213866), id="a counter of four bytes"),
        pytest.param("59ea", ("counter", -22), id="a signed counter"),
        pytest.param("5302c3a9", ("text", "é"), id="text with its own length"),
        pytest.param("54031a2b3c", ("raw", "1a2b3c"), id="raw bytes with their own length"),
        pytest.param("6342000000", ("acceleration", 0.000066), id="acceleration in millionths"),
        pytest.param("f101020304", ("firmware", "4.3.2.1"), id="firmware version of four parts"),
        pytest.param("f2010206", ("firmware", "6.2.1"), id="firmware version of three parts"),
    ],
)
def test_objects(objects: str, expected: tuple[str, object]) -> None:
    assert values(decode(plain(bytes.fromhex(objects)))) == [expected]


def test_a_button_that_was_not_pressed_says_nothing_but_keeps_its_number() -> None:
    (reading,) = decode(plain(bytes.fromhex("3a003a01"))).readings
    assert (reading.value, reading.channel) == ("press", 2)


def test_a_dimmer_says_how_far_it_was_turned() -> None:
    (reading,) = decode(plain(bytes.fromhex("3c0203"))).readings
    assert (reading.kind, reading.value, reading.extra) == ("dimmer", "rotate_right", {"steps": 3})


def test_a_time_in_the_advert_belongs_to_all_its_readings() -> None:
    decoded = decode(plain(MOTION + bytes.fromhex("505d396164")))
    assert {reading.measured_at.isoformat() for reading in decoded.readings if reading.measured_at} == {
        "2023-05-14T19:41:17+00:00"
    }
    assert all(reading.measured_at for reading in decoded.readings)


@pytest.mark.parametrize(
    ("objects", "fault", "kinds"),
    [
        pytest.param("2101fe0102", "unknown_object", ["motion"], id="an unknown id ends the advert"),
        pytest.param("210102ca", "truncated", ["motion"], id="a cut object is dropped alone"),
        pytest.param("21015305aa", "truncated", ["motion"], id="a cut text is dropped alone"),
        pytest.param("210154", "truncated", ["motion"], id="a raw object without its length byte"),
        pytest.param("", None, [], id="an advert without objects"),
    ],
)
def test_damage_costs_only_what_follows_it(objects: str, fault: str | None, kinds: list[str]) -> None:
    decoded = decode(plain(bytes.fromhex(objects)))
    assert (decoded.fault, [reading.kind for reading in decoded.readings]) == (fault, kinds)


def test_a_mac_in_the_advert_names_the_device() -> None:
    decoded = decode(bytes.fromhex("42b2188d38c1a42101"))
    assert (decoded.device, values(decoded)) == ("A4:C1:38:8D:18:B2", [("motion", True)])
    assert decode(bytes.fromhex("42b2188d")).fault == "bad_frame"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param("", "bad_frame", id="nothing"),
        pytest.param("00", "unsupported_version", id="no version"),
        pytest.param("2002ca09", "unsupported_version", id="version 1"),
        pytest.param("60", "unsupported_version", id="version 3"),
    ],
)
def test_other_versions_are_refused(data: str, fault: str) -> None:
    assert decode(bytes.fromhex(data)) == Decoded(fault=fault)


@pytest.mark.parametrize(
    ("first", "second", "dropped"),
    [
        pytest.param(9, 9, "duplicate", id="the same packet again"),
        pytest.param(9, 8, "older_packet", id="an older packet"),
        pytest.param(9, 10, None, id="the next packet"),
        pytest.param(250, 2, None, id="the count wraps"),
        pytest.param(0, 63, None, id="63 ahead is newer"),
        pytest.param(0, 64, "older_packet", id="64 ahead is older"),
        pytest.param(2, 250, "older_packet", id="older across the wrap"),
    ],
)
def test_packet_ids(first: int, second: int, dropped: str | None) -> None:
    decoder = BthomeDecoder()
    decode(plain(bytes([0, first]) + MOTION), decoder=decoder, at=100)
    decoded = decode(plain(bytes([0, second]) + CLEAR), decoder=decoder, at=103.9)
    assert decoded.dropped == dropped
    assert bool(decoded.readings) == (dropped is None)


def test_an_advert_repeated_for_minutes_is_one_event_until_silence() -> None:
    decoder, advert = BthomeDecoder(), plain(bytes([0, 7]) + MOTION)
    heard = [bool(decode(advert, decoder=decoder, at=at).readings) for at in range(0, 120, 3)]
    assert heard == [True] + [False] * 39
    assert decode(advert, decoder=decoder, at=117 + 4.1).readings


def test_devices_do_not_share_packet_ids() -> None:
    decoder, advert = BthomeDecoder(), plain(bytes([0, 7]) + MOTION)
    for address in (ADDRESS, "54:48:E6:8F:80:A6"):
        assert decoder.decode(advert, address=address, now_s=0).readings


def test_encrypted_adverts_need_the_right_key() -> None:
    advert = sealed(MOTION, 500)
    assert values(decode(advert, key=KEY)) == [("motion", True)]
    assert decode(advert).fault == "key_missing"
    assert decode(advert, key=bytes(16)).fault == "decryption_failed"
    assert decode(advert, key=KEY[:8]).fault == "key_invalid"
    assert decode(advert[:8], key=KEY).fault == "bad_frame"
    nameless = BthomeDecoder().decode(advert, address="a-mac-hides-the-address", bindkey=KEY, now_s=0)
    assert nameless.fault == "address_missing"


@pytest.mark.parametrize(
    ("first", "second", "dropped"),
    [
        pytest.param(500, 501, None, id="the next counter"),
        pytest.param(500, 500, "duplicate", id="the same advert again"),
        pytest.param(500, 499, "older_packet", id="a recorded advert is played back"),
        pytest.param(500, 100, "older_packet", id="100 is not yet a restart"),
        pytest.param(500, 99, None, id="a fresh battery starts again below 100"),
        pytest.param(50, 50, "duplicate", id="also a low counter repeats only as a duplicate"),
        pytest.param(2**32 - 1, 0, None, id="the counter wraps"),
    ],
)
def test_encryption_counters(first: int, second: int, dropped: str | None) -> None:
    decoder = BthomeDecoder()
    assert decode(sealed(MOTION, first), key=KEY, decoder=decoder).readings
    decoded = decode(sealed(CLEAR, second), key=KEY, decoder=decoder, at=60)
    assert decoded.dropped == dropped
    assert bool(decoded.readings) == (dropped is None)


def test_an_unproven_counter_moves_nothing() -> None:
    decoder = BthomeDecoder()
    decode(sealed(MOTION, 500), key=KEY, decoder=decoder)
    assert (
        decode(sealed(MOTION, 4_000_000, key=bytes(16)), key=KEY, decoder=decoder).fault
        == "decryption_failed"
    )
    assert decode(sealed(CLEAR, 501), key=KEY, decoder=decoder).readings


def test_a_device_with_a_key_is_not_believed_in_the_clear() -> None:
    decoder = BthomeDecoder()
    fake = plain(MOTION)
    assert decode(fake, key=KEY, decoder=decoder).dropped == "unencrypted_after_encrypted"
    decode(sealed(MOTION, 500), key=KEY, decoder=decoder)
    assert decode(fake, decoder=decoder).dropped == "unencrypted_after_encrypted"


def test_a_crowd_of_strangers_pushes_out_no_keyed_device() -> None:
    decoder = BthomeDecoder()
    decode(sealed(MOTION, 500), key=KEY, decoder=decoder)
    for number in range(MAX_STRANGERS + 100):
        decoder.decode(plain(MOTION), address=number.to_bytes(6, "big").hex(":"), now_s=1)
    assert len(decoder._strangers) == MAX_STRANGERS
    assert decode(sealed(MOTION, 499), key=KEY, decoder=decoder, at=9).dropped == "older_packet"


@given(st.binary(max_size=40), st.booleans())
def test_no_bytes_make_the_decoder_raise(data: bytes, with_key: bool) -> None:
    decoded = BthomeDecoder().decode(data, address=ADDRESS, bindkey=KEY if with_key else None, now_s=0)
    if decoded.dropped is not None:
        assert decoded.readings == ()


@st.composite
def adverts(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Objects with random contents, and the names they must come out under."""
    data, names = bytearray(), []
    for code in draw(st.lists(st.sampled_from(sorted(OBJECTS)), max_size=8)):
        kind = OBJECTS[code]
        size = kind.size_bytes or draw(st.integers(0, 6))
        raw = draw(st.binary(min_size=size, max_size=size))
        data += bytes([code]) + (b"" if kind.size_bytes else bytes([size])) + raw
        if kind.form not in (Form.BUTTON, Form.DIMMER):
            names.append(kind.kind or kind.name)
    return bytes(data), names


@given(adverts())
def test_every_object_comes_out_in_order(advert: tuple[bytes, list[str]]) -> None:
    data, names = advert
    decoded = decode(plain(data))
    assert decoded.fault is None
    assert [item.kind for item in decoded.readings if item.kind not in ("button", "dimmer")] == names
