"""The way of the data as a drawing of our own, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _BOX_W, _BOX_H, _GAP = 920, 270, 92, 46
_LEFT = 20


@dataclass(frozen=True, slots=True)
class Station:
    """One place where data are, and what happens there. `at` is (column, row); `leaves` marks another party."""

    key: str
    name: str
    lines: tuple[str, ...]
    at: tuple[int, int]
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """What goes from one station to another."""

    begin: str
    end: str
    carries: str


def drawing(title: str, text: str, stations: list[Station], ways: list[Way]) -> str:
    """Return an SVG whose title and text say the same as its picture."""
    rows = max(station.at[1] for station in stations) + 1
    height = rows * (_BOX_H + _GAP)
    by_key = {station.key: station for station in stations}
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
            ' aria-labelledby="flow-title flow-text" class="flow">'
        ),
        f'<title id="flow-title">{escape(title)}</title><desc id="flow-text">{escape(text)}</desc>',
        (
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9"'
            ' orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#333"/></marker></defs>'
        ),
    ]
    parts += [_arrow(by_key[way.begin], by_key[way.end]) for way in ways]
    parts += [_box(station) for station in stations]
    return "".join([*parts, "</svg>"])


def in_words(stations: list[Station], ways: list[Way]) -> list[str]:
    """Return the same as sentences, one for each way."""
    names = {station.key: station.name for station in stations}
    return [f"{names[way.begin]} → {names[way.end]}: {way.carries}" for way in ways]


def _corner(station: Station) -> tuple[float, float]:
    column, row = station.at
    return _LEFT + column * (_BOX_W + 35), 10 + row * (_BOX_H + _GAP)


def _box(station: Station) -> str:
    x, y = _corner(station)
    dash = ' stroke-dasharray="6 4"' if station.leaves else ""
    parts = [
        (
            f'<rect x="{x:g}" y="{y:g}" width="{_BOX_W}" height="{_BOX_H}" rx="8" fill="#fff" stroke="#333"'
            f' stroke-width="2"{dash}/>'
        ),
        f'<text x="{x + 12:g}" y="{y + 25:g}" font-weight="700" font-size="17">{escape(station.name)}</text>',
    ]
    parts += [
        f'<text x="{x + 12:g}" y="{y + 47 + 18 * number:g}" font-size="13.5">{escape(line)}</text>'
        for number, line in enumerate(station.lines)
    ]
    return "".join(parts)


def _arrow(begin: Station, end: Station) -> str:
    x1, y1 = _corner(begin)
    x2, y2 = _corner(end)
    if begin.at[1] == end.at[1]:
        is_right = x2 > x1
        line = (
            x1 + (_BOX_W if is_right else 0),
            y1 + _BOX_H / 2,
            x2 + (0 if is_right else _BOX_W),
            y2 + _BOX_H / 2,
        )
    else:
        is_down = y2 > y1
        line = (
            x1 + _BOX_W / 2,
            y1 + (_BOX_H if is_down else 0),
            x2 + _BOX_W / 2,
            y2 + (0 if is_down else _BOX_H),
        )
    return (
        f'<line x1="{line[0]:g}" y1="{line[1]:g}" x2="{line[2]:g}" y2="{line[3]:g}" stroke="#333" stroke-width="2"'
        ' marker-end="url(#tip)"/>'
    )
