"""The occupancy model of the product: a filter over seven hidden states that takes silence for evidence.

It keeps the events of the last 50 minutes with snapshots between them, so that a late one is put in its place and
everything after it lived again. What it cannot weigh (no trusted presence sensor, not listened long enough) it
leaves to the hand-tuned rule, which then says unknown or unverified.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from workplace.events import Occupancy, Signal
from workplace.floor_plan import Place
from workplace.occupancy import core as steps
from workplace.occupancy.backdating import Line, left_at, lived
from workplace.occupancy.core import Core
from workplace.occupancy.edges import Debounce, Effective, effective
from workplace.occupancy.generator import Habits
from workplace.occupancy.ground import BACK, END, LEVEL, LINK, LOST, TIMER_SLACK_MS, Ground
from workplace.occupancy.hand_tuned import HandTuned, HandTunedState
from workplace.occupancy.interface import Belief, Evidence, Sensed
from workplace.occupancy.sensor_memory import fault_of
from workplace.occupancy.sensor_now import Event
from workplace.occupancy.verdicts import HELD, LEAVE, OCCUPIED, UNKNOWN, occupied
from workplace.policy import Policy

#: Late events are put in their place this far back, ms. Lower: a backlog is lost on the live view; higher: memory.
REACH_MS = 50 * 60_000
#: Events between two snapshots. Lower: memory; higher: more to live again after a late event.
SPACING = 8
#: No snapshot is taken this near to an edge of a link: it may still turn out to be a flap, ms.
UNSURE_MS = 300_000
_VERDICTS: tuple[Occupancy, ...] = ("free", "held", "occupied", "unknown")


class FilterState(msgspec.Struct, frozen=True, array_like=True):
    """Memory of one place: the hand-tuned rule's, and snapshots with the events since the oldest of them."""

    rule: HandTunedState
    snapshots: tuple[Core, ...]
    events: tuple[Event, ...]


@dataclass(slots=True)
class _Memo:
    """What was computed last of one place, so that the next event costs one step. Everything here could be computed
    again from the state; forgetting it changes no answer. `rewrites` counts how often late events changed the past."""

    place: Place
    ground: Ground
    line: Line | None = None
    asked: tuple[int, Sequence[Event], Effective] | None = None
    rewrites: int = 0
    left_key: tuple[int, int, Core | None] | None = None
    left: datetime | None = None


