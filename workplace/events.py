"""What crosses a wire or a file between processes. Frozen, tagged, versioned; validated once, on the way in.

Times are aware UTC. Names carry their unit. No type has a field for a person, a laptop or a client's MAC address.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from workplace.loss_events import Canary, GapRecord, Line, Receipt, Spool
from workplace.message import Message, Name

SensorKind = Literal[
    "motion",
    "occupancy",
    "presence",
    "count",
    "link",
    "button",
    "battery",
    "environment",
    "availability",
    "fault",
]
ClockSource = Literal["device", "network", "gateway", "arrival"]
HoldPhase = Literal["free", "in_use", "just_left", "reclaimable", "unknown", "exempt"]
Occupancy = Literal["occupied", "held", "free", "unknown"]
PolicyMode = Literal["off", "shadow", "notes", "active"]
Notice = Literal["none", "soft_note", "time_reached", "repeat", "reclaimable"]
LightCode = Literal["off", "free", "in_use", "note", "reclaimable", "unknown"]
RequestAction = Literal[
    "extend", "quiet", "release", "remind", "exempt", "unexempt", "pause", "resume", "undo"
]
#: Why enforcement is paused (R28): somebody pulled the stop switch, it was wrong too often, it sees too little.
PauseCause = Literal["stop_switch", "false_releases", "coverage"]

#: Stands for zone and place in the record of a decision about the whole site (R28, R30).
SITE_WIDE = "_site"


class SensorEvent(Message, frozen=True, kw_only=True, tag="sensor_event"):
    """One thing one sensor said, on its way from gateway to ingest.

    `id` is deterministic from source, device, kind, channel and sequence or device time, so that a redelivery
    has the same id. `measured_at` is the best known time of the happening, `uncertainty_ms` its half width,
    `clock` says whose clock it came from; `received_at` is when the gateway had it.
    """

    id: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    site: Name
    gateway: Name
    device: Name
    kind: SensorKind
    value: bool | int | float | str
    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    measured_at: datetime
    clock: ClockSource
    uncertainty_ms: Annotated[int, msgspec.Meta(ge=0)]
    received_at: datetime
    seq: int | None = None
    retained: bool = False
    historical: bool = False
    expires_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    reason: str | None = None
    """For availability and fault: link_lost, silent, gateway_down, bridge_down, unknown; of switches also switch_down,
    mass_event and, for one channel, admin_down, port_gone, state_unknown."""
    battery_pct: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    rssi_dbm: Annotated[int, msgspec.Meta(ge=-127, le=20)] | None = None
    spool: Spool | None = None
    """The outbox that it waited in, and its line there: what is missing of an outbox shows as a hole."""
    line: Line | None = None


class GatewayStatus(Message, frozen=True, kw_only=True, tag="gateway_status"):
    """Retained; the broker publishes `offline` as last will. Lost means unknown, never free."""

    site: Name
    gateway: Name
    status: Literal["online", "offline"]
    at: datetime | None = None
    """None in a last will: nobody knows when it will be sent."""


class GatewayHealth(Message, frozen=True, kw_only=True, tag="gateway_health"):
    """Every `health_interval_s`; three missing make the gateway lost.

    `outbox_oldest_s` and `uptime_s` in seconds; `sources` is one line per source; `counters` counts what was
    read, rejected by reason, dropped and sent since the start.
    """

    site: Name
    gateway: Name
    at: datetime
    uptime_s: float
    outbox_rows: int
    outbox_oldest_s: float
    clock_synced: bool
    sources: tuple[SourceHealth, ...] = ()
    devices: tuple[DeviceHealth, ...] = ()
    config: ConfigHealth | None = None
    """None where no settings from afar are taken."""
    counters: dict[str, int] = {}  # noqa: RUF012  (msgspec gives each message its own)
    spool: Spool | None = None
    """The outbox, the lowest line that still waits in it (one past the last when none does), and the last line made."""
    first_line: Line | None = None
    last_line: Annotated[int, msgspec.Meta(ge=0)] | None = None


class GatewayConfig(Message, frozen=True, kw_only=True, tag="gateway_config"):
    """Retained: settings of a gateway from afar. `body` is JSON, an overlay over the gateway's own file.

    `sha256` is that of the body, `signature` the HMAC-SHA256 of `workplace.config_seal`; both lower-case hex.
    A version that is not above the last one is refused, so that an old document cannot be played back.
    """

    site: Name
    gateway: Name
    version: Annotated[int, msgspec.Meta(ge=1)]
    body: Annotated[str, msgspec.Meta(max_length=32_768)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class ConfigHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Which settings a gateway runs with: `version` 0 are those of its own file."""

    version: int
    sha256: str = ""
    state: Literal["local", "trying", "confirmed", "rolled_back", "refused"]
    detail: str = ""


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One source of a gateway: a serial port, the MQTT device broker, a radio."""

    name: str
    status: Literal["ok", "degraded", "down"]
    detail: str = ""
    last_data_age_s: float | None = None


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One device as its gateway knows it. What is not known takes no room: there may be hundreds.

    `beat_s` is its longest normal silence, `battery_days_left` what the fall of its battery says.
    """

    device: str
    available: bool
    reason: str | None = None
    last_seen_age_s: float | None = None
    battery_pct: float | None = None
    battery_days_left: float | None = None
    beat_s: float | None = None
    firmware: str | None = None
    model: str | None = None

    @property
    def is_lost(self) -> bool:
        """Known to be away; one that was not heard yet since its gateway started (`unknown`) may be there."""
        return not self.available and self.reason != "unknown"


