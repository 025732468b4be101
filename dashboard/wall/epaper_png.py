"""A sheet of e-paper as a PNG: two inks, or sixteen greys. Pure: the same sheet gives the same bytes.

What colour says on a screen, shape says here: a bar that is black as far as places are free and striped where one may
be used, a black box with white letters for what is full.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONT = Path(__file__).parents[1] / "static" / "fonts" / "inter-latin-wght.woff2"
_WHITE, _BLACK = 255, 0
#: Greys of an e-paper panel with 4 bits per pixel.
_GREYS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One zone: `of` how many, `used` how many of them may be used. Shares are of its places that are open.

    `chip` warns, or says since when the number is old.
    """

    kind: str
    name: str
    other: str
    number: str
    is_word: bool
    of: str
    used: str
    chip: str
    is_full: bool
    is_old: bool
    free_share: float
    used_share: float
    has_bar: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """Another floor with room."""

    is_up: bool
    number: int
    free: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """All words of one floor. `band` is empty while its data is live."""

    number: int
    name: str
    floor: str
    as_of: str
    band: str
    advice: str
    rows: tuple[Row, ...]
    more: str
    arrows: tuple[Arrow, ...]
    none: str
    free: str


def draw(sheet: Sheet, size: tuple[int, int], *, is_grey: bool) -> bytes:
    """Return the PNG of a sheet, `size` in pixels."""
    image = Image.new("L" if is_grey else "1", size, _WHITE)
    page = _Page(image, is_tall=size[1] > size[0])
    top = page.head(sheet)
    bottom = page.foot(sheet)
    height = (bottom - top) / max(len(sheet.rows), 1)
    for number, row in enumerate(sheet.rows):
        page.row(row, top + number * height, height)
    if is_grey:
        image = image.point(_to_panel_grey)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _to_panel_grey(level: int) -> int:
    step = 255 / (_GREYS - 1)
    return round(round(level / step) * step)


#: A lower row has room for its words only, units.
_LEAST_ROW_WITH_BAR = 62.0
#: A line may get this much smaller before words are left out.
_SQUEEZE = 0.8
#: Letters are measured at this size, and what they need at another follows: a font is slow to open.
_MEASURED_PX = 200


@lru_cache(maxsize=48)  # a picture takes about 15; each open font costs some 100 kB
def _font(size_px: int, weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(_FONT), size_px)
    font.set_variation_by_axes([weight])
    return font


