"""The bones of the staff page, in one language. What changes by the second is filled in by `parts`."""

from __future__ import annotations

import json
from typing import Any

from dash import dcc, html

from dashboard.accounts.roles import may_open
from dashboard.glyphs import PLACE_PATH, StateLetter
from dashboard.i18n import LANGUAGES, Words
from dashboard.page_context import PageContext
from dashboard.staff_views import NOW, STAFF_VIEWS
from dashboard.wording import letter_text
from workplace.floor_plan import Floor

_LEGEND: tuple[StateLetter, ...] = ("f", "u", "j", "r", "x", "e")
#: The chart of the day is read again this often, real ms; its bins are five minutes of site time.
_CHART_EVERY_MS = 60_000
#: Parts of the page that come as markup (`markup`), because they have many cells.
DRAWN = ("holds", "all-places", "gateways", "channels", "day-table")


def drawn_id(part: str) -> str:
    """Return the id of the store from which the page's script draws `part`."""
    return f"{part}-markup"


def shell() -> Any:
    """Return what is there before anything is known: where we are, and room for a page.

    What a page keeps and what it is told comes with the page: Dash complains about a callback of which only a part
    of the ends are there.
    """
    return html.Div([dcc.Location(id="url", refresh=False), html.Div(id="root")])


def aria(**values: str) -> dict[str, Any]:
    """Return `aria-` attributes as keyword arguments."""
    return {f"aria-{name}": value for name, value in values.items()}


def glyph(letter: StateLetter) -> Any:
    """Return a glyph as an element; Dash has no inline SVG, so the shape is a masked class of the sheet."""
    return html.Span(className=f"st-glyph st-{letter}", **aria(hidden="true"))


def page(context: PageContext, floor: Floor, said: Words) -> Any:
    return html.Div(
        [
            dcc.Store(id="page", data={"floor": floor.id, "lang": said.language}),
            dcc.Store(id="rev"),
            dcc.Store(id="rev-list"),
            dcc.Store(id="rev-table"),
            *(dcc.Store(id=drawn_id(part)) for part in DRAWN),
            dcc.Store(id="sel"),
            dcc.Store(id="act"),
            dcc.Store(id="pending"),
            dcc.ConfirmDialog(id="confirm"),
            html.Div(id="flash", className="st-flash", role="status", **aria(live="polite")),
            top_bar(context, floor, said, NOW, live=_live_state(said)),
            html.Main(
                [
                    html.H1(
                        said("Floor {n}, {name}").format(n=floor.number, name=said.of(floor.name)),
                        className="st-title",
                    ),
                    html.Div(id="kpi", className="st-kpis"),
                    html.Div([_map_card(floor, said), _holds_card(said)], className="st-two"),
                    _all_places_card(said),
                    html.Section(
                        [html.H2(said("Gateways and sensors")), html.Div(id="gateways")], className="st-card"
                    ),
                    html.Section(
                        [html.H2(said("Channels outside the screens")), html.Div(id="channels")],
                        className="st-card",
                    ),
                    _day_card(said),
                ]
            ),
        ],
        className="st-page",
    )


def top_bar(
    context: PageContext, here: Floor, said: Words, view: str, *, asked: str = "", live: Any = None
) -> Any:
    """Return the bar on top: which page, which floor, which language.

    Args:
        view: address of this page, one of `STAFF_VIEWS`.
        asked: what else stands in the address, as `&days=7`; floors and languages keep it.
        live: how old the data is, where a page is live.
    """

    def link(label: str, href: str, *, is_current: bool, name: str | None = None) -> Any:
        marks: dict[str, Any] = {"aria-current": "true"} if is_current else {}
        if name:
            marks["aria-label"] = name
        return html.A(label, href=href, className="st-tab", **marks)

    def to(floor: str, language: str) -> str:
        return f"?floor={floor}&lang={language}{asked}"

    return html.Header(
        [
            html.A(
                [html.Strong(said("Workplaces")), html.Span(said("Staff"))], href="/", className="st-brand"
            ),
            html.Nav(
                [
                    link(said(word), f"{path}{to(here.id, said.language)}", is_current=path == view)
                    for path, word in STAFF_VIEWS
                    if may_open(path)
                ],
                className="st-nav",
                **aria(label=said("Pages")),
            ),
            html.Nav(
                [
                    html.Span(said("Floor"), className="st-hint"),
                    *(
                        link(
                            str(floor.number),
                            to(floor.id, said.language),
                            is_current=floor.id == here.id,
                            name=said("Floor {n}, {name}").format(n=floor.number, name=said.of(floor.name)),
                        )
                        for floor in context.plan.floors
                    ),
                ],
                className="st-nav",
                **aria(label=said("Floors")),
            ),
            *([] if live is None else [live]),
            html.Nav(
                [
                    link(language.upper(), to(here.id, language), is_current=language == said.language)
                    for language in LANGUAGES
                ],
                className="st-nav st-languages",
                **aria(label=said("Language")),
            ),
        ],
        className="st-top",
    )


def _live_state(said: Words) -> Any:
    return html.Span(
        [html.I(), html.Span(said("Connecting"), id="live-text")], id="live-state", className="st-live"
    )


def _map_card(floor: Floor, said: Words) -> Any:
    from_script = {
        "phases": {letter: letter_text(letter, said) for letter in PLACE_PATH},
        "shapes": PLACE_PATH,
        "live": said("Live"),
        "stale": said("Out of date"),
        "off": said("No live data"),
        "failed": said("The map could not be loaded."),
    }
    data: dict[str, Any] = {
        "data-floor": floor.id,
        "data-lang": said.language,
        "data-words": json.dumps(from_script),
    }
    return html.Section(
        [
            html.H2(said("Live map")),
            html.Div(
                id="map",
                className="st-map",
                **data,
            ),
            html.Ul(
                [html.Li([glyph(letter), letter_text(letter, said)]) for letter in _LEGEND],
                className="st-legend",
            ),
            html.P(
                said(
                    "Choose a place with the mouse or the arrow keys; the table below holds the same facts."
                ),
                className="st-hint",
            ),
            html.Div(id="chosen", className="st-chosen", role="region", **aria(label=said("Chosen place"))),
        ],
        className="st-card",
    )


def _holds_card(said: Words) -> Any:
    return html.Section(
        [
            html.Div(
                [
                    html.H2(said("Held places, longest past their limit first")),
                    html.Span(
                        said("List waits while you are in it"),
                        id="paused-note",
                        className="st-hint",
                        hidden=True,
                    ),
                ],
                className="st-head",
            ),
            html.Div(
                id="holds",
                className="st-scroll",
                tabIndex=0,
                role="region",
                **aria(label=said("Held places")),
            ),
        ],
        className="st-card",
    )


def _all_places_card(said: Words) -> Any:
    return html.Section(
        html.Details(
            [html.Summary(said("All places as a table")), html.Div(id="all-places", className="st-scroll")],
            id="all-places-box",
        ),
        className="st-card",
    )


def _day_card(said: Words) -> Any:
    return html.Section(
        [
            html.H2(said("The day so far")),
            dcc.Interval(id="chart-tick", interval=_CHART_EVERY_MS),
            html.P(id="day-summary"),
            html.Div(
                [
                    html.Div(
                        dcc.Graph(
                            id="day-chart",
                            figure={"data": [], "layout": {}},
                            config={"displayModeBar": False, "responsive": True},
                            className="st-chart",
                        ),
                        **aria(hidden="true"),
                    ),
                    html.Div(id="day-table"),
                ],
                className="st-day",
            ),
        ],
        className="st-card",
    )
