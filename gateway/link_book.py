"""What the ports of one switch do: one change per change, however often told, and no desk freed by a switch. Pure.

A drop waits `DROP_WAIT` before it is believed. When more than `MASS_SHARE` of the links drop within that time, nobody
has left: the switch, its power or its cable has failed (R30), and until a later poll nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.switch_ports import PortState

#: R30: a mass event is more than this share of the links of one switch ...
MASS_SHARE: Final = 0.3
#: ... within this time. Shorter misses a switch that goes down card by card, longer takes going home for a fault.
DROP_WAIT: Final = timedelta(seconds=10)
#: ... and at least so many: on a switch with two laptops everybody who leaves is half of it.
MASS_LEAST: Final = 3
#: After a mass event a poll counts only this long after the last change. Lower: docks that start with their switch are
#: taken as empty; higher: places stay unknown for longer than needed.
SETTLE: Final = timedelta(seconds=60)
#: The same change told again, by the line protocol or over the other transport, comes within this time. Lower tells
#: it twice, higher may swallow a real change over a transport that lost the ones before.
MERGE: Final = timedelta(seconds=5)
#: A trap whose uptime is less than this below the last one was sent before it; more is a reboot. In 10 ms.
REORDERED: Final = 6_000
#: Changes that are remembered per port for merging.
_RECENT: Final = 8


@dataclass(frozen=True, slots=True)
class LinkNews:
    """One message about one port.

    Attributes:
        at: when the gateway had it.
        via: the transport, `traps` or `syslog`.
        uptime: of the switch when it sent it, hundredths of a second.
        is_admin_down: whether an administrator closed the port; None when the message does not say.
    """

    port: str
    is_up: bool
    at: datetime
    via: str
    uptime: int | None = None
    is_admin_down: bool | None = None


@dataclass(frozen=True, slots=True)
class LinkIs:
    """A link is up or down since `at`, as far as anybody saw; a repeat is free."""

    port: str
    is_up: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class PortCloses:
    """Nothing can be known of the port, and nobody has left: `admin_down`, `port_gone` or `state_unknown`."""

    port: str
    at: datetime
    reason: str = "admin_down"


@dataclass(frozen=True, slots=True)
class PortOpens:
    """The port is open again; its level follows."""

    port: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MassEvent:
    """Too many links dropped at once; what holds is unknown until `Settled`."""

    at: datetime
    dropped: int
    of: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The levels that follow can be trusted again."""

    at: datetime


Change = LinkIs | PortCloses | PortOpens | MassEvent | Settled


@dataclass(slots=True)
class _Told:
    is_up: bool
    at: datetime
    via: set[str]


@dataclass(slots=True, eq=False)
class _Port:
    """`dropped_at`: when its link dropped last, for counting mass events."""

    is_up: bool | None = None
    is_closed: bool = False
    told_at: datetime | None = None
    uptime: int | None = None
    dropped_at: datetime | None = None
    recent: list[_Told] = field(default_factory=list)


