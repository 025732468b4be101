"""The command `account`."""

from __future__ import annotations

import argparse

import msgspec

from plekvrij import sqlite_driver, wiring
from plekvrij.arguments import needs
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _account(arguments: argparse.Namespace) -> int:
    from ingest.stores.loss_history import LossHistory
    from plekvrij import account

    needs(arguments, "data")
    database = arguments.data / "site.db"
    if not database.is_file():
        raise SettingInvalid(f"{database} does not exist; --data names the folder of a site")
    tz = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None).plan.tz
    begin = account.parse_moment(arguments.begin, tz, is_end=False)
    end = account.parse_moment(arguments.end, tz, is_end=True)
    if end <= begin:
        raise SettingInvalid(f"{arguments.end} is not after {arguments.begin}")
    found = LossHistory(sqlite_driver.connect, database).account(begin, end)
    account.check_period(found, begin)
    if arguments.json:
        for row in account.rows_of(found):
            print(msgspec.json.encode(row).decode())
    else:
        for line in account.lines_of(found, tz):
            print(line)
    return int(not found.is_equal)


COMMANDS = (
    CommandSpec(
        "account",
        "Account for every event of a period: in = stored + set aside + known to be lost. Exit code 1 when not.",
        _account,
        ("data", "plan", "json"),
        positionals=(
            ("begin", "", "first day or time, as 2026-11-01 or 2026-11-01T09:30"),
            ("end", "", "last day, or time after the end"),
        ),
    ),
)
