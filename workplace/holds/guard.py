"""The guards over the whole site, with their memory: the circuit breaker (R28) and the mass events (R30)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from workplace.events import PauseCause, Signal
from workplace.floor_plan import FloorPlan, Place
from workplace.holds import breaker as breakers
from workplace.holds import mass_event, records
from workplace.holds.breaker import Breaker
from workplace.holds.hold import Hold, Mark
from workplace.holds.mass_event import Links
from workplace.occupancy.interface import Belief
from workplace.policy_file import BreakerFile

#: What ends a hold, or gives its place away, by the rules alone: each may prove to be a false release.
_AWAY_RULES = frozenset({"R6", "R7", "R8"})


class Guard:
    """Kept by the site. `breaker` and `links` are values; everything here only replaces them."""

    def __init__(self, plan: FloorPlan, settings: BreakerFile) -> None:
        self._settings = settings
        self.watched = mass_event.watched(plan)
        self.stopped = False
        self.breaker = Breaker()
        self.links = dict.fromkeys(self.watched, Links())
        self._failed: set[str] = set()
        self._known: dict[str, tuple[bool, bool]] = {}
        self._counted = self._trusted = 0
        self._is_judged = False
        self._written: dict[str, object] = {}

    @property
    def causes(self) -> tuple[PauseCause, ...]:
        """Why enforcement is paused, by a person or by itself."""
        own = self.breaker.causes
        return ("stop_switch", *own) if self.stopped else own

    def has_mass_event(self, place: Place) -> bool:
        """Whether the switch of a place has failed."""
        return bool(self._failed) and any(s.device in self._failed for s in place.sensors_of("link"))

    def keep_links(self, device: str, links: Links) -> None:
        self.links[device] = links
        (self._failed.add if links.since is not None else self._failed.discard)(device)

    # --- what happens

    def stepped(
        self, place: str, before: Hold, after: Hold, belief: Belief, marks: Iterable[Mark], now: datetime
    ) -> None:
        """Take in what one step of a place decided."""
        found = self.breaker
        for mark in marks:
            if mark.action == "reclaimable" and mark.rule in _AWAY_RULES:
                found = breakers.released(found, place, now, by_rules=True)
            elif mark.action == "released" and not mark.by_request:
                # a place that was given away has been counted
                if before.away_rank < 2:
                    found = breakers.released(found, place, now, by_rules=mark.rule != "R2")
            elif mark.action == "resumed" and mark.rule == "R19":
                found = breakers.taken_back(found, place)
            elif mark.action == "resumed":
                found = breakers.used(found, place, belief.last_sign_at or now, belief.linked_since)
            elif mark.action == "hold_started":
                found = breakers.used(found, place, after.hold_since or now, belief.linked_since)
        self._keep(found)

    def shown(self, place: str, hold: Hold, now: datetime) -> None:
        """Take in whether the inputs of a place can be trusted."""
        is_counted = hold.was_known and hold.phase != "exempt"
        after = (is_counted, is_counted and hold.phase != "unknown")
        before = self._known.get(place, (False, False))
        if after != before:
            self._known[place] = after
            self._counted += after[0] - before[0]
            self._trusted += after[1] - before[1]
            self._cover(now)

    def deaf(self, now: datetime) -> None:
        """Nobody listened until `now`: for one window the coverage says nothing."""
        self.breaker = breakers.deaf(self.breaker, now, self._settings)
        self._is_judged = False

    def forgive(self) -> None:
        """A person lets enforcement go on."""
        self.stopped = False
        if "false_releases" in self.breaker.causes:
            self._keep(breakers.forgiven(self.breaker))

    def _cover(self, now: datetime) -> None:
        share = breakers.FULL
        if self._counted:
            share = breakers.FULL * self._trusted // self._counted
        self._keep(breakers.covered(self.breaker, share, now, self._settings))

    def _keep(self, found: Breaker) -> None:
        if found is not self.breaker:
            self.breaker, self._is_judged = found, False

    # --- what follows

    @property
    def is_open_question(self) -> bool:
        """Something has changed since the breaker last looked."""
        return not self._is_judged

    def judge(self, now: datetime) -> tuple[PauseCause, ...] | None:
        """Return the causes as they were when they change now, None when they do not."""
        self._cover(now)
        before = self.breaker.causes
        self.breaker = breakers.judged(self.breaker, now, self._settings)
        self._is_judged = True
        return None if self.breaker.causes == before else before

    def wake_at(self, now: datetime) -> datetime | None:
        """Return when time alone changes something."""
        ends = [at for links in self.links.values() if (at := links.ends_at) is not None]
        crossing = breakers.wake_at(self.breaker, now, self._settings)
        return min([*ends, *([crossing] if crossing is not None else [])], default=None)

    def figures(self, now: datetime) -> tuple[Signal, ...]:
        """Return what the breaker looked at, for its record."""
        releases, false = self.breaker.counts(now, self._settings.days)
        coverage = breakers.mean_coverage(self.breaker.coverage, now, self._settings)
        return (
            Signal(device="breaker", kind="false_releases", value=false, age_s=0.0),
            Signal(device="breaker", kind="releases", value=releases, age_s=0.0),
            Signal(device="breaker", kind="coverage_pct", value=coverage / 100, age_s=0.0),
        )

    def reason(self, cause: PauseCause, *, is_pause: bool) -> str:
        """Return what would have kept enforcement going, or paused."""
        rules = self._settings
        if cause == "coverage" and is_pause:
            minutes = f"{rules.coverage_pct} % of the minutes of the last {rules.coverage_min} min"
            return f"with trusted inputs in {minutes} enforcement would have gone on"
        if cause == "coverage":
            minutes = f"{rules.coverage_back_pct} % of the minutes of the last {rules.coverage_min} min"
            return f"with trusted inputs in less than {minutes} enforcement would still be paused"
        share = f"at most {rules.false_release_pct:g} % false releases in {rules.days} days"
        return f"with {share} enforcement would have gone on"

    # --- memory

    def take_changes(self) -> dict[str, bytes]:
        """Return the records that changed since the last call."""
        kept: dict[str, object] = {records.BREAKER: self.breaker}
        kept |= {records.links_key(device): links for device, links in self.links.items()}
        found = {
            key: records.write(kept[key]) for key in sorted(kept) if kept[key] is not self._written.get(key)
        }
        self._written = kept
        return found

    def restore(self, stored: Mapping[str, bytes]) -> None:
        self.breaker = records.read_as(stored.get(records.BREAKER), Breaker) or Breaker()
        for device in self.watched:
            links = records.read_as(stored.get(records.links_key(device)), Links) or Links()
            self.keep_links(device, links)