@dataclass(frozen=True)
class HiddenMarkov:
    """Args: `habits`: place -> what was learned of it; others get the defaults."""

    rule: HandTuned
    debounce: Debounce
    tz: ZoneInfo
    habits: Mapping[str, Habits] = field(default_factory=dict)
    _memos: dict[str, _Memo] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy, tz: ZoneInfo, habits: Mapping[str, Habits] | None = None) -> HiddenMarkov:
        presence = policy.settings.presence
        debounce = Debounce(presence.link_up_s * 1000, presence.link_down_s * 1000)
        return cls(HandTuned.of(policy), debounce, tz, habits or {})

    @property
    def state_type(self) -> type[FilterState]:
        return FilterState

    def start(self, place: Place, now: datetime) -> FilterState:
        """Return the state of a place of which nothing was heard."""
        first = steps.start(self._memo(place).ground, _ms(now) - 1)
        return FilterState(self.rule.start(place, now), (first,), ())

    def observe(self, place: Place, state: FilterState, evidence: Evidence, now: datetime) -> FilterState:
        """Return the state after one piece of evidence, put in its place in time."""
        rule = self.rule.observe(place, state.rule, evidence, now)
        changed = state if rule is state.rule else FilterState(rule, state.snapshots, state.events)
        for event in self._events(place, state.rule, rule, evidence, now):
            changed = _inserted(changed, event)
        return changed if changed.events is state.events else self._with_snapshot(place, changed, _ms(now))

    def interrupted(self, state: FilterState, now: datetime) -> FilterState:
        """Return the state after nobody listened until `now`: the silence before is no evidence."""
        last, gone, at = state.snapshots[-1], _newest(state) + 1, _ms(now)
        events = [*state.events]
        for number in range(len(last.sensors)):
            events += (Event(gone, number, LOST), Event(max(at, gone) + 1, number, BACK))
        return FilterState(self.rule.interrupted(state.rule, now), state.snapshots, tuple(sorted(events)))

    def belief(self, place: Place, state: FilterState, now: datetime) -> Belief:
        """Return the belief at `now`."""
        ruled, listens = self.rule.ruled(place, state.rule, now)
        if ruled.verdict == "unknown" or ruled.unverified or not listens:
            return ruled
        at, memo = _ms(now), self._memo(place)
        line, counting = self._line(memo, state, at)
        core, wake = steps.silent(memo.ground, line.cores[-1], at)
        since = _moment(core.since)
        last_sign, present_since = ruled.last_sign_at, None
        if core.verdict == OCCUPIED:
            # no sign began it where somebody may have been before anything was heard
            since = present_since = min(_moment(core.came_at or core.since), since)
        elif core.verdict != UNKNOWN:
            since = last_sign = self._left(memo, state, line, core) or last_sign or since
        if counting.settles_at is not None and at < counting.settles_at < wake:
            wake = counting.settles_at
        wake_at = _moment(wake)
        if ruled.wake_at is not None and ruled.wake_at < wake_at:
            wake_at = ruled.wake_at
        if ruled.linked_since is not None and not steps.notices(memo.ground, core):
            # the dock's word alone: in use as far as anybody can tell, and no clock may run on it
            return Belief(
                verdict="occupied",
                p_occupied=occupied(core.belief),
                p_held=core.belief[1],
                p_free=core.belief[0],
                since=ruled.linked_since,
                last_sign_at=ruled.last_sign_at,
                present_since=None,
                linked_since=ruled.linked_since,
                wake_at=wake_at,
                reasons=(*ruled.reasons, "unverified"),
                unverified=True,
            )
        return Belief(
            verdict=_VERDICTS[core.verdict],
            p_occupied=occupied(core.belief),
            p_held=core.belief[1],
            p_free=core.belief[0],
            since=since,
            last_sign_at=last_sign,
            present_since=present_since,
            linked_since=ruled.linked_since,
            wake_at=wake_at,
            reasons=(*ruled.reasons, "listening") if core.verdict == UNKNOWN else ruled.reasons,
        )

    def signals(self, place: Place, state: FilterState, now: datetime) -> tuple[Signal, ...]:
        return self.rule.signals(place, state.rule, now)

    def taught(self, habits: Mapping[str, Habits]) -> HiddenMarkov:
        """Return the filter with these habits; what was computed of places whose habits stay is kept."""
        same = {
            place: memo
            for place, memo in self._memos.items()
            if self.habits.get(place, Habits()) == habits.get(place, Habits())
        }
        return HiddenMarkov(self.rule, self.debounce, self.tz, dict(habits), same)

    # --- how it is put together

    def _memo(self, place: Place) -> _Memo:
        memo = self._memos.get(place.id)
        if memo is None or (memo.place is not place and memo.place != place):
            habits = self.habits.get(place.id, Habits())
            memo = self._memos[place.id] = _Memo(place, Ground.of(place, habits, self.tz))
        return memo

    def _left(self, memo: _Memo, state: FilterState, line: Line, core: Core) -> datetime | None:
        """Return when the last person left. Of a held place all is weighed that was learned since, for its clock, but
        for a sign that may be somebody coming back: that is not decided yet. Of a free one what was known when it
        turned free."""
        last = line.cores[-1]
        until, is_open = core.since, core.verdict == HELD
        if is_open:
            is_doubtful = occupied(core.belief) > LEAVE and core.came_at > core.since
            until = core.came_at - 1 if is_doubtful else max(last.at, core.since)
        key = (memo.rewrites, until, last if is_open else None)
        if memo.left_key != key:
            lines = self._lines(memo.ground, state, line)
            found = left_at(memo.ground, lines, until) or state.snapshots[0].there_at or None
            memo.left_key, memo.left = key, None if found is None else _moment(found)
        return memo.left

    def _lines(self, ground: Ground, state: FilterState, newest: Line) -> Iterator[Line]:
        """Yield the stretches between the snapshots, newest first."""
        yield newest
        for number in range(len(state.snapshots) - 2, -1, -1):
            first, end = state.snapshots[number], state.snapshots[number + 1].at
            events = [event for event in _after(state, first) if event.at <= end]
            # Near a snapshot no edge of a link is open, so all that lies before it is settled.
            yield lived(ground, first, effective(first, events, end + UNSURE_MS, self.debounce).events)

    def _line(self, memo: _Memo, state: FilterState, now: int) -> tuple[Line, Effective]:
        """Return the events since the last snapshot as they count at `now`, lived; and what of them is open."""
        first = state.snapshots[-1]
        line, known, asked = memo.line, 0, memo.asked
        if asked is not None and line is not None and asked[1] is state.events and line.cores[0] is first:
            is_settled = asked[2].settles_at is None and now >= asked[0]
            if is_settled or asked[0] == now:
                return line, asked[2]
        counting = effective(first, _after(state, first), now, self.debounce)
        memo.asked = now, state.events, counting
        if line is not None and line.cores[0] is first:
            if line.events == counting.events:
                return line, counting
            known = _same(line.events, counting.events)
        if line is None or known < len(line.events):
            memo.rewrites += 1  # the past is another than it was
        before = line.cores[1 : known + 1] if line is not None else ()
        memo.line = line = lived(memo.ground, first, counting.events, before)
        return line, counting

    def _with_snapshot(self, place: Place, state: FilterState, now: int) -> FilterState:
        """Return the state with another snapshot when enough has happened since the last, as far as all is settled."""
        after = _after(state, state.snapshots[-1])
        if len(after) < SPACING:
            return state
        memo = self._memo(place)
        line, counting = self._line(memo, state, now)
        events, links = line.events, [event.at for event in after if event.code == LINK]
        for number in range(SPACING, len(events) + 1):
            at = events[number - 1].at
            if counting.pending_at is not None and at >= counting.pending_at:
                break
            if (number == len(events) or events[number].at > at) and _is_quiet(links, at):
                snapshots = (*state.snapshots, line.cores[number])
                memo.line = Line(events[number:], line.cores[number:])
                return _pruned(FilterState(state.rule, snapshots, state.events), now)
        return state

    def _events(
        self, place: Place, before: HandTunedState, after: HandTunedState, evidence: Evidence, now: datetime
    ) -> Iterator[Event]:
        """Yield what one piece of evidence is to the filter."""
        number = evidence.sensor
        sensor, at = place.sensors[number], _ms(now)
        was_bad = fault_of(sensor, before.sensors[number], now) is not None
        is_bad = was_bad
        if after is not before:
            is_bad = fault_of(sensor, after.sensors[number], now) is not None
        if was_bad and not is_bad:
            yield Event(min(at, _ms(evidence.at)) if isinstance(evidence, Sensed) else at, number, BACK)
        if isinstance(evidence, Sensed):
            event = reading_event(self._memo(place).ground, evidence, at)
            if event is not None and not (event.code == END and _is_too_early(event, after, number)):
                yield event
        if is_bad and not was_bad:
            yield Event(at, number, LOST)


