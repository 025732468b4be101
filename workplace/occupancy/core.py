"""One place of the occupancy model: belief, levels and verdict after some event, and the step to the next. Pure.

Everything is a function of the ordered list of events: whoever inserts a late one and steps again gets what he
would have got in order, and how often somebody looks in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from workplace.occupancy import rates
from workplace.occupancy.generator import (
    Level,
    Setting,
    after_silence,
    first_word,
    level_event,
    link_event,
    motion_event,
    silence,
)
from workplace.occupancy.ground import END, HIT, LEVEL, LEVEL_EXPIRES_MS, LINK, LOST, Ear, Ground
from workplace.occupancy.sensor_now import (
    BLOCKED_AFTER,
    BLOCKED_NEAR_MS,
    Event,
    SensorNow,
    after,
    after_docking,
    deaf_and_run,
    hit_by,
    is_known,
    is_rearmed,
    is_said_again,
    is_stuck,
    is_usable,
)
from workplace.occupancy.vectors import Columns, Powers, Vector, led
from workplace.occupancy.verdicts import UNKNOWN, occupied, verdict_of

LONG_ABSENCE_MS: Final = int(rates.LONG_ABSENCE_S * 1000)
LINK_BELIEVED_MS: Final = int(rates.LINK_BELIEVED_S * 1000)
#: Somebody was there when that is more likely than not; below `QUIET` a sign is the first one.
THERE, QUIET = 0.5, 0.10
#: Devices say how their link is when they come; one that was silent for this long was down.
FIRST_WORD_MS = 60_000

#: How far ahead is looked, s: the longest sleep, and what a busy place affords; both are one product.
LONG_LOOK_S, SHORT_LOOK_S, OCCUPIED_LOOK_S = 4096, 256, 512
#: Unknown is left in a dip that may be short: it is looked at as often as that.
_SLEEPS_S: Final = ((LONG_LOOK_S, SHORT_LOOK_S), (LONG_LOOK_S, SHORT_LOOK_S), (SHORT_LOOK_S,), (64,))
_LOOKS_S: Final = (LONG_LOOK_S, LONG_LOOK_S, OCCUPIED_LOOK_S, OCCUPIED_LOOK_S)
_FOREVER: Final = 1 << 62
#: What a level says when it is first heard: by hidden state, as likelihoods (own estimate). One dock in twenty is up by
#: itself: its network stays up without a laptop.
_FIRST_UP: Final = (0.05, 1.0, 0.2, 1.0, 1.0, 0.05, 0.05)
_FIRST_DOWN: Final = (1.0, 0.15, 1.0, 0.02, 0.02, 1.0, 1.0)
_FIRST_THERE: Final = (0.03, 0.03, 1.0, 1.0, 1.0, 1.0, 1.0)
_FIRST_GONE: Final = (1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)

#: A stretch of silence: from and to, unix s, and what it does.
Part = tuple[int, int, Powers]


class Core(msgspec.Struct, frozen=True, array_like=True):
    """A place after some event; `verdict` is FREE, HELD or OCCUPIED since `since` (unix ms).

    Attributes:
        docked_at: newest plugging in.
        came_at: the sign that began the rise to the present belief in somebody; there_at: the newest event after which
            somebody was there more likely than not.
    """

    at: int
    belief: Vector
    verdict: int
    since: int
    sensors: tuple[SensorNow, ...]
    docked_at: int = 0
    came_at: int = 0
    there_at: int = 0


def start(ground: Ground, at: int) -> Core:
    by_band = rates.UNHEARD if ground.has_dock else rates.UNHEARD_WITHOUT_DOCK
    belief = by_band[ground.bands(at)[0]]
    return Core(at, belief, UNKNOWN, at, tuple(SensorNow() for _ in ground.ears))


def stretches(ground: Ground, core: Core, until: int) -> Iterator[Part]:
    """Yield the parts of the time from `core.at` to `until` (unix ms) in which the setting stays the same, with what
    silence does in each; from and to in unix s, so that a stretch in two parts gives what it gives in one."""
    until //= 1000
    for from_s, to_s, powers in _stretches(ground, core):
        if until <= to_s:
            if until > from_s:
                yield from_s, until, powers
            return
        yield from_s, to_s, powers


class _Bearing(NamedTuple):
    """What of the sensors bears on the belief in the silence after a core; moments in unix ms.

    Attributes:
        is_up: the dock link, None while nobody knows.
        fixed_from: from when on a link that is up tells nothing any more.
        hits: until when each motion sensor is deaf, until when a missing end tells of somebody, and until when its hits
            are believed to go on.
        lively: of those in an aisle where passers-by stay: until when it is deaf, and until when it is lively.
        levels: from when on each level is old, and is it on.
        long_from: from when on the newest sign is long ago.
        cuts: all these moments, in order.
    """

    is_up: bool | None
    fixed_from: int
    hits: list[tuple[int, int, int, Ear]]
    lively: list[tuple[int, int, Ear]]
    levels: list[tuple[int, Ear, bool]]
    long_from: int
    cuts: list[int]


def _bearing(ground: Ground, core: Core) -> _Bearing:
    is_up: bool | None = None
    hits: list[tuple[int, int, int, Ear]] = []
    lively: list[tuple[int, int, Ear]] = []
    levels: list[tuple[int, Ear, bool]] = []
    cuts = [max([now.changed_at for now in core.sensors]) + LONG_ABSENCE_MS]
    fixed_from = _FOREVER
    for ear, now in zip(ground.ears, core.sensors, strict=True):
        if not now.is_trusted:
            continue
        if ear.code == HIT:
            if is_usable(ear, now):
                deaf, run = deaf_and_run(ear, now)
                telling = min(deaf + ear.telling_ms, run)
                cuts += (deaf, telling, run)
                if ear.lively_ms:
                    lively.append((deaf, now.changed_at + ear.lively_ms, ear))
                    cuts.append(now.changed_at + ear.lively_ms)
                else:
                    hits.append((deaf, telling, run, ear))
        elif now.value < 0:
            continue
        elif ear.code == LINK:
            is_up = is_up or now.value > 0
            if now.value:
                fixed_from = min(fixed_from, now.changed_at + LINK_BELIEVED_MS)
        else:
            old_from = now.changed_at + LEVEL_EXPIRES_MS
            cuts.append(old_from)
            levels.append((old_from, ear, now.value > 0))
    return _Bearing(is_up, fixed_from, hits, lively, levels, cuts[0], sorted([*cuts, fixed_from]))


def _stretches(ground: Ground, core: Core) -> Iterator[Part]:
    """Yield the stretches after `core`, without end."""
    is_up, fixed_from, hits, lively, levels, long_from, cuts = _bearing(ground, core)
    at = core.at
    for cut in (*cuts, _FOREVER):
        while at < cut:
            band, band_end = ground.bands(at)
            end = min(cut, band_end)
            if end // 1000 > at // 1000:
                setting = Setting(
                    band,
                    ground.has_dock and at < fixed_from,
                    is_up if at < fixed_from else None,
                    tuple(
                        [ear.motion for _, _, run, ear in hits if at >= run]
                        + [ear.motion for deaf, calm, ear in lively if at >= max(deaf, calm)]
                    ),
                    tuple([Level(ear.level, is_on, at >= old_from) for old_from, ear, is_on in levels]),
                    tuple([ear.run for deaf, telling, _, ear in hits if deaf <= at < telling]),
                    tuple([ear.motion for deaf, calm, ear in lively if deaf <= at < calm]),
                    at >= long_from,
                    ground.busy[band],
                )
                yield at // 1000, end // 1000, silence(setting)
            at = end


class Look(NamedTuple):
    """A moment of a silence at which the verdict was looked at: `at_s` in unix s, in `part` or at its end.

    `since`: of the verdict, unix ms. `is_wake`: until the look before, silence alone changed nothing.
    """

    at_s: int
    part: Part
    belief: Vector
    verdict: int
    since: int
    is_wake: bool


class Ahead:
    """The silence after one core: its stretches and looks, worked out as far as somebody asked. They depend on the core
    alone, so however often and whenever somebody looks, the answers are the same to the last bit."""

    __slots__ = ("_asked_s", "_more", "core", "looks")

    def __init__(self, ground: Ground, core: Core) -> None:
        self.core = core
        self._more = _stretches(ground, core)
        first = next(self._more)
        self.looks = [Look(first[0], first, core.belief, core.verdict, core.since, is_wake=True)]
        self._asked_s = core.at // 1000

    def look_before(self, at_s: int) -> int:
        """Return the number of the last look at or before `at_s`."""
        looks = self.looks
        while looks[-1].at_s <= at_s:
            self._look_on()
        number = len(looks) - 2
        while looks[number].at_s > at_s:
            number -= 1
        return number

    def belief_at(self, number: int, at_s: int) -> Vector:
        """Return the belief at `at_s`, `number` being that of the last look before it."""
        look = self.looks[number]
        if at_s <= look.at_s:
            return look.belief
        return after_silence(look.belief, self.looks[number + 1].part[2], at_s - look.at_s)

    def wake_after(self, at_s: int) -> int:
        """Return a moment after `at_s`, unix s, until which silence alone changes no verdict: the very one at which it
        does when that is near."""
        looks, number = self.looks, self.look_before(at_s) + 1
        while not looks[number].is_wake:
            number += 1
            if number == len(looks):
                self._look_on()
        return looks[number].at_s

    def _look_on(self) -> None:
        """Look once more: at the end of the stretch, when the verdict turns, or when it was time to ask again."""
        last = self.looks[-1]
        verdict, part = last.verdict, last.part
        if part[1] <= last.at_s:
            part = next(self._more)
        from_s, powers, since, is_over = last.at_s, part[2], last.since, False
        length_s = part[1] - from_s
        for sleep_s in _SLEEPS_S[verdict]:
            length_s, is_over = min(length_s, sleep_s), is_over or (length_s >= sleep_s >= SHORT_LOOK_S)
            belief = after_silence(last.belief, powers, length_s)
            if verdict_of(verdict, belief) == verdict:
                break
            if length_s <= SHORT_LOOK_S:
                length_s, is_over = _turning(verdict, last.belief, powers, length_s), True
                belief = after_silence(last.belief, powers, length_s)
                verdict, since = verdict_of(verdict, belief), (from_s + length_s) * 1000
                break
        at_s = from_s + length_s
        is_over |= at_s - self._asked_s >= _LOOKS_S[last.verdict]
        if is_over:
            self._asked_s = at_s
        self.looks.append(Look(at_s, part, belief, verdict, since, is_over))


def _ahead(ground: Ground, core: Core) -> Ahead:
    """Return the silence after `core`; of the newest core it is kept, for each of them is asked about again."""
    kept: Ahead | None = ground.kept.ahead
    if kept is not None and kept.core is core:
        return kept
    found = Ahead(ground, core)
    if kept is None or kept.core.at <= core.at:
        ground.kept.ahead = found
    return found


def rest(ground: Ground, core: Core, until: int) -> Core:
    """Return the place at `until` when nothing was heard since `core.at`."""
    if until <= core.at:
        return core
    return _at(_ahead(ground, core), until)


def _at(ahead: Ahead, until: int) -> Core:
    core = ahead.core
    number = ahead.look_before(until // 1000)
    belief, look = ahead.belief_at(number, until // 1000), ahead.looks[number]
    return Core(
        until, belief, look.verdict, look.since, core.sensors, core.docked_at, core.came_at, core.there_at
    )


def silent(ground: Ground, core: Core, now: int) -> tuple[Core, int]:
    """Return the place at `now` when nothing was heard since `core.at`, and a moment after that, unix ms, until which
    silence alone changes no verdict: the very one at which it does when that is near."""
    ahead = _ahead(ground, core)
    if now <= core.at:
        return core, ahead.wake_after(now // 1000) * 1000
    found = _at(ahead, now)
    return found, ahead.wake_after(now // 1000) * 1000


def _turning(verdict: int, belief: Vector, powers: Powers, length_s: int) -> int:
    """Return after how many seconds of a stretch the verdict first is another, knowing that it is at its end."""
    passed_s, step_s = 0, 1 << (length_s - 1).bit_length()
    while step_s:
        if passed_s + step_s < length_s:
            ahead = after_silence(belief, powers, step_s)
            if verdict_of(verdict, ahead) == verdict:
                belief, passed_s = ahead, passed_s + step_s
        step_s >>= 1
    return passed_s + 1


def happen(ground: Ground, core: Core, event: Event) -> Core:
    """Return the place after `event`, which lies at or after `core.at`."""
    return happen_to(ground, rest(ground, core, event.at), event)


def happen_to(ground: Ground, core: Core, event: Event) -> Core:
    """Return the place after `event`, `core` being how it was at that moment."""
    columns = matrix_of(ground, core, event)
    belief = core.belief if columns is None else led(core.belief, columns)
    number, before = event.sensor, core.sensors[event.sensor]
    now = after(ground.ears[number], before, event)
    docked_at = core.docked_at
    if event.code == LINK and event.value and before.value != event.value:
        docked_at = event.at
        if _is_first_word(before, event) and ground.bands(event.at)[0] == rates.NIGHT:
            # Nobody docks at night: it was up before we listened, and is believed once it was seen to change.
            now = msgspec.structs.replace(now, changed_at=event.at - LINK_BELIEVED_MS)
    if event.code in (HIT, END) and now.unseen and abs(event.at - core.docked_at) <= BLOCKED_NEAR_MS:
        now = msgspec.structs.replace(now, unseen=0)
    sensors = core.sensors
    if now is not before:
        sensors = (*sensors[:number], now, *sensors[number + 1 :])
    if docked_at != core.docked_at:
        sensors = tuple(
            after_docking(ear, one, core.docked_at) for ear, one in zip(ground.ears, sensors, strict=True)
        )
    verdict = verdict_of(core.verdict, belief)
    if event.code == LOST and not _listens(ground, sensors):
        verdict = UNKNOWN
    since = core.since if verdict == core.verdict else event.at
    came_at = event.at if occupied(core.belief) < QUIET else core.came_at
    there_at = event.at if occupied(belief) >= THERE else core.there_at
    return Core(event.at, belief, verdict, since, sensors, docked_at, came_at, there_at)


def believing(core: Core, at: int, belief: Vector) -> Core:
    """Return the place later, with a belief that was worked out elsewhere; its verdict is not looked at."""
    return Core(
        at, belief, core.verdict, core.since, core.sensors, core.docked_at, core.came_at, core.there_at
    )


def notices(ground: Ground, core: Core) -> bool:
    """Whether any sensor would notice somebody: one that is stuck or blocked would not."""
    return any(
        is_usable(ear, now) if ear.code == HIT else now.is_trusted and ear.code != LINK
        for ear, now in zip(ground.ears, core.sensors, strict=True)
    )


def _listens(ground: Ground, sensors: Sequence[SensorNow]) -> bool:
    """Whether anything that notices people can be trusted."""
    return any(now.is_trusted and ear.code != LINK for ear, now in zip(ground.ears, sensors, strict=True))


def matrix_of(ground: Ground, core: Core, event: Event) -> Columns | None:
    """Return what `event` does to the belief of a place that rested until then; None for nothing."""
    ear, before = ground.ears[event.sensor], core.sensors[event.sensor]
    if event.code == HIT or (event.code == END and not is_known(ear, before, event)):
        return _matrix_of_hit(ground, before, event)
    if event.value == before.value or event.code not in (LINK, LEVEL):
        return None
    is_first = not before.is_trusted or before.value < 0
    if event.code == LINK:
        if _is_first_word(before, event):
            return first_word(_FIRST_UP if event.value else _FIRST_DOWN)
        return link_event(is_up=event.value > 0)
    if is_first:
        return first_word(_FIRST_THERE if event.value else _FIRST_GONE)
    is_old = event.at >= before.changed_at + LEVEL_EXPIRES_MS
    level, band = Level(ear.level, before.value > 0, is_old), ground.bands(event.at)[0]
    return level_event(level, band, ground.busy[band], has_dock=ground.has_dock)


def _is_first_word(before: SensorNow, event: Event) -> bool:
    """Whether a link only says how it is. Out of an outage an edge is one all the same, as long as it is known how the
    link was; and one that comes up long after we began to listen was down."""
    if before.value >= 0:
        return False
    return not (event.value and before.is_trusted and event.at - before.changed_at > FIRST_WORD_MS)


def _matrix_of_hit(ground: Ground, before: SensorNow, event: Event) -> Columns | None:
    """Return what a hit does."""
    ear = ground.ears[event.sensor]
    if is_said_again(ear, before, event.at) or not is_rearmed(ear, before, event.at):
        return None
    if before.unseen >= BLOCKED_AFTER or is_stuck(ear, hit_by(before, event.at)):
        return None
    band = ground.bands(event.at)[0]
    is_lively = 0 < event.at - before.changed_at < ear.lively_ms and before.run_hits > 0
    return motion_event(ear.motion, band, ground.busy[band], has_dock=ground.has_dock, is_lively=is_lively)
