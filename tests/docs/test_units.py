"""The units in `deploy/`: systemd takes them, they name settings that exist, and the nightly copy really copies."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.stores.sqlite_store import SqliteStore
from plekvrij.cli import COMMANDS
from plekvrij.options import OPTIONS
from plekvrij.sqlite_driver import connect

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD_ANALYZE = shutil.which("systemd-analyze") or "/usr/bin/systemd-analyze"
UNITS = sorted((ROOT / "deploy").glob("plekvrij-*.*"))


def test_all_units_are_looked_at() -> None:
    assert [unit.name for unit in UNITS] == [
        "plekvrij-backup.service", "plekvrij-backup.timer", "plekvrij-gateway@.service", "plekvrij-site.service",
        "plekvrij-wall@.service",
    ]  # fmt: skip


def test_systemd_takes_them_all(tmp_path: Path) -> None:
    copies = []
    for unit in UNITS:
        copy = tmp_path / unit.name.replace("@.", "@x.")
        # the programs are not installed here
        copy.write_text(
            re.sub(r"/opt/plekvrij/bin/plekvrij|/usr/bin/cage", "/bin/true", unit.read_text("utf-8"))
        )
        copies.append(str(copy))
    done = subprocess.run(
        [SYSTEMD_ANALYZE, "verify", "--man=no", "--recursive-errors=no", *copies],
        capture_output=True, text=True, check=False, env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "plekvrij" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def commands(unit: Path) -> list[list[str]]:
    """Return the words after `plekvrij` of each start of our program."""
    found = re.findall(
        r"^ExecStart=.*?/opt/plekvrij/bin/plekvrij (.*)$", unit.read_text("utf-8"), re.MULTILINE
    )
    return [shlex.split(line.rstrip("'")) for line in found]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if commands(unit)], ids=lambda unit: unit.name)
def test_they_start_what_exists(unit: Path) -> None:
    for command, *words in commands(unit):
        flags = [word.removeprefix("--") for word in words if word.startswith("--")]
        assert set(flags) <= set(COMMANDS[command].options), unit
    named = re.findall(r"PLEKVRIJ_([A-Z_]+)=", unit.read_text("utf-8"))
    assert {name.lower().replace("_", "-") for name in named} <= set(OPTIONS)


def test_the_nightly_copy_is_made_and_old_ones_go(tmp_path: Path) -> None:
    """Run the two lines of the unit as systemd would, in folders of our own."""
    data, copies, documents = tmp_path / "data", tmp_path / "copies", tmp_path / "etc"
    copies.mkdir()
    documents.mkdir()
    (documents / "site.plan.yaml").write_text("a\n")
    (documents / "site.policy.yaml").write_text("b\n")
    store = SqliteStore(connect, data / "site.db")
    store.open(datetime.now(UTC))
    store.close()
    old, young = copies / "site-20260101T051000.tar.gz", copies / "site-20260112T051000.tar.gz"
    for file, days in ((old, 14.5), (young, 12.5)):
        file.write_text("x")
        os.utime(file, (time.time() - days * 86_400,) * 2)
    text = (ROOT / "deploy" / "plekvrij-backup.service").read_text("utf-8")
    for there, here in (
        ("/opt/plekvrij/bin/plekvrij", str(Path(sys.executable).parent / "plekvrij")),
        ("/var/lib/plekvrij-site", str(data)),
        ("/var/backups/plekvrij", str(copies)),
        ("/etc/plekvrij/site", str(documents / "site")),
        ("%%", "%"),
        ("$$", "$"),
    ):
        text = text.replace(there, here)
    kept = re.search(r"^Environment=KEEP_DAYS=(\d+)$", text, re.MULTILINE)
    assert kept is not None
    for line in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
        subprocess.run(
            shlex.split(line), check=True, env=os.environ | {"KEEP_DAYS": kept[1]}, capture_output=True
        )
    names = sorted(file.name for file in copies.iterdir())
    assert old.name not in names
    assert young.name in names
    assert len(names) == 2
    assert re.fullmatch(r"site-\d{8}T\d{6}\.tar\.gz", names[-1])
