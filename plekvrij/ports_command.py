"""`plekvrij ports import FILE --plan PLAN [--out FILE]`: a spreadsheet of switch ports into the floor plan."""

from __future__ import annotations

import sys
from pathlib import Path

from plekvrij.check_command import read
from workplace import floor_plan
from workplace.documents import Mistake
from workplace.errors import SettingInvalid
from workplace.port_list import add_ports, check_ports, read_ports


def import_ports(list_file: Path, plan_file: Path, out: Path | None) -> int:
    """Write the plan with the ports to `out` or stdout; print every mistake and return 2 when there is one."""
    plan_text = read(plan_file)
    plan, mistakes = floor_plan.check(plan_text, str(plan_file))
    lines, found = read_ports(_spreadsheet(list_file), str(list_file))
    mistakes = [*mistakes, *found]
    if plan is None:
        return _refuse(mistakes)
    mistakes += check_ports(lines, plan, str(list_file))
    if mistakes:
        return _refuse(mistakes)
    try:
        imported = add_ports(plan_text, plan, lines)
    except ValueError as error:
        raise SettingInvalid(f"{plan_file}: {error}") from error
    _, left = floor_plan.check(imported.text, str(plan_file))
    if left:
        return _refuse(left)
    if out is None:
        sys.stdout.write(imported.text)
    else:
        _write(out, imported.text)
    print(f"{imported.added} ports added, {imported.known} were there already", file=sys.stderr)
    return 0


def _refuse(mistakes: list[Mistake]) -> int:
    for mistake in mistakes:
        print(mistake)
    print(
        f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} found, nothing written", file=sys.stderr
    )
    return 2


def _spreadsheet(file: Path) -> str:
    """Return the text; what Excel saves as plain CSV is in the code page of Windows."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingInvalid(f"cannot read {file}: {error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _write(out: Path, text: str) -> None:
    """Replace the file at once: a plan that is cut off half-way would stop a site."""
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(text, "utf-8", newline="")
        part.replace(out)
    except OSError as error:
        raise SettingInvalid(f"cannot write {out}: {error}") from error
