"""What a page shows of a floor, decided from one snapshot. Pure: takes the time, returns values.

The order of honesty: no number when it may be wrong, a grey number when it may be old, else the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from dashboard.floor_svg import places_in_order
from dashboard.glyphs import LETTER, StateLetter
from dashboard.live_site import SiteSnapshot
from dashboard.settings import DashboardSettings
from dashboard.steady import (
    ALMOST_FULL_SHARE,
    POINT_ELSEWHERE_SHARE,
    WORTH_A_WALK,
    counts_as_work,
    open_places,
)
from workplace.events import HoldPhase, Notice, PauseCause, PlaceState, ZoneState
from workplace.floor_plan import Floor, FloorPlan, Place, Zone

Freshness = Literal["live", "stale", "off"]
#: What the card of a zone warns of; the page has the words.
Chip = Literal["", "almost_full", "full", "no_data", "lunch", "closed", "fixed"]

#: At most so many floors are named; more is not read in three seconds.
NAMED_FLOORS = 2


@dataclass(frozen=True, slots=True)
class Overflow:
    """Where to go when this zone is short: the same activity on another floor."""

    floor: int
    is_up: bool
    free: int


@dataclass(frozen=True, slots=True)
class ZoneView:
    """One zone. `free` and its companions are None when they must not be shown."""

    zone: Zone
    state: ZoneState | None
    freshness: Freshness
    age_s: float | None
    free: int | None
    reclaimable: int
    in_use: int
    unknown: int
    open_capacity: int
    chip: Chip
    counts_as_work: bool
    overflow: Overflow | None = None


@dataclass(frozen=True, slots=True)
class OtherFloor:
    floor: Floor
    is_up: bool
    free: int


@dataclass(frozen=True, slots=True)
class FloorView:
    """One floor. `age_s` is real seconds since its newest zone spoke, None when none did since we listen."""

    floor: Floor
    zones: tuple[ZoneView, ...]
    letters: tuple[StateLetter, ...]
    freshness: Freshness
    age_s: float | None
    as_of: datetime | None
    free: int
    open_capacity: int
    points_elsewhere: bool
    others: tuple[OtherFloor, ...]
    is_paused: bool
    is_trial: bool
    is_night: bool
    pause_cause: PauseCause | None = None
    """The first reason why nothing is enforced here; None when not paused, or when nobody said why."""


def freshness(age_s: float | None, waited_s: float, settings: DashboardSettings) -> Freshness:
    """Return how far a number of this age may be shown. One that never spoke live is old from the start."""
    if age_s is None:
        return "stale" if waited_s <= settings.off_after_s else "off"
    if age_s > settings.off_after_s:
        return "off"
    return "stale" if age_s > settings.stale_after_s else "live"


def is_night(now: datetime, tz: ZoneInfo, settings: DashboardSettings) -> bool:
    at = now.astimezone(tz).time()
    return _between(at, settings.night_from, settings.night_until)


def _between(at: time, start: time, end: time) -> bool:
    return start <= at < end if start <= end else at >= start or at < end


def phase_of(place: Place, state: PlaceState | None, now: datetime) -> HoldPhase:
    """Return what to show of a place; what has expired or was never heard is unknown, never free."""
    if state is None:
        return "exempt" if place.fixed else "unknown"
    if state.phase != "exempt" and state.expires_at < now:
        return "unknown"
    return state.phase


def letters_of(floor: Floor, snapshot: SiteSnapshot, now: datetime) -> tuple[StateLetter, ...]:
    """Return one letter per place; at lunch nobody should look for a free chair in the restaurant."""
    no_work = {zone.id for zone in floor.zones if not _is_at_work(snapshot.zones.get(zone.id))}
    letters: list[StateLetter] = []
    for place in places_in_order(floor):
        phase = phase_of(place, snapshot.places.get(place.id), now)
        is_counted = place.zone not in no_work or phase in {"exempt", "unknown"}
        letters.append(LETTER[phase] if is_counted else "l")
    return tuple(letters)


def _is_at_work(state: ZoneState | None) -> bool:
    return state is None or state.calendar == "work"


def view_zone(zone: Zone, snapshot: SiteSnapshot, settings: DashboardSettings) -> ZoneView:
    """Return one zone without its overflow, which needs the other floors."""
    state = snapshot.zones.get(zone.id)
    age_s = snapshot.zone_age_s.get(zone.id)
    fresh: Freshness = "off" if state is None else freshness(age_s, snapshot.waited_s, settings)
    if state is None:
        fixed = sum(place.fixed for place in zone.places)
        return ZoneView(
            zone, None, fresh, age_s, None, 0, 0, 0, len(zone.places) - fixed, "no_data", counts_as_work=False
        )
    open_capacity = open_places(state)
    chip = _chip(state, open_capacity, fresh, was_few=zone.id in snapshot.standing.few_zones)
    shown = state.free if chip in {"", "almost_full", "full"} and fresh != "off" else None
    if chip == "no_data" and fresh == "stale" and state.unknown < max(open_capacity, 1):
        shown = state.free  # old, so grey, but better than nothing for a moment
    return ZoneView(
        zone=zone,
        state=state,
        freshness=fresh,
        age_s=age_s,
        free=shown,
        reclaimable=state.reclaimable if shown is not None else 0,
        in_use=state.in_use if shown is not None else 0,
        unknown=state.unknown if shown is not None else 0,
        open_capacity=open_capacity,
        chip=chip,
        counts_as_work=counts_as_work(zone, state),
    )


def _chip(state: ZoneState, open_capacity: int, fresh: Freshness, *, was_few: bool) -> Chip:
    if state.calendar == "lunch":
        return "lunch"
    if state.calendar == "closed":
        return "closed"
    if open_capacity == 0:
        return "fixed"
    if fresh != "live" or state.unknown >= open_capacity:
        return "no_data"
    if state.free == 0:
        return "full"
    if was_few or state.scarce or state.free <= open_capacity * ALMOST_FULL_SHARE:
        return "almost_full"
    return ""


def view_floor(
    plan: FloorPlan, floor: Floor, snapshot: SiteSnapshot, now: datetime, settings: DashboardSettings
) -> FloorView:
    """Return everything a page shows of `floor` at `now` (site time)."""
    zones = tuple(view_zone(zone, snapshot, settings) for zone in floor.zones)
    ages = [zone.age_s for zone in zones if zone.age_s is not None]
    age_s = min(ages, default=None)
    has_any = any(zone.state is not None for zone in zones)
    fresh: Freshness = freshness(age_s, snapshot.waited_s, settings) if has_any else "off"
    if fresh != "live":
        # The header already says it of the whole floor; the same chip on each card would only add noise.
        zones = tuple(_without_no_data(zone) for zone in zones)
    zones = tuple(_with_overflow(plan, floor, zone, snapshot, settings) for zone in zones)
    off = {zone.zone.id for zone in zones if zone.freshness == "off" and zone.state is not None}
    places = zip(places_in_order(floor), letters_of(floor, snapshot, now), strict=True)
    free, capacity = _work_places(zones)
    states = [zone.state for zone in zones if zone.state is not None]
    return FloorView(
        floor=floor,
        zones=zones,
        # a zone that fell silent tells nothing of its places either
        letters=tuple("x" if place.zone in off and letter != "e" else letter for place, letter in places),
        freshness=fresh,
        age_s=age_s,
        as_of=max((state.as_of for state in states), default=None),
        free=free,
        open_capacity=capacity,
        points_elsewhere=fresh == "live"
        and capacity > 0
        and (floor.id in snapshot.standing.few_floors or free <= capacity * POINT_ELSEWHERE_SHARE),
        others=other_floors(plan, floor, snapshot, settings, fresh),
        is_paused=any(state.paused for state in states),
        is_trial=bool(states) and all(state.mode in {"off", "shadow"} for state in states),
        is_night=is_night(now, plan.tz, settings),
        pause_cause=next((cause for state in states for cause in state.pause_causes), None),
    )


def policy_code(view: FloorView) -> str:
    """Return how the rules run here, as a code that screens have words for: empty when they are in force."""
    if view.is_paused:
        return "paused" if view.pause_cause is None else f"paused_{view.pause_cause}"
    return "trial" if view.is_trial else ""


def _without_no_data(view: ZoneView) -> ZoneView:
    if view.chip != "no_data" or view.state is None or view.state.unknown >= view.open_capacity:
        return view
    return replace(view, chip="")


def _with_overflow(
    plan: FloorPlan, here: Floor, view: ZoneView, snapshot: SiteSnapshot, settings: DashboardSettings
) -> ZoneView:
    if view.state is None or view.chip not in {"full", "almost_full"} or view.state.overflow_floor is None:
        return view
    there = plan.floor.get(view.state.overflow_floor)
    if there is None or there.id == here.id:
        return view
    free = sum(
        other.free or 0
        for zone in there.zones
        if zone.kind == view.zone.kind
        for other in (view_zone(zone, snapshot, settings),)
        if other.freshness == "live"
    )
    if free == 0:
        return view
    return replace(view, overflow=Overflow(there.number, there.number > here.number, free))


def _work_places(zones: Sequence[ZoneView]) -> tuple[int, int]:
    counted = [zone for zone in zones if zone.counts_as_work and zone.free is not None]
    return sum(zone.free or 0 for zone in counted), sum(zone.open_capacity for zone in counted)


def other_floors(
    plan: FloorPlan,
    here: Floor,
    snapshot: SiteSnapshot,
    settings: DashboardSettings,
    worst: Freshness = "live",
) -> tuple[OtherFloor, ...]:
    """Return the nearest floors with room and data no older than `worst`, the lower one first when as near.

    The order does not depend on the numbers, so two floors never swap places while somebody reads; one that had too few
    is named again when it clearly has room.
    """
    found: list[OtherFloor] = []
    for floor in sorted(plan.floors, key=lambda other: (abs(other.number - here.number), other.number)):
        if floor.id == here.id:
            continue
        zones = [view_zone(zone, snapshot, settings) for zone in floor.zones]
        free, _ = _work_places([zone for zone in zones if zone.freshness in {"live", worst}])
        if free >= WORTH_A_WALK and floor.id not in snapshot.standing.no_walk:
            found.append(OtherFloor(floor, floor.number > here.number, free))
        if len(found) == NAMED_FLOORS:
            break
    return tuple(found)


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One line of the list of held places. `over_s` > 0: past its limit; < 0: time left; None: no limit.

    `notice` is what was told there, `may_remind` whether the mode lets anybody be told.
    """

    place: Place
    zone: Zone
    phase: HoldPhase
    since: datetime | None
    over_s: float | None
    notice: Notice = "none"
    may_remind: bool = True


def hold_list(floor: Floor, snapshot: SiteSnapshot, now: datetime) -> tuple[HoldRow, ...]:
    """Return the held places, longest past their limit first, those without limit and note last."""
    rows: list[HoldRow] = []
    for zone in floor.zones:
        for place in zone.places:
            state = snapshot.places.get(place.id)
            phase = phase_of(place, state, now)
            if state is None or phase not in {"in_use", "just_left", "reclaimable"}:
                continue
            over_s = None if state.limit_at is None else (now - state.limit_at).total_seconds()
            may_tell = state.mode in {"notes", "active"}
            notice = state.notice if may_tell else "none"
            rows.append(
                HoldRow(place, zone, phase, state.hold_since or state.since, over_s, notice, may_tell)
            )

    def urgency(row: HoldRow) -> tuple[bool, float, float]:
        started = row.since.timestamp() if row.since is not None else now.timestamp()
        return row.over_s is None and row.notice == "none", -(row.over_s or 0.0), started

    return tuple(sorted(rows, key=urgency))
