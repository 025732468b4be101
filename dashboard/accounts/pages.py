"""`/login`, `/logout`, `/setup/<token>` and `/account`: plain forms, no script."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard.accounts.book import LONGEST_S, Account, Refused
from dashboard.accounts.gate import SESSION_COOKIE, Gate, session_token
from dashboard.accounts.roles import Role
from dashboard.guard import current_language
from dashboard.i18n import N_, words
from dashboard.page_context import PageContext
from dashboard.qr_sheet.sheet import drawing_of

T = TypeVar("T")
#: What can be wrong, in words.
_WHY = {
    "wrong": N_("This does not fit. Check name, password and code."),
    "code_needed": N_("Also type the code of your authenticator."),
    "no_link": N_("This link was used or is too old. Ask for a new one."),
    "weak": N_("Choose a longer password: at least 12 signs, and not your name."),
    "unequal": N_("The two passwords differ."),
}
ROLE_NAMES: dict[Role, str] = {
    "staff": N_("counter and hosts"),
    "facility": N_("facility"),
    "installer": N_("installer"),
    "works_council": N_("works council"),
    "admin": N_("administration"),
}
#: Where a role begins.
_HOME = {"works_council": "/council", "installer": "/walk"}
#: One hash takes 64 MiB and all cores for a twentieth of a second or more: never two at once, and after everything else
#: that this machine has to do. Guesses from many addresses would slow down every wall otherwise.
_HASHING_NICE = 10

Text = Annotated[str, Form(max_length=400)]


class Desk:
    """What the forms of accounts do. Hashing takes its time, so never many at once and never on the event loop."""

    def __init__(self, context: PageContext, gate: Gate) -> None:
        self._context = context
        self._gate = gate
        self._book = gate.book
        self._hashing = ThreadPoolExecutor(1, "hashing", initializer=_be_modest)

    async def enter(self, request: Request, name: str, password: str, code: str, to: str) -> Response:
        caller = _caller(request)
        try:
            token = await self._slowly(lambda: self._book.enter(name, password, code, caller))
        except Refused as refused:
            self._gate.refusals.note("login_wait" if refused.reason == "wait" else "login_wrong")
            status = 429 if refused.reason == "wait" else 403
            answer = self.login_page(to, _why(refused), name, status)
            if refused.reason == "wait":
                answer.headers["Retry-After"] = str(max(1, round(refused.wait_s)))
            return answer
        return self.let_in(token, to, is_secure=request.url.scheme == "https")

    def let_in(self, token: str, to: str, *, is_secure: bool) -> Response:
        """Give a browser a session, and send it to where it wanted to go."""
        account = self._book.whose(token)
        home = _HOME.get(account.role, "/staff/") if account is not None else "/"
        answer = RedirectResponse(inside(to) or home, status_code=303)
        answer.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(LONGEST_S),
            httponly=True,
            samesite="lax",
            secure=is_secure,
        )
        return answer

    def leave(self, request: Request, *, everywhere: bool) -> Response:
        token = session_token(request.headers)
        account = None if token is None else self._book.whose(token)
        if account is not None and everywhere:
            self._book.leave_everywhere(account.name)
        elif token is not None:
            self._book.leave(token)
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(SESSION_COOKIE)
        return answer

    def setup_page(self, token: str, refused: Refused | None = None) -> Response:
        name = self._book.owner_of_link(token)
        if name is None:
            refused = Refused("no_link")
        status = 410 if name is None else 200 if refused is None else 403
        problem = "" if refused is None else _why(refused)
        return self._context.render("accounts/setup.html", status=status, name=name, problem=problem)

    async def set_up(self, token: str, password: str, again: str) -> Response:
        try:
            if password != again:
                raise Refused("unequal")
            name = await self._slowly(lambda: self._book.set_up(token, password))
        except Refused as refused:
            return self.setup_page(token, refused)
        return self.login_page("", name=name)

    async def change_password(self, request: Request, old: str, password: str, again: str) -> Response:
        account = self._gate.account(request.headers)
        if account is None:
            return RedirectResponse("/login", status_code=303)
        caller = _caller(request)
        try:
            if password != again:
                raise Refused("unequal")
            await self._slowly(lambda: self._book.change_password(account.name, old, password, caller))
        except Refused as refused:
            return self.account_page(account, problem=_why(refused), status=403)
        return self.login_page("", name=account.name)

    def keep_code(self, request: Request, secret: str, code: str) -> Response:
        account = self._gate.account(request.headers)
        if account is None:
            return RedirectResponse("/login", status_code=303)
        try:
            self._book.keep_code(account.name, secret, code)
        except Refused as refused:
            return self.account_page(account, problem=_why(refused), status=403)
        return RedirectResponse("/account?done=code", status_code=303)

    def login_page(self, to: str, problem: str = "", name: str = "", status: int = 200) -> Response:
        return self._context.render(
            "accounts/login.html",
            status=status,
            to=inside(to),
            problem=problem,
            name=name,
            has_directory=self._gate.has_directory,
        )

    def account_page(
        self, account: Account, problem: str = "", done: str = "", status: int = 200
    ) -> Response:
        secret = "" if account.has_code or not account.is_ready else self._book.new_code_secret()
        site = quote(self._context.plan.site)
        uri = f"otpauth://totp/{site}:{quote(account.name)}?secret={secret}&issuer={site}"
        return self._context.render(
            "accounts/account.html",
            status=status,
            account=account,
            role_names=ROLE_NAMES,
            secret=secret,
            drawing=drawing_of(uri) if secret else "",
            problem=problem,
            done=done,
        )

    async def _slowly(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, work)


def make_router(desk: Desk, gate: Gate) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def login(to: str = "") -> Response:
        return desk.login_page(to)

    @router.post("/login")
    async def enter(
        request: Request, name: Text = "", password: Text = "", code: Text = "", to: Text = ""
    ) -> Response:
        return await desk.enter(request, name, password, code, to)

    @router.post("/logout")
    async def leave(request: Request, everywhere: Text = "") -> Response:
        return desk.leave(request, everywhere=bool(everywhere))

    @router.get("/setup/{token}")
    async def link(token: str) -> Response:
        return desk.setup_page(token)

    @router.post("/setup/{token}")
    async def set_up(token: str, password: Text = "", again: Text = "") -> Response:
        return await desk.set_up(token, password, again)

    @router.get("/account")
    async def own(request: Request, done: str = "") -> Response:
        account = gate.account(request.headers)
        if account is None:
            return RedirectResponse("/login", status_code=303)
        return desk.account_page(account, done=done)

    @router.post("/account/password")
    async def change(request: Request, old: Text = "", password: Text = "", again: Text = "") -> Response:
        return await desk.change_password(request, old, password, again)

    @router.post("/account/code")
    async def code(request: Request, secret: Text = "", code: Text = "") -> Response:
        return desk.keep_code(request, secret, code)

    return router


def _be_modest() -> None:
    """Let this thread, and the threads that it starts, run after others."""
    if sys.platform == "linux":  # elsewhere a priority is that of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _HASHING_NICE)


def _why(refused: Refused) -> str:
    said = words(current_language.get())
    if refused.reason == "wait":
        return said("Too many tries. Wait {seconds} s.").format(seconds=max(1, round(refused.wait_s)))
    return said(_WHY[refused.reason])


def _caller(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def inside(to: str) -> str:
    """Return an address of ours, or nothing: nobody may be sent elsewhere from here."""
    is_ours = to.startswith("/") and not to.startswith("//") and "\\" not in to and ":" not in to
    return to if is_ours else ""
