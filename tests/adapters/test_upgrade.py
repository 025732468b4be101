"""A new release meets the database of an old one: taken over whole, and put back with the backup of before."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.stores.history import SqliteHistory
from ingest.stores.schema import LATER_COLUMNS, SCHEMA_VERSION
from ingest.stores.sqlite_store import SqliteStore
from plekvrij.cli import main
from plekvrij.sqlite_driver import connect
from workplace.errors import SettingInvalid

FIRST = Path(__file__).resolve().parents[1] / "captures" / "site_schema_1.sql"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def rows(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every table of schema 1 with the columns that it had then."""
    with sqlite3.connect(":memory:") as first:
        first.executescript(FIRST.read_text("utf-8"))
        tables = [row[0] for row in first.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            table: [row[1] for row in first.execute(f"PRAGMA table_info({table})")] for table in tables
        }
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as reader:
        return {
            table: sorted(reader.execute(f"SELECT {', '.join(columns[table])} FROM {table}").fetchall())
            for table in tables
            if table not in {"meta", "sqlite_sequence"}
        }


def version(database: Path) -> int:
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as reader:
        return int(reader.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()[0])


@pytest.fixture
def old_site(tmp_path: Path) -> Path:
    """The data folder that a release with schema 1 left behind when it was stopped."""
    folder = tmp_path / "data"
    folder.mkdir()
    with sqlite3.connect(folder / "site.db") as writer:
        writer.executescript(FIRST.read_text("utf-8"))
    writer.close()
    return folder


def opened(database: Path) -> None:
    """Start and stop as ingest of this release does."""
    store = SqliteStore(connect, database)
    assert store.open(NOW) is None, "nothing was taken for damage"
    store.close()


def test_an_upgrade_keeps_every_row_and_can_be_taken_back(
    old_site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `docs/how-to/look-after-a-site.md` says: copy, upgrade, look; and back to the copy."""
    database, copy = old_site / "site.db", tmp_path / "before.tar.gz"
    before = rows(database)
    assert sum(map(len, before.values())) == 6
    assert main(["backup", str(copy), "--data", str(old_site)]) == 0

    opened(database)
    assert version(database) == SCHEMA_VERSION > 1
    assert rows(database) == before
    opened(database)  # a second start changes nothing
    assert rows(database) == before
    assert SqliteHistory(connect, database).counts()["event"] == 2
    with sqlite3.connect(database) as reader:
        for table, column, _ in LATER_COLUMNS:
            assert reader.execute(f"SELECT count({column}) FROM {table}").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM zone_hour").fetchone()[0] == 1, (
            "hours of old days were summed"
        )
    reader.close()

    capsys.readouterr()
    assert main(["restore", str(copy), "--data", str(old_site)]) == 2
    assert "move the folder aside" in capsys.readouterr().err
    old_site.rename(tmp_path / "aside")
    assert main(["restore", str(copy), "--data", str(old_site)]) == 0
    assert version(database) == 1
    assert rows(database) == before
    opened(database)  # and the upgrade can be tried again
    assert rows(database) == before


def test_an_upgrade_that_is_cut_off_goes_on_at_the_next_start(old_site: Path) -> None:
    """Cut at every statement that changes something: what is there stays, and the next start ends the work."""
    before = rows(old_site / "site.db")
    whole = (old_site / "site.db").read_bytes()
    cuts = 0
    while True:
        for file in old_site.iterdir():
            file.unlink()
        database = old_site / "site.db"
        database.write_bytes(whole)
        if not _cut_after(cuts, database):
            break
        assert rows(database) == before
        opened(database)
        assert version(database) == SCHEMA_VERSION
        assert rows(database) == before
        cuts += 1
    assert cuts > len(LATER_COLUMNS)


class _Cut(Exception):
    """The power went."""


def _cut_after(statements: int, database: Path) -> bool:
    """Open the store and lose power after so many changes of its shape; return whether it came to that."""
    left = statements

    def cutting(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)

        class Wire:
            """The connection, until it is cut."""

            def execute(self, sql: str, *values: Any) -> Any:
                nonlocal left
                if sql.startswith(("ALTER", "INSERT", "UPDATE")):
                    if left == 0:
                        raise _Cut
                    left -= 1
                return connection.execute(sql, *values)

            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

        return Wire()

    store = SqliteStore(cutting, database)
    try:
        store.open(NOW)
        store.close()
    except _Cut:
        return True
    return False


def test_a_release_that_is_too_old_touches_nothing(old_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes back without the backup is told so; the database is left as it is."""
    database = old_site / "site.db"
    opened(database)
    monkeypatch.setattr("ingest.stores.sqlite_store.READABLE_VERSIONS", (1,))
    monkeypatch.setattr("ingest.stores.sqlite_store.SCHEMA_VERSION", 1)
    before = rows(database)
    with pytest.raises(SettingInvalid, match=rf"has schema {SCHEMA_VERSION}, this program writes 1"):
        SqliteStore(connect, database).open(NOW)
    assert rows(database) == before
    assert version(database) == SCHEMA_VERSION


def test_doctor_reads_a_database_of_an_earlier_release(
    old_site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One can look before the upgrade, and after it."""
    assert main(["doctor", "--data", str(old_site)]) == 0
    assert "of an earlier release (schema 1)" in capsys.readouterr().out
    opened(old_site / "site.db")
    assert main(["doctor", "--data", str(old_site)]) == 0
    assert "2 events" in capsys.readouterr().out
