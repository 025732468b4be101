"""Everything that ingest knows of its own well-being -> one message. Pure but for the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from ingest.report import WorkerReport
from ingest.stores.forwarder import SinkStatus
from workplace.events import IngestHealth

#: A worker silent for this long hangs in the store, s: its ticks come every 5 s, a lock may hold it for 30 s.
_HANGING_S = 60.0


def make_health(
    *,
    site: str,
    version: str,
    policy_hash: str,
    at: datetime,
    started_at: float,
    report: WorkerReport,
    commit_ms: tuple[float, float],
    reader_trouble: str | None,
    is_subscribed: bool,
    inbox_full_since: float | None,
    publisher: Mapping[str, int],
    sink: SinkStatus | None,
) -> IngestHealth:
    """Return the health message of this moment.

    Args:
        at: site time.
        started_at: real (monotonic) seconds.
        commit_ms: p50 and p99 of the last commits alone; `report.commit_ms` is the last transaction with its work.
    """
    now = time.monotonic()
    stored_at, beat_at = report.last_event_stored_at, report.beat_at
    beat_age_s = now - (started_at if beat_at is None else beat_at)
    state = "hanging" if beat_age_s > _HANGING_S else report.state
    store: dict[str, str | int | float | bool] = {
        "state": state,
        "alarm": report.alarm,
        "commits_total": report.commits_total,
        "commit_ms": report.commit_ms,
        "commit_p50_ms": round(commit_ms[0], 2),
        "commit_p99_ms": round(commit_ms[1], 2),
        "size_bytes": report.store_bytes,
        "beat_age_s": round(beat_age_s, 1),
        "broker": reader_trouble or "ok",
        "inbox_full_s": 0.0 if inbox_full_since is None else round(now - inbox_full_since, 1),
        "gateways_offline": report.gateways_offline,
        "decision_digest": report.decision_digest,
        "last_night": report.last_night,
        "lines_missing": report.lines_missing,
    }
    store.update({f"publish_{name}": number for name, number in publisher.items()})
    return IngestHealth(
        site=site,
        at=at,
        version=version,
        uptime_s=round(now - started_at, 1),
        events_total=report.events_total,
        duplicates_total=report.duplicates_total,
        late_total=report.late_total,
        quarantined=report.quarantined,
        last_event_at=report.last_event_at,
        last_event_age_s=None if stored_at is None else round(now - stored_at, 1),
        store=store,
        sink=None if sink is None else _sink(sink, report, now),
        policy_hash=policy_hash,
        paused=report.paused,
        pause_causes=report.pause_causes,
        is_subscribed=is_subscribed,
        receipts=True,
        lost_events=report.lost_events,
        loss_records=report.loss_records,
    )


def _sink(sink: SinkStatus, report: WorkerReport, now: float) -> dict[str, str | int | float | bool]:
    told: dict[str, str | int | float | bool] = {
        "state": sink.state,
        "version": sink.version,
        "pending_rows": report.outbox_rows,
        "sent_total": sink.sent_total,
        "dropped_total": sink.dropped_total + report.outbox_dropped_total,
        "last_error": sink.last_error,
    }
    if sink.last_sent_at is not None:
        told["last_sent_age_s"] = round(now - sink.last_sent_at, 1)
    return told
