"""The circuit breaker (R28): enforcement pauses itself when it is wrong too often, or when it sees too little.

Pure and exact: counts and integers, no floats, so that a replay trips at the same instant. What is remembered is
counts per hour and the steps of the coverage, never a place for longer than a release takes to prove right or wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec

from workplace.events import PauseCause
from workplace.policy_file import BreakerFile

#: A release is false when its place is used again within this time without a new link.
PROOF = timedelta(minutes=5)
#: A pending release is forgotten after this: a start of use is confirmed at most 5 min after it began (R3).
_FORGET = timedelta(minutes=30)
#: Coverage is counted in hundredths of a per cent.
FULL = 10_000
#: When so many steps of the coverage are kept already (a big site that comes up), those within a burst become one.
#: Lower: less exact; higher: every step costs a look at all of them.
MOST_STEPS, BURST = 60, timedelta(seconds=10)
_MS, _HOUR = timedelta(milliseconds=1), timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Coverage = tuple[tuple[datetime, int], ...]
"""Steps (at, hundredths of a per cent), oldest first; the first holds for ever before."""


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What the breaker remembers.

    Attributes:
        causes: why enforcement is paused by itself.
        hours: (hours since 1970, releases, false ones), oldest first.
        pending: place -> when it was released, and whether by the rules: then its next use may prove that wrong.
        coverage: the steps of the last window and the one before.
        deaf_until: nobody had listened; until then the coverage says nothing.
    """

    causes: tuple[PauseCause, ...] = ()
    hours: tuple[tuple[int, int, int], ...] = ()
    pending: dict[str, tuple[datetime, bool]] = {}
    coverage: Coverage = ((_EPOCH, FULL),)
    deaf_until: datetime | None = None

    def counts(self, now: datetime, days: int) -> tuple[int, int]:
        """Return the releases of the last `days` days and how many of them were false."""
        first = _hour(now) - 24 * days
        inside = [hour for hour in self.hours if hour[0] > first]
        return sum(hour[1] for hour in inside), sum(hour[2] for hour in inside)


def released(breaker: Breaker, place: str, at: datetime, *, by_rules: bool) -> Breaker:
    """Note that a hold ended. Of one that ended by itself, nobody there any more, no rule was right or wrong."""
    pending = {name: entry for name, entry in breaker.pending.items() if at - entry[0] <= _FORGET}
    return msgspec.structs.replace(
        breaker, pending=pending | {place: (at, by_rules)}, hours=_count(breaker.hours, _hour(at), releases=1)
    )


def taken_back(breaker: Breaker, place: str) -> Breaker:
    """Note that a hold went on after a gap that belongs to it (R19): it had not ended, so nothing was released."""
    if place not in breaker.pending:
        return breaker
    at, _ = breaker.pending[place]
    return _without(breaker, place, _count(breaker.hours, _hour(at), releases=-1))


def used(breaker: Breaker, place: str, since: datetime, linked_since: datetime | None) -> Breaker:
    """Note that a place is in use since `since`: soon after a release and without a new link, that was false."""
    if place not in breaker.pending:
        return breaker
    at, by_rules = breaker.pending[place]
    has_new_link = linked_since is not None and linked_since > at
    is_false = by_rules and since - at <= PROOF and not has_new_link
    return _without(breaker, place, _count(breaker.hours, _hour(at), false=int(is_false)))


def covered(breaker: Breaker, share: int, now: datetime, settings: BreakerFile) -> Breaker:
    """Note the share of places with trusted inputs from `now` on, hundredths of a per cent."""
    if breaker.coverage[-1][1] == share or (breaker.deaf_until is not None and now < breaker.deaf_until):
        return breaker
    steps = tuple(step for step in breaker.coverage if step[0] < now)
    start = now - timedelta(minutes=settings.coverage_min)
    old = sum(1 for step in steps if step[0] <= start)
    steps = steps[max(old - 1, 0) :]
    if len(steps) > MOST_STEPS and now - steps[-1][0] < BURST:
        steps, now = steps[:-1], steps[-1][0]
    steps = (*steps, (now, share))
    return msgspec.structs.replace(breaker, coverage=steps)


