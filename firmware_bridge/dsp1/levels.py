"""Levels that a node reports now and then, held back while events tell the same with a better time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from firmware_bridge.dsp1.event_ledger import EventLedger
from firmware_bridge.dsp1.messages import Heartbeat, State, StateBit


@dataclass(frozen=True, slots=True)
class Levels:
    """What all channels were at `uptime_ms`, after event `last_ev_seq`. The index is the channel."""

    uptime_ms: int
    last_ev_seq: int
    link: tuple[bool, ...]
    motion: tuple[bool, ...]

    def __iter__(self) -> Iterator[tuple[str, int, bool]]:
        """Yield (kind, channel, value)."""
        for kind, values in (("link", self.link), ("motion", self.motion)):
            for channel, value in enumerate(values):
                yield kind, channel, value


def levels_of_heartbeat(beat: Heartbeat) -> Levels:
    """Return the levels of a node with one channel."""
    state = StateBit(beat.state & 0xFF)
    docked, occupied = StateBit.DOCKED in state, StateBit.OCCUPIED in state
    return Levels(beat.uptime_ms, beat.last_ev_seq, (docked,), (occupied,))


def levels_of_state(state: State, channels: int) -> Levels:
    """Return the levels of channels 0 to `channels` - 1."""
    return Levels(
        state.uptime_ms,
        state.last_ev_seq,
        tuple(bool(state.docked >> channel & 1) for channel in range(channels)),
        tuple(bool(state.occupied >> channel & 1) for channel in range(channels)),
    )


class LevelGate:
    """Lets levels through once every event before them has come in, or can never come any more."""

    def __init__(self) -> None:
        self._held: Levels | None = None
        self._gap_open = False

    def hold(self, levels: Levels) -> None:
        """Keep the newest levels."""
        self._held = levels

    def open_after_gap(self) -> None:
        """Nobody can wait for what is lost: the next levels count at once."""
        self._gap_open = True

    def release(self, ledger: EventLedger) -> Levels | None:
        """Return the held levels if they may be reported now."""
        held = self._held
        if held is None:
            return None
        if ledger.highest > held.last_ev_seq:
            self._held = None  # overtaken: a later event already says more
            return None
        if not self._gap_open and not ledger.is_complete(held.last_ev_seq):
            return None
        self._held, self._gap_open = None, False
        return held
