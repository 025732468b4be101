"""The commands `backup` and `restore`."""

from __future__ import annotations

import argparse
from pathlib import Path

from plekvrij.arguments import needs
from plekvrij.backup import backup, restore
from plekvrij.options import CommandSpec


def _backup(arguments: argparse.Namespace) -> int:
    needs(arguments, "data")
    documents = tuple(file for file in (arguments.plan, arguments.policy) if file is not None)
    names = backup(arguments.data, Path(arguments.file), documents)
    print(f"{arguments.file}: {', '.join(names)}; each checked")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    needs(arguments, "data")
    names = restore(Path(arguments.file), arguments.data)
    print(f"{arguments.data}: {', '.join(names)}; each checked. Give the site its credentials again.")
    return 0


COMMANDS = (
    CommandSpec(
        "backup",
        "Copy databases, walks, plan and policy of a running site into one new file, and check the copy.",
        _backup,
        ("data", "plan", "policy"),
        positionals=(("file", "", "file to write, for instance town-hall.tar.gz"),),
    ),
    CommandSpec(
        "restore",
        "Make a data folder of a backup, whole or not at all.",
        _restore,
        ("data",),
        positionals=(("file", "", "file that `plekvrij backup` wrote"),),
    ),
)
