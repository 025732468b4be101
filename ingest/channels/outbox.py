"""What is to be told waits here until a channel has it: one SQLite file, WAL, `synchronous=FULL`.

How far the record of decisions was read changes in the same transaction as what was made of it, so a crash neither
loses a telling nor makes one twice under another id. Safe to call from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ingest.stores.decision_log import Mark
from ingest.stores.schema import DESK_LEVEL_DAYS, from_ms, to_ms
from workplace.channels import Telling, Told, for_channel
from workplace.errors import SettingInvalid, StoreUnavailable
from workplace.ports import ConnectSqlite

SCHEMA_VERSION = 1
_BUSY_S = 30.0
_DAY_MS = 86_400_000

#: `parcel` is set, durably, before a telling is sent: a repetition after a crash is the same parcel.
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, id TEXT NOT NULL, parcel TEXT,
    body BLOB NOT NULL, UNIQUE (channel, id));
CREATE TABLE IF NOT EXISTS done (
    channel TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, is_sent INTEGER NOT NULL,
    PRIMARY KEY (channel, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (telling TEXT PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cause (key TEXT PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (
    channel TEXT NOT NULL, what TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (channel, what)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spoke (
    channel TEXT NOT NULL, scope TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (channel, scope)) WITHOUT ROWID;
"""

_telling = msgspec.json.Decoder(Telling)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One telling that a channel has not got yet; `parcel` is what it was sent in, perhaps in vain."""

    telling: Telling
    parcel: str | None


@dataclass(slots=True)
class Page:
    """What one look at the record adds up to; written as a whole.

    Attributes:
        tellings: each with the channels that get it.
        told: what must be remembered in order to take it back, and `over`: what need not any longer.
        causes: alarm key -> its telling; None when it is over.
    """

    mark: Mark
    tellings: list[tuple[Telling, tuple[str, ...]]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    causes: dict[str, Telling | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one channel: what waits, since when, and what became of the rest."""

    waiting: int
    oldest_at: datetime | None
    last_sent_at: datetime | None
    numbers: dict[str, int]


