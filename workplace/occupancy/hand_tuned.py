"""The hand-tuned three-state rule: quiet times with and without a dock link, and honest about bad sensors.

No learning, no probabilities: one window of silence per kind of place. It is the yardstick that a cleverer
model has to beat on accuracy and on false releases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from workplace.events import Occupancy, Signal
from workplace.floor_plan import Place, Sensor
from workplace.occupancy.generator import Habits
from workplace.occupancy.interface import Belief, DeviceHeard, Evidence, GatewayHeard, Sensed
from workplace.occupancy.sensor_memory import (
    SensorMemory,
    after_device,
    after_gateway,
    after_interruption,
    after_reading,
    fault_of,
    sign_of,
    stale_at,
)
from workplace.policy import Policy

PRESENCE_KINDS = ("motion", "occupancy", "presence", "count")


class HandTunedState(msgspec.Struct, frozen=True, array_like=True):
    """Memory of one place: its sensors, the present stretch of presence, when the verdict last went bad."""

    sensors: tuple[SensorMemory, ...]
    stretch_from: datetime | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class HandTuned:
    """The model and its numbers; all of them are settings of the policy (R1-R3)."""

    link_up: timedelta
    link_down: timedelta
    vacancy: timedelta
    docked_quiet: timedelta
    undocked_quiet: timedelta
    presence_start: timedelta

    @classmethod
    def of(cls, policy: Policy) -> HandTuned:
        presence = policy.settings.presence
        return cls(
            link_up=timedelta(seconds=presence.link_up_s),
            link_down=timedelta(seconds=presence.link_down_s),
            vacancy=timedelta(minutes=presence.vacancy_min),
            docked_quiet=timedelta(minutes=presence.docked_quiet_min),
            undocked_quiet=timedelta(minutes=presence.undocked_quiet_min),
            presence_start=timedelta(minutes=presence.start_min),
        )

    @property
    def state_type(self) -> type[HandTunedState]:
        return HandTunedState

    def start(self, place: Place, now: datetime) -> HandTunedState:
        """Return the state of a place of which nothing was heard."""
        return HandTunedState(tuple(SensorMemory() for _ in place.sensors), None, now)

    def observe(
        self, place: Place, state: HandTunedState, evidence: Evidence, now: datetime
    ) -> HandTunedState:
        """Return the state after one piece of evidence; what is older than the newest changes nothing."""
        sensor, before = place.sensors[evidence.sensor], state.sensors[evidence.sensor]
        stretch_from = state.stretch_from
        match evidence:
            case Sensed():
                after = after_reading(sensor, before, evidence, now, self.link_up, self.link_down)
                if sensor.kind in PRESENCE_KINDS and after.on_at is not None and after.on_at != before.on_at:
                    stretch_from = self._stretch(place, state, after.on_at)
            case DeviceHeard():
                after = after_device(sensor, before, evidence, now)
            case GatewayHeard():
                after = after_gateway(sensor, before, evidence, now)
        if after == before:
            return state
        sensors = (*state.sensors[: evidence.sensor], after, *state.sensors[evidence.sensor + 1 :])
        return HandTunedState(sensors, stretch_from, state.started_at)

    def interrupted(self, state: HandTunedState, now: datetime) -> HandTunedState:
        """Return the state after nobody listened until `now`."""
        sensors = tuple(after_interruption(memory, now) for memory in state.sensors)
        return HandTunedState(sensors, state.stretch_from, state.started_at)

    def belief(self, place: Place, state: HandTunedState, now: datetime) -> Belief:
        """Return the verdict at `now` with its reasons."""
        return _View(self, place, state, now).belief()

    def signals(self, place: Place, state: HandTunedState, now: datetime) -> tuple[Signal, ...]:
        """Return the newest word of each sensor with its age, s."""
        return tuple(
            Signal(
                device=sensor.device,
                kind=sensor.kind,
                value=memory.is_on,
                age_s=max((now - memory.newest_at).total_seconds(), 0.0),
            )
            for sensor, memory in zip(place.sensors, state.sensors, strict=True)
            if memory.newest_at is not None
        )

    def taught(self, habits: Mapping[str, Habits]) -> HandTuned:  # noqa: ARG002 - the interface names it
        """Return the same rule: it learns nothing."""
        return self

    def _stretch(self, place: Place, state: HandTunedState, sign_at: datetime) -> datetime:
        """Return where the stretch of presence begins that a new sign at `sign_at` belongs to."""
        view = _View(self, place, state, sign_at)
        return view.present_since or sign_at


class _View:
    """One place at one moment: what of the memory counts. Nothing changes once it is made, so each answer is kept."""

    def __init__(self, model: HandTuned, place: Place, state: HandTunedState, now: datetime) -> None:
        self.model, self.state, self.now = model, state, now
        self.reasons: list[str] = []
        links: list[SensorMemory] = []
        self.has_links = False
        self.listeners: list[tuple[Sensor, SensorMemory]] = []
        self.stale: list[datetime] = []
        for sensor, memory in zip(place.sensors, state.sensors, strict=True):
            self.has_links |= sensor.kind == "link"
            fault = fault_of(sensor, memory, now)
            if fault is not None:
                self.reasons.append(fault)
                continue
            stale = stale_at(sensor, memory)
            if stale is not None:
                self.stale.append(stale)
            if sensor.kind == "link":
                links.append(memory)
            elif sensor.kind in PRESENCE_KINDS:
                self.listeners.append((sensor, memory))
        self.links = links
        self.is_docked = any(self._holds(link) for link in links)
        self.is_up = any(link.is_on for link in links)
        signs = (sign_of(sensor, memory, now) for sensor, memory in self.listeners)
        self.presence_sign = _newest(signs)
        self.window = self._window()

    def _window(self) -> timedelta:
        """Return how much silence says that nobody is there (R2).

        At an empty dock little is enough for who only passed by or has unplugged; who sat down without a laptop
        says nothing by leaving, and gets the vacancy time like everybody without a dock.
        """
        model, since, sign = self.model, self.state.stretch_from, self.presence_sign
        if self.is_docked:
            return model.docked_quiet
        if not self.links:
            return model.vacancy
        if since is None or sign is None or sign - since < model.presence_start:
            return model.undocked_quiet
        downs = (link.off_at for link in self.links if self._was_confirmed(link))
        has_unplugged = any(down is not None and down >= since for down in downs)
        return model.undocked_quiet if has_unplugged else model.vacancy

    def _holds(self, link: SensorMemory) -> bool:
        """Whether the link is up, flaps ignored: confirmed for R1, and not down for R1."""
        if link.on_at is None:
            return False
        if link.is_on:
            return self.now - link.on_at >= self.model.link_up
        return (
            link.off_at is not None
            and link.off_at - link.on_at >= self.model.link_up
            and self.now - link.off_at < self.model.link_down
        )

    def _linked_since(self) -> datetime | None:
        return min(
            (link.on_at for link in self.links if link.on_at and (link.is_on or self._holds(link))),
            default=None,
        )

    def _last_sign(self) -> datetime | None:
        """Newest sign of a person: a presence sensor, or the plugging in of a link that stayed."""
        return _newest(
            (self.presence_sign, *(link.on_at for link in self.links if self._was_confirmed(link)))
        )

    def _was_confirmed(self, link: SensorMemory) -> bool:
        end = self.now if link.is_on or link.off_at is None else link.off_at
        return link.on_at is not None and end - link.on_at >= self.model.link_up

    def _quiet_from(self) -> datetime:
        """From here silence counts: the last sign, or the moment we began to listen."""
        heard = [memory.listening_since or self.now for _, memory in self.listeners]
        if self.last_sign is not None:
            heard.append(self.last_sign)
        return max(heard)

    @property
    def present_since(self) -> datetime | None:
        """Start of the present stretch of presence; one that is over belongs to whoever sat here then."""
        sign = self.presence_sign
        return self.state.stretch_from if sign is not None and self.now - sign < self.window else None

    def belief(self) -> Belief:
        self.linked_since = self._linked_since()
        self.last_sign = sign = self._last_sign()
        if self.listeners:
            self.quiet_from = self._quiet_from()
        is_seen = bool(self.listeners) and sign is not None and self.now - sign < self.window
        is_fresh_link = self.is_up and not self.is_docked
        if is_seen or is_fresh_link or (self.is_docked and not self.listeners):
            return self._occupied()
        if self.listeners:
            return self._quiet()
        if self.links and not self.reasons:
            return self._said("free", self._left_at() or self.state.started_at)
        self.reasons = self.reasons or ["no_sensor"]
        return self._said("unknown", self.state.started_at)

    def _occupied(self) -> Belief:
        if self.present_since is not None:
            self.reasons.insert(0, "motion")
        if self.is_up or self.is_docked:
            self.reasons.insert(0, "link_up")
        unverified = not self.listeners
        if unverified:
            self.reasons.append("unverified")
        return self._said("occupied", self._occupied_since(), unverified=unverified)

    def _quiet(self) -> Belief:
        """Sensors that work, and no fresh sign: held, free, or not yet listened long enough."""
        listened = self.now - self.quiet_from >= self.window
        if self.has_links and not self.links:
            return self._said("unknown", self.quiet_from)
        if self.is_docked:
            self.reasons.insert(0, "link_up")
            if listened:
                return self._said("held", self.quiet_from)
            self.reasons += ["listening", "unverified"]
            return self._said("occupied", self._occupied_since(), unverified=True)
        if listened:
            return self._said("free", self._left_at() or self.quiet_from)
        self.reasons.append("listening")
        return self._said("unknown", self.quiet_from)

    def _occupied_since(self) -> datetime:
        begins = [at for at in (self.present_since, self.linked_since) if at is not None]
        return min(begins, default=self.now)

    def _left_at(self) -> datetime | None:
        downs = (link.off_at for link in self.links if self._was_confirmed(link))
        return _newest((self.last_sign, *downs))

    def _said(self, verdict: Occupancy, since: datetime, *, unverified: bool = False) -> Belief:
        occupied, held, free = _CERTAINTY[verdict]
        wakes = [at for at in self._changes() if at > self.now]
        return Belief(
            verdict=verdict,
            p_occupied=occupied,
            p_held=held,
            p_free=free,
            since=since,
            last_sign_at=self.last_sign,
            present_since=self.present_since,
            linked_since=self.linked_since,
            wake_at=min(wakes, default=None),
            reasons=tuple(dict.fromkeys(self.reasons)),
            unverified=unverified,
        )

    def _changes(self) -> Iterator[datetime]:
        """Every moment at which time alone may change the verdict."""
        yield from self.stale
        for link in self.links:
            if link.on_at is not None:
                yield link.on_at + self.model.link_up
            if link.off_at is not None:
                yield link.off_at + self.model.link_down
        if self.listeners:
            yield self.quiet_from + self.window
        for sensor, memory in self.listeners:
            last = sign_of(sensor, memory, datetime.max.replace(tzinfo=self.now.tzinfo))
            if last is not None:
                yield last
                yield last + self.window


def _newest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in moments if at is not None), default=None)


#: p_occupied, p_held, p_free: this model does not weigh, so it says one or nothing.
_CERTAINTY: dict[Occupancy, tuple[float, float, float]] = {
    "occupied": (1.0, 0.0, 0.0),
    "held": (0.0, 1.0, 0.0),
    "free": (0.0, 0.0, 1.0),
    "unknown": (1 / 3, 1 / 3, 1 / 3),
}
