"""Simulated devices of each family say what the real ones say, when they say it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import lorawan_frames as frames
from simulators.ble_air import ble_sensors
from simulators.esphome import EsphomeNode
from simulators.families import families_of, speakers, unplayed
from simulators.lorawan import AirFaults, LorawanNetwork
from simulators.mqtt_faults import FaultySpeaker, MqttFaults
from simulators.players import Cast
from simulators.sensors import Sense, SensorInput
from simulators.shelly import ShellyMotion, ShellyPresence
from simulators.speaker import FAR, Agenda, Publication, Speaker
from simulators.tasmota import TasmotaBoard
from simulators.zigbee import ZigbeeBridge
from workplace.floor_plan import FloorPlan

EIGHT = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
SEAT, DESK, PIR = "24e124535c400003", "e8e1e10001040004", "24e124538b230005"
BASE = "application/0d3e"


def after(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def shown(
    speaker: Speaker, place: str, sense: Sense, at_s: float, *, value: bool = True
) -> list[Publication]:
    return speaker.take(SensorInput(after(at_s), place, sense, value), after(at_s))


def play(speaker: Speaker, until_s: float) -> list[tuple[float, Publication]]:
    """Return what the speaker says by itself, each with its second."""
    found: list[tuple[float, Publication]] = []
    while speaker.wake_at <= after(until_s):
        at = speaker.wake_at
        found += [((at - EIGHT).total_seconds(), said) for said in speaker.due(at)]
    return found


# --- LoRaWAN


def network(**faults: float) -> LorawanNetwork:
    sensors: Any = {
        ("A", "seat"): (SEAT, "lora_seat"),
        ("B", "desk"): (DESK, "lora_desk"),
        ("C", "motion"): (PIR, "lora_pir"),
    }
    return LorawanNetwork(BASE, sensors, 1, EIGHT, AirFaults(**faults))


def of(said: Iterable[Publication], eui: str, event: str = "up") -> list[dict[str, Any]]:
    return [json.loads(p.payload) for p in said if p.topic == f"{BASE}/device/{eui}/event/{event}"]


@pytest.mark.parametrize(
    ("frame", "as_documented"),
    [
        # Milesight-IoT/SensorDecoders, README of vs340, vs341 and ws202.
        pytest.param(frames.milesight_seat(occupied=False, battery_pct=100), "017564030000", id="free seat"),
        pytest.param(frames.milesight_seat(occupied=True, battery_pct=100), "017564030001", id="taken seat"),
        pytest.param(
            frames.milesight_pir(triggered=True, is_bright=False, battery_pct=16),
            "017510030001040000",
            id="PIR in the dark",
        ),
        # TheThingsNetwork/lorawan-devices, vendor/browan/tbms100-codec.yaml.
        pytest.param(
            frames.tbms100(occupied=True, battery_v=3.6, board_c=20, since_event_min=4, events=96476),
            "01bb340400dc7801",
            id="desk sensor under a taken desk",
        ),
    ],
)
def test_frames_are_those_of_the_makers(frame: bytes, as_documented: str) -> None:
    assert frame.hex() == as_documented


@settings(deadline=None)
@given(
    battery_v=st.floats(0, 9, allow_nan=False),
    board_c=st.integers(-60, 120),
    minutes=st.integers(0, 10**7),
    events=st.integers(0, 10**9),
)
def test_a_desk_frame_has_eight_bytes_whatever_it_carries(
    battery_v: float, board_c: int, minutes: int, events: int
) -> None:
    frame = frames.tbms100(
        occupied=True, battery_v=battery_v, board_c=board_c, since_event_min=minutes, events=events
    )
    assert len(frame) == 8


def test_a_sensor_joins_and_then_tells_its_state() -> None:
    said = [p for _, p in play(network(), 120)]
    [join] = of(said, SEAT, "join")
    first, second = of(said, SEAT)
    assert join["devAddr"] == first["devAddr"]
    assert join["deviceInfo"]["devEui"] == SEAT
    # Zero values are left out (protobuf JSON).
    assert "fCnt" not in first
    assert second["fCnt"] == 1
    assert base64.b64decode(first["data"]).hex().startswith("ff0bff")
    assert base64.b64decode(second["data"])[3:].hex() == "030000"
    assert all(p.qos == 0 and not p.retain for p in said)


def test_a_change_is_told_at_once_and_without_one_there_is_an_hourly_heartbeat() -> None:
    air = network()
    play(air, 120)
    [sat] = of(shown(air, "A", "seat", 200), SEAT)
    assert base64.b64decode(sat["data"]).hex() == "030001"
    assert shown(air, "A", "seat", 210) == []
    beats = [at for at, p in play(air, 6 * 3600) if p.topic.endswith(f"{SEAT}/event/up")]
    gaps = [b - a for a, b in zip([200.0, *beats], beats, strict=False)]
    assert len(beats) in (5, 6)
    assert all(3500 < gap <= 3605 for gap in gaps)


def test_a_desk_sensor_beats_every_ten_minutes_while_somebody_sits() -> None:
    air = network()
    play(air, 120)
    shown(air, "B", "desk", 130)
    beats = [at for at, p in play(air, 3600) if p.topic.endswith(f"{DESK}/event/up")]
    assert len(beats) == 5


def test_a_pir_says_trigger_once_and_idle_a_minute_after_the_last_hit() -> None:
    air = network()
    play(air, 120)
    assert len(of(shown(air, "C", "motion", 200), PIR)) == 1
    assert shown(air, "C", "motion", 230) == []  # deaf
    assert shown(air, "C", "motion", 259.9) == []
    [(at, idle)] = [(at, p) for at, p in play(air, 400) if p.topic.endswith(f"{PIR}/event/up")]
    assert at == 260
    assert base64.b64decode(json.loads(idle.payload)["data"])[:3].hex() == "030000"


def test_a_battery_is_told_once_a_day() -> None:
    said = [p for _, p in play(network(), 3 * 86_400)]
    levels = [status["batteryLevel"] for status in of(said, SEAT, "status")]
    assert len(levels) in (2, 3)
    assert levels == sorted(levels, reverse=True)


def test_lost_uplinks_leave_a_gap_in_the_counter_and_doubled_ones_repeat_it() -> None:
    counters = [up.get("fCnt", 0) for up in of((p for _, p in play(network(lost=0.3), 400_000)), SEAT)]
    assert counters == sorted(set(counters))
    assert len(counters) < counters[-1] + 1
    doubled = [up.get("fCnt", 0) for up in of((p for _, p in play(network(doubled=0.3), 400_000)), SEAT)]
    assert sorted(set(doubled)) == list(range(doubled[-1] + 1))
    assert len(doubled) > len(set(doubled))


# --- ESPHome, Tasmota, Shelly, radar


def node() -> EsphomeNode:
    inputs: Any = {("A", "motion"): "pir_1", ("A", "link"): "dock_1"}
    return EsphomeNode("esphome/desk-a", inputs, 1, EIGHT, lights=("light_A",))


def test_an_esphome_node_retains_every_state() -> None:
    desk = node()
    assert [(p.topic, p.payload) for p in desk.opening()] == [
        ("esphome/desk-a/status", b"online"),
        ("esphome/desk-a/binary_sensor/pir_1/state", b"OFF"),
        ("esphome/desk-a/binary_sensor/dock_1/state", b"OFF"),
    ]
    assert all(p.retain for p in desk.opening())
    assert desk.will == ("esphome/desk-a/status", b"offline")
    [docked] = shown(desk, "A", "link", 1)
    assert (docked.topic, docked.payload, docked.retain) == (
        "esphome/desk-a/binary_sensor/dock_1/state",
        b"ON",
        True,
    )


def test_an_esphome_pir_ends_by_itself_and_all_states_come_again_each_minute() -> None:
    desk = node()
    assert len(shown(desk, "A", "motion", 1)) == 1
    assert shown(desk, "A", "motion", 10) == []  # still high
    said = play(desk, 180)
    assert [(at, p.payload) for at, p in said if p.topic.endswith("pir_1/state")][-1][1] == b"OFF"
    assert 25.0 in [at for at, p in said if p.payload == b"OFF" and p.topic.endswith("pir_1/state")]
    assert len([p for _, p in said if p.topic.endswith("dock_1/state")]) == 3


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b'{"state":"ON","effect":"reclaimable"}', "reclaimable", id="an effect is our code"),
        pytest.param(b'{"state":"ON"}', "on", id="just on"),
        pytest.param(b'{"state":"OFF"}', "off", id="off"),
        pytest.param(b"\xff{", None, id="rubbish changes nothing"),
        pytest.param(b"[]", None, id="JSON of another shape changes nothing"),
    ],
)
def test_an_esphome_light_obeys(payload: bytes, code: str | None) -> None:
    codes: list[tuple[str, str]] = []
    desk = node()
    desk.on_light = lambda light, name: codes.append((light, name))
    answer = desk.obey("esphome/desk-a/light/light_A/command", payload)
    assert codes == ([] if code is None else [("light_A", code)])
    assert [p.topic for p in answer] == ([] if code is None else ["esphome/desk-a/light/light_A/state"])


def test_a_tasmota_board_tells_changes_at_once_and_telemetry_every_five_minutes() -> None:
    inputs: Any = {("A", "motion"): "Switch1", ("B", "motion"): "Switch2"}
    board = TasmotaBoard("floor1/board-a", inputs, 1, EIGHT)
    assert [(p.topic, p.payload, p.retain) for p in board.opening()] == [
        ("tele/floor1/board-a/LWT", b"Online", True)
    ]
    [hit] = shown(board, "B", "motion", 0)
    assert (hit.topic, json.loads(hit.payload)) == (
        "stat/floor1/board-a/RESULT",
        {"Switch2": {"Action": "ON"}},
    )
    said = play(board, 1500)
    telemetry = [(at, json.loads(p.payload)) for at, p in said if p.topic == "tele/floor1/board-a/SENSOR"]
    assert len(telemetry) == 5
    assert {round(b - a, 3) for (a, _), (b, _) in pairwise(telemetry)} == {300.0}
    assert set(telemetry[0][1]) == {"Time", "Switch1", "Switch2"}


def test_a_tasmota_board_with_the_rule_names_the_pir_in_the_topic() -> None:
    board = TasmotaBoard("floor1/board-b", {("A", "motion"): "PIR1"}, 1, EIGHT)
    assert [(p.topic, p.payload) for p in shown(board, "A", "motion", 0)] == [
        ("stat/floor1/board-b/PIR1", b"ON")
    ]


def test_a_shelly_motion_is_deaf_for_a_minute_and_dates_the_last_movement() -> None:
    sensor = ShellyMotion("shellymotionsensor-60A423BEB709", ("A", "motion"), 1, EIGHT)
    [hit] = shown(sensor, "A", "motion", 1.5)
    said = json.loads(hit.payload)
    assert hit.topic == "shellies/shellymotionsensor-60A423BEB709/status"
    assert set(said) == {"motion", "timestamp", "active", "vibration", "lux", "bat"}
    assert (said["motion"], said["timestamp"]) == (True, int(after(1).timestamp()))
    assert shown(sensor, "A", "motion", 30) == []
    [(at, end)] = play(sensor, 120)
    assert at == 61.5
    assert json.loads(end.payload)["motion"] is False
    assert json.loads(end.payload)["timestamp"] == said["timestamp"]


def test_a_shelly_presence_says_a_change_as_status_and_as_event_each_of_it_partial() -> None:
    sensor = ShellyPresence("shelly-1/presence-a", {("A", "radar"): "presencezone:200"}, 1, EIGHT)
    status, event, count = (json.loads(p.payload) for p in shown(sensor, "A", "radar", 1))
    assert [m["method"] for m in (status, event, count)] == ["NotifyStatus", "NotifyEvent", "NotifyStatus"]
    assert status["params"]["presencezone:200"] == {"id": 200, "value": True}
    assert event["params"]["events"][0]["component"] == "presencezone:200"
    assert "value" not in count["params"]["presencezone:200"]
    assert shown(sensor, "A", "radar", 2) == []


def test_a_zigbee_radar_floods_at_a_change_and_repeats_its_state() -> None:
    bridge = ZigbeeBridge("z", [], 1, EIGHT, radars=["radar-A"], wired={("A", "radar"): "radar-A"})
    changes = [shown(bridge, "A", "radar", at_s, value=at_s % 2 == 0) for at_s in range(40)]
    assert {len(said) for said in changes} == {1, 2, 3}
    assert all(len({p.payload for p in said}) == 1 for said in changes)
    repeats = play(bridge, 3600)
    assert 20 <= len(repeats) <= 65
    assert json.loads(repeats[-1][1].payload)["presence"] is False
    devices = json.loads(bridge.opening()[1].payload)
    assert devices[1]["definition"]["exposes"][0]["name"] == "presence"


# --- the plan, the agenda, the faults


def cast_of(plan: FloorPlan) -> Cast:
    def no_link(*_: object, **__: object) -> Any:
        raise AssertionError("a speaker opens no link")

    return Cast(plan, 3, EIGHT, no_link, lambda _place, _code: None)


def test_every_device_of_the_example_plan_is_played(example_plan: FloorPlan) -> None:
    found = dict(speakers(cast_of(example_plan)))
    wired = [
        (place.id, "link" if sensor.kind == "link" else "motion")
        for place in example_plan.place.values()
        for sensor in place.sensors
        if sensor.device.startswith(("dsp1-", "switch-"))  # played as child processes, and over SNMP
    ]
    radio = [
        heard
        for gateway in example_plan.gateways
        for heard, _ in ble_sensors(example_plan, gateway.id).values()
    ]
    heard: Any = [*wired, *radio, *(heard for speaker in found.values() for heard in speaker.hears)]
    assert unplayed(example_plan, heard) == []
    assert {family.name for family in families_of(example_plan) if family.wires} == {
        "zigbee2mqtt",
        "chirpstack",
        "esphome",
        "tasmota",
        "shelly",
    }
    assert all(len(client_id) <= 64 for client_id in found)


def test_what_nobody_plays_is_named(mixed_plan: FloorPlan) -> None:
    assert unplayed(mixed_plan, [("M01", "motion")]) == sorted(set(mixed_plan.devices) - {"z2m-pir-M01"})


def test_the_same_seed_says_the_same(mixed_plan: FloorPlan) -> None:
    def day() -> list[Any]:
        return [play(speaker, 7200) for _, speaker in speakers(cast_of(mixed_plan))]

    assert day() == day()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=30), st.integers(0, 60))
def test_an_agenda_keeps_the_last_time_of_each_key(puts: list[tuple[str, int]], until_s: int) -> None:
    agenda = Agenda()
    for key, at_s in puts:
        agenda.put(key, after(at_s))
    last = dict(puts)
    due = [(key, (at - EIGHT).total_seconds()) for at, key in agenda.due(after(until_s))]
    assert sorted(due) == sorted((key, at) for key, at in last.items() if at <= until_s)
    assert [at for _, at in due] == sorted(at for _, at in due)
    rest = [at for at in last.values() if at > until_s]
    assert agenda.wake_at == (after(min(rest)) if rest else FAR)


Wrap = Callable[[MqttFaults], FaultySpeaker]


@pytest.fixture
def behind() -> Wrap:
    """An ESPHome node behind the given faults."""
    return lambda faults: FaultySpeaker(node(), faults, 7, EIGHT)


def payloads(said: Iterable[tuple[float, Publication]]) -> list[tuple[str, bytes]]:
    return sorted((p.topic, p.payload) for _, p in said)


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        pytest.param(MqttFaults(lost=0.3), "lost", id="lost"),
        pytest.param(MqttFaults(doubled=0.3), "doubled", id="doubled"),
        pytest.param(MqttFaults(late=0.5), "late", id="late"),
        pytest.param(MqttFaults(stalls_per_h=6), "stalls", id="stalls"),
        pytest.param(MqttFaults(clock_step_s=50), "clock_steps", id="steps of the clock"),
    ],
)
def test_a_fault_happens_and_is_counted_and_is_the_same_for_the_same_seed(
    behind: Wrap, faults: MqttFaults, name: str
) -> None:
    first, second = behind(faults), behind(faults)
    clean = play(node(), 4 * 3600)
    said = play(first, 4 * 3600)
    assert said == play(second, 4 * 3600)
    assert first.counts == second.counts
    assert first.counts[name] > 0
    assert said != clean


def test_what_is_late_or_stalled_comes_in_the_end(behind: Wrap) -> None:
    slow = behind(MqttFaults(late=0.5, late_s=20, stalls_per_h=4, stall_s=120))
    said = play(slow, 3600)
    clean = payloads(play(node(), 3600))
    assert len(clean) - 6 <= len(said) <= len(clean)
    assert set(payloads(said)) == set(clean)


def test_rubbish_stands_on_the_topics_of_the_device(behind: Wrap) -> None:
    said = behind(MqttFaults(rubbish=20)).opening()
    assert len(said) == 23
    assert all(p.retain and p.topic.startswith("esphome/desk-a/") for p in said)


def test_impossible_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="0-1"):
        MqttFaults(lost=1.5)
    with pytest.raises(ValueError, match="negative"):
        MqttFaults(stall_s=-1)
    with pytest.raises(ValueError, match="0-1"):
        AirFaults(lost=-0.1)
