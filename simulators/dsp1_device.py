"""A desk node as its firmware behaves: DSP/1 without input or output, clocks or randomness.

Two clocks, both in ms. `real_ms` runs the protocol (hello, heartbeat, resending); `site_ms`, the uptime, runs
what the node measures (PIR hold, dock debounce, how long a light is lit). In a demo the second runs faster.

Call one input method at a time, then `take_output` and `take_lights`; call `tick` when `next_real_ms` or
`next_site_ms` is due. Plain classes and few imports: 27 such processes run on one laptop.
"""

from __future__ import annotations

from simulators import dsp1_frames as wire

KIND_PIR, KIND_DOCK, KIND_BUTTON = 1, 2, 3
NAK_UNKNOWN_TYPE, NAK_BAD_VALUE = 1, 2
LIGHT_OFF, LIGHT_CODES = 0, 6  # off, free, in use, note, reclaimable, unknown
CFG_PIR_HOLD_S, CFG_DEBOUNCE_MS, CFG_HEARTBEAT_S = 1, 2, 3
#: Allowed values of each setting (DSP/1, SET_CFG).
CFG_RANGE = {CFG_PIR_HOLD_S: (0, 3600), CFG_DEBOUNCE_MS: (0, 10_000), CFG_HEARTBEAT_S: (1, 300)}

QUEUE_LENGTH = 32  # DSP/1 rule 2
RESEND_COUNT, RESEND_FIRST_MS, RESEND_SLOWEST_MS = 4, 500, 2000  # DSP/1 rule 2
HELLO_EVERY_MS = 2000  # DSP/1 rule 5
REARM_MS = 10_000  # the PIR module reports again after this long
FIRMWARE_VERSION = 0x0100  # 1.0
HARDWARE_FAMILY = 0x0100  # desk node; the low byte is the number of channels


class _Channel:
    """One place of the node. Times in site ms."""

    __slots__ = (
        "armed_at",
        "dock_due",
        "dock_raw",
        "docked",
        "hold_until",
        "light",
        "light_until",
        "occupied",
    )

    def __init__(self) -> None:
        self.docked = self.dock_raw = self.occupied = False
        self.dock_due: int | None = None
        self.armed_at = self.hold_until = 0
        self.light = LIGHT_OFF
        self.light_until: int | None = None


