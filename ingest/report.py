"""What the worker says of itself; replaced as a whole, so any thread may read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from workplace.events import PauseCause


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Numbers of the health message.

    Attributes:
        state: `starting`, `catching_up`, `live`, `store_unavailable`.
        last_event_at: `received_at` of the newest stored event.
        last_event_stored_at: real time (`time.monotonic`) of its commit.
        decision_digest: one number for all decisions so far, see `workplace.holds.digest`.
        last_night: the newest day whose night is done, year-month-day; empty before the first.
        lines_missing: lines of gateways' outboxes that are neither stored nor explained, some of them under way.
        lost_events, loss_records: what is known to be lost since the start, by cause: events, and how often; of some
            losses nobody knows how many events they were.
        alarm: what a person must know, empty when all is well.
        beat_at: real time of the worker's last sign of life.
    """

    state: str = "starting"
    events_total: int = 0
    duplicates_total: int = 0
    late_total: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    last_event_at: datetime | None = None
    last_event_stored_at: float | None = None
    engine_now: datetime | None = None
    commits_total: int = 0
    commit_ms: float = 0.0
    store_bytes: int = 0
    outbox_rows: int = 0
    outbox_dropped_total: int = 0
    gateways_offline: int = 0
    paused: bool = False
    pause_causes: tuple[PauseCause, ...] = ()
    decision_digest: str = ""
    last_night: str = ""
    lines_missing: int = 0
    lost_events: dict[str, int] = field(default_factory=dict)
    loss_records: dict[str, int] = field(default_factory=dict)
    alarm: str = ""
    beat_at: float | None = None
