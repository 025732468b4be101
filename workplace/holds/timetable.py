"""When the rules are in force: hours, holidays, evening, zone calendars, rosters (R22, R24, R25). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from workplace.policy import Policy, time_of

Calendar = Literal["work", "lunch", "closed"]
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class ZoneHours:
    """What the hour means for one zone.

    Attributes:
        in_force: the clocks run; force_ends_at: until when, None while they do not.
        evening: forgotten holds end now (R22).
        roster: somebody must stay in this zone now, at least this many; 0 for nobody (R24).
    """

    in_force: bool
    force_ends_at: datetime | None
    calendar: Calendar
    evening: bool
    roster: int


class Timetable:
    """Answers for one site, from aware UTC; local clock changes are the time zone's business."""

    def __init__(self, policy: Policy, tz: ZoneInfo) -> None:
        self._policy, self._tz = policy, tz
        settings, hours = policy.settings, policy.settings.hours
        edges = {"00:00", hours.from_, hours.to, hours.evening}
        edges |= {edge for part in settings.calendar for edge in (part.from_, part.to)}
        edges |= {edge for part in settings.staffing for edge in (part.from_, part.to)}
        self._edges = sorted(time_of(edge) for edge in edges)

    def of(self, zone: str, now: datetime) -> ZoneHours:
        """Return what `now` means for the zone."""
        local = now.astimezone(self._tz)
        clock, hours = local.strftime("%H:%M"), self._policy.settings.hours
        is_workday = _WEEKDAYS[local.weekday()] in hours.days and not self._policy.is_holiday(local.date())
        calendar: Calendar = "work"
        for part in self._policy.settings.calendar:
            if part.zone == zone and part.from_ <= clock < part.to:
                calendar = part.calendar
        in_force = is_workday and calendar == "work" and hours.from_ <= clock < hours.to
        roster = (
            part.at_least
            for part in self._policy.settings.staffing
            if part.zone == zone and is_workday and part.from_ <= clock < part.to
        )
        return ZoneHours(
            in_force=in_force,
            force_ends_at=self._force_end(zone, local) if in_force else None,
            calendar=calendar,
            evening=clock >= hours.evening or clock < hours.from_,
            roster=max(roster, default=0),
        )

    def next_change(self, now: datetime) -> datetime:
        """Return the first moment after `now` at which an answer may change."""
        today = now.astimezone(self._tz).date()
        moments = (
            datetime.combine(today + timedelta(days=day), edge, self._tz).astimezone(UTC)
            for day in range(3)
            for edge in self._edges
        )
        return min(moment for moment in moments if moment > now)

    def local(self, moment: datetime) -> str:
        """Return the local time of day, `HH:MM`."""
        return moment.astimezone(self._tz).strftime("%H:%M")

    def _force_end(self, zone: str, local: datetime) -> datetime:
        clock = local.strftime("%H:%M")
        starts = (part.from_ for part in self._policy.settings.calendar if part.zone == zone)
        end = min([self._policy.settings.hours.to, *(start for start in starts if start > clock)])
        return datetime.combine(local.date(), time_of(end), self._tz).astimezone(UTC)
