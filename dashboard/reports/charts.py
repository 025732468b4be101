"""Charts as SVG of plain shapes: the same picture on the page, on paper and in the PDF. Pure.

Everything is an attribute, no style: the page's content policy forbids styles, and the PDF writer knows none. Beside
every chart stand a table with the same numbers and one sentence, which is also the chart's name for who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

#: As on the history page: a dark bar, a light one, and warm marks of another shape; told apart without seeing colour.
_BAR, _LIGHT, _MARK, _TRACK = "#12458f", "#8db7ec", "#c2410c", "#eef1f5"
_INK, _SOFT, _NONE = "#0c1a2b", "#4a5868", "#98a0ab"
_FONT = "Inter Variable, Segoe UI, Arial, Libertinus Serif, sans-serif"
_WIDTH, _NAMES = 720, 190
_ROW, _TEXT = 30, 14


@dataclass(frozen=True, slots=True)
class Chart:
    """`svg` is a whole drawing; `says` what it shows, in one sentence."""

    svg: str
    says: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: None where nothing was measured."""

    name: str
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Spread:
    """One zone: mean and highest number in use and fewest free, of `capacity` places; None where not measured."""

    name: str
    capacity: int
    mean: float | None
    highest: int | None
    lowest_free: int | None
    text: str


def bars(rows: Sequence[Bar], says: str) -> Chart:
    """Return a bar per row, from left to right, each with its number."""
    most = max((row.value or 0.0 for row in rows), default=0.0) or 1.0
    room = _WIDTH - _NAMES - 110
    parts: list[str] = []
    for number, row in enumerate(rows):
        top = number * _ROW
        parts.append(_name(row.name, top))
        long = 0.0 if row.value is None else room * row.value / most
        if long:
            parts.append(_rect(_NAMES, top + 5, long, _ROW - 10, _BAR))
        parts.append(_text(_NAMES + long + 8, top, row.text, _NONE if row.value is None else _INK))
    return Chart(_svg(len(rows) * _ROW, parts, says), says)


def grid(
    head: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None]]],
    texts: Sequence[Sequence[str]],
    says: str,
) -> Chart:
    """Return a small bar per row and column, as long as its share (0-1) of the cell; a dash where not measured."""
    cell = (_WIDTH - _NAMES) / max(1, len(head))
    parts = [_text(_NAMES + number * cell, 0, name, _SOFT) for number, name in enumerate(head)]
    for number, (name, shares) in enumerate(rows, start=1):
        top = number * _ROW
        parts.append(_name(name, top))
        for column, share in enumerate(shares):
            left, wide = _NAMES + column * cell, cell - 10
            parts.append(_rect(left, top + _ROW - 9, wide, 5, _TRACK))
            if share is not None:
                parts.append(_rect(left, top + _ROW - 9, wide * min(1.0, share), 5, _BAR))
            parts.append(_text(left, top - 5, texts[number - 1][column], _SOFT if share is None else _INK))
    return Chart(_svg((len(rows) + 1) * _ROW, parts, says), says)


def spreads(rows: Sequence[Spread], legend: tuple[str, str, str], says: str) -> Chart:
    """Return a track of all places per zone: dark to the mean, light to the highest, a diamond at the fewest free.

    `legend`: what the three are called.
    """
    room = _WIDTH - _NAMES - 190
    parts = _legend(legend)
    for number, row in enumerate(rows, start=1):
        top = number * _ROW
        parts += [_name(row.name, top), _rect(_NAMES, top + 7, room, _ROW - 14, _TRACK)]
        whole = max(1, row.capacity)
        if row.highest is not None:
            parts.append(_rect(_NAMES, top + 7, room * min(1.0, row.highest / whole), _ROW - 14, _LIGHT))
        if row.mean is not None:
            parts.append(_rect(_NAMES, top + 7, room * min(1.0, row.mean / whole), _ROW - 14, _BAR))
        if row.lowest_free is not None:
            parts.append(_diamond(_NAMES + room * (1 - row.lowest_free / whole), top + _ROW / 2))
        parts.append(_text(_NAMES + room + 12, top, row.text, _NONE if row.mean is None else _INK))
    return Chart(_svg((len(rows) + 1) * _ROW, parts, says), says)


def _legend(names: tuple[str, str, str]) -> list[str]:
    parts: list[str] = []
    left = float(_NAMES)
    for number, name in enumerate(names):
        if number == 2:
            parts.append(_diamond(left + 7, _ROW / 2))
        else:
            parts.append(_rect(left, 9, 14, 12, (_BAR, _LIGHT)[number]))
        parts.append(_text(left + 20, 0, name, _SOFT))
        left += 40 + 7.4 * len(name)
    return parts


def _svg(height: float, parts: Sequence[str], says: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" '
        f'height="{height:g}" role="img" aria-label="{escape(says)}" font-family="{_FONT}" '
        f'font-size="{_TEXT}">{"".join(parts)}</svg>'
    )


def _rect(left: float, top: float, wide: float, high: float, fill: str) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}"/>'


def _diamond(middle: float, down: float) -> str:
    return f'<path d="M{middle:.1f} {down - 8:.1f}l6 8-6 8-6-8z" fill="{_MARK}" stroke="#fff"/>'


def _text(left: float, top: float, text: str, fill: str, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{top + _ROW / 2 + 5:.1f}" fill="{fill}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _name(name: str, top: float) -> str:
    """Return the name of a row; what is too long for its room is cut, the table has it whole."""
    short = name if len(name) <= 26 else f"{name[:25]}…"
    return _text(_NAMES - 10, top, short, _INK, "end")
