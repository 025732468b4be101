"""Link messages of the Linux kernel (rtnetlink(7)): which interface has a carrier. Pure.

The kernel tells hardware addresses with every message; they are stepped over and never read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
# linux/netlink.h, linux/rtnetlink.h
_DONE, _NEW_LINK, _DEL_LINK, _GET_LINK = 3, 16, 17, 18
_REQUEST_DUMP: Final = 0x301
#: linux/if_link.h and linux/if.h: name; the cable has a signal.
_IFLA_IFNAME, _LOWER_UP = 3, 0x10000
#: Bit of the multicast group of links, for bind.
GROUP_LINKS: Final = 1


def dump_request(sequence: int) -> bytes:
    """Return the question for all interfaces."""
    body = _LINK.pack(0, 0, 0, 0, 0)
    return _HEADER.pack(_HEADER.size + len(body), _GET_LINK, _REQUEST_DUMP, sequence, 0) + body


@dataclass(frozen=True, slots=True)
class _Seen:
    index: int
    name: str
    has_carrier: bool


@dataclass(frozen=True, slots=True)
class _Gone:
    index: int


@dataclass(slots=True)
class CarrierWatch:
    """Whether any interface whose name fits `pattern` (as in a shell) has a carrier."""

    pattern: str
    _carriers: dict[int, bool] = field(default_factory=dict)
    _is_complete: bool = False

    def begin(self) -> None:
        """All interfaces are asked for again; nothing is known until the answer is whole."""
        self._carriers.clear()
        self._is_complete = False

    def feed(self, data: bytes) -> list[bool]:
        """Return the level after each message that may have changed it, oldest first."""
        levels: list[bool] = []
        for message in _messages(data):
            match message:
                case _Seen(index, name, has_carrier) if fnmatchcase(name, self.pattern):
                    self._carriers[index] = has_carrier
                case _Seen(index) | _Gone(index):  # another, gone, or renamed
                    if self._carriers.pop(index, None) is None:
                        continue
                case None:
                    self._is_complete = True
            if self._is_complete:
                levels.append(any(self._carriers.values()))
        return levels


def _messages(data: bytes) -> Iterator[_Seen | _Gone | None]:
    """Yield what one read brought; None is the end of a dump."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        if kind == _DONE:
            yield None
        elif kind in (_NEW_LINK, _DEL_LINK) and length >= _HEADER.size + _LINK.size:
            _, _, index, flags, _ = _LINK.unpack_from(data, at + _HEADER.size)
            name = _name(data[at + _HEADER.size + _LINK.size : at + length])
            if kind == _DEL_LINK:
                yield _Gone(index)
            elif name is not None:
                yield _Seen(index, name, bool(flags & _LOWER_UP))
        at += (length + 3) & ~3


def _name(attributes: bytes) -> str | None:
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _IFLA_IFNAME:
            return attributes[at + _ATTRIBUTE.size : at + length].rstrip(b"\0").decode("ascii", "replace")
        at += (length + 3) & ~3
    return None
