"""How much a caller may send. Who may not be where it sends to was refused before, without reading."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.plan_editor.background import MOST_BYTES
from dashboard.refusals import Refusals

#: Log-in, wishes and switches are some hundred bytes.
_MOST = 64 * 1024
#: The longest path that fits counts. Dash sends back what its page shows; pictures come with a form around them.
_AREAS = {
    "/staff/_dash-update-component": 1024 * 1024,
    "/staff/plan": MOST_BYTES + 200_000,
}
#: Says itself, in words, what is too large by its announced length, and reads nothing then.
_SAYS_ITSELF = "/staff/plan"


class BodyLimit:
    """Answers 413 to a body that says it is too large, or turns out to be."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        most, said = most_bytes(path), Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > most and not path.startswith(_SAYS_ITSELF):
            await self._refuse(scope, receive, send)
            return
        body = _Counted(receive, send, most)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.is_cut:
                raise
        if body.is_cut:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._refusals.note("body")
        answer = PlainTextResponse("too much was sent\n", status_code=413, headers={"connection": "close"})
        await answer(scope, receive, send)


def most_bytes(path: str) -> int:
    """Return how many bytes may be sent to a path."""
    found = [most for area, most in _AREAS.items() if path == area or path.startswith(f"{area}/")]
    return max(found, default=_MOST)


class _Counted:
    """One request: ends for the application where its body is too long, and keeps quiet what it says about that."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive = receive
        self._send = send
        self._left = most
        self._has_begun = False

    @property
    def is_cut(self) -> bool:
        """Too much came, and there is no answer yet."""
        return self._left < 0 and not self._has_begun

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._left < 0 else message

    async def send(self, message: Message) -> None:
        if not self.is_cut:
            self._has_begun = True
            await self._send(message)