def _is_too_early(end: Event, rule: HandTunedState, number: int) -> bool:
    """Whether the end of a timer points before the newest hit: then the timer is shorter than we were told."""
    on_at = rule.sensors[number].on_at
    return on_at is not None and end.at < _ms(on_at)


def reading_event(ground: Ground, reading: Sensed, now: int) -> Event | None:
    """Return what a reading is to the filter, None for nothing. What a timer ended was over one timer earlier."""
    if isinstance(reading.value, str):
        return None  # "pending" and the like: the device itself is not sure
    ear, at, value = ground.ears[reading.sensor], min(_ms(reading.at), now), int(reading.value > 0)
    if value or ear.code == LINK:
        return Event(at, reading.sensor, ear.code, value)
    if ear.code == LEVEL:
        # one ms later than the flip that it ends, when that was the only sign
        return Event(at - ear.timer_ms + bool(ear.timer_ms), reading.sensor, LEVEL, 0)
    return Event(at - ear.timer_ms + TIMER_SLACK_MS, reading.sensor, END) if ear.timer_ms else None


def _same(one: Sequence[Event], other: Sequence[Event]) -> int:
    """Return how many events both begin with."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a is not b and a != b:
            return number
    return min(len(one), len(other))


def _after(state: FilterState, core: Core) -> tuple[Event, ...]:
    return state.events[bisect_right(state.events, core.at, key=_event_at) :]


def _newest(state: FilterState) -> int:
    """Return when the last thing happened that is remembered, unix ms."""
    return max(state.snapshots[-1].at, state.events[-1].at if state.events else 0)


def _event_at(event: Event) -> int:
    return event.at


def _is_quiet(edges: Sequence[int], at: int) -> bool:
    """Whether no link edge before `at` could still be undone by one after it; `edges`: when they are, unix ms."""
    return not any(abs(edge - at) <= UNSURE_MS for edge in edges)


def _inserted(state: FilterState, event: Event) -> FilterState:
    if event.at < state.snapshots[0].at:
        return state  # older than we reach back
    if not state.events or event > state.events[-1]:
        events: tuple[Event, ...] = (*state.events, event)
    else:
        number = bisect_left(state.events, event)
        if state.events[number] == event:
            return state
        events = (*state.events[:number], event, *state.events[number:])
    snapshots = state.snapshots
    if snapshots[-1].at >= event.at:
        snapshots = tuple(one for one in snapshots if one.at < event.at) or snapshots[:1]
    return FilterState(state.rule, snapshots, events)


def _pruned(state: FilterState, now: int) -> FilterState:
    """Forget what lies further back than late events reach."""
    keep = 0
    while keep + 1 < len(state.snapshots) and state.snapshots[keep + 1].at <= now - REACH_MS:
        keep += 1
    if not keep:
        return state
    oldest = state.snapshots[keep].at
    events = state.events[bisect_right(state.events, oldest, key=_event_at) :]
    return FilterState(state.rule, state.snapshots[keep:], events)


def _ms(at: datetime) -> int:
    passed = at - _EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000


def _moment(ms: int) -> datetime:
    return _EPOCH + ms * _MS


_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
