"""Elsys, Browan, MClimate, IMBuildings and Parametric payloads beyond the captured vectors; and models by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.lorawan_models import ANY, MODELS, ModelTable, guess_model
from workplace.errors import SettingInvalid
from workplace.readings import Decoded, Reading


def decode(model: str, payload: str, port: int | None = None) -> Decoded:
    return MODELS[model](bytes.fromhex(payload), port)


def shown(reading: Reading) -> str:
    place = "".join(f" {part}" for part in (reading.zone, reading.channel, reading.extra.get("mode")) if part)
    return f"{reading.kind}={reading.value}{place}"


def told(model: str, payload: str, port: int | None = None) -> list[str]:
    return [shown(reading) for reading in decode(model, payload, port).readings]


KEEPALIVE = "01028099" + "03e1cc010012"
AFTER_KEEPALIVE = ["temperature=24.0", "humidity=59.77", "illuminance=993", "battery_voltage=3.36"]


@pytest.mark.parametrize(
    ("model", "port", "payload", "then"),
    [
        pytest.param("elsys", 5, "1100", ["occupancy=False"], id="Elsys: free"),
        pytest.param("elsys", None, "1103", [], id="Elsys: an occupancy that nobody documented is no news"),
        pytest.param("elsys", 5, "0500", ["motion_count=0"], id="Elsys: no hits are a number, not a negative"),
        pytest.param(
            "elsys", 1, "070e1306 01f4", ["battery_voltage=3.603", "co2=500"], id="Elsys: supply"
        ),
        pytest.param(
            "elsys",
            5,
            "1000e2fff60f02",
            ["temperature=22.6 ir_internal", "temperature=-1.0 ir_external", "acceleration_count=2"],
            id="Elsys: heat sensor and knocks",
        ),
        pytest.param("elsys", 5, "13" + "00" * 65 + "1102", ["occupancy=True"], id="Elsys: a heat picture stays out"),
        pytest.param("elsys", 5, "03ff7f80", ["acceleration=(-1, 127, -128)"], id="Elsys: acceleration is signed"),
        pytest.param(
            "elsys",
            5,
            "14000f7314152e1c0c0024",
            ["pressure=1012.5", "sound_level=46 peak", "sound_level=28 average", "temperature=3.6 external_1"],
            id="Elsys: pressure, sound, probe",
        ),
        pytest.param(
            "elsys",
            5,
            "19ffff1900011c0005",
            ["temperature=-0.1 external_2", "temperature=0.1 external_2", "tvoc=5"],
            id="Elsys: a probe twice",
        ),
        pytest.param(
            "browan.tbms100",
            102,
            "00bb340400dc7801",
            ["occupancy=False", "battery_voltage=3.6", "temperature=20", "time_since_event=4", "event_count=96476"],
            id="TBMS100: free",
        ),
        pytest.param("browan.tbms100", 102, "00" * 8, [], id="TBMS100: a frame of zeros is empty, not free"),
        pytest.param("browan.tbms100", 102, "01bb34", [], id="TBMS100: cut off"),
        pytest.param("browan.tbms100", None, "01bb340400dc7801", [], id="TBMS100: on no port"),
        pytest.param(
            "browan.tbhv110",
            103,
            "610b351ebf03010051 0036",
            [
                *("triggered=True", "climate_changed=False", "air_quality_changed=True", "battery_voltage=3.6"),
                *("temperature=21", "humidity=30", "eco2=959", "tvoc=1", "iaq=81", "temperature=22"),
            ],
            id="TBHV110: an air sensor says nothing about people",
        ),
        pytest.param(
            "browan.ms10",
            122,
            "070f17320500020000",
            [
                *("occupancy=True", "button=press", "tamper=True", "battery_voltage=3.6", "temperature=23"),
                *("humidity=50", "time_since_event=5", "event_count=2"),
            ],
            id="MS10: in use, pressed and opened",
        ),
        pytest.param(
            "browan.ms10",
            122,
            "000ff6320500020000",
            [
                *("occupancy=False", "tamper=False", "battery_voltage=3.6", "temperature=-10"),
                *("humidity=50", "time_since_event=5", "event_count=2"),
            ],
            id="MS10: a button at rest is no event, and it may freeze",
        ),
        pytest.param(
            "mclimate.pir-mini", 2, "3b01028099ffffcc000012",
            ["occupancy=False", "temperature=24.0", "humidity=59.77", "battery_voltage=3.36", "motion_count=18"],
            id="PIR Mini: free, and its light sensor is off",
        ),
        pytest.param(
            "mclimate.pir-mini", 2, "40" + KEEPALIVE,
            ["motion=True", *AFTER_KEEPALIVE, "occupancy=True", "motion_count=18"],
            id="PIR Mini: a hit",
        ),
        pytest.param(
            "mclimate.pir-mini", 2, "120a3900013a" + KEEPALIVE,
            ["occupancy=True", *AFTER_KEEPALIVE, "motion_count=18"],
            id="PIR Mini: an answer whose value looks like the start of a keepalive",
        ),
        pytest.param("mclimate.pir-mini", 2, "1201" + KEEPALIVE[:-2], [], id="PIR Mini: a keepalive that is cut off"),
        pytest.param("mclimate.pir-mini", 2, "7f" + KEEPALIVE, [], id="PIR Mini: an answer of unknown length"),
        pytest.param(
            "mclimate.ht-pir-lite", 2, "39003c120a8106797de201",
            ["occupancy=True", "temperature=23.3", "humidity=48.83", "battery_voltage=3.55", "motion_count=1"],
            id="HT-PIR Lite: in use, after two answers",
        ),
        pytest.param(
            "imbuildings", 26, "00 0100 0001 0002 20 000d 000a 6a",
            [
                *("device_status=0", "battery_voltage=2.56", "flow_a=1 period", "flow_b=2 period"),
                *("sensor_status=32", "flow_a=13 total", "flow_b=10 total", "sequence=106"),
            ],
            id="IMBuildings: a counter without header",
        ),
        pytest.param(
            "imbuildings", 27, "20000d000a", ["sensor_status=32", "flow_a=13 total", "flow_b=10 total"],
            id="IMBuildings: totals alone",
        ),
        pytest.param(
            "imbuildings", 1, "02080004a30b00f0d40e00013a20",
            ["device_eui=0004a30b00f0d40e", "device_status=0", "battery_voltage=3.14", "sensor_status=32"],
            id="IMBuildings: a heartbeat with header",
        ),
        pytest.param(
            "imbuildings", 13, "00013a08661194021c01",
            [
                *("device_status=0", "battery_voltage=3.14", "temperature=21.5", "humidity=45.0", "co2=540"),
                "presence=True",
            ],
            id="IMBuildings: a comfort sensor needs ten bytes",
        ),
        pytest.param("imbuildings", 13, "08661194021c01", [], id="IMBuildings: and has none with seven"),
        pytest.param("imbuildings", 13, "01030004a30b00f0d40e", [], id="IMBuildings: a header with nothing behind it"),
        pytest.param(
            "parametric.pcr2", 14, "0a000116000201ffff",
            ["flow_ltr=1 period", "flow_rtl=2 period", "temperature=-0.1"],
            id="PCR2: the short form",
        ),
        pytest.param(
            "parametric.pcr2", 14, "be01030001000200030001" + "64" + "0ce40139",
            [
                *("flow_ltr=1 period", "flow_rtl=2 period", "flow_ltr=3 total", "flow_rtl=1 total"),
                *("difference=2", "solar_power=3300", "temperature=31.3"),
            ],
            id="PCR2: version 3",
        ),
        pytest.param("parametric.pcr2", 190, "be0105010300", [], id="PCR2: settings say nothing of people"),
    ],
)  # fmt: skip
def test_payloads_mean(model: str, port: int | None, payload: str, then: list[str]) -> None:
    assert told(model, payload, port) == then


@pytest.mark.parametrize(
    ("model", "port", "payload", "fault"),
    [
        ("browan.tbms100", 42, "01", "unknown_port"),
        ("browan.tbms100", 102, "01bb", "bad_frame"),
        ("browan.ms10", 122, "00" * 9, "empty_frame"),
        ("imbuildings", 5, "0102", "unknown_port"),
        ("imbuildings", 13, "08661194021c01", "bad_frame"),
        ("parametric.pcr2", 1, "0a0001", "unknown_port"),
        ("parametric.pcr2", 14, "be0109", "unsupported_version"),
        ("mclimate.pir-mini", 2, "7f", "unknown_channel"),
        ("mclimate.pir-mini", 2, "12", "bad_frame"),
        ("elsys", 5, "11", "bad_frame"),
        ("elsys", 5, "3e00", "unknown_channel"),
    ],
)
def test_what_cannot_be_read_is_a_fault(model: str, port: int, payload: str, fault: str) -> None:
    assert decode(model, payload, port) == Decoded(fault=fault)


def claims(decoded: Decoded) -> list[tuple[Any, ...]]:
    return [(r.kind, r.value, r.zone, r.channel, r.historical) for r in decoded.readings]


PORTS = st.sampled_from([None, 0, 1, 2, 5, 13, 14, 26, 27, 28, 85, 102, 103, 122, 190])
#: Random bytes, and random bytes after a start that some family knows.
PAYLOADS = st.builds(
    bytes.__add__,
    st.sampled_from(
        [
            b"",
            *map(bytes.fromhex, ("1102", "01", "3a01", "3b", "81", "0206", "0103", "be0104", "0a", "120a01")),
        ]
    ),
    st.binary(max_size=30),
)


@given(st.sampled_from(sorted(MODELS)), PORTS, PAYLOADS)
def test_no_bytes_make_a_decoder_raise_or_say_nothing_with_a_reading(
    model: str, port: int | None, payload: bytes
) -> None:
    assert all(reading.value is not None for reading in MODELS[model](payload, port).readings)


@given(st.sampled_from(sorted(MODELS)), PORTS, PAYLOADS, st.data())
def test_what_is_cut_off_says_the_beginning_of_the_whole(
    model: str, port: int | None, payload: bytes, data: st.DataObject
) -> None:
    whole = MODELS[model](payload, port)
    if whole.fault is not None or any(reading.kind == "detection_status" for reading in whole.readings):
        return
    part = MODELS[model](payload[: data.draw(st.integers(0, len(payload)))], port)
    assert claims(whole)[: len(part.readings)] == claims(part)


@given(PORTS, PAYLOADS)
def test_no_garbage_says_that_a_place_is_free(port: int | None, payload: bytes) -> None:
    def is_free(model: str, kind: str = "occupancy") -> bool:
        return any(r.kind == kind and r.value is False for r in MODELS[model](payload, port).readings)

    assert not is_free("elsys") or b"\x11\x00" in payload
    assert not is_free("browan.tbms100") or (port == 102 and any(payload) and not payload[0] & 1)
    assert not is_free("browan.tbhv110")
    assert not is_free("browan.ms10") or (port == 122 and any(payload) and not payload[0] & 1)
    assert not is_free("mclimate.pir-mini") or b"\x3b" in payload or b"\x01" in payload[:-9]
    assert not is_free("mclimate.ht-pir-lite") or b"\x81" in payload[:-5]
    assert not is_free("imbuildings", "presence") or payload[-1] == 0
    assert not is_free("parametric.pcr2")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Milesight VS340", "milesight.vs340"),
        ("VS341-868M desk", "milesight.vs341"),
        ("milesight-iot am319-o3", "milesight.am319-o3"),
        ("AM307L", "milesight.am307"),
        ("browan tbms100", "browan.tbms100"),
        ("MerryIoT Motion", "browan.ms10"),
        ("ELSYS ERS Eye", "elsys"),
        ("elsys ems-desk", "elsys"),
        ("MClimate HT-PIR Lite", "mclimate.ht-pir-lite"),
        ("mclimate pir_mini", "mclimate.pir-mini"),
        ("imbuildings imbuildings-people-counter", "imbuildings"),
        ("parametric pcr2", "parametric.pcr2"),
        ("Test device-profile", None),
        ("VS3400", None),
        ("", None),
    ],
)
def test_names_that_servers_give_lead_to_a_model(name: str, model: str | None) -> None:
    assert guess_model(name) == model


def test_what_a_site_says_of_a_device_beats_what_the_server_calls_it() -> None:
    table = ModelTable(
        {"24E124535C400001": "elsys", "Town hall desks": "milesight.vs341", ANY: "browan.tbms100"}
    )
    assert table.decoder_for("24e124535c400001", ("Milesight VS340",)) is MODELS["elsys"]
    assert table.decoder_for("00", ("", "town hall desks")) is MODELS["milesight.vs341"]
    assert table.decoder_for("00", ("Milesight VS340",)) is MODELS["browan.tbms100"]
    assert ModelTable().decoder_for("00", ("x", "Milesight VS340")) is MODELS["milesight.vs340"]
    assert ModelTable().decoder_for("00", ()) is None


def test_a_table_with_an_unknown_model_says_which_are_known() -> None:
    with pytest.raises(SettingInvalid, match=r"milesight\.vs999.*write one of.*milesight\.vs340"):
        ModelTable({"00": "milesight.vs999"})


ROOT = Path(__file__).resolve().parents[2]


def test_the_guide_to_new_devices_shows_the_code_that_there_is() -> None:
    guide = (ROOT / "docs" / "how-to" / "add-a-device.md").read_text("utf-8")
    shown_code = re.findall(r"From `([\w/.]+)`:\n\n```python\n(.*?)```", guide, re.DOTALL)
    assert len(shown_code) == guide.count("```python")
    for file, code in shown_code:
        assert code in (ROOT / file).read_text("utf-8"), file
