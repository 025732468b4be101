"""`/login/directory` and back: out to the directory of the municipality, and in with a session as any other."""

from __future__ import annotations

import asyncio
from http.cookies import CookieError, SimpleCookie

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard.accounts.directory import Directory, NotBelieved
from dashboard.accounts.gate import Gate
from dashboard.accounts.pages import Desk, inside
from dashboard.guard import current_language
from dashboard.i18n import N_, words

log = structlog.get_logger(__name__)

#: Binds a journey to the directory to the browser that began it, so that nobody logs somebody else in.
AWAY_COOKIE = "plekvrij_away"
_AWAY_S = 600
_NO_ROLE = N_("Your work account has no role here. Ask who looks after the workplaces.")
_NOT_LET_IN = N_("Your work account did not let you in. Try once more.")


def make_router(desk: Desk, gate: Gate, directory: Directory) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    is_secure = directory.settings.pages.startswith("https:")

    def refuse(error: NotBelieved) -> Response:
        gate.refusals.note("login_directory")
        log.warning("directory_not_believed", reason=error.reason)
        why = _NO_ROLE if error.reason == "no_role" else _NOT_LET_IN
        return desk.login_page("", words(current_language.get())(why), status=403)

    @router.get("/login/directory")
    async def leave(to: str = "") -> Response:
        try:
            address, binder = await asyncio.to_thread(directory.leave, inside(to))
        except NotBelieved as error:
            return refuse(error)
        answer = RedirectResponse(address, status_code=303)
        answer.set_cookie(
            AWAY_COOKIE,
            binder,
            max_age=_AWAY_S,
            path="/login",
            httponly=True,
            samesite="lax",
            secure=is_secure,
        )
        return answer

    @router.get("/login/directory/back")
    async def back(request: Request) -> Response:
        try:
            person, to = await asyncio.to_thread(
                directory.come_back, dict(request.query_params), _cookie(request)
            )
        except NotBelieved as error:
            return refuse(error)
        issuer = directory.settings.issuer
        token = await asyncio.to_thread(gate.book.enter_directory, issuer, person.subject, person.role)
        answer = desk.let_in(token, to, is_secure=is_secure)
        answer.delete_cookie(AWAY_COOKIE, path="/login")
        return answer

    return router


def _cookie(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(AWAY_COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value