class PlaceState(Message, frozen=True, kw_only=True, tag="place_state"):
    """What the engine decided of one place; retained.

    `since` is the start of the shown phase, `hold_since` the start of the hold (back-dated), `away_since` the
    last sign of a person while nobody is sensed. `limit_at` is when the place turns reclaimable if nothing
    changes, `limit_kind` which clock says so. `as_of` is engine time; after `expires_at` show it as unknown.
    """

    site: Name
    floor: Name
    zone: Name
    place: Name
    phase: HoldPhase
    occupancy: Occupancy
    since: datetime
    hold_id: str | None = None
    hold_since: datetime | None = None
    away_since: datetime | None = None
    stay_limit_at: datetime | None = None
    limit_at: datetime | None = None
    limit_kind: Literal["away", "stay"] | None = None
    notice: Notice = "none"
    extended_until: datetime | None = None
    quiet_until: datetime | None = None
    """Somebody there does not want to be disturbed until then (R18)."""
    mode: PolicyMode
    reasons: tuple[str, ...] = ()
    """Codes that pages translate, for instance `link_up`, `motion`, `gateway_down`, `unverified`."""
    as_of: datetime
    expires_at: datetime


class ZoneState(Message, frozen=True, kw_only=True, tag="zone_state"):
    """Counts of one zone; retained and repeated every few seconds, so that silence shows.

    free + reclaimable + in_use + unknown + exempt == capacity. `just left` counts as in use.
    """

    site: Name
    floor: Name
    zone: Name
    free: int
    reclaimable: int
    in_use: int
    unknown: int
    exempt: int
    capacity: int
    scarce: bool
    calendar: Literal["work", "lunch", "closed"]
    mode: PolicyMode
    paused: bool = False
    pause_causes: tuple[PauseCause, ...] = ()
    """Why, in this order: stop switch, false releases, coverage."""
    enforced: bool = False
    """The hold clocks are in force now: hours, calendar and mode allow it."""
    coverage_pct: float
    overflow_floor: Name | None = None
    """Nearest floor with room for the same activity while this group is scarce."""
    as_of: datetime
    expires_at: datetime


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One input that a decision looked at, with its age at that moment."""

    device: str
    kind: str
    value: bool | int | float | str
    age_s: float


class Decision(Message, frozen=True, kw_only=True, tag="decision"):
    """Why a place changed: complete enough to be understood alone, and byte-identical in a replay."""

    id: str
    site: Name
    zone: Name
    place: Name
    hold_id: str | None
    at: datetime
    rule: str
    action: str
    """hold_started, just_left, soft_note, time_reached, repeat, reclaimable, released, resumed, extended, quiet,
    exempted, unexempted, reminded, undone, frozen, thawed; of the whole site: paused, unpaused, mass_event,
    mass_event_over."""
    mode: PolicyMode
    acted: bool
    """False in shadow mode: decided and recorded, told to nobody."""
    away_s: float | None = None
    stay_s: float | None = None
    signals: tuple[Signal, ...] = ()
    counterfactual: str = ""
    policy_hash: str


class Command(Message, frozen=True, kw_only=True, tag="command"):
    """To one device behind one gateway; dropped after `valid_until`. Idempotent."""

    id: str
    site: Name
    gateway: Name
    device: Name
    channel: str | None = None
    action: Literal["light"] = "light"
    light: LightCode
    issued_at: datetime
    valid_until: datetime


class Request(Message, frozen=True, kw_only=True, tag="request"):
    """A wish from a page to the engine. `role`, never a person."""

    id: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    site: Name
    place: Name | None = None
    """None for site-wide requests (pause, resume)."""
    action: RequestAction
    minutes: Annotated[int, msgspec.Meta(ge=1, le=480)] | None = None
    role: Literal["staff", "desk", "works_council"]
    requested_at: datetime
    reply_to: Name
    undoes: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Of an undo: the id of the request to take back."""
    within_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Of an undo: how long ago that may have been granted, site seconds."""


class Reply(Message, frozen=True, kw_only=True, tag="reply"):
    """The engine's answer to a `Request`; `reason` is a code that pages translate."""

    request_id: str
    accepted: bool
    reason: str
    at: datetime


