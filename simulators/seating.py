"""Which seat somebody takes: by activity, near the team, and only where nobody sits or has left something."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulators.people import HOUR, Person, Stint
from workplace.floor_plan import FloorPlan, Place
from workplace.plan_file import ZoneKind

DESK_KINDS: tuple[ZoneKind, ...] = ("collaborate", "silence", "desk", "touchdown")
#: Work that will last less than this looks for a touch-down seat first, half of the time (guess).
SHORT_WORK_S = 1.25 * HOUR
#: Where a meeting takes place: seats of the building, else a closed room, outside or on screen (guess).
MEETING_SEAT_SHARE = 0.7
RESTAURANT_SHARE = 0.6  # of those who have lunch, guess


@dataclass(frozen=True, slots=True)
class Laptop:
    """A laptop in a dock. `sleeps`: its link is down."""

    owner: int
    sleeps: bool = False


class Seating:
    """Who sits where and what was left behind; all by place id, persons by number."""

    def __init__(self, plan: FloorPlan, rng: random.Random, overnight: dict[str, Laptop]) -> None:
        self._plan, self._rng = plan, rng
        self.laptops: dict[str, Laptop] = dict(overnight)
        self.turned_away = 0
        self._seat: dict[int, str] = {}
        self._taken: set[str] = set()
        self._bags: dict[int, str] = {}
        self._laptop_at = {laptop.owner: place for place, laptop in overnight.items()}
        self._number = {floor.id: floor.number for floor in plan.floors}
        self._by_kind: dict[ZoneKind, list[Place]] = {}
        for zone in plan.zone.values():
            self._by_kind.setdefault(zone.kind, []).extend(zone.places)
        self._docks = {place.id for place in plan.place.values() if place.sensors_of("link")}

    def seat_for(self, person: Person, stint: Stint) -> str | None:
        """Return the seat taken for this stint; None when it happens away from all seats or all are taken."""
        left = self._laptop_at.get(person.number) or self._bags.pop(person.number, None)
        match stint.activity:
            case "work":
                place = left or person.own_place or self._first_free(person, self._work_kinds(person, stint))
            case "meeting":
                place = (
                    self._first_free(person, ("meet",)) if self._rng.random() < MEETING_SEAT_SHARE else None
                )
            case "lunch":
                place = (
                    self._first_free(person, ("restaurant",))
                    if self._rng.random() < RESTAURANT_SHARE
                    else None
                )
            case "visit":
                place = self._first_free(
                    person, self._rng.choice((("touchdown",), ("restaurant",), ("meet",)))
                )
            case _:
                place = None
        if stint.activity != "work" and left is not None and left != self._laptop_at.get(person.number):
            self._bags[person.number] = left
        if place is not None:
            self._seat[person.number] = place
            self._taken.add(place)
        return place

    def stand_up(self, person: Person) -> str | None:
        """Return the seat that was left, None when there was none."""
        place = self._seat.pop(person.number, None)
        if place is not None:
            self._taken.discard(place)
        return place

    def has_docked(self, person: Person, place: str) -> bool:
        return self._laptop_at.get(person.number) == place

    def dock(self, person: Person, place: str) -> bool:
        """Put the laptop in the dock of `place`; False when that has none."""
        if place not in self._docks:
            return False
        self.laptops[place] = Laptop(person.number)
        self._laptop_at[person.number] = place
        return True

    def take_laptop(self, person: Person) -> str | None:
        """Return the dock that the laptop was taken from, None when it was in none. A bag goes along."""
        self._bags.pop(person.number, None)
        place = self._laptop_at.pop(person.number, None)
        if place is not None:
            del self.laptops[place]
        return place

    def leave_bag(self, person: Person, place: str) -> None:
        """A coat or bag keeps the seat; no sensor sees it, so the truth calls the place free."""
        self._bags[person.number] = place

    def fall_asleep(self, person: Person) -> None:
        place = self._laptop_at[person.number]
        self.laptops[place] = replace(self.laptops[place], sleeps=True)

    def wake_up(self, person: Person) -> bool:
        """Say whether the laptop was asleep; now it is awake."""
        place = self._laptop_at[person.number]
        was_asleep = self.laptops[place].sleeps
        self.laptops[place] = replace(self.laptops[place], sleeps=False)
        return was_asleep

    def _work_kinds(self, person: Person, stint: Stint) -> Sequence[ZoneKind]:
        if stint.end_s - stint.start_s < SHORT_WORK_S and self._rng.random() < 0.12:
            return ("touchdown", "collaborate", "desk", "silence")
        if self._rng.random() < person.focus:
            return ("silence", "desk", "collaborate", "touchdown", "restaurant")
        return ("collaborate", "desk", "silence", "touchdown", "restaurant")

    def _first_free(self, person: Person, kinds: Sequence[ZoneKind]) -> str | None:
        """First the own floor, then the others in order; note when the first wish was not there."""
        wished = True
        for floor, kind in ((floor, kind) for floor in self._floors(person, kinds[0]) for kind in kinds):
            free = [p for p in self._by_kind.get(kind, ()) if p.floor == floor and self._is_free(p)]
            if free:
                return self._pick(person, free).id
            if wished and any(p.floor == floor for p in self._by_kind.get(kind, ())):
                self.turned_away += 1
                wished = False
        return None

    def _floors(self, person: Person, kind: ZoneKind) -> list[str]:
        """The own floor, then for work the nearest, for a meeting or lunch the one with most such seats."""
        home = self._number[person.floor]
        if kind in DESK_KINDS:
            return sorted(self._number, key=lambda f: (abs(self._number[f] - home), -self._number[f]))
        seats = Counter(place.floor for place in self._by_kind.get(kind, ()))
        return sorted(self._number, key=lambda f: (f != person.floor, -seats[f]))

    def _pick(self, person: Person, free: list[Place]) -> Place:
        """Of two random free seats the better: with a dock for those who dock, else the emptier island."""
        first, second = self._rng.choice(free), self._rng.choice(free)
        if person.docks and (first.id in self._docks) != (second.id in self._docks):
            return first if first.id in self._docks else second
        return first if self._neighbours(first) <= self._neighbours(second) else second

    def _neighbours(self, place: Place) -> int:
        zone = self._plan.zone[place.zone]
        return sum(1 for other in zone.places if other.island == place.island and not self._is_free(other))

    def _is_free(self, place: Place) -> bool:
        return (
            place.id not in self._taken
            and place.id not in self.laptops
            and not place.fixed
            and place.id not in self._bags.values()
        )
