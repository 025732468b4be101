"""The command `accounts`."""

from __future__ import annotations

import argparse
from datetime import datetime

from plekvrij import sqlite_driver
from plekvrij.arguments import needs
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _accounts(arguments: argparse.Namespace) -> int:
    from dashboard.accounts.book import AccountBook

    needs(arguments, "data")
    book = AccountBook(sqlite_driver.connect, arguments.data / "accounts.db")
    base = (arguments.url or "http://127.0.0.1:8080").rstrip("/")
    action, name = arguments.action, arguments.name
    if action == "list":
        for account in book.accounts():
            second = "with code" if account.has_code else "password alone"
            print(f"{account.name:<24}{account.role:<16}{second if account.is_ready else 'not set up yet'}")
        return 0
    if action == "log":
        for row in book.log():
            at = datetime.fromtimestamp(row.at).astimezone()
            print(
                f"{at:%Y-%m-%d %H:%M}  {row.name:<24}{row.role:<16}{row.what:<6}{row.address}  {row.times}x"
            )
        return 0
    if not name:
        raise SettingInvalid(f"accounts {action}: name the account, such as balie-1")
    if action == "add":
        print(f"{base}/setup/{book.add(name, arguments.role or '')}")
    elif action == "reset":
        print(f"{base}/setup/{book.reset(name)}")
    elif action == "remove":
        book.remove(name)
    elif action == "logout":
        print(f"{book.leave_everywhere(name)} sessions ended")
    else:
        raise SettingInvalid(f"accounts {action}: write list, add, reset, remove, logout or log")
    return 0


COMMANDS = (
    CommandSpec(
        "accounts",
        "Who may log in: list, add, reset, remove, logout, log. Adding prints a link for one day to choose a password.",
        _accounts,
        ("data", "role", "url"),
        positionals=(
            ("action", "", "list, add, reset, remove, logout or log"),
            ("name", "?", "account: a function such as balie-1, no person"),
        ),
    ),
)