class Outbox:
    """`open` it, use it, `close` it."""

    def __init__(self, connect: ConnectSqlite, path: Path) -> None:
        self._connect = connect
        self._path = path
        self._lock = threading.Lock()
        self._connection: Any = None

    def open(self) -> None:
        """Open or create the file.

        Raises:
            StoreUnavailable: it cannot be opened now.
            SettingInvalid: another version of this program wrote it.
        """
        with _translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect(
                str(self._path), timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection = connection
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                f"busy_timeout = {int(_BUSY_S * 1000)}",
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.executescript(_TABLES)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
            version = self._rows("SELECT value FROM meta WHERE key = 'schema_version'")[0][0]
        if version != SCHEMA_VERSION:
            raise SettingInvalid(f"{self._path} has schema {version}, this program writes {SCHEMA_VERSION}")

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    # What comes in

    def mark(self) -> Mark | None:
        """Return how far the record of decisions was read, None before the first look."""
        with self._reading():
            rows = dict(self._rows("SELECT key, value FROM meta WHERE key IN ('number', 'id')"))
        return Mark(rows["number"], rows["id"]) if rows.keys() == {"number", "id"} else None

    def told(self) -> list[Told]:
        """Return what was told and still holds, oldest first."""
        with self._reading():
            rows = self._rows("SELECT body FROM told ORDER BY at, telling")
        return [msgspec.json.decode(bytes(body), type=Told) for (body,) in rows]

    def causes(self) -> dict[str, Telling]:
        """Return the alarms that are not over, by key."""
        with self._reading():
            rows = self._rows("SELECT key, body FROM cause")
        return {key: _telling.decode(bytes(body)) for key, body in rows}

    def write(self, page: Page) -> None:
        """Write what one look at the record gave. Durable, and all of it, when this returns.

        Raises:
            StoreUnavailable: nothing of it is written; look again.
        """
        with self._writing() as connection:
            for telling, channels in page.tellings:
                for channel in channels:
                    self._add(connection, telling, channel)
            for told in page.told:
                row = (told.telling, to_ms(told.at), msgspec.json.encode(told))
                connection.execute("INSERT OR REPLACE INTO told VALUES (?,?,?)", row)
            connection.executemany("DELETE FROM told WHERE telling = ?", [(one,) for one in page.over])
            for key, alarm in page.causes.items():
                if alarm is None:
                    connection.execute("DELETE FROM cause WHERE key = ?", (key,))
                else:
                    row = (key, to_ms(alarm.at), msgspec.json.encode(alarm))
                    connection.execute("INSERT OR REPLACE INTO cause VALUES (?,?,?)", row)
            marks = {"number": page.mark.number, "id": page.mark.id}
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", marks.items())

    def _add(self, connection: Any, telling: Telling, channel: str) -> None:
        """Let a telling wait, unless this channel had it; what it takes back and nobody saw goes with it."""
        made = for_channel(telling, channel)
        if made.takes_back is not None and not self._was_seen(connection, channel, made.takes_back):
            gone = connection.execute(
                "DELETE FROM waiting WHERE channel = ? AND id = ?", (channel, made.takes_back)
            ).rowcount
            self._count(connection, channel, "withdrawn", gone)
            return
        had = connection.execute(
            "SELECT 1 FROM done WHERE channel = ? AND id = ?", (channel, made.id)
        ).fetchone()
        if had is None:
            connection.execute(
                "INSERT OR IGNORE INTO waiting (channel, id, body) VALUES (?,?,?)",
                (channel, made.id, msgspec.json.encode(made)),
            )

    @staticmethod
    def _was_seen(connection: Any, channel: str, id_: str) -> bool:
        """Return whether a channel has got this telling, or may have."""
        found = connection.execute(
            "SELECT 1 FROM done WHERE channel = ? AND id = ? AND is_sent"
            " UNION ALL SELECT 1 FROM waiting WHERE channel = ? AND id = ? AND parcel IS NOT NULL",
            (channel, id_, channel, id_),
        )
        return found.fetchone() is not None

    # What goes out

    def waiting(self, channel: str, limit: int) -> list[Waiting]:
        """Return what a channel has not got yet, oldest first."""
        with self._reading():
            rows = self._rows(
                "SELECT body, parcel FROM waiting WHERE channel = ? ORDER BY seq LIMIT ?", channel, limit
            )
        return [Waiting(_telling.decode(bytes(body)), parcel) for body, parcel in rows]

    def pack(self, channel: str, ids: Sequence[str], parcel: str) -> None:
        """Note that these tellings are sent together, before they are."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE waiting SET parcel = ? WHERE channel = ? AND id = ?",
                [(parcel, channel, id_) for id_ in ids],
            )

    def finish(
        self, channel: str, ids: Sequence[str], outcome: str, now: datetime, scope: str | None = None
    ) -> None:
        """Forget tellings that were `sent`, or `expired`, `withheld`, `refused`; only the ids stay, for 14 days."""
        at = to_ms(now)
        with self._writing() as connection:
            gone = sum(
                connection.execute(
                    "DELETE FROM waiting WHERE channel = ? AND id = ?", (channel, id_)
                ).rowcount
                for id_ in ids
            )
            rows = [(channel, id_, at, int(outcome == "sent")) for id_ in ids]
            connection.executemany("INSERT OR REPLACE INTO done VALUES (?,?,?,?)", rows)
            self._count(connection, channel, outcome, gone)
            if scope is not None:
                connection.execute("INSERT OR REPLACE INTO spoke VALUES (?,?,?)", (channel, scope, at))
                connection.execute("INSERT OR REPLACE INTO spoke VALUES (?,'',?)", (channel, at))

    def spoke(self, channel: str) -> dict[str, datetime]:
        """Return scope -> when the channel was last told something of it."""
        with self._reading():
            rows = self._rows("SELECT scope, at FROM spoke WHERE channel = ? AND scope <> ''", channel)
        return {scope: from_ms(at) for scope, at in rows}

    def totals(self, channel: str) -> Totals:
        with self._reading():
            count = self._rows("SELECT count(*) FROM waiting WHERE channel = ?", channel)[0][0]
            oldest = self._rows("SELECT body FROM waiting WHERE channel = ? ORDER BY seq LIMIT 1", channel)
            last = self._rows("SELECT at FROM spoke WHERE channel = ? AND scope = ''", channel)
            numbers = dict(self._rows("SELECT what, number FROM total WHERE channel = ?", channel))
        return Totals(
            count,
            _telling.decode(bytes(oldest[0][0])).at if oldest else None,
            from_ms(last[0][0]) if last else None,
            numbers,
        )

    def prune(self, now: datetime, channels: Iterable[str], days: int = DESK_LEVEL_DAYS) -> None:
        """Forget ids and open ends after `days`, and what waits for a channel that is no more."""
        before = to_ms(now) - days * _DAY_MS
        known = list(channels)
        marks = ",".join("?" * len(known))
        with self._writing() as connection:
            for table in ("done", "told", "spoke"):
                connection.execute(f"DELETE FROM {table} WHERE at < ?", (before,))
            connection.execute(f"DELETE FROM waiting WHERE channel NOT IN ({marks})", known)

    # The file

    @staticmethod
    def _count(connection: Any, channel: str, what: str, more: int) -> None:
        if more:
            connection.execute(
                "INSERT INTO total VALUES (?,?,?)"
                " ON CONFLICT (channel, what) DO UPDATE SET number = number + excluded.number",
                (channel, what, more),
            )

    def _rows(self, statement: str, *parameters: object) -> list[Any]:
        rows: list[Any] = self._connection.execute(statement, parameters).fetchall()
        return rows

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, _translated():
            yield

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with self._lock, _translated():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The driver is handed in, so its exceptions are known by name only (PEP 249 fixes the names).
        if type(error).__name__ in ("OperationalError", "DatabaseError"):
            raise StoreUnavailable(f"the outbox of the channels cannot be used now: {error}") from error
        raise
