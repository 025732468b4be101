"""What the stages ask of the world, as small protocols. `plekvrij` hands in the real things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from workplace.channels import Telling
from workplace.events import Command, Decision, HoldPhase, LightCode, Occupancy
from workplace.hold_outcomes import ZoneOutcome
from workplace.readings import ClockSample, Decoded, WireReading
from workplace.sensor_grades import SensorGrade


class Clock(Protocol):
    """Site time. In a demo it runs `speed` times as fast as the wall; every process of a site shares it.

    Only meaning lives in site time (limits, debounce, heartbeats of sensors). Transport (reconnects,
    time-outs, back-off, liveness of a link) lives in real time: `asyncio` and `time.monotonic`.
    """

    @property
    def speed(self) -> float: ...

    def now(self) -> datetime:
        """Site time, aware UTC."""

    def boot_ms(self) -> float:
        """Site milliseconds on a clock that never steps and goes on during suspend."""

    def real_seconds(self, site_seconds: float) -> float:
        """How long `site_seconds` take on the wall."""


@dataclass(frozen=True, slots=True)
class Received:
    """One MQTT message as it came in."""

    topic: str
    payload: bytes
    retained: bool


class MessageLink(Protocol):
    """An MQTT connection that heals itself. Implemented by `gateway.mqtt_link.MqttLink`.

    Handlers run on the event loop that opened the link, one after another, and must not block.
    """

    @property
    def is_connected(self) -> bool: ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Return when the broker has acknowledged (QoS 1) or the message was handed over (QoS 0).

        Raises:
            BrokerUnreachable: not acknowledged in time; the message may or may not have arrived.
        """

    async def publish_all(self, messages: Sequence[tuple[str, bytes, bool]]) -> list[bool]:
        """Publish topic, payload and retained flag of each at QoS 1, in order; costs less than one by one.

        Return, when all are answered or the time is up, which of them the broker has acknowledged.
        """

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Queue without waiting, bounded; False when it was dropped (counted). For state that is repeated anyway."""

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        """Subscribe now and again after each reconnect.

        Raises:
            BrokerRefused: the broker said no (SUBACK 0x80).
        """

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(True|False)` at each connect and loss."""


class OpenLink(Protocol):
    """Opens a link to one broker; `plekvrij` binds address and credentials.

    `async with open_link("gw-1", will=(topic, payload)) as link:` returns at once, connected or not, and goes on
    trying in the background. The will is retained, QoS 1.
    """

    def __call__(
        self, client_id: str, *, will: tuple[str, bytes] | None = None
    ) -> AbstractAsyncContextManager[MessageLink]: ...


#: Opens a SQLite database; `plekvrij` chooses the driver (stdlib or a newer one in a wheel).
ConnectSqlite = Callable[..., Any]


class MessageDecoder(Protocol):
    """Decodes one message of an MQTT device family; keeps what it must remember per device."""

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded: ...


class LightEncoder(Protocol):
    """Lights of one family of MQTT devices."""

    def order(self, node: str, channel: str | None, light: LightCode) -> tuple[str, bytes]:
        """Return topic and payload that make a light of a device show a code; `node` as the decoder names it."""

    def shown(self, topic: str, payload: bytes) -> tuple[str, str | None, str] | None:
        """Return node, channel and code that a message says a light shows; None when it says nothing of it."""


class LineDecoder(Protocol):
    """Decodes one line of text of a device that logs, for instance a switch; keeps what it must remember."""

    def decode(self, line: bytes, *, sender: str | None = None, now: datetime) -> Decoded: ...


@dataclass(frozen=True, slots=True)
class TrapCodec:
    """Reads SNMP notifications.

    Attributes:
        decode: what a whole v1 or v2c message says; who sent it has been checked before.
        answer: the response that an inform waits for, None when the message is none.
        of_varbinds: what the varbinds of an opened v3 message say: (object identifier in dotted digits, value).
    """

    decode: Callable[[bytes], Decoded]
    answer: Callable[[bytes], bytes | None]
    of_varbinds: Callable[[list[tuple[str, int | str | bytes]]], Decoded]


@runtime_checkable
class LearnsTopics(Protocol):
    """A `MessageDecoder` that learns from messages on which further topics its devices speak."""

    @property
    def wanted_topics(self) -> frozenset[str]:
        """Whole topics, no filters."""


@dataclass(frozen=True, slots=True)
class Advert:
    """One Bluetooth advertisement of a sensor; those of anything else never become one of these.

    Attributes:
        address: of the sender, `AA:BB:CC:DD:EE:FF`; on some systems an identifier of that computer's own.
        service_data: UUID in its long form, lower case -> data without the UUID.
        manufacturer_data: company identifier -> data.
        rssi_dbm: None where the radio did not say.
    """

    address: str
    service_data: Mapping[str, bytes]
    manufacturer_data: Mapping[int, bytes]
    local_name: str | None = None
    rssi_dbm: int | None = None


class AdvertDecoder(Protocol):
    """Decodes adverts of all sensor formats; keeps what it must remember per device."""

    def is_sensor(self, service_data: Mapping[str, bytes], manufacturer_data: Mapping[int, bytes]) -> bool:
        """Whether this is a format of sensors; called for every advert in the air, keeps nothing."""

    def decode(self, advert: Advert, *, now_s: float) -> Decoded:
        """Return what one advert says; `device` is the sensor's address as 12 hex digits, lower case.

        Args:
            now_s: monotonic seconds.
        """

    def counters(self) -> dict[str, int]:
        """Return device -> highest counter of its encrypted adverts, to `resume` from after a restart."""

    def resume(self, counters: Mapping[str, int]) -> None:
        """Take adverts up to these counters for old ones; call it before `decode`."""


