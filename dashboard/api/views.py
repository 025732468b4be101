"""Live state -> answers of the interface. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from dashboard.api.models import (
    ChannelAnswer,
    DecisionAnswer,
    FloorAnswer,
    FloorSummary,
    GatewayAnswer,
    OutboxAnswer,
    PlaceAnswer,
    SignalAnswer,
    TimelineAnswer,
    WhyAnswer,
    ZoneAnswer,
)
from dashboard.i18n import words
from dashboard.live_site import GatewayView, SiteSnapshot
from dashboard.view_models import FloorView, ZoneView, phase_of
from dashboard.why.card import Moment, WhyCard
from dashboard.why.rules import counterfactual_text, rule_text
from workplace.events import Decision, NotifierHealth, PlaceState
from workplace.floor_plan import FloorPlan, Place
from workplace.plan_file import Text
from workplace.sensor_grades import SensorGrade

#: Gateways report every 30 s; three missing make one late (see `GatewayHealth`).
GATEWAY_LATE_S = 90.0


#: The notifier speaks every 5 s; past this it is silent, s.
NOTIFIER_SILENT_S = 30.0


def channel_answers(health: NotifierHealth | None) -> list[ChannelAnswer]:
    channels = () if health is None else health.channels
    return [ChannelAnswer(**msgspec.structs.asdict(channel)) for channel in channels]


def channel_reasons(health: NotifierHealth | None, age_s: float | None) -> list[str]:
    """Return what is wrong with the channels, as codes. Silence comes first: then nothing else is known."""
    if health is None or age_s is None:
        return []
    if age_s > NOTIFIER_SILENT_S:
        return ["channels_silent"]
    unread = [] if health.reads_decisions else ["channels_read_no_decisions"]
    return unread + [f"channel_{one.state}:{one.name}" for one in health.channels if one.state != "ok"]


def _both(name: Text) -> dict[Literal["nl", "en"], str]:
    return {"nl": name.nl, "en": name.en}


def gateway_status(view: GatewayView) -> Literal["online", "late", "offline", "unknown"]:
    """Return what to call a gateway, trusting neither its last will nor its health alone."""
    if view.status is not None and view.status.status == "offline":
        return "offline"
    if view.health_age_s is None:
        return "unknown" if view.status is None else "online"
    return "late" if view.health_age_s > GATEWAY_LATE_S else "online"


def gateway_answer(plan: FloorPlan, view: GatewayView) -> GatewayAnswer:
    health = view.health
    return GatewayAnswer(
        id=view.id,
        floor=plan.gateway[view.id].floor,
        status=gateway_status(view),
        health_age_s=_rounded(view.health_age_s),
        uptime_s=None if health is None else health.uptime_s,
        clock_synced=None if health is None else health.clock_synced,
        outbox_rows=None if health is None else health.outbox_rows,
        outbox_oldest_s=None if health is None else health.outbox_oldest_s,
        devices=0 if health is None else len(health.devices),
        devices_down=0 if health is None else sum(device.is_lost for device in health.devices),
    )


def outbox_answer(gateways: Sequence[GatewayView]) -> OutboxAnswer:
    healths = [view.health for view in gateways if view.health is not None]
    return OutboxAnswer(
        rows=sum(health.outbox_rows for health in healths),
        oldest_s=max((health.outbox_oldest_s for health in healths), default=0.0),
    )


def place_answer(
    place: Place, state: PlaceState | None, now: datetime, grade: SensorGrade | None = None
) -> PlaceAnswer:
    phase = phase_of(place, state, now)
    is_known = state is not None and phase == state.phase
    return PlaceAnswer(
        id=place.id,
        label=place.label,
        floor=place.floor,
        zone=place.zone,
        x_m=place.x_m,
        y_m=place.y_m,
        fixed=place.fixed,
        state=phase,
        occupancy=state.occupancy if state is not None and is_known else "unknown",
        since=state.since if state is not None and is_known else None,
        hold_since=state.hold_since if state is not None and is_known else None,
        limit=state.limit_at if state is not None and is_known else None,
        limit_kind=state.limit_kind if state is not None and is_known else None,
        notice=state.notice if state is not None and is_known else "none",
        extended_until=state.extended_until if state is not None else None,
        quiet_until=state.quiet_until if state is not None else None,
        mode=None if state is None else state.mode,
        reasons=["never_heard"] if state is None else [*state.reasons, *([] if is_known else ["expired"])],
        sensor_grade=None if grade is None else grade.grade,
        sensor_quality=None if grade is None else grade.quality,
        as_of=None if state is None else state.as_of,
    )


def zone_answer(view: ZoneView) -> ZoneAnswer:
    """Return the counts as ingest sent them; of a zone never heard all open places are unknown."""
    state, zone = view.state, view.zone
    fixed = sum(place.fixed for place in zone.places)
    return ZoneAnswer(
        id=zone.id,
        kind=zone.kind,
        name=_both(zone.name),
        free=0 if state is None else state.free,
        reclaimable=0 if state is None else state.reclaimable,
        in_use=0 if state is None else state.in_use,
        unknown=len(zone.places) - fixed if state is None else state.unknown,
        exempt=fixed if state is None else state.exempt,
        capacity=len(zone.places) if state is None else state.capacity,
        scarce=state is not None and state.scarce,
        calendar="work" if state is None else state.calendar,
        mode=None if state is None else state.mode,
        paused=state is not None and state.paused,
        pause_causes=[] if state is None else list(state.pause_causes),
        enforced=state is not None and state.enforced,
        coverage_pct=None if state is None else state.coverage_pct,
        overflow_floor=None if state is None else state.overflow_floor,
        as_of=None if state is None else state.as_of,
        age_s=_rounded(view.age_s),
        stale=view.freshness != "live",
    )


def floor_summary(view: FloorView) -> FloorSummary:
    return FloorSummary(
        id=view.floor.id,
        number=view.floor.number,
        name=_both(view.floor.name),
        free=view.free,
        capacity=view.open_capacity,
        as_of=view.as_of,
        age_s=_rounded(view.age_s),
        stale=view.freshness != "live",
        zones=[zone_answer(zone) for zone in view.zones],
    )


def floor_answer(
    view: FloorView, snapshot: SiteSnapshot, now: datetime, grades: Mapping[str, SensorGrade]
) -> FloorAnswer:
    places = [
        place_answer(place, snapshot.places.get(place.id), now, grades.get(place.id))
        for zone in view.floor.zones
        for place in zone.places
    ]
    summary = {name: getattr(floor_summary(view), name) for name in FloorSummary.model_fields}
    return FloorAnswer(**summary, places=places)


def decision_answer(decision: Decision) -> DecisionAnswer:
    return DecisionAnswer(
        id=decision.id,
        place=decision.place,
        zone=decision.zone,
        at=decision.at,
        rule=decision.rule,
        action=decision.action,
        mode=decision.mode,
        acted=decision.acted,
        away_s=decision.away_s,
        stay_s=decision.stay_s,
        signals=[
            SignalAnswer(device=s.device, kind=s.kind, value=s.value, age_s=s.age_s) for s in decision.signals
        ],
        counterfactual=decision.counterfactual,
        policy_hash=decision.policy_hash,
    )


def why_answer(card: WhyCard) -> WhyAnswer:
    made = card.decision
    told = decision_answer(made)
    both: tuple[Literal["nl", "en"], ...] = ("nl", "en")
    return WhyAnswer(
        **{name: getattr(told, name) for name in DecisionAnswer.model_fields},
        hold_id=made.hold_id,
        rule_text={lang: rule_text(made.rule, words(lang)) for lang in both},
        counterfactual_text={lang: counterfactual_text(made.counterfactual, words(lang)) for lang in both},
        timeline=[_timeline_answer(moment) for moment in card.timeline],
    )


def _timeline_answer(moment: Moment) -> TimelineAnswer:
    made, turn = moment.decision, moment.turn
    return TimelineAnswer(
        at=moment.at,
        decision=None if made is None else made.id,
        rule=None if made is None else made.rule,
        action=None if made is None else made.action,
        acted=None if made is None else made.acted,
        phase=None if turn is None else turn.phase,
        reasons=[] if turn is None else list(turn.reasons),
    )


def _rounded(age_s: float | None) -> float | None:
    return None if age_s is None else round(age_s, 1)
