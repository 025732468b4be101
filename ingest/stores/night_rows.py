"""What a night writes. `Transaction` has these methods too; here so that each file stays one thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from ingest.stores.schema import to_ms
from workplace.codec import encode
from workplace.events import GatewayStatus, NightLessons, Request
from workplace.holds.nights import SettledDay
from workplace.sensor_grades import GradeName

#: place, unix ms, state, and the probabilities of occupied, held and free.
TimelineRow = tuple[str, int, str, float, float, float]


@dataclass(frozen=True, slots=True)
class NightOrder:
    """One night to live: a local day, and up to which row its facts were there when it began.

    What arrives afterwards is not looked at, so a night that is lived again gives the same.

    Attributes:
        begin, end: of the day, UTC.
        upto_event, upto_said: the newest rows of the tables `event` and `said`.
    """

    day: date
    begin: datetime
    end: datetime
    opened_at: datetime
    upto_event: int
    upto_said: int


class LessonRow(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one place: `grade` A to E, None while no day told it; `body` is JSON of lessons and ending."""

    place: str
    until: datetime
    wiring: str
    grade: GradeName | None
    body: str


class NightResult(msgspec.Struct, frozen=True):
    """What a night came to, beside its timelines.

    Attributes:
        message: for the engine; `from_at` is the hour at which it should be in force.
        settled: the settled record of the day; with how many facts taken, and how many of them too late.
        settled_event, settled_said: the first rows that the settled record of the next day begins with, less one.
    """

    lessons: tuple[LessonRow, ...]
    message: NightLessons
    settled: SettledDay
    facts: int
    too_late: int
    settled_event: int
    settled_said: int


class NightRows:
    """Thin: one method per fact, no decisions."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def add_said(self, facts: Iterable[tuple[datetime, GatewayStatus | Request]]) -> None:
        """Keep what was taken in beside events, each with the engine time of that moment."""
        self._connection.executemany(
            "INSERT INTO said (at, taken, body) VALUES (?,?,?)",
            [(to_ms(at), at.isoformat(), encode(fact)) for at, fact in facts],
        )

    def open_night(self, day: date, begin: datetime, end: datetime, now: datetime) -> NightOrder:
        """Note that the night of a day begins; everything that is stored now belongs to it."""
        (newest_event,) = self._connection.execute("SELECT coalesce(max(rowid), 0) FROM event").fetchone()
        (newest_said,) = self._connection.execute("SELECT coalesce(max(number), 0) FROM said").fetchone()
        self._connection.execute(
            "INSERT OR REPLACE INTO night (day, begin_at, end_at, opened_at, upto_event, upto_said)"
            " VALUES (?,?,?,?,?,?)",
            (day.isoformat(), to_ms(begin), to_ms(end), to_ms(now), newest_event, newest_said),
        )
        return NightOrder(day, begin, end, now, newest_event, newest_said)

    def put_timelines(self, order: NightOrder, timelines: Mapping[str, list[TimelineRow]]) -> None:
        """Write the day of some places, in place of what an interrupted night left of it."""
        self._connection.executemany(
            "DELETE FROM place_timeline WHERE place = ? AND at >= ? AND at < ?",
            [(place, to_ms(order.begin), to_ms(order.end)) for place in timelines],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO place_timeline VALUES (?,?,?,?,?,?)",
            [row for rows in timelines.values() for row in rows],
        )

    def put_settled(self, day: date, records: Mapping[str, str]) -> None:
        """Write some records of how the settled site ended the day."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO settled_state VALUES (?,?,?)",
            [(day.isoformat(), key, body.encode()) for key, body in records.items()],
        )

    def close_night(self, result: NightResult, policy_hash: str, now: datetime) -> None:
        """Write what the night taught and that it is done."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO lesson VALUES (?,?,?,?,?)",
            [(one.place, to_ms(one.until), one.wiring, one.grade, one.body) for one in result.lessons],
        )
        settled = result.settled
        self._connection.execute(
            "UPDATE night SET done_at = ?, policy_hash = ?, settled_event = ?, settled_said = ?, facts = ?,"
            " too_late = ?, decisions = ?, digest = ?, total = ?, lessons = ? WHERE day = ?",
            (
                to_ms(now),
                policy_hash,
                result.settled_event,
                result.settled_said,
                result.facts,
                result.too_late,
                settled.decisions,
                settled.digest,
                settled.total,
                encode(result.message),
                settled.day.isoformat(),
            ),
        )

    def give_up_night(self, day: date, now: datetime) -> None:
        """Note that a night cannot be lived, so that the ones after it can."""
        self._connection.execute(
            "UPDATE night SET given_up_at = ? WHERE day = ? AND done_at IS NULL",
            (to_ms(now), day.isoformat()),
        )

    def forget_settled(self, *, keep: int, at_most: int) -> None:
        """Delete up to `at_most` records of settled sites but those of the newest `keep` nights that are done."""
        self._connection.execute(
            "DELETE FROM settled_state WHERE (day, key) IN (SELECT day, key FROM settled_state WHERE day <"
            " (SELECT min(day) FROM (SELECT day FROM night WHERE done_at IS NOT NULL ORDER BY day DESC LIMIT ?))"
            " LIMIT ?)",
            (keep, at_most),
        )