class Device:
    """The node with serial number `uid` (8 bytes) and 1-16 channels."""

    def __init__(
        self,
        uid: bytes,
        channels: int,
        boot_id: int,
        *,
        pir_hold_s: int = 30,
        dock_debounce_ms: int = 300,
        heartbeat_s: int = 10,
        reset_reason: int = 0,
    ) -> None:
        if len(uid) != 8 or not 1 <= channels <= 16:
            raise ValueError("a node has a uid of 8 bytes and 1-16 channels")
        self.uid, self.boot_id = uid, boot_id
        self.pir_hold_ms, self.dock_debounce_ms = pir_hold_s * 1000, dock_debounce_ms
        self.heartbeat_ms = heartbeat_s * 1000
        self.last_event_seq = self.dropped = 0
        self._reset_reason = reset_reason
        self._channels = [_Channel() for _ in range(channels)]
        self._reader = wire.FrameReader()
        self._queue: list[tuple[int, int, int, int, int]] = []  # seq, uptime_ms, kind, channel, value
        self._seq = 0
        self._hello_at: int | None = 0
        self._beat_at = self.heartbeat_ms
        self._resend_at: int | None = None
        self._resend_ms = RESEND_FIRST_MS
        self._led_until = 0
        self._output = bytearray()
        self._lights: list[tuple[int, int, int]] = []

    def attach(self, real_ms: int) -> None:
        """The cable is in (again): say hello until the gateway asks."""
        self._hello_at = real_ms

    def take_output(self) -> bytes:
        """Return what to write to the wire now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def take_lights(self) -> list[tuple[int, int, int]]:
        """Return the changes of lights since the last call: (channel, code, site ms)."""
        lights, self._lights = self._lights, []
        return lights

    # What happens at the desk.

    def dock(self, channel: int, is_up: bool, real_ms: int, site_ms: int) -> None:
        """The contact of the dock moved; reported when it stays so for the debounce time."""
        self.tick(real_ms, site_ms)
        place = self._channels[channel]
        if is_up != place.dock_raw:
            place.dock_raw = is_up
            place.dock_due = None if is_up == place.docked else site_ms + self.dock_debounce_ms
        self.tick(real_ms, site_ms)

    def motion(self, channel: int, real_ms: int, site_ms: int) -> None:
        """The PIR fired: an event for each report of a re-armed module, and the hold starts anew."""
        self.tick(real_ms, site_ms)
        place = self._channels[channel]
        place.hold_until = site_ms + self.pir_hold_ms
        if site_ms >= place.armed_at:
            place.armed_at = site_ms + REARM_MS
            place.occupied = True
            self._event(KIND_PIR, channel, 1, real_ms, site_ms)

    def button(self, channel: int, real_ms: int, site_ms: int) -> None:
        self._event(KIND_BUTTON, channel, 1, real_ms, site_ms)

    # What comes over the wire.

    def feed(self, data: bytes, real_ms: int, site_ms: int) -> None:
        """Take bytes from the gateway."""
        for kind, seq, body in self._reader.feed(data):
            self._on_frame(kind, seq, body, real_ms, site_ms)
        self.tick(real_ms, site_ms)

    def _on_frame(self, kind: int, seq: int, body: bytes, real_ms: int, site_ms: int) -> None:
        if kind == wire.HELLO_REQ:
            self._hello_at = None
            self._send_hello(site_ms)
            self._send_beat(real_ms, site_ms)
            self._send_queue(real_ms)
        elif kind == wire.EVENT_ACK:
            boot_id, up_to = wire.EVENT_ACK_BODY.unpack(body)
            if boot_id == self.boot_id:
                self._forget(up_to, real_ms)
        elif kind == wire.PING:
            self._send(wire.PONG, wire.PONG_BODY.pack(*wire.PING_BODY.unpack(body), self.boot_id, site_ms))
        elif kind in (wire.SET_LED, wire.SET_CFG, wire.SET_LIGHT):
            if self._obey(kind, body, real_ms, site_ms):
                self._send(wire.ACK, wire.ACK_BODY.pack(seq, kind))
            else:
                self._send(wire.NAK, wire.NAK_BODY.pack(seq, kind, NAK_BAD_VALUE))
        else:
            self._send(wire.NAK, wire.NAK_BODY.pack(seq, kind, NAK_UNKNOWN_TYPE))

    def _obey(self, kind: int, body: bytes, real_ms: int, site_ms: int) -> bool:
        if kind == wire.SET_LED:
            ttl_s = wire.SET_LED_BODY.unpack(body)[3]
            self._led_until = site_ms + ttl_s * 1000
            return True
        if kind == wire.SET_LIGHT:
            channel, code, ttl_s = wire.SET_LIGHT_BODY.unpack(body)
            return self._set_light(channel, code, ttl_s, site_ms)
        key, value = wire.SET_CFG_BODY.unpack(body)
        low, high = CFG_RANGE.get(key, (1, 0))
        if not low <= value <= high:
            return False
        if key == CFG_PIR_HOLD_S:
            self.pir_hold_ms = value * 1000
        elif key == CFG_DEBOUNCE_MS:
            self.dock_debounce_ms = value
        else:
            self.heartbeat_ms = value * 1000
            self._beat_at = min(self._beat_at, real_ms + self.heartbeat_ms)
        return True

    def _set_light(self, channel: int, code: int, ttl_s: int, site_ms: int) -> bool:
        """Without its gateway a light goes dark after `ttl_s`: it would tell what is long gone. 0: never."""
        if channel >= len(self._channels) or code >= LIGHT_CODES:
            return False
        place = self._channels[channel]
        place.light_until = site_ms + ttl_s * 1000 if ttl_s and code != LIGHT_OFF else None
        if place.light != code:
            place.light = code
            self._lights.append((channel, code, site_ms))
        return True

    def _forget(self, up_to: int, real_ms: int) -> None:
        before = len(self._queue)
        self._queue = [entry for entry in self._queue if entry[0] > up_to]
        if len(self._queue) < before:
            self._resend_ms = RESEND_FIRST_MS
            self._resend_at = real_ms + RESEND_FIRST_MS if self._queue else None

    # What time brings.

    def next_real_ms(self) -> int:
        """When the protocol needs a `tick` at the latest, real ms."""
        due = (self._beat_at, self._hello_at, self._resend_at)
        return min(at for at in due if at is not None)

    def next_site_ms(self) -> int | None:
        """When a place needs a `tick` at the latest, site ms; None for never."""
        due: list[int] = []
        for place in self._channels:
            if place.dock_due is not None:
                due.append(place.dock_due)
            if place.occupied:
                due.append(place.hold_until)
            if place.light_until is not None:
                due.append(place.light_until)
        return min(due, default=None)

    def tick(self, real_ms: int, site_ms: int) -> None:
        """Do everything that is due."""
        for channel, place in enumerate(self._channels):
            if place.dock_due is not None and site_ms >= place.dock_due:
                place.docked, place.dock_due = place.dock_raw, None
                self._event(KIND_DOCK, channel, int(place.docked), real_ms, site_ms)
            if place.occupied and site_ms >= place.hold_until:
                place.occupied = False
                self._event(KIND_PIR, channel, 0, real_ms, site_ms)
            if place.light_until is not None and site_ms >= place.light_until:
                place.light, place.light_until = LIGHT_OFF, None
                self._lights.append((channel, LIGHT_OFF, site_ms))
        if self._hello_at is not None and real_ms >= self._hello_at:
            self._hello_at = real_ms + HELLO_EVERY_MS
            self._send_hello(site_ms)
        if real_ms >= self._beat_at:
            self._send_beat(real_ms, site_ms)
        if self._resend_at is not None and real_ms >= self._resend_at:
            for entry in self._queue[:RESEND_COUNT]:
                self._send_event(entry)
            self._resend_ms = min(2 * self._resend_ms, RESEND_SLOWEST_MS)
            self._resend_at = real_ms + self._resend_ms

    def _event(self, kind: int, channel: int, value: int, real_ms: int, site_ms: int) -> None:
        self.last_event_seq += 1
        if len(self._queue) == QUEUE_LENGTH:
            del self._queue[0]
            self.dropped = min(self.dropped + 1, 0xFFFF)
        entry = (self.last_event_seq, site_ms, kind, channel, value)
        self._queue.append(entry)
        self._send_event(entry)
        if self._resend_at is None:
            self._resend_at = real_ms + self._resend_ms

    def _send_queue(self, real_ms: int) -> None:
        """Tell a gateway that asks who is there all that it missed: four a half second would take too long."""
        for entry in self._queue:
            self._send_event(entry)
        if self._queue:
            self._resend_ms = RESEND_FIRST_MS
            self._resend_at = real_ms + RESEND_FIRST_MS

    def _send_event(self, entry: tuple[int, int, int, int, int]) -> None:
        self._send(wire.EVENT, wire.EVENT_BODY.pack(self.boot_id, *entry, self._queue[0][0]))

    def _send_hello(self, site_ms: int) -> None:
        model = HARDWARE_FAMILY | len(self._channels)
        body = wire.HELLO_BODY.pack(
            1,
            1,
            self.uid,
            self.boot_id,
            site_ms,
            FIRMWARE_VERSION,
            model,
            wire.MAX_FRAME,
            QUEUE_LENGTH,
            self._reset_reason,
        )
        self._send(wire.HELLO, body)

    def _send_beat(self, real_ms: int, site_ms: int) -> None:
        self._beat_at = real_ms + self.heartbeat_ms
        places = self._channels
        docked = sum(place.docked << bit for bit, place in enumerate(places))
        occupied = sum(place.occupied << bit for bit, place in enumerate(places))
        flags = (
            (occupied != 0)
            | (docked != 0) << 1
            | (site_ms < self._led_until) << 2
            | any(site_ms < place.armed_at for place in places) << 4
            | any(place.dock_raw for place in places) << 5
        )
        last, reader = self.last_event_seq, self._reader
        good, bad = reader.good & 0xFFFFFFFF, min(reader.bad, 0xFFFF)
        beat = wire.HEARTBEAT_BODY.pack(
            self.boot_id, site_ms, flags, len(self._queue), self.dropped, good, bad, last
        )
        self._send(wire.HEARTBEAT, beat)
        self._send(
            wire.STATE, wire.STATE_BODY.pack(self.boot_id, site_ms, last, len(places), docked, occupied)
        )

    def _send(self, kind: int, body: bytes) -> None:
        self._output += wire.encode(kind, self._seq, body)
        self._seq = (self._seq + 1) & 0xFFFF
