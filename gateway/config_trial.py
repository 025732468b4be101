"""New settings are on trial until a greeting has gone out with them; without one the good ones come back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import msgspec


class Offer(msgspec.Struct, frozen=True):
    """Settings from afar that were checked: version, SHA-256 of the body, and the body, JSON."""

    version: int
    sha256: str
    body: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a gateway stands.

    Attributes:
        good: what was confirmed last; None is the gateway's own file.
        candidate: what runs on trial; None when nothing does.
        failed: what was rolled back last: the broker keeps it and says it again at each connect.
        deadline_ms: when the trial ends without a greeting.
    """

    good: Offer | None = None
    candidate: Offer | None = None
    failed: Offer | None = None
    deadline_ms: float | None = None

    @property
    def running(self) -> Offer | None:
        return self.candidate or self.good

    @property
    def newest(self) -> int:
        """The highest version seen; 0 before the first."""
        return max((offer.version for offer in (self.good, self.candidate, self.failed) if offer), default=0)


@dataclass(frozen=True, slots=True)
class Offered:
    """Checked settings have come in."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Greeted:
    """The broker has acknowledged a greeting that was made with the running settings."""


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The sources could not be started with the candidate."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """The process began anew, from what it had written down."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Offered | Greeted | ApplyFailed | Restarted | Tick
#: `apply` runs `Trial.running`; `keep` writes it down as good; `roll_back` runs `Trial.good`; the rest do nothing.
Action = Literal["apply", "keep", "roll_back", "unchanged", "old_version", "failed_before", "none"]


@dataclass(frozen=True, slots=True)
class Step:
    """The new state and what to do."""

    trial: Trial
    action: Action = "none"


def step(trial: Trial, event: Event, now_ms: float, patience_ms: float) -> Step:
    """Advance by one event.

    Args:
        now_ms: any even clock that runs in real time.
        patience_ms: how long a candidate may take to its first greeting.
    """
    match event:
        case Offered(offer):
            return _offered(trial, offer, now_ms, patience_ms)
        case Greeted() if trial.candidate is not None:
            kept = replace(trial, good=trial.candidate, candidate=None, deadline_ms=None)
            return Step(kept, "keep")
        case ApplyFailed() | Restarted() if trial.candidate is not None:
            # A process that did not live through its trial may have died of it.
            return _back(trial)
        case Tick() if trial.deadline_ms is not None and now_ms >= trial.deadline_ms:
            return _back(trial)
        case _:
            return Step(trial)


def _offered(trial: Trial, offer: Offer, now_ms: float, patience_ms: float) -> Step:
    running = trial.running
    if running is not None and running.sha256 == offer.sha256:
        return Step(trial, "unchanged")
    if trial.failed is not None and (trial.failed.version, trial.failed.sha256) == (
        offer.version,
        offer.sha256,
    ):
        return Step(trial, "failed_before")
    if offer.version <= trial.newest:
        return Step(trial, "old_version")
    return Step(replace(trial, candidate=offer, deadline_ms=now_ms + patience_ms), "apply")


def _back(trial: Trial) -> Step:
    return Step(replace(trial, candidate=None, failed=trial.candidate, deadline_ms=None), "roll_back")