class PlaceHabits(msgspec.Struct, frozen=True, array_like=True):
    """What the nights taught of one place.

    Attributes:
        wiring: the sensors it was learned of; with others it counts no more.
        grade, traffic: how well its motion sensors see the seat, and its aisle: rows of `rates.GRADES` and `TRAFFIC`.
        busy: how busy its zone is by band of the day, rows of `rates.BUSY`.
    """

    wiring: str
    grade: int
    traffic: int
    busy: tuple[int, ...]


class NightLessons(Message, frozen=True, kw_only=True, tag="night_lessons"):
    """What is known after the night that followed the local day `day`; decides from `from_at` on."""

    site: Name
    day: date
    from_at: datetime
    places: dict[str, PlaceHabits]


class IngestHealth(Message, frozen=True, kw_only=True, tag="ingest_health"):
    """Published every few seconds, not retained; pages call the site stale when it stops."""

    site: Name
    at: datetime
    version: str
    uptime_s: float
    events_total: int
    duplicates_total: int
    late_total: int
    quarantined: dict[str, int]
    last_event_at: datetime | None
    last_event_age_s: float | None
    """Seconds of real time since the last event was stored."""
    store: dict[str, str | int | float | bool]
    sink: dict[str, str | int | float | bool] | None = None
    """InfluxDB forwarder: pending rows, oldest age, last error; None when not configured."""
    policy_hash: str
    paused: bool = False
    pause_causes: tuple[PauseCause, ...] = ()
    is_subscribed: bool = False
    """The broker confirmed the reader's subscription since the connection that carries this message came up: what
    is published there now is kept for ingest. Gateways send events only after they have heard this."""
    receipts: bool = False
    """Ingest says what it has on disk (`Receipt`); where it does not, gateways must believe the broker."""
    lost_events: dict[str, int] = {}  # noqa: RUF012  (msgspec gives each message its own)
    """Known to be lost since the start, by cause (`GapRecord`)."""
    loss_records: dict[str, int] = {}  # noqa: RUF012
    """How often, by cause; of some losses nobody knows how many events they were."""


class ChannelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one channel outside the screens is doing. Numbers survive restarts.

    `reason` is a code and never an address. `oldest_s`, `last_sent_age_s`: site seconds; `expired` waited too long,
    `withheld` were not allowed any more, `refused` will never be taken, `withdrawn` were over before they were sent.
    """

    name: str
    kind: str
    state: Literal["ok", "failing", "refused", "closed"]
    reason: str = ""
    waiting: int = 0
    oldest_s: float = 0.0
    sent: int = 0
    expired: int = 0
    withheld: int = 0
    refused: int = 0
    withdrawn: int = 0
    last_sent_age_s: float | None = None


class NotifierHealth(Message, frozen=True, kw_only=True, tag="notifier_health"):
    """Retained, every few seconds from the process that delivers to channels; taken away when it stops on purpose."""

    site: Name
    at: datetime
    version: str
    reads_decisions: bool
    """The record of decisions can be read; without it nobody is told anything."""
    channels: tuple[ChannelHealth, ...] = ()


AnyMessage = (
    SensorEvent
    | GatewayStatus
    | GatewayHealth
    | GatewayConfig
    | PlaceState
    | ZoneState
    | Decision
    | Command
    | Request
    | Reply
    | GapRecord
    | Canary
    | Receipt
    | IngestHealth
    | NotifierHealth
    | NightLessons
)
