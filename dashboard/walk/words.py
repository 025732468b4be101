"""Codes of a walk test -> sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dashboard.i18n import N_, Words
from workplace.floor_plan import Place
from workplace.walk_record import OtherAnswer, Tick
from workplace.walk_view import Check

ACTIONS: Final[Mapping[str, str]] = {
    "plug_in": N_("Put the plug into the dock"),
    "sit_down": N_("Sit down"),
    "come_close": N_("Stand in front of the sensor"),
    "move": N_("Move in front of the sensor"),
    "unplug_first": N_("The plug is in already. Take it out and put it in again"),
    "stand_up_first": N_("The seat is taken already. Get up and sit down again"),
    "step_away_first": N_("The sensor sees somebody already. Walk away and come back"),
}
KINDS: Final[Mapping[str, str]] = {
    "link": N_("Dock"),
    "motion": N_("Motion sensor"),
    "occupancy": N_("Seat sensor"),
    "presence": N_("Presence sensor"),
    "count": N_("People counter"),
}
#: In the order in which an installer meets them.
REASONS: Final[Mapping[str, str]] = {
    "no_signal": N_("No signal comes"),
    "other_place": N_("Another place answers"),
    "not_mounted": N_("The sensor is not there yet"),
    "no_power": N_("No power"),
    "in_use": N_("Somebody is working here"),
    "no_entry": N_("I cannot get there"),
}
NO_SENSOR: Final = N_("No sensor here")


def action_text(check: Check, said: Words) -> str:
    return said(ACTIONS[check.first or check.action])


def kind_text(kind: str, said: Words) -> str:
    return said(KINDS[kind]) if kind in KINDS else kind.replace("_", " ")


def reason_text(reason: str | None, said: Words) -> str:
    if reason is None:
        return ""
    return said(REASONS.get(reason, NO_SENSOR))


def number_text(number: float, said: Words, digits: int = 1) -> str:
    text = f"{number:.{digits}f}"
    return text.replace(".", ",") if said.language == "nl" else text


def tick_text(tick: Tick, said: Words) -> str:
    """Return what came and how long it took, in one line."""
    parts = [said("after {s} s").format(s=number_text(tick.wait_s, said))]
    if tick.latency_s is not None:
        parts.append(said("delay {s} s").format(s=number_text(tick.latency_s, said, 2)))
    if tick.rssi_dbm is not None:
        parts.append(f"{tick.rssi_dbm}\N{NO-BREAK SPACE}dBm".replace("-", "\N{MINUS SIGN}"))
    if tick.battery_pct is not None:
        parts.append(said("battery {p} %").format(p=f"{tick.battery_pct:.0f}"))
    return " · ".join(parts)


def other_text(other: OtherAnswer, places: Mapping[str, Place], said: Words) -> str:
    """Return who answered in place of the one that was asked, and what that may mean."""
    if other.place is None:
        return said("A sensor that is not in the floor plan answered: {d}").format(d=other.device)
    if other.kind == "link":
        text = said("Another place answered: {p}. Are the cables swapped?")
    else:
        text = said("Another place answered: {p}. Are the sensors swapped?")
    return text.format(p=places[other.place].label)
