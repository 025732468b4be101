"""What the page of the works council says of sensors, rules and modes: short sentences that anybody can check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.i18n import N_, Words
from workplace.events import PolicyMode
from workplace.floor_plan import FloorPlan
from workplace.policy_diff import Change

MODES: dict[PolicyMode, str] = {
    "off": N_("off"),
    "shadow": N_("trial"),
    "notes": N_("notes"),
    "active": N_("in force"),
}
MODES_SAID: dict[PolicyMode, str] = {
    "off": N_("The rules are off."),
    "shadow": N_("Trial: we only count. Nobody is told anything."),
    "notes": N_("You may get a note. No place is given away."),
    "active": N_("In force: a place may be given away."),
}
#: What a rule does, in a few words.
RULES: dict[str, str] = {
    "R6": N_("Gone while places were short"),
    "R7": N_("Gone while there was room"),
    "R8": N_("Gone around lunch"),
    "R14": N_("In use for longer than the longest time"),
    "R22": N_("Nobody there in the evening"),
    "R23": N_("Released by a colleague of facility"),
}
#: Kits that are something else than their kind tells.
_RADARS = frozenset({"radar", "zigbee_radar", "shelly_presence"})
#: Group of sensors -> what it is called, and what it says.
_SENSORS: dict[str, tuple[str, str]] = {
    "link": (N_("Connection at the desk"), N_("Is a laptop plugged in, yes or no? Not which laptop.")),
    "motion": (N_("Motion sensor"), N_("Does something move at this place, yes or no?")),
    "radar": (
        N_("Radar sensor"),
        N_("Is somebody at this place, yes or no? It also notices who sits still. No image, no sound."),
    ),
    "occupancy": (N_("Sensor at the seat or desk"), N_("Is this place in use, yes or no?")),
    "presence": (N_("Presence sensor"), N_("Is somebody at this place, yes or no?")),
    "count": (N_("Counter"), N_("How many people are there? Only a number.")),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of sensor that this site has, and at how many places."""

    name: str
    says: str
    places: int


def measured(plan: FloorPlan, said: Words) -> list[Measured]:
    """Return the kinds of sensors that the plan has, most places first."""
    places: dict[str, set[str]] = {}
    for place in plan.place.values():
        for sensor in place.sensors:
            group = "radar" if sensor.kit in _RADARS else sensor.kind
            places.setdefault(group, set()).add(place.id)
    rows = [Measured(*_named(group, said), len(at)) for group, at in places.items()]
    return sorted(rows, key=lambda row: -row.places)


def _named(group: str, said: Words) -> tuple[str, str]:
    if group not in _SENSORS:  # a kind that came later keeps its own name
        return group, ""
    name, says = _SENSORS[group]
    return said(name), said(says)


def without_sensor(plan: FloorPlan) -> int:
    return sum(not place.sensors for place in plan.place.values())


def rule_name(rule: str, said: Words) -> str:
    return said(RULES[rule]) if rule in RULES else rule


def change_sentences(changes: Sequence[Change], said: Words) -> list[str]:
    """Return what changed. Of exempt places only how many: this page names no place."""
    return [
        _exempt(change, said) if change.path == "exempt" else change.sentence(said.language)
        for change in changes
    ]


def _exempt(change: Change, said: Words) -> str:
    before, after = len(change.before or ()), len(change.after or ())
    if before == after:
        return said("exempt places: other ones, still {n}").format(n=after)
    return said("exempt places: {n} before, {m} now").format(n=before, m=after)