class _Page:
    """A pen with a unit: 1/800 of a panel's long side lying, 1/480 of its short side standing."""

    def __init__(self, image: Image.Image, *, is_tall: bool) -> None:
        self._pen = ImageDraw.Draw(image)
        self._width, self._height = image.size
        self._is_tall = is_tall
        base = (480, 800) if is_tall else (800, 480)
        self._unit = min(self._width / base[0], self._height / base[1])
        self._edge = self._u(16)

    def _u(self, units: float) -> float:
        return units * self._unit

    def _text(
        self, at: tuple[float, float], text: str, size: float, *, room_px: float, weight: int = 700,
        anchor: str = "ls", ink: int = _BLACK,
    ) -> float:  # fmt: skip
        """Write `text`, smaller when it needs more than `room_px`; return its width in px."""
        size_px = max(round(self._u(size)), 1)
        needed_px = _font(_MEASURED_PX, weight).getlength(text) * size_px / _MEASURED_PX
        if needed_px > room_px:
            size_px = max(int(size_px * room_px / needed_px), 8)
        font = _font(size_px, weight)
        self._pen.text(at, text, fill=ink, font=font, anchor=anchor)
        return float(font.getlength(text))

    def _length(self, text: str, size: float, weight: int) -> float:
        return float(_font(max(round(self._u(size)), 1), weight).getlength(text))

    def _line(self, y: float, thick: float = 2) -> None:
        self._pen.rectangle((self._edge, y, self._width - self._edge, y + self._u(thick)), fill=_BLACK)

    def head(self, sheet: Sheet) -> float:
        """Draw number, name and minute of a floor; return where the next thing may begin."""
        tall, edge, width = self._is_tall, self._edge, self._width
        box = self._u(72 if tall else 64)
        is_live = not sheet.band
        bottom = edge + box
        if not is_live:  # the whole head turns black
            self._pen.rectangle((0, 0, width, bottom + edge / 2), fill=_BLACK)
        paper, ink = (_WHITE, _BLACK) if is_live else (_BLACK, _WHITE)
        self._pen.rectangle((edge, edge, bottom, bottom), fill=ink)
        self._text(
            (edge + box / 2, edge + box / 2), str(sheet.number), 50, room_px=box, anchor="mm", ink=paper
        )
        left = bottom + self._u(16)
        minute_px = self._u(0 if tall else 240)
        room = width - edge - left - minute_px
        self._text((left, edge + box * 0.46), sheet.band or sheet.name, 34, room_px=room, ink=ink)
        below = sheet.floor if is_live else sheet.name
        if tall:
            below = sheet.as_of
        else:
            right = (width - edge, edge + box * 0.62)
            self._text(right, sheet.as_of, 30, room_px=minute_px, anchor="rs", ink=ink)
        self._text((left, edge + box * 0.94), below, 26 if tall else 22, room_px=room, weight=600, ink=ink)
        top = bottom + self._u(12)
        self._line(top)
        return top

    def foot(self, sheet: Sheet) -> float:
        """Draw the floors with room and what to do with an old sheet; return where it begins."""
        lines = (len(sheet.arrows) or 1) + 1 if self._is_tall else 1
        height = self._u(26 + lines * 52)
        top = self._height - self._edge - height
        self._line(top)
        left, room = self._edge, self._width - 2 * self._edge
        first = top + self._u(40)
        base = self._height - self._edge
        self._text((left, base), sheet.advice, 18, room_px=room, weight=500)
        if not sheet.arrows:
            self._text((left, first), sheet.none, 26, room_px=room)
        elif self._is_tall:
            self._text((left, first), sheet.more, 30, room_px=room)
            for number, arrow in enumerate(sheet.arrows):
                self._arrow(sheet, arrow, left, first + self._u(50 * (number + 1)), room)
        else:
            title = self._text((left, first), sheet.more, 30, room_px=room * 0.3) + self._u(24)
            share = (room - title) / len(sheet.arrows)
            for number, arrow in enumerate(sheet.arrows):
                self._arrow(sheet, arrow, left + title + share * number, first, share)
        return top

    def _arrow(self, sheet: Sheet, arrow: Arrow, x: float, base: float, room_px: float) -> None:
        size, middle = self._u(30), x + self._u(15)
        tip, end = (base - size, base) if arrow.is_up else (base, base - size)
        neck = tip + (end - tip) * 0.5
        half, stem = size / 2, self._u(4)
        self._pen.polygon([(middle, tip), (middle + half, neck), (middle - half, neck)], fill=_BLACK)
        self._pen.rectangle((middle - stem, min(neck, end), middle + stem, max(neck, end)), fill=_BLACK)
        text = f"{sheet.floor} {arrow.number}: {arrow.free} {sheet.free}"
        self._text((x + self._u(40), base), text, 30, room_px=room_px - self._u(52))

    def row(self, row: Row, top: float, height: float) -> None:
        """Draw one zone between `top` and `top + height`: words and bar on the left, the number on the right."""
        edge, right = self._edge, self._width - self._edge
        number_px = self._width * (0.34 if self._is_tall else 0.24)
        self._number(row, right, top, height, number_px)
        room = right - number_px - edge - self._u(12)
        has_bar = row.has_bar and height >= self._u(_LEAST_ROW_WITH_BAR)
        bar = min(self._u(18), height * 0.16) if has_bar else 0.0
        units = (height - bar) / self._unit
        base = top + self._u(units * 0.5)
        name = min(units * 0.46, 56)
        wide = self._text((edge, base), row.name, name, room_px=room, weight=800)
        if row.other and room - wide > self._u(60):
            left = edge + wide + self._u(12)
            self._text((left, base), row.other, name * 0.55, room_px=right - number_px - left, weight=500)
        self._second_line(row, (edge, base + self._u(min(units * 0.34, 40))), min(units * 0.28, 32), room)
        if has_bar:
            bottom = top + height - self._u(min(units * 0.08, 14))
            self._bar(row, (edge, bottom - bar, edge + room, bottom))
        self._line(top + height - self._u(1), 1)

    def _number(self, row: Row, right: float, top: float, height: float, room: float) -> None:
        middle = top + height / 2
        size = min(height / self._unit * (0.5 if row.is_word else 1.08), 76 if row.is_word else 190)
        if not row.is_full:
            self._text((right, middle), row.number, size, room_px=room - self._u(8), weight=800, anchor="rm")
            return
        pad, inset = self._u(14), self._u(7)
        width = _font(round(self._u(size * 0.9)), 800).getlength(row.number) + 2 * pad
        self._pen.rectangle((right - width, top + inset, right, top + height - inset), fill=_BLACK)
        self._text(
            (right - pad, middle), row.number, size * 0.9, room_px=room, weight=800, anchor="rm", ink=_WHITE
        )

    def _second_line(self, row: Row, at: tuple[float, float], size: float, room: float) -> None:
        """Write what the number is of; what warns comes before what explains when there is no room for both."""
        boxed = "" if row.is_old or row.is_word else row.chip
        plain = "" if boxed else row.chip
        pad, gap = self._u(8), self._u(14)
        box_px = self._length(boxed, size, 700) + 2 * pad + gap if boxed else 0.0
        said = ""
        for parts in ((row.of, row.used, plain), (row.of, plain), (plain or row.of,)):
            said = " · ".join(part for part in parts if part)
            if self._length(said, size, 600) * _SQUEEZE <= room - box_px:
                break
        else:
            said = plain
        left = at[0] + (self._text(at, said, size, room_px=room - box_px, weight=600) + gap if said else 0.0)
        if not boxed:
            return
        length = min(self._length(boxed, size, 700), room - 2 * pad)
        top, bottom = at[1] - self._u(size), at[1] + self._u(size * 0.22)
        self._pen.rectangle((left, top, left + length + 2 * pad, bottom), fill=_BLACK)
        self._text((left + pad, at[1]), boxed, size, room_px=length, ink=_WHITE)

    def _bar(self, row: Row, box: tuple[float, float, float, float]) -> None:
        left, top, right, bottom = box
        line = max(round(self._u(2)), 1)
        self._pen.rectangle(box, outline=_BLACK, width=line)
        free = left + (right - left) * row.free_share
        if not row.is_old and free > left:
            self._pen.rectangle((left, top, free, bottom), fill=_BLACK)
        elif free > left:  # old: as far as it reached, hollow
            self._pen.rectangle((left, top, free, bottom), outline=_BLACK, width=line * 2)
        end = free + (right - left) * row.used_share
        step = self._u(8)
        x = free + step / 2
        while x < end:
            self._pen.rectangle((x, top, min(x + step / 2, end), bottom), fill=_BLACK)
            x += step
