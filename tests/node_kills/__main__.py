"""`make cluster KILLS=10`: brokers and workers killed by turns under traffic; exit 1 when anything is lost."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path

from plekvrij import logs
from tests.node_kills.played import TOWN_HALL, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="how many kills (default 10)")
    parser.add_argument(
        "--rate", type=float, default=20.0, metavar="HZ", help="events per floor (default 20/s)"
    )
    arguments = parser.parse_args()
    logs.set_up("cluster")
    began_s = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f} s  {line}", file=sys.stderr, flush=True)

    kills = list(itertools.islice(itertools.cycle(("node", "node", "worker")), arguments.kills))
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(play(Path(folder), TOWN_HALL.read_text("utf-8"), kills, arguments.rate, tell))
    print("\n".join(figures.lines()))
    return 1 if figures.missing or figures.stored_twice or figures.decided_backwards else 0


if __name__ == "__main__":
    sys.exit(main())
