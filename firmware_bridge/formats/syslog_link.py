"""Link changes out of the syslog lines of switches.

Every other line is ignored, and of a line that is read only the port, the switch's own name and the switch's own
words leave this file: never a description, an address or a person's name.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from firmware_bridge.formats.json_values import as_moment
from firmware_bridge.formats.link_reading import has_address, link_reading, port_name, reason_words
from firmware_bridge.formats.syslog_rows import ROWS, SyslogRow
from workplace.readings import Decoded, Reading, Value

#: RFC 5424 asks receivers for at least 2048 octets; a longer line than this is no line of a switch.
MAX_LINE_BYTES = 8192
#: One plug is told twice, by the link and about 1 s later by the line protocol. Lower tells it twice, higher could
#: swallow the end of a flap of which the middle was lost.
MERGE_WITHIN = timedelta(seconds=5)
#: Ports that are remembered for merging; the oldest go first.
MAX_PORTS = 4096

_PRIORITY = re.compile(r"<(\d{1,3})>")
#: RFC 5424: version, time, host, and the rest.
_RFC_5424 = re.compile(r"1 (?P<time>\S{1,64}) (?P<host>\S{1,255}) ")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
#: What stands before a host name: counters, marks of a clock that is not in sync, and times in the vendors' styles.
_BEFORE_HOST: Final = re.compile(
    r"\s+|\d{1,10}: |: |[*.#%:](?=\s?[A-Z0-9])"
    r"|[A-Z] (?=\d\d/\d\d/\d\d )"
    r"|(?P<time>\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d\d:\d\d[.,\d]{0,12}(?:Z|[+-]\d\d:?\d\d)?:?(?=\s|$)"
    rf"|(?:\d{{4}} )?{_MONTH} {{1,2}}\d{{1,2}} (?:\d{{4}} )?\d\d:\d\d:\d\d(?:[.:]\d{{1,9}})?(?: \d{{4}})?"
    r"(?: [A-Z]{3,5}(?=:))?:?(?=\s|$)"
    r"|\d\d/\d\d/\d\d(?:\d\d)? \d\d:\d\d:\d\d(?=\s)"
    r"|\d\d:\d\d:\d\d: |(?:\d{1,3}y)?(?:\d{1,2}w)?\d{1,3}d(?:\d{1,2}h)?: )",
    re.ASCII,
)
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}", re.ASCII)
#: `*` the clock was never set, `.` it lost its server (Cisco IOS, service timestamps).
_UNSYNCED: Final = re.compile(rf"(?:^|\s)[*.](?=\s?(?:\d{{4}} )?{_MONTH} )")
_ETHERNET_TYPE = 6


@dataclass(frozen=True, slots=True)
class _Head:
    """Who sent a line and when, as far as it says so."""

    host: str | None = None
    time: str | None = None
    is_unsynced: bool = False


class SyslogLinkDecoder:
    """Decodes lines of any number of switches; remembers a few seconds of each port to merge what is told twice."""

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[str | None, str], tuple[bool, bool, datetime]] = OrderedDict()

    def decode(self, line: bytes, *, sender: str | None = None, now: datetime) -> Decoded:
        """Return what one line says.

        Args:
            line: one datagram, or one line of a stream, with or without its priority.
            sender: address of the switch, its name when the line has none.
            now: site time; a second telling of one change is dropped as `duplicate`.
        """
        if len(line) > MAX_LINE_BYTES:
            return Decoded(fault="oversize", device=sender)
        text = line.decode("utf-8", errors="replace").strip("\0\r\n ")
        priority = _PRIORITY.match(text)
        text = text[priority.end() :] if priority else text
        row, match = _find(text)
        if row is None or match is None:
            return Decoded(dropped="personal_data" if has_address(text) else "not_a_link", device=sender)
        head = _head(text[: match.start()])
        device = head.host or sender
        reading = _reading(row, match, head, now)
        if reading is None:
            return Decoded(dropped="not_a_port", device=device)
        decoded = Decoded((reading,), device=device)
        return replace(decoded, readings=(), dropped="duplicate") if self._is_told(decoded, now) else decoded

    def _is_told(self, decoded: Decoded, now: datetime) -> bool:
        """True when this change was told a moment ago and the line adds nothing to it."""
        (reading,) = decoded.readings
        port = str(reading.channel if reading.channel is not None else reading.extra.get("if_index"))
        key, is_up = (decoded.device, port), reading.value is True
        is_admin = reading.extra.get("admin_down") is True
        before = self._recent.pop(key, None)
        is_told = (
            before is not None
            and before[0] == is_up
            and (before[1] or not is_admin)
            and timedelta() <= now - before[2] <= MERGE_WITHIN
        )
        self._recent[key] = before if is_told and before is not None else (is_up, is_admin, now)
        if len(self._recent) > MAX_PORTS:
            self._recent.popitem(last=False)
        return is_told


def _find(text: str) -> tuple[SyslogRow | None, re.Match[str] | None]:
    for row in ROWS:
        match = row.pattern.search(text)
        if match is not None:
            return row, match
    return None, None


def _reading(row: SyslogRow, match: re.Match[str], head: _Head, now: datetime) -> Reading | None:
    found = match.groupdict()
    state = found["state"].lower()
    port = port_name((found["port"] or "").replace(" ", "")) if found["port"] else None
    index, kind = _number(found.get("index")), _number(found.get("type"))
    if (port is None and index is None) or kind not in (None, _ETHERNET_TYPE):
        return None
    facts: dict[str, Value] = {
        "if_index": index,
        "if_type": kind,
        "admin_status": _number(found.get("admin")),
        "oper_status": _number(found.get("oper")),
        "reason": reason_words((found.get("reason") or "").strip() or None),
        "mode": found.get("mode"),
        "clock_unsynced": head.is_unsynced or None,
    }
    if state in row.admin_down:
        facts["admin_down"] = True
    elif facts["admin_status"] is not None:
        facts["admin_down"] = facts["admin_status"] == 2  # IF-MIB ifAdminStatus: 1 up, 2 down, 3 testing
    moment = as_moment(head.time, now.astimezone(UTC)) if head.time else None
    return link_reading(is_up=row.states[state], port=port, facts=facts, measured_at=moment)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _head(text: str) -> _Head:
    """Read what stands before the message. A name with a colon after the time is a program, not a host."""
    modern = _RFC_5424.match(text)
    if modern:
        return _Head(_host(modern["host"]), modern["time"])
    at, has_time = 0, False
    while at < len(text):
        match = _BEFORE_HOST.match(text, at)
        if match is None or match.end() == at:
            break
        has_time = has_time or match["time"] is not None
        at = match.end()
    token = text[at:].split(maxsplit=1)[0] if text[at:].strip() else ""
    if token.endswith(":"):
        token = "" if has_time else token[:-1]
    return _Head(_host(token), None, _UNSYNCED.search(text) is not None)


def _host(token: str) -> str | None:
    return token if _HOST.fullmatch(token) and not has_address(token) else None
