"""Stands in for programs that a test must not run: `python -m tests.docs.looked_at WORDS`; says what is wrong.

`make TARGETS`: the Makefile has them. `python -m pytest FILES`: the files exist (the suite runs them). `python -m
MODULE`: the module exists. `systemctl ACTION UNIT`: it is a unit of ours, or of Debian's broker.
"""

from __future__ import annotations

import importlib.util
import re
import sys

from tests.docs.blocks import ROOT

#: Units of others that the pages name.
UNITS_OF_OTHERS = {"mosquitto"}


def complaint(words: list[str]) -> str | None:
    """Return what is wrong with a command, None when nothing is."""
    match words:
        case ["make", *named]:
            lost = [name for name in named if "=" not in name and name not in targets()]
            return f"no such target: {lost}" if lost else None
        case ["-m", "pytest", *files]:
            lost = [
                file
                for file in files
                if not file.startswith("-") and not (ROOT / file.split("::")[0]).exists()
            ]
            return f"no such test: {lost}" if lost else None
        case ["-m", module, *_]:
            return None if importlib.util.find_spec(module) else f"no such module: {module}"
        case ["systemctl", ("enable" | "start" | "reload" | "restart" | "status"), *rest]:
            lost = [unit for unit in rest if not unit.startswith("--") and not is_unit(unit)]
            return f"no such unit: {lost}" if lost else None
        case _:
            return f"nobody looks at this: {words}"


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def is_unit(name: str) -> bool:
    """Return whether a unit is ours or known."""
    base = re.sub(r"@[^.]*", "@", name).removesuffix(".service")
    files = (f"{base}.service", base)
    return name in UNITS_OF_OTHERS or any((ROOT / "deploy" / file).is_file() for file in files)


if __name__ == "__main__":
    wrong = complaint(sys.argv[1:])
    if wrong:
        sys.exit(wrong)
