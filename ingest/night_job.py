"""The night after a day, lived in a process of its own that steps aside for everything else.

It reads the store and writes one file of lines; the worker puts them into the store. Whatever happens to it, the store
knows only nights that are done.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ingest.night_settling import settle_night
from ingest.stores.night_history import NightHistory
from ingest.stores.night_rows import LessonRow, NightOrder, NightResult, TimelineRow
from workplace.floor_plan import FloorPlan
from workplace.holds.nights import told_on
from workplace.holds.wiring import Wiring
from workplace.occupancy.core import Core
from workplace.occupancy.grading import Lessons, grade_name
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import wiring_of
from workplace.occupancy.night_times import in_force_at
from workplace.occupancy.nights import Taught, by_zone, message_of, thinned
from workplace.occupancy.smoothing import Known
from workplace.occupancy.verdicts import FREE, HELD, OCCUPIED, UNKNOWN
from workplace.policy import Policy
from workplace.ports import ConnectSqlite

#: Lower: a busy machine never gets the night done; higher: it is in the way.
NICENESS: Final = 10
#: Records of the settled site in one line of the result.
_RECORDS: Final = 50
_STATES: Final = {FREE: "free", HELD: "held", OCCUPIED: "occupied", UNKNOWN: "unknown"}


class TimelinePiece(msgspec.Struct, frozen=True, tag="timeline"):
    """The day of one place, in order of time."""

    place: str
    rows: list[TimelineRow]


class SettledPiece(msgspec.Struct, frozen=True, tag="settled"):
    """Some records of how the settled site ended the day."""

    records: dict[str, str]


class ResultPiece(msgspec.Struct, frozen=True, tag="result"):
    """The last line: everything is there."""

    result: NightResult


Piece = TimelinePiece | SettledPiece | ResultPiece
_decoder: Final = msgspec.json.Decoder(Piece)
_LESSON: Final = msgspec.json.Decoder(tuple[Lessons, Core | None])


class NobodyWaits(Exception):
    """The process that ordered the night has ended; leave everything as it is."""


@dataclass(frozen=True, slots=True)
class NightTask:
    """What a night needs. It goes to another process, so that both know the same plan and policy."""

    plan: FloorPlan
    policy: Policy
    connect: ConnectSqlite
    database: Path
    order: NightOrder
    out: Path


def run(task: NightTask) -> None:
    """Live the night and leave its pieces in `task.out`; the target of the process."""
    os.nice(NICENESS)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # whoever waits for the end of our parent's words must not wait for us
    parent = multiprocessing.parent_process()

    def look() -> None:
        if parent is not None and not parent.is_alive():
            raise NobodyWaits

    try:
        with task.out.open("wb") as out:
            write_night(task, out, look)
    except NobodyWaits:
        task.out.unlink(missing_ok=True)


def write_night(task: NightTask, out: BinaryIO, look: Callable[[], None] = lambda: None) -> None:
    """Write the pieces of a night, the result last; `look` is called now and then and may raise."""
    plan, order = task.plan, task.order
    history = NightHistory(task.connect, task.database)
    before = taught_of(history.lessons(), plan)
    span = (order.begin, order.end)
    told = told_on(plan, Wiring(plan), history.events_of(plan.site, order), span)
    debounce = HiddenMarkov.of(task.policy, plan.tz).debounce
    lessons, ends = dict(before.lessons), dict[str, Core]()
    for night in by_zone(before, plan, told, span, debounce):
        for place, known in night.known.items():
            look()
            _write(out, TimelinePiece(place, [_row(place, one) for one in thinned(known)]))
        lessons |= night.taught.lessons
        ends |= night.taught.ends
    taught = Taught(order.end, lessons, ends)
    settled = settle_night(history, plan, task.policy, order, look)
    records = sorted(settled.records.items())
    for start in range(0, len(records), _RECORDS):
        piece = records[start : start + _RECORDS]
        _write(out, SettledPiece({key: body.decode() for key, body in piece}))
    result = NightResult(
        lessons=tuple(_lesson_row(plan, taught, place) for place in told),
        message=message_of(taught, plan, order.day, in_force_at(order.day, plan.tz)),
        settled=settled.day,
        facts=settled.facts,
        too_late=settled.too_late,
        settled_event=settled.rows[0],
        settled_said=settled.rows[1],
    )
    _write(out, ResultPiece(result))


def read_pieces(file: Path) -> Iterator[Piece]:
    """Yield the pieces of a night that was lived to its end."""
    with file.open("rb") as lines:
        for line in lines:
            yield _decoder.decode(line)


def taught_of(rows: list[LessonRow], plan: FloorPlan) -> Taught:
    """Return what was taught of the places as they are now; nothing of one whose sensors were changed, nor what another
    version of the model wrote."""
    mine = [row for row in rows if row.place in plan.place and wiring_of(plan.place[row.place]) == row.wiring]
    until = max((row.until for row in mine), default=None)
    lessons, ends = dict[str, Lessons](), dict[str, Core]()
    for row in mine:
        try:
            kept, end = _LESSON.decode(row.body)
        except msgspec.MsgspecError:
            continue
        if kept.fits:
            lessons[row.place] = kept
            if end is not None and row.until == until:
                ends[row.place] = end
    return Taught(until, lessons, ends)


def _lesson_row(plan: FloorPlan, taught: Taught, place: str) -> LessonRow:
    lessons = taught.lessons[place]
    body = msgspec.json.encode((lessons, taught.ends.get(place))).decode()
    until = taught.until
    assert until is not None  # noqa: S101 - a night has an end
    return LessonRow(place, until, wiring_of(plan.place[place]), grade_name(lessons), body)


def _row(place: str, known: Known) -> TimelineRow:
    occupied, held, free = (round(one, 4) for one in (known.p_occupied, known.p_held, known.p_free))
    return place, known.at, _STATES[known.verdict], occupied, held, free


def _write(out: BinaryIO, piece: Piece) -> None:
    out.write(msgspec.json.encode(piece) + b"\n")
