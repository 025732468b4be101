"""The files that pages load: read once at the start, addressed by content, so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from dashboard.glyphs import mask_css
from dashboard.themes import Theme

_HERE = Path(__file__).parent
#: Name in the address -> file, media type.
_FILES: Mapping[str, tuple[str, str]] = {
    "tokens.css": ("static/tokens.css", "text/css"),
    "plan.css": ("static/plan.css", "text/css"),
    "page.css": ("static/page.css", "text/css"),
    "wall.css": ("wall/wall.css", "text/css"),
    "wall.js": ("wall/wall.js", "text/javascript"),
    "epaper.css": ("wall/epaper.css", "text/css"),
    "refused.css": ("wall/refused.css", "text/css"),
    "desk.css": ("desk_page/desk.css", "text/css"),
    "accounts.css": ("accounts/accounts.css", "text/css"),
    "council.css": ("council/council.css", "text/css"),
    "why.css": ("why/why.css", "text/css"),
    "walk.css": ("walk/walk.css", "text/css"),
    "walk.js": ("walk/walk.js", "text/javascript"),
    "walk_sheet.css": ("walk/walk_sheet.css", "text/css"),
    "plan_editor.css": ("plan_editor/plan_editor.css", "text/css"),
    "plan_editor.js": ("plan_editor/plan_editor.js", "text/javascript"),
    "report.css": ("reports/report.css", "text/css"),
    "icon.svg": ("static/icon.svg", "image/svg+xml"),
    "fonts/inter-latin-wght.woff2": ("static/fonts/inter-latin-wght.woff2", "font/woff2"),
    "fonts/inter-OFL.txt": ("static/fonts/inter-OFL.txt", "text/plain"),
}
_YEAR = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"


#: What a wall looks like. It stands in the page: for a sheet of its own a browser waits before it shows anything.
_WALL_SHEETS = ("tokens.css", "plan.css", "wall.css")


@dataclass(frozen=True, slots=True)
class InlineStyle:
    """A style element and what a content security policy must say to let it in."""

    element: Markup
    source: str


@dataclass(frozen=True, slots=True)
class _Stored:
    plain: bytes
    squeezed: bytes | None
    media_type: str
    mark: str


class StaticFilesBundle:
    """All static files in memory. `build` changes when any of them does: screens then reload."""

    def __init__(self, version: str, theme: Theme | None = None) -> None:
        self._files = {
            name: _store((_HERE / path).read_bytes(), media) for name, (path, media) in _FILES.items()
        }
        self._files["glyphs.css"] = _store(mask_css().encode(), "text/css")
        if theme is not None:
            self._files["theme.css"] = _store(theme.css.encode(), "text/css")
        sheets = [*_WALL_SHEETS, *(["theme.css"] if theme is not None else [])]
        self.wall_style = _inline(b"".join(self._files[name].plain for name in sheets))
        marks = "".join(f"{name}={stored.mark};" for name, stored in sorted(self._files.items()))
        self.build = hashlib.sha256(f"{version};{marks}".encode()).hexdigest()[:12]

    @property
    def has_theme(self) -> bool:
        return "theme.css" in self._files

    def url(self, name: str) -> str:
        """Return the address of a file; it changes with the content."""
        return f"/static/{name}?v={self._files[name].mark}"

    def respond(self, name: str, request: Request) -> Response:
        stored = self._files.get(name)
        if stored is None:
            return Response("not found", status_code=404, media_type="text/plain")
        is_exact = request.query_params.get("v") == stored.mark
        headers = {"Cache-Control": _YEAR if is_exact else _SHORT, "Vary": "Accept-Encoding"}
        body = stored.plain
        if stored.squeezed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = stored.squeezed, "gzip"
        return Response(body, media_type=stored.media_type, headers=headers)


def _inline(css: bytes) -> InlineStyle:
    text = css.decode()
    if "</" in text:
        raise ValueError("a style sheet would end its element")
    mark = b64encode(hashlib.sha256(css).digest()).decode()
    return InlineStyle(Markup(f"<style>{text}</style>"), f"'sha256-{mark}'")  # noqa: S704 - our own file, looked at


def _store(content: bytes, media_type: str) -> _Stored:
    is_text = media_type.startswith("text/") or media_type.endswith("svg+xml")
    return _Stored(
        content,
        gzip.compress(content, 9, mtime=0) if is_text else None,
        media_type,
        hashlib.sha256(content).hexdigest()[:12],
    )
