"""What syslog lines and SNMP traps have in common: one link reading, with nothing of a person in it.

A switch may write addresses, descriptions and names of people next to a port. So texts are let through by a list
of allowed characters, and never copied from a message as they stand.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from workplace.readings import Reading, Value

#: A hardware address in the spellings of the vendors: aa:bb:.., aa-bb-.., aabb.ccdd.eeff, aabbcc-ddeeff, aabbccddeeff.
_ADDRESS: Final = re.compile(
    r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:[.:-][0-9A-Fa-f]{4}){2}"
    r"|[0-9A-Fa-f]{6}-[0-9A-Fa-f]{6}|[0-9A-Fa-f]{12})(?![0-9A-Fa-f])"
)
_PORT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./:_-]{0,63}")
#: Reasons are words of the switch: without digits, so without addresses.
_REASON: Final = re.compile(r"[A-Za-z][A-Za-z .:,_-]{0,63}")


def has_address(text: str) -> bool:
    """True when a hardware address stands in `text`."""
    return _ADDRESS.search(text) is not None


def port_name(text: str | None) -> str | None:
    """Return `text` when it can be the name of a port, else None."""
    if text is None or has_address(text) or not _PORT.fullmatch(text):
        return None
    return text


def reason_words(text: str | None) -> str | None:
    """Return `text` when it is plain words of a switch, else None."""
    return text if text is not None and _REASON.fullmatch(text) else None


def link_reading(
    *, is_up: bool, port: str | None, facts: dict[str, Value], measured_at: datetime | None = None
) -> Reading:
    """Return one reading; facts that are None are left out."""
    told: dict[str, Value] = {} if port is None else {"port": port}
    told |= {name: value for name, value in facts.items() if value is not None}
    return Reading("link", is_up, channel=port, measured_at=measured_at, extra=told)
