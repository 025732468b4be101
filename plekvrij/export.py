"""`plekvrij export`: what zones were used for, as a table for a spreadsheet or an analyst.

Zones only: there is no row of a place, and a zone so small that its row would be one (`SMALLEST_ZONE`) is left out.
Every figure has beside it how much of the time was measured at all.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.ports import ZoneBin

#: Zones with fewer places say too much of single ones.
SMALLEST_ZONE = 4
#: Excel ends a sheet after this many rows (Microsoft, "Excel specifications and limits").
_XLSX_ROWS = 1_048_575
#: A cell that begins so is taken for a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Step = Literal["5min", "hour", "day"]
STEPS: tuple[Step, ...] = ("5min", "hour", "day")


@dataclass(frozen=True, slots=True)
class Row:
    """One zone in one step, in places.

    `measured_min`: minutes that have figures; `coverage_pct`: the share of their inputs that could be trusted.
    """

    start: datetime
    floor: str
    zone: str
    name: str
    capacity: int
    in_use_mean: float
    in_use_max: int
    held_mean: float
    free_mean: float
    free_min: int
    measured_min: int
    coverage_pct: float


def parse_period(from_text: str, to_text: str, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the period from the first day up to and with the last, as site time.

    Raises:
        SettingInvalid: no dates, or the last before the first.
    """
    try:
        first, last = date.fromisoformat(from_text), date.fromisoformat(to_text)
    except ValueError as error:
        raise SettingInvalid(f"--from {from_text} --to {to_text}: write days as 2026-11-01") from error
    if last < first:
        raise SettingInvalid(f"--to {last} is before --from {first}")
    return datetime.combine(first, time(), tz), datetime.combine(last + timedelta(days=1), time(), tz)


def large_enough(plan: FloorPlan) -> tuple[list[str], list[str]]:
    """Return the zones that may stand in a table, and those that are too small."""
    sizes = {zone.id: len(zone.places) for zone in plan.zone.values()}
    return (
        [zone for zone, size in sizes.items() if size >= SMALLEST_ZONE],
        [zone for zone, size in sizes.items() if size < SMALLEST_ZONE],
    )


def make_rows(plan: FloorPlan, bins: Iterable[ZoneBin], step: Step, language: str) -> list[Row]:
    """Return the bins summed up by zone and step of site time, by start, then in the order of the plan."""
    found: dict[tuple[datetime, str], list[ZoneBin]] = defaultdict(list)
    for one in bins:
        found[_step_of(one.start, plan.tz, step), one.zone].append(one)
    order = {zone: number for number, zone in enumerate(plan.zone)}
    ordered = sorted(found.items(), key=lambda item: (item[0][0], order[item[0][1]]))
    return [_row(plan, start.astimezone(plan.tz), zone, group, language) for (start, zone), group in ordered]


def write(out: Path, rows: Sequence[Row]) -> None:
    """Write the rows to a file whose name says how: `.csv`, `.xlsx` or `.parquet`. An existing file is replaced whole.

    Raises:
        SettingInvalid: another ending, a package that is missing, too many rows, or a file that cannot be written.
    """
    writer = _WRITERS.get(out.suffix)
    if writer is None:
        raise SettingInvalid(f"{out}: the name must end in {', '.join(_WRITERS)}")
    try:
        handle, name = tempfile.mkstemp(dir=out.parent, suffix=out.suffix)
    except OSError as error:
        raise SettingInvalid(f"cannot write {out}: {error.strerror}") from error
    os.close(handle)
    try:
        writer(Path(name), rows)
        Path(name).replace(out)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _step_of(at: datetime, tz: ZoneInfo, step: Step) -> datetime:
    """Return the start of the step in UTC: the hour that October has twice is two steps, a day may have 23 or 25."""
    local = at.astimezone(tz)
    if step == "day":
        return datetime.combine(local.date(), time(), tz).astimezone(UTC)
    return at if step == "5min" else at - timedelta(minutes=local.minute)


def _row(plan: FloorPlan, start: datetime, zone_id: str, bins: Sequence[ZoneBin], language: str) -> Row:
    zone, count = plan.zone[zone_id], len(bins)

    def mean(of: Callable[[ZoneBin], float]) -> float:
        return round(sum(map(of, bins)) / count, 2)

    return Row(
        start=start,
        floor=zone.floor,
        zone=zone.id,
        name=zone.name.en if language == "en" else zone.name.nl,
        capacity=max(one.capacity for one in bins),
        in_use_mean=mean(lambda one: one.in_use_avg),
        in_use_max=max(one.in_use_max for one in bins),
        held_mean=mean(lambda one: one.held_avg),
        free_mean=mean(lambda one: one.free_avg),
        free_min=min(one.free_min for one in bins),
        measured_min=5 * count,
        coverage_pct=mean(lambda one: one.coverage_pct),
    )


def _names() -> list[str]:
    return [field.name for field in fields(Row)]


def _csv(out: Path, rows: Sequence[Row]) -> None:
    """Semicolons, decimal commas and a byte-order mark: what a Dutch Excel opens with a double click."""
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(_names())
        for row in rows:
            writer.writerow([_cell(value) for value in asdict(row).values()])


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, float):
        return f"{value:g}".replace(".", ",")
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _xlsx(out: Path, rows: Sequence[Row]) -> None:
    import xlsxwriter

    if len(rows) > _XLSX_ROWS:
        raise SettingInvalid(f"{len(rows)} rows are more than a sheet holds; take --by day, or .csv")
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    book = xlsxwriter.Workbook(str(out), plain)
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    sheet = book.add_worksheet("zones")
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 0, 17)
    sheet.write_row(0, 0, _names(), book.add_format({"bold": True}))
    for number, row in enumerate(rows, start=1):
        # a sheet knows no time zones: its times are those on the wall
        sheet.write_datetime(number, 0, row.start.replace(tzinfo=None), moment)
        sheet.write_row(number, 1, list(asdict(row).values())[1:])
    book.close()


def _parquet(out: Path, rows: Sequence[Row]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SettingInvalid("Parquet needs a package more: pip install 'plekvrij[parquet]'") from error
    zone = rows[0].start.tzinfo if rows else UTC
    kinds = {
        "datetime": pyarrow.timestamp("s", str(zone)),
        "int": pyarrow.int32(),
        "float": pyarrow.float64(),
        "str": pyarrow.string(),
    }
    schema = pyarrow.schema([(field.name, kinds[str(field.type)]) for field in fields(Row)])
    parquet.write_table(pyarrow.Table.from_pylist([asdict(row) for row in rows], schema), out)


_WRITERS: dict[str, Callable[[Path, Sequence[Row]], None]] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".parquet": _parquet,
}
