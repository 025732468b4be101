"""The command `privacy`: papers for the municipality, and the attack."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from plekvrij.arguments import needs, site_of
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _run(arguments: argparse.Namespace) -> int:
    if arguments.action == "report":
        return _report(arguments)
    if arguments.action == "attack":
        return _attack(arguments)
    raise SettingInvalid(f"unknown action '{arguments.action}'; write report or attack")


def _report(arguments: argparse.Namespace) -> int:
    from plekvrij.notifier_process import read_channels
    from plekvrij.privacy import report

    needs(arguments, "out")
    if arguments.lang not in (None, *report.LANGUAGES):
        raise SettingInvalid(f"unknown language '{arguments.lang}'; write nl or en")
    site = site_of(arguments)
    if arguments.data is not None and not arguments.data.is_dir():
        raise SettingInvalid(f"{arguments.data} is no folder; --data names the folder of a site")
    configuration = report.Configuration(
        site=site,
        data=arguments.data,
        channels=() if arguments.channels is None else read_channels(arguments.channels, site.plan),
        influx=arguments.influx,
        made_on=datetime.now(UTC).astimezone(site.plan.tz).date(),
    )
    languages = report.LANGUAGES if arguments.lang is None else (arguments.lang,)
    for file in report.write(configuration, arguments.out, languages):
        print(file)
    if configuration.strangers:
        print(f"no paper tells of these files: {', '.join(configuration.strangers)}", file=sys.stderr)
        return 1
    return 0


def _attack(arguments: argparse.Namespace) -> int:
    from plekvrij.privacy.attack import run_attack

    return run_attack(arguments)


COMMANDS = (
    CommandSpec(
        "privacy",
        "Write the papers about privacy from what runs (report), or try to follow a person through everything that is"
        " kept and sent (attack; exit code 1 when something of a person or laptop was found).",
        _run,
        ("plan", "policy", "data", "channels", "influx", "out", "lang", "days", "seed", "for", "json"),
        positionals=(("action", "", "report or attack"),),
        defaults=(("lang", None), ("days", 5)),
    ),
)
