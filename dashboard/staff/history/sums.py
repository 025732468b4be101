"""Sums over hours of working days -> the figures of the history page. Pure.

A share is of the time that was measured; beside it stands how much of the working time that was. What was not measured
is None, never zero: unknown is never free.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import TypeVar
from zoneinfo import ZoneInfo

from workplace.floor_plan import Floor, Zone
from workplace.usage_port import HoldLength, PlaceHour, Reclaimable, ZoneUse
from workplace.working_time import Span

#: Zones with fewer places that count say too much of single ones; `plekvrij export` has the same limit.
SMALLEST_ZONE = 4
#: An hour of a place is the mean of at least so many days: fewer would tell of a day of one person.
LEAST_DAYS = 5
#: `lowest_free` counts where the coverage was at least this share of the zone's best, because unknown places count as
#: not free. Lower: silent sensors look like a shortage. Higher: one dead sensor of a small zone hides the day.
LEAST_OF_BEST = 0.8
_BIN = timedelta(minutes=5)
#: Upper ends of the classes of hold lengths, minutes.
HOLD_CLASSES_MIN = (30, 60, 120, 240, 360, 480)

KeyT = TypeVar("KeyT", bound=Hashable)
OtherT = TypeVar("OtherT", bound=Hashable)


@dataclass(slots=True)
class Total:
    """Sums over hours; place-bins are places times five minutes.

    Attributes:
        expected: five-minute bins of the working time.
        bins: those with any trusted input; `measured` counts each by the share of its input that could be trusted.
        in_use, held, free: place-bins.
        highest: most places in use at one moment; `lowest_free`: fewest free ones, in hour `tightest`; None where
            not measured (well enough).
        capacity: the most places that counted.
    """

    expected: float = 0.0
    bins: float = 0.0
    measured: float = 0.0
    in_use: float = 0.0
    held: float = 0.0
    free: float = 0.0
    highest: int | None = None
    lowest_free: int | None = None
    tightest: Span | None = None
    capacity: int = 0

    def add(self, use: ZoneUse, span: Span, *, is_well_measured: bool) -> None:
        self.bins += use.bins
        self.measured += use.measured
        self.in_use += use.in_use
        self.held += use.held
        self.free += use.free
        self.highest = max(self.highest or 0, use.highest)
        self.capacity = max(self.capacity, use.capacity)
        if is_well_measured:
            self._tighten(use.lowest_free, span)

    def merge(self, other: Total) -> None:
        for name in ("expected", "bins", "measured", "in_use", "held", "free"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.capacity = max(self.capacity, other.capacity)
        if other.highest is not None:
            self.highest = max(self.highest or 0, other.highest)
        if other.lowest_free is not None and other.tightest is not None:
            self._tighten(other.lowest_free, other.tightest)

    def _tighten(self, lowest: int, span: Span) -> None:
        """Take over the tighter hour, of equals the later one."""
        if self.lowest_free is None or self.tightest is None or lowest < self.lowest_free:
            self.lowest_free, self.tightest = lowest, span
        elif lowest == self.lowest_free and span.start > self.tightest.start:
            self.tightest = span

    @property
    def coverage(self) -> float:
        """Share 0-1 of the working time that was measured."""
        return min(1.0, self.measured / self.expected) if self.expected else 0.0

    @property
    def share(self) -> float | None:
        """Share 0-1 of the measured places that was in use."""
        seen = self.in_use + self.held + self.free
        return self.in_use / seen if seen > 0 else None

    @property
    def mean(self) -> float | None:
        """Mean number of places that were seen in use."""
        return self.in_use / self.bins if self.bins else None

    @property
    def held_h(self) -> float:
        """Place-hours held with nobody there, as far as measured."""
        return self.held / 12

    @property
    def held_share(self) -> float | None:
        """Share 0-1 of the taken time in which nobody was there."""
        taken = self.in_use + self.held
        return self.held / taken if taken > 0 else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table of shares: share 0-1 in use, None where not measured, and coverage 0-1."""

    share: float | None
    coverage: float


def shown_zones(floor: Floor, least_places: int = SMALLEST_ZONE) -> tuple[list[Zone], list[Zone]]:
    """Return the zones with enough places that count, and those with too few; fixed places do not count."""
    large = [zone for zone in floor.zones if len(counted(zone)) >= least_places]
    return large, [zone for zone in floor.zones if zone not in large]


def counted(zone: Zone) -> list[str]:
    """Return the places of a zone that are anybody's: a figure about a fixed place would be one about its user."""
    return [place.id for place in zone.places if not place.fixed]


def total_by(
    key: Callable[[str, Span], KeyT],
    zones: Sequence[str],
    spans: Sequence[Span],
    uses: Iterable[ZoneUse],
) -> dict[KeyT, Total]:
    """Return the sums per key, in the order in which keys first come up; a key without any row is there, unmeasured.

    Args:
        key: of a zone and a span; every zone in every span is expected.
        uses: rows of `zones` only, `span` being an index of `spans`.
    """
    totals: dict[KeyT, Total] = {}
    expected = [(span, (span.end - span.start) / _BIN) for span in spans]
    for zone in zones:
        for span, bins in expected:
            totals.setdefault(key(zone, span), Total()).expected += bins
    rows = list(uses)
    best = _best_coverage(rows)
    for use in rows:
        span = spans[use.span]
        well = use.least_coverage >= LEAST_OF_BEST * best[use.zone]
        totals[key(use.zone, span)].add(use, span, is_well_measured=well)
    return totals


