"""Dash, attached to our own application under `/staff/`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from dash import ClientsideFunction, Dash, Input
from dash.exceptions import DependencyException, InvalidResourceError
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dashboard import i18n
from dashboard.floor_svg import PlanWords, draw_floor
from dashboard.guard import current_language
from dashboard.page_context import PageContext
from dashboard.staff.callbacks import callback_table
from dashboard.staff.history import page as history
from dashboard.staff.layout import DRAWN, drawn_id, shell
from dashboard.wording import letter_text

PREFIX = "/staff/"


def attach_staff(app: FastAPI, context: PageContext) -> list[str]:
    """Add the staff pages and return the hashes of the inline scripts that Dash writes."""
    _add_map(app, context)
    dash_app = _Page(
        __name__,
        server=app,  # type: ignore[arg-type]  # typed for Flask, works with FastAPI
        routes_pathname_prefix=PREFIX,
        requests_pathname_prefix=PREFIX,
        assets_folder=str(Path(__file__).parent / "assets"),
        title="Plekvrij",
        update_title=None,  # type: ignore[arg-type]  # documented: None leaves the title alone
        suppress_callback_exceptions=True,
        serve_locally=True,
    )
    dash_app.context = context
    dash_app.layout = shell
    for entry in callback_table(context):
        _register(dash_app, entry.outputs, entry.inputs, entry.function)
    for part in (*DRAWN, history.DRAWN):
        put = ClientsideFunction("plekvrij", "put")
        dash_app.clientside_callback(put, Input(drawn_id(part), "data"))  # type: ignore[no-untyped-call]
    app.add_exception_handler(InvalidResourceError, _no_such_part)
    app.add_exception_handler(DependencyException, _no_such_part)
    hashes = [str(mark) for mark in dash_app.csp_hashes()]
    dash_app.make_ready()
    return hashes


async def _no_such_part(_request: Request, _error: Exception) -> Response:
    """Dash raises at a part of a page that it has not; that is no fault of ours, and no line in the log."""
    return Response(status_code=404)


def _register(
    dash_app: Any, outputs: tuple[Any, ...], inputs: tuple[Any, ...], function: Callable[..., Any]
) -> None:
    """Register one callback; a blocking one silences every open screen, so it is refused."""
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"callback {function.__name__} must be async")
    dash_app.callback(*outputs, *inputs)(function)


class _Page(Dash):
    """Dash with a page around it that names its language and loads our own sheets."""

    context: PageContext

    def make_ready(self) -> None:
        """Find assets and callbacks now. Dash would at the first call of its own address, so that whoever opened
        another page first got it without scripts."""
        self._setup_server()  # type: ignore[no-untyped-call]

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]
        static = self.context.static
        sheets = ["tokens.css", "plan.css", "glyphs.css", *(["theme.css"] if static.has_theme else [])]
        links = "".join(f'<link rel="stylesheet" href="{escape(static.url(sheet))}">' for sheet in sheets)
        said = i18n.words(current_language.get())
        title = said("Workplaces, staff")
        return (
            f'<!doctype html><html lang="{said.language}"><head>{parts["metas"]}'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title>"
            f'<link rel="icon" href="{escape(static.url("icon.svg"))}" type="image/svg+xml">'
            f"{links}{parts['css']}</head><body>{parts['app_entry']}"
            f"<footer>{parts['config']}{parts['scripts']}{parts['renderer']}</footer></body></html>"
        )


def _add_map(app: FastAPI, context: PageContext) -> None:
    @app.get("/map/{floor}", include_in_schema=False)
    async def floor_map(floor: str) -> Response:
        """The drawing of one floor, each place a button."""
        found = context.plan.floor.get(floor)
        if found is None:
            return Response(status_code=404)
        view = context.floor_view(found)
        said = i18n.words(current_language.get())
        words = PlanWords(
            title=said("Live map"),
            you_are_here=said("You are here"),
            zone_name=lambda zone: said.of(zone.name),
            place_label=lambda place, letter: (
                f"{place.label}, {said.of(context.plan.zone[place.zone].name)}, {letter_text(letter, said)}"
            ),
        )
        return HTMLResponse(draw_floor(found, view.letters, words), headers={"Cache-Control": "no-store"})
