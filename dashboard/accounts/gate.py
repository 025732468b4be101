"""The door: which account a request comes from, and whether its role may be there."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from dashboard.accounts.book import Account, AccountBook
from dashboard.accounts.roles import AT_PLACES, SAFE_METHODS, current_role, who_may
from dashboard.refusals import Refusals

SESSION_COOKIE = "plekvrij_session"
#: Addresses whose reading is not kept: they tell of no place, or belong to a page that is kept already.
_UNLOGGED = ("/account", "/logout", "/staff/_dash-component-suites/", "/staff/assets/", "/staff/_favicon")


def session_token(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


class Gate:
    """Stands in for passwords as soon as there is an account, or a directory to log in through."""

    def __init__(
        self, book: AccountBook, refusals: Refusals | None = None, *, has_directory: bool = False
    ) -> None:
        self.book = book
        self.has_directory = has_directory
        self.refusals = refusals or Refusals()

    @property
    def is_in_use(self) -> bool:
        return self.has_directory or self.book.has_any

    def account(self, headers: Headers) -> Account | None:
        token = session_token(headers)
        return None if token is None else self.book.whose(token)

    def sees_places(self, scope: Scope, headers: Headers) -> bool:
        """Return whether an account that may see single places asks; its reading is kept in the log."""
        account = self.account(headers)
        if account is None or account.role not in AT_PLACES:
            return False
        self.book.note(account, str(scope["method"]), str(scope["path"]))
        return True

    def check(self, scope: Scope, headers: Headers) -> Response | None:
        """Return a refusal, or None and keep in the log that this account did or read this."""
        method, path = str(scope["method"]), str(scope["path"])
        roles = who_may(method, path)
        if roles is None:
            return None
        account = self.account(headers)
        if account is None:
            self.refusals.note("session")
            if method in SAFE_METHODS and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"/login?to={quote(path)}", status_code=303)
            return PlainTextResponse("log in first: /login\n", status_code=401)
        if account.role not in roles:
            self.refusals.note("role")
            return PlainTextResponse(f"not for the role {account.role}\n", status_code=403)
        current_role.set(account.role)
        if not path.startswith(_UNLOGGED):
            self.book.note(account, method, _page_of(path, headers))
        return None


def _page_of(path: str, headers: Headers) -> str:
    """Return the page that asks for its data at one address of Dash, else the address itself."""
    if not path.startswith("/staff/_dash"):
        return path
    page = urlsplit(headers.get("referer", "")).path
    return page if page.startswith("/staff/") else path
