"""What the pages refused since their start, by reason: numbers for `/metrics`, never an address."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    "host",  # a name that is not ours
    "origin",  # a form or a call of another site
    "password",  # no or a wrong password where there are no accounts
    "session",  # no account
    "role",  # an account whose role may not be there
    "login_wrong",  # name, password or code does not fit
    "login_wait",  # a try to enter that came too soon; nothing was checked
    "login_directory",  # the directory's answer was not believed
    "body",  # more was sent than any form of ours
    "slow",  # a head or a body that dripped in
    "connections",  # one too many of an address, or of all
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class Refusals:
    """Counts; on one event loop, read from any thread."""

    def __init__(self) -> None:
        self._counts: dict[Reason, int] = dict.fromkeys(REASONS, 0)

    def note(self, reason: Reason) -> None:
        self._counts[reason] += 1

    def counts(self) -> dict[str, int]:
        return {str(reason): number for reason, number in self._counts.items()}
