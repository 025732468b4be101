"""What one call of the engine gives, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from workplace.events import Command, Decision, PlaceState, Reply, ZoneState


@dataclass(frozen=True, slots=True)
class Outcome:
    """Only what changed; one place may stand here several times when several things fell due."""

    place_states: tuple[PlaceState, ...] = ()
    zone_states: tuple[ZoneState, ...] = ()
    decisions: tuple[Decision, ...] = ()
    commands: tuple[Command, ...] = ()
    replies: tuple[Reply, ...] = ()


@dataclass(slots=True)
class Draft:
    """An outcome in the making."""

    place_states: list[PlaceState] = field(default_factory=list)
    zone_states: list[ZoneState] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def finished(self) -> Outcome:
        return Outcome(
            tuple(self.place_states),
            tuple(self.zone_states),
            tuple(self.decisions),
            tuple(self.commands),
            tuple(self.replies),
        )
