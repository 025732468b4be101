"""The ports of one switch: which number carries which name now. Pure.

Switches speak of ports by ifIndex, and a reboot may give every port another one (RFC 2863, section 3.1.5). Names stay,
so the name is the channel, and a table made by a walk leads from one to the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from workplace.errors import WorkplaceError

#: Columns of IF-MIB (RFC 2863) that a walk reads. ifAlias is missing on purpose: people write names into it.
COLUMNS: Final = {
    "if_descr": "1.3.6.1.2.1.2.2.1.2",
    "if_type": "1.3.6.1.2.1.2.2.1.3",
    "admin": "1.3.6.1.2.1.2.2.1.7",
    "oper": "1.3.6.1.2.1.2.2.1.8",
    "if_name": "1.3.6.1.2.1.31.1.1.1.1",
}
#: ifType ethernetCsmacd, and the three that older agents use for faster Ethernet (RFC 3635 deprecates them). All else
#: (LAG 161, VLAN, loopback, stacking) is no desk.
ETHERNET: Final = frozenset({6, 62, 69, 117})
#: ifOperStatus that say what the cable does; testing, unknown and dormant say nothing (RFC 2863, ifOperStatus).
_OPER: Final = {1: True, 2: False, 6: False, 7: False}
_ADMIN_DOWN: Final = 2
#: Longest name of a port, as `SensorEvent.channel` allows.
LONGEST_NAME: Final = 64
#: A switch counts its uptime in hundredths and answers late; a boot that seems this much newer is another one.
BOOT_BLUR: Final = timedelta(seconds=30)


class SwitchSilent(WorkplaceError):
    """A switch did not answer; ask again later, and after some silence call its ports unknown."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"the switch at {address} does not answer SNMP: {why}")
        self.address = address
        self.why = why


