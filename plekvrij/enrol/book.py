"""Which codes were given out and which certificates were signed: one small SQLite file beside the authority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plekvrij import sqlite_driver
from plekvrij.enrol.authority import Issued, RequestRefused

_BUSY_MS = 10_000
_TABLES = """
CREATE TABLE IF NOT EXISTS code (
  digest TEXT PRIMARY KEY, gateway TEXT NOT NULL, floor TEXT NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER
);
CREATE TABLE IF NOT EXISTS certificate (
  serial TEXT PRIMARY KEY, gateway TEXT NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  revoked_at INTEGER
);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """One certificate that was signed."""

    serial: int
    gateway: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class EnrolBook:
    """The file; each call is a connection and a transaction of its own, so that commands and server share it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add_code(self, digest: str, gateway: str, floor: str, expires_at: datetime, now: datetime) -> None:
        """Keep the hash of a code; earlier codes of this gateway are worth nothing from now on."""
        with self._open() as db:
            db.execute("DELETE FROM code WHERE gateway = ? OR expires_at < ?", (gateway, _seconds(now)))
            db.execute(
                "INSERT INTO code (digest, gateway, floor, expires_at) VALUES (?, ?, ?, ?)",
                (digest, gateway, floor, _seconds(expires_at)),
            )

    def look_up(self, digest: str, now: datetime) -> tuple[str, str]:
        """Return gateway and floor of a code that is good now.

        Raises:
            RequestRefused: it is unknown, was used, or has run out.
        """
        with self._open() as db:
            row = db.execute(
                "SELECT gateway, floor, expires_at, used_at FROM code WHERE digest = ?", (digest,)
            ).fetchone()
        if row is None:
            raise RequestRefused("this code is not known here")
        if row[3] is not None:
            raise RequestRefused("this code was used already; if that was not you, revoke the gateway")
        if row[2] <= _seconds(now):
            raise RequestRefused("this code has run out")
        return row[0], row[1]

    def use(self, digest: str, issued: Issued, now: datetime) -> None:
        """Use a code up for a certificate.

        Raises:
            RequestRefused: somebody else used it up between the look and now.
        """
        with self._open() as db:
            done = db.execute(
                "UPDATE code SET used_at = ? WHERE digest = ? AND used_at IS NULL RETURNING gateway",
                (_seconds(now), digest),
            ).fetchone()
            if done is None:
                raise RequestRefused("this code was used already; if that was not you, revoke the gateway")
            _note(db, done[0], issued, now)

    def note(self, gateway: str, issued: Issued, now: datetime) -> None:
        """Keep a certificate that was renewed."""
        with self._open() as db:
            _note(db, gateway, issued, now)

    def is_in_force(self, serial: int) -> bool:
        """Return whether we signed it and did not revoke it; its dates are another matter."""
        with self._open() as db:
            row = db.execute(
                "SELECT revoked_at FROM certificate WHERE serial = ?", (_serial(serial),)
            ).fetchone()
        return row is not None and row[0] is None

    def revoke(self, gateway: str, now: datetime) -> int:
        """Revoke every certificate and code of a gateway; return how many certificates that are not out of date."""
        with self._open() as db:
            db.execute("DELETE FROM code WHERE gateway = ?", (gateway,))
            done = db.execute(
                "UPDATE certificate SET revoked_at = ? WHERE gateway = ? AND revoked_at IS NULL AND expires_at > ?",
                (_seconds(now), gateway, _seconds(now)),
            )
            return int(done.rowcount)

    def certificates(self) -> list[Known]:
        """Return all, by gateway and time."""
        with self._open() as db:
            rows = db.execute(
                "SELECT serial, gateway, issued_at, expires_at, revoked_at FROM certificate"
                " ORDER BY gateway, issued_at"
            ).fetchall()
        return [
            Known(
                int(row[0], 16),
                row[1],
                _time(row[2]),
                _time(row[3]),
                None if row[4] is None else _time(row[4]),
            )
            for row in rows
        ]

    @contextmanager
    def _open(self) -> Iterator[Any]:
        if not self._file.exists():
            self._file.touch(mode=0o600)
            if os.geteuid() == 0:
                owner = self._file.parent.stat()
                os.chown(self._file, owner.st_uid, owner.st_gid)
        db = sqlite_driver.connect(str(self._file), isolation_level=None)
        try:
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            db.executescript(_TABLES)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            db.close()


def _note(db: Any, gateway: str, issued: Issued, now: datetime) -> None:
    db.execute(
        "INSERT INTO certificate (serial, gateway, issued_at, expires_at) VALUES (?, ?, ?, ?)",
        (_serial(issued.serial), gateway, _seconds(now), _seconds(issued.expires_at)),
    )


def _serial(serial: int) -> str:
    """Return a serial number as text: it has up to 160 bits, an INTEGER of SQLite 64."""
    return f"{serial:x}"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
