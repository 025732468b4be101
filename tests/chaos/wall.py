"""Wall screens as people see them: the rules of the page's script, written a second time, or a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from playwright.async_api import Page

from workplace.floor_plan import Floor

#: What `dashboard/wall/wall.js` does: it connects anew after so long without a word, s, and waits so long at first and
#: at most before it tries again.
DEAF_S, FIRST_PAUSE_S, LAST_PAUSE_S = 15.0, 1.0, 15.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a screen says now.

    Attributes:
        is_live: False when the whole screen says that it may be out of date, or that it knows nothing.
        letters: place -> letter, `f` free, `x` unknown (`dashboard.glyphs`).
        free: zone -> number of free places, None where there is no number.
        grey: zones that call themselves old.
    """

    is_live: bool
    letters: Mapping[str, str]
    free: Mapping[str, int | None]
    grey: frozenset[str]

    def claims(self, place: str, zone: str) -> bool:
        """Whether the screen stands for what it says of this place."""
        return self.is_live and zone not in self.grey and self.letters[place] != "x"


class WallScreen(Protocol):
    """One floor on one screen."""

    floor: Floor

    async def run(self) -> None:
        """Show what comes, until cancelled."""

    async def look(self) -> Shown:
        """Return what it says at this moment."""


class ScriptScreen:
    """Listens to the stream of one floor as the page's script does."""

    def __init__(self, floor: Floor, port: int) -> None:
        self.floor = floor
        self.snapshots = 0
        self._port = port
        self._places = [place.id for zone in floor.zones for place in zone.places]
        self._version = -1

    async def run(self) -> None:
        words = await asyncio.to_thread(self._open_page)
        self._live, self._stale_s = words["live"], float(words["stale"])
        now = words["now"]
        self._letters, self._zones = now["letters"], now["zones"]
        self._age_s, self._at = float(now["age"]), time.monotonic()
        pause_s = FIRST_PAUSE_S
        while True:
            seen = self.snapshots
            with contextlib.suppress(OSError, TimeoutError, EOFError):
                await self._listen()
            if self.snapshots > seen:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, LAST_PAUSE_S)

    def _open_page(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/wall/{self.floor.id}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            page = answer.read().decode()
        found = re.search(r'<script type="application/json" id="words">(.*?)</script>', page, re.DOTALL)
        assert found is not None
        words: dict[str, Any] = json.loads(found[1])
        return words

    async def _listen(self) -> None:
        async with asyncio.timeout(DEAF_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            request = f"GET {self._live} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(request.encode())
            kind = ""
            while True:
                async with asyncio.timeout(DEAF_S):
                    line = (await reader.readuntil(b"\n")).decode().rstrip()
                # what else stands between the lines are sizes of chunks: one event is one chunk
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and not self._take(kind, json.loads(line[6:])):
                    return
        finally:
            writer.close()

    def _take(self, kind: str, data: dict[str, Any]) -> bool:
        """Return whether the stream can be listened to further."""
        self._age_s, self._at = float(data["a"]), time.monotonic()
        if kind == "s":
            self.snapshots += 1
            self._letters, self._zones = data["d"], data["z"]
        elif kind == "d" and data["v"] != self._version + 1:
            return False
        self._version = data["v"]
        if kind == "d":
            letters = list(self._letters)
            for index, letter in data.get("c", {}).items():
                letters[int(index)] = letter
            self._letters = "".join(letters)
            for index, zone in data.get("z", {}).items():
                self._zones[int(index)] = zone
        return True

    async def look(self) -> Shown:
        if not self.snapshots:
            return Shown(is_live=False, letters={}, free={}, grey=frozenset())
        zones = dict(zip((zone.id for zone in self.floor.zones), self._zones, strict=True))
        return Shown(
            is_live=self._age_s + time.monotonic() - self._at <= self._stale_s,
            letters=dict(zip(self._places, self._letters.replace("j", "u"), strict=True)),
            free={zone: frame["n"] for zone, frame in zones.items()},
            grey=frozenset(zone for zone, frame in zones.items() if frame["g"]),
        )


class BrowserScreen:
    """The real page in a browser, read from what it draws."""

    def __init__(self, floor: Floor, page: Page, port: int) -> None:
        self.floor = floor
        self._page = page
        self._url = f"http://127.0.0.1:{port}/wall/{floor.id}"
        self._places = [place.id for zone in floor.zones for place in zone.places]
        self._is_open = False

    async def run(self) -> None:
        await self._page.goto(self._url)
        self._is_open = True
        await asyncio.Event().wait()

    async def look(self) -> Shown:
        if not self._is_open:
            return Shown(is_live=False, letters={}, free={}, grey=frozenset())
        drawn = await self._page.evaluate(_DRAWN)
        zones = [zone.id for zone in self.floor.zones]
        return Shown(
            is_live=drawn["live"],
            letters=dict(zip(self._places, drawn["letters"], strict=True)),
            free={
                zone: int(number) if number.isdecimal() else None
                for zone, number in zip(zones, drawn["numbers"], strict=True)
            },
            grey=frozenset(zone for zone, is_old in zip(zones, drawn["old"], strict=True) if is_old),
        )


_DRAWN = """() => {
  const all = (query) => [...document.querySelectorAll(query)];
  return {
    live: document.body.classList.contains("is-live"),
    letters: all(".places path").map((path) => /p-(\\w)/.exec(path.getAttribute("class"))[1]),
    numbers: all(".card .n").map((number) => number.textContent),
    old: all(".card").map((card) => card.classList.contains("old")),
  };
}"""
