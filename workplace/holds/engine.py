"""The engine of one site: facts in, states, decisions and commands out. Deterministic; no I/O, no clock.

Time comes with every call and never runs backwards. What must happen later is data (`next_wake_at`): the
caller sleeps and calls `advance`. A fact costs the places it concerns and nothing else; counts are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from workplace.events import (
    Command,
    GatewayStatus,
    NightLessons,
    PlaceState,
    Reply,
    Request,
    SensorEvent,
    ZoneState,
)
from workplace.floor_plan import FloorPlan
from workplace.holds import digest, records, requests, undo, views
from workplace.holds.hold import Mark
from workplace.holds.listening import ListeningSite
from workplace.holds.outcome import Draft, Outcome
from workplace.holds.site import PlaceNow
from workplace.occupancy.interface import OccupancyModel, wiring_of
from workplace.occupancy.sensor_memory import SHORT_GAP
from workplace.policy import Policy

__all__ = ["Outcome", "SiteEngine"]

#: How many answers are kept to recognise a repeated request. Lower: a late repeat is done twice.
_ANSWERS_KEPT = 64


class SiteEngine(ListeningSite):
    """Decides for every place of one site."""

    def __init__(self, plan: FloorPlan, policy: Policy, model: OccupancyModel[Any] | None = None) -> None:
        super().__init__(plan, policy, model)
        self.digest = digest.EMPTY
        self._gateway_at: dict[str, datetime] = {}
        self._answered: dict[str, tuple[bool, str]] = {}
        self._written: bytes | None = None

    # --- life

    def start(self, now: datetime) -> Outcome:
        """Return the state of everything: unknown at first, or as it was restored."""
        if self.now is None:
            self._begin(now)
        self._run_to(now)
        places, zones = self.all_states()
        self._draft.place_states = list(places)
        self._draft.zone_states = list(zones)
        self._draft.commands = self.lights()
        return self._take()

    def apply(self, fact: SensorEvent | GatewayStatus | Request | NightLessons, now: datetime) -> Outcome:
        """Take in one fact; whatever fell due before it happens first, at its own time."""
        self._run_to(now)
        match fact:
            case Request():
                self._answer(fact)
            case NightLessons():
                self._learn(fact)
            case GatewayStatus():
                if not self._is_old_news(fact):
                    self._hear(fact)
            case SensorEvent():
                self._sense(fact)
                if fact.kind == "availability" and fact.value is True:
                    self._draft.commands += self.lights({fact.device})
        self._settle()
        return self._take()

    def advance(self, now: datetime) -> Outcome:
        """Let everything that fell due until `now` happen, each at its own time."""
        self._run_to(now)
        return self._take()

    # --- looking

    def place_state(self, place: str) -> PlaceState:
        """Return the state of one place as of now."""
        return self._view(self._places[place], self._time())

    def zone_state(self, zone: str) -> ZoneState:
        """Return the counts of one zone as of now."""
        return self._zone_view(self._zones[zone])

    def all_states(self) -> tuple[tuple[PlaceState, ...], tuple[ZoneState, ...]]:
        """Return all states as of now, for repeating them before they expire."""
        now = self._time()
        return (
            tuple(self._view(place, now) for place in self._places.values()),
            tuple(self._zone_view(zone) for zone in self._zones.values()),
        )

    def lights(self, devices: set[str] | None = None) -> list[Command]:
        """Return commands that set the lights as they should be now; of all devices, or of these."""
        wanted = self._wiring.lit if devices is None else sorted(devices & self._wiring.lit.keys())
        found = (self._command(self._places[id_]) for device in wanted for id_ in self._wiring.lit[device])
        return [command for command in found if command is not None]

    # --- memory

    def take_changes(self) -> dict[str, bytes]:
        """Return the records that changed since the last call. Keep the newest of each key for `restore`."""
        keys, self._unwritten = self._unwritten, set()
        found: dict[str, bytes] = {}
        for key in sorted(keys):
            what, _, name = key.partition(":")
            if what == "place":
                now = self._places[name]
                found[key] = records.write((wiring_of(now.place), now.memory, now.hold, now.wake_at))
            elif what == records.LESSONS:
                found[key] = records.write(self.lessons)
            else:
                found[key] = records.write(self._groups[name])
        found |= self.guard.take_changes()
        if self.now is not None:
            site = records.write(self._site_record(self.now))  # a request may change it within one instant
            if site != self._written:
                found[records.SITE] = self._written = site
        return found

    def restore(self, stored: Mapping[str, bytes], now: datetime) -> None:
        """Go on where the records ended; call it before `start`, which returns what changed since.

        When nobody listened for longer than a hiccup, that silence is no evidence and no clock ran.
        """
        site = records.read_site(stored.get(records.SITE))
        if site is None:
            self._begin(now, {key: body for key, body in stored.items() if key == records.LESSONS})
            return
        self.guard.stopped, self._exempt = site.is_paused, dict(site.exempt)
        self._gateway_at, self._answered = dict(site.gateway_at), dict(site.answered)
        self._guard_marks, self.digest = site.decisions, site.digest or digest.EMPTY
        self._buttons.pressed = dict(site.pressed)
        was_deaf = now - site.now > SHORT_GAP
        self._begin(site.now, stored)
        if was_deaf or site.policy_hash != self.policy.hash:
            self._resume(site.now, max(now, site.now), was_deaf=was_deaf)

    def _site_record(self, now: datetime) -> records.SiteRecord:
        return records.SiteRecord(
            now=now,
            is_paused=self.guard.stopped,
            policy_hash=self.policy.hash,
            exempt=self._exempt,
            gateway_at=self._gateway_at,
            answered=self._answered,
            decisions=self._guard_marks,
            digest=self.digest,
            pressed=self._buttons.pressed,
        )

    # --- facts

    def _is_old_news(self, status: GatewayStatus) -> bool:
        """Whether a newer dated status of the gateway is known; notes this one if not."""
        if status.at is None:
            return False
        if status.at < self._gateway_at.get(status.gateway, status.at):
            return True
        self._gateway_at[status.gateway] = status.at
        return False

    def _answer(self, request: Request) -> None:
        """Grant or refuse once; the same request again gets the same answer and does nothing."""
        if (known := self._answered.get(request.id)) is None:
            known = self._decide(request)
            self._answered[request.id] = known
            for old in list(self._answered)[:-_ANSWERS_KEPT]:
                del self._answered[old]
        accepted, reason = known
        self._draft.replies.append(
            Reply(request_id=request.id, accepted=accepted, reason=reason, at=self._time())
        )

    def _decide(self, request: Request) -> tuple[bool, str]:
        if request.role not in requests.ALLOWED[request.action]:
            return False, "not_allowed"
        if request.action in requests.SITE_WIDE:
            return self._stop_or_go_on(request)
        runtime = self._places.get(request.place or "")
        if runtime is None:
            return False, "unknown_place"
        zone, now = self._zones[runtime.place.zone], self._time()
        if request.action == "undo":
            return self._undo(request, runtime)
        before, exempt = runtime.hold, self._exempt.get(runtime.place.id)
        granted = requests.decide(
            request, runtime.hold, runtime.hold.phase, zone.rules, self._moment(runtime), now
        )
        if isinstance(granted, str):
            return False, granted
        after = undo.remembered(request, before, granted.hold, exempt, now)
        self._grant(runtime, replace(granted, hold=after))
        return True, "ok"

    def _undo(self, request: Request, runtime: PlaceNow) -> tuple[bool, str]:
        """Take back the last wish of staff about a place."""
        last, place = runtime.hold.undo, runtime.place.id
        back = undo.undone(request, runtime.hold, self._time())
        if isinstance(back, str):
            return False, back
        if last is not None and last.action in {"exempt", "unexempt"}:
            self._exempt.pop(place, None)
            if last.exempt is not None:
                self._exempt[place] = last.exempt
        self._grant(runtime, requests.Granted(*back))
        return True, "ok"

    def _stop_or_go_on(self, request: Request) -> tuple[bool, str]:
        """The stop switch, and the way back after it or after too many false releases (R28)."""
        before = self.guard.causes
        if request.action == "pause":
            self.guard.stopped = True
        elif before == ("coverage",):
            return False, "coverage"  # comes back by itself, and only so
        else:
            self.guard.forgive()
        if self.guard.causes != before:
            cause = "stop_switch" if "stop_switch" in {*before, *self.guard.causes} else "false_releases"
            action = "paused" if request.action == "pause" else "unpaused"
            mark = Mark("R28", action, f"asked by {request.role}", by_request=True)
            self._record_site(mark, (views.signal("breaker", "cause", cause),))
            for zone in self._zones.values():
                self._step_zone(zone)
        return True, "ok"

    def _take(self) -> Outcome:
        draft, self._draft = self._draft, Draft()
        self.digest = digest.with_decisions(self.digest, draft.decisions)
        return draft.finished()
