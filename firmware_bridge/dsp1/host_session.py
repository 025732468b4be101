"""The gateway's end of one DSP/1 wire: bytes and times in, bytes, readings and facts out.

Pure: no clock, no I/O. An event is acknowledged only after its token came back through `commit`, so a reading
that the gateway neither commits nor keeps stays away until the port is opened again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.dsp1.event_ledger import EventLedger, Offer
from firmware_bridge.dsp1.framing import PROTOCOL_VERSION, Frame, FrameReader
from firmware_bridge.dsp1.levels import LevelGate, levels_of_heartbeat, levels_of_state
from firmware_bridge.dsp1.light_orders import COLOURS, MAX_CHANNELS, LightOrder, LightOrders
from firmware_bridge.dsp1.messages import (
    LIGHT_CODES,
    PAYLOAD_BYTES,
    TYPE_CODES,
    Ack,
    Event,
    EventAck,
    EventKind,
    Heartbeat,
    Hello,
    HelloRequest,
    Nak,
    NakReason,
    Ping,
    Pong,
    SetLed,
    SetLight,
    State,
    ToDevice,
    decode_message,
    encode_message,
)
from firmware_bridge.dsp1.pings import Pings
from workplace.events import Command
from workplace.ports import SessionStep
from workplace.readings import ClockSample, Reading, WireReading

#: DSP/1, rule 5. A heartbeat is due every 10 s, and two questions after 6 s of silence stay without an answer. Until
#: then a desk that was free stays free on every screen. Lower calls a node silent that a busy machine was late to hear.
SILENT_AFTER_MS = 15_000.0
#: DSP/1, rule 5: ask again after this much silence.
ASK_AFTER_SILENCE_MS = 6_000.0
#: Until the device has said who it is, every event waits: ask often.
ASK_UNKNOWN_MS = 1_000.0
#: DSP/1, HELLO: the high byte of `hw_model` names the family; in family 1 the low byte counts channels.
REFERENCE_FAMILY = 1

_KIND_WORDS: Final = {EventKind.PIR: "motion", EventKind.DOCK: "link", EventKind.BUTTON: "button"}
_CHANNELS: Final = {str(channel): channel for channel in range(MAX_CHANNELS)}
_SET_LIGHT, _SET_LED = TYPE_CODES[SetLight], TYPE_CODES[SetLed]


@dataclass(slots=True)
class _Outcome:
    """What one input leads to, while it is being worked out."""

    to_send: bytearray = field(default_factory=bytearray)
    readings: list[WireReading] = field(default_factory=list)
    samples: list[ClockSample] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


class HostSession:
    """`workplace.ports.WireSession` for DSP/1. One device, of one to sixteen channels, per wire."""

    def __init__(self) -> None:
        self._reader = FrameReader(PAYLOAD_BYTES)
        self._counters: dict[str, int] = {}
        self._out = _Outcome()
        self._next_seq = 0
        self._next_token = 0
        self._opened = False
        self._uid: bytes | None = None
        self._device = ""
        self._channels = 1
        self._is_known = False
        self._is_up = False
        self._refused: tuple[bytes, int] | None = None
        self._ledger: EventLedger | None = None
        self._tokens: dict[int, tuple[int, int]] = {}
        self._gate = LevelGate()
        self._heard_ms = 0.0
        self._asked_ms = 0.0
        self._pings = Pings()
        self._orders = LightOrders()
        self._lacks_set_light = False

    def opened(self, link_ms: float, boot_ms: float) -> SessionStep:
        """The port is open: ask who is there."""
        self._opened = True
        self._heard_ms = link_ms
        self._ask(link_ms)
        return self._finish(link_ms, boot_ms)

    def feed(self, data: bytes, link_ms: float, boot_ms: float) -> SessionStep:
        """Bytes came in, cut anyhow."""
        for frame in self._reader.feed(data):
            self._heard_ms = link_ms
            self._take(frame, link_ms, boot_ms)
        return self._finish(link_ms, boot_ms)

    def tick(self, link_ms: float, boot_ms: float) -> SessionStep:
        """Time went by."""
        return self._finish(link_ms, boot_ms)

    def commit(self, tokens: Sequence[int], link_ms: float) -> SessionStep:
        """These readings are durable; acknowledge what is now complete from the oldest on."""
        advanced = False
        for token in tokens:
            boot_id, seq = self._tokens.pop(token, (None, 0))
            if self._ledger is not None and boot_id == self._ledger.boot_id:
                advanced |= self._ledger.commit(seq)
        if advanced:
            self._acknowledge()
        return self._finish(link_ms, None)

    def command(self, command: Command, link_ms: float) -> SessionStep:
        """Show a light; the newest command per channel wins. Failure is reported as `command_failed:<id>`."""
        channel = _CHANNELS.get(command.channel or "0")
        if channel is None or (self._device and command.device != self._device):
            self._fail(command.id, command.device)
        else:
            self._orders.place(command.id, channel, LIGHT_CODES[command.light], link_ms)
        return self._finish(link_ms, None)

    @property
    def counters(self) -> dict[str, int]:
        """Frames by verdict, and what was done with them, since the port was opened."""
        return {**self._reader.counters, **self._counters}

    def _take(self, frame: Frame, link_ms: float, boot_ms: float) -> None:
        message = decode_message(frame)
        if isinstance(message, Hello):
            self._take_hello(message, link_ms)
            return
        if self._refused is not None:
            return
        if isinstance(message, Ack | Nak):
            self._take_answer(message, link_ms)
        elif isinstance(message, Event | Heartbeat | Pong | State):
            self._take_report(message, link_ms, boot_ms)
        else:
            self._count("unknown_type")

    def _take_report(self, message: Event | Heartbeat | Pong | State, link_ms: float, boot_ms: float) -> None:
        ledger = self._ledger
        if ledger is None or message.boot_id != ledger.boot_id:
            # A restart whose HELLO was lost, or another device: believe nothing before it has said its name.
            self._count("unknown_boot")
            self._is_known = False
            return
        self._rise(link_ms)
        if isinstance(message, Event):
            self._take_event(message, ledger)
        elif isinstance(message, Heartbeat):
            self._take_heartbeat(message, ledger)
        elif isinstance(message, State):
            self._take_state(message, ledger)
        else:
            self._take_pong(message, boot_ms)

    def _take_hello(self, hello: Hello, link_ms: float) -> None:
        device = f"dsp1-{hello.uid.hex()}"
        if not hello.proto_min <= PROTOCOL_VERSION <= hello.proto_max:
            if self._refused != (hello.uid, hello.boot_id):
                self._refused = (hello.uid, hello.boot_id)
                self._out.changes.append(("unsupported_firmware", device))
            self._is_up = self._is_known = False
            return
        self._refused = None
        same_boot = self._ledger is not None and self._ledger.boot_id == hello.boot_id
        self._is_known = True
        if hello.uid != self._uid or not same_boot:
            self._meet(hello, device, link_ms)
        self._rise(link_ms)

    def _meet(self, hello: Hello, device: str, link_ms: float) -> None:
        """Start the books of a new boot, or of another device on this wire."""
        same_device = hello.uid == self._uid
        if self._ledger is not None:
            self._declare_gap(self._ledger.lost_with_boot())
        if same_device:
            self._orders.place_again(link_ms)
        elif self._uid is not None:
            self._orders.forget()
            if self._is_up:
                self._out.changes.append(("device_silent", self._device))
        self._uid, self._device = hello.uid, device
        family, channels = divmod(hello.hw_model, 256)
        has_many = family == REFERENCE_FAMILY and 1 <= channels <= MAX_CHANNELS
        self._channels = channels if has_many else 1
        self._ledger = EventLedger(hello.boot_id, from_start=same_device)
        self._tokens.clear()
        self._gate = LevelGate()
        self._lacks_set_light = False
        self._is_up = False

    def _rise(self, link_ms: float) -> None:
        if self._is_up:
            return
        self._is_up = True
        self._out.changes.append(("device_up", self._device))
        self._pings.start(link_ms)

    def _take_event(self, event: Event, ledger: EventLedger) -> None:
        verdict, lost = ledger.offer(event.ev_seq, event.oldest_seq)
        self._declare_gap(lost)
        if verdict is Offer.NOT_TAKEN:
            self._count("events_not_taken")
        elif verdict is Offer.DUPLICATE:
            self._count("events_repeated")
            if ledger.floor is not None and event.ev_seq <= ledger.floor:
                self._acknowledge()  # our acknowledgement was lost on the way
        else:
            self._count("events")
            self._deliver(event, ledger)
        self._release_levels(ledger)

    def _deliver(self, event: Event, ledger: EventLedger) -> None:
        word = _KIND_WORDS.get(event.kind)  # type: ignore[call-overload]
        if word is None:  # a boot mark or a vendor's own kind: nothing to make durable
            self._count("events_without_reading")
            if ledger.commit(event.ev_seq):
                self._acknowledge()
            return
        self._next_token += 1
        self._tokens[self._next_token] = (event.boot_id, event.ev_seq)
        reading = Reading(word, value=event.value != 0, channel=str(event.channel))
        self._out.readings.append(
            WireReading(self._device, reading, event.boot_id, event.uptime_ms, event.ev_seq, self._next_token)
        )

    def _take_heartbeat(self, beat: Heartbeat, ledger: EventLedger) -> None:
        self._count("heartbeats")
        self._declare_gap(ledger.queue_is(beat.last_ev_seq, beat.queued, beat.dropped))
        if self._channels == 1:
            self._gate.hold(levels_of_heartbeat(beat))
        self._release_levels(ledger)

    def _take_state(self, state: State, ledger: EventLedger) -> None:
        ledger.heard_of(state.last_ev_seq)
        self._channels = max(self._channels, min(state.channels, MAX_CHANNELS))
        self._gate.hold(levels_of_state(state, min(state.channels, MAX_CHANNELS)))
        self._release_levels(ledger)

    def _take_pong(self, pong: Pong, boot_ms: float) -> None:
        sent_ms = self._pings.answered(pong.token)
        if sent_ms is None:
            self._count("pongs_unasked")
            return
        self._out.samples.append(ClockSample(self._device, pong.boot_id, sent_ms, boot_ms, pong.uptime_ms))

    def _take_answer(self, answer: Ack | Nak, link_ms: float) -> None:
        order = self._orders.find(answer.seq)
        if order is None or answer.type_code not in (_SET_LIGHT, _SET_LED):
            return
        if isinstance(answer, Ack):
            self._count("commands_done")
            self._out.done.append(order.command_id)
            self._orders.confirm(order)
        elif answer.reason == NakReason.BUSY:
            self._count("commands_busy")
        elif (
            answer.type_code == _SET_LIGHT and answer.reason == NakReason.UNKNOWN_TYPE and order.channel == 0
        ):
            self._lacks_set_light = True
            self._orders.place(order.command_id, order.channel, order.code, link_ms)
        else:
            self._orders.give_up(order)
            self._fail(order.command_id, self._device)

    def _release_levels(self, ledger: EventLedger) -> None:
        levels = self._gate.release(ledger)
        if levels is None:
            return
        for kind, channel, value in levels:
            reading = Reading(kind, value=value, channel=str(channel))
            self._out.readings.append(
                WireReading(self._device, reading, ledger.boot_id, levels.uptime_ms, seq=None, token=None)
            )

    def _declare_gap(self, lost: int) -> None:
        if lost > 0:
            self._count("events_lost", lost)
            self._gate.open_after_gap()
            self._out.changes.append((f"gap:{lost}", self._device))

    def _send(self, message: ToDevice) -> int:
        seq = self._next_seq
        self._next_seq = (seq + 1) & 0xFFFF
        self._out.to_send += encode_message(message, seq)
        return seq

    def _ask(self, link_ms: float) -> None:
        self._asked_ms = link_ms
        self._send(HelloRequest())

    def _acknowledge(self) -> None:
        if self._ledger is not None and self._ledger.floor is not None:
            self._send(EventAck(self._ledger.boot_id, self._ledger.floor))

    def _send_order(self, order: LightOrder) -> None:
        if not self._is_up:
            return  # counts as a try: a command must not wait for a device that may come back much later
        if self._lacks_set_light:
            message: ToDevice = SetLed(*COLOURS[order.code], ttl_s=0)
        else:
            message = SetLight(order.channel, order.code, ttl_s=0)
        order.seqs.add(self._send(message))

    def _fail(self, command_id: str, device: str) -> None:
        self._count("commands_failed")
        self._out.changes.append((f"command_failed:{command_id}", device))

    def _finish(self, link_ms: float, boot_ms: float | None) -> SessionStep:
        """Do what is due and hand over. Without `boot_ms` no ping can be stamped: those wait for a tick."""
        if self._refused is None and self._opened:
            self._run_timers(link_ms, boot_ms)
        out, self._out = self._out, _Outcome()
        return SessionStep(
            to_send=b"" if self._refused is not None else bytes(out.to_send),
            readings=tuple(out.readings),
            samples=tuple(out.samples),
            wake_at_ms=self._wake_at_ms(),
            changes=tuple(out.changes),
            done=tuple(out.done),
        )

    def _run_timers(self, link_ms: float, boot_ms: float | None) -> None:
        if self._is_up and link_ms - self._heard_ms >= SILENT_AFTER_MS:
            self._is_up = False
            self._out.changes.append(("device_silent", self._device))
        if link_ms >= self._ask_due_ms():
            self._ask(link_ms)
        if boot_ms is not None and self._is_up and self._is_known and link_ms >= self._pings.due_ms:
            self._send(Ping(self._pings.take(link_ms, boot_ms)))
        to_send, given_up = self._orders.take_due(link_ms)
        for order in to_send:
            self._send_order(order)
        for order in given_up:
            self._fail(order.command_id, self._device)

    def _ask_due_ms(self) -> float:
        if not self._is_known:
            return self._asked_ms + ASK_UNKNOWN_MS
        return max(self._heard_ms, self._asked_ms) + ASK_AFTER_SILENCE_MS

    def _wake_at_ms(self) -> float | None:
        if self._refused is not None or not self._opened:
            return None
        times = [self._ask_due_ms()]
        if self._is_up:
            times.append(self._heard_ms + SILENT_AFTER_MS)
            if self._is_known:
                times.append(self._pings.due_ms)
        order_ms = self._orders.next_due_ms()
        return min(times) if order_ms is None else min(order_ms, *times)

    def _count(self, what: str, by: int = 1) -> None:
        self._counters[what] = self._counters.get(what, 0) + by
