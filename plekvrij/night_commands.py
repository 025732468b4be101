"""The command that shows the nights of a site, as a row of the table."""

from __future__ import annotations

import argparse

from plekvrij.arguments import needs, site_of
from plekvrij.options import CommandSpec


def _nights(arguments: argparse.Namespace) -> int:
    from plekvrij.night_report import run_nights

    needs(arguments, "data")
    return run_nights(site_of(arguments), arguments.data, arguments.timeline, as_json=arguments.json)


COMMAND = CommandSpec(
    "nights",
    "Print what the last night made of the day before: how well sensors see, and the digest of its decisions.",
    _nights,
    ("data", "plan", "policy", "timeline", "json"),
)
