"""How facts of devices and gateways reach the places of a site: over the wiring, past the watch over whole switches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds import mass_event, requests, views
from workplace.holds.buttons import Buttons
from workplace.holds.hold import Mark
from workplace.holds.learning import LearningSite
from workplace.holds.mass_event import Told
from workplace.holds.site import PlaceNow
from workplace.holds.wiring import Wiring
from workplace.occupancy.interface import DeviceHeard, Evidence, OccupancyModel, Sensed
from workplace.policy import Policy


class ListeningSite(LearningSite):
    """A site that hears."""

    def __init__(self, plan: FloorPlan, policy: Policy, model: OccupancyModel[Any] | None = None) -> None:
        super().__init__(plan, policy, model)
        self._wiring = Wiring(plan)
        self._buttons = Buttons(plan)

    def _sense(self, event: SensorEvent) -> None:
        """Take in an event of a device: links of a switch pass the watch over mass events (R30) first."""
        is_live = not event.historical and not event.retained
        if event.kind == "button" and is_live:
            self._press(event)
        if event.device not in self.guard.watched or not is_live:
            self._hear(event)
        elif event.kind == "link":
            links, may_pass, told = mass_event.hear(
                self.guard.links[event.device],
                event.channel or "",
                event.measured_at,
                is_up=event.value is True,
            )
            self.guard.keep_links(event.device, links)
            self._tell_links(event.device, told)
            if may_pass:
                self._hear(event)
        else:
            self._hear_of_switch(event)

    def _hear_of_switch(self, event: SensorEvent) -> None:
        """Take in what a switch says of itself, or its gateway of it: it failed, it is there."""
        links = self.guard.links[event.device]
        told: tuple[Told, ...] = ()
        if event.kind == "fault" and event.reason == "mass_event":
            links, told = mass_event.announced(links, event.measured_at, _number(event.value))
        elif event.kind == "availability" and event.channel is None and event.value is True:
            links, told = mass_event.ended(links, event.measured_at)
        elif event.kind == "availability" and event.channel is None and event.reason == "mass_event":
            links, told = mass_event.announced(links, event.measured_at, 0)
        self.guard.keep_links(event.device, links)
        self._hear(event)
        self._tell_links(event.device, told)

    def _watch_over(self) -> None:
        for device, links in self.guard.links.items():
            if links.ends_at is not None and links.ends_at <= self._time():
                over, told = mass_event.ended(links, self._time())
                self.guard.keep_links(device, over)
                self._tell_links(device, told)

    def _tell_links(self, device: str, told: tuple[Told, ...]) -> None:
        """Let the places know what a mass event means to them, and record it once (R30)."""
        evidence: list[tuple[str, Evidence]] = []
        for one in told:
            if one.word in {"begins", "ends"}:
                action = "mass_event" if one.word == "begins" else "mass_event_over"
                self._record_site(
                    Mark("R30", action, "fewer links that drop at once would have been believed"),
                    (views.signal(device, "dropped", one.dropped), views.signal(device, "links", one.of)),
                )
                continue
            for place, number in self._wiring.links(device, one.channel):
                evidence.append((place, _evidence(one, number)))
        self._take_in(evidence)
        self._set_guard_wake()
        for place in self._wiring.places_of(device) if told else ():
            self._show(self._places[place])

    def _press(self, event: SensorEvent) -> None:
        """Do not disturb (R18): a button at the place, or on its node."""
        for place in self._buttons.press(event):
            runtime = self._places[place]
            wish = requests.of_button(event, place)
            zone = self._zones[runtime.place.zone]
            granted = requests.decide(
                wish, runtime.hold, runtime.hold.phase, zone.rules, self._moment(runtime), self._time()
            )
            if not isinstance(granted, str):
                self._grant(runtime, granted)

    def _hear(self, fact: SensorEvent | GatewayStatus) -> None:
        self._take_in(self._wiring.read(fact))

    def _take_in(self, evidence: Iterable[tuple[str, Evidence]]) -> None:
        """Let places take in evidence; what concerns several sensors of a place happens to it at once."""
        changed: dict[str, PlaceNow] = {}
        for place, one in evidence:
            runtime = self._places[place]
            memory = self.model.observe(runtime.place, runtime.memory, one, self._time())
            if memory is not runtime.memory:
                runtime.memory = memory
                changed[place] = runtime
        for runtime in changed.values():
            self._step(runtime)

    def _grant(self, runtime: PlaceNow, granted: requests.Granted) -> None:
        runtime.hold = granted.hold
        if granted.mark is not None:
            self._record(runtime, [granted.mark])
        if granted.exempt is not None:
            self._exempt[runtime.place.id] = granted.exempt
        self._step(runtime)


def _evidence(told: Told, sensor: int) -> Evidence:
    """Return what a mass event is to the link of one place."""
    moment = timedelta(milliseconds=1)
    match told.word:
        case "undo":  # right after the drop, so that it counts as a flap
            return Sensed(sensor, value=True, at=told.at + moment)
        case "down":
            return Sensed(sensor, value=False, at=told.at + 2 * moment)
        case "back":
            return DeviceHeard(sensor, available=True, at=told.at + moment)
        case _:
            return DeviceHeard(sensor, available=False, at=told.at, reason="mass_event")


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
