"""What each mode may tell which channel (R16): one table, asked by whoever sends anything to anybody."""

from __future__ import annotations

from typing import Final, Literal

from workplace.events import Decision, PolicyMode

Channel = Literal["desk_light", "desk_page", "laptop", "staff_list", "facility", "wall"]
#: counts: numbers per zone. occupancy: in use, free, unknown. times: since when and until when. note: the time is
#: nearly over, or is. reclaimable: anybody may take the place. alarm: paused, or a switch has failed.
Told = Literal["counts", "occupancy", "times", "note", "reclaimable", "alarm"]

_WATCHING: Final[dict[Channel, frozenset[Told]]] = {
    "desk_light": frozenset(),
    "desk_page": frozenset({"occupancy"}),
    "laptop": frozenset(),
    "staff_list": frozenset({"occupancy", "times"}),
    "facility": frozenset(),
    "wall": frozenset({"counts"}),
}
_NOTES: Final[dict[Channel, frozenset[Told]]] = {
    "desk_light": frozenset({"occupancy", "note"}),
    "desk_page": frozenset({"occupancy", "times", "note", "alarm"}),
    "laptop": frozenset({"times", "note"}),
    "staff_list": frozenset({"occupancy", "times", "note", "alarm"}),
    "facility": frozenset({"note", "alarm"}),
    "wall": frozenset({"counts", "alarm"}),
}
#: Everybody but the wall, which shows counts only, learns of a single place that may be used.
_GIVEN_AWAY: Final = ("desk_light", "desk_page", "laptop", "staff_list", "facility")

MAY_TELL: Final[dict[PolicyMode, dict[Channel, frozenset[Told]]]] = {
    "off": _WATCHING,
    "shadow": _WATCHING,
    "notes": _NOTES,
    "active": {c: told | {"reclaimable"} if c in _GIVEN_AWAY else told for c, told in _NOTES.items()},
}

_SAYS: Final[dict[str, Told]] = {
    "soft_note": "note",
    "time_reached": "note",
    "repeat": "note",
    "reclaimable": "reclaimable",
    "paused": "alarm",
    "unpaused": "alarm",
    "mass_event": "alarm",
    "mass_event_over": "alarm",
}


def may_tell(mode: PolicyMode, channel: Channel, what: Told) -> bool:
    return what in MAY_TELL[mode][channel]


def tells(decision: Decision, channel: Channel) -> bool:
    """Whether a decision goes out over a channel. What was only recorded goes nowhere."""
    says = _SAYS.get(decision.action)
    return says is not None and decision.acted and may_tell(decision.mode, channel, says)