@dataclass(frozen=True, slots=True)
class PortRow:
    """One row of a walk, as the switch told it; None where it told nothing."""

    index: int
    if_type: int | None = None
    admin: int | None = None
    oper: int | None = None
    if_name: str | None = None
    if_descr: str | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What one poll brought.

    Attributes:
        started_at: site time before the first question; what was told later is newer than this.
        uptime: hundredths of a second since the switch started, None when it does not say.
    """

    rows: tuple[PortRow, ...]
    started_at: datetime
    uptime: int | None = None


@dataclass(frozen=True, slots=True)
class PortState:
    """`is_up` None: the switch does not say what the cable does."""

    is_up: bool | None
    is_admin_down: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """Which port somebody spoke of.

    Attributes:
        name: None when it cannot be said before the next walk, or never.
        is_ours: False for uplinks and for what is no Ethernet port or not in the list of ports.
    """

    name: str | None
    is_ours: bool = True


_NOT_OURS: Final = Resolved(None, is_ours=False)


@dataclass(slots=True)
class PortTable:
    """Names and numbers of one switch.

    Attributes:
        only: names of the ports that matter; empty for all Ethernet ports.
        uplinks: names of ports that lead to other switches; they are nobody's desk.
        has_walks: False for a switch that nobody polls: the names in its messages must do.
        wants_walk: something does not fit to the last walk; the numbers may have moved.
    """

    only: frozenset[str] = frozenset()
    uplinks: frozenset[str] = frozenset()
    has_walks: bool = True
    wants_walk: bool = True
    _by_index: dict[int, str] = field(default_factory=dict)
    _others: set[int] = field(default_factory=set)
    _by_word: dict[str, str] = field(default_factory=dict)
    _booted_at: datetime | None = None
    _is_built: bool = False

    def rebuild(self, walk: Walk) -> dict[str, PortState]:
        """Take over a walk; return the state of every port that is ours, by name."""
        named = [(row, name) for row in walk.rows if row.if_type in ETHERNET and (name := _name(row))]
        twice = {name for name, count in Counter(name for _, name in named).items() if count > 1}
        self._by_index, self._by_word, states = {}, {}, {}
        self._others = {row.index for row in walk.rows}
        for row, name in named:
            # a name that two ports bear says nothing about either
            if name in twice or not self._is_ours(name, row.if_descr):
                continue
            self._by_index[row.index] = name
            self._others.discard(row.index)
            self._by_word |= {word.casefold(): name for word in (row.if_descr, name) if word}
            states[name] = PortState(_OPER.get(row.oper or 0), row.admin == _ADMIN_DOWN)
        # descriptions that several ports share (some switches give all the same) name none of them
        shared = Counter(row.if_descr.casefold() for row, _ in named if row.if_descr)
        for word, count in shared.items():
            if count > 1 and self._by_word.get(word, "").casefold() != word:
                self._by_word.pop(word, None)
        self._booted_at = _boot(walk.uptime, walk.started_at)
        self._is_built, self.wants_walk = True, False
        return states

    def restarted(self) -> None:
        """The switch says that it began anew: no number counts until the next walk."""
        self.wants_walk = True

    def resolve(
        self, index: int | None, told: str | None, *, uptime: int | None = None, at: datetime
    ) -> Resolved:
        """Return the port that a message speaks of.

        Args:
            index, told: number and name in the message, as far as it has them. A name goes before a number.
            uptime: of the switch when it sent the message, hundredths of a second.
            at: when the message came; an uptime that does not fit to the walk's means a reboot.
        """
        booted_at = _boot(uptime, at)
        if booted_at is not None and self._booted_at is not None:
            if booted_at > self._booted_at + BOOT_BLUR:
                self.wants_walk = True
            elif booted_at < self._booted_at - BOOT_BLUR:
                index = None  # a number from before the restart leads to another port
        if told is not None:
            found = self._by_name(told, index)
            if found is not None:
                return found
        if index is None or index in self._others:
            return Resolved(None) if self.wants_walk and index is not None else _NOT_OURS
        if index not in self._by_index:
            self.wants_walk = True
        return Resolved(None if self.wants_walk else self._by_index[index])

    def _by_name(self, told: str, index: int | None) -> Resolved | None:
        """Return whose name that is; None when only the number can tell."""
        name = self._by_word.get(told.casefold())
        if name is not None:
            if index is not None and self._by_index.get(index) != name:
                self.wants_walk = True
            return Resolved(name)
        if self._is_built:
            return None
        if self.has_walks:
            return Resolved(None)
        return Resolved(told) if self._is_ours(told, None) else _NOT_OURS

    def _is_ours(self, name: str, description: str | None) -> bool:
        words = {name, description}
        return not words & self.uplinks and (not self.only or bool(words & self.only))


def rows_of(columns: Mapping[str, Mapping[int, int | bytes]]) -> tuple[PortRow, ...]:
    """Return the rows of a walk by columns.

    Args:
        columns: name of `COLUMNS` -> ifIndex -> value.
    """
    indexes = sorted({index for column in columns.values() for index in column})

    def number(column: str, index: int) -> int | None:
        value = columns.get(column, {}).get(index)
        return value if isinstance(value, int) else None

    def text(column: str, index: int) -> str | None:
        value = columns.get(column, {}).get(index)
        return _clean(value) if isinstance(value, bytes) else None

    return tuple(
        PortRow(
            index,
            number("if_type", index),
            number("admin", index),
            number("oper", index),
            text("if_name", index),
            text("if_descr", index),
        )
        for index in indexes
    )


def _name(row: PortRow) -> str | None:
    name = row.if_name or row.if_descr
    return name if name and len(name) <= LONGEST_NAME else None


def _clean(value: bytes) -> str | None:
    text = value.decode("utf-8", errors="replace").strip("\0 \r\n\t")
    return text if text and text.isprintable() else None


def _boot(uptime: int | None, at: datetime) -> datetime | None:
    return None if uptime is None else at - timedelta(milliseconds=uptime * 10)
