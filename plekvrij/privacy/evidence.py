"""Everything that somebody with full access can read of a site: files, tables, backup, export."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from plekvrij import sqlite_driver
from plekvrij.backup import backup
from plekvrij.privacy.traces import Evidence
from simulators.carried import CARRIED_FILE
from workplace.errors import WorkplaceError
from workplace.floor_plan import FloorPlan

#: Made by whoever set the site up: addresses of switches and sensors stand there, and nothing arrives there by itself.
_WRITTEN_BY_HAND = (".toml", ".conf", ".yaml", "ble.json", "switches.json")
_WORDLESS = (".db", "-wal", "-shm", ".blk", ".dat", ".sum", ".idx")


def files_of(folder: Path) -> Iterator[Evidence]:
    """Yield every file, byte for byte; what is carried in a simulation is the only one left out."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name == CARRIED_FILE:
            continue
        name = str(file.relative_to(folder))
        is_text = not name.endswith((*_WORDLESS, *_WRITTEN_BY_HAND)) and "credentials" not in file.parts
        try:
            yield Evidence(f"file {name}", file.read_bytes(), is_text)
        except OSError:
            continue  # gone meanwhile, as journals go


def tables_of(folder: Path) -> Iterator[Evidence]:
    """Yield every column of every table of every database: the values one below the other."""
    for file in sorted(folder.rglob("*.db")):
        name = str(file.relative_to(folder))
        try:
            connection = sqlite_driver.connect(file.resolve().as_uri() + "?mode=ro", uri=True)
        except Exception:  # noqa: BLE001, S112 - index files of the broker are called .db too
            continue
        try:
            yield from _columns(connection, name)
        finally:
            connection.close()


def _columns(connection: Any, name: str) -> Iterator[Evidence]:
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    except Exception:  # noqa: BLE001 - no database of ours
        return
    for table in tables:
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        for column in columns:
            values = connection.execute(f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')
            data = b"\n".join(v if isinstance(v, bytes) else str(v).encode() for (v,) in values)
            yield Evidence(f"table {name}:{table}.{column}", data)


def backup_of(folder: Path) -> Iterator[Evidence]:
    """Make a backup as an administrator would, and yield what is in it."""
    with tempfile.TemporaryDirectory(prefix="plekvrij-attack-") as name:
        file = Path(name) / "copy.tar.gz"
        backup(folder, file)
        with tarfile.open(file) as archive:
            for member in archive.getmembers():
                stream = archive.extractfile(member)
                if stream is not None:
                    yield Evidence(
                        f"backup {member.name}", stream.read(), not member.name.endswith(_WORDLESS)
                    )


def export_of(folder: Path, plan: FloorPlan, day: date) -> Iterator[Evidence]:
    """Export a week around a day as an analyst would."""
    from ingest.stores.history import SqliteHistory
    from plekvrij import export

    with tempfile.TemporaryDirectory(prefix="plekvrij-attack-") as name:
        begin, end = (str(day + timedelta(days=days)) for days in (-6, 1))
        zones, _ = export.large_enough(plan)
        try:
            history = SqliteHistory(sqlite_driver.connect, folder / "site.db")
            bins = history.zone_bins(zones, *export.parse_period(begin, end, plan.tz))
            out = Path(name) / "export.csv"
            export.write(out, export.make_rows(plan, bins, "5min", "nl"))
        except WorkplaceError:
            return  # nothing of zones yet
        yield Evidence("export 5min", out.read_bytes())
