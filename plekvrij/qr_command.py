"""The command `qr`: sheets of QR codes for desks."""

from __future__ import annotations

import argparse
from pathlib import Path

from plekvrij import wiring
from plekvrij.arguments import needs
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _qr(arguments: argparse.Namespace) -> int:
    from dashboard.qr_sheet.sheet import render_sheets

    needs(arguments, "url", "out")
    plan = wiring.read_site(Path(arguments.plan_file), None).plan
    page = render_sheets(plan, arguments.url, arguments.floor)
    try:
        arguments.out.write_text(page, "utf-8")
    except OSError as error:
        raise SettingInvalid(f"cannot write {arguments.out}: {error.strerror}") from error
    print(
        f"{arguments.out}: {page.count('<article')} cards on {page.count('<section')} pages; print at 100 %, A4"
    )
    if arguments.url.startswith("http:"):
        print("the address is http: telephones warn for that; https is better")
    return 0


COMMANDS = (
    CommandSpec(
        "qr",
        "Write A4 sheets of QR codes, one card per place, for its desk page; open the file and print it.",
        _qr,
        ("url", "out", "floor"),
        positionals=(("plan_file", "", "floor plan, YAML"),),
    ),
)
