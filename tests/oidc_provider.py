"""A directory that speaks OpenID Connect, for tests: discovery, keys, code flow with PKCE, and lies when told to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "plekvrij", "een-geheim-van-de-gids"
PERSON = {
    "sub": "f1d2-persoon-0042", "name": "Voorbeeld Persoon", "email": "persoon@gemeente.example",
    "preferred_username": "ppersoon", "realm_access": {"roles": ["plek-facilitair", "overig"]},
}  # fmt: skip


def new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"}, auto_kid=False)


def _unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}."


@dataclass
class Provider:
    """What it says can be bent: `bend` changes the claims of the next tokens, `sign` how they are signed."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    bend: dict[str, Any] = field(default_factory=dict)
    sign: str = "usual"
    key: RSAKey = field(default_factory=lambda: new_key("one"))
    algorithms: list[str] = field(default_factory=lambda: ["RS256"])
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def back(self, address: str, **changes: str) -> str:
        """Return where a browser is sent back to, that was sent to `address` and logged in there."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']} | changes)}"

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": self.algorithms,
        }

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self._codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {
            name: value for name, value in (usual | self.person | self.bend).items() if value is not None
        }
        return 200, {
            "access_token": "x",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self._signed(claims),
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        head = {"alg": "RS256", "kid": self.key.kid}
        if self.sign == "none":
            return _unsigned(claims)
        if self.sign == "another_key":
            return jwt.encode(head, claims, new_key(str(self.key.kid)))
        if self.sign == "client_secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
        if self.sign == "public_key":  # HMAC with what everybody knows
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.key.as_pem(private=False)))
        if self.sign == "changed":
            first, body, last = jwt.encode(head, claims, self.key).split(".")
            other = json.loads(base64.urlsafe_b64decode(body + "==")) | {"sub": "somebody-else"}
            changed = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=").decode()
            return f"{first}.{changed}.{last}"
        return jwt.encode(head, claims, self.key)


@contextmanager
def running() -> Iterator[Provider]:
    """Serve on loopback until the block ends."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            provider.asked.append(self.path)
            if self.path.startswith("/authorize?"):  # whoever comes here is somebody
                self.send_response(302)
                self.send_header("Location", provider.back(f"{provider.issuer}{self.path}"))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            keys = KeySet([provider.key]).as_dict(private=False)
            pages = {"/.well-known/openid-configuration": provider.about, "/keys": lambda: keys}
            found = pages.get(self.path)
            self._say(404 if found is None else 200, {} if found is None else found())

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*provider.token(form, self.headers.get("Authorization", "")))

        def _say(self, status: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