def judged(breaker: Breaker, now: datetime, settings: BreakerFile) -> Breaker:
    """Return the breaker as its bounds make it at `now`. Of false releases only a person brings it back."""
    causes = set(breaker.causes)
    if _is_wrong_too_often(breaker, now, settings):
        causes.add("false_releases")
    mean = mean_coverage(breaker.coverage, now, settings)
    if mean < 100 * settings.coverage_pct:
        causes.add("coverage")
    elif mean >= 100 * settings.coverage_back_pct:
        causes.discard("coverage")
    ordered: tuple[PauseCause, ...] = ("false_releases", "coverage")
    found = tuple(cause for cause in ordered if cause in causes)
    return breaker if found == breaker.causes else msgspec.structs.replace(breaker, causes=found)


def forgiven(breaker: Breaker) -> Breaker:
    """Return the breaker after a person let enforcement go on: what was wrong before does not count again."""
    causes = tuple(cause for cause in breaker.causes if cause != "false_releases")
    return msgspec.structs.replace(breaker, causes=causes, hours=(), pending={})


def deaf(breaker: Breaker, now: datetime, settings: BreakerFile) -> Breaker:
    """Return the breaker after nobody listened: until all can be known again, the coverage says nothing."""
    until = now + timedelta(minutes=settings.coverage_min)
    return msgspec.structs.replace(breaker, coverage=((now, FULL),), deaf_until=until)


def mean_coverage(coverage: Coverage, now: datetime, settings: BreakerFile) -> int:
    """Return the mean over the window that ends at `now`, hundredths of a per cent, rounded down."""
    return _area(coverage, now, settings) // _window_ms(settings)


def wake_at(breaker: Breaker, now: datetime, settings: BreakerFile) -> datetime | None:
    """Return when the mean of the coverage crosses its bound if nothing changes, None when it does not."""
    if breaker.deaf_until is not None and now < breaker.deaf_until:
        return breaker.deaf_until
    bound = settings.coverage_back_pct if "coverage" in breaker.causes else settings.coverage_pct
    target = 100 * bound * _window_ms(settings)
    window = timedelta(minutes=settings.coverage_min)
    current = breaker.coverage[-1][1]
    area, at = _area(breaker.coverage, now, settings), now
    is_low = area < target
    for (_, old), (leaves, _) in pairwise(breaker.coverage):
        until = leaves + window
        if until <= at:
            continue
        length, slope = _ms(until) - _ms(at), current - old
        after = area + slope * length
        if (after < target) != is_low:
            return at + _crossing(target - area, slope) * _MS
        area, at = after, until
    return None


def _crossing(distance: int, slope: int) -> int:
    """Return after how many ms a line has passed `distance`: reached it upwards, left it downwards."""
    if slope > 0:
        return -(-distance // slope)
    return (-distance) // -slope + 1


def _is_wrong_too_often(breaker: Breaker, now: datetime, settings: BreakerFile) -> bool:
    releases, false = breaker.counts(now, settings.days)
    base = max(releases, settings.least_releases)
    return false * 1000 > round(settings.false_release_pct * 10) * base


def _area(coverage: Coverage, now: datetime, settings: BreakerFile) -> int:
    """Return the coverage summed over the window, in hundredths of a per cent times ms."""
    end = _ms(now)
    start = end - _window_ms(settings)
    area = 0
    for number, (at, share) in enumerate(coverage):
        from_ms = start if number == 0 else max(_ms(at), start)
        to_ms = min(_ms(coverage[number + 1][0]), end) if number + 1 < len(coverage) else end
        area += share * max(to_ms - from_ms, 0)
    return area


def _window_ms(settings: BreakerFile) -> int:
    return settings.coverage_min * 60_000


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // _MS


def _hour(at: datetime) -> int:
    return (at - _EPOCH) // _HOUR


def _without(breaker: Breaker, place: str, hours: tuple[tuple[int, int, int], ...]) -> Breaker:
    pending = {name: entry for name, entry in breaker.pending.items() if name != place}
    return msgspec.structs.replace(breaker, pending=pending, hours=hours)


def _count(
    hours: tuple[tuple[int, int, int], ...], hour: int, *, releases: int = 0, false: int = 0
) -> tuple[tuple[int, int, int], ...]:
    """Return the hours with more counted in one of them; those that no window reaches any more go."""
    known = {one[0]: one for one in hours if one[0] > hour - 24 * 29}
    _, before, wrong = known.get(hour, (hour, 0, 0))
    known[hour] = (hour, max(before + releases, 0), wrong + false)
    return tuple(known[key] for key in sorted(known))
