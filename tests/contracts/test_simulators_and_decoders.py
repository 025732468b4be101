"""What each simulated family says is read back by our decoders with the same meaning, at the place it is about."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.mqtt_decoders import MQTT_DECODERS
from gateway.normalise import Origin, Refused, event_of_message
from gateway.settings import MqttBridge, from_mapping
from gateway.topic_filter import matches
from plekvrij.site_processes import gateway_config
from simulators.families import speakers
from simulators.mqtt_faults import FaultySpeaker, MqttFaults
from simulators.players import Cast
from simulators.sensors import SensorInput, sense_of
from simulators.speaker import Input, Publication, Speaker
from workplace.device_ids import device_id, device_topics
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.ports import MessageDecoder

EIGHT = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
CLAIMS = {"motion", "occupancy", "link"}
#: Longest a simulated PIR takes to say that a hit is over: Zigbee2MQTT's 90 s.
HIT_IS_OVER = timedelta(seconds=91)


@dataclass(slots=True)
class Reader:
    """Stands where gateways stand: one decoder per base topic of the plan, configured as in the demo."""

    bridges: list[tuple[MqttBridge, MessageDecoder]]
    claims: dict[tuple[str, str | None, str], bool] = field(default_factory=dict)
    events: list[SensorEvent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    available: dict[str, bool] = field(default_factory=dict)

    def read(self, said: Publication, now: datetime, *, retained: bool = False) -> None:
        heard = 0
        for bridge, decoder in self.bridges:
            if not any(matches(topic, said.topic) for topic in device_topics(bridge.format, bridge.base)):
                continue
            heard += 1
            decoded = decoder.decode(said.topic, said.payload, retained=retained, now=now)
            if decoded.fault is not None or decoded.dropped is not None:
                self.faults.append(f"{said.topic}: {decoded.fault or decoded.dropped}")
            for reading in decoded.readings:
                name = reading.device or decoded.device
                assert name is not None
                device = device_id(bridge.format, name)
                if reading.kind == "availability":
                    self.available[device] = reading.value is True
                    continue
                event = event_of_message(
                    reading,
                    decoded,
                    origin=Origin("s", "g"),
                    device=device,
                    payload=said.payload,
                    retained=retained,
                    received_at=now,
                )
                if isinstance(event, Refused):
                    continue
                self.events.append(event)
                if event.kind in CLAIMS:
                    self.claims[device, event.channel, event.kind] = event.value is True
        assert heard == 1, f"{heard} gateways listen to {said.topic}"


@dataclass(slots=True)
class Stage:
    """All speakers of a plan, and the reader that hears them."""

    plan: FloorPlan
    reader: Reader
    speakers: list[Speaker]
    now: datetime = EIGHT

    @property
    def inputs(self) -> dict[Input, tuple[str, str | None, str]]:
        return {
            (place.id, sense_of(sensor)): (sensor.device, sensor.channel, sensor.kind)
            for place in self.plan.place.values()
            for sensor in place.sensors
        }

    def show(self, heard: Input, *, value: bool) -> None:
        for speaker in self.speakers:
            if heard in speaker.hears:
                for said in speaker.take(SensorInput(self.now, *heard, value), self.now):
                    self.reader.read(said, self.now)

    def pass_time(self, length: timedelta) -> None:
        """Give every speaker its turns until then."""
        until = self.now + length
        while (wake := min(speaker.wake_at for speaker in self.speakers)) <= until:
            self.now = max(self.now, wake)
            self._turn()
        self.now = until
        self._turn()

    def _turn(self) -> None:
        for speaker in self.speakers:
            if speaker.wake_at <= self.now:
                for said in speaker.due(self.now):
                    self.reader.read(said, self.now)

    def says(self, heard: Input) -> bool | None:
        """Return the last claim about an input as the engine gets it."""
        return self.reader.claims.get(self.inputs[heard])


def reader_of(plan: FloorPlan) -> Reader:
    given_settings: Any = SimpleNamespace(
        site=SimpleNamespace(plan=plan), folder=Path("site"), clock=SimpleNamespace(speed=1)
    )
    return Reader(
        [
            (bridge, MQTT_DECODERS[bridge.format](bridge.base, bridge.models))
            for gateway in plan.gateways
            for bridge in from_mapping(tomllib.loads(gateway_config(given_settings, gateway))).mqtt
        ]
    )


def stage_of(plan: FloorPlan, faults: MqttFaults | None = None) -> Stage:
    """Open the curtain: everybody has connected, and every LoRaWAN sensor has joined."""
    cast = Cast(plan, 3, EIGHT, _no_link, lambda _place, _code: None)
    found: list[Speaker] = [speaker for _, speaker in speakers(cast)]
    if faults is not None:
        found = [FaultySpeaker(speaker, faults, number, EIGHT) for number, speaker in enumerate(found)]
    stage = Stage(plan, reader_of(plan), found)
    for speaker in found:
        for said in speaker.opening():
            stage.reader.read(said, EIGHT, retained=said.retain)
    stage.pass_time(timedelta(minutes=2))
    return stage


def _no_link(*_: object, **__: object) -> Any:
    raise AssertionError("a speaker opens no link")


@pytest.fixture
def stage(mixed_plan: FloorPlan) -> Stage:
    return stage_of(mixed_plan)


def test_every_family_is_read_at_its_place_with_the_value_that_was_shown(stage: Stage) -> None:
    for value in (True, False, True):
        for heard in stage.inputs:
            stage.show(heard, value=value)
            if heard[1] != "motion" or value:
                assert stage.says(heard) is value, heard
        stage.pass_time(HIT_IS_OVER)
        for heard in stage.inputs:
            assert stage.says(heard) is (value if heard[1] != "motion" else False), heard
    assert stage.reader.faults == []


def test_nothing_is_claimed_of_an_input_that_the_plan_does_not_have(stage: Stage) -> None:
    for heard in stage.inputs:
        stage.show(heard, value=True)
    stage.pass_time(timedelta(hours=2))
    assert set(stage.reader.claims) <= set(stage.plan.wired)
    assert len(stage.reader.claims) == len(stage.inputs)


def test_the_device_says_itself_whether_it_is_there(stage: Stage) -> None:
    assert set(stage.reader.available.values()) == {True}
    wills = [speaker.will for speaker in stage.speakers if speaker.will is not None]
    for topic, payload in wills:
        stage.reader.read(Publication(topic, payload, retain=True), stage.now)
    told = {device for device, is_there in stage.reader.available.items() if not is_there}
    # A Zigbee bridge speaks for all its devices; a LoRaWAN sensor is known by its silence only.
    own = {device for device in stage.plan.devices if not device.startswith(("z2m-", "lora-"))}
    assert told == own | {"z2m-zigbee2mqtt-1"}


def test_heartbeats_come_at_least_as_often_as_the_plan_expects(stage: Stage) -> None:
    began, length = stage.now, timedelta(hours=4)
    stage.reader.events.clear()
    stage.pass_time(length)
    for place in stage.plan.place.values():
        for sensor in place.sensors:
            if sensor.beat_s is None:
                continue
            heard = [event.received_at for event in stage.reader.events if event.device == sensor.device]
            gaps = [b - a for a, b in zip([began, *heard], [*heard, began + length], strict=True)]
            assert max(gaps) <= timedelta(seconds=sensor.beat_s + 60), sensor.device


def test_measured_times_are_the_shown_times(stage: Stage) -> None:
    for heard in stage.inputs:
        stage.pass_time(HIT_IS_OVER)
        stage.reader.events.clear()
        stage.show(heard, value=True)
        claims = [event for event in stage.reader.events if event.kind in CLAIMS]
        assert claims, heard
        for event in claims:
            assert timedelta(0) <= stage.now - event.measured_at < timedelta(seconds=1), heard


STEPS = st.lists(
    st.tuples(st.integers(0, 10), st.booleans(), st.sampled_from([0.0, 0.5, 20.0, 61.0, 400.0, 3700.0])),
    max_size=40,
)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_the_last_word_is_the_truth(mixed_plan: FloorPlan, steps: list[Any]) -> None:
    stage = stage_of(mixed_plan)
    inputs = list(stage.inputs)
    truth = {heard: False for heard in inputs if heard[1] != "motion"}
    for number, value, pause_s in steps:
        heard = inputs[number % len(inputs)]
        stage.show(heard, value=value)
        if heard in truth:
            truth[heard] = value
        stage.pass_time(timedelta(seconds=pause_s))
        assert {level: stage.says(level) or False for level in truth} == truth
    stage.pass_time(HIT_IS_OVER)
    assert not any(stage.says(heard) for heard in inputs if heard not in truth)
    assert stage.reader.faults == []


BAD_DAYS = st.builds(
    MqttFaults,
    lost=st.sampled_from([0.0, 0.3]),
    doubled=st.sampled_from([0.0, 0.3]),
    late=st.sampled_from([0.0, 0.3]),
    stalls_per_h=st.sampled_from([0.0, 3.0]),
    rubbish=st.integers(0, 8),
    clock_step_s=st.sampled_from([0.0, 90.0, 4000.0]),
)


@settings(max_examples=20, deadline=None)
@given(faults=BAD_DAYS, steps=STEPS)
def test_on_a_bad_day_nothing_is_raised_and_nobody_is_invented(
    mixed_plan: FloorPlan, faults: MqttFaults, steps: list[Any]
) -> None:
    """Lost, doubled, late messages, rubbish and wrong clocks: a claim is only made of what once was shown."""
    stage = stage_of(mixed_plan, faults)
    inputs = list(stage.inputs)
    shown: set[Input] = set()
    for number, value, pause_s in steps:
        heard = inputs[number % len(inputs)]
        stage.show(heard, value=value)
        shown |= {heard} if value else set()
        stage.pass_time(timedelta(seconds=pause_s))
    seen = {key for key, value in ever_true(stage.reader)}
    assert seen <= {stage.inputs[heard] for heard in shown}
    for event in stage.reader.events:
        assert event.measured_at <= event.received_at


def ever_true(reader: Reader) -> Iterator[tuple[tuple[str, str | None, str], bool]]:
    for event in reader.events:
        if event.kind in CLAIMS and event.value is True:
            yield (event.device, event.channel, event.kind), True
