"""Accounts, their sessions, and the log of who did and read what: one SQLite file beside the site's database.

Names are functions ("balie", "installateur"), not people. Passwords are kept as argon2id hashes, tokens as SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import argon2
import pyotp

from dashboard.accounts.roles import ROLES, Role
from dashboard.accounts.tries import Tries
from workplace.errors import SettingInvalid
from workplace.ports import ConnectSqlite

#: A session ends after this without a request, and after this at the latest, s. Lower asks for passwords at the desk
#: of the facility office all day, higher leaves a forgotten screen open.
IDLE_S, LONGEST_S = 3600.0, 12 * 3600.0
#: A set-up link can be used for so long, s.
SETUP_S = 24 * 3600.0
#: NIST SP 800-63B-4 asks for 15 where a password stands alone; a second factor is offered, so 12 it is.
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
#: How long the log of actions and reads is kept, days: half a year, so that a yearly look finds something.
LOG_DAYS = 183
#: Reads of one address by one account within this are one row of the log, s.
_LOG_BIN_S = 300.0
_SEEN_EVERY_S = 60.0
#: Names of who came through the directory begin so; nobody else's may.
DIRECTORY_PREFIX = "oidc-"

_TABLES = """
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT, totp TEXT, totp_used INTEGER NOT NULL DEFAULT 0,
    made_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setup (token BLOB PRIMARY KEY, name TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    token BLOB PRIMARY KEY, name TEXT NOT NULL, made_at REAL NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, what TEXT NOT NULL,
    address TEXT NOT NULL, times INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS log_at ON log (at);
CREATE TABLE IF NOT EXISTS pepper (key BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One account; `is_ready` when a password was chosen."""

    name: str
    role: Role
    is_ready: bool
    has_code: bool


@dataclass(frozen=True, slots=True)
class LogRow:
    """What one account did or read: `what` is the method, `times` how often within five minutes, `at` unix s."""

    at: float
    name: str
    role: str
    what: str
    address: str
    times: int


@dataclass(frozen=True, slots=True)
class Read:
    """Some account of a role asked for an address in the five minutes from `begin` on, unix s."""

    begin: int
    role: Role
    what: str
    address: str


class Refused(Exception):
    """No entry. `reason`: wrong, code_needed, wait, no_link or weak; `wait_s` for `wait`."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class AccountBook:
    """May be called from any thread; calls take turns.

    Args:
        now: unix seconds.
    """

    def __init__(self, connect: ConnectSqlite, path: Path, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._hasher = argon2.PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, 3 passes
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        self._tries = Tries(now)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        self._database = connect(str(path), timeout=10.0, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL").fetchall()
        self._database.execute("PRAGMA secure_delete = ON").fetchall()
        self._database.executescript(_TABLES)

    # Accounts

    @property
    def has_any(self) -> bool:
        """Whether pages ask for accounts: there is one of our own, ready or not."""
        return bool(self._ask("SELECT 1 FROM account WHERE name NOT LIKE ? LIMIT 1", f"{DIRECTORY_PREFIX}%"))

    def accounts(self) -> list[Account]:
        rows = self._ask("SELECT name, role, password, totp FROM account ORDER BY name")
        return [
            Account(name, cast("Role", role), password is not None, totp is not None)
            for name, role, password, totp in rows
        ]

    def add(self, name: str, role: str) -> str:
        """Make an account without a password; return the token of its set-up link.

        Raises:
            SettingInvalid: the role is none, the name is taken or no name.
        """
        if role not in ROLES:
            raise SettingInvalid(f"role '{role}': write {', '.join(ROLES)}")
        if not name or len(name) > 40 or not all(sign.isalnum() or sign in "-_" for sign in name):
            raise SettingInvalid(
                f"account '{name}': write a function in letters, digits, - and _, such as balie-1"
            )
        if name.startswith(DIRECTORY_PREFIX):
            raise SettingInvalid(
                f"account '{name}': names with {DIRECTORY_PREFIX} come through the directory"
            )
        with self._writing() as database:
            if database.execute("SELECT 1 FROM account WHERE name = ?", (name,)).fetchone():
                raise SettingInvalid(f"account '{name}' is there already; reset gives it a new password")
            database.execute(
                "INSERT INTO account (name, role, made_at) VALUES (?,?,?)", (name, role, self._now())
            )
            return self._new_link(database, name)

    def reset(self, name: str) -> str:
        """Take password, second factor and sessions of an account away; return the token of a new set-up link.

        Raises:
            SettingInvalid: there is no such account.
        """
        if name.startswith(DIRECTORY_PREFIX):
            raise SettingInvalid(f"account '{name}' has no password here; logout ends its sessions")
        with self._writing() as database:
            self._known(database, name)
            database.execute("UPDATE account SET password = NULL, totp = NULL WHERE name = ?", (name,))
            database.execute("DELETE FROM session WHERE name = ?", (name,))
            return self._new_link(database, name)

    def remove(self, name: str) -> None:
        """Remove an account with its sessions; its rows in the log stay.

        Raises:
            SettingInvalid: there is no such account.
        """
        with self._writing() as database:
            self._known(database, name)
            for table in ("account", "setup", "session"):
                database.execute(f"DELETE FROM {table} WHERE name = ?", (name,))

    def owner_of_link(self, token: str) -> str | None:
        """Return whose set-up link this is, None when it is used, too old or none."""
        rows = self._ask("SELECT name FROM setup WHERE token = ? AND until > ?", _hidden(token), self._now())
        return rows[0][0] if rows else None

    def set_up(self, token: str, password: str) -> str:
        """Choose the first password by a set-up link, which is used up then; return the account.

        Raises:
            Refused: `no_link`, or `weak`: too short, too long, or the name itself.
        """
        name = self.owner_of_link(token)
        if name is None:
            raise Refused("no_link")
        self._check_strength(name, password)
        hashed = self._hasher.hash(password)
        with self._writing() as database:
            used = database.execute(
                "DELETE FROM setup WHERE token = ? AND until > ?", (_hidden(token), self._now())
            )
            if used.rowcount != 1:
                raise Refused("no_link")
            database.execute("UPDATE account SET password = ? WHERE name = ?", (hashed, name))
        return name

    # Entry

    def enter(self, name: str, password: str, code: str, caller: str) -> str:
        """Check name, password and code; return the token of a new session.

        Args:
            caller: address of the caller, for the limit of tries; it is kept in memory alone.

        Raises:
            Refused: `wait` before anything is checked, `code_needed`, or `wrong` without saying what.
        """
        wait_s = self._tries.wait_s(name, caller)
        if wait_s > 0:
            raise Refused("wait", wait_s)
        rows = self._ask("SELECT password, totp, totp_used FROM account WHERE name = ?", name)
        hashed, totp, used = rows[0] if rows else (None, None, 0)
        is_right = (
            self._is_password(hashed or self._nobody, password[: LONGEST_PASSWORD + 1]) and hashed is not None
        )
        if is_right and totp is not None and not code:
            raise Refused("code_needed")
        counter = _counter_of(totp, code, self._now()) if totp is not None else None
        if not is_right or (totp is not None and (counter is None or counter <= used)):
            self._tries.failed(name, caller)
            raise Refused("wrong")
        self._tries.succeeded(name, caller)
        with self._writing() as database:
            if counter is not None:
                database.execute("UPDATE account SET totp_used = ? WHERE name = ?", (counter, name))
            return self._new_session(database, name)

    def enter_directory(self, issuer: str, subject: str, role: Role) -> str:
        """Return the token of a new session for whom the directory named; kept is a pseudonym and the role.

        The pseudonym is made with a key of this file alone, so that nobody finds a person's by trying out all people
        of the directory. Who has no session left is forgotten, but for the log.
        """
        with self._writing() as database:
            kept = database.execute("SELECT key FROM pepper").fetchone()
            if kept is None:
                kept = (secrets.token_bytes(32),)
                database.execute("INSERT INTO pepper VALUES (?)", kept)
            digest = hmac.digest(kept[0], f"{issuer}\n{subject}".encode(), "sha256")
            name = DIRECTORY_PREFIX + digest[:8].hex()
            database.execute(
                "INSERT INTO account (name, role, made_at) VALUES (?,?,?)"
                " ON CONFLICT (name) DO UPDATE SET role = excluded.role",
                (name, role, self._now()),
            )
            token = self._new_session(database, name)
            database.execute(
                "DELETE FROM account WHERE name LIKE ? AND name NOT IN (SELECT name FROM session)",
                (f"{DIRECTORY_PREFIX}%",),
            )
        return token

    def leave_directory(self) -> None:
        """End the sessions of all who came through a directory: there is none any more."""
        with self._writing() as database:
            for table in ("session", "account"):
                database.execute(f"DELETE FROM {table} WHERE name LIKE ?", (f"{DIRECTORY_PREFIX}%",))

    def _new_session(self, database: Any, name: str) -> str:
        token, now = secrets.token_urlsafe(32), self._now()
        database.execute("INSERT INTO session VALUES (?,?,?,?)", (_hidden(token), name, now, now))
        database.execute(
            "DELETE FROM session WHERE made_at < ? OR seen_at < ?", (now - LONGEST_S, now - IDLE_S)
        )
        return token

    def whose(self, token: str) -> Account | None:
        """Return the account of a living session."""
        now = self._now()
        rows = self._ask(
            "SELECT a.name, a.role, a.password, a.totp, s.seen_at FROM session s JOIN account a ON a.name = s.name"
            " WHERE s.token = ? AND s.made_at > ? AND s.seen_at > ?",
            _hidden(token),
            now - LONGEST_S,
            now - IDLE_S,
        )
        if not rows:
            return None
        name, role, password, totp, seen_at = rows[0]
        if now - seen_at > _SEEN_EVERY_S:
            with self._writing() as database:
                database.execute("UPDATE session SET seen_at = ? WHERE token = ?", (now, _hidden(token)))
        return Account(name, role, password is not None, totp is not None)

    def leave(self, token: str) -> None:
        """End one session."""
        with self._writing() as database:
            database.execute("DELETE FROM session WHERE token = ?", (_hidden(token),))

    def leave_everywhere(self, name: str) -> int:
        """End all sessions of an account; return how many there were."""
        with self._writing() as database:
            return int(database.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount)

    def change_password(self, name: str, old: str, new: str, caller: str) -> None:
        """Change a password and end all sessions of the account.

        Raises:
            Refused: `wait`, `wrong` or `weak`.
        """
        wait_s = self._tries.wait_s(name, caller)
        if wait_s > 0:
            raise Refused("wait", wait_s)
        rows = self._ask("SELECT password FROM account WHERE name = ?", name)
        if not rows or rows[0][0] is None or not self._is_password(rows[0][0], old[: LONGEST_PASSWORD + 1]):
            self._tries.failed(name, caller)
            raise Refused("wrong")
        self._check_strength(name, new)
        hashed = self._hasher.hash(new)
        with self._writing() as database:
            database.execute("UPDATE account SET password = ? WHERE name = ?", (hashed, name))
            database.execute("DELETE FROM session WHERE name = ?", (name,))

    def new_code_secret(self) -> str:
        """Return a secret for an authenticator; it counts once `keep_code` has seen a code of it."""
        return pyotp.random_base32()

    def keep_code(self, name: str, secret: str, code: str) -> None:
        """Ask for codes of this secret from now on.

        Raises:
            Refused: `wrong`: this is no code of the secret now.
        """
        if name.startswith(DIRECTORY_PREFIX):
            raise Refused("wrong")
        is_secret = re.fullmatch(r"[A-Z2-7]{32}", secret) is not None
        counter = _counter_of(secret, code, self._now()) if is_secret else None
        if counter is None:
            raise Refused("wrong")
        with self._writing() as database:
            database.execute(
                "UPDATE account SET totp = ?, totp_used = ? WHERE name = ?", (secret, counter, name)
            )

    # Log

    def note(self, account: Account, method: str, address: str) -> None:
        """Keep that an account did or read something; the same within five minutes is counted in one row."""
        now = self._now()
        begin = now // _LOG_BIN_S * _LOG_BIN_S
        with self._writing() as database:
            found = database.execute(
                "UPDATE log SET times = times + 1 WHERE number = (SELECT number FROM log WHERE at >= ? AND name = ?"
                " AND what = ? AND address = ? ORDER BY number DESC LIMIT 1)",
                (begin, account.name, method, address[:200]),
            )
            if found.rowcount == 0:
                row = (now, account.name, account.role, method, address[:200])
                database.execute(
                    "INSERT INTO log (at, name, role, what, address, times) VALUES (?,?,?,?,?,1)", row
                )
                database.execute("DELETE FROM log WHERE at < ?", (now - LOG_DAYS * 86_400,))

    def log(self, most: int = 200) -> list[LogRow]:
        """Return the newest rows of the log, newest first."""
        rows = self._ask(
            "SELECT at, name, role, what, address, times FROM log ORDER BY number DESC LIMIT ?", most
        )
        return [LogRow(*row) for row in rows]

    def reads(self, days: int) -> list[Read]:
        """Return what roles asked for in the last days, without the names of accounts."""
        rows = self._ask(
            f"SELECT DISTINCT CAST(at / {_LOG_BIN_S} AS INTEGER) * {int(_LOG_BIN_S)}, role, what, address FROM log"
            " WHERE at >= ?",
            self._now() - days * 86_400,
        )
        return [Read(begin, cast("Role", role), what, address) for begin, role, what, address in rows]

    @property
    def refused_tries(self) -> int:
        """How many tries to enter failed or came too soon, since the start."""
        return self._tries.total

    def _check_strength(self, name: str, password: str) -> None:
        is_name = password.casefold() == name.casefold()
        if is_name or not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or len(set(password)) < 5:
            raise Refused("weak")

    def _is_password(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except argon2.exceptions.VerificationError:
            return False

    def _new_link(self, database: Any, name: str) -> str:
        token = secrets.token_urlsafe(32)
        database.execute("DELETE FROM setup WHERE name = ?", (name,))
        database.execute("INSERT INTO setup VALUES (?,?,?)", (_hidden(token), name, self._now() + SETUP_S))
        return token

    @staticmethod
    def _known(database: Any, name: str) -> None:
        if not database.execute("SELECT 1 FROM account WHERE name = ?", (name,)).fetchone():
            raise SettingInvalid(f"there is no account '{name}'")

    def close(self) -> None:
        self._database.close()

    def _ask(self, statement: str, *parameters: object) -> list[Any]:
        with self._lock:
            return list(self._database.execute(statement, parameters).fetchall())

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """One transaction."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _hidden(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _counter_of(secret: str, code: str, now: float) -> int | None:
    """Return the counter that a code belongs to, within one step of 30 s of now; None when it belongs to none."""
    totp = pyotp.TOTP(secret)
    given = code.replace(" ", "")
    for step in (-1, 0, 1):
        counter = int(now // totp.interval) + step
        if pyotp.utils.strings_equal(given, totp.generate_otp(counter)):
            return counter
    return None
