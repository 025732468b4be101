"""Reads the record of decisions and writes into the outbox what is to be told of it, with how far it read.

The record is the database of ingest, read beside its writer: what is told was durable before, and a slow or broken
channel can never hold the engine up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import structlog

from ingest.channels.outbox import Outbox, Page
from ingest.stores.decision_log import DecisionLog, Mark
from workplace.channel_file import ChannelSettings
from workplace.channels import (
    ENFORCING,
    PAUSE_ALARMS,
    AlarmCause,
    Telling,
    TellKind,
    Told,
    alarm,
    alarm_over,
    ended_by,
    ended_in,
    is_allowed,
    take_back,
    tell,
    told_of,
)
from workplace.events import Decision
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Clock

log = structlog.get_logger(__name__)

#: Decisions per look.
MAX_DECISIONS = 500
#: A gateway that is away for this long is worth an alarm, site time. Lower: each restart makes one.
GATEWAY_AWAY = timedelta(minutes=3)
#: A mass event is over when no place was hit by one for this long, site time.
MASS_EVENT_LASTS = timedelta(minutes=15)
#: The engine commits every 5 s; past this it stands still, s of real time.
ENGINE_SILENT_S = 300.0
#: What was read longer ago than this says nothing about now, s of real time: the stop switch works within 10 s.
FRESH_S = 10.0
#: A telling is worth sending for at least this long, s of real time. Only matters where site time runs fast.
SHORTEST_LIFE_S = 30.0


@dataclass(frozen=True, slots=True)
class Permit:
    """What may leave now."""

    plan: FloorPlan
    policy: Policy
    is_paused: bool = True
    read_at: float | None = None
    """Real time (`time.monotonic`) of the last look at the record."""

    def is_fresh(self, now_s: float) -> bool:
        return self.read_at is not None and now_s - self.read_at <= FRESH_S

    def allows(self, telling: Telling) -> bool:
        """Return whether mode and stop switch let this be told at this moment."""
        if self.is_paused and telling.kind in ENFORCING:
            return False
        return is_allowed(telling, self.plan, self.policy)


class Listener:
    """One object, one thread at a time; `look` is called about once a second."""

    def __init__(
        self,
        record: DecisionLog,
        outbox: Outbox,
        channels: Sequence[ChannelSettings],
        plan: FloorPlan,
        policy: Policy,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._outbox = outbox
        self.channels = tuple(channels)
        self.plan = plan
        self.policy = policy
        self._clock = clock
        self._monotonic = monotonic
        self._engine: tuple[datetime | None, float] | None = None
        self.permit = Permit(plan, policy)

    def look(self) -> int:
        """Take in what was decided since the last look; return how many decisions that were.

        Raises:
            StoreUnavailable: record or outbox cannot be used now; nothing happened.
        """
        now = self._clock.now()
        pauses = self._record.pauses()
        kept, mark = self._outbox.mark(), self._mark()
        decisions = self._record.after(mark, MAX_DECISIONS)
        draft = _Draft(self, Page(decisions[-1][0] if decisions else mark), self._outbox.told())
        for _, decision in decisions:
            draft.read(decision)
        if len(decisions) < MAX_DECISIONS:  # only then places and decisions are of one moment
            self._look_at_places(draft, now, is_paused=bool(pauses))
        self._look_for_alarms(draft.page, now, pauses)
        page = draft.page
        if page.mark != kept or page.tellings or page.over or page.causes:
            self._outbox.write(page)
        self.permit = Permit(self.plan, self.policy, bool(pauses), self._monotonic())
        return len(decisions)

    def _mark(self) -> Mark:
        """Return where to read on. A new outbox begins with what is decided from now on.

        A record that was begun anew (pruned empty, or replaced after damage) is read from its beginning: what was
        told already is recognised by its id.
        """
        mark = self._outbox.mark()
        if mark is None:
            return self._record.end()
        if self._record.is_at(mark) or not 0 < self._record.first_number() <= mark.number:
            return mark
        log.warning("decisions_begin_anew", read_up_to=mark.number)
        return Mark(0, "")

    def _look_at_places(self, draft: _Draft, now: datetime, *, is_paused: bool) -> None:
        for place, told in list(draft.told.items()):
            if all(one.is_old(now) for one in told):
                draft.forget(list(told))
            elif told[-1].kind == "reclaimable":
                phase = self._record.phase_of(place)
                why = None if phase is None else ended_in(told[-1], phase, paused=is_paused)
                if why is not None:
                    draft.take_back(place, why, now)

    # Alarms

    def _look_for_alarms(self, page: Page, now: datetime, pauses: Sequence[str]) -> None:
        found, known = self._causes(now, pauses), self._outbox.causes()
        for key, (cause, what, since) in found.items():
            made = alarm(cause, what, self.plan, self.policy, since) if key not in known else None
            if made is not None:
                page.causes[key] = made
                page.tellings.append((made, self._who(made, "alarm")))
        for key, made in known.items():
            if key not in found:
                over = alarm_over(made, now)
                page.causes[key] = None
                page.tellings.append((over, self._who(over, "alarm")))

    def _causes(self, now: datetime, pauses: Sequence[str]) -> dict[str, tuple[AlarmCause, str, datetime]]:
        """Return what a person of facility must know now: key -> cause, what it is about, since when."""
        found: dict[str, tuple[AlarmCause, str, datetime]] = {}
        for gateway, since in self._record.lost_gateways().items():
            if now - since >= GATEWAY_AWAY and gateway in self.plan.gateway:
                found[f"gateway_lost:{gateway}"] = ("gateway_lost", gateway, since)
        for zone, at in self._record.mass_events(now - MASS_EVENT_LASTS).items():
            if zone in self.plan.zone:
                floor = self.plan.zone[zone].floor
                found[f"mass_event:{floor}"] = ("mass_event", floor, at)
        for pause in pauses:
            found[f"paused:{pause}"] = (PAUSE_ALARMS.get(pause, "paused"), self.plan.site, now)
        silent_since = self._engine_silent_since()
        if silent_since is not None:
            found["engine_silent"] = ("engine_silent", self.plan.site, silent_since)
        return found

    def lasting(self, telling: Telling) -> Telling:
        """Return the telling with a life that fits the speed of the site's clock."""
        shortest = telling.at + timedelta(seconds=SHORTEST_LIFE_S * self._clock.speed)
        return msgspec.structs.replace(telling, expires_at=max(telling.expires_at, shortest))

    def _who(self, telling: Telling, of: TellKind) -> tuple[str, ...]:
        return tuple(one.name for one in self.channels if wants(one, telling, of))

    def _engine_silent_since(self) -> datetime | None:
        """Return the engine's time when it has stood still for long, None while it moves."""
        engine_now, now_s = self._record.engine_now(), self._monotonic()
        if self._engine is None or self._engine[0] != engine_now:
            self._engine = (engine_now, now_s)
        return engine_now if now_s - self._engine[1] >= ENGINE_SILENT_S else None


