"""What mkdocs cannot say in mkdocs.yml: pages that are added to the navigation without being named there.

Decisions come in their order, and a how-to that nobody put under a reader is findable all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

OTHERS = "For everybody"


def on_config(config: Any) -> Any:
    """Fill the navigation from the folders."""
    docs = Path(config.docs_dir)
    named = set(_files(config.nav))
    for entry in config.nav:
        if "Decisions" in entry:
            entry["Decisions"] = _pages(docs, "decisions")
        if "How to" in entry:
            others = [page for page in _pages(docs, "how-to") if page not in named]
            entry["How to"] += [{OTHERS: others}] if others else []
        if "Explanation" in entry:
            entry["Explanation"] += [page for page in _pages(docs, "explanation") if page not in named]
        if "Reference" in entry:
            others = [page for page in _pages(docs, "reference") if page not in named]
            entry["Reference"] += [{"More": others}] if others else []
    return config


def _pages(docs: Path, folder: str) -> list[str]:
    return [file.relative_to(docs).as_posix() for file in sorted((docs / folder).glob("*.md"))]


def _files(nav: Any) -> list[str]:
    """Return every file that a navigation names, at whatever depth."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [file for part in parts for file in _files(part)]
