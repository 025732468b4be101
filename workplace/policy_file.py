"""The shape of a policy file: every setting of the hold rules with its unit, default and range.

The ranges are the agreed room to move; JSON Schema and the linter both come from here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from workplace.events import PolicyMode
from workplace.message import Name
from workplace.plan_file import ZoneKind

TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Date = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
StayApplies = Literal["always", "scarce"]
OccupancyModelName = Literal["filter", "hand_tuned"]
PublicHolidays = Literal["nl", "none"]
StayMinutes = Annotated[int, msgspec.Meta(ge=60, le=480)]
StepMinutes = Annotated[int, msgspec.Meta(ge=5, le=30)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Root of all parts of the file: settings refuse what they do not know."""


class PresenceFile(Part, frozen=True, kw_only=True):
    """R1-R3: when somebody is there.

    `vacancy_min` is for who has no laptop in a dock. `docked_quiet_min` is for who has, and `undocked_quiet_min` for
    who unplugged, or moved at an empty dock for less than `start_min`: then leaving is believed sooner. `start_min`
    is how long presence without a link must last before it is a hold.
    """

    link_up_s: Annotated[int, msgspec.Meta(ge=5, le=120)] = 10
    link_down_s: Annotated[int, msgspec.Meta(ge=5, le=120)] = 60
    vacancy_min: Annotated[int, msgspec.Meta(ge=5, le=20)] = 12
    docked_quiet_min: Annotated[int, msgspec.Meta(ge=5, le=20)] = 10
    undocked_quiet_min: Annotated[int, msgspec.Meta(ge=3, le=20)] = 3
    start_min: Annotated[int, msgspec.Meta(ge=1, le=5)] = 3


class OccupancyFile(Part, frozen=True, kw_only=True):
    """Who tells occupied, held and free apart: the filter, which weighs events and silence, or the hand-tuned rule
    with its fixed quiet times. The rule also speaks where the filter cannot (no trusted presence sensor).
    """

    model: OccupancyModelName = "filter"


class HoldFile(Part, frozen=True, kw_only=True):
    """R4 and R19, R20: the silent first period, and how long a gap may be before a new hold begins."""

    silent_min: Annotated[int, msgspec.Meta(ge=30, le=120)] = 60
    merge_min: Annotated[int, msgspec.Meta(ge=5, le=30)] = 15


class LunchFile(Part, frozen=True, kw_only=True):
    """R8: who leaves between these times may stay away longer."""

    from_: TimeOfDay = msgspec.field(default="11:30", name="from")
    to: TimeOfDay = "14:00"
    limit_min: Annotated[int, msgspec.Meta(ge=60, le=150)] = 90


class AwayFile(Part, frozen=True, kw_only=True):
    """R6, R7, R8, R15: held but empty."""

    scarce_min: Annotated[int, msgspec.Meta(ge=20, le=60)] = 30
    roomy_min: Annotated[int, msgspec.Meta(ge=30, le=120)] = 50
    note_min: StepMinutes = 5
    lunch: LunchFile = msgspec.field(default_factory=LunchFile)


class StayLimitsFile(Part, frozen=True, kw_only=True):
    """R9: minutes of one hold, by what the zone is for. The restaurant counts as touch-down outside lunch."""

    silence: StayMinutes = 240
    desk: StayMinutes = 240
    collaborate: StayMinutes = 180
    touchdown: StayMinutes = 120
    meet: StayMinutes = 90
    restaurant: StayMinutes = 120
    counter: StayMinutes = 240

    def of(self, kind: ZoneKind) -> int:
        return int(getattr(self, kind))


class StayAppliesFile(Part, frozen=True, kw_only=True):
    """R10: whether the stay ladder always starts, or only while places are short."""

    silence: StayApplies = "scarce"
    desk: StayApplies = "scarce"
    collaborate: StayApplies = "scarce"
    touchdown: StayApplies = "always"
    meet: StayApplies = "always"
    restaurant: StayApplies = "always"
    counter: StayApplies = "scarce"

    def of(self, kind: ZoneKind) -> StayApplies:
        applies: StayApplies = getattr(self, kind)
        return applies


class LadderFile(Part, frozen=True, kw_only=True):
    """R14: soft note this long before the limit; repeat and reclaimable this long after it."""

    soft_note_min: StepMinutes = 15
    repeat_min: StepMinutes = 10
    reclaimable_min: StepMinutes = 20


class StayFile(Part, frozen=True, kw_only=True):
    """R9, R10, R14: long use."""

    limit_min: StayLimitsFile = msgspec.field(default_factory=StayLimitsFile)
    applies: StayAppliesFile = msgspec.field(default_factory=StayAppliesFile)
    ladder: LadderFile = msgspec.field(default_factory=LadderFile)


class ScarcityFile(Part, frozen=True, kw_only=True):
    """R11, R12: a zone group is short when free <= max(places, pct of its places) for `for_min` minutes."""

    on_pct: Annotated[int, msgspec.Meta(ge=5, le=40)] = 12
    on_places: Annotated[int, msgspec.Meta(ge=0, le=20)] = 1
    off_pct: Annotated[int, msgspec.Meta(ge=5, le=60)] = 20
    off_places: Annotated[int, msgspec.Meta(ge=0, le=40)] = 2
    for_min: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10


