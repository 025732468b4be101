"""The shell blocks of the pages: `sh` blocks are commands alone; in `console` blocks commands begin with `$ `."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL_LANGUAGES = ("sh", "bash", "shell", "console")
#: Other languages of blocks: data, code of another kind, drawings and output. No command hides there.
OTHER_LANGUAGES = (
    "",
    "text",
    "yaml",
    "toml",
    "json",
    "python",
    "ini",
    "c",
    "html",
    "js",
    "css",
    "sql",
    "nginx",
    "promql",
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        line: where it begins in its page.
        expected: for each command of a console block the output that the page shows, in order.
    """

    page: Path
    line: int
    language: str
    script: str
    expected: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page that a reader may copy a command from."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield every fenced block of a page."""
    lines = page.read_text("utf-8").splitlines()
    begin, language, indent = None, "", 0
    for number, line in enumerate(lines):
        fence = re.match(r"^( *)```(\w*)", line)
        if fence is None:
            continue
        if begin is None:
            begin, language, indent = number + 1, fence[2], len(fence[1])
            continue
        body = [one[indent:] for one in lines[begin:number]]
        yield _block(page, begin, language, body)
        begin = None
    assert begin is None, f"{page}:{begin}: a block without an end"


def _block(page: Path, line: int, language: str, body: list[str]) -> Block:
    if language != "console":
        return Block(page, line, language, "\n".join(body) + "\n")
    said: list[tuple[str, list[str]]] = []
    for one in body:
        if one.startswith("$ "):
            said.append((one[2:], []))
        else:
            said[-1][1].append(one)
    script = "\n".join(command for command, _ in said) + "\n"
    return Block(page, line, language, script, tuple((command, "\n".join(shown)) for command, shown in said))


def as_pattern(shown: str) -> re.Pattern[str]:
    """Return what fits an output as a page shows it; `...` stands for anything."""
    return re.compile(".*".join(map(re.escape, re.split(r"\s*\.\.\.\s*", shown))), re.DOTALL)
