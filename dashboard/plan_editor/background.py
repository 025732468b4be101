"""Drawings and photographs that lie under a floor while it is edited: made harmless before they are kept.

An SVG is written anew from the few elements and attributes that draw; scripts, handlers, style sheets that fetch, and
references to anything outside are left out. Pictures are known by their bytes; what they tell beside the picture
(camera, place, author) is left out too.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import msgspec

from workplace.errors import WorkplaceError

#: An A0 plan as SVG has about a megabyte, a scan at 200 dpi a few. More makes the page slow.
MOST_BYTES: Final = 8_000_000
MOST_ELEMENTS: Final = 100_000
#: Each of four bytes in a browser's memory.
MOST_PIXELS: Final = 50_000_000
MediaType = Literal["image/svg+xml", "image/png", "image/jpeg"]
SUFFIXES: Final[dict[MediaType, str]] = {
    "image/svg+xml": ".svg",
    "image/png": ".png",
    "image/jpeg": ".jpg",
}

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_ELEMENT_NAMES: Final = (
    "svg g defs symbol use path rect circle ellipse line polyline polygon text tspan linearGradient radialGradient "
    "stop clipPath mask pattern marker style switch"
)
_ATTRIBUTE_NAMES: Final = (
    "id class viewBox preserveAspectRatio width height x y x1 y1 x2 y2 cx cy r rx ry fx fy d points transform dx dy "
    "rotate textLength lengthAdjust offset gradientUnits gradientTransform spreadMethod clipPathUnits maskUnits "
    "maskContentUnits patternUnits patternContentUnits patternTransform markerWidth markerHeight markerUnits refX "
    "refY orient version style fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap "
    "stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color display visibility overflow "
    "clip-path clip-rule mask marker-start marker-mid marker-end stop-color stop-opacity font-family font-size "
    "font-style font-weight text-anchor dominant-baseline letter-spacing word-spacing vector-effect "
    "shape-rendering href"
)
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
#: What CSS can fetch or run with, and the backslash that hides it.
_FETCHES = re.compile(r"@|\\|<|expression|javascript|behavior|binding|image-set|src\s*\(", re.IGNORECASE)
_URL = re.compile(r"url\s*\(\s*(['\"]?)(?P<target>[^)]*?)\1\s*\)", re.IGNORECASE)
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND"})


class BackgroundRefused(WorkplaceError):
    """The file is no background; tell the person `code` in their language."""

    def __init__(self, code: Literal["too_large", "unknown_kind", "broken", "entities", "too_many"]) -> None:
        super().__init__(f"this file is no background: {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """A harmless picture; size in its own units (pixels, or those of the SVG)."""

    media_type: MediaType
    content: bytes
    width: float
    height: float


def made_harmless(data: bytes) -> Picture:
    """Return the picture that a file holds.

    Raises:
        BackgroundRefused: it is too large, of an unknown kind, or damaged.
    """
    if len(data) > MOST_BYTES:
        raise BackgroundRefused("too_large")
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        return _svg(data)
    raise BackgroundRefused("unknown_kind")


def _png(data: bytes) -> Picture:
    kept, size, at = [_PNG], (0, 0), len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        chunk = data[at:end]
        if end > len(data) or struct.unpack(">I", chunk[-4:])[0] != zlib.crc32(chunk[4:-4]):
            raise BackgroundRefused("broken")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", chunk, 8)
        if kind in _PNG_CHUNKS:
            kept.append(chunk)
        at = end
        if kind == b"IEND":
            return _sized("image/png", b"".join(kept), *size)
    raise BackgroundRefused("broken")


def _jpeg(data: bytes) -> Picture:
    kept, size, at = [b"\xff\xd8"], (0, 0), 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        end = at + 2 + length
        if length < 2 or end > len(data):  # the length counts itself
            break
        # Start of frame, but not the tables between them (ITU T.81, table B.1).
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC} and length >= 7:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        if not (0xE1 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = end
        if marker == 0xDA:  # the picture itself follows, up to the end
            if not data.rstrip(b"\x00").endswith(b"\xff\xd9"):
                break
            kept.append(data[at:])
            return _sized("image/jpeg", b"".join(kept), *size)
    raise BackgroundRefused("broken")


def _sized(media_type: MediaType, content: bytes, width: float, height: float) -> Picture:
    if width <= 0 or height <= 0:
        raise BackgroundRefused("broken")
    if media_type != "image/svg+xml" and width * height > MOST_PIXELS:
        raise BackgroundRefused("too_large")
    return Picture(media_type, content, width, height)


def _svg(data: bytes) -> Picture:
    writer = _SvgWriter()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.EntityDeclHandler = _no_entities
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(data, True)  # noqa: FBT003 - the whole of it
    except (expat.ExpatError, ValueError) as error:
        raise BackgroundRefused("broken") from error
    if writer.size is None:
        raise BackgroundRefused("unknown_kind")
    return _sized("image/svg+xml", "".join(writer.parts).encode(), *writer.size)


def _no_entities(*_declared: object) -> None:
    """A few of them can stand for gigabytes."""
    raise BackgroundRefused("entities")


class _SvgWriter:
    """Writes the allowed part of what it is told; `size` is that of the drawing, None without any."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size: tuple[float, float] | None = None
        self._open: list[str] = []
        self._left_out = 0
        self._count = 0
        self._style: list[str] | None = None

    def start(self, qualified: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise BackgroundRefused("too_many")
        space, _, name = qualified.rpartition(" ")
        if not self._open and (space, name) != (_SVG, "svg"):
            raise BackgroundRefused("unknown_kind")
        if self._left_out or space != _SVG or name not in _ELEMENTS or self._style is not None:
            self._left_out += 1
            self._open.append("")
            return
        kept = dict(_kept(attributes))
        if not self._open:
            self.size = _svg_size(kept)
            kept |= {"xmlns": _SVG}
        self._open.append(name)
        if name == "style":
            self._style = []
            return
        self.parts.append(f"<{name}{''.join(f' {key}={quoteattr(value)}' for key, value in kept.items())}>")

    def end(self, _qualified: str) -> None:
        name = self._open.pop()
        if not name:
            self._left_out -= 1
            return
        if name == "style":
            sheet, self._style = "".join(self._style or []), None
            if _is_harmless_css(sheet):
                self.parts.append(f"<style>{escape(sheet)}</style>")
            return
        self.parts.append(f"</{name}>")

    def text(self, text: str) -> None:
        if self._left_out or not self._open:
            return
        if self._style is not None:
            self._style.append(text)
        else:
            self.parts.append(escape(text))


def _kept(attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    for qualified, value in attributes.items():
        space, _, name = qualified.rpartition(" ")
        if (space and (space, name) != (_XLINK, "href")) or name not in _ATTRIBUTES:
            continue
        if name == "href" and not value.strip().startswith("#"):
            continue
        if _is_harmless_css(value):
            yield name, value


def _is_harmless_css(text: str) -> bool:
    return (
        not _FETCHES.search(text)
        and all(match["target"].strip().startswith("#") for match in _URL.finditer(text))
        and len(_URL.findall(text)) == len(re.findall(r"url", text, re.IGNORECASE))
    )


def _svg_size(attributes: dict[str, str]) -> tuple[float, float]:
    box = re.findall(r"-?[\d.]+(?:e-?\d+)?", attributes.get("viewBox", ""))
    sides = box[2:4] if len(box) == 4 else [attributes.get("width", ""), attributes.get("height", "")]
    try:
        width, height = (float(re.sub(r"(px|mm|cm|in|pt|pc)$", "", side.strip())) for side in sides)
    except ValueError:
        return 100.0, 100.0
    return width, height


class Laid(msgspec.Struct, frozen=True):
    """How a background lies under its floor: left and top in metres, and how many metres it is wide.

    `mark` changes with the picture, `width` and `height` are in its own units.
    """

    media_type: MediaType
    mark: str
    width: float
    height: float
    left_m: float = 0.0
    top_m: float = 0.0
    width_m: float = 0.0

    @property
    def height_m(self) -> float:
        return self.width_m * self.height / self.width


class BackgroundFolder:
    """Keeps one background per floor in a folder of the site's data, away from the plan: no screen shows it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def laid(self, floor: str) -> Laid | None:
        """Return how the background of a floor lies, None without one."""
        try:
            return msgspec.json.decode((self._folder / f"{floor}.json").read_bytes(), type=Laid)
        except (OSError, msgspec.DecodeError):
            return None

    def content(self, floor: str, laid: Laid) -> bytes | None:
        """Return the picture, None when it is gone."""
        try:
            return (self._folder / f"{floor}{SUFFIXES[laid.media_type]}").read_bytes()
        except OSError:
            return None

    def put(self, floor: str, laid: Laid, content: bytes | None = None) -> None:
        """Keep a background, or only how it lies.

        Raises:
            OSError: it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        parts = [(f"{floor}.json", msgspec.json.encode(laid))]
        if content is not None:
            parts.insert(0, (f"{floor}{SUFFIXES[laid.media_type]}", content))
        for name, data in parts:
            draft = self._folder / f"{name}.new"
            draft.write_bytes(data)
            draft.replace(self._folder / name)

    def remove(self, floor: str) -> None:
        for suffix in (".json", *SUFFIXES.values()):
            (self._folder / f"{floor}{suffix}").unlink(missing_ok=True)


def laid_on(picture: Picture, floor_width_m: float) -> Laid:
    """Return a new background as wide as its floor."""
    mark = hashlib.sha256(picture.content).hexdigest()[:12]
    return Laid(picture.media_type, mark, picture.width, picture.height, width_m=floor_width_m)
