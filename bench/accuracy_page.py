"""The page of the documentation that `python -m bench.accuracy --page` writes: its words around the measured tables."""

from __future__ import annotations

from collections.abc import Sequence


def text(lines: Sequence[str], buildings: Sequence[object]) -> str:
    return "\n".join(lines) + "\n"
