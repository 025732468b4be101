"""Chooses the SQLite driver: the interpreter's own where it is sound, else the newer one from a wheel."""

from __future__ import annotations

import sqlite3
from typing import Any

#: SQLite 3.7.0-3.51.2 can lose committed data when two connections checkpoint at the same instant
#: (sqlite.org, fixed in 3.51.3); Debian 12 ships 3.40.1.
SOUND_SINCE = (3, 51, 3)


def driver() -> Any:
    """Return the DB-API module to use."""
    if sqlite3.sqlite_version_info >= SOUND_SINCE:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        return sqlite3
    return pysqlite3


def connect(*args: Any, **kwargs: Any) -> Any:
    """Open a database with the chosen driver; same arguments as `sqlite3.connect`."""
    return driver().connect(*args, **kwargs)
