"""One ingest per data folder, with real processes that hold the lease and die."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.lease import LeaseTaken, lease_of
from workplace.errors import SettingInvalid, StoreUnavailable

ROOT = Path(__file__).resolve().parents[2]
_HOLDER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ingest.lease import lease_of
async def hold():
    async with lease_of(Path({database!r}), patience_s=0):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(hold())
"""


@contextmanager
def holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease until its stdin ends."""
    script = _HOLDER.format(root=str(ROOT), database=str(database))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


async def take(database: Path, patience_s: float = 0.0) -> None:
    async with lease_of(database, patience_s=patience_s):
        pass


def test_a_second_one_is_told_who_works_there_and_what_to_do(tmp_path: Path) -> None:
    database = tmp_path / "data" / "site.db"
    with holder(database) as first:
        with pytest.raises(LeaseTaken) as refused:
            asyncio.run(take(database))
        assert f"process {first.pid} since 20" in str(refused.value)
        assert str(database) in str(refused.value)
        assert "--data" in str(refused.value)
        assert isinstance(refused.value, SettingInvalid), "the command line shows it and ends with 2"


def test_after_the_first_one_was_killed_the_next_takes_over(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with holder(database) as first:
        first.kill()
        first.wait(15)
        asyncio.run(take(database))


def test_one_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    database = tmp_path / "site.db"

    async def story() -> None:
        with holder(database) as first:
            waiting = asyncio.ensure_future(take(database, 60.0))
            await asyncio.sleep(0)
            assert first.stdin is not None
            first.stdin.close()
            await waiting

    asyncio.run(story())


def test_a_lease_can_be_held_again_and_another_folder_is_free(tmp_path: Path) -> None:
    async def story() -> None:
        for _ in range(2):
            async with lease_of(tmp_path / "site.db", patience_s=0):
                await take(tmp_path / "other.db")
                with pytest.raises(LeaseTaken):
                    await take(tmp_path / "site.db")

    asyncio.run(story())


def test_a_folder_that_takes_no_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "site.db.lease").mkdir()  # as on a read-only file system: it cannot be opened for writing
    with pytest.raises(StoreUnavailable, match=r"site\.db\.lease cannot be written"):
        asyncio.run(take(tmp_path / "site.db"))


def test_a_full_disk_does_not_keep_ingest_from_its_lease(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    asyncio.run(take(database))  # the file is there, as after any start
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"  # no byte more in any file
    script = _HOLDER.format(root=str(ROOT), database=str(database)).replace(
        "import asyncio", f"{full}\nimport asyncio"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input="", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "held\n", done.stderr
