"""Backups of a store that is being written, and what becomes of a file that is not whole."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.stores.sqlite_store import SqliteStore
from plekvrij.backup import backup, restore
from plekvrij.cli import main
from plekvrij.sqlite_driver import connect
from workplace.errors import SettingInvalid
from workplace.events import SensorEvent

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


def event(number: int) -> SensorEvent:
    return SensorEvent(
        id=f"event-{number:06d}", site="hq", gateway="gw-1", device="d1", kind="motion", value=True, measured_at=NINE,
        clock="device", uncertainty_ms=5, received_at=NINE + timedelta(milliseconds=number),
    )  # fmt: skip


class Writer:
    """Commits one event after the other, as ingest does, until the block ends."""

    def __init__(self, path: Path) -> None:
        self.committed = 0
        self.moved = threading.Condition()
        self._path, self._stop = path, threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        store = SqliteStore(connect, self._path)
        store.open(NINE)
        while not self._stop.is_set():
            with store.transaction() as writing:
                writing.add_events([event(self.committed)])
            with self.moved:
                self.committed += 1
                self.moved.notify_all()
        store.close()

    def wait_for(self, count: int) -> None:
        with self.moved:
            assert self.moved.wait_for(lambda: self.committed >= count, 60)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def numbers(database: Path) -> list[str]:
    with sqlite3.connect(database) as reader:
        return [row[0] for row in reader.execute("SELECT id FROM event ORDER BY id")]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    with Writer(folder / "site.db") as writer:
        writer.wait_for(3)
        for name in (
            "walks/f3.json",
            "policies/000001.json",
            "taps/2026-11-24.ndjson",
            "screens/links.json",
        ):
            (folder / name).parent.mkdir()
            (folder / name).write_text("{}")
        (folder / "credentials").mkdir()
        (folder / "credentials" / "ingest.json").write_text("secret")
        yield folder


def test_a_copy_of_a_running_site_is_one_instant_and_starts_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Writer(folder / "site.db") as writer:
        writer.wait_for(20)
        before = writer.committed
        backup(folder, tmp_path / "copy.tar.gz")
        after = writer.committed
        writer.wait_for(after + 5)  # writing went on
    restore(tmp_path / "copy.tar.gz", tmp_path / "again")
    found = numbers(tmp_path / "again" / "site.db")
    assert found == [f"event-{n:06d}" for n in range(len(found))]
    assert before <= len(found) <= after + 1
    with Writer(tmp_path / "again" / "site.db") as later:
        later.wait_for(1)


def test_everything_but_secrets_comes_back(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "town.plan.yaml"
    plan.write_text("version: 1\n")
    copy = tmp_path / "copy.tar.gz"
    assert main(["backup", str(copy), "--data", str(data), "--plan", str(plan)]) == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert main(["restore", str(copy), "--data", str(tmp_path / "again")]) == 0
    assert "site.db" in capsys.readouterr().out
    names = sorted(
        str(p.relative_to(tmp_path / "again")) for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    assert names == [
        "documents/town.plan.yaml",
        "policies/000001.json",
        "screens/links.json",
        "site.db",
        "taps/2026-11-24.ndjson",
        "walks/f3.json",
    ]
    assert not list(tmp_path.glob(".plekvrij-*"))


def test_nothing_is_written_over(tmp_path: Path, data: Path) -> None:
    copy = tmp_path / "copy.tar.gz"
    backup(data, copy)
    kept = copy.read_bytes()
    with pytest.raises(SettingInvalid, match="exists"):
        backup(data, copy)
    assert copy.read_bytes() == kept
    with pytest.raises(SettingInvalid, match="not empty"):
        restore(copy, data)
    with pytest.raises(SettingInvalid, match=r"holds no site\.db"):
        backup(tmp_path / "elsewhere", tmp_path / "other")


def test_a_damaged_database_is_not_copied(tmp_path: Path, data: Path) -> None:
    (data / "channels.db").write_bytes(b"SQLite format 3\0" + bytes(4000))
    with pytest.raises(SettingInvalid, match=r"channels\.db"):
        backup(data, tmp_path / "copy.tar.gz")
    assert not (tmp_path / "copy.tar.gz").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, data: Path, share: float) -> None:
    copy = tmp_path / "copy.tar.gz"
    backup(data, copy)
    whole = copy.read_bytes()
    copy.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SettingInvalid, match=r"no whole backup|damaged|was not written"):
        restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def rewritten(copy: Path, change: str) -> None:
    """Write the archive again with one change that its checks must see."""
    with tarfile.open(copy) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    manifest = json.loads(members[0][1])
    if change == "a byte":
        body = bytearray(members[1][1])
        body[len(body) // 2] ^= 1
        members[1] = (members[1][0], bytes(body))
    elif change == "a file more":
        members.append((tarfile.TarInfo("more.db"), b"x"))
    elif change == "a name outside":
        manifest["files"][0]["name"] = members[1][0].name = "../site.db"
    elif change == "a link":
        members[1][0].type, members[1][0].linkname = tarfile.SYMTYPE, "/etc/passwd"
        members[1] = (members[1][0], b"")
    elif change == "another kind":
        manifest["kind"] = "something"
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for number, (member, body) in enumerate(members):
            content = json.dumps(manifest).encode() if number == 0 else bytes(body)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    copy.write_bytes(gzip.compress(written.getvalue(), 1))


@pytest.mark.parametrize("change", ["a byte", "a file more", "a name outside", "a link", "another kind"])
def test_a_file_that_somebody_changed_is_refused(tmp_path: Path, data: Path, change: str) -> None:
    copy = tmp_path / "copy.tar.gz"
    backup(data, copy)
    rewritten(copy, change)
    with pytest.raises(SettingInvalid):
        restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert not (tmp_path / "site.db").exists()
