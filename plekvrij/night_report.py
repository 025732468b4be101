"""`plekvrij nights`: what the last night made of the day before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ingest.stores.night_history import NightHistory, NightKept
from ingest.stores.night_rows import LessonRow, TimelineRow
from plekvrij import sqlite_driver
from plekvrij.wiring import Site
from workplace.errors import SettingInvalid
from workplace.occupancy.day import moment_of
from workplace.occupancy.night_times import bounds
from workplace.occupancy.rates import BUSY, TRAFFIC
from workplace.sensor_grades import QUALITY_OF, QUALITY_WORDS

#: Places named in a line of text; `--json` names all.
_NAMED = 20


def run_nights(site: Site, data: Path, timeline: Path | None, *, as_json: bool) -> int:
    """Print the last night to stdout, and write its timeline when asked; return 0.

    Raises:
        SettingInvalid: there was no night yet, or the file cannot be written.
    """
    history = NightHistory(sqlite_driver.connect, data / "site.db")
    nights = history.nights(1)
    if not nights:
        raise SettingInvalid(f"{data} holds no night yet; the first one begins at 03:30 after the first day")
    night, lessons = nights[0], history.lessons()
    for line in _as_json(night, lessons) if as_json else _as_text(site, night, lessons):
        print(line)
    if timeline is not None:
        rows = history.timeline(*bounds(night.day, site.plan.tz))
        try:
            with timeline.open("wb") as out:
                out.writelines(msgspec.json.encode(_moment(row)) + b"\n" for row in rows)
        except OSError as error:
            raise SettingInvalid(f"cannot write {timeline}: {error}") from error
    return 0


def _as_json(night: NightKept, lessons: list[LessonRow]) -> Iterator[str]:
    yield json.dumps(
        {
            "day": str(night.day),
            "begun": night.opened_at.isoformat(),
            "done": night.done_at.isoformat(),
            "in_force_from": night.message.from_at.isoformat(),
            "facts": night.facts,
            "too_late": night.too_late,
            "decisions": night.settled.decisions,
            "digest": night.settled.digest,
            "total": night.settled.total,
            "policy_hash": night.policy_hash,
        }
    )
    for row in lessons:
        habits = night.message.places.get(row.place)
        yield json.dumps(
            {
                "place": row.place,
                "grade": row.grade,
                "until": row.until.isoformat(),
                "passers_by_per_h": None if habits is None else TRAFFIC[habits.traffic],
                "busy": None if habits is None else [BUSY[one] for one in habits.busy],
            }
        )


def _as_text(site: Site, night: NightKept, lessons: list[LessonRow]) -> Iterator[str]:
    def clock(at: datetime) -> str:
        return f"{at.astimezone(site.plan.tz):%Y-%m-%d %H:%M}"

    yield f"day            {night.day}"
    yield f"lived          {clock(night.opened_at)} to {clock(night.done_at)}"
    yield f"decides from   {clock(night.message.from_at)}"
    yield f"facts          {night.facts}, {night.too_late} of them too late to count"
    yield f"as it happened {night.settled.digest}, {night.settled.decisions} decisions"
    for quality, words in QUALITY_WORDS.items():
        mine = [row for row in lessons if row.grade is not None and QUALITY_OF[row.grade] == quality]
        places = [f"{row.place} ({row.grade})" for row in mine]
        yield _sensors(words.en, places, is_named=quality == "poor")
    unknown = [row.place for row in lessons if row.grade is None]
    yield _sensors("not known yet", unknown, is_named=False)


def _sensors(word: str, places: list[str], *, is_named: bool) -> str:
    names = f": {', '.join(places[:_NAMED])}" if places and is_named else ""
    more = f" and {len(places) - _NAMED} more" if is_named and len(places) > _NAMED else ""
    return f"sensors {word:<13} {len(places)}{names}{more}"


def _moment(row: TimelineRow) -> dict[str, Any]:
    place, at, state, occupied, held, free = row
    return {
        "place": place,
        "at": moment_of(at),
        "state": state,
        "p_occupied": occupied,
        "p_held": held,
        "p_free": free,
    }
