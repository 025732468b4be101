"""The numbers and the circumstances that one step of the hold machine looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from workplace.events import PolicyMode
from workplace.floor_plan import Zone
from workplace.policy import Policy, time_of


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy as it applies to one zone; durations, so that nobody counts minutes twice."""

    mode: PolicyMode
    tz: ZoneInfo
    link_up: timedelta
    presence_start: timedelta
    silent: timedelta
    merge: timedelta
    away_scarce: timedelta
    away_roomy: timedelta
    away_note: timedelta
    lunch: timedelta
    lunch_from: time
    lunch_to: time
    stay_limit: timedelta
    stay_always: bool
    soft_note: timedelta
    repeat: timedelta
    reclaimable: timedelta
    evening_vacant: timedelta
    extension: timedelta
    extensions_when_scarce: int
    quiet_longest: timedelta = timedelta(minutes=60)

    @classmethod
    def of(cls, policy: Policy, zone: Zone, tz: ZoneInfo) -> Rules:
        settings = policy.settings
        away, ladder = settings.away, settings.stay.ladder
        return cls(
            mode=policy.mode(zone),
            tz=tz,
            link_up=timedelta(seconds=settings.presence.link_up_s),
            presence_start=timedelta(minutes=settings.presence.start_min),
            silent=timedelta(minutes=settings.hold.silent_min),
            merge=timedelta(minutes=settings.hold.merge_min),
            away_scarce=timedelta(minutes=away.scarce_min),
            away_roomy=timedelta(minutes=away.roomy_min),
            away_note=timedelta(minutes=away.note_min),
            lunch=timedelta(minutes=away.lunch.limit_min),
            lunch_from=time_of(away.lunch.from_),
            lunch_to=time_of(away.lunch.to),
            stay_limit=policy.stay_limit(zone),
            stay_always=policy.stay_applies(zone) == "always",
            soft_note=timedelta(minutes=ladder.soft_note_min),
            repeat=timedelta(minutes=ladder.repeat_min),
            reclaimable=timedelta(minutes=ladder.reclaimable_min),
            evening_vacant=timedelta(minutes=settings.hours.evening_vacant_min),
            extension=timedelta(minutes=settings.extension.minutes),
            extensions_when_scarce=settings.extension.times_when_scarce,
            quiet_longest=timedelta(minutes=settings.quiet.longest_min),
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """What is the case around the place now.

    Attributes:
        in_force: hours and zone calendar let the clocks run; force_ends_at: until when.
        evening: forgotten holds end (R22).
        scarce: the zone group is short of places.
        paused: the stop switch or the circuit breaker rests enforcement (R28).
        staffing_hold: too few are in use in roster hours; nothing may turn reclaimable (R24).
        exempt: shown, never enforced (R23).
        has_light: the place has a local channel for a note.
        mass_event: the switch of its dock has failed (R30).
    """

    in_force: bool = True
    force_ends_at: datetime | None = None
    evening: bool = False
    scarce: bool = False
    paused: bool = False
    staffing_hold: bool = False
    exempt: bool = False
    has_light: bool = False
    mass_event: bool = False