@dataclass(frozen=True, slots=True)
class SessionStep:
    """What a wire session wants after one input.

    Attributes:
        to_send: bytes to write to the device now; may be empty.
        readings: what the device said; make them durable, then call `commit` with their tokens.
        samples: ping round trips for the uptime clock.
        wake_at_ms: call `tick` at this time at the latest (the session's own monotonic ms), None for never.
        changes: facts about the link itself, codes such as `device_up`, `device_silent`, `unsupported_firmware`,
            `gap:<count>`, each with the device id: `(code, device)`.
    """

    to_send: bytes = b""
    readings: tuple[WireReading, ...] = ()
    samples: tuple[ClockSample, ...] = ()
    wake_at_ms: float | None = None
    changes: tuple[tuple[str, str], ...] = ()
    done: tuple[str, ...] = ()
    """Ids of the commands that the device confirmed."""


class WireSession(Protocol):
    """The host's end of a serial protocol: no I/O, no clock. One object per opening of the port.

    All times are ms on one monotonic clock. `link_ms` runs in real time (time-outs, liveness); `boot_ms` is
    `Clock.boot_ms` at the same moment (time stamps). In production both are the same clock.
    """

    def opened(self, link_ms: float, boot_ms: float) -> SessionStep: ...

    def feed(self, data: bytes, link_ms: float, boot_ms: float) -> SessionStep: ...

    def tick(self, link_ms: float, boot_ms: float) -> SessionStep: ...

    def commit(self, tokens: Sequence[int], link_ms: float) -> SessionStep: ...

    def command(self, command: Command, link_ms: float) -> SessionStep: ...

    @property
    def counters(self) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a channel delivers at once: one telling, or a digest of several about one scope.

    Attributes:
        id: the same in every repetition.
        tellings: oldest first, never empty; their ids are those of this channel.
    """

    id: str
    tellings: tuple[Telling, ...]


class Channel(Protocol):
    """One way to tell people or programs something. Delivery is at least once: a parcel may come twice.

    No telling names a person or a laptop. What the mode does not allow never gets here.
    """

    async def send(self, parcel: Parcel) -> None:
        """Return when the other side has it.

        Raises:
            ChannelUnavailable: not now; the parcel may or may not have arrived.
            ChannelRefused: never.
        """

    async def close(self) -> None:
        """Let go of threads and connections."""


@dataclass(frozen=True, slots=True)
class ZoneBin:
    """Five minutes of one zone, from `start` (aware UTC).

    `in_use_avg`, `held_avg`, `free_avg` are time-weighted mean numbers of places, `in_use_max` the highest at one
    moment, `free_min` the lowest, `capacity` the places that count, `coverage_pct` the share of place-minutes with
    trusted input.
    """

    zone: str
    start: datetime
    in_use_avg: float
    in_use_max: int
    held_avg: float
    free_avg: float
    free_min: int
    capacity: int
    coverage_pct: float


@dataclass(frozen=True, slots=True)
class ZoneCoverage:
    """How well a zone was measured in a period: mean share of trusted input, and on how many days it was."""

    zone: str
    coverage_pct: float
    days: int


@dataclass(frozen=True, slots=True)
class UnclaimedDevice:
    """A device that a gateway hears and that no place of the plan has.

    Attributes:
        kinds: what it says, sorted; `channels` on which inputs, where it names some.
        count: messages so far.
    """

    device: str
    gateway: str
    kinds: tuple[str, ...]
    channels: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    count: int


@dataclass(frozen=True, slots=True)
class PlaceTurn:
    """From `at` on a place was shown as `phase`."""

    at: datetime
    phase: HoldPhase
    occupancy: Occupancy
    reasons: tuple[str, ...]


class HistoryReader(Protocol):
    """Reads durable history, from any thread, while ingest goes on writing."""

    def zone_bins(self, zones: Sequence[str], from_at: datetime, to_at: datetime) -> list[ZoneBin]:
        """Return the bins with from_at <= start < to_at, ordered by zone and start."""

    def decisions(self, *, place: str | None, limit: int) -> list[Decision]:
        """Return the newest decisions, newest first."""

    def decision(self, id_: str) -> Decision | None:
        """Return one decision, None when it is not or no longer kept."""

    def story(self, place: str, from_at: datetime, to_at: datetime) -> tuple[list[Decision], list[PlaceTurn]]:
        """Return what was decided about a place and what it was shown as, from_at <= at <= to_at, oldest first."""

    def unclaimed(self) -> list[UnclaimedDevice]:
        """Return the devices that wait for a place, last heard first."""

    def zone_outcomes(self, from_at: datetime, to_at: datetime) -> list[ZoneOutcome]:
        """Return by which rule holds ended, from_at <= at < to_at: counts of zones, nothing about a place."""

    def zone_coverage(self, from_at: datetime, to_at: datetime) -> list[ZoneCoverage]:
        """Return how well each zone was measured, from_at <= start < to_at; zones without any bin are left out."""

    def sensor_grades(self) -> dict[str, SensorGrade]:
        """Return place -> how well its motion sensors see; of places that no night could grade, nothing."""
