"""The page of all commands, made from the parser that reads them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from unittest.mock import patch

from plekvrij.cli import COMMANDS
from plekvrij.options import EXIT_CODES, OPTIONS, CommandSpec, build_parser

_HEAD = """# Commands

Made by `python -m plekvrij.reference docs/reference`; a test keeps it current. `plekvrij COMMAND --help` says the
same in a terminal. Every option can also be given in the environment, as `PLEKVRIJ_<NAME>`; [settings](settings.md)
lists them all.
"""


def commands_page() -> str:
    """Return every command with its usage, what stands behind it, and each of its options with its default."""
    lines = [_HEAD, f"E{EXIT_CODES[1:]}", ""]
    with patch.dict(os.environ, {"COLUMNS": "100"}):  # argparse breaks lines at the width of the terminal
        parsers = _parsers()
        for command in COMMANDS.values():
            if not command.hidden:
                lines += _command(command, parsers[command.name])
    return "\n".join(lines)


def _parsers() -> dict[str, argparse.ArgumentParser]:
    untouched = {name: value for name, value in os.environ.items() if not name.startswith("PLEKVRIJ_")}
    with patch.dict(os.environ, untouched, clear=True):
        parser = build_parser(COMMANDS)
    action = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    return dict(action.choices)


def _command(command: CommandSpec, parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    yield from (f"## {command.name}", "", command.help, "", "```text", usage, "```", "")
    if command.positionals:
        yield from ("| argument | meaning |", "|--|--|")
        for name, nargs, text in command.positionals:
            yield f"| `{name.upper()}`{' (may be left out)' if nargs == '?' else ''} | {_sentence(text)} |"
        yield ""
    if command.options:
        yield from ("| option | meaning |", "|--|--|")
        for name in command.options:
            yield f"| `{OPTIONS[name].flag}` | {_sentence(OPTIONS[name].help)}{_default(command, name)} |"
        yield ""


def _sentence(text: str) -> str:
    return text.replace("|", "\\|")


def _default(command: CommandSpec, name: str) -> str:
    """Return what differs here from the default of the setting."""
    own = dict(command.defaults).get(name)
    if own is None:
        return ""
    return f" Here {own:g}." if isinstance(own, int | float) else f" Here `{own}`."