class _Draft:
    """One look in the making: what is told of which place, oldest first."""

    def __init__(self, listener: Listener, page: Page, told: Sequence[Told]) -> None:
        self._listener = listener
        self.page = page
        self.told: dict[str, list[Told]] = {}
        for one in told:
            self.told.setdefault(one.place, []).append(one)

    def read(self, decision: Decision) -> None:
        """Take in one decision: first what it ends, then what it says."""
        plan, policy = self._listener.plan, self._listener.policy
        why = ended_by(decision)
        if why is not None:
            self.take_back(decision.place, why, decision.at)
        telling = tell(decision, plan, policy)
        remembered = None if telling is None else told_of(telling)
        if telling is None or remembered is None or not is_allowed(telling, plan, policy):
            return
        channels = tuple(one.name for one in self._listener.channels if wants(one, telling, telling.kind))
        self.page.tellings.append((self._listener.lasting(telling), channels))
        self.page.told.append(remembered)
        self.told.setdefault(decision.place, []).append(remembered)

    def take_back(self, place: str, why: str, at: datetime) -> None:
        """Tell each channel once that the newest of what it was told holds no longer."""
        asked: set[str] = set()
        known = [
            one for one in self.told.get(place, []) if one.at <= at
        ]  # a record read again speaks of the past
        for one in reversed(known):
            back = take_back(one, why, self._listener.plan.site, at)
            channels = {c.name for c in self._listener.channels if wants(c, back, one.kind)} - asked
            asked |= channels
            if channels and not one.is_old(at):
                self.page.tellings.append((self._listener.lasting(back), tuple(sorted(channels))))
        self.forget(known)

    def forget(self, told: Sequence[Told]) -> None:
        """Remember these no longer."""
        gone = [one.telling for one in told]
        for one in told:
            self.told[one.place].remove(one)
        self.page.over += gone
        self.page.told = [one for one in self.page.told if one.telling not in gone]


def wants(channel: ChannelSettings, telling: Telling, of: TellKind) -> bool:
    """Return whether a channel is told this; `of` is the kind that it is or takes back."""
    is_ours = telling.zone is None or not channel.zones or telling.zone in channel.zones
    return is_ours and channel.tells.issuperset((telling.kind, of))
