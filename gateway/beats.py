"""How long a device is normally silent, learned from its own messages. Pure.

A device with a heartbeat has many silences of one length and hardly any longer ones. A sensor that only speaks when
somebody moves has no such length: its silences thin out, and nothing is learned from them, so that a quiet weekend
never makes it lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

#: Silences remembered per device. Lower forgets the nights of a busy sensor, higher learns a new rhythm late.
MEMORY = 64
#: Shorter ones, s, are parts of one report and no silence.
LEAST_S = 1.0
#: Silences within this factor of the longest are beats of one clock: heartbeats jitter by a few per cent.
SPREAD = 1.15
#: So many of one length make a beat. Lower takes chance for a rhythm, higher needs a day for hourly beats.
LEAST_BEATS = 6
#: For each longer one (a beat that was lost on the radio) at least so many of that length: one in five may be lost.
#: Where many are lost the double length is learned, which calls the device silent later and never too soon.
BEATS_PER_LOSS = 4
#: A device that misses so many beats is silent; the quarter is the jitter of the last one.
MISSED_BEATS = 3.25
#: No device is called silent sooner, s: a hiccup of a bridge is no loss.
SOONEST_SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The latest silences of one device, oldest first, s, and when it last spoke, s on any even clock."""

    silences_s: tuple[float, ...] = ()
    spoke_s: float | None = None

    def heard(self, at_s: float) -> Rhythm:
        """Return the rhythm after one more message."""
        if self.spoke_s is None:
            return replace(self, spoke_s=at_s)
        silence_s = at_s - self.spoke_s
        if silence_s < LEAST_S:
            return self
        return Rhythm((*self.silences_s, round(silence_s, 1))[-MEMORY:], at_s)

    def interrupted(self) -> Rhythm:
        """Return the rhythm after a time in which the device could not be heard: that silence was not its own."""
        return replace(self, spoke_s=None)


def expected_beat_s(silences_s: Sequence[float]) -> float | None:
    """Return the longest normal silence, s; None while no rhythm shows."""
    ordered = sorted(silences_s, reverse=True)
    for longer, top in enumerate(ordered):
        near = [silence for silence in ordered[longer:] if silence * SPREAD >= top]
        if len(near) >= max(LEAST_BEATS, BEATS_PER_LOSS * longer):
            return round(median(near), 1)
    return None


def silent_after_s(beat_s: float) -> float:
    """Return how old the last message of a device with this beat may be, s."""
    return max(SOONEST_SILENCE_S, beat_s * MISSED_BEATS)
