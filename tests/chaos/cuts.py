"""`python -m tests.chaos.cuts --cuts 200`: each link of a town hall is cut in turn; exit 1 when a screen lies.

A sensor, a gateway, the broker, ingest and the pages or their screens are cut off while people sit down and leave. No
screen may show or count a place as free where somebody sits, what is cut off must be grey within a minute, and after
the repair everything must be right again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from plekvrij import logs
from tests.chaos.cut_links import Order, orders_of
from tests.chaos.cut_player import CutFigures, CutPlayer, lines_of, merged
from tests.chaos.town_hall import BrokerKind, HallSettings, running
from tests.chaos.wall import ScriptScreen, WallScreen
from tests.chaos.wires import Wire
from workplace.floor_plan import Floor

FLOORS = 3


async def play(
    settings: HallSettings,
    orders: Sequence[Order],
    screen_of: Callable[[Floor, int], WallScreen] = ScriptScreen,
) -> CutFigures:
    """Play the orders in one hall, where `screen_of` makes the screen of a floor that finds the pages at a port."""
    began_s = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f} s  {line}", file=sys.stderr, flush=True)

    async with running(settings) as hall, contextlib.AsyncExitStack() as stack:
        floors = hall.plan.floors
        wires = {floor.id: await stack.enter_async_context(Wire(hall.page_port)) for floor in floors}
        screens = [screen_of(floor, wires[floor.id].port) for floor in floors]
        return await CutPlayer(hall, screens, wires, settings.seed, tell).play(orders)


async def play_halls(
    folder: Path, cuts: int, halls: int, seed: int, broker: BrokerKind
) -> tuple[CutFigures, float]:
    """Play in several halls at the same time; return the figures of all, and how long it took, s."""
    began_s = time.monotonic()
    orders = orders_of(cuts, random.Random(seed), FLOORS)
    settings = [
        HallSettings(
            folder=folder / f"hall-{number}", broker=broker, gateways=FLOORS, nodes=2, seed=seed * 100 + number,
            with_influx=False, with_disks=False,
        )
        for number in range(halls)
    ]  # fmt: skip
    played = await asyncio.gather(*(play(one, orders[at::halls]) for at, one in enumerate(settings)))
    return merged(played), time.monotonic() - began_s


def main() -> int:
    """Play and print the figures."""
    parser = argparse.ArgumentParser(prog="make cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=200, metavar="N", help="how many (default 200)")
    parser.add_argument("--halls", type=int, default=3, metavar="N", help="at the same time (default 3)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what is cut when (default 1)")
    parser.add_argument(
        "--broker", choices=("nats", "mosquitto"), default="nats", help="which (default nats)"
    )
    asked = parser.parse_args()
    logs.set_up("cuts", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="plekvrij-cuts-") as folder:
        playing = play_halls(Path(folder), asked.cuts, asked.halls, asked.seed, asked.broker)
        figures, duration_s = asyncio.run(playing)
    print(f"{asked.broker}, seed {asked.seed}, {asked.halls} halls, {duration_s / 60:.1f} min")
    print("\n".join(lines_of(figures)))
    return 0 if figures.is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
