"""The shapes that carry meaning: one per state of a place, one per kind of zone; used by every page.

Shape carries the state, colour only repeats it: the fill level (solid, half, ring) survives grey, blur,
night and colour blindness.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from workplace.events import HoldPhase

#: One letter per state, for the wire and for style classes; `l` is a place that does not count as one now.
StateLetter = Literal["f", "u", "j", "r", "x", "e", "l"]

LETTER: dict[HoldPhase, StateLetter] = {
    "free": "f",
    "in_use": "u",
    "just_left": "j",
    "reclaimable": "r",
    "unknown": "x",
    "exempt": "e",
}
PHASE: dict[str, HoldPhase] = {letter: phase for phase, letter in LETTER.items()}


def _block(half: float, corner: float) -> str:
    straight = half - corner
    arc = f"a{corner:g} {corner:g} 0 0 1"
    return (
        f"M{-straight:g} {-half:g}H{straight:g}{arc} {corner:g} {corner:g}"
        f"V{straight:g}{arc} {-corner:g} {corner:g}"
        f"H{-straight:g}{arc} {-corner:g} {-corner:g}V{-straight:g}{arc} {corner:g} {-corner:g}z"
    )


_RING = _block(11, 4) + _block(8.6, 2)
_DASHES = (
    "M-10.5-5.2V-7a3.5 3.5 0 0 1 3.5-3.5h1.8M5.2-10.5H7A3.5 3.5 0 0 1 10.5-7v1.8"
    "M10.5 5.2V7A3.5 3.5 0 0 1 7 10.5H5.2M-5.2 10.5H-7A3.5 3.5 0 0 1-10.5 7V5.2"
    "M-2-10.5h4M-2 10.5h4M-10.5-2v4M10.5-2v4"
)

#: Path data in a box of -12..12. `f`, `u`, `j`, `r` are filled (even-odd), `x` and `e` are stroked.
PLACE_PATH: dict[StateLetter, str] = {
    "f": _block(12, 4),
    "u": _RING + "M3.4 0a3.4 3.4 0 1 1-6.8 0a3.4 3.4 0 1 1 6.8 0z",
    "j": _RING,
    "r": _block(12, 4) + "M-7.6-9H7a2 2 0 0 1 2 2V7.6z",
    "x": _DASHES + "M-4-4L4 4M4-4L-4 4",
    "e": "M-5.5-1.5h11a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5h-11a1.5 1.5 0 0 1-1.5-1.5v-7"
    "a1.5 1.5 0 0 1 1.5-1.5zM-4-1.5v-3.5a4 4 0 0 1 8 0v3.5",
    "l": _block(7, 3),
}

#: Line drawings in a box of 0..24, stroke 2, round ends.
ZONE_PATH: dict[str, str] = {
    "meet": "M4 3h9a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H8l-3.5 3V12H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z"
    "M18.5 8.5H20a2 2 0 0 1 2 2V15a2 2 0 0 1-2 2h-.5v3.5L16 17h-4a2 2 0 0 1-1.8-1.2",
    "collaborate": "M8.5 11.5a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2z"
    "M2 20v-1a5 5 0 0 1 5-5h3a5 5 0 0 1 5 5v1"
    "M17 12a2.9 2.9 0 1 0 0-5.8 2.9 2.9 0 0 0 0 5.8zM18.2 15.2A4.2 4.2 0 0 1 22 19.4v.6",
    "silence": "M11 5v14l-5-4.5H3v-5h3zM16 9.5l5 5M21 9.5l-5 5",
    "desk": "M3 5a1.5 1.5 0 0 1 1.5-1.5h15A1.5 1.5 0 0 1 21 5v9.5a1.5 1.5 0 0 1-1.5 1.5h-15"
    "A1.5 1.5 0 0 1 3 14.5z"
    "M12 16v4.5M8 20.5h8",
    "touchdown": "M5 5.5A1.5 1.5 0 0 1 6.5 4h11A1.5 1.5 0 0 1 19 5.5V15H5zM2 18.5h20M12 6.8v2.9l1.9 1.5",
    "counter": "M12 4v3M9.5 4h5M4 17a8 8 0 0 1 16 0zM2 20.5h20",
    "restaurant": "M7 3v18M4 3v4.5a3 3 0 0 0 6 0V3M17 21v-7M17 14h-2.5V8.5C14.5 5.5 15.5 3.6 17 3z",
}

#: Further line drawings of the pages, same box.
ICON_PATH: dict[str, str] = {
    "up": "M12 20V4M5 11l7-7 7 7",
    "down": "M12 4v16M5 13l7 7 7-7",
    "check": "M4.5 12.5l5 5L19.5 7",
    "warn": "M12 3.5L22 20.5H2zM12 10v4.5M12 17.4h.01",
    "print": "M7 8V3.5h10V8M7 17H4V8h16v9h-3M7 13.5h10v7H7z",
    "no_signal": "M2.5 9a14 14 0 0 1 4.2-2.7M10.5 5.1A14 14 0 0 1 21.5 9M5.6 12.6a9.6 9.6 0 0 1 4.6-2.3"
    "M14.6 10.6a9.6 9.6 0 0 1 3.8 2M8.8 16.1a5 5 0 0 1 4.6-1.1M12 19.8h.01M3 3l18 18",
}


def place_svg(letter: StateLetter, css_class: str = "glyph") -> str:
    """Return a stand-alone drawing of one state, for legends, cards and tables; decorative, so hidden."""
    return (
        f'<svg class="{css_class}" viewBox="-13 -13 26 26" aria-hidden="true" focusable="false">'
        f'<path class="p p-{letter}" d="{PLACE_PATH[letter]}"/></svg>'
    )


def icon_svg(name: str, css_class: str = "icon") -> str:
    """Return the drawing of a zone kind or of `ICON_PATH`; decorative, so hidden."""
    path = ZONE_PATH.get(name) or ICON_PATH[name]
    return (
        f'<svg class="{css_class}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
        f'<path class="line" d="{path}"/></svg>'
    )


def mask_css() -> str:
    """Return the shapes as style classes `st-<letter>`, for Dash, which cannot write SVG into a page."""
    tones = {"f": "free", "u": "held", "j": "held", "r": "over", "x": "unknown", "e": "unknown", "l": "held"}
    rules = []
    for letter, path in PLACE_PATH.items():
        paint = 'fill="none" stroke="#000" stroke-width="2.2"' if letter in "xe" else 'fill-rule="evenodd"'
        box = 'xmlns="http://www.w3.org/2000/svg" viewBox="-13 -13 26 26"'
        drawing = f'<svg {box}><path {paint} d="{path}"/></svg>'
        shape = f'url("data:image/svg+xml,{quote(drawing)}")'
        rules.append(f".st-{letter}{{--shape:{shape};background:var(--wp-{tones[letter]})}}")
    return "\n".join(rules)
