"""What axe-core finds on a page in a real browser, against WCAG 2.2 A and AA."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable

from playwright.sync_api import Page

_AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def broken_rules(page: Page, *, without: Iterable[str] = ()) -> list[list[object]]:
    """Return each rule that the page breaks, with the elements that do.

    Args:
        without: rules to leave out; say why where it is called. The page must be open with `bypass_csp=True`.
    """
    page.wait_for_load_state("load")
    page.evaluate(_AXE.read_text("utf-8"))
    options = {"runOnly": _LEVELS, "rules": {rule: {"enabled": False} for rule in without}}
    found = page.evaluate(
        f"axe.run(document, {json.dumps(options)})"
        ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160))]))"
    )
    return list(found)
