"""The gateway's end of a DSP/1 wire, against a model of a node and a wire that loses and damages bytes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_bridge.dsp1.framing import Frame, FrameReader, encode_frame
from firmware_bridge.dsp1.host_session import HostSession
from firmware_bridge.dsp1.messages import (
    PAYLOAD_BYTES,
    Ack,
    AnyMessage,
    Event,
    EventAck,
    EventKind,
    Heartbeat,
    Hello,
    HelloRequest,
    Nak,
    Ping,
    Pong,
    SetLed,
    SetLight,
    State,
    decode_message,
    encode_message,
)
from workplace.events import Command, LightCode
from workplace.ports import SessionStep, WireSession
from workplace.readings import ClockSample, WireReading

UID = bytes.fromhex("0001000000000002")
DEVICE = "dsp1-0001000000000002"
BOOT = 0xB007
NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def hello(**changes: object) -> Hello:
    facts: dict[str, object] = {
        "proto_min": 1,
        "proto_max": 1,
        "uid": UID,
        "boot_id": BOOT,
        "uptime_ms": 1000,
        "fw_version": 0x0100,
        "hw_model": 0x0104,
        "max_frame": 64,
        "queue_len": 32,
        "reset_reason": 0,
    }
    return Hello(**(facts | changes))  # type: ignore[arg-type]


def event(
    seq: int, *, oldest: int = 1, kind: int = EventKind.DOCK, value: int = 1, boot: int = BOOT
) -> Event:
    return Event(boot, seq, 1000 * seq, kind, 2, value, oldest)


def beat(last: int = 0, *, queued: int = 0, dropped: int = 0, state: int = 0, boot: int = BOOT) -> Heartbeat:
    return Heartbeat(boot, 9000, state, queued, dropped, 0, 0, last)


def light(code: LightCode, channel: str | None = "2", device: str = DEVICE, number: int = 1) -> Command:
    return Command(
        id=f"command-{number}",
        site="raadhuis",
        gateway="gw-1",
        device=device,
        channel=channel,
        light=code,
        issued_at=NINE,
        valid_until=NINE + timedelta(minutes=1),
    )


def wire(*messages: AnyMessage) -> bytes:
    return b"".join(encode_message(message, seq) for seq, message in enumerate(messages))


def frames(data: bytes) -> list[Frame]:
    return FrameReader(PAYLOAD_BYTES).feed(data)


def sent(step: SessionStep) -> list[AnyMessage]:
    found = [decode_message(frame) for frame in frames(step.to_send)]
    return [message for message in found if message is not None]


def sent_of(step: SessionStep, kind: type[AnyMessage]) -> list[AnyMessage]:
    return [message for message in sent(step) if isinstance(message, kind)]


def met(*, first: AnyMessage | None = None) -> HostSession:
    """A session at 1 s that knows its device; `first` came with the hello."""
    session = HostSession()
    session.opened(0, 0)
    session.feed(wire(hello(), *([first] if first else [])), 1000, 1000)
    return session


def shape(readings: Iterable[WireReading]) -> list[tuple[str, object, object]]:
    return [(item.reading.kind, item.reading.channel, item.reading.value) for item in readings]


def test_the_session_is_a_wire_session() -> None:
    session: WireSession = HostSession()
    assert sent(session.opened(0, 0)) == [HelloRequest()]


def test_a_device_is_up_when_it_has_said_its_name() -> None:
    session = HostSession()
    session.opened(0, 0)
    step = session.feed(wire(event(1)), 10, 10)
    assert (step.readings, step.changes) == ((), ())
    step = session.feed(wire(hello()), 20, 20)
    assert step.changes == (("device_up", DEVICE),)
    assert session.feed(wire(hello()), 30, 30).changes == ()


def test_it_asks_every_second_until_somebody_answers_and_after_six_seconds_of_silence() -> None:
    session = HostSession()
    assert session.opened(0, 0).wake_at_ms == 1000
    assert sent(session.tick(999, 999)) == []
    assert sent(session.tick(1000, 1000)) == [HelloRequest()]
    session.feed(wire(hello()), 1500, 1500)
    assert HelloRequest() not in sent(session.tick(7499, 7499))
    assert HelloRequest() in sent(session.tick(7500, 7500))


def test_a_missing_heartbeat_and_two_unanswered_questions_make_the_device_silent_and_any_frame_brings_it_back() -> (
    None
):
    session = met()
    assert HelloRequest() in sent(session.tick(7_000, 7_000))
    assert HelloRequest() in sent(session.tick(13_000, 13_000))
    assert session.tick(15_999, 15_999).changes == ()
    assert session.tick(16_000, 16_000).changes == (("device_silent", DEVICE),)
    assert session.tick(61_000, 61_000).changes == ()
    assert session.feed(wire(beat()), 62_000, 62_000).changes == (("device_up", DEVICE),)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        pytest.param(EventKind.PIR, 1, ("motion", "2", True), id="the PIR says motion"),
        pytest.param(EventKind.PIR, 0, ("motion", "2", False), id="the PIR says no more motion"),
        pytest.param(EventKind.DOCK, 1, ("link", "2", True), id="a laptop is docked"),
        pytest.param(EventKind.DOCK, 0, ("link", "2", False), id="a laptop is taken away"),
        pytest.param(EventKind.BUTTON, 1, ("button", "2", True), id="the button is pressed"),
    ],
)
def test_events_become_readings(kind: int, value: int, expected: tuple[str, str, bool]) -> None:
    (item,) = met().feed(wire(event(1, kind=kind, value=value)), 1100, 1100).readings
    assert shape([item]) == [expected]
    assert (item.device, item.boot_id, item.uptime_ms, item.seq) == (DEVICE, BOOT, 1000, 1)
    assert item.token is not None


def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    session = met()
    step = session.feed(wire(event(1)), 1100, 1100)
    assert sent_of(step, EventAck) == []
    (token,) = [item.token for item in step.readings]
    assert token is not None
    assert sent(session.commit([token], 1200)) == [EventAck(BOOT, 1)]
    assert sent(session.commit([token], 1200)) == []


def test_an_acknowledgement_never_passes_an_event_that_has_not_come() -> None:
    session = met()
    step = session.feed(wire(event(5, oldest=4), event(7, oldest=4)), 1100, 1100)
    tokens = [item.token for item in step.readings if item.token]
    assert sent(session.commit(tokens, 1200)) == []
    step = session.feed(wire(event(4, oldest=4)), 1300, 1300)
    assert sent(session.commit([item.token for item in step.readings if item.token], 1400)) == [
        EventAck(BOOT, 5)
    ]
    step = session.feed(wire(event(6, oldest=6)), 1500, 1500)
    assert sent(session.commit([item.token for item in step.readings if item.token], 1600)) == [
        EventAck(BOOT, 7)
    ]
    assert "events_lost" not in session.counters


def test_a_repeated_event_is_delivered_once_and_acknowledged_again_when_durable() -> None:
    session = met()
    (item,) = session.feed(wire(event(1)), 1100, 1100).readings
    assert session.feed(wire(event(1)), 1200, 1200).readings == ()
    session.commit([item.token or 0], 1300)
    step = session.feed(wire(event(1)), 1400, 1400)
    assert step.readings == ()
    assert sent_of(step, EventAck) == [EventAck(BOOT, 1)]


def test_a_boot_mark_and_vendor_events_need_no_commit() -> None:
    step = met().feed(wire(event(1, kind=EventKind.BOOT), event(2, kind=200)), 1100, 1100)
    assert step.readings == ()
    assert sent_of(step, EventAck) == [EventAck(BOOT, 1), EventAck(BOOT, 2)]


def test_a_new_session_does_not_call_lost_what_an_earlier_one_has_acknowledged() -> None:
    step = met(first=beat(40, dropped=3)).feed(wire(event(41, oldest=41)), 1100, 1100)
    assert step.changes == ()
    assert len(step.readings) == 1


@pytest.mark.parametrize(
    ("messages", "lost"),
    [
        pytest.param([event(1), event(5, oldest=4)], 2, id="the oldest event kept jumps past what we had"),
        pytest.param([event(1), beat(4)], 3, id="an empty queue after events we never saw"),
        pytest.param(
            [beat(40, queued=32, dropped=8)], 8, id="a full queue met at the start has dropped some"
        ),
        pytest.param([event(1), beat(3, queued=2)], 0, id="events still queued are not lost"),
        pytest.param([event(1), event(1), event(2)], 0, id="repeats are not lost"),
    ],
)
def test_gaps_are_declared_once_with_their_size(messages: list[AnyMessage], lost: int) -> None:
    step = met().feed(wire(*messages, *messages[-1:]), 1100, 1100)
    gaps = [code for code, device in step.changes if device == DEVICE and code.startswith("gap:")]
    assert gaps == ([f"gap:{lost}"] if lost else [])


def test_a_restart_loses_what_was_still_on_the_device_and_says_so() -> None:
    session = met(first=event(1))
    session.feed(wire(beat(3, queued=3)), 1100, 1100)
    step = session.feed(wire(hello(boot_id=77)), 1200, 1200)
    assert step.changes == (("gap:2", DEVICE), ("device_up", DEVICE))
    (item,) = session.feed(wire(event(1, boot=77)), 1300, 1300).readings
    assert (item.boot_id, item.seq) == (77, 1)


def test_a_token_of_an_earlier_boot_acknowledges_nothing() -> None:
    session = met()
    (item,) = session.feed(wire(event(1)), 1100, 1100).readings
    session.feed(wire(hello(boot_id=77), event(1, boot=77)), 1200, 1200)
    assert sent(session.commit([item.token or 0], 1300)) == []


def test_after_a_restart_whose_hello_was_lost_it_asks_before_believing() -> None:
    session = met()
    step = session.feed(wire(event(1, boot=77)), 2100, 2100)
    assert step.readings == ()
    assert HelloRequest() in sent(step)


def state(last: int, docked: int, occupied: int) -> State:
    return State(BOOT, 9000, last, 4, docked, occupied)


def test_state_reports_the_levels_of_all_channels() -> None:
    step = met(first=beat()).feed(wire(state(0, 0b1001, 0b0010)), 1100, 1100)
    assert shape(step.readings) == [
        ("link", "0", True),
        ("link", "1", False),
        ("link", "2", False),
        ("link", "3", True),
        ("motion", "0", False),
        ("motion", "1", True),
        ("motion", "2", False),
        ("motion", "3", False),
    ]
    assert all((item.seq, item.token, item.uptime_ms) == (None, None, 9000) for item in step.readings)


def test_levels_wait_for_the_events_before_them() -> None:
    session = met(first=beat(2, queued=2))
    assert session.feed(wire(state(2, 0b0100, 0)), 1100, 1100).readings == ()
    assert shape(session.feed(wire(event(1)), 1200, 1200).readings) == [("link", "2", True)]
    readings = session.feed(wire(event(2, value=0)), 1300, 1300).readings
    assert shape(readings)[0] == ("link", "2", False)
    assert len(readings) == 1 + 8


def test_levels_that_a_later_event_has_overtaken_are_dropped() -> None:
    session = met(first=beat(2, queued=2))
    session.feed(wire(state(2, 0b0100, 0)), 1100, 1100)
    readings = session.feed(wire(event(3), event(1), event(2)), 1200, 1200).readings
    assert [item.seq for item in readings] == [3, 1, 2]


def test_after_a_gap_levels_count_at_once() -> None:
    session = met(first=event(1))
    step = session.feed(wire(event(9, oldest=5), state(9, 0b0100, 0)), 1100, 1100)
    assert step.changes == (("gap:3", DEVICE),)
    assert len(step.readings) == 1 + 8


def test_a_node_of_another_family_has_one_channel_told_by_its_heartbeat() -> None:
    session = HostSession()
    session.opened(0, 0)
    step = session.feed(wire(hello(hw_model=0x0203), beat(state=0b10)), 100, 100)
    assert shape(step.readings) == [("link", "0", True), ("motion", "0", False)]


def test_eight_pings_at_connect_then_one_every_ten_seconds() -> None:
    session = HostSession()
    session.opened(0, 5_000_000)
    at, times = 100.0, []
    step = session.feed(wire(hello()), at, at + 5_000_000)
    while at < 30_000:
        times += [at] * len(sent_of(step, Ping))
        assert step.wake_at_ms is not None
        at = max(at + 1, step.wake_at_ms)
        step = session.feed(wire(beat()), at, at + 5_000_000)
    assert times == [*(100.0 * n for n in range(1, 9)), 10_800, 20_800]


def test_an_answered_ping_is_a_clock_sample() -> None:
    session = HostSession()
    session.opened(0, 5_000_000)
    (ping,) = sent_of(session.feed(wire(hello()), 100, 5_000_100), Ping)
    assert isinstance(ping, Ping)
    pong = Pong(ping.token, BOOT, 4321)
    step = session.feed(wire(pong, pong), 112, 5_000_112)
    assert step.samples == (ClockSample(DEVICE, BOOT, 5_000_100, 5_000_112, 4321),)
    assert session.counters["pongs_unasked"] == 1


def test_a_light_is_repeated_three_times_and_then_given_up() -> None:
    session = met()
    times, at, failed = [], 2000.0, None
    step = session.command(light("reclaimable"), at)
    while failed is None and at < 5000:
        times += [at] * len(sent_of(step, SetLight))
        failed = next((change for change in step.changes if change[0].startswith("command_failed")), None)
        at += 50
        step = session.tick(at, at)
    assert times == [2000, 2300, 2600, 2900]
    assert failed == ("command_failed:command-1", DEVICE)


def answer_to(step: SessionStep, *, reason: int | None = None) -> AnyMessage:
    (frame,) = [frame for frame in frames(step.to_send) if frame.type_code in (0x84, 0x86)]
    return Ack(frame.seq, frame.type_code) if reason is None else Nak(frame.seq, frame.type_code, reason)


def test_an_acknowledged_light_is_not_repeated_until_the_node_restarts() -> None:
    session = met()
    step = session.command(light("free"), 2000)
    assert sent(step) == [SetLight(2, 1, 0)]
    session.feed(wire(answer_to(step)), 2010, 2010)
    assert sent_of(session.tick(9000, 9000), SetLight) == []
    assert sent_of(session.feed(wire(hello(boot_id=78)), 9100, 9100), SetLight) == [SetLight(2, 1, 0)]


def test_the_newest_light_of_a_channel_wins() -> None:
    session = met()
    old = session.command(light("free"), 2000)
    session.command(light("note", number=2), 2010)
    session.feed(wire(answer_to(old)), 2020, 2020)
    assert sent_of(session.tick(2310, 2310), SetLight) == [SetLight(2, 3, 0)]


def test_a_node_that_only_knows_one_plain_light_gets_a_colour() -> None:
    session = met()
    step = session.command(light("reclaimable", channel=None), 2000)
    assert sent(step) == [SetLight(0, 4, 0)]
    step = session.feed(wire(answer_to(step, reason=1)), 2010, 2010)
    (led,) = sent_of(step, SetLed)
    assert led == SetLed(160, 45, 0, 0)
    step = session.feed(wire(answer_to(step)), 2020, 2020)
    assert step.changes == ()
    assert len(sent_of(session.command(light("off", channel="0", number=2), 3000), SetLed)) == 1


@pytest.mark.parametrize(
    ("channel", "device"),
    [
        pytest.param("16", DEVICE, id="there are at most 16 channels"),
        pytest.param("left", DEVICE, id="a channel is a number"),
        pytest.param("1", "dsp1-ffffffffffffffff", id="another device is not on this wire"),
    ],
)
def test_impossible_commands_fail_at_once(channel: str, device: str) -> None:
    step = met().command(light("free", channel=channel, device=device), 2000)
    assert step.changes == (("command_failed:command-1", device),)
    assert sent_of(step, SetLight) == []


def test_a_bad_value_fails_at_once_and_busy_is_tried_again() -> None:
    session = met()
    step = session.command(light("free"), 2000)
    step = session.feed(wire(answer_to(step, reason=3)), 2010, 2010)
    assert step.changes == ()
    step = session.tick(2300, 2300)
    assert sent_of(step, SetLight) == [SetLight(2, 1, 0)]
    step = session.feed(wire(answer_to(step, reason=2)), 2310, 2310)
    assert step.changes == (("command_failed:command-1", DEVICE),)


def test_unsupported_firmware_is_reported_once_and_left_alone() -> None:
    session = HostSession()
    session.opened(0, 0)
    newer = wire(hello(proto_min=2, proto_max=3))
    step = session.feed(newer, 100, 100)
    assert step == SessionStep(changes=(("unsupported_firmware", DEVICE),))
    assert session.feed(newer + wire(event(1)), 2100, 2100) == SessionStep()
    assert session.tick(60_000, 60_000) == SessionStep()
    assert session.command(light("free"), 60_001).to_send == b""
    assert session.feed(wire(hello(proto_max=9)), 61_000, 61_000).changes == (("device_up", DEVICE),)


def test_unknown_messages_and_unfit_events_are_counted() -> None:
    session = met()
    session.feed(encode_frame(Frame(0x70, 0, b"")) + wire(event(1, oldest=2), event(0, oldest=0)), 1100, 1100)
    assert (session.counters["unknown_type"], session.counters["events_not_taken"]) == (1, 2)


# A node and a wire, simulated in steps of 50 ms.


@dataclass
class ModelNode:
    """What a node does with its event queue, and nothing else. Written from the specification."""

    boot_id: int = BOOT
    next_seq: int = 1
    queue: list[Event] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    out: bytes = b""
    seq: int = 0
    resend_at: int = 0
    backoff: int = 500
    beat_at: int = 0
    reader: FrameReader = field(default_factory=lambda: FrameReader(PAYLOAD_BYTES))

    def say(self, message: AnyMessage) -> None:
        self.out += encode_message(message, self.seq)
        self.seq += 1

    def happen(self, now: int, value: int) -> None:
        self.queue.append(Event(self.boot_id, self.next_seq, now, EventKind.DOCK, 0, value, 0))
        self.next_seq += 1
        if len(self.queue) > 32:
            self.dropped.append(self.queue.pop(0).ev_seq)
        self.tell(self.queue[-1])
        if len(self.queue) == 1:
            self.backoff, self.resend_at = 500, now + 500

    def tell(self, item: Event) -> None:
        self.say(
            Event(
                item.boot_id,
                item.ev_seq,
                item.uptime_ms,
                item.kind,
                0,
                item.value,
                self.queue[0].ev_seq,
            )
        )

    def step(self, now: int, data: bytes) -> None:
        for frame in self.reader.feed(data):
            message = decode_message(frame)
            if isinstance(message, HelloRequest):
                self.say(hello(boot_id=self.boot_id, uptime_ms=now, hw_model=0x0203))
                self.beat(now)
            elif isinstance(message, EventAck) and message.boot_id == self.boot_id:
                while self.queue and self.queue[0].ev_seq <= message.up_to_ev_seq:
                    self.forgotten.append(self.queue.pop(0).ev_seq)
        if self.queue and now >= self.resend_at:
            for item in self.queue[:4]:
                self.tell(item)
            self.backoff = min(2000, self.backoff * 2)
            self.resend_at = now + self.backoff
        if now >= self.beat_at:
            self.beat(now)
            self.beat_at = now + 10_000

    def beat(self, now: int) -> None:
        last = self.next_seq - 1
        self.say(Heartbeat(self.boot_id, now, 0, len(self.queue), len(self.dropped), 0, 0, last))


def spoil(data: bytes, chance: random.Random, error_rate: float) -> bytes:
    """Flip bits, drop bytes, repeat a stretch."""
    out = bytearray()
    for byte in data:
        lot = chance.random()
        if lot < error_rate:
            continue
        out.append(byte ^ (1 << chance.randrange(8)) if lot < 2 * error_rate else byte)
    if data and chance.random() < error_rate * 10:
        out += data
    return bytes(out)


@dataclass
class Bench:
    """Node, wire, session, and a store that commits after a while and may be killed."""

    chance: random.Random
    error_rate: float
    stall: float
    node: ModelNode = field(default_factory=ModelNode)
    session: HostSession = field(default_factory=HostSession)
    waiting: list[WireReading] = field(default_factory=list)
    stored: list[tuple[int, int]] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    gaps: int = 0
    untold: int | None = None
    """Dropped before the session knew where the node's queue begins: an earlier session may have taken it."""
    to_node: bytes = b""
    now: int = 0

    def run(self, steps: int, *, events: bool) -> None:
        for _ in range(steps):
            self.now += 50
            if events and self.chance.random() < 0.08:
                self.node.happen(self.now, self.node.next_seq % 2)
            self.node.step(self.now, spoil(self.to_node, self.chance, self.error_rate))
            self.to_node = b""
            data, self.node.out = spoil(self.node.out, self.chance, self.error_rate), b""
            self.take(self.session.feed(data, self.now, self.now))
            if self.chance.random() >= self.stall:
                tokens = [item.token for item in self.waiting if item.token]
                self.stored += [(item.boot_id, item.seq) for item in self.waiting if item.seq]
                self.waiting = []
                self.take(self.session.commit(tokens, self.now))

    def reopen(self) -> None:
        """The gateway was killed: what it had not stored is gone, and so is all it knew."""
        self.waiting = []
        self.session = HostSession()
        self.take(self.session.opened(self.now, self.now))

    def take(self, step: SessionStep) -> None:
        self.to_node += step.to_send
        self.waiting += [item for item in step.readings if item.seq]
        self.delivered += [item.seq for item in step.readings if item.seq]
        ledger = self.session._ledger
        if self.untold is None and ledger is not None and ledger.floor is not None:
            self.untold = len(self.node.dropped)
        self.gaps += sum(int(code[4:]) for code, _ in step.changes if code.startswith("gap:"))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    error_rate=st.sampled_from([0.0, 0.001, 0.01, 0.03]),
    stall=st.sampled_from([0.0, 0.7, 0.98, 0.997]),
)
@example(seed=16218, error_rate=0.03, stall=0.0)
@example(seed=3062672817, error_rate=0.03, stall=0.98)
def test_on_a_bad_wire_nothing_acknowledged_is_lost_nor_delivered_twice(
    seed: int, error_rate: float, stall: float
) -> None:
    bench = Bench(random.Random(seed), error_rate, stall)
    bench.take(bench.session.opened(0, 0))
    bench.run(600, events=True)
    bench.error_rate = bench.stall = 0.0
    bench.run(500, events=False)
    stored = {seq for _, seq in bench.stored}
    assert len(bench.delivered) == len(set(bench.delivered))
    assert len(bench.stored) == len(stored)
    assert set(bench.node.forgotten) <= stored | set(bench.node.dropped)
    assert bench.node.queue == []
    missing = set(range(1, bench.node.next_seq)) - stored
    assert missing <= set(bench.node.dropped)
    assert len(missing) - (bench.untold or 0) <= bench.gaps <= len(missing)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), error_rate=st.sampled_from([0.0, 0.002]))
def test_a_killed_gateway_loses_nothing_that_it_acknowledged(seed: int, error_rate: float) -> None:
    chance = random.Random(seed)
    bench = Bench(chance, error_rate, stall=0.6)
    bench.reopen()
    for _ in range(5):
        bench.run(chance.randrange(40, 120), events=True)
        bench.reopen()
    bench.error_rate = bench.stall = 0.0
    bench.run(500, events=False)
    stored = {seq for _, seq in bench.stored}
    assert set(bench.node.forgotten) <= stored
    assert set(range(1, bench.node.next_seq)) - stored <= set(bench.node.dropped)
