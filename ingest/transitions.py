"""Place states in the order in which they were decided -> the rows of history they make. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.stores.schema import TransitionRow, from_ms, to_ms
from workplace.events import PlaceState

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One new row, the row before it, and the hold that began or ended with it.

    Attributes:
        hold_since: start of the hold that begins here, None when none begins.
        ended_hold: id of the hold that ends here, None when none ends.
    """

    row: TransitionRow
    before: TransitionRow | None
    hold_since: datetime | None
    ended_hold: str | None


class TransitionLog:
    """Remembers the last row of each place, so that only real changes become rows."""

    def __init__(self, last: Iterable[TransitionRow]) -> None:
        self._last = {row.place: row for row in last}

    @property
    def latest(self) -> Iterable[TransitionRow]:
        """The last row of each place."""
        return self._last.values()

    def follow(self, states: Iterable[PlaceState]) -> list[Change]:
        """Return the changes in `states`, each place's times strictly increasing."""
        changes = [self._change(state) for state in states]
        return [change for change in changes if change is not None]

    def _change(self, state: PlaceState) -> Change | None:
        before = self._last.get(state.place)
        now = (state.phase, state.occupancy, state.hold_id)
        if before is not None and now == (before.phase, before.occupancy, before.hold_id):
            return None
        # A phase began at `since`, which may lie back; anything else changed when it was decided. Neither can
        # lie before what it ended.
        is_new_phase = before is None or before.phase != state.phase
        at = from_ms(to_ms(min(state.since, state.as_of) if is_new_phase else state.as_of))
        if before is not None:
            at = max(at, before.at + _MS)
        row = TransitionRow(
            place=state.place,
            zone=state.zone,
            at=at,
            phase=state.phase,
            occupancy=state.occupancy,
            hold_id=state.hold_id,
            mode=state.mode,
            reasons=state.reasons,
            decided_at=state.as_of,
        )
        self._last[state.place] = row
        old_hold = None if before is None else before.hold_id
        is_new = state.hold_id is not None and state.hold_id != old_hold
        return Change(
            row=row,
            before=before,
            hold_since=(state.hold_since or at) if is_new else None,
            ended_hold=old_hold if old_hold != state.hold_id else None,
        )
