"""What the site knows: `site.db` read on as it grows, and the pages' own interface."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Evidence:
    """The newest word of a dock in the store of this moment, and since when (monotonic s) we have seen it there."""

    value: int
    measured_at: int
    seen_at: float


@dataclass(slots=True)
class SiteView:
    """Attributes: `stored`: ids of link edges in the present file, with the monotonic s at which they were seen."""

    database: Path
    stored: dict[str, float] = field(default_factory=dict)
    evidence: dict[tuple[str, int], Evidence] = field(default_factory=dict)
    #: Numbers of the oldest and the newest line that wait for the time-series server, and how many do.
    lines: tuple[int, int, int] = (0, 0, 0)
    _rowid: int = 0
    inode: int = 0

    def read_on(self) -> None:
        """Look for new rows. A store that cannot be read now is looked at again later."""
        with contextlib.suppress(sqlite3.Error, FileNotFoundError):
            inode = self.database.stat().st_ino
            if inode != self.inode:
                self.inode, self._rowid = inode, 0
                self.stored.clear()
                self.evidence.clear()
            with contextlib.closing(read_only(self.database)) as connection:
                rows = connection.execute(
                    "SELECT rowid, id, device, channel, value, seq, measured_at FROM event"
                    " WHERE kind = 'link' AND rowid > ? ORDER BY rowid",
                    (self._rowid,),
                ).fetchall()
                waiting = connection.execute("SELECT min(seq), count(*) FROM sink_outbox").fetchone()
                newest = connection.execute(
                    "SELECT seq FROM sqlite_sequence WHERE name = 'sink_outbox'"
                ).fetchone()
            last = newest[0] if newest else 0
            self.lines = (waiting[0] or last + 1, last, waiting[1])
            now = time.monotonic()
            for rowid, id_, device, channel, value, seq, measured_at in rows:
                self._rowid = rowid
                if seq is not None:
                    self.stored[id_] = now
                known = self.evidence.get((device, int(channel)))
                if known is None or measured_at >= known.measured_at:
                    since = known.seen_at if known is not None and known.value == value else now
                    self.evidence[device, int(channel)] = Evidence(value, measured_at, since)


def read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)


async def ask(port: int, path: str) -> Any:
    """Return what the interface answers, None when it does not."""
    return await asyncio.to_thread(_ask, f"http://127.0.0.1:{port}/api/v1/{path}")


def _ask(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own pages on loopback
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
