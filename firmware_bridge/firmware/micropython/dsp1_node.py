# mypy: ignore-errors
# MicroPython: modules lie flat on the board, and neither it nor this repository has stubs for it.
"""A desk node in MicroPython: DSP/1 without pins, clock or randomness; those come from an injected `hal`.

The hal has `send(data)` and `set_light(channel, code)`; `run` also asks it for `now_ms()`, `read()`,
`docks()`, `motions()` and `show(uptime_ms)`. Behaves as `core/dsp1_node.c`; tests compare the two.
"""

import struct

import dsp1_wire as wire
import light_codes

KIND_PIR, KIND_DOCK, KIND_BUTTON = 1, 2, 3
NAK_UNKNOWN_TYPE, NAK_BAD_VALUE = 1, 2
QUEUE_LENGTH = 32  # rule 2
RESEND_COUNT, RESEND_FIRST_MS, RESEND_SLOWEST_MS = 4, 500, 2000  # rule 2
HELLO_EVERY_MS = 2000  # rule 5
REARM_MS = 10000  # the PIR module reports again after this long
FIRMWARE_VERSION = 0x0100
HARDWARE_FAMILY = 0x0100  # desk node; the low byte is the number of channels
#: SET_CFG: key -> lowest and highest value, and the factor that makes ms of it.
CFG_PIR_HOLD, CFG_DEBOUNCE, CFG_HEARTBEAT = 1, 2, 3
CFG = {CFG_PIR_HOLD: (0, 3600, 1000), CFG_DEBOUNCE: (0, 10000, 1), CFG_HEARTBEAT: (1, 300, 1000)}


class Channel:
    """One place of the node. Times in ms of uptime."""

    def __init__(self) -> None:
        self.docked = self.dock_raw = self.occupied = False
        self.dock_due: int | None = None
        self.armed_at = self.hold_until = 0
        self.light = 0
        self.light_until: int | None = None


