"""The history page: its bones at once, its figures when the store has answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import dcc, html

from dashboard.i18n import Words
from dashboard.page_context import PageContext
from dashboard.staff.history import figures, heat, says, tables
from dashboard.staff.history.report import PERIODS, PLACE_DAYS, Report, read_report
from dashboard.staff.layout import aria, drawn_id, top_bar
from dashboard.staff.markup import markup
from dashboard.staff_views import HISTORY
from workplace.errors import StoreUnavailable
from workplace.floor_plan import Floor

HISTORY_PATH = HISTORY
#: Charts of the page, in the order of `_FIGURES`.
CHARTS = ("history-days", "history-held", "history-holds")
_FIGURES: tuple[Callable[[Report, Words], dict[str, Any]], ...] = (
    figures.days_figure,
    figures.held_figure,
    figures.holds_figure,
)
#: The store of which the page's script draws all texts and tables of this page.
DRAWN = "history"
_DEFAULT_DAYS = 28


def asked_days(text: str) -> int:
    """Return the period that the address asks for; the default when it is none of ours."""
    return next((days for days in PERIODS if str(days) == text), _DEFAULT_DAYS)


def history_page(context: PageContext, floor: Floor, days: int, said: Words) -> Any:
    """Return the page without its figures; `fill` brings them."""
    here = said("History of floor {n}, {name}").format(n=floor.number, name=said.of(floor.name))
    return html.Div(
        [
            dcc.Store(id="history-page", data={"floor": floor.id, "lang": said.language, "days": str(days)}),
            dcc.Store(id=drawn_id(DRAWN)),
            top_bar(context, floor, said, HISTORY_PATH, asked=f"&days={days}"),
            html.Main(
                [
                    html.Div(
                        [html.H1(here, className="st-title"), _periods(floor, days, said)],
                        className="st-head st-wrap",
                    ),
                    html.P(said("Loading"), id="history-period", role="status", className="st-hint"),
                    html.Div(id="history-tiles"),
                    _card(said("Busy hours"), _drawn("history-hours")),
                    _card(
                        said("Zones by day"),
                        _say("history-days-say"),
                        _chart(CHARTS[0]),
                        _folded(said, html.Div(id="history-days-table")),
                    ),
                    html.Div(
                        [
                            html.Div(
                                [
                                    _card(
                                        said("Held but empty"),
                                        _say("history-held-say"),
                                        _chart(CHARTS[1]),
                                        _drawn("history-held-table"),
                                    ),
                                    _card(
                                        said("Used again, last {n} days").format(n=PLACE_DAYS),
                                        _drawn("history-again"),
                                    ),
                                ],
                                className="st-stack",
                            ),
                            _card(
                                said("Length of holds, last {n} days").format(n=PLACE_DAYS),
                                _say("history-holds-say"),
                                _chart(CHARTS[2]),
                                _drawn("history-holds-table"),
                            ),
                        ],
                        className="st-two st-even",
                    ),
                    _card(
                        said("Single places, last {n} days").format(n=PLACE_DAYS),
                        _say("history-places-say"),
                        _drawn("history-places"),
                    ),
                    _card(said("What the words mean"), _drawn("history-notes")),
                ]
            ),
        ],
        className="st-page st-history",
    )


def fill(context: PageContext, floor: Floor, days: int, said: Words) -> tuple[Any, ...]:
    """Return the markup of all parts, and the charts. Blocks: it asks the store."""
    if context.usage is None:
        return _without(said("There is no history here."))
    tz = context.plan.tz
    try:
        report = read_report(context.usage, floor, context.working, tz, context.clock.now(), days)
    except StoreUnavailable:
        return _without(said("The history cannot be read now. Please try again in a minute."))
    parts: dict[str, Any] = {
        "history-period": says.period(report, said),
        "history-tiles": tables.tiles(report, tz, said),
        "history-hours": [
            html.P(says.busiest(report, tz, said)),
            heat.zone_hours(report, said),
            heat.legend(said),
            html.H3(said("By day of the week")),
            html.P(says.busiest_weekday(report, said)),
            heat.weekday_hours(report, said),
        ],
        "history-days-say": says.tightest(report, said),
        "history-days-table": tables.steps(report, said),
        "history-held-say": says.held(report, said),
        "history-held-table": tables.held(report, said),
        "history-holds-say": says.holds(report, said),
        "history-holds-table": tables.holds(report, said),
        "history-again": [html.P(says.again(report, said)), tables.again(report, said)],
        "history-places-say": says.places(report, said),
        "history-places": _folded(said, heat.place_hours(report, said)) if report.places else None,
        "history-notes": tables.notes(report, said),
    }
    drawn = [{"into": part, "markup": markup(content)} for part, content in parts.items()]
    return drawn, *(figure(report, said) for figure in _FIGURES)


def _without(text: str) -> tuple[Any, ...]:
    """Return a page that only says why there is nothing on it."""
    return [{"into": "history-period", "markup": markup(text)}], *(figures.empty_figure() for _ in CHARTS)


def _periods(floor: Floor, days: int, said: Words) -> Any:
    words = {396: said("13 months")}

    def link(period: int) -> Any:
        marks: dict[str, Any] = {"aria-current": "true"} if period == days else {}
        return html.A(
            words.get(period, said("{n} days").format(n=period)),
            href=f"?floor={floor.id}&lang={said.language}&days={period}",
            className="st-button st-period",
            **marks,
        )

    return html.Nav(
        [link(period) for period in PERIODS], className="st-actions", **aria(label=said("Period"))
    )


def _card(title: str, *content: Any) -> Any:
    return html.Section([html.H2(title), *content], className="st-card")


def _say(id_: str) -> Any:
    return html.P(id=id_, className="st-say")


def _drawn(id_: str) -> Any:
    return html.Div(id=id_)


def _folded(said: Words, content: Any) -> Any:
    return html.Details([html.Summary(said("As a table")), content], className="st-more")


def _chart(id_: str) -> Any:
    """Return a chart; it is hidden from screen readers, for which the table beside it is."""
    return html.Div(
        dcc.Graph(
            id=id_,
            figure=figures.empty_figure(),
            config={"displayModeBar": False, "responsive": True},
            className="st-chart",
        ),
        **aria(hidden="true"),
    )
