"""Reads what the nights left, and what they need: facts in the order of taking in. Never blocks ingest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import merge
from typing import Any

import msgspec

from ingest.stores.event_rows import EVENT_COLUMNS, event_of
from ingest.stores.history import SqliteHistory
from ingest.stores.night_rows import LessonRow, NightOrder, TimelineRow
from ingest.stores.schema import from_ms, to_ms
from workplace.events import GatewayStatus, NightLessons, Request, SensorEvent
from workplace.holds.nights import SettledDay

#: Rows of one question: a reader that stays in one question for long keeps the log of the database from shrinking.
_ROWS = 5000
#: Clocks of devices may run ahead of their gateway's by so much (`MAX_FUTURE` and a margin).
_AHEAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """A fact as ingest took it in: at which engine time, and from which row of its table."""

    at: datetime
    row: int
    fact: SensorEvent | GatewayStatus | Request

    @property
    def is_event(self) -> bool:
        return isinstance(self.fact, SensorEvent)


@dataclass(frozen=True, slots=True)
class NightKept:
    """A night that is done."""

    day: date
    opened_at: datetime
    done_at: datetime
    upto_event: int
    upto_said: int
    policy_hash: str
    settled_event: int
    settled_said: int
    facts: int
    too_late: int
    settled: SettledDay
    message: NightLessons


class NightHistory(SqliteHistory):
    """A `SqliteHistory` that also knows the nights."""

    # Which nights

    def open_night(self) -> NightOrder | None:
        """Return the night that was begun, is not done and was not given up, None when there is none."""
        rows = self._ask(
            "SELECT day, begin_at, end_at, opened_at, upto_event, upto_said FROM night"
            " WHERE done_at IS NULL AND given_up_at IS NULL ORDER BY day DESC LIMIT 1"
        )
        if not rows:
            return None
        day, begin, end, opened, event, said = rows[0]
        return NightOrder(date.fromisoformat(day), from_ms(begin), from_ms(end), from_ms(opened), event, said)

    def last_day(self) -> date | None:
        """Return the newest day whose night has begun."""
        rows = self._ask("SELECT max(day) FROM night")
        return date.fromisoformat(rows[0][0]) if rows and rows[0][0] else None

    def first_heard(self) -> datetime | None:
        """Return when the oldest event that is kept was received."""
        rows = self._ask("SELECT min(received_at) FROM event")
        return from_ms(rows[0][0]) if rows and rows[0][0] is not None else None

    def has_heard(self, begin: datetime, end: datetime) -> bool:
        """Return whether any event was received from `begin` until before `end`."""
        return bool(
            self._ask(
                "SELECT 1 FROM event WHERE received_at >= ? AND received_at < ? LIMIT 1",
                to_ms(begin),
                to_ms(end),
            )
        )

    def nights(self, limit: int = 14) -> list[NightKept]:
        """Return the nights that are done, newest first."""
        rows = self._ask(
            "SELECT day, opened_at, done_at, upto_event, upto_said, policy_hash, settled_event, settled_said,"
            " facts, too_late, decisions, digest, total, lessons FROM night WHERE done_at IS NOT NULL"
            " ORDER BY day DESC LIMIT ?",
            limit,
        )
        return [_night_of(row) for row in rows]

    # What they left

    def lessons(self) -> list[LessonRow]:
        """Return what is known of each place, in order of their names."""
        rows = self._ask("SELECT place, until, wiring, grade, body FROM lesson ORDER BY place")
        return [
            LessonRow(place, from_ms(until), wiring, grade, body)
            for place, until, wiring, grade, body in rows
        ]

    def timeline(self, begin: datetime, end: datetime) -> list[TimelineRow]:
        """Return what is known afterwards of all places from `begin` until before `end`, by place and time.

        Days whose night is not done are left out.
        """
        return self._ask(
            "SELECT t.* FROM place_timeline t WHERE t.at >= ? AND t.at < ? AND EXISTS (SELECT 1 FROM night n"
            " WHERE n.done_at IS NOT NULL AND n.begin_at <= t.at AND t.at < n.end_at) ORDER BY t.place, t.at",
            to_ms(begin),
            to_ms(end),
        )

    def settled_records(self, day: date) -> dict[str, bytes]:
        """Return how the settled site ended a day; empty when that is no longer kept."""
        rows = self._ask("SELECT key, body FROM settled_state WHERE day = ?", day.isoformat())
        return {key: bytes(body) for key, body in rows}

    # What they need

    def events_of(self, site: str, order: NightOrder) -> Iterator[SensorEvent]:
        """Yield the events that may have been measured in the day of a night, in the order of taking in."""
        rows = self._ask(
            "SELECT min(rowid) FROM event WHERE received_at >= ? AND received_at < ?",
            to_ms(order.begin - _AHEAD),
            to_ms(order.opened_at + _AHEAD),
        )
        if rows and rows[0][0] is not None:
            for taken in self._events(site, rows[0][0] - 1, order.upto_event):
                if isinstance(taken.fact, SensorEvent):
                    yield taken.fact

    def facts(self, site: str, after: tuple[int, int], upto: tuple[int, int]) -> Iterator[Taken]:
        """Yield all facts in the order of taking in.

        Args:
            after, upto: rows of the tables `event` and `said`; the first of them excluded, the last included.
        """
        events, said = self._events(site, after[0], upto[0]), self._said(after[1], upto[1])
        yield from merge(events, said, key=lambda taken: taken.at)

    def oldest_rows(self) -> tuple[int, int]:
        """Return the oldest rows that are kept of the tables `event` and `said`, 0 for none."""
        rows = self._ask(
            "SELECT (SELECT coalesce(min(rowid), 0) FROM event), (SELECT coalesce(min(number), 0) FROM said)"
        )
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def _events(self, site: str, after: int, upto: int) -> Iterator[Taken]:
        while rows := self._ask(
            f"SELECT rowid, coalesce(taken_at, received_at), {EVENT_COLUMNS} FROM event"
            " WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?",
            after,
            upto,
            _ROWS,
        ):
            for number, at, *columns in rows:
                yield Taken(from_ms(at), number, event_of(site, tuple(columns)))
            after = rows[-1][0]

    def _said(self, after: int, upto: int) -> Iterator[Taken]:
        while rows := self._ask(
            "SELECT number, taken, body FROM said WHERE number > ? AND number <= ? ORDER BY number LIMIT ?",
            after,
            upto,
            _ROWS,
        ):
            for number, at, body in rows:
                yield Taken(datetime.fromisoformat(at), number, _SAID.decode(bytes(body)))
            after = rows[-1][0]


_SAID: msgspec.json.Decoder[GatewayStatus | Request] = msgspec.json.Decoder(GatewayStatus | Request)


def _night_of(row: tuple[Any, ...]) -> NightKept:
    day, opened, done, upto_event, upto_said, policy_hash, event, said, facts, late, *settled, lessons = row
    day = date.fromisoformat(day)
    message = msgspec.json.decode(bytes(lessons), type=NightLessons)
    return NightKept(
        day,
        from_ms(opened),
        from_ms(done),
        upto_event,
        upto_said,
        policy_hash,
        event,
        said,
        facts,
        late,
        SettledDay(day, *settled),
        message,
    )
