"""`python -m tests.chaos --minutes 20 --seed 1`: a town hall under fire; exit 1 when an edge is lost or doubled.

Kills, cuts, full disks and wrong clocks, one after the other, in an order that the seed decides. At the end every edge
that a desk node made must be in site.db once, and every screen must show what the docks are.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from plekvrij import logs
from tests.chaos.figures import lines_of
from tests.chaos.player import EVERYTHING, SHORT, Played, Player, long_order
from tests.chaos.town_hall import HallSettings, running

#: Left at the end for everything to come to rest, s.
DRAIN_S = 45.0


async def play(
    settings: HallSettings, minutes: float, order: Iterator[str] | None
) -> tuple[Played, list[str]]:
    """Return what was played and its figures; without an order faults are drawn until the time is over."""
    began_s = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f} s  {line}", file=sys.stderr, flush=True)

    async with running(settings) as hall:
        player = Player(hall, settings.seed, tell)
        until_s = began_s + minutes * 60 - DRAIN_S if order is None else began_s + 1e9
        played = await player.play(order or long_order(random.Random(settings.seed)), until_s)
        return played, lines_of(hall, player, played)


def main() -> int:
    """Play and print the figures."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, metavar="N", help="how long (default 20)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="order of the faults (default 1)")
    parser.add_argument(
        "--broker", choices=("nats", "mosquitto"), default="nats", help="which (default nats)"
    )
    parser.add_argument("--only", default=None, metavar="NAMES", help="these faults, separated by semicolons")
    parser.add_argument(
        "--keep", type=Path, default=None, metavar="DIR", help="a new folder to leave all files in"
    )
    arguments = parser.parse_args()
    logs.set_up("chaos", level=logging.WARNING)
    order = None if arguments.only is None else _named(arguments.only)
    with tempfile.TemporaryDirectory(prefix="plekvrij-chaos-") as temporary:
        folder = arguments.keep or Path(temporary) / "hall"
        settings = HallSettings(
            folder=folder, broker=arguments.broker, seed=arguments.seed, keep=arguments.keep is not None
        )
        played, lines = asyncio.run(play(settings, arguments.minutes, order))
    print("\n".join(lines))
    return 0 if played.is_whole else 1


def _named(names: str) -> Iterator[str]:
    wanted = list(SHORT) if names == "short" else [name.strip() for name in names.split(";")]
    for name in wanted:
        if name not in EVERYTHING:
            raise SystemExit(f"no fault is called '{name}'; there are: {'; '.join(sorted(EVERYTHING))}")
    return iter(wanted)


if __name__ == "__main__":
    sys.exit(main())
