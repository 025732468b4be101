"""A floor of the plan -> SVG. Pure text: no clock, no state but the letters handed in.

The content security policy forbids `style=`: sizes are attributes, colours are classes of `static/plan.css`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from dashboard.glyphs import PLACE_PATH, ZONE_PATH, StateLetter
from workplace.floor_plan import Floor, Island, Place, Zone
from workplace.plan_shape import widest_at

#: Drawing units per metre; a place of 24 units is then 1.2 m, about the width of a desk.
UNITS_PER_M = 20.0
_MARGIN = 10.0
#: Rows further apart than this are benches with a walkway between, nearer ones share a table, m.
_BENCH_PITCH_M = 2.4
#: A window of 4.2 m, 1.3 m of wall: the rhythm of an ordinary office front.
_WINDOW_M, _PIER_M, _CORNER_M = 4.2, 1.3, 1.6
#: The name of a zone stands this far below its top, m.
_NAME_BELOW_M = 1.3
#: Width of a letter of the bold label type as a share of its size (Inter 700, mean of Dutch zone names).
_LETTER_WIDTH = 0.6


@dataclass(frozen=True, slots=True)
class PlanWords:
    """The words inside a drawing, in one language."""

    title: str
    you_are_here: str
    zone_name: Callable[[Zone], str]
    place_label: Callable[[Place, StateLetter], str] | None = None
    """When given, each place becomes a button with this label; otherwise the drawing is one picture."""


def places_in_order(floor: Floor) -> tuple[Place, ...]:
    """Return the places in the order of their letters on the wire."""
    return tuple(place for zone in floor.zones for place in zone.places)


def draw_floor(floor: Floor, letters: Sequence[StateLetter], words: PlanWords) -> str:
    """Return the floor as one `<svg>`.

    Args:
        letters: one state per place, in the order of `places_in_order`.

    Raises:
        ValueError: the number of letters is not the number of places.
    """
    width, height = (_u(size) for size in floor.size_m)
    box = f"{-_MARGIN:g} {-_MARGIN:g} {width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}"
    title_id = f"plan-{floor.id}"
    as_buttons = words.place_label is not None
    role = "group" if as_buttons else "img"
    inner = "<g>" if as_buttons else '<g aria-hidden="true">'
    return "".join(
        (
            (
                f'<svg class="plan" xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="{role}" '
                f'aria-labelledby="{title_id}"><title id="{title_id}">{escape(words.title)}</title>'
            ),
            _patterns(floor.id),
            inner,
            f'<rect class="wall" x="0" y="0" width="{width:g}" height="{height:g}" rx="8"/>',
            *_windows(floor),
            *(_core(floor.core_m) if floor.core_m is not None else ()),
            *(part for zone in floor.zones for part in _zone(floor.id, zone, words)),
            *_places(floor, letters, words),
            *(_you_are_here(floor, words.you_are_here) if floor.you_are_here_m is not None else ()),
            "</g></svg>",
        )
    )


def _u(metres: float) -> float:
    return round(metres * UNITS_PER_M, 1)


def _patterns(floor_id: str) -> str:
    """Faint ground of each kind of zone; ids carry the floor, so two drawings can share a page."""
    return (
        "<defs>"
        f'<pattern id="meet-{floor_id}" width="12" height="12" patternUnits="userSpaceOnUse">'
        '<circle class="ground" cx="6" cy="6" r="1.1"/></pattern>'
        f'<pattern id="silence-{floor_id}" width="10" height="10" patternUnits="userSpaceOnUse">'
        '<path class="ground-line" d="M-2 12L12-2M-2 2L2-2M8 12L12 8"/></pattern>'
        f'<pattern id="restaurant-{floor_id}" width="20" height="20" patternUnits="userSpaceOnUse">'
        '<path class="ground" d="M0 0h10v10H0zM10 10h10v10H10z" opacity=".45"/></pattern>'
        f'<pattern id="touchdown-{floor_id}" width="16" height="16" patternUnits="userSpaceOnUse">'
        '<path class="ground-line" d="M8 5v6M5 8h6"/></pattern>'
        "</defs>"
    )


_PATTERNED = frozenset({"meet", "silence", "restaurant", "touchdown"})


def _windows(floor: Floor) -> Iterator[str]:
    width_m, height_m = floor.size_m
    for length, is_top in ((width_m, True), (height_m, False)):
        usable = length - 2 * _CORNER_M
        count = int((usable + _PIER_M) // (_WINDOW_M + _PIER_M))
        if count < 1:
            continue
        first = _CORNER_M + (usable - count * _WINDOW_M - (count - 1) * _PIER_M) / 2
        for number in range(count):
            start = first + number * (_WINDOW_M + _PIER_M)
            a, b = _u(start), _u(start + _WINDOW_M)
            if is_top:
                yield f'<path class="window" d="M{a:g} 0H{b:g}M{a:g} {_u(height_m):g}H{b:g}"/>'
            else:
                yield f'<path class="window" d="M0 {a:g}V{b:g}M{_u(width_m):g} {a:g}V{b:g}"/>'


def _core(rect_m: tuple[float, float, float, float]) -> Iterator[str]:
    """Lift shafts (crossed squares) on the left, a stair (treads) on the right."""
    x, y, width, height = (_u(value) for value in rect_m)
    yield f'<rect class="core" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
    shaft = min(width * 0.34, (height - 36) / 2)
    for n in range(2):
        left, top = x + 12, y + 12 + n * (shaft + 12)
        yield (
            f'<path class="core-line" d="M{left:g} {top:g}h{shaft:g}v{shaft:g}h{-shaft:g}z'
            f'l{shaft:g} {shaft:g}M{left + shaft:g} {top:g}l{-shaft:g} {shaft:g}"/>'
        )
    left, right, top = x + shaft + 30, x + width - 12, y + 12
    treads = 9
    step = (height - 24) / treads
    lines = "".join(f"M{left:g} {top + n * step:g}H{right:g}" for n in range(1, treads))
    yield (
        f'<path class="core-line" d="M{left:g} {top:g}H{right:g}V{top + treads * step:g}H{left:g}z{lines}"/>'
    )


def _zone(floor_id: str, zone: Zone, words: PlanWords) -> Iterator[str]:
    x, y, width, height = (_u(value) for value in zone.rect_m)
    frame = f'rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"'
    if not zone.is_box:
        frame = f'path d="M{"L".join(f"{_u(a):g} {_u(b):g}" for a, b in zone.corners_m)}z"'
    yield f'<{frame} class="zone"/>'
    if zone.kind in _PATTERNED:
        yield f'<{frame} class="zone-ground" fill="url(#{zone.kind}-{floor_id})"/>'
    for number, island in enumerate(zone.islands):
        yield from _furniture(zone, island, [place for place in zone.places if place.island == number])
    name = words.zone_name(zone)
    stretch = None if zone.is_box else widest_at(zone.corners_m, zone.rect_m[1] + _NAME_BELOW_M)
    if stretch is not None:
        x, width = _u(stretch[0]), _u(stretch[1])
    size = min(22.0, (width - 22) / (1.25 + _LETTER_WIDTH * len(name)))
    middle = y + 26
    yield (
        f'<g transform="translate({x + 11:g} {middle - size * 0.62:g}) scale({size * 1.1 / 24:.3f})">'
        f'<path class="line" d="{ZONE_PATH[zone.kind]}"/></g>'
        f'<text class="zone-name" x="{x + 11 + size * 1.4:g}" y="{middle + size * 0.33:g}" '
        f'font-size="{size:.1f}">{escape(name)}</text>'
    )


def _furniture(zone: Zone, island: Island, places: Sequence[Place]) -> Iterator[str]:
    rows = sorted({place.y_m for place in places})
    left, right = min(p.x_m for p in places), max(p.x_m for p in places)
    top, bottom = rows[0], rows[-1]
    row_pitch = island.height_m / len(rows)
    if row_pitch >= _BENCH_PITCH_M or (len(rows) == 1 and right - left > 2 * _BENCH_PITCH_M):
        for row in rows:
            x, y, width = _u(left - 0.85), _u(row + 0.78), _u(right - left + 1.7)
            yield f'<rect class="table" x="{x:g}" y="{y:g}" width="{width:g}" height="5" rx="2.5"/>'
        return
    if zone.kind in {"meet", "restaurant"} and len(places) <= 6:
        middle_x, middle_y = _u((left + right) / 2), _u((top + bottom) / 2)
        radius = _u(math.hypot(right - left, bottom - top) / 2 + 0.8)
        yield f'<circle class="table" cx="{middle_x:g}" cy="{middle_y:g}" r="{radius:g}"/>'
        return
    x, y = _u(left - 0.85), _u(top - 0.85)
    width, height = _u(right - left + 1.7), _u(bottom - top + 1.7)
    yield f'<rect class="table" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'


def _places(floor: Floor, letters: Sequence[StateLetter], words: PlanWords) -> Iterator[str]:
    places = places_in_order(floor)
    if len(letters) != len(places):
        raise ValueError(f"floor {floor.id} has {len(places)} places, got {len(letters)} states")
    yield '<g class="places">'
    for index, (place, letter) in enumerate(zip(places, letters, strict=True)):
        extra = ""
        if words.place_label is not None:
            extra = (
                f' role="button" tabindex="{0 if index == 0 else -1}" data-place="{escape(place.id)}"'
                f' aria-label="{escape(words.place_label(place, letter))}"'
            )
        yield (
            f'<path class="p p-{letter}" transform="translate({_u(place.x_m):g} {_u(place.y_m):g})" '
            f'd="{PLACE_PATH[letter]}"{extra}/>'
        )
    yield "</g>"


def _you_are_here(floor: Floor, words: str) -> Iterator[str]:
    assert floor.you_are_here_m is not None  # noqa: S101 - the caller looked
    x, y = (_u(value) for value in floor.you_are_here_m)
    to_right = floor.you_are_here_m[0] < floor.size_m[0] / 2
    text_x, anchor = (x + 18, "start") if to_right else (x - 18, "end")
    yield (
        f'<g class="here"><circle class="here-ring" cx="{x:g}" cy="{y:g}" r="12"/>'
        f'<circle class="here-disc" cx="{x:g}" cy="{y:g}" r="9"/>'
        f'<circle class="here-dot" cx="{x:g}" cy="{y:g}" r="3.4"/>'
        f'<text class="here-name" x="{text_x:g}" y="{y + 5.6:g}" font-size="16" text-anchor="{anchor}">'
        f"{escape(words)}</text></g>"
    )
