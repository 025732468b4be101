"""A process that must answer within milliseconds is not held up by the interpreter."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from plekvrij.short_pauses import SWITCH_S, forget_the_start, keep_pauses_short


@pytest.fixture
def interpreter() -> Iterator[None]:
    """The interpreter of the tests, given back as it was."""
    interval_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval_s)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("interpreter")
def test_threads_take_turns_quickly_and_whole_looks_for_garbage_are_rare() -> None:
    before = gc.get_threshold()
    keep_pauses_short()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert gc.isenabled()
    assert all(now > then for now, then in zip(gc.get_threshold()[::2], before[::2], strict=True))


@pytest.mark.usefixtures("interpreter")
def test_what_starting_left_behind_goes_and_what_stays_is_not_looked_through_again() -> None:
    gone, kept = Ring(), Ring()
    watch = weakref.ref(gone)
    del gone
    forget_the_start()
    assert watch() is None
    assert gc.get_freeze_count() > 0
    assert all(thing is not kept for thing in gc.get_objects())


@pytest.mark.usefixtures("interpreter")
def test_a_second_start_throws_away_what_was_kept_for_the_first() -> None:
    old = Ring()
    forget_the_start()
    watch = weakref.ref(old)
    del old
    forget_the_start()
    assert watch() is None
