"""Log-in through the directory of the municipality: OpenID Connect, code flow with PKCE.

What the directory says of a person stays in memory while it is checked. Kept is a pseudonym and a role. The libraries
(extra `oidc`) are loaded with the first log-in, so a site without a directory does not wait for them.

Source: OpenID Connect Core 1.0, 3.1.2 and 3.1.3.7; RFC 7636 (PKCE); RFC 9207 (issuer in the answer).
"""

from __future__ import annotations

import hmac
import importlib.util
import ipaddress
import json
import secrets
import threading
import time
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dashboard.accounts.roles import ROLES, Role
from workplace.errors import SettingInvalid, WorkplaceError

#: Ways of signing that are believed, as far as the directory says that it uses them. `none` is none, and the secret of
#: a client (HS256) signs nothing: whoever holds it could be anybody.
_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA")
#: Clocks of two servers differ, s.
_LEEWAY_S = 60
#: From leaving to the directory until coming back, s: a second factor takes its time.
_AWAY_S = 600.0
#: People who are on their way; the oldest go first.
_MOST_AWAY = 1000
#: What the directory says of itself is asked anew after this, s, and keys that are not known at most this often.
_ASK_AGAIN_S, _KEYS_AGAIN_S = 3600.0, 30.0
_TIMEOUT_S = 10.0
_MOST_BYTES = 512 * 1024
_SETTINGS = {"issuer", "client_id", "client_secret", "pages", "claim", "scope", "ca_file", "roles"}


class NotBelieved(WorkplaceError):
    """The answer of the directory is not believed, or it gave none. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the directory's answer was not believed: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """Which directory, and which of its groups has which role here.

    Attributes:
        issuer: the address that stands in its tokens, without a slash that is not in them.
        pages: address of our pages as browsers reach them.
        claim: what in the token names the groups; dots lead into it, as in `realm_access.roles`.
        roles: group -> role, the first that fits counts.
        ca_file: certificates to trust, None for those of the system's Python.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    pages: str
    claim: str
    roles: Mapping[str, Role]
    scope: str = "openid"
    ca_file: str | None = None

    @property
    def back(self) -> str:
        """Where the directory sends people back to; it must know this address."""
        return f"{self.pages}/login/directory/back"


def read_directory(file: Path, credentials: str | None) -> DirectorySettings:
    """Read a TOML file.

    Args:
        credentials: folder of systemd's credentials (`$CREDENTIALS_DIRECTORY`), for a secret without a path.

    Raises:
        SettingInvalid: says what is missing or wrong, never the secret.
    """
    if importlib.util.find_spec("authlib") is None:
        raise SettingInvalid(
            "log-in through a directory needs two packages more: pip install 'plekvrij[oidc]'"
        )
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingInvalid(f"cannot read the directory file {file}: {error}") from error
    if unknown := raw.keys() - _SETTINGS:
        raise SettingInvalid(
            f"{file}: {', '.join(sorted(unknown))} is no setting; {', '.join(sorted(_SETTINGS))} are"
        )
    for name in ("issuer", "client_id", "client_secret", "pages", "claim"):
        if not isinstance(raw.get(name), str) or not raw[name]:
            raise SettingInvalid(f"{file}: write {name} = a text")
    roles = raw.get("roles")
    if not isinstance(roles, dict) or not roles or not all(role in ROLES for role in roles.values()):
        raise SettingInvalid(f"{file}: write [roles] with lines group = one of {', '.join(ROLES)}")
    for name in ("issuer", "pages"):
        if not is_safe(raw[name]):
            raise SettingInvalid(f"{file}: {name} must begin with https:// (http:// on this machine alone)")
    return DirectorySettings(
        raw["issuer"], raw["client_id"], _secret(file, raw["client_secret"], credentials), raw["pages"].rstrip("/"),
        raw["claim"], roles, str(raw.get("scope", "openid")), raw.get("ca_file"),
    )  # fmt: skip


def _secret(settings: Path, name: str, credentials: str | None) -> str:
    """Return the first line of a file; a name without a slash is a credential of systemd, else beside the settings."""
    folder = Path(credentials) if credentials and "/" not in name else settings.parent
    file = folder / name
    try:
        secret = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(
            f"client_secret names a file with the secret in its first line: {error}"
        ) from error
    if len(secret) < 8:
        raise SettingInvalid(f"{file}: a secret has 8 signs or more")
    return secret


