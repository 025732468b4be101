"""Syslog over TCP cut into lines: with a count of octets before each, or ended by a newline (RFC 6587). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: RFC 5424 asks receivers for at least 2048 octets; a longer line than this is no line of a switch.
MAX_LINE_BYTES: Final = 8192
#: A count is at most this long; a line that begins otherwise ends with a newline.
_COUNT: Final = re.compile(rb"([1-9]\d{0,6}) (?=<)")
_MAYBE_COUNT: Final = re.compile(rb"[1-9]\d{0,6} ?")


@dataclass(slots=True)
class SyslogFraming:
    """One connection.

    Attributes:
        oversize: lines that were longer than `MAX_LINE_BYTES`; nothing of them is kept.
    """

    oversize: int = 0
    _rest: bytes = b""
    _skip_octets: int = 0
    _skips_line: bool = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, in order."""
        self._rest += data
        lines: list[bytes] = []
        while self._rest and (line := self._next()) is not None:
            if line:
                lines.append(line)
        return lines

    def _next(self) -> bytes | None:
        """Return the next line, empty when something was skipped, None when more bytes are needed."""
        if self._skip_octets:
            skipped = min(self._skip_octets, len(self._rest))
            self._skip_octets -= skipped
            self._rest = self._rest[skipped:]
            return b""
        counted = None if self._skips_line else _COUNT.match(self._rest)
        if counted:
            return self._counted(int(counted[1]), counted.end())
        if not self._skips_line and _MAYBE_COUNT.fullmatch(self._rest):
            return None
        line, newline, rest = self._rest.partition(b"\n")
        if not newline:
            if len(line) > MAX_LINE_BYTES:
                self.oversize += not self._skips_line
                self._skips_line, self._rest = True, b""
            return None
        was_skipped, self._skips_line, self._rest = self._skips_line, False, rest
        if was_skipped:
            return b""
        if len(line) > MAX_LINE_BYTES:
            self.oversize += 1
            return b""
        return line.rstrip(b"\r\0")

    def _counted(self, octets: int, at: int) -> bytes | None:
        if octets > MAX_LINE_BYTES:
            self.oversize += 1
            self._skip_octets, self._rest = octets, self._rest[at:]
            return b""
        if len(self._rest) < at + octets:
            return None
        line, self._rest = self._rest[at : at + octets], self._rest[at + octets :]
        return line.rstrip(b"\r\n\0")