@dataclass(slots=True)
class LinkBook:
    """All ports of one switch.

    Attributes:
        has_poll: False when nobody polls this switch; then a mass event ends by itself after `SETTLE` of quiet.
        counters: messages that brought nothing, by reason.
    """

    has_poll: bool = True
    counters: dict[str, int] = field(default_factory=dict)
    _ports: dict[str, _Port] = field(default_factory=dict)
    _drops: dict[str, datetime] = field(default_factory=dict)
    """Drops that are not yet believed, by port."""
    _unrest_at: datetime | None = None

    @property
    def is_suspended(self) -> bool:
        return self._unrest_at is not None

    @property
    def settles_at(self) -> datetime | None:
        """When a poll can end the mass event, None when there is none."""
        return None if self._unrest_at is None else self._unrest_at + SETTLE

    @property
    def wake_at(self) -> datetime | None:
        """When to call `due`."""
        drops = [at + DROP_WAIT for at in self._drops.values()]
        if self._unrest_at is not None and not self.has_poll:
            drops.append(self._unrest_at + SETTLE)
        return min(drops, default=None)

    def tell(self, news: LinkNews) -> list[Change]:
        """Take one message; return what follows from it now. Drops follow later, see `due`."""
        changes = self.due(news.at)
        port = self._ports.setdefault(news.port, _Port())
        if self._is_old(port, news):
            return changes
        port.told_at = news.at
        if self._unrest_at is not None:
            self._unrest_at = max(self._unrest_at, news.at)
            port.is_up, port.is_closed = news.is_up, news.is_admin_down is True
            return changes
        if news.is_up or news.is_admin_down is not None:
            changes += self._turn(news.port, port, news.at, is_closed=news.is_admin_down is True)
        if port.is_closed:
            return changes
        return changes + (self._rise(news, port) if news.is_up else self._drop(news, port))

    def due(self, now: datetime) -> list[Change]:
        """Return the drops that have waited long enough, and the end of a mass event that nobody can poll."""
        settles_at = self.settles_at
        if settles_at is not None:
            return list(self._settle(now)) if not self.has_poll and now >= settles_at else []
        over = [name for name, at in self._drops.items() if now - at >= DROP_WAIT]
        return [LinkIs(name, is_up=False, at=self._drops.pop(name)) for name in over]

    def polled(self, states: Mapping[str, PortState], started_at: datetime, now: datetime) -> list[Change]:
        """Take what a poll says as the truth, except of ports that spoke after it began.

        Args:
            states: every port of the switch that is ours.
            started_at: when the poll began; `now`: when it ended.
        """
        changes = self.due(now)
        for gone in sorted(self._ports.keys() - states.keys()):
            self._ports[gone] = _Port(is_closed=True)
            self._drops.pop(gone, None)
            changes.append(PortCloses(gone, started_at, "port_gone"))
        settles_at = self.settles_at
        if settles_at is not None and started_at < settles_at:
            return changes
        fresh = {
            name: state
            for name, state in states.items()
            if (told_at := self._ports.setdefault(name, _Port()).told_at) is None or told_at < started_at
        }
        if settles_at is None:
            for name, state in fresh.items():
                port = self._ports[name]
                if port.is_up is True and state.is_up is False and not state.is_admin_down:
                    port.dropped_at = started_at
            changes += self._mass(started_at)
            if self.is_suspended:
                return changes
        else:
            self._unrest_at = None
            changes.append(Settled(started_at))
        for name, state in fresh.items():
            changes += self._level(name, self._ports[name], state, started_at)
        return changes

    def restarted(self) -> None:
        """The switch counts its uptime anew."""
        for port in self._ports.values():
            port.uptime = None

    def _rise(self, news: LinkNews, port: _Port) -> list[Change]:
        port.is_up = True
        rise = LinkIs(news.port, is_up=True, at=news.at)
        if news.port in self._drops:  # it was down for a moment: both happened
            return [LinkIs(news.port, is_up=False, at=self._drops.pop(news.port)), rise]
        return [rise]

    def _drop(self, news: LinkNews, port: _Port) -> list[Change]:
        # unknown before may have been up: counted, so that a gateway that has just started frees no floor
        if port.is_up is not False:
            port.dropped_at = news.at
        port.is_up = False
        self._drops[news.port] = news.at
        return self._mass(news.at)

    def _level(self, name: str, port: _Port, state: PortState, at: datetime) -> Iterator[Change]:
        if name in self._drops:  # it came before this poll
            yield LinkIs(name, is_up=False, at=self._drops.pop(name))
        reason = "admin_down" if state.is_admin_down else "state_unknown"
        is_closed = state.is_admin_down or state.is_up is None
        yield from self._turn(name, port, at, is_closed=is_closed, reason=reason, repeat=True)
        if state.is_up is not None and not is_closed:
            port.is_up = state.is_up
            yield LinkIs(name, state.is_up, at)

    def _turn(
        self,
        name: str,
        port: _Port,
        at: datetime,
        *,
        is_closed: bool,
        reason: str = "admin_down",
        repeat: bool = False,
    ) -> Iterator[Change]:
        turns = is_closed != port.is_closed
        if turns:
            port.is_closed, port.dropped_at = is_closed, None
            self._drops.pop(name, None)
        if is_closed:
            port.is_up = None
        if is_closed and (turns or repeat):
            yield PortCloses(name, at, reason)
        elif turns:
            yield PortOpens(name, at)

    def _is_old(self, port: _Port, news: LinkNews) -> bool:
        """Whether this message is late or tells what was told, and remember it otherwise."""
        if news.uptime is not None and port.uptime is not None and 0 < port.uptime - news.uptime < REORDERED:
            return self._count("reordered")
        port.uptime = news.uptime if news.uptime is not None else port.uptime
        turns = news.is_admin_down is not None and news.is_admin_down != port.is_closed
        for told in port.recent:
            is_second = news.via not in told.via and told.is_up == news.is_up
            if is_second and timedelta() <= news.at - told.at <= MERGE and not turns:
                told.via.add(news.via)
                return self._count("told_twice")
        if port.recent and port.recent[-1].is_up == news.is_up == port.is_up and not turns:
            return self._count("unchanged")
        port.recent = [*port.recent[1 - _RECENT :], _Told(news.is_up, news.at, {news.via})]
        return False

    def _count(self, why: str) -> bool:
        self.counters[why] = self.counters.get(why, 0) + 1
        return True

    def _mass(self, now: datetime) -> list[Change]:
        dropped = [
            port
            for port in self._ports.values()
            if port.dropped_at is not None and timedelta() <= now - port.dropped_at <= DROP_WAIT
        ]
        links = sum(1 for port in self._ports.values() if port.is_up and port not in dropped) + len(dropped)
        if len(dropped) < MASS_LEAST or len(dropped) <= MASS_SHARE * links:
            return []
        self._unrest_at = now
        self._drops.clear()
        for port in self._ports.values():
            port.dropped_at = None
        return [MassEvent(now, len(dropped), links)]

    def _settle(self, now: datetime) -> Iterator[Change]:
        self._unrest_at = None
        yield Settled(now)
        for name, port in self._ports.items():
            if port.is_closed:
                yield PortCloses(name, now)
            elif port.is_up is not None:
                yield LinkIs(name, port.is_up, now)
