"""`/staff/report`: the report of a month, to read and to print; `/staff/report.pdf`: the same as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter
from jinja2 import Environment
from markupsafe import Markup
from starlette.responses import Response

from dashboard.guard import current_language
from dashboard.i18n import Words, words
from dashboard.page_context import PageContext
from dashboard.reports.month import Month, choices, parse_month, read_month
from dashboard.reports.pdf import make_pdf
from dashboard.reports.sheet import Sheet, make_sheet, month_name
from workplace.errors import SettingInvalid, StoreUnavailable


def make_router(context: PageContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/staff/report")
    async def show(month: str = "") -> Response:
        said = words(current_language.get())
        asked = _asked(context, month)
        try:
            sheet = await asyncio.to_thread(_sheet, context, asked, said)
        except StoreUnavailable:
            return _away(said)
        return context.render(
            "reports/report.html",
            sheet=sheet,
            css=None,
            month=str(asked),
            months=[(str(one), month_name(one, said)) for one in _choices(context)],
        )

    @router.get("/staff/report.pdf")
    async def download(month: str = "") -> Response:
        said = words(current_language.get())
        asked = _asked(context, month)
        try:
            sheet = await asyncio.to_thread(_sheet, context, asked, said)
        except StoreUnavailable:
            return _away(said)
        made = await asyncio.to_thread(make_pdf, sheet, context.version, context.clock.now())
        name = f"plekvrij-{context.plan.site}-{asked}.pdf"
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(made, media_type="application/pdf", headers=headers)

    return router


def standalone_html(templates: Environment, sheet: Sheet, said: Words, version: str) -> str:
    """Return the report as one file that needs no other."""
    css = Markup((Path(__file__).with_name("report.css")).read_text("utf-8"))  # noqa: S704 - our own file
    return templates.get_template("reports/report.html").render(
        _=said, lang=said.language, sheet=sheet, css=css, version=version
    )


def _choices(context: PageContext) -> list[Month]:
    return choices(context.local(context.clock.now()).date())


def _asked(context: PageContext, text: str) -> Month:
    """Return the month of the address; the last whole one when it is none that can be chosen."""
    possible = _choices(context)
    try:
        asked = parse_month(text)
    except SettingInvalid:
        return possible[0]
    return asked if asked in possible else possible[0]


def _sheet(context: PageContext, month: Month, said: Words) -> Sheet:
    if context.usage is None:
        raise StoreUnavailable("this site keeps no history")
    now = context.clock.now()
    return make_sheet(
        read_month(context.usage, context.plan, context.working, month, now), context.plan, now, said
    )


def _away(said: Words) -> Response:
    text = said("The history cannot be read now. Please try again in a minute.")
    return Response(f"{text}\n", status_code=503, media_type="text/plain")