def is_safe(address: str) -> bool:
    """Return whether an address is https, or never leaves this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


@dataclass(frozen=True, slots=True)
class _Away:
    """Somebody on the way to the directory and back. `binder` is in a cookie of that browser alone."""

    binder: str
    nonce: str
    verifier: str
    to: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Person:
    """Who came back: nothing but what is needed to make a pseudonym and to give a role."""

    subject: str
    role: Role


class Directory:
    """Calls block; from threads."""

    def __init__(
        self, settings: DirectorySettings, *, now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._away: OrderedDict[str, _Away] = OrderedDict()
        self._about: tuple[dict[str, Any], float] | None = None
        self._keys: tuple[Any, float] | None = None

    def leave(self, to: str) -> tuple[str, str]:
        """Return the directory's address to send somebody to, and a secret for a cookie of his browser.

        Raises:
            NotBelieved: the directory cannot be reached, or says something odd of itself.
        """
        state, binder = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        away = _Away(binder, secrets.token_urlsafe(32), secrets.token_urlsafe(48), to, self._monotonic())
        about = self._ask_about()
        with self._client() as client:
            address, _ = client.create_authorization_url(
                about["authorization_endpoint"], state=state, nonce=away.nonce, code_verifier=away.verifier
            )
        with self._lock:
            self._away[state] = away
            while len(self._away) > _MOST_AWAY:
                self._away.popitem(last=False)
        return str(address), binder

    def come_back(self, answer: Mapping[str, str], binder: str) -> tuple[Person, str]:
        """Check what a browser brought back; return who it is, and where he wanted to go.

        Raises:
            NotBelieved: nobody left with this state from this browser, the directory did not let him in, or its token
                is wrong; `no_role`: it is right, and none of his groups has a role here.
        """
        with self._lock:
            away = self._away.pop(answer.get("state", ""), None)
        if away is None or self._monotonic() - away.since_s > _AWAY_S:
            raise NotBelieved("unknown_state")
        if not hmac.compare_digest(away.binder.encode(), binder.encode()):
            raise NotBelieved("another_browser")
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise NotBelieved("another_issuer")
        if "error" in answer or not answer.get("code"):
            raise NotBelieved("not_let_in")
        claims = self._check(self._redeem(answer["code"], away.verifier), away.nonce)
        return Person(claims["sub"], self._role_of(claims)), away.to

    def _redeem(self, code: str, verifier: str) -> str:
        from authlib.integrations.base_client import OAuthError
        from requests import RequestException

        endpoint = self._ask_about()["token_endpoint"]
        try:
            with self._client() as client:
                given = client.fetch_token(
                    endpoint, code=code, code_verifier=verifier, timeout=_TIMEOUT_S, allow_redirects=False
                )
        except (OAuthError, RequestException, ValueError) as error:
            raise NotBelieved("no_token") from error
        token = given.get("id_token")
        if not isinstance(token, str) or len(token) > _MOST_BYTES:
            raise NotBelieved("no_token")
        return token

    def _check(self, token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of a token whose signature, issuer, audience, times and nonce are right."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        said = self._ask_about().get("id_token_signing_alg_values_supported", ["RS256"])
        allowed = [name for name in _ALGORITHMS if name in said]
        try:
            try:
                decoded = jwt.decode(token, self._ask_keys(), algorithms=allowed)
            except (JoseError, ValueError):
                decoded = jwt.decode(token, self._ask_keys(again=True), algorithms=allowed)
            jwt.JWTClaimsRegistry(
                now=lambda: int(self._now()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                sub={"essential": True, "allow_blank": False},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(decoded.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotBelieved(f"token_{type(error).__name__}") from error
        claims: dict[str, Any] = decoded.claims
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.settings.client_id:
            raise NotBelieved("token_for_others")
        return claims

    def _role_of(self, claims: dict[str, Any]) -> Role:
        found: Any = claims
        for part in self.settings.claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        groups = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        for group, role in self.settings.roles.items():
            if group in groups:
                return role
        raise NotBelieved("no_role")

    def _client(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        settings = self.settings
        client = OAuth2Session(
            settings.client_id, settings.client_secret, scope=settings.scope, redirect_uri=settings.back,
            code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic",  # noqa: S106
        )  # fmt: skip
        client.verify = settings.ca_file or True
        return client

    def _ask_about(self) -> dict[str, Any]:
        """Return what the directory says of itself."""
        known = self._about
        if known is not None and self._monotonic() - known[1] < _ASK_AGAIN_S:
            return known[0]
        about = self._ask(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != self.settings.issuer:
            raise NotBelieved("another_issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(about.get(name), str) or not is_safe(about[name]):
                raise NotBelieved(f"no_{name}")
        self._about = about, self._monotonic()
        return about

    def _ask_keys(self, *, again: bool = False) -> Any:
        from joserfc.jwk import KeySet

        longest_s = _KEYS_AGAIN_S if again else _ASK_AGAIN_S
        known = self._keys
        if known is not None and self._monotonic() - known[1] < longest_s:
            return known[0]
        keys = KeySet.import_key_set(self._ask(self._ask_about()["jwks_uri"]))  # type: ignore[arg-type]
        self._keys = keys, self._monotonic()
        return keys

    def _ask(self, address: str) -> dict[str, Any]:
        import requests

        try:
            with requests.get(
                address,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                verify=self.settings.ca_file or True,
                stream=True,
            ) as answer:
                if answer.status_code != requests.codes.ok:
                    raise NotBelieved("unreachable")
                found = answer.raw.read(_MOST_BYTES, decode_content=True)
            told = json.loads(found)
        except (requests.RequestException, ValueError) as error:
            raise NotBelieved("unreachable") from error
        if not isinstance(told, dict):
            raise NotBelieved("unreachable")
        return told
