"""`plekvrij decode --vectors DIR [--format NAME]`: run the decoders against payload vectors."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.vectors import run_vectors


def decode(vectors: Path, wanted: str | None) -> int:
    """Print a line per failure and a closing count; return 0 when all passed, else 1."""
    results = run_vectors(vectors, wanted)
    failures = [result for result in results if not result.passed]
    for failure in failures:
        print(f"{failure.id} [{failure.format}]: {failure.difference}")
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0
