"""The command `export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from plekvrij import export, sqlite_driver, wiring
from plekvrij.arguments import needs
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _export(arguments: argparse.Namespace) -> int:
    from ingest.stores.history import SqliteHistory

    needs(arguments, "data", "from", "to")
    if arguments.by not in export.STEPS:
        raise SettingInvalid(f"--by {arguments.by}: write {', '.join(export.STEPS)}")
    if arguments.lang not in {"nl", "en"}:
        raise SettingInvalid(f"unknown language '{arguments.lang}'; write nl or en")
    database = arguments.data / "site.db"
    if not database.is_file():
        raise SettingInvalid(f"{database} does not exist; --data names the folder of a site")
    plan = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None).plan
    period = export.parse_period(getattr(arguments, "from"), arguments.to, plan.tz)
    zones, too_small = export.large_enough(plan)
    bins = SqliteHistory(sqlite_driver.connect, database).zone_bins(zones, *period)
    rows = export.make_rows(plan, bins, arguments.by, arguments.lang)
    out = Path(arguments.file)
    export.write(out, rows)
    print(f"{out}: {len(rows)} rows of {len({row.zone for row in rows})} zones")
    if too_small:
        print(f"left out, fewer than {export.SMALLEST_ZONE} places: {', '.join(too_small)}", file=sys.stderr)
    return 0


COMMANDS = (
    CommandSpec(
        "export",
        "Write the use of zones as CSV, XLSX or Parquet; there is no row of a single place.",
        _export,
        ("data", "plan", "from", "to", "by", "lang"),
        positionals=(("file", "", "file to write; .csv, .xlsx or .parquet"),),
    ),
)
