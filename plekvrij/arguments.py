"""What commands have in common: the site and the clock that their arguments name, and what they cannot do without."""

from __future__ import annotations

import argparse
import re

from plekvrij import clocks, wiring
from workplace.errors import SettingInvalid

#: Settings of every process of a site.
CHILD = ("plan", "policy", "broker", "credential", "device-credential", "metrics", "clock", "with-parent")


def clock_of(arguments: argparse.Namespace) -> clocks.SiteClock:
    """Return the clock that a parent shares, else that of this machine."""
    return clocks.from_text(arguments.clock) if arguments.clock else clocks.wall_clock()


def site_of(arguments: argparse.Namespace) -> wiring.Site:
    """Return plan and policy; the example plan comes with its example policy, a plan of one's own with the default
    rules, in shadow.
    """
    default_policy = wiring.DEMO_POLICY if arguments.plan is None else None
    return wiring.read_site(arguments.plan or wiring.DEMO_PLAN, arguments.policy or default_policy)


def needs(arguments: argparse.Namespace, *names: str) -> None:
    """Raise SettingInvalid for the first setting that was not given."""
    for name in names:
        if getattr(arguments, name.replace("-", "_")) is None:
            raise SettingInvalid(f"plekvrij {arguments.command} needs --{name}")


def ha_prefix(arguments: argparse.Namespace) -> str | None:
    """Return the discovery prefix, None when Home Assistant is to hear nothing.

    Raises:
        SettingInvalid: the prefix is no plain topic.
    """
    if not arguments.ha_discovery:
        return None
    prefix = str(arguments.ha_prefix)
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", level) for level in prefix.split("/")):
        raise SettingInvalid(f"--ha-prefix {prefix!r}: use A-Z a-z 0-9 _ - and / between levels")
    return prefix
