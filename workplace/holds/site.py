"""All places and zones of one site and their time: steps, wake-ups, running counts. Deterministic.

`SiteEngine` adds the outside: facts, requests, records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

import msgspec

from workplace.events import Command, LightCode, PauseCause, PlaceState, PolicyMode, Signal, ZoneState
from workplace.floor_plan import FloorPlan, Place, Zone
from workplace.holds import machine, records, scarcity, views
from workplace.holds.channels import may_tell
from workplace.holds.guard import Guard
from workplace.holds.hold import Hold, Mark
from workplace.holds.outcome import Draft
from workplace.holds.rules import Moment, Rules
from workplace.holds.scarcity import Scarcity
from workplace.holds.timetable import Timetable, ZoneHours
from workplace.occupancy.interface import Belief, OccupancyModel
from workplace.occupancy.models import model_of
from workplace.policy import Policy

#: Wake-ups that fall due together happen in this order.
_CALENDAR, _GROUP, _PLACE, _GUARD, _LESSONS = 0, 1, 2, 3, 4


@dataclass(slots=True)
class PlaceNow:
    """All that is known of one place."""

    place: Place
    memory: Any
    hold: Hold
    belief: Belief
    shown: PlaceState | None = None
    light: LightCode | None = None
    wake_at: datetime | None = None


@dataclass(slots=True)
class ZoneNow:
    """All that is known of one zone."""

    zone: Zone
    rules: Rules
    hours: ZoneHours
    tally: views.ZoneTally = field(default_factory=views.ZoneTally)
    staffing_hold: bool = False
    staffing_turned: bool = False
    shown: ZoneState | None = None

    @property
    def is_workplace(self) -> bool:
        """Whether it counts as work capacity now (R25)."""
        return self.hours.calendar == "work"


class Site:
    """Places, zones and groups, and what time does to them."""

    def __init__(self, plan: FloorPlan, policy: Policy, model: OccupancyModel[Any] | None = None) -> None:
        self.plan, self.policy = plan, policy
        self.model: OccupancyModel[Any] = model_of(policy, plan) if model is None else model
        self.now: datetime | None = None
        self._lessons_at: datetime | None = None
        self.guard = Guard(plan, policy.settings.breaker)
        self._guard_at: datetime | None = None
        self._guard_marks = 0
        self._timetable = Timetable(policy, plan.tz)
        self._number = {floor.id: floor.number for floor in plan.floors}
        self._places: dict[str, PlaceNow] = {}
        self._zones: dict[str, ZoneNow] = {}
        self._groups: dict[str, Scarcity] = {}
        self._exempt: dict[str, bool] = {}
        self._wakes: list[tuple[datetime, int, str]] = []
        self._calendar_at: datetime | None = None
        self._draft = Draft()
        self._unwritten: set[str] = set()
        self._touched_zones: set[str] = set()
        self._touched_groups: set[str] = set()

    @property
    def next_wake_at(self) -> datetime | None:
        """When `advance` is needed at the latest, None before the start."""
        while self._wakes and not self._is_current(self._wakes[0]):
            heappop(self._wakes)
        return self._wakes[0][0] if self._wakes else None

    def _begin(self, now: datetime, stored: Mapping[str, bytes] | None = None) -> None:
        """Set up every zone, group and place at `now`, from records where there are any."""
        self.now = now
        self.guard.restore(stored or {})
        self._recall_lessons(stored or {})
        for zone in self.plan.zone.values():
            rules = Rules.of(self.policy, zone, self.plan.tz)
            self._zones[zone.id] = ZoneNow(zone, rules, self._timetable.of(zone.id, now))
        for group in self.plan.groups:
            self._groups[group] = records.read_group((stored or {}).get(records.group_key(group)))
        reader = records.PlaceReader(self.model.state_type)
        for place in self.plan.place.values():
            record = reader.read((stored or {}).get(records.place_key(place.id)), place)
            if record is None:
                memory = self.model.start(place, now)
                belief = self.model.belief(place, memory, now)
                self._places[place.id] = PlaceNow(place, memory, Hold(shown_since=now), belief)
                self._step(self._places[place.id])
            else:
                belief = self.model.belief(place, record.memory, now)
                self._places[place.id] = runtime = PlaceNow(place, record.memory, record.hold, belief)
                self._wake_place(runtime, record.wake_at)
                self._show(runtime)
        self._set_calendar_wake()
        self._set_lessons_wake(self._lessons_at)
        for group in self._groups:
            self._wake_group(group)
        for runtime_zone in self._zones.values():
            runtime_zone.staffing_turned = False
            for place in runtime_zone.zone.places:
                self._show(self._places[place.id])
        self._settle()
        self._draft = Draft()

    def _resume(self, last: datetime, now: datetime, *, was_deaf: bool) -> None:
        """Step everything at `now` after a pause of the engine or with another policy."""
        self.now = now
        if was_deaf:
            self.guard.deaf(now)
        for zone in self._zones.values():
            zone.hours = self._timetable.of(zone.zone.id, now)
        self._set_calendar_wake()
        for place in self._places.values():
            if was_deaf:
                place.memory = self.model.interrupted(place.memory, now)
                if place.hold.run_from is not None:
                    place.hold = msgspec.structs.replace(
                        place.hold, run_before=place.hold.run(last), run_from=None
                    )
            self._step(place)
        self._settle()

    # --- time

    def _run_to(self, now: datetime) -> None:
        if self.now is None:
            self._begin(now)
        target = max(self._time(), now)
        while (due := self.next_wake_at) is not None and due <= target:
            self.now = max(self._time(), due)
            while self.next_wake_at == due:
                self._wake_up(heappop(self._wakes))
            self._settle()
        self.now = target

    def _wake_up(self, wake: tuple[datetime, int, str]) -> None:
        _, kind, name = wake
        if kind == _CALENDAR:
            self._turn_calendar()
        elif kind == _GROUP:
            self._touched_groups.add(name)
        elif kind == _GUARD:
            self._guard_at = None
            self._watch_over()
            self._judge(is_due=True)
        elif kind == _LESSONS:
            self._turn_zone()
        else:
            self._places[name].wake_at = None
            self._step(self._places[name])

    def _is_current(self, wake: tuple[datetime, int, str]) -> bool:
        at, kind, name = wake
        if kind == _CALENDAR:
            return at == self._calendar_at
        if kind == _GROUP:
            return at == scarcity.wake_at(self._groups[name], self.policy.settings.scarcity)
        if kind == _GUARD:
            return at == self._guard_at
        if kind == _LESSONS:
            return at == self._lessons_at
        return at == self._places[name].wake_at

    def _turn_calendar(self) -> None:
        for zone in self._zones.values():
            hours = self._timetable.of(zone.zone.id, self._time())
            if hours != zone.hours:
                zone.hours = hours
                self._update_staffing(zone)
                self._step_zone(zone)
                self._touched_groups.add(zone.zone.group)
        self._set_calendar_wake()

    def _set_calendar_wake(self) -> None:
        self._calendar_at = self._timetable.next_change(self._time())
        heappush(self._wakes, (self._calendar_at, _CALENDAR, ""))

    def _wake_group(self, group: str) -> None:
        at = scarcity.wake_at(self._groups[group], self.policy.settings.scarcity)
        if at is not None:
            heappush(self._wakes, (at, _GROUP, group))

    def _wake_place(self, runtime: PlaceNow, at: datetime | None) -> None:
        if at is not None and at != runtime.wake_at:
            heappush(self._wakes, (at, _PLACE, runtime.place.id))
        runtime.wake_at = at

    # --- one place

    def _step(self, runtime: PlaceNow) -> None:
        now, place, zone = self._time(), runtime.place, self._zones[runtime.place.zone]
        runtime.belief = self.model.belief(place, runtime.memory, now)
        before = runtime.hold
        result = machine.step(place.id, before, runtime.belief, zone.rules, self._moment(runtime), now)
        runtime.hold = result.hold
        if result.marks and zone.rules.mode != "off":
            self.guard.stepped(place.id, before, result.hold, runtime.belief, result.marks, now)
        self._wake_place(runtime, result.wake_at)
        self._unwritten.add(records.place_key(place.id))
        self._record(runtime, result.marks)
        self._show(runtime)

    def _step_zone(self, zone: ZoneNow) -> None:
        zone.staffing_turned = False
        for place in zone.zone.places:
            self._step(self._places[place.id])
        self._touched_zones.add(zone.zone.id)

    def _record(self, runtime: PlaceNow, marks: Iterable[Mark]) -> None:
        place, mode, now = runtime.place, self._zones[runtime.place.zone].rules.mode, self._time()
        for mark in marks:
            if mode != "off" or mark.by_request:
                signals = self.model.signals(place, runtime.memory, now)
                number = runtime.hold.decisions + 1
                runtime.hold = msgspec.structs.replace(runtime.hold, decisions=number)
                self._draft.decisions.append(
                    views.decision(place, self.plan.site, mark, mode, self.policy.hash, signals, now, number)
                )

    def _show(self, runtime: PlaceNow) -> None:
        """Tell what changed of a place: its state, its zone's counts, its light."""
        zone, before, now = self._zones[runtime.place.zone], runtime.shown, self._time()
        self.guard.shown(runtime.place.id, runtime.hold, now)
        after = self._view(runtime, now if before is None else before.as_of)
        if after != before:
            after = views.dated(after, now)
            zone.tally.move(before, after)
            runtime.shown = after
            self._draft.place_states.append(after)
            if before is None or (before.phase, before.occupancy) != (after.phase, after.occupancy):
                self._touched_zones.add(zone.zone.id)
                self._touched_groups.add(zone.zone.group)
                self._update_staffing(zone)
        light = views.light_code(after, runtime.hold)
        if light != runtime.light:
            runtime.light = light
            if (command := self._command(runtime)) is not None:
                self._draft.commands.append(command)

    def _view(self, runtime: PlaceNow, as_of: datetime) -> PlaceState:
        rules, moment = self._zones[runtime.place.zone].rules, self._moment(runtime)
        return views.place_state(
            runtime.place, self.plan.site, runtime.hold, runtime.belief, rules, moment, as_of
        )

    def _command(self, runtime: PlaceNow) -> Command | None:
        mode = self._zones[runtime.place.zone].rules.mode
        if runtime.light is None or not may_tell(mode, "desk_light", "occupancy"):
            return None
        return views.command(runtime.place, self.plan.site, runtime.light, self._time())

    def _moment(self, runtime: PlaceNow) -> Moment:
        place, zone = runtime.place, self._zones[runtime.place.zone]
        return Moment(
            in_force=zone.hours.in_force,
            force_ends_at=zone.hours.force_ends_at,
            evening=zone.hours.evening,
            scarce=self._groups[zone.zone.group].scarce,
            paused=bool(self._causes(zone)),
            staffing_hold=zone.staffing_hold,
            exempt=self._is_exempt(place),
            has_light=place.light is not None,
            mass_event=self.guard.has_mass_event(place),
        )

    def _causes(self, zone: ZoneNow) -> tuple[PauseCause, ...]:
        """Return why nothing is enforced in a zone (R28). A trial goes on counting unless a person stops it."""
        causes = self.guard.causes
        return causes if zone.rules.mode in views.ENFORCED else causes[: int(self.guard.stopped)]

    def _is_exempt(self, place: Place) -> bool:
        return self._exempt.get(place.id, place.fixed or place.id in self.policy.exempt)

    # --- zones and groups

    def _settle(self) -> None:
        """Let zones, groups and the circuit breaker follow their places until nothing changes any more."""
        told: set[str] = set()
        while self._touched_zones or self._touched_groups or self._judge():
            zones, self._touched_zones = sorted(self._touched_zones), set()
            told.update(zones)
            for zone in map(self._zones.__getitem__, zones):
                if zone.staffing_turned:
                    self._step_zone(zone)
            groups, self._touched_groups = sorted(self._touched_groups), set()
            for group in groups:
                self._settle_group(group)
        for zone in map(self._zones.__getitem__, sorted(told)):
            state = self._zone_view(zone)
            if zone.shown is None or state != views.dated(zone.shown, self._time()):
                zone.shown = state
                self._draft.zone_states.append(state)

    def _settle_group(self, group: str) -> None:
        zones = [self._zones[zone.id] for zone in self.plan.groups[group]]
        open_zones = [zone for zone in zones if zone.is_workplace]
        exempt = sum(zone.tally.count("exempt") for zone in open_zones)
        unknown = sum(zone.tally.count("unknown") for zone in open_zones)
        capacity = sum(len(zone.zone.places) for zone in open_zones) - exempt
        before = self._groups[group]
        after = Scarcity()
        if open_zones:
            after = scarcity.step(
                before,
                free=sum(zone.tally.count("free") for zone in open_zones),
                trusted=capacity - unknown,
                capacity=capacity,
                now=self._time(),
                settings=self.policy.settings.scarcity,
            )
        if after == before:
            return
        self._groups[group] = after
        self._unwritten.add(records.group_key(group))
        self._wake_group(group)
        if after.scarce != before.scarce:
            for zone in zones:
                self._step_zone(zone)

    def _update_staffing(self, zone: ZoneNow) -> None:
        """Set whether too few are in use for anything to turn reclaimable (R24).

        Kept per change of one place: of several that fall due together, each must see what the others did.
        """
        roster = zone.hours.roster
        holds = roster > 0 and zone.tally.count("in_use", "just_left") <= roster
        zone.staffing_turned |= holds != zone.staffing_hold
        zone.staffing_hold = holds

    def _zone_view(self, zone: ZoneNow) -> ZoneState:
        scarce = self._groups[zone.zone.group].scarce
        return views.zone_state(
            zone.zone,
            self.plan.site,
            zone.tally,
            hours=zone.hours,
            mode=zone.rules.mode,
            scarce=scarce,
            pause_causes=self._causes(zone),
            overflow_floor=self._floor_with_room(zone.zone) if scarce else None,
            now=self._time(),
        )

    def _floor_with_room(self, zone: Zone) -> str | None:
        room: dict[str, int] = {}
        for other in self._zones.values():
            is_short = self._groups[other.zone.group].scarce
            if other.zone.kind == zone.kind and other.is_workplace and not is_short:
                room[other.zone.floor] = room.get(other.zone.floor, 0) + other.tally.count("free")
        return views.nearest_floor(zone, self._number, room)

    # --- the whole site

    def _judge(self, *, is_due: bool = False) -> bool:
        """Let the circuit breaker look (R28); return whether it paused enforcement or let it go on."""
        if not (is_due or self.guard.is_open_question):
            return False
        before = self.guard.judge(self._time())
        self._set_guard_wake()
        if before is None:
            return False
        after = self.guard.breaker.causes
        for cause in (*before, *after):
            if (cause in before) != (cause in after):
                is_pause = cause in after
                self._record_site(
                    Mark(
                        "R28",
                        "paused" if is_pause else "unpaused",
                        self.guard.reason(cause, is_pause=is_pause),
                    ),
                    (views.signal("breaker", "cause", cause), *self.guard.figures(self._time())),
                )
        for zone in self._zones.values():
            self._step_zone(zone)
        return True

    def _set_lessons_wake(self, at: datetime | None) -> None:
        if at is not None:
            heappush(self._wakes, (at, _LESSONS, ""))
        self._lessons_at = at

    def _recall_lessons(self, stored: Mapping[str, bytes]) -> None:
        """Take up what the nights taught; `LearningSite` knows how."""

    def _turn_zone(self) -> None:
        """Let another zone decide by what the last night taught from now on."""

    def _set_guard_wake(self) -> None:
        at = self.guard.wake_at(self._time())
        if at is not None and at != self._guard_at:
            heappush(self._wakes, (at, _GUARD, ""))
        self._guard_at = at

    def _watch_over(self) -> None:
        """Let the mass events end that are over (R30); the engine knows how."""

    def _record_site(self, mark: Mark, signals: tuple[Signal, ...]) -> None:
        self._guard_marks += 1
        modes = {zone.rules.mode for zone in self._zones.values()}
        mode: PolicyMode = next((mode for mode in ("active", "notes", "shadow") if mode in modes), "off")
        self._draft.decisions.append(
            views.site_decision(
                self.plan.site, mark, mode, self.policy.hash, signals, self._time(), self._guard_marks
            )
        )

    def _time(self) -> datetime:
        assert self.now is not None, "the engine was not started"  # noqa: S101
        return self.now
