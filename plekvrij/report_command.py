"""The command `report`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from plekvrij import __version__, sqlite_driver
from plekvrij.arguments import clock_of, needs, site_of
from plekvrij.options import CommandSpec
from workplace import working_time
from workplace.errors import SettingInvalid


def _report(arguments: argparse.Namespace) -> int:
    from dashboard.i18n import as_language, words
    from dashboard.page_context import make_templates
    from dashboard.reports.month import parse_month, read_month
    from dashboard.reports.pages import standalone_html
    from dashboard.reports.pdf import make_pdf
    from dashboard.reports.sheet import make_sheet
    from ingest.stores.usage import SqliteUsage

    needs(arguments, "data", "output")
    month, out = parse_month(arguments.month), arguments.output
    language = as_language(arguments.lang)
    if language is None:
        raise SettingInvalid(f"unknown language '{arguments.lang}'; write nl or en")
    if out.suffix not in {".pdf", ".html"}:
        raise SettingInvalid(f"{out}: the name must end in .pdf or .html")
    database = arguments.data / "site.db"
    if not database.is_file():
        raise SettingInvalid(f"{database} does not exist; --data names the folder of a site")
    site, now, said = site_of(arguments), clock_of(arguments).now(), words(language)
    if month.first > now.astimezone(site.plan.tz).date():
        raise SettingInvalid(f"month {month} has not begun yet")
    usage = SqliteUsage(sqlite_driver.connect, database)
    figures = read_month(usage, site.plan, working_time.of_policy(site.policy), month, now)
    sheet = make_sheet(figures, site.plan, now, said)
    if out.suffix == ".pdf":
        _write(out, make_pdf(sheet, __version__, now))
    else:
        _write(out, standalone_html(make_templates(), sheet, said, __version__).encode())
    print(f"{out}: {sheet.title}; {sheet.measured}")
    left = [zone.id for zone in (*figures.too_small, *figures.too_few_days)]
    if left:
        print(f"left out, too few places or measured days: {', '.join(left)}", file=sys.stderr)
    return 0


def _write(out: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=out.parent, suffix=out.suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(out)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise SettingInvalid(f"cannot write {out}: {error.strerror}") from error


COMMANDS = (
    CommandSpec(
        "report",
        "Write the report of a month as an accessible PDF or HTML file; there is no figure of a single place.",
        _report,
        ("data", "plan", "policy", "output", "lang", "clock"),
        positionals=(("month", "", "month, such as 2026-10"),),
    ),
)
