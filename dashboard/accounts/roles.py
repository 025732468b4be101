"""Which role may call what. A role is a job, not a person."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal, get_args

Role = Literal["staff", "facility", "installer", "works_council", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
#: Whose request is being answered; None where there are no accounts, and everybody who is let in may do everything.
current_role: ContextVar[Role | None] = ContextVar("current_role", default=None)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_EVERYBODY_KNOWN = frozenset(ROLES)
#: Sees single places, and asks, extends and releases.
AT_PLACES: frozenset[Role] = frozenset({"staff", "facility", "admin"})
#: Changes what hangs where.
_BUILDS: frozenset[Role] = frozenset({"facility", "installer", "admin"})
_WALKS: frozenset[Role] = frozenset({"staff", "facility", "installer", "admin"})
_STOPS: frozenset[Role] = frozenset({"works_council", "staff", "facility", "admin"})
#: Areas under a first level, the longest match counts: path -> who may be there.
_AREAS: dict[str, frozenset[Role]] = {
    "/staff": AT_PLACES,
    "/staff/plan": _BUILDS,
    "/staff/devices": _BUILDS,
    "/staff/actions": _BUILDS | AT_PLACES,
    "/map": AT_PLACES,
    "/walk": _WALKS,
    "/council/switch": _STOPS,
    "/account": _EVERYBODY_KNOWN,
    "/logout": _EVERYBODY_KNOWN,
}


def who_may(method: str, path: str) -> frozenset[Role] | None:
    """Return the roles that may call an address; None: it is open to everybody.

    Of the interface, changes and the decisions about single places are for who sees places.
    """
    parts = path.rstrip("/").split("/")
    for length in range(len(parts), 1, -1):
        area = _AREAS.get("/".join(parts[:length]))
        if area is not None:
            return area
    if path.startswith("/council/"):
        return _STOPS
    if path.startswith("/api/") and (method not in SAFE_METHODS or "decisions" in parts):
        return AT_PLACES
    return None


def may_open(path: str) -> bool:
    """Return whether a page may show a link to an address to whoever asked for it."""
    role, roles = current_role.get(), who_may("GET", path)
    return role is None or roles is None or role in roles
