"""Parts of the staff page as markup: whatever a name holds, it stays text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from dash import dcc, html
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from dashboard.staff.markup import markup
from dashboard.staff.parts import action_button, table


class _Reader(HTMLParser):
    def __init__(self, written: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self._open = ""
        self.feed(written)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in {"th", "td"}:
            self.texts.append(data)


# a parser of HTML reads a carriage return as a line feed and drops a null, as a browser does
TEXTS = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(cells=st.lists(TEXTS, min_size=2, max_size=5))
def test_any_text_stays_text_in_its_own_cell(cells: list[str]) -> None:
    read = _Reader(markup(table(["a"], [cells], "caption")))
    assert read.tags == [
        "table",
        "caption",
        "thead",
        "tr",
        "th",
        "tbody",
        "tr",
        "th",
        *["td"] * (len(cells) - 1),
    ]
    assert "".join(read.texts) == "a" + "".join(cells)


@given(name=TEXTS)
def test_any_name_stays_in_its_attribute(name: str) -> None:
    read = _Reader(markup(action_button("release", "Release", "3-S01", name=name)))
    assert read.tags == ["button"]
    (attributes,) = read.attributes
    assert attributes["aria-label"] == name
    assert attributes["data-action"] == "release"
    assert attributes["data-for"] == "3-S01"


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (None, ""),
        ([1, " ", 2.5], "1 2.5"),
        (html.P(["a", html.Br(), html.B("b")]), "<p>a<br><b>b</b></p>"),
        (html.Div(hidden=True, className="x", tabIndex=0), '<div class="x" hidden tabindex="0"></div>'),
        (html.P("a", hidden=False), "<p>a</p>"),
    ],
)
def test_what_is_written(part: Any, written: str) -> None:
    assert markup(part) == written


@pytest.mark.parametrize(
    "part", [html.Div(style={"color": "red"}), html.Button(n_clicks=1), dcc.Store(id="a", data=1)]
)
def test_what_only_dash_can_do_is_refused(part: Any) -> None:
    with pytest.raises(TypeError, match="no property that markup can write"):
        markup(part)


def test_what_is_written_already_is_not_escaped_again_and_what_is_text_beside_it_is() -> None:
    assert markup(html.Div([Markup("<b>1 &amp; 2</b>"), "<b>"])) == "<div><b>1 &amp; 2</b>&lt;b&gt;</div>"
