"""The report as a PDF for screen readers too: tagged, with language and title (PDF/UA-1). The only importer of typst.

The compiler comes in a wheel, with its font (Libertinus Serif, SIL Open Font License 1.1) in it; no font of the machine
is used.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from dashboard.reports.sheet import Sheet

_TEMPLATE = Path(__file__).with_name("report.typ")


def make_pdf(sheet: Sheet, version: str, now: datetime) -> bytes:
    """Return the report as a file; the same sheet and moment give the same bytes. Blocks for a second at most.

    Args:
        now: when it is made, aware; stands in the file.
    """
    import typst  # noqa: PLC0415 - 80 MB that only who asks for a PDF needs in memory

    report = asdict(sheet)
    report["made"] = f"{sheet.made} Plekvrij {version}"
    made = typst.compile(
        _TEMPLATE.read_bytes(),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(report)},
        pdf_standards=["ua-1"],
        timestamp=int(now.timestamp()),
    )
    if not isinstance(made, bytes):  # several files come of other formats only
        raise TypeError("typst returned no single file")
    return made
