"""What the interface answers. Times are aware UTC (site time); ages are real seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from workplace.events import HoldPhase, Notice, Occupancy, PauseCause, PolicyMode, RequestAction
from workplace.sensor_grades import GradeName, Quality


class Answer(BaseModel):
    """Root of all answers: immutable, and only the fields that are written down here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusalAnswer(Answer):
    """Why there is no other answer."""

    detail: str


class GatewayAnswer(Answer):
    id: str
    floor: str
    status: Literal["online", "late", "offline", "unknown"]
    """`late`: the broker still calls it online, but it has not been heard for three beats."""
    health_age_s: float | None
    uptime_s: float | None
    clock_synced: bool | None
    outbox_rows: int | None
    outbox_oldest_s: float | None
    devices: int
    devices_down: int


class OutboxAnswer(Answer):
    rows: int
    oldest_s: float


class ScreensAnswer(Answer):
    open: int
    resynchronised: int
    """How often a slow screen got a snapshot instead of its backlog."""


class ChannelAnswer(Answer):
    """One channel outside the screens. `reason` is a code; numbers count tellings since the site began."""

    name: str
    kind: str
    state: Literal["ok", "failing", "refused", "closed"]
    reason: str
    waiting: int
    oldest_s: float
    sent: int
    expired: int
    withheld: int
    refused: int
    withdrawn: int
    last_sent_age_s: float | None


class HealthAnswer(Answer):
    status: Literal["ok", "degraded", "down"]
    reasons: list[str]
    """Why it is not `ok`: codes such as `ingest_silent`, `gateway_offline:gw-1`, `zone_silent:3-stilte`."""
    version: str
    uptime_s: float
    site: str
    site_time: datetime
    clock_speed: float
    gateways: list[GatewayAnswer]
    outbox: OutboxAnswer
    """Events that gateways still hold, summed; the oldest of all."""
    store: dict[str, str | int | float | bool]
    sink: dict[str, str | int | float | bool] | None
    broker: Literal["connected", "disconnected", "none"]
    ingest_age_s: float | None
    ingest_version: str | None
    ingest_uptime_s: float | None
    events_total: int | None
    duplicates_total: int | None
    late_total: int | None
    last_event_age_s: float | None
    quarantined: dict[str, int]
    rejected: dict[str, int]
    """Messages that this dashboard could not use, by reason."""
    policy_hash: str | None
    paused: bool
    pause_causes: list[PauseCause]
    screens: ScreensAnswer
    channels: list[ChannelAnswer]
    channels_age_s: float | None
    """Real seconds since the notifier spoke; None when there are no channels."""


class PlaceAnswer(Answer):
    id: str
    label: str
    floor: str
    zone: str
    x_m: float
    y_m: float
    fixed: bool
    state: HoldPhase
    occupancy: Occupancy
    since: datetime | None
    hold_since: datetime | None
    limit: datetime | None
    """When the place turns reclaimable if nothing changes."""
    limit_kind: Literal["away", "stay"] | None
    notice: Notice
    extended_until: datetime | None
    quiet_until: datetime | None
    mode: PolicyMode | None
    reasons: list[str]
    sensor_grade: GradeName | None
    """How well the motion sensors see the seat, learned each night; None before a night could tell, or without any."""
    sensor_quality: Quality | None
    """What the grade means: A and B are good, C is fair, D and E are poor."""
    as_of: datetime | None


class ZoneAnswer(Answer):
    """free + reclaimable + in_use + unknown + exempt == capacity. Unknown is never free."""

    id: str
    kind: str
    name: dict[Literal["nl", "en"], str]
    free: int
    reclaimable: int
    in_use: int
    unknown: int
    exempt: int
    capacity: int
    scarce: bool
    calendar: Literal["work", "lunch", "closed"]
    mode: PolicyMode | None
    paused: bool
    pause_causes: list[PauseCause]
    """Why: stop_switch, false_releases, coverage."""
    enforced: bool
    coverage_pct: float | None
    overflow_floor: str | None
    as_of: datetime | None
    age_s: float | None
    """Real seconds since this zone was last heard; None when never since the dashboard started."""
    stale: bool


class FloorSummary(Answer):
    id: str
    number: int
    name: dict[Literal["nl", "en"], str]
    free: int
    """Free work places: zones in lunch mode and counters are not counted."""
    capacity: int
    as_of: datetime | None
    age_s: float | None
    stale: bool
    zones: list[ZoneAnswer]


class FloorAnswer(FloorSummary):
    places: list[PlaceAnswer]


class SignalAnswer(Answer):
    device: str
    kind: str
    value: bool | int | float | str
    age_s: float


class DecisionAnswer(Answer):
    id: str
    place: str
    zone: str
    at: datetime
    rule: str
    action: str
    mode: PolicyMode
    acted: bool
    away_s: float | None
    stay_s: float | None
    signals: list[SignalAnswer]
    counterfactual: str
    policy_hash: str


class TimelineAnswer(Answer):
    """One moment of a why-card: a decision (`rule`, `action`, `acted`), or what the place was shown as from then on."""

    at: datetime
    decision: str | None
    rule: str | None
    action: str | None
    acted: bool | None
    phase: HoldPhase | None
    reasons: list[str]


class WhyAnswer(DecisionAnswer):
    """Everything behind one decision. Texts in both languages; nothing about a person, because nobody knows one."""

    hold_id: str | None
    rule_text: dict[Literal["nl", "en"], str]
    counterfactual_text: dict[Literal["nl", "en"], str]
    timeline: list[TimelineAnswer]


class UnclaimedAnswer(Answer):
    """A device that a gateway hears and that no place has; `plekvrij devices claim` gives it one."""

    device: str
    gateway: str
    kinds: list[str]
    channels: list[str]
    first_seen: datetime
    last_seen: datetime
    count: int


class Wish(BaseModel):
    """What somebody wants of a place."""

    model_config = ConfigDict(extra="forbid")
    action: RequestAction
    minutes: int | None = Field(default=None, ge=1, le=480)
    undoes: str | None = Field(
        default=None, max_length=64, description="Of an undo: the `request` of the answer to take back."
    )


class WishAnswer(Answer):
    accepted: bool
    reason: str
    request: str = Field(description="Id of the wish, by which it can be undone for a short time.")
