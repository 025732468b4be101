"""Transitions of places -> five minutes of a zone, hours of a place, holds of a day. Pure: same rows, same result.

A place is `in use` while somebody is there, `held` while a hold is open and nobody is, `free`, `unknown`, or
`exempt`. Fixed places are left out: a figure about one would be a figure about its user. Exempt time counts
neither as use nor as capacity; unknown time lowers the coverage and nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingest.stores.schema import (
    HOLD_LENGTHS_S,
    LONGER_S,
    OFFER_LENGTHS_MIN,
    DeskHour,
    HoldDay,
    HoldEnded,
    TransitionRow,
    ZoneOffer,
    from_ms,
    to_ms,
)
from workplace.events import HoldPhase
from workplace.floor_plan import Zone
from workplace.ports import ZoneBin

BIN_MS = 5 * 60_000
HOUR_MS = 60 * 60_000
DAY_MS = 24 * HOUR_MS
#: A bin is computed this much site time after its end. Lower: late events are missed. Higher: figures come
#: later.
GRACE_MS = 10 * 60_000

_USE_OF = {"occupied": "in_use", "held": "held", "free": "free", "unknown": "unknown"}


def use_of(transition: TransitionRow | None) -> str:
    """Return what the place counts as from this transition on; a place never heard of is unknown."""
    if transition is None:
        return "unknown"
    return "exempt" if transition.phase == "exempt" else _USE_OF[transition.occupancy]


def counted_places(zone: Zone) -> tuple[str, ...]:
    return tuple(place.id for place in zone.places if not place.fixed)


def closed_until(now: datetime, step_ms: int) -> int:
    """Return the end of the last bin of `step_ms` that is complete and past its grace, ms."""
    return (to_ms(now) - GRACE_MS) // step_ms * step_ms


@dataclass(slots=True)
class _Tally:
    """Place-milliseconds and extremes of one stretch of time."""

    ms: dict[str, int] = field(default_factory=dict)
    highest_in_use: int = 0
    lowest_free: int | None = None
    seen: set[str] = field(default_factory=set)

    def add(self, counts: Mapping[str, int], ms: int) -> None:
        if ms <= 0:  # two changes in one millisecond are one moment, not a peak
            return
        for use, number in counts.items():
            self.ms[use] = self.ms.get(use, 0) + number * ms
        self.highest_in_use = max(self.highest_in_use, counts.get("in_use", 0))
        free = counts.get("free", 0)
        self.lowest_free = free if self.lowest_free is None else min(self.lowest_free, free)


def zone_bins(
    zone: Zone,
    before: Mapping[str, TransitionRow],
    transitions: Iterable[TransitionRow],
    from_ms_: int,
    to_ms_: int,
) -> list[ZoneBin]:
    """Return the bins of one zone with from_ms_ <= start < to_ms_, both whole multiples of `BIN_MS`.

    Args:
        before: the last transition of each place at or before `from_ms_`.
        transitions: those after `from_ms_`, any order, other zones and later times are skipped.
    """
    use = {place: use_of(before.get(place)) for place in counted_places(zone)}
    changes = sorted(
        (row for row in transitions if row.place in use and from_ms_ < to_ms(row.at) < to_ms_),
        key=lambda row: (row.at, row.place),
    )
    bins: list[ZoneBin] = []
    position = 0
    for start in range(from_ms_, to_ms_, BIN_MS):
        end = start + BIN_MS
        while position < len(changes) and to_ms(changes[position].at) <= start:
            use[changes[position].place] = use_of(changes[position])
            position += 1
        tally = _Tally(seen={place for place, now in use.items() if now != "exempt"})
        cursor = start
        while position < len(changes) and to_ms(changes[position].at) < end:
            change = changes[position]
            at = to_ms(change.at)
            tally.add(_count(use), at - cursor)
            use[change.place] = use_of(change)
            if use[change.place] != "exempt":
                tally.seen.add(change.place)
            cursor, position = at, position + 1
        tally.add(_count(use), end - cursor)
        bins.append(_as_bin(zone.id, start, tally))
    return bins


def _count(use: Mapping[str, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for now in use.values():
        counts[now] = counts.get(now, 0) + 1
    return counts


def _as_bin(zone: str, start: int, tally: _Tally) -> ZoneBin:
    return ZoneBin(
        zone=zone,
        start=from_ms(start),
        in_use_avg=tally.ms.get("in_use", 0) / BIN_MS,
        in_use_max=tally.highest_in_use,
        held_avg=tally.ms.get("held", 0) / BIN_MS,
        free_avg=tally.ms.get("free", 0) / BIN_MS,
        free_min=tally.lowest_free or 0,
        capacity=len(tally.seen),
        coverage_pct=_coverage_pct(tally.ms),
    )


def _coverage_pct(ms: Mapping[str, int]) -> float:
    known = sum(ms.get(use, 0) for use in ("in_use", "held", "free"))
    wanted = known + ms.get("unknown", 0)
    return 100.0 * known / wanted if wanted else 0.0


def desk_hours(
    zone: Zone,
    before: Mapping[str, TransitionRow],
    transitions: Sequence[TransitionRow],
    from_ms_: int,
    to_ms_: int,
) -> list[DeskHour]:
    """Return the hours of all counted places of one zone with from_ms_ <= start < to_ms_, whole hours."""
    of_place: dict[str, list[TransitionRow]] = {place: [] for place in counted_places(zone)}
    for row in transitions:
        if row.place in of_place and from_ms_ < to_ms(row.at) < to_ms_:
            of_place[row.place].append(row)
    return [
        hour
        for place, rows in of_place.items()
        for hour in _hours_of(place, zone.id, use_of(before.get(place)), rows, from_ms_, to_ms_)
    ]


def _hours_of(
    place: str, zone: str, use: str, rows: list[TransitionRow], from_ms_: int, to_ms_: int
) -> Iterator[DeskHour]:
    rows.sort(key=lambda row: row.at)
    position = 0
    for start in range(from_ms_, to_ms_, HOUR_MS):
        end, cursor, uses = start + HOUR_MS, start, 0
        ms: dict[str, int] = {}
        while position < len(rows) and to_ms(rows[position].at) < end:
            at, next_use = to_ms(rows[position].at), use_of(rows[position])
            ms[use] = ms.get(use, 0) + at - cursor
            uses += next_use == "in_use" and use not in ("in_use", "held")
            cursor, use, position = at, next_use, position + 1
        ms[use] = ms.get(use, 0) + end - cursor
        yield DeskHour(
            place=place,
            zone=zone,
            start=from_ms(start),
            in_use_s=ms.get("in_use", 0) / 1000,
            held_s=ms.get("held", 0) / 1000,
            uses=uses,
            coverage_pct=_coverage_pct(ms),
        )


def length_class(seconds: float) -> int:
    """Return the shortest of `HOLD_LENGTHS_S` that is not exceeded, `LONGER_S` past all of them."""
    return next((length_s for length_s in HOLD_LENGTHS_S if seconds <= length_s), LONGER_S)


def hold_days(holds: Iterable[HoldEnded], counted: Container[str]) -> list[HoldDay]:
    """Return the holds of each zone and day (UTC) of their end, by outcome and length.

    Args:
        counted: places that may stand in figures; the holds of others are skipped.
    """
    found: dict[tuple[str, int, HoldPhase, int], list[HoldEnded]] = {}
    for hold in holds:
        if hold.place in counted:
            day = to_ms(hold.ended_at) // DAY_MS * DAY_MS
            found.setdefault((hold.zone, day, hold.outcome, length_class(_length_s(hold))), []).append(hold)
    return [_as_day(key, ended) for key, ended in sorted(found.items())]


def zone_offers(
    rows: Iterable[TransitionRow], counted: Container[str], from_ms_: int, to_ms_: int
) -> list[ZoneOffer]:
    """Return how soon after somebody was last there screens offered a place, by zone and time, of offers in the range.

    An absence that ends with somebody back, or in which the place was lost from sight, offered nothing; neither does a
    place that was offered while somebody still sat there (the stay ladder).

    Args:
        rows: changes in order of time, from a day before the range on; the end of use is back-dated, the offer is when
            it was decided.
        counted: places that may stand in figures.
    """
    left: dict[str, datetime | None] = {}
    found: dict[tuple[str, int], int] = {}
    for row in rows:
        if row.place not in counted:
            continue
        if row.occupancy == "occupied" and row.phase == "in_use":
            left[row.place] = None
        elif row.occupancy in {"occupied", "unknown"} or row.phase in {"unknown", "exempt"}:
            left.pop(row.place, None)
        elif row.place in left:
            left_at = left[row.place] or row.at
            left[row.place] = left_at
            if row.phase in {"free", "reclaimable"}:
                del left[row.place]
                if from_ms_ <= to_ms(row.decided_at) < to_ms_:
                    minutes = (row.decided_at - left_at).total_seconds() / 60
                    key = (row.zone, next((end for end in OFFER_LENGTHS_MIN if minutes <= end), 0))
                    found[key] = found.get(key, 0) + 1
    return [ZoneOffer(zone, le_min, offers) for (zone, le_min), offers in sorted(found.items())]


def _length_s(hold: HoldEnded) -> float:
    return (hold.ended_at - hold.started_at).total_seconds()


def _as_day(key: tuple[str, int, HoldPhase, int], holds: list[HoldEnded]) -> HoldDay:
    zone, day, outcome, le_s = key
    total_s = sum(map(_length_s, holds))
    known_s = sum(_length_s(hold) * hold.coverage_pct / 100 for hold in holds)
    return HoldDay(
        zone=zone,
        start=from_ms(day),
        outcome=outcome,
        le_s=le_s,
        holds=len(holds),
        sum_s=total_s,
        coverage_pct=100.0 * known_s / total_s if total_s else 100.0,
    )
