"""The threat model names a test for every threat, and those tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "explanation" / "threat-model.md").read_text("utf-8")
ROWS = re.findall(r"^\| (T\d\d) \|(.*)\|$", PAGE, re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_threats_are_numbered_without_holes() -> None:
    assert [id_ for id_, _ in ROWS] == [f"T{number:02}" for number in range(1, len(ROWS) + 1)]


@pytest.mark.parametrize(("id_", "row"), ROWS, ids=[id_ for id_, _ in ROWS])
def test_a_threat_says_what_is_done_and_names_tests_that_exist(id_: str, row: str) -> None:
    _, threat, against, _, tests = (cell.strip() for cell in row.split("|"))
    assert threat
    assert against
    named = NAMED.findall(tests)
    assert named, f"{id_} has no test"
    assert len(named) == tests.count("`") // 2, "each is written as `tests/file.py::test_name`"
    for file, name in named:
        assert name in functions_of(file), f"{id_} names {file}::{name}"


def test_every_attack_belongs_to_a_threat() -> None:
    named = set(NAMED.findall(PAGE))
    for file in (ROOT / "tests" / "attacks").glob("test_*.py"):
        path = f"tests/attacks/{file.name}"
        for name in functions_of(path):
            assert not name.startswith("test_") or (path, name) in named, (
                f"the page does not name {path}::{name}"
            )


def test_reasons_that_are_counted_are_named() -> None:
    from dashboard.refusals import REASONS

    for reason in REASONS:
        assert f"`{reason}`" in PAGE, reason