def merged(key: Callable[[KeyT], OtherT], totals: Mapping[KeyT, Total]) -> dict[OtherT, Total]:
    """Return the sums per coarser key, in the order in which keys first come up."""
    found: dict[OtherT, Total] = {}
    for fine, total in totals.items():
        found.setdefault(key(fine), Total()).merge(total)
    return found


def busy_spans(spans: Sequence[Span], uses: Iterable[ZoneUse]) -> list[Span]:
    """Return the spans in which the busiest five minutes can lie: few, so that few are searched.

    No moment has more places in use than the highest of all zones together, and some moment has at least the mean.
    """
    most: dict[int, float] = {}
    mean: dict[int, float] = {}
    for use in uses:
        most[use.span] = most.get(use.span, 0.0) + use.highest
        mean[use.span] = mean.get(use.span, 0.0) + use.in_use
    bins = {span: max(1.0, (spans[span].end - spans[span].start) / _BIN) for span in mean}
    least = max((mean[span] / bins[span] for span in mean), default=0.0)
    return [span for number, span in enumerate(spans) if number in most and most[number] >= least]


def _best_coverage(rows: Iterable[ZoneUse]) -> dict[str, float]:
    best: dict[str, float] = {}
    for use in rows:
        best[use.zone] = max(best.get(use.zone, 0.0), use.least_coverage)
    return best


def cells(totals: Mapping[KeyT, Total]) -> dict[KeyT, Cell]:
    return {key: Cell(total.share, total.coverage) for key, total in totals.items()}


def place_cells(
    rows: Iterable[PlaceHour], spans: Sequence[Span]
) -> tuple[dict[tuple[str, int], Cell], dict[str, Cell]]:
    """Return the cells by place and hour, and by place, without hours of fewer than `LEAST_DAYS` days."""
    expected: dict[int, float] = {}
    for span in spans:
        expected[span.hour] = expected.get(span.hour, 0.0) + (span.end - span.start) / timedelta(hours=1)
    by_hour: dict[tuple[str, int], Cell] = {}
    sums: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row.days < LEAST_DAYS or row.measured_h <= 0:
            continue
        coverage = min(1.0, row.measured_h / expected[row.hour])
        by_hour[row.place, row.hour] = Cell(min(1.0, row.in_use_h / row.measured_h), coverage)
        in_use_h, measured_h = sums.get(row.place, (0.0, 0.0))
        sums[row.place] = (in_use_h + row.in_use_h, measured_h + row.measured_h)
    whole = sum(expected.values())
    by_place = {
        place: Cell(min(1.0, in_use_h / measured_h), min(1.0, measured_h / whole))
        for place, (in_use_h, measured_h) in sums.items()
    }
    return by_hour, by_place


@dataclass(frozen=True, slots=True)
class Holds:
    """How long holds lasted. `classes`: count per class of `HOLD_CLASSES_MIN`, and of longer ones.

    `median_min`, `long_min`: half and nine of ten ended within; None without holds. `unseen`: how many more ended
    while nothing was known of the place.
    """

    classes: tuple[int, ...]
    count: int
    unseen: int
    median_min: int | None
    long_min: int | None


def hold_figures(lengths: Iterable[HoldLength]) -> Holds:
    rows = sorted(lengths, key=lambda row: row.minutes)
    seen = [row for row in rows if row.is_seen]
    classes = [0] * (len(HOLD_CLASSES_MIN) + 1)
    for row in seen:
        number = next(
            (n for n, end in enumerate(HOLD_CLASSES_MIN) if row.minutes < end), len(HOLD_CLASSES_MIN)
        )
        classes[number] += row.count
    return Holds(
        tuple(classes),
        count=sum(row.count for row in seen),
        unseen=sum(row.count for row in rows if not row.is_seen),
        median_min=_within(seen, 0.5),
        long_min=_within(seen, 0.9),
    )


def _within(rows: Sequence[HoldLength], share: float) -> int | None:
    """Return the minutes within which this share of the holds had ended."""
    wanted, passed = share * sum(row.count for row in rows), 0
    for row in rows:
        passed += row.count
        if passed >= wanted:
            return row.minutes
    return None


@dataclass(frozen=True, slots=True)
class Again:
    """What became of places that could be used: of `count` times, `again` in use by a new hold that day, after
    `median_min` minutes; `went_on`: its hold went on; `unseen`: lost from sight first; the rest stayed empty that day.
    """

    count: int
    again: int
    went_on: int
    unseen: int
    median_min: int | None

    @property
    def stayed_empty(self) -> int:
        return self.count - self.again - self.went_on - self.unseen


def again_figures(rows: Iterable[Reclaimable], tz: ZoneInfo) -> Again:
    count = went_on = unseen = 0
    minutes: list[float] = []
    for row in rows:
        count += 1
        if row.next_at is None or _day(row.next_at, tz) != _day(row.at, tz):
            continue
        if row.next_phase != "in_use":
            unseen += 1
        elif row.is_same_hold:
            went_on += 1
        else:
            minutes.append((row.next_at - row.at) / timedelta(minutes=1))
    return Again(count, len(minutes), went_on, unseen, round(median(minutes)) if minutes else None)


def _day(at: datetime, tz: ZoneInfo) -> date:
    return at.astimezone(tz).date()
