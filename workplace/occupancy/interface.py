"""What an occupancy model is: evidence of one place in, a belief with reasons out. Pure, restartable.

The state is an immutable value that msgspec can write and read back; nothing else is remembered. A model gets
all live evidence, also late, and decides itself what lateness means to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from workplace.events import Occupancy, Signal
from workplace.floor_plan import Place
from workplace.occupancy.generator import Habits


class Sensed(msgspec.Struct, frozen=True):
    """A live reading of sensor number `sensor` of the place, measured at `at`."""

    sensor: int
    value: bool | int | float | str
    at: datetime
    seq: int | None = None
    expires_s: float | None = None


class DeviceHeard(msgspec.Struct, frozen=True):
    """The device of sensor number `sensor` was there at `at`, or was not (`reason` as in `SensorEvent`).

    `is_repeat`: a retained statement; it may say that a device is lost, or fill in when nothing was known.
    """

    sensor: int
    available: bool
    at: datetime
    reason: str | None = None
    is_repeat: bool = False


class GatewayHeard(msgspec.Struct, frozen=True):
    """The gateway of sensor number `sensor` is connected, or is not."""

    sensor: int
    online: bool


Evidence = Sensed | DeviceHeard | GatewayHeard


class Belief(msgspec.Struct, frozen=True):
    """What a model thinks of one place at one moment.

    Attributes:
        p_occupied, p_held, p_free: 0-1, sum 1.
        since: when this verdict began, back-dated to the sign that began or ended it.
        last_sign_at: newest sign of a person.
        present_since: first sign of the present stretch of presence, None when nobody is sensed.
        linked_since: start of the dock link, flaps ignored; None without one. A fresh one may be a flap.
        wake_at: ask again then at the latest, None when only evidence can change the belief.
        reasons: codes that pages translate.
        unverified: in use on the word of a dock link alone; no hold clock may run on it.
    """

    verdict: Occupancy
    p_occupied: float
    p_held: float
    p_free: float
    since: datetime
    last_sign_at: datetime | None
    present_since: datetime | None
    linked_since: datetime | None
    wake_at: datetime | None
    reasons: tuple[str, ...] = ()
    unverified: bool = False


StateT = TypeVar("StateT")


class OccupancyModel(Protocol[StateT]):
    """Pure functions over one place's state. `now` is engine time and never runs backwards."""

    @property
    def state_type(self) -> Any:
        """The type that msgspec decodes a state into."""

    def start(self, place: Place, now: datetime) -> StateT:
        """Return the state of a place of which nothing was heard."""

    def observe(self, place: Place, state: StateT, evidence: Evidence, now: datetime) -> StateT:
        """Return the state after one piece of evidence; duplicates and late evidence are harmless."""

    def interrupted(self, state: StateT, now: datetime) -> StateT:
        """Return the state after nobody listened until `now`: the silence before is no evidence."""

    def belief(self, place: Place, state: StateT, now: datetime) -> Belief:
        """Return the belief at `now`."""

    def signals(self, place: Place, state: StateT, now: datetime) -> tuple[Signal, ...]:
        """Return what the belief rests on, for the decision record."""

    def taught(self, habits: Mapping[str, Habits]) -> OccupancyModel[StateT]:
        """Return the model that knows these habits by place, and of other places nothing; states stay good for it."""


def wiring_of(place: Place) -> str:
    """Return what a memory of this place depends on."""
    return " ".join(f"{sensor.device}/{sensor.channel}/{sensor.kind}" for sensor in place.sensors)
