"""What pages about the past ask of the store: sums over hours of working days, made where the rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from workplace.events import HoldPhase
from workplace.working_time import Span


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """One zone over one span: sums over its five-minute bins with any trusted input.

    Attributes:
        span: index in the spans that were asked for.
        bins: how many there are.
        measured: the same, each counted by the share of its input that could be trusted; never more than `bins`.
        in_use, held, free: sums over those bins of the mean number of places.
        highest: most places in use at one moment.
        lowest_free: fewest free places at one moment; what is unknown counts as not free.
        least_coverage: lowest share (0-1) of trusted input in any bin: what `lowest_free` is worth.
        capacity: the most places that counted.
    """

    zone: str
    span: int
    bins: int
    measured: float
    in_use: float
    held: float
    free: float
    highest: int
    lowest_free: int
    least_coverage: float
    capacity: int


@dataclass(frozen=True, slots=True)
class PlaceHour:
    """One place in one hour of the working day, summed over all days: there is no row of a place and a day.

    `days` had any trusted input, `measured_h` is how much; `in_use_h` and `held_h` are hours in use and held but empty.
    """

    place: str
    hour: int
    days: int
    measured_h: float
    in_use_h: float
    held_h: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Five minutes of several zones together, from `start`: places in use, places that count, places measured."""

    start: datetime
    in_use: float
    capacity: int
    measured: float


@dataclass(frozen=True, slots=True)
class HoldLength:
    """How many holds lasted this many whole minutes; `is_seen`: the end was noticed, not lost with a sensor."""

    minutes: int
    is_seen: bool
    count: int


@dataclass(frozen=True, slots=True)
class Reclaimable:
    """A place turned reclaimable at `at`, and what became of it first: used again, or out of sight.

    `next_at` is None when neither happened up to now; `is_same_hold`: who had it went on.
    """

    place: str
    at: datetime
    next_at: datetime | None
    next_phase: HoldPhase | None
    is_same_hold: bool


@dataclass(frozen=True, slots=True)
class LengthClass:
    """How many of something in one zone took at most `at_most_min` minutes and longer than the class below.

    `at_most_min` is None for what took longer than all classes. `is_seen`: the end was noticed, not lost with a sensor.
    """

    zone: str
    at_most_min: int | None
    is_seen: bool
    count: int


@dataclass(frozen=True, slots=True)
class LengthCounts:
    """Counts of some zones over some days (UTC), shortest first, and on which days anything was counted."""

    classes: tuple[LengthClass, ...]
    days: frozenset[date]


class UsageReader(Protocol):
    """Reads sums of durable history, from any thread, while ingest goes on writing.

    Every method raises `StoreUnavailable` when the store cannot be read now.
    """

    def zone_use(self, zones: Sequence[str], spans: Sequence[Span]) -> list[ZoneUse]:
        """Return the zones' sums in those spans that have any trusted input."""

    def place_hours(self, places: Sequence[str], spans: Sequence[Span]) -> list[PlaceHour]:
        """Return the places' sums by place and hour of the day; rows are of whole hours of UTC."""

    def busiest(self, zones: Sequence[str], spans: Sequence[Span]) -> Moment | None:
        """Return the five minutes in which most places of these zones together were in use; the first of equals."""

    def hold_lengths(self, places: Sequence[str], from_at: datetime, to_at: datetime) -> list[HoldLength]:
        """Return the lengths of ended holds that began with from_at <= start < to_at, shortest first."""

    def reclaimable(self, places: Sequence[str], from_at: datetime, to_at: datetime) -> list[Reclaimable]:
        """Return when places turned reclaimable, from_at <= at < to_at, once per hold, by place and time."""

    def hold_classes(self, zones: Sequence[str], first: date, last: date) -> LengthCounts:
        """Return how long the holds lasted that ended on these days (UTC), both included; kept as long as zones are."""

    def offer_classes(self, zones: Sequence[str], first: date, last: date) -> LengthCounts:
        """Return how soon after the last use screens offered a place, on these days (UTC), both included."""