class ExtensionFile(Part, frozen=True, kw_only=True):
    """R17: as often as asked while there is room; `times_when_scarce` while there is not."""

    minutes: Annotated[int, msgspec.Meta(ge=15, le=120)] = 60
    times_when_scarce: Annotated[int, msgspec.Meta(ge=0, le=2)] = 1


class QuietFile(Part, frozen=True, kw_only=True):
    """R18: how long in one hold the stay ladder may wait for somebody who does not want to be disturbed; 0: never."""

    longest_min: Annotated[int, msgspec.Meta(ge=0, le=60)] = 60


class BreakerFile(Part, frozen=True, kw_only=True):
    """R28: enforcement pauses itself when it is wrong too often, or when it sees too little.

    `false_release_pct` of the releases of `days` days, counted over at least `least_releases`, so that two mistakes in
    the first hour of a new site are not a hundred per cent. `coverage_pct` is the mean of `coverage_min` minutes;
    enforcement goes on by itself at `coverage_back_pct`.
    """

    false_release_pct: Annotated[float, msgspec.Meta(ge=0.1, le=20)] = 1.0
    days: Annotated[int, msgspec.Meta(ge=1, le=28)] = 7
    least_releases: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    coverage_pct: Annotated[int, msgspec.Meta(ge=50, le=99)] = 90
    coverage_back_pct: Annotated[int, msgspec.Meta(ge=51, le=100)] = 95
    coverage_min: Annotated[int, msgspec.Meta(ge=5, le=60)] = 15


class PrivacyFile(Part, frozen=True, kw_only=True):
    """R29: days after which everything about single places is deleted: events, holds, decisions with their reasons."""

    desk_level_days: Annotated[int, msgspec.Meta(ge=1, le=28)] = 14


class HoursFile(Part, frozen=True, kw_only=True):
    """R22: when the clocks run, and when a forgotten hold ends in the evening. Local time of the site.

    `public_holidays` are those of the country, `holidays` the site's own days besides.
    """

    days: Annotated[list[Weekday], msgspec.Meta(min_length=1, max_length=7)] = msgspec.field(
        default_factory=lambda: ["mon", "tue", "wed", "thu", "fri"]
    )
    from_: TimeOfDay = msgspec.field(default="08:30", name="from")
    to: TimeOfDay = "17:00"
    public_holidays: PublicHolidays = "nl"
    holidays: list[Date] = msgspec.field(default_factory=list)
    evening: TimeOfDay = "20:00"
    evening_vacant_min: Annotated[int, msgspec.Meta(ge=15, le=240)] = 60


class CalendarFile(Part, frozen=True, kw_only=True):
    """R25: a zone that is something else for part of the day: no clocks then."""

    zone: Name
    from_: TimeOfDay = msgspec.field(name="from")
    to: TimeOfDay
    calendar: Literal["lunch", "closed"] = "lunch"


class StaffingFile(Part, frozen=True, kw_only=True):
    """R24: no place of the zone turns reclaimable while `at_least` or fewer are in use in these hours."""

    zone: Name
    at_least: Annotated[int, msgspec.Meta(ge=1, le=100)]
    from_: TimeOfDay = msgspec.field(name="from")
    to: TimeOfDay


class ZoneSettingFile(Part, frozen=True, kw_only=True):
    """What differs for one zone; None follows the site."""

    mode: PolicyMode | None = None
    stay_applies: StayApplies | None = None
    stay_limit_min: StayMinutes | None = None


class ConsentFile(Part, frozen=True, kw_only=True):
    """Who agreed to this text: a body and a role in it, never the name of a person."""

    body: Annotated[str, msgspec.Meta(min_length=3, max_length=120)]
    role: Annotated[str, msgspec.Meta(min_length=3, max_length=120)]
    date: Date
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class PolicyFile(Part, frozen=True, kw_only=True):
    """The policy file."""

    site: Name
    mode: PolicyMode = "shadow"
    occupancy: OccupancyFile = msgspec.field(default_factory=OccupancyFile)
    presence: PresenceFile = msgspec.field(default_factory=PresenceFile)
    hold: HoldFile = msgspec.field(default_factory=HoldFile)
    away: AwayFile = msgspec.field(default_factory=AwayFile)
    stay: StayFile = msgspec.field(default_factory=StayFile)
    scarcity: ScarcityFile = msgspec.field(default_factory=ScarcityFile)
    extension: ExtensionFile = msgspec.field(default_factory=ExtensionFile)
    quiet: QuietFile = msgspec.field(default_factory=QuietFile)
    hours: HoursFile = msgspec.field(default_factory=HoursFile)
    breaker: BreakerFile = msgspec.field(default_factory=BreakerFile)
    privacy: PrivacyFile = msgspec.field(default_factory=PrivacyFile)
    zones: dict[Name, ZoneSettingFile] = msgspec.field(default_factory=dict)
    calendar: list[CalendarFile] = msgspec.field(default_factory=list)
    staffing: list[StaffingFile] = msgspec.field(default_factory=list)
    exempt: list[Name] = msgspec.field(default_factory=list)
    consent: ConsentFile | None = None
