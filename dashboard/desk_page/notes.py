"""The note of a place, as its page and a laptop show it: only in the modes that allow notes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from dashboard.i18n import N_, Words
from workplace.events import HoldPhase, Notice, PlaceState

#: Nobody is told anything in the others.
_TOLD_IN = frozenset({"notes", "active"})
#: Notices whose sentence counts minutes down; the others say that the time is up.
_EARLY: frozenset[Notice] = frozenset({"soft_note"})

_UP = N_("The time of this place is up.")
_SOMEBODY_ELSE = N_("From {t} somebody else may sit here.")
_MAKE_ROOM = N_("Please make room if you can.")


@dataclass(frozen=True, slots=True)
class DeskNote:
    """`id` stays the same while the same note holds, so that it is shown once."""

    id: str
    text: str


def note_of(
    state: PlaceState,
    phase: HoldPhase,
    now: datetime,
    said: Words,
    hour_minute: Callable[[datetime | None], str],
) -> DeskNote | None:
    """Return the note of a place whose shown phase is `phase`, None when there is none."""
    if state.mode not in _TOLD_IN or state.notice == "none":
        return None
    if phase not in {"in_use", "just_left", "reclaimable"} or (
        phase == "reclaimable" and state.mode != "active"
    ):
        return None
    began = state.hold_since or state.since
    key = (
        f"{state.place} {began.isoformat()} {state.notice} {state.limit_kind or ''} {phase == 'reclaimable'}"
    )
    return DeskNote(
        blake2b(key.encode(), digest_size=8).hexdigest(),
        " ".join(_sentences(state, phase, now, said, hour_minute)),
    )


def _sentences(
    state: PlaceState,
    phase: HoldPhase,
    now: datetime,
    said: Words,
    hour_minute: Callable[[datetime | None], str],
) -> list[str]:
    if phase == "reclaimable":
        return [said("This place: somebody else may sit here now.")]
    limit_at = state.limit_at if state.mode == "active" else None
    away = [said("Nobody was noticed here since {t}.").format(t=hour_minute(state.away_since))]
    first = away if phase == "just_left" and state.away_since is not None else []
    if limit_at is not None and limit_at > now:
        left = said("This place: {m} more minutes.").format(
            m=max(1, round((limit_at - now).total_seconds() / 60))
        )
        return [*first, left, said(_SOMEBODY_ELSE).format(t=hour_minute(limit_at))]
    if first:
        return [*first, said(_MAKE_ROOM)]
    stay_at = state.stay_limit_at
    if state.notice in _EARLY and stay_at is not None and stay_at > now:
        left_min = max(1, round((stay_at - now).total_seconds() / 60))
        return [said("This place: {m} more minutes.").format(m=left_min)]
    return [said(_UP), said(_MAKE_ROOM)]
