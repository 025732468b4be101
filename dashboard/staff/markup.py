"""A part of the staff page as markup, put into the page by its script.

Dash asks every one of its components at every change of any property. A floor of 65 places has some 1,400 cells and
buttons: as components they cost a browser 2 s of every 2 s between refreshes. As markup they cost what a table costs.
"""

from __future__ import annotations

from html import escape
from typing import Any

from markupsafe import Markup

#: Property of a component -> attribute of HTML, where the two differ.
_NAMES = {"className": "class", "tabIndex": "tabindex", "colSpan": "colspan", "rowSpan": "rowspan"}
_SAME = frozenset({"id", "href", "title", "role", "scope", "type", "hidden", "disabled"})
_EMPTY = frozenset({"br", "hr", "img"})


def markup(part: Any) -> str:
    """Return a tree of `dash.html` elements, texts and lists as HTML; every text and value is escaped.

    What is `Markup` already, as a table of thousands of cells, stays as it is: an element costs twenty times its text.

    Raises:
        TypeError: an element with a property that is not written here.
    """
    if part is None:
        return ""
    if isinstance(part, (list, tuple)):
        return "".join(markup(one) for one in part)
    if isinstance(part, Markup):
        return str(part)
    if isinstance(part, (str, int, float)):
        return escape(str(part))
    written = part.to_plotly_json()
    tag = written["type"].lower()
    properties = {name: value for name, value in written["props"].items() if name != "children"}
    opened = f"<{tag}{''.join(_attribute(name, value) for name, value in properties.items())}>"
    if tag in _EMPTY:
        return opened
    return f"{opened}{markup(getattr(part, 'children', None))}</{tag}>"


def _attribute(name: str, value: Any) -> str:
    if name not in _NAMES and name not in _SAME and not name.startswith(("aria-", "data-")):
        raise TypeError(f"{name} is no property that markup can write")
    if value is None or value is False:
        return ""
    attribute = _NAMES.get(name, name)
    return f" {attribute}" if value is True else f' {attribute}="{escape(str(value))}"'
