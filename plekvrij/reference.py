"""Reference pages made from the tables that the program itself uses: `python -m plekvrij.reference FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plekvrij.cli import COMMANDS
from plekvrij.cli_reference import commands_page
from plekvrij.file_reference import files_page
from plekvrij.http_reference import http_page, openapi
from plekvrij.message_reference import as_yaml, asyncapi, messages_page
from plekvrij.options import EXIT_CODES, OPTIONS
from plekvrij.storage_reference import storage_page
from workplace.channel_file import ChannelsFile
from workplace.channels import Telling
from workplace.documents import schema_of
from workplace.plan_file import PlanFile
from workplace.policy_file import PolicyFile


def pages() -> dict[str, str]:
    """Return file name -> text of every generated page."""
    written = {
        "floor_plan.schema.json": _schema(PlanFile, "Plekvrij floor plan"),
        "policy.schema.json": _schema(PolicyFile, "Plekvrij policy"),
        "channels.schema.json": _schema(ChannelsFile, "Plekvrij channels"),
    }
    interface, messages = openapi(), asyncapi()
    return {
        "settings.md": _settings(),
        "commands.md": commands_page(),
        "files.md": files_page(written),
        "storage.md": storage_page(),
        "http.md": http_page(interface),
        "messages.md": messages_page(messages),
        **{name: _text(schema) for name, schema in written.items()},
        "webhook.schema.json": _text(_schema(Telling, "Plekvrij webhook")),
        "openapi.json": _text(interface),
        "asyncapi.yaml": as_yaml(messages),
    }


def _settings() -> str:
    lines = [
        "# Commands and settings",
        "",
        "Made by `python -m plekvrij.reference docs/reference`; a test keeps it current.",
        "The command line goes before the environment, the environment before the default.",
        "",
        "| command | what it does | settings |",
        "|--|--|--|",
    ]
    for command in COMMANDS.values():
        if not command.hidden:
            names = [f"`{name.upper()}`" for name, _, _ in command.positionals]
            names += [f"`--{name}`" for name in command.options]
            lines.append(f"| `{command.name}` | {command.help} | {' '.join(names)} |")
    lines += ["", "| setting | environment | meaning |", "|--|--|--|"]
    lines += [f"| `{o.flag}` | `{o.variable}` | {o.help} |" for o in OPTIONS.values()]
    lines += ["", f"E{EXIT_CODES[1:]}", ""]
    return "\n".join(lines)


def _schema(shape: type, title: str) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | schema_of(shape)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the pages into the folder given as first argument."""
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
