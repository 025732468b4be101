"""Milesight payloads: facts that the captured vectors do not show, and what garbage must never become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.formats.lorawan_models import MODELS
from firmware_bridge.formats.milesight import MODELS as MILESIGHT
from firmware_bridge.formats.milesight_channels import ANSWERS
from workplace.readings import Decoded, Reading

RECORDED = 1693530747
RECORDED_HEX = RECORDED.to_bytes(4, "little").hex()


def decode(model: str, payload: str) -> Decoded:
    return MILESIGHT[model](bytes.fromhex(payload), 85)


def shown(reading: Reading) -> str:
    """Return a reading in short: `kind=value`, then where, how it was counted, and if it is history."""
    place = "".join(f" {part}" for part in (reading.zone, reading.channel, reading.extra.get("mode")) if part)
    return f"{reading.kind}={reading.value}{place}{' stored' if reading.historical else ''}"


def told(model: str, payload: str) -> list[str]:
    return [shown(reading) for reading in decode(model, payload).readings]


@pytest.mark.parametrize(
    ("model", "payload", "then"),
    [
        pytest.param("vs340", "030002", [], id="VS340: a desk that is neither free nor in use is no news"),
        pytest.param("vs340", "0175ff030001", ["occupancy=True"], id="VS340: 255 % battery is no battery"),
        pytest.param(
            "vs341",
            "ff0a0114ff090310",
            ["firmware_version=1.14", "hardware_version=3.1"],
            id="VS341: firmware is written in hexadecimal, hardware in half bytes",
        ),
        pytest.param("vs330", "038e00048e00", ["occupancy=False", "calibration=False"], id="VS330: free"),
        pytest.param("vs370", "0400fe030000", ["occupancy=False"], id="VS370: light that is switched off"),
        pytest.param("vs370", "040001", ["light=True"], id="VS370: bright"),
        pytest.param("ws202", "040001", ["light=True"], id="WS202: light alone says nothing about motion"),
        pytest.param("ws202", "030000", ["motion=False"], id="WS202: the PIR rests"),
        pytest.param(
            "ws203", "8367220101", ["temperature=29.0", "alarm=temperature"], id="WS203: too warm for its limit"
        ),
        pytest.param(
            "ws203",
            "8367220100",
            ["temperature=29.0", "alarm_released=temperature"],
            id="WS203: no longer too warm is no alarm",
        ),
        pytest.param(
            "vs321", "0367ffff0468ff05fdffff", [], id="VS321: broken sensors have no temperature and no people"
        ),
        pytest.param(
            "vs321",
            "05fd000006fe0100000008f40201",
            ["detection_status=unavailable"],
            id="VS321: a camera that cannot see does not say that nobody is there",
        ),
        pytest.param(
            "vs321",
            f"20ce{RECORDED_HEX}00030020ce{RECORDED_HEX}0103000200",
            ["count=3 stored", "occupancy=False region_1 stored", "occupancy=True region_2 stored"],
            id="VS321: stored people and stored regions",
        ),
        pytest.param(
            "vs373",
            "03f804010a006400",
            ["occupancy=True", "target_status=motionless", "use_time_now=10", "use_time_today=100"],
            id="VS373: who fell is in the room",
        ),
        pytest.param("vs373", "03f809090a006400", ["use_time_now=10", "use_time_today=100"], id="VS373: unknown"),
        pytest.param(
            "vs373",
            "07b00100100000200000",
            ["occupancy=False", "target_status=normal", "use_time_now=16", "use_time_today=32"],
            id="VS373: newer firmware counts with three bytes",
        ),
        pytest.param(
            "vs373",
            "0ab30305000000",
            ["occupancy=True region_1", "occupancy=False region_2", "occupancy=True region_3"],
            id="VS373: regions of newer firmware are not inverted",
        ),
        pytest.param(
            "vs350",
            "83673e0104",
            ["temperature=31.8", "alarm_released=temperature"],
            id="VS350: the second kind of limit ends too",
        ),
        pytest.param(
            "vs351",
            "20ceff3df16401070002001d000800",
            [
                *("flow_in=7 period stored", "flow_out=2 period stored"),
                *("flow_in=29 total stored", "flow_out=8 total stored"),
            ],
            id="VS351: a stored record with totals",
        ),
        pytest.param(
            "vs350", "04ccffffffff", ["flow_in=65535 total", "flow_out=65535 total"], id="VS350: full counters count"
        ),
        pytest.param(
            "vs360",
            "03f4000103f4000003f4020103f40901",
            ["alarm=counting_anomaly", "alarm_released=counting_anomaly", "alarm=devices_misaligned"],
            id="VS360: events, one of them unknown",
        ),
        pytest.param(
            "vs121",
            "05cc02000100ffff",
            ["flow_in=2 period", "flow_out=1 period"],
            id="VS121: what is cut off does not count",
        ),
        pytest.param("vs121", "05ccfeff0100", ["flow_in=-2 period", "flow_out=1 period"], id="VS121: signed"),
        pytest.param(
            "vs121",
            "04c905100180",
            [
                "count=5",
                *(f"occupancy={n in (8, 9)} region_{n}" for n in range(1, 17)),
            ],
            id="VS121: the mask of the regions starts with its high byte",
        ),
        pytest.param(
            "vs121", "04c902ff0000", ["count=2", *(f"occupancy=False region_{n}" for n in range(1, 17))],
            id="VS121: more regions than there are bits are not invented",
        ),
        pytest.param(
            "vs121",
            "08d50100000000000000",
            ["count=1 region_9", *(f"count=0 region_{n}" for n in range(10, 17))],
            id="VS121: the second half of the regions",
        ),
        pytest.param(
            "vs121",
            "0bda0000000000000012",
            ["flow_c_to_a=0 period", "flow_c_to_b=0 period", "flow_c_to_c=0 period", "flow_c_to_d=4608 period"],
            id="VS121: who walked from where to where",
        ),
        pytest.param(
            "vs121", f"20ce{RECORDED_HEX}0306", ["count_max=6 stored"], id="VS121: the stored highest count"
        ),
        pytest.param(
            "vs121",
            f"20ce{RECORDED_HEX}060001000220ce{RECORDED_HEX}0b01000200",
            [
                *(f"count={n} region_{at} stored" for at, n in ((9, 0), (10, 1), (11, 0), (12, 2))),
                *("flow_b_to_c=1 period stored", "flow_b_to_d=2 period stored"),
            ],
            id="VS121: stored regions and walks come by fours and twos",
        ),
        pytest.param(
            "vs135", "11d20500000013cc01000200",
            ["flow_in=5 line_1 node total", "flow_in=1 line_1 node period", "flow_out=2 line_1 node period"],
            id="VS135: a second device on the same line is counted apart",
        ),
        pytest.param(
            "vs133",
            f"20ce{RECORDED_HEX}040900000020ce{RECORDED_HEX}2002040020ce{RECORDED_HEX}0f01020304",
            [
                *("flow_out=9 line_1 total stored", "dwell_max=4 region_2 stored"),
                *(f"count={n} region_{n} stored" for n in range(1, 5)),
            ],
            id="VS133: stored records name their layout by the channel",
        ),
        pytest.param(
            "am103",
            f"20ce{RECORDED_HEX}18016dc501",
            ["temperature=28.0 stored", "humidity=54.5 stored", "co2=453 stored"],
            id="AM103: a stored record",
        ),
        pytest.param(
            "am107",
            "077de704087d070009733f27",
            ["co2=1255", "tvoc=7", "pressure=1004.7"],
            id="AM107: volatile compounds in ppb",
        ),
        pytest.param("am307", "077dffff0973fdff", [], id="AM307: broken sensors have no values"),
        pytest.param("am307", "087d250008e62500", ["tvoc=0.37", "tvoc=37"], id="AM307: an index or a mass"),
        pytest.param(
            "am308",
            f"21ce{RECORDED_HEX}ee007c000102a8032500662720003000",
            [
                *("temperature=23.8 stored", "humidity=62.0 stored", "motion=True stored", "light_level=2 stored"),
                *("co2=936 stored", "tvoc=37 stored", "pressure=1008.6 stored", "pm25=32 stored", "pm10=48 stored"),
            ],
            id="AM308: a stored record has two bytes of humidity",
        ),
        pytest.param("am319-hcho", "0a7d0700", ["hcho=0.07"], id="AM319: formaldehyde"),
        pytest.param(
            "am319",
            f"20ce{RECORDED_HEX}ee007c000102a80325006627200030000700",
            [
                *("temperature=23.8 stored", "humidity=62.0 stored", "motion=True stored", "light_level=2 stored"),
                *("co2=936 stored", "tvoc=0.37 stored", "pressure=1008.6 stored", "pm25=32 stored", "pm10=48 stored"),
            ],
            id="AM319: a stored value of a gas that nobody named is left out",
        ),
        pytest.param("am319-o3", "0d7d0700", ["o3=0.07"], id="AM319: ozone"),
    ],
)  # fmt: skip
def test_channels_mean(model: str, payload: str, then: list[str]) -> None:
    assert told(model, payload) == then


@pytest.mark.parametrize(
    ("payload", "fault", "then"),
    [
        pytest.param(
            "050001fe7e00", "unknown_channel", ["occupancy=True"], id="an unknown answer comes last"
        ),
        pytest.param(
            "fe7e00050001", "unknown_channel", [], id="an unknown answer comes first, of unknown length"
        ),
        pytest.param("ff030200050001", None, ["occupancy=True"], id="a known answer"),
        pytest.param("f81000050001", "unknown_channel", [], id="an answer of the long kind"),
        pytest.param("050001aa", "bad_frame", ["occupancy=True"], id="half a channel"),
        pytest.param("0175640500", "bad_frame", ["battery=100"], id="a channel without its data"),
        pytest.param("20ce7b3a", "bad_frame", [], id="half a record"),
        pytest.param("", None, [], id="nothing at all"),
    ],
)
def test_what_stops_the_reading_costs_nothing_before_it(
    payload: str, fault: str | None, then: list[str]
) -> None:
    decoded = decode("ws203", payload)
    assert ([shown(reading) for reading in decoded.readings], decoded.fault) == (then, fault)


def test_answers_of_known_length_are_passed_over_on_both_ids() -> None:
    for identity in ("fe", "ff"):
        for kind, size in ANSWERS.items():
            assert told("vs340", f"{identity}{kind:02x}{'00' * size}030001") == ["occupancy=True"]


def test_a_record_has_its_own_time_and_a_live_value_has_none() -> None:
    live, stored = decode("ws203", f"05000020ce{RECORDED_HEX}0401340165").readings[:2]
    assert (live.historical, live.measured_at) == (False, None)
    assert (stored.historical, stored.measured_at) == (True, datetime.fromtimestamp(RECORDED, UTC))


def test_a_record_of_an_unset_clock_is_counted_and_says_nothing() -> None:
    assert told("ws203", "20ce00000000" + "0401340165") == ["fault=record_without_time stored"]


def test_the_time_of_a_frame_holds_for_its_live_values_alone() -> None:
    frame = f"04cc1200160020ce{RECORDED_HEX}000b0004000aef{(RECORDED + 60).to_bytes(4, 'little').hex()}"
    times = {(r.kind, r.historical): r.measured_at for r in decode("vs350", frame).readings}
    assert times[("flow_in", False)] == datetime.fromtimestamp(RECORDED + 60, UTC)
    assert times[("flow_in", True)] == datetime.fromtimestamp(RECORDED, UTC)
    unset = decode("vs350", "04cc120016000aef00000000").readings
    assert all(reading.measured_at is None for reading in unset)


#: Identity of two bytes, time of four, and at least one byte of data.
SHORTEST_RECORD = 7


@pytest.mark.parametrize("model", sorted(MILESIGHT))
@given(records=st.lists(st.binary(min_size=5, max_size=26), max_size=3))
@example(records=[b"\x00\x00\x00_\x00", b"\x00\t\x00\x00\xff\x01\x00"])
def test_what_was_stored_never_looks_live(model: str, records: list[bytes]) -> None:
    decode_frame = MILESIGHT[model]
    for identity in (b"\x20\xce", b"\x21\xce"):
        frame = identity + b"".join(records)
        whole = decode_frame(frame, 85)
        told = [r for r in whole.readings[:1] if r.kind not in ("fault", "timestamp")]
        if told and not told[0].historical:
            # The record itself had nothing to say (an alarm without a name): what is live comes from behind it.
            ends = range(SHORTEST_RECORD, len(frame))
            assert any(claims(decode_frame(frame[end:], 85)) == claims(whole) for end in ends)
        else:
            assert all(r.measured_at is not None for r in told)


def claims(decoded: Decoded) -> list[tuple[Any, ...]]:
    return [(r.kind, r.value, r.zone, r.channel, r.historical) for r in decoded.readings]


#: Frames as devices could send them: channels that some model knows, with any data.
CHANNEL_IDS = st.sampled_from(
    [
        *(
            "0175",
            "0275",
            "0300",
            "0400",
            "0500",
            "038e",
            "0367",
            "0468",
            "05fd",
            "06fe",
            "08f4",
            "03f8",
            "04f9",
        ),
        *(
            "0ab3",
            "04cc",
            "05cc",
            "84cc",
            "20ce",
            "21ce",
            "03d2",
            "0fe3",
            "10e4",
            "04c9",
            "07d5",
            "056a",
            "ff16",
        ),
    ]
)
FRAMES = st.lists(st.tuples(CHANNEL_IDS.map(bytes.fromhex), st.binary(max_size=14)), max_size=5).map(
    lambda parts: b"".join(identity + data for identity, data in parts)
)


@given(st.sampled_from(sorted(MODELS)), FRAMES, st.data())
def test_a_frame_that_is_cut_off_says_the_beginning_of_what_the_whole_says(
    model: str, frame: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(frame)))
    whole, part = (MODELS[model](piece, 85) for piece in (frame, frame[:cut]))
    if any(reading.kind == "detection_status" for reading in whole.readings):
        return  # what a blind camera says is taken back by the end of the frame
    assert claims(whole)[: len(part.readings)] == claims(part)


@pytest.mark.parametrize(
    ("model", "kind", "carriers"),
    [
        ("vs340", "occupancy", ("030000",)),
        ("vs330", "occupancy", ("038e00",)),
        ("ws202", "motion", ("030000",)),
        ("ws203", "occupancy", ("050000", "20ce")),
        ("am307", "motion", ("050000", "20ce", "21ce")),
        ("vs373", "occupancy", ("03f801", "07b001", "04f9", "0ab3")),
    ],
)
@given(frame=FRAMES | st.binary(max_size=40))
def test_no_garbage_says_that_a_place_is_free(
    model: str, kind: str, carriers: tuple[str, ...], frame: bytes
) -> None:
    says_free = any(r.kind == kind and r.value is False for r in MILESIGHT[model](frame, 85).readings)
    assert not says_free or any(bytes.fromhex(carrier) in frame for carrier in carriers)
