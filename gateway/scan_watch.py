"""When a radio scan must be started again, and what to do when that does not help. Pure: time comes as argument.

A scan can die without a word: the adapter is pulled out, bluetoothd restarts, or its firmware hangs while
everything still claims to scan. So silence is the signal, and the answers become stronger: a new scan, then the
adapter off and on. What cannot be heard any more is called lost, which means unknown and never vacant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

#: A silent round that the ladder could not end waits twice as long as the one before, this often at most: a
#: building without a single phone at night must not have its adapter reset every other minute.
MOST_DOUBLINGS = 4
#: After this many silent rounds in a row nothing is heard at all, whatever BlueZ says.
DEAF_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Tunables, all in real seconds.

    Attributes:
        start_s, stop_s: BlueZ may take this long. Lower gives up on a slow adapter, higher hangs on a dead one.
        quiet_s: silence that ends a scan. Lower restarts where little is in the air, higher misses a dead radio
            for longer.
        look_s: how often to look whether the adapter is still there.
        grace_s: the radio may be away this long before its devices are lost. Lower makes noise at each restart of
            bluetoothd, higher shows a place with more certainty than there is.
        first_retry_s, last_retry_s: wait after a failed start, doubling.
    """

    start_s: float = 15.0
    stop_s: float = 5.0
    quiet_s: float = 90.0
    look_s: float = 5.0
    grace_s: float = 30.0
    first_retry_s: float = 1.0
    last_retry_s: float = 60.0


class Do(Enum):
    """What the caller must do now; it reports a start with `Started` or `StartFailed`."""

    START = "start"
    STOP = "stop"
    POWER_CYCLE = "power_cycle"
    CALL_LOST = "call_lost"


@dataclass(frozen=True, slots=True)
class Started:
    """The scan is on."""


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The scan could not be started."""


@dataclass(frozen=True, slots=True)
class Look:
    """Time went by.

    Attributes:
        heard_s: when the last advert of anything came in, None for never.
        is_armed: silence means something: a device is expected, or something was heard before.
        is_there: the adapter can scan, and is the one that scans now; None when that cannot be seen.
    """

    heard_s: float | None = None
    is_armed: bool = False
    is_there: bool | None = None


Event = Started | StartFailed | Look


@dataclass(frozen=True, slots=True)
class ScanState:
    """One radio.

    Attributes:
        since_s: when the present scan began; meaningless while none is on.
        retry_at_s: when to start next while none is on.
        failures: starts that failed, and scans that broke off, since something was heard.
        silent_rounds: scans in a row that ended for silence.
        down_since_s: since when there is no good scan, None while there is one.
        is_lost: the devices were called lost and nothing was heard since.
        was_away: the last look found no adapter.
    """

    is_scanning: bool = False
    since_s: float = 0.0
    retry_at_s: float = float("-inf")
    failures: int = 0
    silent_rounds: int = 0
    down_since_s: float | None = None
    is_lost: bool = False
    was_away: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, what to do in this order, and when the next `Look` is due at the latest."""

    state: ScanState
    do: tuple[Do, ...]
    wake_at_s: float


def step(state: ScanState, event: Event, now_s: float, limits: ScanLimits, spread: float = 1.0) -> Step:
    """Advance one radio by one event.

    Args:
        spread: 0.7 to 1.3, a fresh random number: neighbours must not retry in step.
    """
    match event:
        case Started():
            return _wait(replace(state, is_scanning=True, since_s=now_s), now_s, limits)
        case StartFailed():
            return _wait(_broken(state, now_s, limits, spread, is_start=True), now_s, limits)
        case Look() if state.is_scanning:
            return _watch(state, event, now_s, limits, spread)
        case Look():
            return _try_again(state, event, now_s, limits)


def is_deaf(state: ScanState) -> bool:
    """Whether scans run but bring nothing, although they were renewed and the adapter reset."""
    return state.silent_rounds >= DEAF_ROUNDS


def quiet_limit_s(state: ScanState, limits: ScanLimits) -> float:
    """Return the silence that ends the present scan."""
    return limits.quiet_s * 2.0 ** min(max(state.silent_rounds - 1, 0), MOST_DOUBLINGS)


def _watch(state: ScanState, look: Look, now_s: float, limits: ScanLimits, spread: float) -> Step:
    heard_s = state.since_s if look.heard_s is None else max(look.heard_s, state.since_s)
    if heard_s > state.since_s:
        state = replace(state, failures=0, silent_rounds=0, down_since_s=None, is_lost=False)
    if look.is_there is False:
        broken = replace(_broken(state, now_s, limits, spread, is_start=False), was_away=True)
        return _wait(broken, now_s, limits, Do.STOP)
    if not look.is_armed or now_s - heard_s <= quiet_limit_s(state, limits):
        return _wait(state, now_s, limits)
    state = replace(state, is_scanning=False, silent_rounds=state.silent_rounds + 1, retry_at_s=now_s)
    if state.silent_rounds == 1:
        return _wait(state, now_s, limits, Do.STOP)
    if is_deaf(state) and not state.is_lost:
        state = replace(state, is_lost=True)
        return _wait(state, now_s, limits, Do.STOP, Do.CALL_LOST, Do.POWER_CYCLE)
    return _wait(state, now_s, limits, Do.STOP, Do.POWER_CYCLE)


def _try_again(state: ScanState, look: Look, now_s: float, limits: ScanLimits) -> Step:
    calls: tuple[Do, ...] = ()
    if state.down_since_s is not None and not state.is_lost and now_s - state.down_since_s >= limits.grace_s:
        state, calls = replace(state, is_lost=True), (Do.CALL_LOST,)
    if look.is_there and state.was_away:
        state = replace(state, retry_at_s=now_s)  # it came back: no reason to wait
    state = replace(state, was_away=look.is_there is False)
    if now_s < state.retry_at_s:
        return _wait(state, now_s, limits, *calls)
    return _wait(state, now_s, limits, *calls, Do.START)


def _broken(
    state: ScanState, now_s: float, limits: ScanLimits, spread: float, *, is_start: bool
) -> ScanState:
    """Return the state after a failed start, or after a scan that broke off, which is tried again at once."""
    failures = state.failures + 1
    doublings = min(failures - 1, 30)  # beyond any cap, within any float
    wait_s = min(limits.first_retry_s * 2.0**doublings * spread, limits.last_retry_s)
    return replace(
        state,
        is_scanning=False,
        failures=failures,
        retry_at_s=now_s + wait_s if is_start or failures > 1 else now_s,
        down_since_s=now_s if state.down_since_s is None else state.down_since_s,
    )


def _wait(state: ScanState, now_s: float, limits: ScanLimits, *do: Do) -> Step:
    wake_at_s = now_s + limits.look_s
    if not state.is_scanning:
        wake_at_s = min(wake_at_s, max(state.retry_at_s, now_s))
        if state.down_since_s is not None and not state.is_lost:
            wake_at_s = min(wake_at_s, max(state.down_since_s + limits.grace_s, now_s))
    return Step(state, do, wake_at_s)
