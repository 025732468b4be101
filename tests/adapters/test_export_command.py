"""`plekvrij export` on the store of a real site."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.stores.sqlite_store import SqliteStore
from plekvrij.cli import main
from plekvrij.sqlite_driver import connect
from workplace.ports import ZoneBin

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = SqliteStore(connect, tmp_path / "site.db")
    store.open(NINE)
    made = [
        ZoneBin(zone, NINE + timedelta(minutes=5 * n), 4.0, 5, 1.0, 20.0, 19, 25, 96.0)
        for zone in ("3-stilte", "3-ontmoeten")
        for n in range(24)
    ]
    with store.transaction() as writing:
        writing.put_zone_bins(made)
    store.close()
    return tmp_path


def export(*arguments: str, days: tuple[str, str] = ("2026-11-24", "2026-11-24")) -> int:
    return main(["export", *arguments, "--from", days[0], "--to", days[1]])


def test_a_day_by_the_hour(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "november.csv"
    assert export(str(out), "--data", str(data)) == 0
    assert "4 rows of 2 zones" in capsys.readouterr().out
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [(row["zone"], row["start"][11:16], row["in_use_mean"], row["measured_min"]) for row in rows] == [
        (zone, hour, "4", "60") for hour in ("09:00", "10:00") for zone in ("3-ontmoeten", "3-stilte")
    ]  # in the order of the plan
    assert export(str(out), "--data", str(data), "--by", "day", days=("2026-11-25", "2026-11-30")) == 0
    assert out.read_text("utf-8-sig").count("\n") == 1  # only the head


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.csv", "--by", "week"], "--by week"),
        (["a.txt"], "must end in"),
        (["a.csv", "--lang", "fr"], "unknown language"),
    ],
)
def test_what_is_wrong_is_said(
    data: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(*arguments, "--data", str(data)) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_a_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("a.csv", "--data", str(tmp_path)) == 2
    assert "does not exist" in capsys.readouterr().err
