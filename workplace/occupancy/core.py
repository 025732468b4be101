"""One place of the occupancy model: belief, levels and verdict after some event, and the step to the next. Pure.

Everything is a function of the ordered list of events: whoever inserts a late one and steps again gets what he
would have got in order, and how often somebody looks in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from workplace.occupancy import rates
from workplace.occupancy.generator import (
    Level,
    Motion,
    Run,
    Setting,
    after_silence,
    first_word,
    level_event,
    link_event,
    motion_event,
    silence,
)
from workplace.occupancy.ground import END, HIT, LEVEL, LEVEL_EXPIRES_MS, LINK, LOST, Ground
from workplace.occupancy.sensor_now import (
    BLOCKED_AFTER,
    BLOCKED_NEAR_MS,
    Event,
    SensorNow,
    after,
    after_docking,
    deaf_until,
    hit_by,
    is_known,
    is_rearmed,
    is_said_again,
    is_stuck,
    is_usable,
    run_until,
)
from workplace.occupancy.vectors import Columns, Powers, Vector, normal, times
from workplace.occupancy.verdicts import OCCUPIED, UNKNOWN, occupied, verdict_of

LONG_ABSENCE_MS: Final = int(rates.LONG_ABSENCE_S * 1000)
#: Somebody was there when that is more likely than not; below `QUIET` a sign is the first one.
THERE, QUIET = 0.5, 0.10
#: Devices say how their link is when they come; one that was silent for this long was down.
FIRST_WORD_MS = 60_000

#: How far ahead is looked, s: the longest sleep, and what a busy place affords; both are one product.
LONG_LOOK_S, SHORT_LOOK_S, OCCUPIED_LOOK_S = 4096, 256, 512
#: In a long silence the verdict is asked after this long, twice, four times, ...: it may turn and turn again, s.
FIRST_CHECK_S = 64
#: What a level says when it is first heard: by hidden state, as likelihoods (own estimate).
_FIRST_UP: Final = (0.03, 1.0, 0.2, 1.0, 1.0, 0.05, 0.05)
_FIRST_DOWN: Final = (1.0, 0.15, 1.0, 0.02, 0.02, 1.0, 1.0)
_FIRST_THERE: Final = (0.03, 0.03, 1.0, 1.0, 1.0, 1.0, 1.0)
_FIRST_GONE: Final = (1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)


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


def setting(ground: Ground, core: Core, at: int) -> Setting:
    """Return what of the sensors bears on the belief from `at` on."""
    link: int | None = None
    listening: list[Motion] = []
    levels: list[Level] = []
    runs: list[Run] = []
    for ear, now in zip(ground.ears, core.sensors, strict=True):
        if not now.is_trusted:
            continue
        if ear.code == HIT:
            if at < deaf_until(ear, now) or not is_usable(ear, now):
                continue
            if at < run_until(ear, now):
                runs.append(ear.run)
            else:
                listening.append(ear.motion)
        elif now.value < 0:
            continue
        elif ear.code == LINK:
            link = max(link or 0, now.value)
        else:
            levels.append(Level(ear.level, now.value > 0, at >= now.changed_at + LEVEL_EXPIRES_MS))
    band = ground.bands(at)[0]
    return Setting(
        band,
        ground.has_dock,
        None if link is None else link > 0,
        tuple(listening),
        tuple(levels),
        tuple(runs),
        at >= _long_from(core),
        ground.busy[band],
    )


def _long_from(core: Core) -> int:
    """Return from when on the newest sign of anybody is long ago, unix ms."""
    return max(now.changed_at for now in core.sensors) + LONG_ABSENCE_MS


def stretches(ground: Ground, core: Core, until: int) -> Iterator[tuple[int, int, Powers]]:
    """Yield the parts of the time from `core.at` to `until` in which the setting stays the same, with what silence
    does in each; from and to in unix s, so that a stretch in two parts gives what it gives in one."""
    ahead = ground.ahead
    if ahead.core is not core or ahead.until < until:
        ahead.until = max(until, core.at + _look_s(core.verdict) * 1000)
        ahead.parts = tuple(_stretches(ground, core, ahead.until))
        ahead.core = core
    until //= 1000
    for from_s, to_s, powers in ahead.parts:
        if until <= from_s:
            return
        yield from_s, min(to_s, until), powers


def _stretches(ground: Ground, core: Core, until: int) -> Iterator[tuple[int, int, Powers]]:
    at = core.at
    cuts = [until, _long_from(core)]
    for ear, now in zip(ground.ears, core.sensors, strict=True):
        if not now.is_trusted or ear.code == LINK:
            continue
        if ear.code == HIT:
            cuts += (deaf_until(ear, now), run_until(ear, now))
        else:
            cuts.append(now.changed_at + LEVEL_EXPIRES_MS)
    for cut in sorted(cut for cut in set(cuts) if at < cut <= until):
        while at < cut:
            end = min(cut, ground.bands(at)[1])
            if end // 1000 > at // 1000:
                yield at // 1000, end // 1000, silence(setting(ground, core, at))
            at = end


def rest(ground: Ground, core: Core, until: int) -> Core:
    """Return the place at `until` when nothing was heard since `core.at`."""
    if until <= core.at:
        return core
    belief, verdict, since = core.belief, core.verdict, core.since
    for from_s, to_s, powers in stretches(ground, core, until):
        step_s, left_s = FIRST_CHECK_S, to_s - from_s
        while left_s:
            length_s = min(step_s, left_s)
            ahead = after_silence(belief, powers, length_s)
            while verdict_of(verdict, ahead) != verdict:
                turn_s = _turning(verdict, belief, powers, length_s)
                belief, length_s = after_silence(belief, powers, turn_s), length_s - turn_s
                left_s -= turn_s
                verdict, since = verdict_of(verdict, belief), (to_s - left_s) * 1000
                ahead = after_silence(belief, powers, length_s)
            belief, left_s = ahead, left_s - length_s
            step_s = to_s - from_s - left_s  # twice as far each time
    return Core(until, belief, verdict, since, core.sensors, core.docked_at, core.came_at, core.there_at)


def turns_at(ground: Ground, core: Core) -> int:
    """Return a moment, unix ms, until which silence alone changes no verdict: the very one at which it does when that
    is near."""
    belief, verdict = core.belief, core.verdict
    sleeps = (SHORT_LOOK_S,) if verdict == OCCUPIED else (LONG_LOOK_S, SHORT_LOOK_S)
    look_at = core.at + _look_s(verdict) * 1000
    for from_s, to_s, powers in stretches(ground, core, look_at):
        length_s = to_s - from_s
        for sleep_s in sleeps:
            if length_s >= sleep_s:
                if verdict_of(verdict, after_silence(belief, powers, sleep_s)) == verdict:
                    return (from_s + sleep_s) * 1000
                length_s = sleep_s
        ahead = after_silence(belief, powers, length_s)
        if verdict_of(verdict, ahead) != verdict:
            return (from_s + _turning(verdict, belief, powers, length_s)) * 1000
        belief = ahead
    return look_at


def _look_s(verdict: int) -> int:
    """Return how far ahead to look: nobody stays unseen for an hour without a doubt, so there is no need to ask."""
    return OCCUPIED_LOOK_S if verdict == OCCUPIED else LONG_LOOK_S


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
    belief = core.belief if columns is None else normal(times(core.belief, columns))
    number, before = event.sensor, core.sensors[event.sensor]
    now = after(ground.ears[number], before, event)
    docked_at = core.docked_at
    if event.code == LINK and event.value and before.value != event.value:
        docked_at = event.at
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
        if is_first and not (
            event.value and before.is_trusted and event.at - before.changed_at > FIRST_WORD_MS
        ):
            return first_word(_FIRST_UP if event.value else _FIRST_DOWN)
        return link_event(is_up=event.value > 0)
    if is_first:
        return first_word(_FIRST_THERE if event.value else _FIRST_GONE)
    is_old = event.at >= before.changed_at + LEVEL_EXPIRES_MS
    return level_event(Level(ear.level, before.value > 0, is_old))


def _matrix_of_hit(ground: Ground, before: SensorNow, event: Event) -> Columns | None:
    """Return what a hit does."""
    ear = ground.ears[event.sensor]
    if is_said_again(ear, before, event.at) or not is_rearmed(ear, before, event.at):
        return None
    if before.unseen >= BLOCKED_AFTER or is_stuck(ear, hit_by(before, event.at)):
        return None
    band = ground.bands(event.at)[0]
    return motion_event(ear.motion, band, ground.busy[band], has_dock=ground.has_dock)
