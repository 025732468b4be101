"""Ground truth against what the screens showed, printed per floor."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingest.stores.history import SqliteHistory
from plekvrij import sqlite_driver
from workplace.floor_plan import FloorPlan
from workplace.metrics import Agreement, ShownChange, TruthChange, agreement

#: A range that holds every transition.
ALL_TIME = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

_truth_decoder = msgspec.json.Decoder(TruthChange)


def read_truth(file: Path) -> list[TruthChange]:
    """Return the truth that the building wrote; a torn last line is left out."""
    changes: list[TruthChange] = []
    for line in file.read_bytes().splitlines():
        try:
            changes.append(_truth_decoder.decode(line))
        except msgspec.DecodeError:
            print(f"{file}: one line is not complete and is left out", file=sys.stderr)
    return changes


def read_shown(database: Path) -> list[ShownChange]:
    """Return every phase that was shown, from the store."""
    history = SqliteHistory(sqlite_driver.connect, database)
    return [ShownChange(t.place, t.at, t.phase, t.occupancy) for t in history.place_transitions(*ALL_TIME)]


def print_agreement(plan: FloorPlan, truth_file: Path, database: Path) -> None:
    """Print the table to stdout; say so when there is nothing to compare."""
    if not truth_file.exists() or not database.exists():
        print("no ground truth was written, nothing to compare", file=sys.stderr)
        return
    truth, shown = read_truth(truth_file), read_shown(database)
    if not truth or not shown:
        print("the demo was too short to compare anything", file=sys.stderr)
        return
    floor_of = {place.id: place.floor for place in plan.place.values()}
    from_at = min(change.at for change in shown)
    to_at = max(max(change.at for change in truth), max(change.at for change in shown))
    found = agreement(truth, shown, floor_of=floor_of, from_at=from_at, to_at=to_at)
    names = {floor.id: f"{floor.number} {floor.name.en}" for floor in plan.floors}
    print_table(
        [*((names[floor], found[floor]) for floor in names if floor in found), ("all floors", found["total"])]
    )


def print_table(rows: Iterable[tuple[str, Agreement]]) -> None:
    """Print one line per row: what was right, and how often a place turned free under somebody."""
    print(f"\n{'ground truth against screens':<28}{'right':>8}{'F1 in use':>11}{'false releases':>16}"
          f"{'per 1,000 h':>13}{'occupied h':>12}{'coverage':>10}")  # fmt: skip
    for name, row in rows:
        print(f"{name:<28}{percent(row.accuracy):>8}{number(row.f1_occupied, 3):>11}{row.false_releases:>16}"
              f"{number(row.false_releases_per_1000_h, 0):>13}{row.occupied_h:>12.1f}{percent(row.coverage):>10}",
              flush=True)  # fmt: skip


def percent(share: float | None) -> str:
    """Return a share of 0-1 as text, `-` where nothing was measured."""
    return "-" if share is None else f"{share:.1%}"


def number(value: float | None, digits: int) -> str:
    """Return a number as text, `-` where nothing was measured."""
    return "-" if value is None else f"{value:.{digits}f}"
