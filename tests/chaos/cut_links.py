"""Links by name, each with the ways in which it is cut, and what a cut touches."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.docks import DockNode
from tests.chaos.town_hall import TownHall
from tests.chaos.wires import Mood, Wire

LINKS = ("sensor", "gateway", "broker", "ingest", "dashboard")
#: Of the cuts of `dashboard`, which stand between a screen and the pages; the others between the pages and the broker.
SCREEN, PAGES = "screen", "pages"


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut of one link.

    Attributes:
        name: what is cut and how, for people.
        places: what nobody can know while it lasts.
    """

    link: str
    name: str
    places: frozenset[str]
    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to cut at once: one link of which everything hangs, or parts of different floors."""

    links: tuple[str, ...]


def orders_of(cuts: int, chance: random.Random, floors: int) -> list[Order]:
    """Return orders with so many cuts in all, of each link the same number (but for the rest), in an order by chance.

    Sensors, gateways and screens of different floors are cut at the same time.
    """
    share = {link: cuts // len(LINKS) + (number < cuts % len(LINKS)) for number, link in enumerate(LINKS)}
    screens = share["dashboard"] // 2
    parts = [SCREEN] * screens + ["sensor"] * share["sensor"] + ["gateway"] * share["gateway"]
    chance.shuffle(parts)
    whole = ["broker"] * share["broker"] + ["ingest"] * share["ingest"]
    whole += [PAGES] * (share["dashboard"] - screens)
    orders = [Order((link,)) for link in whole]
    orders += [Order(tuple(parts[at : at + floors])) for at in range(0, len(parts), floors)]
    chance.shuffle(orders)
    return orders


def cuts_of(order: Order, hall: TownHall, screen_wires: dict[str, Wire], chance: random.Random) -> list[Cut]:
    """Return the cuts of an order, each by chance on a floor of its own, and silent or with an error by chance."""
    floors = [floor.id for floor in hall.plan.floors]
    chance.shuffle(floors)
    found = []
    for link, floor in zip(order.links, floors, strict=False):
        if link == "sensor":
            gateways = {gateway.id for gateway in hall.plan.gateways if gateway.floor == floor}
            found.append(_node_cut(chance.choice([n for n in hall.nodes if n.gateway in gateways]), chance))
        else:
            found.append(_wire_cut(link, floor, hall, screen_wires, chance))
    return found


def _wire_cut(
    link: str, floor: str, hall: TownHall, screen_wires: dict[str, Wire], chance: random.Random
) -> Cut:
    all_places = frozenset(hall.plan.place)
    on_floor = frozenset(place.id for place in hall.plan.place.values() if place.floor == floor)
    gateways = [gateway.id for gateway in hall.plan.gateways if gateway.floor == floor]
    wires, places = {
        "gateway": ([hall.gateway_wires[gateway] for gateway in gateways], on_floor),
        "broker": ([*hall.gateway_wires.values(), hall.ingest_wire, hall.dashboard_wire], all_places),
        "ingest": ([hall.ingest_wire], all_places),
        PAGES: ([hall.dashboard_wire], all_places),
        SCREEN: ([screen_wires[floor]], on_floor),
    }[link]
    mood: Mood = chance.choice(("cut", "silent"))

    def be(mood: Mood) -> None:
        for wire in wires:
            wire.be(mood)

    where = f" of {floor}" if link in ("gateway", SCREEN) else ""
    return Cut(
        "dashboard" if link in (PAGES, SCREEN) else link,
        f"{link}{where}: {'reset and refused' if mood == 'cut' else 'silent'}",
        places,
        lambda: be(mood),
        lambda: be("open"),
    )


def _node_cut(node: DockNode, chance: random.Random) -> Cut:
    """The plug is pulled out of the gateway, or nothing comes over the wire any more."""
    places = frozenset(node.places.values())
    if chance.random() < 0.5:
        pulled, put_back = (lambda: node.tell("unplug")), (lambda: node.tell("replug"))
        return Cut("sensor", f"sensor {node.device}: pulled out", places, pulled, put_back)

    def send(what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if node.pid is not None:
                os.kill(node.pid, what)

    return Cut(
        "sensor",
        f"sensor {node.device}: silent",
        places,
        lambda: send(signal.SIGSTOP),
        lambda: send(signal.SIGCONT),
    )


@contextlib.contextmanager
def made(cuts: list[Cut]) -> Iterator[None]:
    """Everything is cut inside, and repaired after it."""
    try:
        for cut in cuts:
            cut.begin()
        yield
    finally:
        for cut in cuts:
            cut.end()
