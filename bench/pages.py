"""Figures of page weight: every byte that a browser must fetch for a page, as the real server sends it."""

from __future__ import annotations

import gzip
import http.client
import re
from functools import cache
from html import unescape
from urllib.parse import urljoin

from bench.figure import Figure, within
from bench.page_server import serve_pages

#: What a browser fetches by itself: scripts, sheets and icons of a page, fonts of a sheet.
_LINKS = re.compile(r"""(?:\bsrc=|<link[^>]*\bhref=|url\()["']?([^"')>\s]+)""")
#: What Dash fetches for the first view and no page links to; the answers of callbacks, about 10 kB, are not here.
_STAFF_ALSO = (
    "/staff/_dash-layout",
    "/staff/_dash-dependencies",
    "/staff/_dash-component-suites/dash/dcc/async-graph.js",
    "/map/f1",
)


def wall_page() -> Figure:
    """HTML, sheets, script, font and icon, compressed where the server compresses; kB of 1,000 bytes."""
    return within("wall_page", _weights()["wall"], "kB", 80)


def wall_script() -> Figure:
    """All script of the wall as its engine must read it, uncompressed."""
    return within("wall_script", _weights()["script"], "kB", 6)


def desk_page() -> Figure:
    return within("desk_page", _weights()["desk"], "kB", 70)


def staff_page() -> Figure:
    return within("staff_page", _weights()["staff"], "kB", 1000)


@cache
def _weights() -> dict[str, float]:
    """Return kB by page, and of the wall's script."""
    with serve_pages() as server:
        browser = _Browser(server.port)
        return {
            "wall": browser.weigh("/wall/f3"),
            "script": browser.weigh_scripts("/wall/f3"),
            "desk": browser.weigh("/desk/3-S01"),
            "staff": browser.weigh("/staff/", *_STAFF_ALSO),
        }


class _Browser:
    """Follows links as a browser with an empty cache does."""

    def __init__(self, port: int) -> None:
        self._port = port

    def weigh(self, *addresses: str) -> float:
        """Return the kB, headers included, of these and of everything that they link to."""
        waiting, seen, total_bytes = list(addresses), set(addresses), 0
        while waiting:
            address = waiting.pop()
            size_bytes, text = self._fetch(address, "gzip")
            total_bytes += size_bytes
            links = (urljoin(address, unescape(link)) for link in _LINKS.findall(text))
            found = {link for link in links if link.startswith("/") and "#" not in link} - seen
            seen |= found
            waiting += found
        return total_bytes / 1000

    def weigh_scripts(self, page: str) -> float:
        """Return the kB of all scripts that a page links to, uncompressed and without headers."""
        _, text = self._fetch(page, "identity")
        scripts = [unescape(link) for link in re.findall(r'<script[^>]*src="([^"]+)"', text)]
        return sum(len(self._fetch(urljoin(page, script), "identity")[1]) for script in scripts) / 1000

    def _fetch(self, address: str, encoding: str) -> tuple[int, str]:
        """Return bytes on the wire, and the text where links can be."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        connection.request("GET", address, headers={"Accept-Encoding": encoding})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise AssertionError(f"{address} answered {response.status}")
        size_bytes = len(str(response.msg)) + len(body)
        kind = response.headers.get_content_subtype()
        if response.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        if encoding == "gzip" and kind not in {"html", "css"}:
            return size_bytes, ""
        return size_bytes, body.decode()
