"""The table of the hold rules is true: every rule is there, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "hold-rules.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| R")
]
#: R21, people who swap at one cable, is not chased.
RULES = [f"R{number}" for number in range(1, 31) if number != 21]


def test_every_rule_has_its_row() -> None:
    assert [row[0] for row in ROWS] == RULES


def test_every_file_exists_and_decides_something() -> None:
    for rule, _, file, _ in ROWS:
        assert (ROOT / file.strip("`")).is_file(), rule


def test_every_named_test_exists() -> None:
    for rule, _, _, proofs in ROWS:
        named = re.findall(r"`([^`]+)::(\w+)`", proofs)
        assert named, rule
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{rule}: {file}::{test}"
