"""`python -m bench [--json]`: every figure against its yardstick; exit 1 when a goal is missed."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict

from bench.figure import Figure
from bench.figures import FIGURES
from plekvrij import logs


def main() -> int:
    """Measure all figures, print them, return 1 when one misses its goal."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line per figure")
    parser.add_argument("--only", default="", help="only figures whose name contains this")
    arguments = parser.parse_args()
    logs.set_up("bench", level=logging.WARNING)  # figures alone go to stdout
    met = True
    for figure in _measure(arguments.only):
        met = met and figure.met
        if arguments.json:
            rounded = {"value": round(figure.value, 3), "ratio": round(figure.ratio, 3)}
            print(json.dumps(asdict(figure) | rounded | {"met": figure.met}), flush=True)
        else:
            word = "ok    " if figure.met else "MISSED"
            print(f"{word} {figure.name:<34} {figure.value:>12,.2f} {figure.unit:<14} "
                  f"{figure.ratio:>8.2f}x {figure.against} (goal {figure.goal:g}x)", flush=True)  # fmt: skip
    return 0 if met else 1


def _measure(only: str) -> Iterator[Figure]:
    for measure in FIGURES:
        if only in measure.__name__:
            yield measure()


if __name__ == "__main__":
    sys.exit(main())
