"""The house itself: what is packaged, how large rooms may be, that the papers tell the truth."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from plekvrij import reference
from plekvrij.cli import COMMANDS
from plekvrij.options import OPTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = (
    "workplace",
    "firmware_bridge",
    "gateway",
    "ingest",
    "dashboard",
    "simulators",
    "laptop_note",
    "plekvrij",
)
#: Tables of facts may be longer than a program file.
TABLES = {"floor_plan.py"}
LONGEST_FILE = 450


def test_the_wheel_holds_our_packages_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    wheel = next(tmp_path.glob("plekvrij-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" not in name}
        assert tops == set(PACKAGES)
        assert "plekvrij/examples/town_hall.plan.yaml" in archive.namelist()
        assert "dashboard/wall/wall.js" in archive.namelist() or any(
            name.startswith("dashboard/") and name.endswith("wall.js") for name in archive.namelist()
        )


def test_no_other_distribution_provides_our_names() -> None:
    provided = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(provided.get(package, ["plekvrij"])) == {"plekvrij"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_grows_beyond_one_responsibility(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        if file.name not in TABLES:
            assert len(file.read_text("utf-8").splitlines()) <= LONGEST_FILE, file


def test_every_command_of_the_readme_exists() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for command in re.findall(
            r"^\s*(?:\$ )?plekvrij ([a-z][a-z-]*)", document.read_text("utf-8"), re.MULTILINE
        ):
            assert command in COMMANDS, f"{document.name} names the command {command}"


def test_every_option_says_what_it_is_in_a_sentence() -> None:
    for option in OPTIONS.values():
        assert option.help.endswith("."), option.name
    for command in COMMANDS.values():
        assert set(command.options) <= set(OPTIONS), command.name


def test_generated_reference_pages_are_current() -> None:
    for name, text in reference.pages().items():
        file = ROOT / "docs" / "reference" / name
        assert file.read_text("utf-8") == text, f"run: python -m plekvrij.reference docs/reference ({name})"


def test_decisions_are_numbered_without_holes() -> None:
    numbers = sorted(int(file.name[:4]) for file in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
