"""What staff did by mistake is taken back: a new wish with its own decision, never a change of what was. Pure.

The hold remembers what it was before the last wish of staff. It can be taken back for a short time, and only while
nothing came in between: another wish, or another user of the place.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from workplace.events import Request
from workplace.holds.hold import NO_HOLD, Hold, Mark, Undo

#: The longest that anything can be taken back, site time; a page may say shorter. Higher: somebody who saw the place
#: free is on the way to it.
LONGEST = timedelta(hours=1)

_HOLD = (*NO_HOLD, "reminded_until")
_STAY = ("stay_extra", "ladder_run", "stay_rank", "extensions", "scarce_extra")
_AWAY = ("away_extra", "away_rank")
#: Wish -> the rule that its way back is recorded under.
_RULES = {"extend": "R17", "remind": "R16", "release": "R23", "exempt": "R23", "unexempt": "R23"}
#: Wishes that can be taken back, of staff alone.
UNDOABLE = frozenset(_RULES)


def remembered(request: Request, before: Hold, after: Hold, exempt: bool | None, now: datetime) -> Hold:
    """Return the hold after a granted wish, with what is needed to take it back; of other wishes, nothing.

    Args:
        exempt: what staff said about the place before, over the policy; None when nothing.
    """
    undo = None
    if request.action in UNDOABLE and request.role == "staff":
        was = msgspec.structs.replace(before, undo=None)
        undo = Undo(request=request.id, action=request.action, at=now, was=was, exempt=exempt)
    return msgspec.structs.replace(after, undo=undo)


def undone(request: Request, hold: Hold, now: datetime) -> tuple[Hold, Mark] | str:
    """Return the hold as it would be without the wish, and the mark; or why not.

    Refusals: changed_since, too_late_to_undo.
    """
    undo = hold.undo
    if undo is None or undo.request != request.undoes:
        return "changed_since"
    longest = LONGEST if request.within_s is None else min(LONGEST, timedelta(seconds=request.within_s))
    if now - undo.at > longest:
        return "too_late_to_undo"
    was = undo.was
    if undo.action == "extend" and not (hold.is_open and hold.hold_id == was.hold_id):
        return "changed_since"
    if undo.action in {"release", "exempt"} and hold.is_open:
        return "changed_since"  # somebody else sits there, or the same one began anew
    back = msgspec.structs.replace(
        hold, undo=None, **{name: getattr(was, name) for name in _fields(hold, undo)}
    )
    mark = Mark(
        _RULES[undo.action],
        "undone",
        f"asked by {request.role}: {undo.action} is taken back",
        back.hold_id,
        back.away(now) if back.away_since is not None else None,
        back.stay(now) if back.hold_id is not None else None,
        by_request=True,
    )
    return back, mark


def _fields(hold: Hold, undo: Undo) -> tuple[str, ...]:
    """Return what a wish changed and nothing else did since."""
    match undo.action:
        case "extend":
            # who came back and left again has an away clock of their own
            return (*_STAY, *_AWAY) if hold.away_since == undo.was.away_since else _STAY
        case "remind":
            return ("reminded_until",)
        case "unexempt":
            return ()
        case _:
            return _HOLD
