"""Cuts one link after the other while people come and go, and holds every screen against who really sits where."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.cut_links import LINKS, Cut, Order, cuts_of, made
from tests.chaos.docks import CHANNELS, DockNode
from tests.chaos.town_hall import TownHall
from tests.chaos.truth import SHOWN_WITHIN_S
from tests.chaos.wall import Shown, WallScreen
from tests.chaos.wires import Wire

#: Who sits down while something is cut is seen by nobody until the silence is believed, 15 s on every link; a word may
#: take some seconds more to a screen on a machine that others share. Free for longer than this, s, is wrong.
ALLOWED_S = 15.0 + SHOWN_WITHIN_S
#: A link may be cut for this long, s, before every screen that it feeds says so.
GREY_WITHIN_S = 60.0
RIGHT_WITHIN_S = 180.0  # of a machine that others share
LOOK_S = 0.2
#: People come and go from so long before a cut to so long after it, s: some just before it.
BEFORE_S, AFTER_S = 6.0, 12.0


@dataclass(slots=True)
class Tally:
    """What came of the cuts of one link.

    Attributes:
        grey_s: per cut, how long until all that it touches was unknown, out of date or called lost.
        right_s: per cut, how long after the repair until every screen was right.
        wrong_place_s: seconds for which places were shown or counted as free that were not, beyond `ALLOWED_S`.
        longest_s: the longest time for which a taken place was shown as free, with nothing taken off.
    """

    cuts: int = 0
    grey_s: list[float] = field(default_factory=list)
    right_s: list[float] = field(default_factory=list)
    wrong_place_s: float = 0.0
    longest_s: float = 0.0


@dataclass
class CutFigures:
    """What was seen. `beside`: places that no cut touched."""

    links: dict[str, Tally] = field(default_factory=lambda: {link: Tally() for link in LINKS})
    beside: Tally = field(default_factory=Tally)
    troubles: list[str] = field(default_factory=list)
    taken_behind: int = 0

    @property
    def is_whole(self) -> bool:
        tallies = [*self.links.values(), self.beside]
        return not self.troubles and not any(tally.wrong_place_s for tally in tallies)


def merged(parts: Iterable[CutFigures]) -> CutFigures:
    """Return the figures of several halls as one."""
    whole = CutFigures()
    for part in parts:
        for name, tally in [*part.links.items(), ("", part.beside)]:
            into = whole.links[name] if name else whole.beside
            into.cuts += tally.cuts
            into.grey_s += tally.grey_s
            into.right_s += tally.right_s
            into.wrong_place_s += tally.wrong_place_s
            into.longest_s = max(into.longest_s, tally.longest_s)
        whole.troubles += part.troubles
        whole.taken_behind += part.taken_behind
    return whole


def lines_of(figures: CutFigures) -> Iterator[str]:
    """Yield the figures as text."""
    yield (
        f"{'link':<10} {'cuts':>5} {'grey: median':>13} {'worst':>8} {'right again':>12} {'worst':>8}"
        f" {'wrong-free':>12} {'longest free though taken':>26}"
    )
    for link, tally in [*figures.links.items(), ("no cut", figures.beside)]:
        yield (
            f"{link:<10} {tally.cuts:>5} {_times(tally.grey_s, 13)} {_times(tally.right_s, 12)}"
            f" {tally.wrong_place_s / 60:>8.2f} min {tally.longest_s:>24.1f} s"
        )
    cuts = sum(tally.cuts for tally in figures.links.values())
    yield f"{'all':<10} {cuts:>5}   {figures.taken_behind} places were taken while something was cut"
    yield from (f"trouble: {trouble}" for trouble in figures.troubles)


def _times(times: list[float], width: int) -> str:
    if not times:
        return f"{'-':>{width}} {'-':>8}"
    return f"{sorted(times)[len(times) // 2]:>{width - 2}.1f} s {max(times):>6.1f} s"


class CutPlayer:
    """Plays on one running hall.

    Args:
        screens: one per floor, each behind its wire in `screen_wires`.
    """

    def __init__(
        self,
        hall: TownHall,
        screens: Sequence[WallScreen],
        screen_wires: dict[str, Wire],
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self.hall, self.screens, self.figures = hall, screens, CutFigures()
        self._wires, self._tell = screen_wires, tell
        self._chance = random.Random(seed)
        #: place -> monotonic s since when somebody sits there
        self._taken_since: dict[str, float] = {}
        self._cuts: list[Cut] = []
        self._grey_at: dict[str, float] = {}
        self._shown: dict[str, Shown] = {}
        self._looked_s = 0.0
        self._told: set[tuple[str, float]] = set()

    async def play(self, orders: Iterable[Order]) -> CutFigures:
        """Play all orders; everything is right before each."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(screen.run(), name=screen.floor.id) for screen in self.screens]
            beside.append(tasks.create_task(self._watch(), name="watch"))
            if await self._until_right() is None:
                self.figures.troubles.append(f"not right at the start: {', '.join(self._untrue())}")
            else:
                for order in orders:
                    await self._one(order)
            for one in beside:
                one.cancel()
        return self.figures

    async def _one(self, order: Order) -> None:
        cuts = cuts_of(order, self.hall, self._wires, self._chance)
        async with asyncio.TaskGroup() as people:
            for node in self.hall.nodes:
                for channel, after_s in self._moves(node):
                    people.create_task(self._toggle(node, channel, after_s), name="people")
            await asyncio.sleep(BEFORE_S)
            began_s = time.monotonic()
            self._grey_at, self._cuts = {}, cuts
            with made(cuts):
                while len(self._grey_at) < len(cuts) and time.monotonic() - began_s < GREY_WITHIN_S:
                    await asyncio.sleep(LOOK_S)
                await asyncio.sleep(max(0.0, began_s + AFTER_S - time.monotonic()))
                await asyncio.sleep(self._chance.uniform(0.5, 3.0))
        repaired_s = time.monotonic()
        right_at = await self._until_right()
        self._cuts = []
        for cut in cuts:
            self._note(cut, began_s, repaired_s, right_at)

    def _note(self, cut: Cut, began_s: float, repaired_s: float, right_at: float | None) -> None:
        tally = self.figures.links[cut.link]
        tally.cuts += 1
        grey_s = self._grey_at.get(cut.name, math.inf) - began_s
        if grey_s <= GREY_WITHIN_S:
            tally.grey_s.append(grey_s)
        else:
            self.figures.troubles.append(f"{cut.name}: not grey within {GREY_WITHIN_S:g} s")
        if right_at is not None:
            tally.right_s.append(right_at - repaired_s)
            self._tell(f"{cut.name}: grey after {grey_s:.1f} s, right again after {tally.right_s[-1]:.1f} s")
        else:
            self.figures.troubles.append(f"{cut.name}: still {', '.join(self._untrue())}")
            self._tell(self.figures.troubles[-1])

    # people

    def _moves(self, node: DockNode) -> Iterator[tuple[int, float]]:
        """Yield who changes when, s from now; about half of the docks stay in use."""
        channels = list(range(CHANNELS))
        self._chance.shuffle(channels)
        in_use = sum(node.docked)
        comes, goes = (3, 2) if in_use <= CHANNELS // 2 else (2, 3)
        for wanted, most in ((False, comes), (True, goes)):
            for channel in [channel for channel in channels if node.docked[channel] is wanted][:most]:
                yield channel, self._chance.uniform(0.0, BEFORE_S + AFTER_S)

    async def _toggle(self, node: DockNode, channel: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        node.toggle(channel)
        place = node.places[channel]
        if node.docked[channel]:
            self._taken_since[place] = time.monotonic()
            self.figures.taken_behind += bool(self._cuts)
        else:
            self._taken_since.pop(place, None)

    # screens

    async def _watch(self) -> None:
        self._looked_s = time.monotonic()
        while True:
            for screen in self.screens:
                self._shown[screen.floor.id] = await screen.look()
            now_s = time.monotonic()
            self._judge(now_s, now_s - self._looked_s)
            self._looked_s = now_s
            for cut in self._cuts:
                if cut.name not in self._grey_at and not any(map(self._is_claimed, cut.places)):
                    self._grey_at[cut.name] = now_s
            await asyncio.sleep(LOOK_S)

    def _is_claimed(self, place: str) -> bool:
        where = self.hall.plan.place[place]
        return self._shown[where.floor].claims(place, where.zone)

    def _judge(self, now_s: float, since_s: float) -> None:
        """Count for how long places are shown or counted as free that are not."""
        for screen in self.screens:
            shown = self._shown[screen.floor.id]
            for zone in screen.floor.zones if shown.is_live else ():
                long_taken = {
                    place.id: now_s - self._taken_since[place.id]
                    for place in zone.places
                    if place.id in self._taken_since
                }
                surely = [place for place, taken_s in long_taken.items() if taken_s > ALLOWED_S]
                wrong = [place for place in surely if shown.letters[place] in "fr"]
                for place, taken_s in long_taken.items():
                    if shown.letters[place] in "fr":
                        tally = self._tally_of(place)
                        tally.longest_s = max(tally.longest_s, taken_s)
                counted = 0 if zone.id in shown.grey else shown.free[zone.id] or 0
                excess = max(len(wrong), counted - (len(zone.places) - len(surely)))
                if excess > 0:
                    blamed = (wrong or surely)[0]
                    self._tally_of(blamed).wrong_place_s += excess * since_s
                    self._tell_once(blamed)

    def _tell_once(self, place: str) -> None:
        key = place, self._taken_since[place]
        if key not in self._told:
            self._told.add(key)
            self._tell(f"{place} is taken and shown or counted as free")

    def _tally_of(self, place: str) -> Tally:
        for cut in self._cuts:
            if place in cut.places:
                return self.figures.links[cut.link]
        return self.figures.beside

    def _untrue(self) -> list[str]:
        """Return what is not as it should be when nothing is cut."""
        shown = self._shown
        quiet = [
            screen.floor.id
            for screen in self.screens
            if screen.floor.id not in shown
            or not shown[screen.floor.id].is_live
            or shown[screen.floor.id].grey
        ]
        if quiet:
            return [f"{floor} is not live" for floor in quiet]
        return [*self._untrue_places(), *self._untrue_counts()]

    def _untrue_places(self) -> Iterator[str]:
        for node in self.hall.nodes:
            for channel, place in node.places.items():
                letter = self._shown[self.hall.plan.place[place].floor].letters[place]
                # beside a PIR only use is sure at once: an empty dock there may be that of somebody who sits still
                if node.docked[channel] and letter != "u":
                    yield f"{place} is in use and shown as {letter}"
                elif not node.docked[channel] and not node.has_pir and letter != "f":
                    yield f"{place} is free and shown as {letter}"

    def _untrue_counts(self) -> Iterator[str]:
        for screen in self.screens:
            shown = self._shown[screen.floor.id]
            for zone in screen.floor.zones:
                free = sum(shown.letters[place.id] == "f" for place in zone.places)
                if shown.free[zone.id] not in (free, None):
                    yield f"{zone.id} counts {shown.free[zone.id]} free and draws {free}"

    async def _until_right(self) -> float | None:
        """Return when (monotonic s) everything was right, None when it was not in time."""
        deadline_s = time.monotonic() + RIGHT_WITHIN_S
        while time.monotonic() < deadline_s:
            if len(self._shown) == len(self.screens) and not self._untrue():
                return time.monotonic()
            await asyncio.sleep(LOOK_S)
        return None
