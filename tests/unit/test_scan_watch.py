"""When a Bluetooth scan is started again: the ladder in examples, and what must hold in any order of events."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.scan_clock import ScanClock
from gateway.scan_watch import (
    DEAF_ROUNDS,
    MOST_DOUBLINGS,
    Do,
    Event,
    Look,
    ScanLimits,
    ScanState,
    Started,
    StartFailed,
    Step,
    is_deaf,
    quiet_limit_s,
    step,
)

LIMITS = ScanLimits()


def scanning(since_s: float = 0.0, **rest: object) -> ScanState:
    return ScanState(is_scanning=True, since_s=since_s, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "look", "now_s", "do"),
    [
        pytest.param(ScanState(), Look(), 0, (Do.START,), id="a new gateway scans at once"),
        pytest.param(scanning(), Look(89, is_armed=True), 90, (), id="a scan that hears something goes on"),
        pytest.param(
            scanning(), Look(10, is_armed=True), 101, (Do.STOP,), id="after the quiet limit it is renewed"
        ),
        pytest.param(scanning(), Look(10, is_armed=True), 100, (), id="at exactly the limit not yet"),
        pytest.param(
            scanning(), Look(None), 9_000, (), id="silence says nothing where no sensor is expected"
        ),
        pytest.param(
            scanning(silent_rounds=1),
            Look(None, is_armed=True),
            91,
            (Do.STOP, Do.POWER_CYCLE),
            id="a second silent round resets the adapter",
        ),
        pytest.param(
            scanning(silent_rounds=2),
            Look(None, is_armed=True),
            181,
            (Do.STOP, Do.CALL_LOST, Do.POWER_CYCLE),
            id="after a third one nothing is heard: its sensors are lost",
        ),
        pytest.param(
            scanning(silent_rounds=2),
            Look(None, is_armed=True),
            179,
            (),
            id="each further round is twice as long",
        ),
        pytest.param(
            scanning(),
            Look(1, is_armed=True, is_there=False),
            2,
            (Do.STOP,),
            id="a scan without adapter ends at once",
        ),
        pytest.param(
            ScanState(retry_at_s=50, failures=3, down_since_s=0),
            Look(is_there=None),
            29,
            (),
            id="within the grace time nothing is lost",
        ),
        pytest.param(
            ScanState(retry_at_s=50, failures=3, down_since_s=0),
            Look(is_there=None),
            30,
            (Do.CALL_LOST,),
            id="after the grace time its sensors are lost",
        ),
        pytest.param(
            ScanState(retry_at_s=50, failures=3, down_since_s=0, is_lost=True),
            Look(is_there=None),
            49,
            (),
            id="lost is said once",
        ),
        pytest.param(
            ScanState(retry_at_s=50, failures=3, down_since_s=0, is_lost=True, was_away=True),
            Look(is_there=True),
            31,
            (Do.START,),
            id="an adapter that comes back is used at once",
        ),
    ],
)
def test_what_is_done(state: ScanState, look: Look, now_s: float, do: tuple[Do, ...]) -> None:
    assert step(state, look, now_s, LIMITS).do == do


def test_failed_starts_wait_longer_each_time_up_to_a_minute() -> None:
    state, waits = ScanState(), []
    for _ in range(9):
        state = step(state, StartFailed(), 0.0, LIMITS).state
        waits.append(state.retry_at_s)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_sensor_that_is_heard_ends_the_outage() -> None:
    given_state = scanning(10, failures=4, silent_rounds=3, down_since_s=2.0, is_lost=True)
    assert step(given_state, Look(11, is_armed=True), 12, LIMITS).state == scanning(10)


def test_the_quiet_limit_has_an_end() -> None:
    assert quiet_limit_s(scanning(silent_rounds=99), LIMITS) == LIMITS.quiet_s * 2**MOST_DOUBLINGS


def test_the_share_of_time_with_a_scan_counts_the_gaps() -> None:
    clock = ScanClock()
    assert clock.share_pct(5) == 0
    clock.started(10)
    clock.stopped(19)
    clock.started(20)
    assert (clock.share_pct(20), clock.restarts, clock.scanned_s(25)) == (90, 1, 14)


class AnyRadio(RuleBasedStateMachine):
    """A radio that breaks and heals at any moment, and a caller that does what it is told."""

    @initialize(armed=st.booleans(), sees=st.booleans())
    def begin(self, armed: bool, sees: bool) -> None:
        self.now_s, self.state = 0.0, ScanState()
        self.works, self.is_on, self.is_begun = True, False, False
        self.heard_s: float | None = None
        self.is_listed, self.sees_adapter = armed, sees
        self.silent_stops = 0
        self.lost_at_s: float | None = None
        self.proven_s = 0.0
        self.wake_at_s = 0.0
        self._send(self._look())

    def _look(self) -> Look:
        is_armed = self.is_listed or self.heard_s is not None
        return Look(self.heard_s, is_armed, self.works if self.sees_adapter else None)

    def _send(self, event: Event) -> None:
        before = self.state
        next_step = step(before, event, self.now_s, LIMITS, random.uniform(0.7, 1.3))
        self.state, self.wake_at_s = next_step.state, next_step.wake_at_s
        assert next_step.wake_at_s >= self.now_s
        self._obey(before, event, next_step)

    def _obey(self, before: ScanState, event: Event, next_step: Step) -> None:
        if Do.STOP in next_step.do:
            assert self.is_begun, "only a scan can be stopped"
            self.is_on = self.is_begun = False
            is_silence = not (isinstance(event, Look) and event.is_there is False)
            self.silent_stops = self.silent_stops + 1 if is_silence else self.silent_stops
            if is_silence:
                assert self.is_listed or self.heard_s is not None, "silence meant nothing"
        if Do.POWER_CYCLE in next_step.do:
            assert self.silent_stops >= 2, "the adapter is reset only when a new scan did not help"
        if Do.CALL_LOST in next_step.do:
            assert self.lost_at_s is None, "lost is said once"
            assert is_deaf(self.state) or self.now_s - self.proven_s >= LIMITS.grace_s
            self.lost_at_s = self.now_s
        if Do.START in next_step.do:
            assert not self.is_begun, "never two scans"
            self.is_on = self.is_begun = self.works
            self._send(Started() if self.works else StartFailed())

    @rule()
    def wait_until_woken(self) -> None:
        self.now_s = max(self.now_s, self.wake_at_s)
        self._send(self._look())

    @rule(s=st.floats(0.01, 200))
    def oversleep(self, s: float) -> None:
        self.now_s += s
        self._send(self._look())

    @rule(s=st.floats(0.01, 5))
    def hear(self, s: float) -> None:
        self.now_s += s
        if self.works and self.is_on and self.state.is_scanning:
            self.heard_s = self.proven_s = self.now_s
            self.silent_stops, self.lost_at_s = 0, None
        self._send(self._look())

    @rule()
    def break_down(self) -> None:
        self.works = False

    @rule()
    def heal(self) -> None:
        if not self.works:
            self.works = True
            self.is_on = False  # what ran before the fault does not come back by itself

    @invariant()
    def retries_are_bounded(self) -> None:
        assert self.state.retry_at_s <= self.now_s + LIMITS.last_retry_s
        assert quiet_limit_s(self.state, LIMITS) <= LIMITS.quiet_s * 2**MOST_DOUBLINGS
        assert self.state.silent_rounds >= 0
        assert DEAF_ROUNDS > 1


TestAnyRadio = AnyRadio.TestCase
TestAnyRadio.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@settings(max_examples=150, deadline=None)
@given(
    failures=st.integers(0, 50),
    rounds=st.integers(0, 50),
    is_lost=st.booleans(),
    spread=st.floats(0.7, 1.3),
)
def test_a_radio_that_works_again_is_scanned_within_a_minute(
    failures: int, rounds: int, is_lost: bool, spread: float
) -> None:
    given_state = ScanState(failures=failures, silent_rounds=rounds, is_lost=is_lost, down_since_s=0.0)
    now_s, state = 0.0, step(given_state, StartFailed(), 0.0, LIMITS, spread).state
    for _ in range(100):
        advanced = step(state, Look(), now_s, LIMITS, spread)
        if Do.START in advanced.do:
            break
        state, now_s = advanced.state, advanced.wake_at_s
    assert now_s <= LIMITS.last_retry_s
