"""Writes the rollups that are due: which bins are closed, which must be made again, which go to the sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from ingest.rollups import (
    BIN_MS,
    DAY_MS,
    HOUR_MS,
    closed_until,
    counted_places,
    desk_hours,
    hold_days,
    zone_bins,
    zone_offers,
)
from ingest.stores.line_protocol import Line, LineEncoder
from ingest.stores.schema import DESK_LEVEL_DAYS, OUTCOMES_UNTIL, HoldEnded, TransitionRow, from_ms, to_ms
from ingest.stores.sqlite_store import SqliteStore
from ingest.stores.transaction import Transaction
from workplace.floor_plan import FloorPlan, Zone
from workplace.hold_outcomes import LEAST_PLACES, LOOK_AHEAD, LOOK_BACK, zone_outcomes

#: At most this much site time in one transaction: a long stop must not make one long commit.
_STRETCH_MS = DAY_MS
#: A hold is told this much later than its bin is closed, which is 20 minutes after its end: for 15 somebody may come
#: back and go on with it (R19).
_HOLD_GRACE_MS = 2 * BIN_MS
#: With fewer days of holds the day before is not made again: a part of its holds is gone already.
_DAYS_TO_CORRECT = 3
_BINS_UNTIL, _HOURS_UNTIL, _DAYS_UNTIL = "rolled_bins_until", "rolled_hours_until", "rolled_days_until"


class RollupWriter:
    """How far it is stands in the store, so a restart goes on where the last commit was."""

    def __init__(
        self,
        store: SqliteStore,
        plan: FloorPlan,
        encoder: LineEncoder | None,
        desk_level_days: int = DESK_LEVEL_DAYS,
    ) -> None:
        self._store = store
        self._zones = [zone for zone in plan.zone.values() if counted_places(zone)]
        self._counted = frozenset(place for zone in self._zones for place in counted_places(zone))
        self._large = {zone.id for zone in plan.zone.values() if len(zone.places) >= LEAST_PLACES}
        self._encoder = encoder
        # A day is made again from its holds, so these must be kept until well into the next.
        self._keeps_yesterday = desk_level_days >= _DAYS_TO_CORRECT

    def is_due(self, now: datetime) -> bool:
        """Return whether a bin has closed since the last run; `now` is engine time."""
        until = self._store.meta(_BINS_UNTIL)
        return until is None or closed_until(now, BIN_MS) > until

    def run(self, transaction: Transaction, now: datetime, late_from: datetime | None = None) -> list[Line]:
        """Write what is due in the open transaction; return the lines for the sink, each bin once for ever.

        Args:
            now: engine time.
            late_from: the earliest change that came after its bin was closed; from there on the rows are made
                again in the store, but not sent: the sink's points never change.
        """
        late_ms = None if late_from is None else to_ms(late_from)
        lines = self._run(transaction, now, late_ms, _BINS_UNTIL, BIN_MS, self._put_bins)
        hours_before = self._store.meta(_HOURS_UNTIL)
        lines += self._run(transaction, now, late_ms, _HOURS_UNTIL, HOUR_MS, self._put_hours)
        if self._store.meta(_HOURS_UNTIL) != hours_before:
            # The day so far, once an hour; it is sent when it is over.
            self._put_days(transaction, to_ms(now) // DAY_MS * DAY_MS, to_ms(now))
        lines += self._run(transaction, now - LOOK_AHEAD, None, OUTCOMES_UNTIL, DAY_MS, self._put_outcomes)
        late_ms = late_ms if self._keeps_yesterday else None
        return lines + self._run(transaction, now, late_ms, _DAYS_UNTIL, DAY_MS, self._put_days)

    def hold_lines(self, holds: Iterable[HoldEnded]) -> list[Line]:
        """Return the lines of holds for the sink; fixed places have none."""
        if self._encoder is None:
            return []
        made = (self._encoder.hold(hold) for hold in holds if hold.place in self._counted)
        return [line for line in made if line is not None]

    def is_told(self, hold: HoldEnded) -> bool:
        """Return whether the holds that ended with this one have been told to the sink."""
        until = self._store.meta(_BINS_UNTIL)
        return until is not None and to_ms(hold.ended_at) < until - _HOLD_GRACE_MS

    def is_late(self, at: datetime) -> bool:
        """Return whether the bin of `at` has been written already."""
        until = self._store.meta(_BINS_UNTIL)
        return until is not None and to_ms(at) < until

    def _run(
        self,
        transaction: Transaction,
        now: datetime,
        late_ms: int | None,
        key: str,
        step_ms: int,
        put: Callable[[Transaction, int, int], list[Line]],
    ) -> list[Line]:
        until = self._store.meta(key)
        if until is None:
            # Nothing is known of the time before the first run.
            transaction.set_meta(key, to_ms(now) // step_ms * step_ms)
            return []
        if late_ms is not None and late_ms < until:
            begin = max(late_ms // step_ms * step_ms, until - _STRETCH_MS)
            put(transaction, begin, until)
            transaction.count("rollups_corrected", (until - begin) // step_ms)
        end = min(closed_until(now, step_ms), until + _STRETCH_MS)
        if end <= until:
            return []
        transaction.set_meta(key, end)
        return put(transaction, until, end)

    def _put_bins(self, transaction: Transaction, begin: int, end: int) -> list[Line]:
        rows = self._store.transitions(begin, end)
        lines: list[Line] = []
        for zone in self._zones:
            bins = zone_bins(zone, self._before(zone, begin), rows, begin, end)
            transaction.put_zone_bins(bins)
            if self._encoder is not None:
                lines += [line for row in bins if (line := self._encoder.zone_bin(row)) is not None]
        transaction.put_zone_hours(from_ms(begin), from_ms(end))
        if self._encoder is not None:
            health = self._store.gateway_bins(begin, end)
            lines += [line for row in health if (line := self._encoder.gateway_bin(row)) is not None]
            ended = self._store.holds_ended(begin - _HOLD_GRACE_MS, end - _HOLD_GRACE_MS)
            lines += self.hold_lines(ended)
        return lines

    def _put_hours(self, transaction: Transaction, begin: int, end: int) -> list[Line]:
        rows = self._store.transitions(begin, end)
        lines: list[Line] = []
        for zone in self._zones:
            hours = desk_hours(zone, self._before(zone, begin), rows, begin, end)
            transaction.put_desk_hours(hours)
            if self._encoder is not None:
                lines += [line for row in hours if (line := self._encoder.desk_hour(row)) is not None]
        return lines

    def _put_outcomes(self, transaction: Transaction, begin: int, end: int) -> list[Line]:
        """Count how the holds of a day ended, and how soon places were offered again.

        Not of a zone of few places: its counts would tell of single ones.
        """
        from_at, to_at = from_ms(begin), from_ms(end)
        told = self._store.told(to_ms(from_at - LOOK_BACK), to_ms(to_at + LOOK_AHEAD))
        found = zone_outcomes(told, from_at, to_at)
        transaction.put_zone_outcomes(begin, [one for one in found if one.zone in self._large])
        turns = self._store.transitions(to_ms(from_at - LOOK_BACK), end)
        offered = zone_offers(turns, self._counted, begin, end)
        transaction.put_zone_offers(begin, [one for one in offered if one.zone in self._large])
        return []

    def _put_days(self, transaction: Transaction, begin: int, end: int) -> list[Line]:
        days = hold_days(self._store.holds_ended(begin, end), self._counted)
        transaction.put_hold_days(days, from_ms(begin), from_ms(end))
        if self._encoder is None:
            return []
        return [line for row in days if (line := self._encoder.hold_day(row)) is not None]

    def _before(self, zone: Zone, begin: int) -> dict[str, TransitionRow]:
        found = ((place, self._store.last_transition(place, begin)) for place in counted_places(zone))
        return {place: row for place, row in found if row is not None}
