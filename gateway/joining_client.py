"""A paho client that sends and acknowledges in bulk: many messages in one write, many answers in one read.

paho writes each message with a system call of its own, wakes its thread once per message, and reads an answer in
three calls; that cost more than the engine's decision about the place. Connecting, TLS, keep-alive, subscribing and
what comes in stay paho's. Where a paho release lacks a private name that this needs, everything stays paho's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MQTTException

from workplace import mqtt_frames
from workplace.mqtt_frames import FrameBuffer

#: What is used of paho beside its public names; `tests/contracts` checks them against the pinned release.
PRIVATE_NAMES = (
    "_sock", "_sock_recv", "_in_packet", "_packet_handle", "_packet_queue", "_loop_rc_handle", "_mid_generate",
)  # fmt: skip
#: One read. Lower costs system calls under load; higher only memory.
_READ_BYTES = 64 * 1024


class JoiningClient(Client):
    """One connection, never used twice. `on_acknowledged(mids)` runs on paho's thread, for `send_joined` only."""

    def __init__(
        self,
        client_id: str,
        *,
        clean_session: bool,
        on_acknowledged: Callable[[list[int]], None],
        fast: bool = True,
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            reconnect_on_failure=False,
        )
        self.is_fast = fast and all(hasattr(self, name) for name in PRIVATE_NAMES)
        self._on_acknowledged = on_acknowledged
        self._frames = FrameBuffer()
        self._joined: set[int] = set()

    def send_joined(self, messages: Sequence[tuple[str, bytes, bool]]) -> list[int]:
        """Send topic, payload and retain flag of each at QoS 1; return the numbers that acknowledgements will carry.

        Bounded by the caller: paho does not count them. What is not acknowledged when the connection ends is lost.
        """
        mids = [self._mid_generate() for _ in messages]
        self._joined.update(mids)
        frames = b"".join(
            mqtt_frames.publish(topic, payload, mid, retain=retain)
            for mid, (topic, payload, retain) in zip(mids, messages, strict=True)
        )
        # As an acknowledgement it passes through paho's queue untouched: for a PUBLISH paho would keep books.
        self._packet_queue(mqtt_frames.PUBACK, frames, 0, 0)
        return mids

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        if not self.is_fast:
            return super().loop_read(max_packets)
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            data = self._sock_recv(_READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            data = b""
        result = self._walk(data) if data else MQTTErrorCode.MQTT_ERR_CONN_LOST
        return self._loop_rc_handle(result) if result else result

    def _walk(self, data: bytes) -> MQTTErrorCode:
        """Collect the acknowledgements of ours, and leave every other frame to paho."""
        acknowledged: list[int] = []
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            for command, body in self._frames.add(data):
                if (
                    command & 0xF0 == mqtt_frames.PUBACK
                    and (mid := mqtt_frames.read_puback(body)) in self._joined
                ):
                    acknowledged.append(mid)
                elif result := self._leave_to_paho(command, body):
                    break
        except (ValueError, MQTTException):
            result = MQTTErrorCode.MQTT_ERR_PROTOCOL
        if acknowledged:
            self._joined.difference_update(acknowledged)
            self._on_acknowledged(acknowledged)
        return result

    def _leave_to_paho(self, command: int, body: bytes) -> MQTTErrorCode:
        self._in_packet = {
            "command": command,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        return self._packet_handle()
