"""The outermost layer: who may call, from where, and what a browser may do with the answer.

Pure ASGI, because a wrapper that gathers responses would hold server-sent events back.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import time
from collections.abc import Callable
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import i18n
from dashboard.accounts.tries import Tries
from dashboard.refusals import Refusals
from dashboard.settings import LOOPBACK_HOSTS, DashboardSettings

#: Language of the request being answered; visible in async callbacks and in `to_thread`.
current_language: ContextVar[i18n.Language] = ContextVar("current_language", default=i18n.DEFAULT_LANGUAGE)

#: Everything that exists; the catch-all of Dash would otherwise answer 200 to any address.
_KNOWN_PREFIXES = (
    "/setup/",
    "/account/",
    "/login/",
    "/s/",
    "/wall/",
    "/desk/",
    "/api/",
    "/static/",
    "/staff/",
    "/map/",
    "/walk/",
    "/council/",
)
_KNOWN_PATHS = frozenset(
    {
        "/login",
        "/logout",
        "/account",
        "/",
        "/wall",
        "/council",
        "/live",
        "/staff",
        "/walk",
        "/healthz",
        "/favicon.ico",
    }
)
#: Staff pages that are made without Dash; they need none of its inline scripts.
_PLAIN_STAFF = ("/staff/plan", "/staff/devices", "/staff/policy", "/staff/actions", "/staff/report")
#: Every place of a floor at once: for screens with a link and for staff, where links are needed.
_WHOLE_FLOOR_PATHS = frozenset({"/wall", "/live", "/api/v1/floors"})
_WHOLE_FLOOR_PREFIXES = ("/wall/", "/api/v1/floors/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # `no-referrer` would turn the Origin of our own forms into null
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def policy_with_style(source: str) -> str:
    """Return the strict content security policy for a page with one style element, known by its hash."""
    return _STRICT.replace("style-src 'self'", f"style-src 'self' {source}")


def staff_policy(script_hashes: list[str]) -> str:
    """Return the content security policy of the Dash pages.

    Dash writes inline scripts (known by hash) and inline style elements (not), so styles stay open.
    """
    scripts = " ".join(["'self'", *script_hashes])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; object-src 'none'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


class Door(Protocol):
    """Accounts, where a site has some; they stand in for the passwords in the settings."""

    @property
    def is_in_use(self) -> bool: ...

    def check(self, scope: Scope, headers: Headers) -> Response | None:
        """Return a refusal, None to let in."""

    def sees_places(self, scope: Scope, headers: Headers) -> bool:
        """Return whether the caller has an account that may see single places."""


class Guard:
    """Checks host, origin and staff access; sets language, security headers and our own 404."""

    def __init__(
        self,
        app: ASGIApp,
        settings: DashboardSettings,
        staff_csp: Callable[[], str],
        not_found: Callable[[], Response],
        needs_link: Callable[[], Response],
        door: Door | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._staff_csp = staff_csp
        self._not_found = not_found
        self._needs_link = needs_link
        self._door = door
        self._refusals = refusals or Refusals()
        self._tries = Tries(time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # we have none; Dash would open one
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), str(scope["path"])
        asked = _asked_language(scope)
        cookie = _cookie(headers, i18n.LANGUAGE_COOKIE)
        language = i18n.choose(asked, cookie, headers.get("accept-language"))
        token = current_language.set(language)
        is_dash = path.startswith("/staff") and not path.startswith(_PLAIN_STAFF)
        policy = self._staff_csp() if is_dash else _STRICT

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                if path.startswith("/s/"):  # the address itself is the key
                    out.setdefault("referrer-policy", "no-referrer")
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("content-security-policy", policy)
                if asked is not None and asked != cookie:
                    out.append(
                        "set-cookie",
                        f"{i18n.LANGUAGE_COOKIE}={asked}; Path=/; Max-Age=31536000; SameSite=Lax",
                    )
            await send(message)

        try:
            refusal = self._refuse(scope, headers, path)
            await (refusal or self._app)(scope, receive, send_guarded)
        finally:
            current_language.reset(token)

    def _refuse(self, scope: Scope, headers: Headers, path: str) -> Response | None:
        host = _host_name(headers.get("host", ""))
        if not self._settings.is_allowed_host(host):
            self._refusals.note("host")
            return PlainTextResponse("unknown host name; add it to the allowed hosts\n", status_code=400)
        if scope["method"] not in _SAFE_METHODS and not _is_same_origin(headers):
            self._refusals.note("origin")
            return PlainTextResponse("this request came from another site\n", status_code=403)
        if path not in _KNOWN_PATHS and not path.startswith(_KNOWN_PREFIXES):
            return self._not_found()
        settings = self._settings
        if settings.screens_need_links and (
            path in _WHOLE_FLOOR_PATHS or path.startswith(_WHOLE_FLOOR_PREFIXES)
        ):
            return self._noted(self._check_whole_floor(scope, headers))
        if self._door is not None and self._door.is_in_use:
            return self._door.check(scope, headers)
        if _is_for_staff(scope["method"], path):
            return self._noted(self._check("staff", (settings.staff_password,), scope, headers))
        if path.startswith("/council/"):
            known = (settings.council_password, settings.staff_password)
            return self._noted(self._check("council", known, scope, headers))
        return None

    def _noted(self, refusal: Response | None) -> Response | None:
        if refusal is not None:
            self._refusals.note("password")
        return refusal

    def _check_whole_floor(self, scope: Scope, headers: Headers) -> Response | None:
        """Return a refusal unless the caller is logged in as one who sees places, or knows the password of staff."""
        if self._door is not None and self._door.is_in_use:
            return None if self._door.sees_places(scope, headers) else self._needs_link()
        password = self._settings.staff_password
        if password is None:
            return self._needs_link()
        if (waits := self._waits(scope, headers)) is not None:
            return waits
        if self._is_right(scope, headers, (password,)):
            return None
        refusal = self._needs_link()
        refusal.status_code = 401
        refusal.headers["WWW-Authenticate"] = 'Basic realm="staff"'
        return refusal

    def _check(
        self, role: str, passwords: tuple[str | None, ...], scope: Scope, headers: Headers
    ) -> Response | None:
        """Return a refusal unless the caller knows one of the passwords that are set; without any, is on this
        machine."""
        known = tuple(password for password in passwords if password is not None)
        if not known:
            # a web server on this machine calls from it too, but by the name that it was called by
            if _is_loopback(scope) and _host_name(headers.get("host", "")) in LOOPBACK_HOSTS:
                return None
            return PlainTextResponse(
                f"{role} pages answer on this machine only until a {role} password is set\n", status_code=403
            )
        if (waits := self._waits(scope, headers)) is not None:
            return waits
        if self._is_right(scope, headers, known):
            return None
        return PlainTextResponse(
            f"{role} password needed\n",
            status_code=401,
            headers={"WWW-Authenticate": f'Basic realm="{role}"'},
        )

    def _waits(self, scope: Scope, headers: Headers) -> Response | None:
        """Return a refusal while a caller that guessed has to wait; nothing it sends is looked at then."""
        if not _is_basic(headers):
            return None
        caller = _caller(scope)
        wait_s = self._tries.wait_s(caller, caller)
        if wait_s <= 0:
            return None
        return PlainTextResponse(
            "too many wrong passwords\n", status_code=429, headers={"Retry-After": str(max(1, round(wait_s)))}
        )

    def _is_right(self, scope: Scope, headers: Headers, known: tuple[str, ...]) -> bool:
        given, caller = headers.get("authorization", ""), _caller(scope)
        if not _is_basic(headers):
            return False
        if sum(_has_password(given, password) for password in known):  # each is compared, right or not
            self._tries.succeeded(caller, caller)
            return True
        self._tries.failed(caller, caller)
        return False


def _is_for_staff(method: str, path: str) -> bool:
    if path in {"/staff", "/walk"} or path.startswith(("/staff/", "/map/", "/walk/")):
        return True
    return path.startswith("/api/") and (method not in _SAFE_METHODS or "decisions" in path.split("/"))


def _host_name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def _is_same_origin(headers: Headers) -> bool:
    """Browsers send Origin with every POST; other programs send none, but carry no cookies either."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _caller(scope: Scope) -> str:
    client = scope.get("client")
    return "" if client is None else str(client[0])


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _is_basic(headers: Headers) -> bool:
    return headers.get("authorization", "").lower().startswith("basic ")


def _has_password(header: str, password: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error:
        return False
    return hmac.compare_digest(given, password.encode())


def _asked_language(scope: Scope) -> i18n.Language | None:
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [""])
    return i18n.as_language(values[0])


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if morsel is None else morsel.value
