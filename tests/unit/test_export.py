"""Tables of zones: sums that are right, days that have 25 hours, cells that stay cells."""

from __future__ import annotations

import csv
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from plekvrij.export import Row, large_enough, make_rows, parse_period, write
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.ports import ZoneBin

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZONE = "3-stilte"


def bin_at(start: datetime, *, in_use: float = 2.0, zone: str = ZONE, coverage_pct: float = 100.0) -> ZoneBin:
    return ZoneBin(zone, start, in_use, round(in_use) + 1, 1.0, 22.0 - in_use, 20, 25, coverage_pct)


def bins(first: datetime, count: int) -> list[ZoneBin]:
    return [bin_at(first + timedelta(minutes=5 * n), in_use=float(n % 12)) for n in range(count)]


def test_an_hour_is_the_mean_of_its_bins_and_the_extremes_of_all(example_plan: FloorPlan) -> None:
    rows = make_rows(example_plan, bins(datetime(2026, 11, 24, 8, tzinfo=UTC), 24), "hour", "nl")
    assert [row.start.isoformat() for row in rows] == [
        "2026-11-24T09:00:00+01:00",
        "2026-11-24T10:00:00+01:00",
    ]
    assert rows[0] == Row(
        start=datetime(2026, 11, 24, 9, tzinfo=AMSTERDAM), floor="f3", zone=ZONE, name="Stilte", capacity=25,
        in_use_mean=5.5, in_use_max=12, held_mean=1.0, free_mean=16.5, free_min=20, measured_min=60, coverage_pct=100.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-24", 24)],
    ids=["spring", "autumn", "winter"],
)
def test_days_are_those_of_the_building(example_plan: FloorPlan, day: str, hours: int) -> None:
    first, last = parse_period(day, day, AMSTERDAM)
    count = int((last.astimezone(UTC) - first.astimezone(UTC)) / timedelta(minutes=5))
    assert count == 12 * hours
    made = bins(first.astimezone(UTC), count)
    assert [row.measured_min for row in make_rows(example_plan, made, "day", "nl")] == [60 * hours]
    by_hour = make_rows(example_plan, made, "hour", "nl")
    assert [row.measured_min for row in by_hour] == [60] * hours
    assert len(make_rows(example_plan, made, "5min", "nl")) == count


CHOSEN = st.sets(st.integers(0, 12 * 24 * 3 - 1), min_size=1, max_size=80)


@given(chosen=CHOSEN, step=st.sampled_from(["5min", "hour", "day"]))
def test_nothing_is_lost_or_counted_twice(example_plan: FloorPlan, chosen: set[int], step: str) -> None:
    first = datetime(2026, 10, 24, 0, tzinfo=UTC)  # over the end of summer time
    made = [bin_at(first + timedelta(minutes=5 * n), in_use=float(n % 7)) for n in sorted(chosen)]
    rows = make_rows(example_plan, made, step, "en")  # type: ignore[arg-type]
    assert sum(row.measured_min for row in rows) == 5 * len(made)
    total = sum(row.in_use_mean * row.measured_min / 5 for row in rows)
    assert total == pytest.approx(sum(one.in_use_avg for one in made), abs=0.01 * len(made))
    starts = [row.start.astimezone(UTC) for row in rows]  # October has an hour twice
    assert starts == sorted(starts)


def test_a_zone_that_is_nearly_a_place_is_left_out(small_plan: FloorPlan, example_plan: FloorPlan) -> None:
    assert large_enough(small_plan) == (["1-werken", "1-ontmoeten"], [])  # 8 and 4 places
    kept, left = large_enough(example_plan)
    assert not {zone for zone in kept if len(example_plan.zone[zone].places) < 4}
    assert not {zone for zone in left if len(example_plan.zone[zone].places) >= 4}


def one_row(**more: object) -> Row:
    first = datetime(2026, 11, 24, 9, tzinfo=AMSTERDAM)
    facts: dict[str, object] = {
        "start": first, "floor": "f3", "zone": ZONE, "name": "Stilte", "capacity": 25, "in_use_mean": 5.25,
        "in_use_max": 12, "held_mean": 1.0, "free_mean": 16.5, "free_min": 0, "measured_min": 60, "coverage_pct": 99.5,
    }  # fmt: skip
    return Row(**(facts | more))  # type: ignore[arg-type]


def test_csv_opens_in_a_dutch_spreadsheet(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [one_row(name="=1+1"), one_row(name='a;"b"')])
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfstart;floor;")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        head, first, second = csv.reader(file, delimiter=";")
    assert dict(zip(head, first, strict=True))["in_use_mean"] == "5,25"
    assert dict(zip(head, first, strict=True))["start"] == "2026-11-24T09:00+01:00"
    assert (first[3], second[3]) == ("'=1+1", 'a;"b"')


def test_a_workbook_holds_texts_and_no_formulas(tmp_path: Path) -> None:
    write(tmp_path / "a.xlsx", [one_row(name="=1+1")])
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "=1+1" in sheet
    assert "<f>" not in sheet
    assert "<v>46350.375</v>" in sheet  # 2026-11-24 09:00, days since 1899-12-30


def test_parquet_keeps_kinds_and_time_zone(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [one_row(), one_row(in_use_max=13)])
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.schema.field("start").type.tz == "Europe/Amsterdam"
    assert table.column("in_use_max").to_pylist() == [12, 13]
    assert table.column("start").to_pylist()[0] == datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.parquet"])
def test_no_rows_are_a_table_too(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [])
    assert (tmp_path / name).stat().st_size > 20


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match=r"must end in \.csv"):
        write(tmp_path / "a.pdf", [])
    with pytest.raises(SettingInvalid, match="cannot write"):
        write(tmp_path / "nowhere" / "a.csv", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "last"), [("2026-11-02", "2026-11-01"), ("yesterday", "2026-11-01"), ("2026-11", "x")]
)
def test_an_impossible_period(first: str, last: str) -> None:
    with pytest.raises(SettingInvalid, match="--from"):
        parse_period(first, last, AMSTERDAM)
