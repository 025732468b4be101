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
from plekvrij.mosquitto_files import write_files
from plekvrij.options import OPTIONS
from plekvrij.sqlite_driver import connect
from workplace.floor_plan import FloorPlan

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD_ANALYZE = shutil.which("systemd-analyze") or "/usr/bin/systemd-analyze"
UNITS = sorted(file for file in (ROOT / "deploy").glob("plekvrij-*.*") if file.is_file())
DROP_IN = ROOT / "deploy" / "plekvrij-site.service.d" / "broker.conf"
#: What `systemd-analyze security` may say at most, tenths: 100 is a program that may do everything. A wall screen is a
#: browser that builds its own sandbox and is left out.
MOST_EXPOSED = {"plekvrij-enrol": 16, "plekvrij-site": 18, "plekvrij-gateway@": 23, "plekvrij-backup": 20}


def test_all_units_are_looked_at() -> None:
    assert [unit.name for unit in UNITS] == [
        "plekvrij-backup.service", "plekvrij-backup.timer", "plekvrij-enrol.service", "plekvrij-gateway@.service",
        "plekvrij-site.service", "plekvrij-wall@.service",
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


def test_systemd_takes_the_drop_in_and_would_say_what_is_wrong_with_it(tmp_path: Path) -> None:
    def said(broker: str) -> list[str]:
        unit = tmp_path / "plekvrij-site.service"
        site = (ROOT / "deploy" / unit.name).read_text("utf-8")
        unit.write_text(site.replace("/opt/plekvrij/bin/plekvrij", "/bin/true"))
        (tmp_path / "plekvrij-site.service.d").mkdir(exist_ok=True)
        (tmp_path / "plekvrij-site.service.d" / DROP_IN.name).write_text(broker)
        done = subprocess.run(
            [SYSTEMD_ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(unit)],
            capture_output=True, text=True, check=False,
            env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )  # fmt: skip
        return [line for line in done.stderr.splitlines() if "plekvrij" in line]

    text = DROP_IN.read_text("utf-8")
    assert said(text) == []
    assert said(text.replace("LoadCredential=ingest", "LoadCredentials=ingest")) != []


def test_the_drop_in_loads_what_a_site_reads(tmp_path: Path, small_plan: FloorPlan) -> None:
    """Each credential that `plekvrij serve` looks for in a folder is loaded, under the name that it looks for."""
    write_files(small_plan, tmp_path)
    loaded = dict(
        re.findall(r"^LoadCredential=([^:]+):.*/credentials/(.+)$", DROP_IN.read_text("utf-8"), re.MULTILINE)
    )
    assert set(loaded) == {"ingest.json", "dashboard.json", "notifier.json", "preflight.json"}
    assert all(name == file and (tmp_path / "credentials" / file).exists() for name, file in loaded.items())
    named = re.findall(r"PLEKVRIJ_([A-Z_]+)=", DROP_IN.read_text("utf-8"))
    assert {name.lower().replace("_", "-") for name in named} <= set(OPTIONS)


def test_mosquitto_reads_what_was_made_for_it_and_only_that() -> None:
    """An empty ExecStart first: systemd would start both."""
    text = (ROOT / "deploy" / "mosquitto.service.d" / "plekvrij.conf").read_text("utf-8")
    started = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert started == ["", "/usr/sbin/mosquitto -c /etc/mosquitto/plekvrij/mosquitto.conf"]
    folders = re.findall(
        r"/etc/mosquitto/plekvrij", (ROOT / "plekvrij" / "broker_files_command.py").read_text("utf-8")
    )
    assert folders, "the command names the same folder"


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_service_may_do_little(name: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{name.replace('@', '@x')}.service"
    text = (ROOT / "deploy" / f"{name}.service").read_text("utf-8")
    copy.write_text(text.replace("/opt/plekvrij/bin/plekvrij", "/bin/true"))
    done = subprocess.run(
        [SYSTEMD_ANALYZE, "security", "--offline=true", f"--threshold={MOST_EXPOSED[name]}", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


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