class DeskNode:
    """The node with `uid` (8 bytes) and 1-16 channels. All times are ms since boot."""

    def __init__(self, hal, uid: bytes, channels: int, boot_id: int, reset_reason: int = 0) -> None:
        if len(uid) != 8 or not 1 <= channels <= 16:
            raise ValueError("a node has a uid of 8 bytes and 1-16 channels")
        self.hal, self.uid, self.boot_id = hal, uid, boot_id
        self.reset_reason = reset_reason
        self.channels = [Channel() for _ in range(channels)]
        self.settings_ms = {CFG_PIR_HOLD: 30000, CFG_DEBOUNCE: 300, CFG_HEARTBEAT: 10000}
        self.last_event_seq = self.dropped = 0
        self._reader = wire.Reader()
        self._queue: list = []  # seq, uptime_ms, kind, channel, value
        self._seq = 0
        self._hello_at: int | None = 0
        self._beat_at = self.settings_ms[CFG_HEARTBEAT]
        self._resend_at: int | None = None
        self._resend_ms = RESEND_FIRST_MS
        self._led_until = 0

    def attach(self, now: int) -> None:
        """The cable is in (again): say hello until the gateway asks."""
        self._hello_at = now

    # What happens at the desk.

    def dock(self, channel: int, is_up: bool, now: int) -> None:
        self.tick(now)
        place = self.channels[channel]
        if is_up != place.dock_raw:
            place.dock_raw = is_up
            place.dock_due = None if is_up == place.docked else now + self.settings_ms[CFG_DEBOUNCE]
        self.tick(now)

    def motion(self, channel: int, now: int) -> None:
        self.tick(now)
        place = self.channels[channel]
        place.hold_until = now + self.settings_ms[CFG_PIR_HOLD]
        if now >= place.armed_at:
            place.armed_at = now + REARM_MS
            place.occupied = True
            self._event(KIND_PIR, channel, 1, now)

    def button(self, channel: int, now: int) -> None:
        self._event(KIND_BUTTON, channel, 1, now)

    # What comes over the wire.

    def feed(self, data: bytes, now: int) -> None:
        for kind, seq, body in self._reader.feed(data):
            self._take(kind, seq, body, now)
        self.tick(now)

    def _take(self, kind: int, seq: int, body: bytes, now: int) -> None:
        if kind == wire.HELLO_REQ:
            self._hello_at = None
            self._send_hello(now)
            self._send_beat(now)
            self._send_queue(now)
        elif kind == wire.EVENT_ACK:
            boot_id, up_to = struct.unpack(wire.LAYOUTS[kind], body)
            if boot_id == self.boot_id:
                self._forget(up_to, now)
        elif kind == wire.PING:
            self._send(wire.PONG, struct.unpack(wire.LAYOUTS[kind], body)[0], self.boot_id, now)
        elif kind not in (wire.SET_LED, wire.SET_CFG, wire.SET_LIGHT):
            self._send(wire.NAK, seq, kind, NAK_UNKNOWN_TYPE)
        elif self._obey(kind, struct.unpack(wire.LAYOUTS[kind], body), now):
            self._send(wire.ACK, seq, kind)
        else:
            self._send(wire.NAK, seq, kind, NAK_BAD_VALUE)

    def _obey(self, kind: int, values: tuple, now: int) -> bool:
        if kind == wire.SET_LED:
            self._led_until = now + values[3] * 1000
            return True
        if kind == wire.SET_LIGHT:
            return self._set_light(values[0], values[1], values[2], now)
        key, value = values
        low, high, factor = CFG.get(key, (1, 0, 0))
        if not low <= value <= high:
            return False
        self.settings_ms[key] = value * factor
        if key == CFG_HEARTBEAT:
            self._beat_at = min(self._beat_at, now + self.settings_ms[key])
        return True

    def _set_light(self, channel: int, code: int, ttl_s: int, now: int) -> bool:
        if channel >= len(self.channels) or code >= len(light_codes.LIGHTS):
            return False
        place = self.channels[channel]
        place.light_until = now + ttl_s * 1000 if ttl_s and code else None
        if place.light != code:
            place.light = code
            self.hal.set_light(channel, code)
        return True

    def _forget(self, up_to: int, now: int) -> None:
        before = len(self._queue)
        self._queue = [entry for entry in self._queue if entry[0] > up_to]
        if len(self._queue) < before:
            self._resend_ms = RESEND_FIRST_MS
            self._resend_at = now + RESEND_FIRST_MS if self._queue else None

    # What time brings.

    def tick(self, now: int) -> None:
        """Do everything that is due; call it often."""
        for channel, place in enumerate(self.channels):
            self._tick_channel(channel, place, now)
        if self._hello_at is not None and now >= self._hello_at:
            self._hello_at = now + HELLO_EVERY_MS
            self._send_hello(now)
        if now >= self._beat_at:
            self._send_beat(now)
        if self._resend_at is not None and now >= self._resend_at:
            for entry in self._queue[:RESEND_COUNT]:
                self._send_event(entry)
            self._resend_ms = min(2 * self._resend_ms, RESEND_SLOWEST_MS)
            self._resend_at = now + self._resend_ms

    def _tick_channel(self, channel: int, place: Channel, now: int) -> None:
        if place.dock_due is not None and now >= place.dock_due:
            place.docked, place.dock_due = place.dock_raw, None
            self._event(KIND_DOCK, channel, int(place.docked), now)
        if place.occupied and now >= place.hold_until:
            place.occupied = False
            self._event(KIND_PIR, channel, 0, now)
        if place.light_until is not None and now >= place.light_until:
            place.light, place.light_until = 0, None
            self.hal.set_light(channel, 0)

    def _event(self, kind: int, channel: int, value: int, now: int) -> None:
        self.last_event_seq += 1
        if len(self._queue) == QUEUE_LENGTH:
            self._queue.pop(0)
            self.dropped = min(self.dropped + 1, 0xFFFF)
        entry = (self.last_event_seq, now, kind, channel, value)
        self._queue.append(entry)
        self._send_event(entry)
        if self._resend_at is None:
            self._resend_at = now + self._resend_ms

    def _send_queue(self, now: int) -> None:
        for entry in self._queue:
            self._send_event(entry)
        if self._queue:
            self._resend_ms = RESEND_FIRST_MS
            self._resend_at = now + RESEND_FIRST_MS

    def _send_event(self, entry: tuple) -> None:
        self._send(wire.EVENT, self.boot_id, *entry, self._queue[0][0])

    def _send_hello(self, now: int) -> None:
        model = HARDWARE_FAMILY | len(self.channels)
        numbers = (FIRMWARE_VERSION, model, wire.MAX_FRAME, QUEUE_LENGTH, self.reset_reason)
        self._send(wire.HELLO, 1, 1, self.uid, self.boot_id, now, *numbers)

    def _send_beat(self, now: int) -> None:
        self._beat_at = now + self.settings_ms[CFG_HEARTBEAT]
        docked = occupied = flags = 0
        for bit, place in enumerate(self.channels):
            docked |= place.docked << bit
            occupied |= place.occupied << bit
            flags |= (now < place.armed_at) << 4 | place.dock_raw << 5
        flags |= (occupied != 0) | (docked != 0) << 1 | (now < self._led_until) << 2
        counts = (self._reader.good & 0xFFFFFFFF, min(self._reader.bad, 0xFFFF), self.last_event_seq)
        self._send(wire.HEARTBEAT, self.boot_id, now, flags, len(self._queue), self.dropped, *counts)
        levels = (len(self.channels), docked, occupied)
        self._send(wire.STATE, self.boot_id, now, self.last_event_seq, *levels)

    def _send(self, kind: int, *values: object) -> None:
        self.hal.send(wire.encode(kind, self._seq, *values))
        self._seq = (self._seq + 1) & 0xFFFF


def turn(node: DeskNode, hal) -> None:
    """One round of the main loop: pins and bytes in, bytes and lights out."""
    now = hal.now_ms()
    for channel, is_up in enumerate(hal.docks()):
        if is_up != node.channels[channel].dock_raw:
            node.dock(channel, is_up, now)
    for channel, is_moving in enumerate(hal.motions()):
        if is_moving:
            node.motion(channel, now)
    node.feed(hal.read(), now)
    hal.show(now)
