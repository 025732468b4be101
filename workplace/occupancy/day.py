"""One day of a place, looked at afterwards: all its events in order, as they count once all is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from workplace.occupancy import core as steps
from workplace.occupancy.core import Core
from workplace.occupancy.edges import Debounce, effective
from workplace.occupancy.ground import BACK, LINK, LOST, Ground
from workplace.occupancy.hidden_markov import reading_event
from workplace.occupancy.interface import Evidence, GatewayHeard, Sensed
from workplace.occupancy.sensor_now import Event

#: An edge of a link is settled after this long at the latest, ms.
_SETTLED_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Day:
    """The events of a place from `first` on, in order of measuring; unix ms."""

    first: Core
    events: Sequence[Event]
    until: int


def day_of(
    ground: Ground,
    told: Iterable[Evidence],
    from_at: datetime,
    until: datetime,
    debounce: Debounce,
    before: Core | None = None,
) -> Day:
    """Return the day.

    Args:
        told: what was heard of the place in that day, in any order.
        before: how the day before ended; None when it is not known.
    """
    begin, end = ms_of(from_at), ms_of(until)
    first = before if before is not None else steps.start(ground, begin)
    events = _events(ground, told, first)
    settled = effective(first, events, end + _SETTLED_MS, debounce).events
    return Day(first, [event for event in settled if event.at < end], end)


def _events(ground: Ground, told: Iterable[Evidence], first: Core) -> list[Event]:
    begin = first.at
    found: set[Event] = {
        Event(begin, number, BACK) for number, one in enumerate(first.sensors) if not one.is_trusted
    }
    lost: set[int] = set()
    for evidence in told:
        number = evidence.sensor
        if isinstance(evidence, Sensed):
            event = reading_event(ground, evidence, ms_of(evidence.at))
            if event is not None and (event.at > begin or event.code == LINK):
                found.add(event if event.at > begin else Event(begin + 1, number, event.code, event.value))
        elif isinstance(evidence, GatewayHeard):
            continue
        elif not evidence.available:
            lost.add(number)
            found.add(Event(max(ms_of(evidence.at), begin + 1), number, LOST))
        elif number in lost:
            lost.discard(number)
            found.add(Event(max(ms_of(evidence.at), begin + 1), number, BACK))
    return sorted(found)


def ms_of(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment_of(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
